// Owns the market of `bench:sessions`: books of 200 levels a side that change at an even rate, published by a gateway's own bus.
// One gateway's process runs it. Invariant: a book of its own follows every update that was accepted, and says where all must end.

import type { Gateway } from '../../../src/gateway/gateway.ts';
import { Book } from '../../../src/market/book.ts';
import { defineInstrument } from '../../../src/market/instrument.ts';
import type { BookDelta, BookSnapshot } from '../../../src/market/update.ts';
import { someDeltas, symbolOf, wholeBook } from '../redis/books.ts';
import { seededRandom } from '../workloads.ts';
import type { FinalBook } from './messages.ts';

/** How often the market moves: a few updates at a time. */
const TURN_MS = 5;

export interface MarketPlan {
  readonly books: number;
  /** Of all books together. */
  readonly updatesPerSec: number;
  readonly seed: number;
}

export class BookMarket {
  private readonly mirrors: Book[];
  private readonly seqs: number[];
  private readonly deltas;
  private readonly under = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | null = null;
  private published = 0;

  constructor(
    private readonly gateway: Pick<Gateway, 'bus' | 'instruments'>,
    private readonly plan: MarketPlan,
  ) {
    this.mirrors = Array.from({ length: plan.books }, () => new Book());
    this.seqs = this.mirrors.map(() => 0);
    this.deltas = someDeltas(plan.seed);
  }

  /** Lists the books, publishes each whole, and begins to move them. */
  async open(): Promise<void> {
    const { books, seed, updatesPerSec } = this.plan;
    const random = seededRandom(seed);
    for (let book = 0; book < books; book++) {
      const instrument = defineInstrument({ symbol: symbolOf(book), priceScale: 2, sizeScale: 4 });
      if (typeof instrument === 'string') throw new Error(instrument);
      this.gateway.instruments.put(instrument);
      await this.publish(book, wholeBook(random));
    }
    const fromMs = performance.now();
    this.timer = setInterval(() => {
      const due = ((performance.now() - fromMs) / 1_000) * updatesPerSec;
      for (; this.published < due; this.published++) {
        const call = this.publish(this.published % books, this.deltas[this.published % this.deltas.length]!);
        this.under.add(call);
        void call.then(() => this.under.delete(call));
      }
    }, TURN_MS);
  }

  /** Ends it. @returns where all books stand, once everything was accepted. */
  async close(): Promise<FinalBook[]> {
    if (this.timer !== null) clearInterval(this.timer);
    await Promise.all(this.under);
    return this.mirrors.map((mirror, book) => ({
      symbol: symbolOf(book),
      seq: this.seqs[book]!,
      checksum: mirror.checksum(0),
    }));
  }

  private async publish(book: number, update: BookDelta | BookSnapshot): Promise<void> {
    const symbol = symbolOf(book);
    const [published] = await this.gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
    if (published === undefined || 'refused' in published) {
      throw new Error(`an update of ${symbol} was refused: ${JSON.stringify(published)}`);
    }
    const { seq } = published;
    if (seq !== this.seqs[book]! + 1) throw new Error(`${symbol} went from ${this.seqs[book]} to ${seq}`);
    this.seqs[book] = seq;
    if (update.kind === 'snapshot') this.mirrors[book]!.applySnapshot(update.bids, update.asks, seq);
    else this.mirrors[book]!.applyDelta(update.bids, update.asks, seq);
  }
}
