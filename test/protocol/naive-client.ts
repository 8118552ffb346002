// Owns a client's book written straight from the numbered rules of proto/frames.md, slow and plain: the oracle of the vectors.
// Called by tests only. Invariant: after each frame it holds what the rules say, or nothing.

import type { BookFrame, FlatLevels, Frame, PartFrame } from '../../src/protocol/frames.ts';
import type { GoldenStep } from './golden.ts';
import { checksum, type Level } from './vectors-encoding.ts';

export class NaiveClient {
  /** Null: nothing is held, a snapshot is awaited. */
  seq: number | null = null;
  depth = 0;
  bids: Level[] = [];
  asks: Level[] = [];
  private epoch: number | null = null;
  private parts: PartFrame[] = [];

  /** Takes one frame of the topic and says what it did with it. */
  take(frame: Frame): GoldenStep['action'] {
    switch (frame.type) {
      case 'topic': {
        const same = this.epoch === null || this.epoch === frame.epoch;
        this.epoch = frame.epoch;
        return same ? 'note' : this.drop('void');
      }
      case 'reset':
        return this.drop('void');
      case 'part':
        return this.part(frame);
      case 'book':
        return this.book(frame);
      default:
        return 'note';
    }
  }

  /** Rule 1: parts are held back in order. */
  private part(frame: PartFrame): GoldenStep['action'] {
    if (frame.index === 0) this.parts = [];
    const first = this.parts[0] ?? frame;
    if (frame.index !== this.parts.length || frame.seq !== first.seq || frame.fromSeq !== first.fromSeq)
      return this.hole();
    this.parts.push(frame);
    return 'hold-back';
  }

  private book(frame: BookFrame): GoldenStep['action'] {
    // Rule 2: the parts that belong to it, all of them.
    const parts = frame.parts === 0 ? [] : this.parts;
    this.parts = [];
    const foreign = parts.some(({ seq, fromSeq }) => seq !== frame.seq || fromSeq !== frame.fromSeq);
    if (parts.length !== frame.parts || foreign) return this.hole();
    // Rules 3 to 6: is it for this client?
    const snapshot = frame.fromSeq === 0;
    if (!snapshot) {
      if (this.seq === null || this.seq < frame.fromSeq) return this.hole();
      if (this.seq > frame.seq || (this.seq === frame.seq && this.depth === frame.depth)) return 'ignore';
    }
    // Rule 7: set each level, cut, compare.
    if (snapshot) {
      this.bids = [];
      this.asks = [];
    }
    for (const { bids, asks, stride } of [...parts, frame]) {
      this.bids = set(this.bids, bids, stride);
      this.asks = set(this.asks, asks, stride);
    }
    this.bids.sort(([a], [b]) => b - a);
    this.asks.sort(([a], [b]) => a - b);
    this.depth = frame.depth;
    if (frame.depth > 0) {
      this.bids.length = Math.min(this.bids.length, frame.depth);
      this.asks.length = Math.min(this.asks.length, frame.depth);
    }
    if (checksum(this.bids, this.asks) !== frame.checksum) return this.drop('resync');
    this.seq = frame.seq;
    return snapshot ? 'replace' : 'apply';
  }

  /** Something is missing. Where nothing is held, the request for it is under way already. */
  private hole(): GoldenStep['action'] {
    if (this.seq !== null) return this.drop('resync');
    this.parts = [];
    return 'ignore';
  }

  private drop(action: 'resync' | 'void'): GoldenStep['action'] {
    this.seq = null;
    this.depth = 0;
    this.bids = [];
    this.asks = [];
    this.parts = [];
    return action;
  }
}

function set(levels: Level[], flat: FlatLevels, stride: number): Level[] {
  let after = levels;
  for (let i = 0; i < flat.length; i += stride) {
    const level = flat.slice(i, i + stride) as unknown as Level;
    after = after.filter(([price]) => price !== level[0]);
    if (level[1] > 0) after.push(level);
  }
  return after;
}
