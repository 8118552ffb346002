// Owns every state of every book that any client of the crowd ever held, each once: clients that hold the same state share it, and a
// frame that was applied to a state once is not applied again. The storm's clients walk from state to state.
// Invariant: a state's levels have the checksum that the gateway stated for its seq, and one book has one checksum at one seq.

import { LocalBook } from '../../../src/client/local-book.ts';
import type { LadderLevel } from '../../../src/market/ladder.ts';
import type { BookFrame } from '../../../src/protocol/frames.ts';

/** What a client has before its first snapshot. */
export const NOTHING = -1;

/** A book as one client or many hold it. */
export interface BookState {
  readonly book: number;
  readonly epoch: number;
  readonly seq: number;
  readonly checksum: number;
  /** All of it, as a snapshot would bring it. */
  readonly whole: BookFrame;
}

/** A frame with a number of its own: frames of the same number have the same bytes. */
export interface NumberedFrame {
  readonly number: number;
  readonly frame: BookFrame;
}

/** What can't be: the text says what. */
export class StateFault extends Error {}

/** Above all numbers of frames. */
const FRAMES_MAX = 2 ** 30;

export class States {
  /** States that came of applying a frame; others were known already. */
  applied = 0;
  private readonly all: BookState[] = [];
  private readonly steps = new Map<number, number>();
  private readonly places = new Map<string, number>();
  private readonly newest = new Map<string, number>();

  get size(): number {
    return this.all.length;
  }

  at(state: number): BookState {
    return this.all[state]!;
  }

  /** The highest seq that anybody was told of. */
  newestSeq(book: number, epoch: number): number {
    return this.newest.get(`${book} ${epoch}`) ?? 0;
  }

  /** What a client that holds `state` of the book holds after the frame. @throws StateFault where that is not exact. */
  advance(state: number, book: number, epoch: number, numbered: NumberedFrame): number {
    const { frame, number } = numbered;
    const key = (frame.fromSeq === 0 ? 0 : state + 1) * FRAMES_MAX + number;
    const known = this.steps.get(key);
    if (known !== undefined) return known;
    const held = state === NOTHING ? null : this.all[state]!;
    const next = this.apply(held, state, book, epoch, frame);
    this.steps.set(key, next);
    return next;
  }

  private apply(held: BookState | null, state: number, book: number, epoch: number, frame: BookFrame): number {
    const where = `book ${book}, frame ${frame.fromSeq} to ${frame.seq}`;
    if (frame.fromSeq !== 0 && held !== null && held.epoch !== epoch) throw new StateFault(`${where}: another epoch`);
    const local = new LocalBook();
    if (held !== null) local.apply(held.whole);
    const how = local.apply(frame);
    if (how === 'ignored') return state;
    if (how !== 'applied') {
      const why = local.counters.badChecksums > 0 ? 'a wrong checksum' : 'a hole';
      throw new StateFault(`${where}: ${why} for who holds ${held?.seq ?? 'nothing'}`);
    }
    this.applied += 1;
    const { bids, asks, checksum } = local;
    const whole = { ...frame, fromSeq: 0, stride: 3, bids: flat(bids), asks: flat(asks), parts: 0 };
    return this.place({ book, epoch, seq: frame.seq, checksum, whole });
  }

  private place(state: BookState): number {
    const { book, epoch, seq, checksum } = state;
    const key = `${book} ${epoch} ${seq}`;
    const found = this.places.get(key);
    if (found !== undefined) {
      const other = this.all[found]!.checksum;
      if (other !== checksum) throw new StateFault(`book ${book} at ${seq} has two checksums: ${other}, ${checksum}`);
      return found;
    }
    const place = this.all.push(state) - 1;
    this.places.set(key, place);
    const line = `${book} ${epoch}`;
    this.newest.set(line, Math.max(this.newest.get(line) ?? 0, seq));
    return place;
  }
}

function flat(levels: readonly LadderLevel[]): number[] {
  return levels.flatMap(({ price, size, count }) => [price, size, count]);
}
