// Owns a bus that fails when a test says so, around the real one: it is down, forgets its topics, or breaks altogether.
// Invariant: what it refuses has left no trace, and everything that it was asked is written down.

import { MemoryBus } from '../../src/bus/memory.ts';
import type { IngestTarget, Sequenced } from '../../src/feeds/ingest.ts';
import { Book } from '../../src/market/book.ts';
import { Instruments } from '../../src/market/instrument.ts';
import { type BookSnapshot, LEVEL_STRIDE, type Update } from '../../src/market/update.ts';
import { fault } from '../../src/protocol/errors.ts';
import { VirtualTime } from './virtual.ts';

type Publications = Parameters<IngestTarget['bus']['publish']>[0];
type Place = Exclude<Sequenced, { refused: unknown }>;

/** An update that was taken, and where it went. */
export interface Taken extends Place {
  readonly symbol: string;
  readonly update: Update;
  readonly exchangeUs: number | null;
}

export class FickleBus implements IngestTarget {
  readonly instruments = new Instruments();
  readonly bus = { publish: (publications: Publications) => this.publish(publications) };
  readonly time = new VirtualTime();
  /** Symbols whose updates are refused with `bus-down`; true: all. */
  down: boolean | ReadonlySet<string> = false;
  /** What the call is rejected with. */
  broken: Error | null = null;
  /** Calls wait for it. */
  ready: Promise<void> = Promise.resolve();
  readonly taken: Taken[] = [];
  calls = 0;
  asked = 0;
  private epochs = 0;
  private real = this.fresh();

  /** All topics begin anew, as when a server has lost its data. */
  forget(): void {
    this.real = this.fresh();
  }

  /** A book as a snapshot. */
  async bookOf(symbol: string): Promise<BookSnapshot> {
    const levels = { stride: LEVEL_STRIDE, bids: [], asks: [] };
    const { book } = await this.real.load('book', symbol);
    if (book !== null) Book.load(book).top(0, levels);
    return { kind: 'snapshot', bids: levels.bids, asks: levels.asks };
  }

  async statusOf(symbol: string): Promise<unknown> {
    return (await this.real.load('status', symbol)).last;
  }

  /** What was taken of a symbol, in short. */
  kinds(symbol: string): string[] {
    return this.taken.filter((each) => each.symbol === symbol).map(({ update }) => update.kind);
  }

  private async publish(publications: Publications): Promise<Sequenced[]> {
    this.calls += 1;
    this.asked += publications.length;
    await this.ready;
    if (this.broken !== null) throw this.broken;
    // As of one moment: a bus never takes the later of two updates of a topic alone.
    const isDown = ({ symbol }: { symbol: string }) =>
      this.down === true || (this.down !== false && this.down.has(symbol));
    const downs = publications.map(isDown);
    const places = await this.real.publish(publications.filter((_, index) => !downs[index]));
    return publications.map((publication, index) => {
      const answer = downs[index] ? { refused: fault('bus-down') } : places.shift()!;
      if (!('refused' in answer)) this.taken.push({ ...publication, ...answer });
      return answer;
    });
  }

  private fresh(): MemoryBus {
    const newEpoch = (): number => ++this.epochs;
    return new MemoryBus({ clock: this.time, instruments: this.instruments, newEpoch, logEntriesMax: 64 });
  }
}
