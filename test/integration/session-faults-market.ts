// Owns a market inside the test's process, the plain books that say what it was at every update, and what a client of the SDK makes
// of it. The tests of session faults run it. Invariant: a state that was never published, a step back, a trade that is missing
// without a word, and an update that nobody accounts for are failures.

import type { BookState, BookSubscription, BookWishes, Client } from '../../src/client/node.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { list } from '../gateway/harness.ts';
import type { Random } from '../simulation/kernel.ts';
import { until } from './account.ts';

const MIDDLE = 100_000;

type Levels = readonly (readonly [price: number, size: number])[];
interface Sides {
  readonly bids: Levels;
  readonly asks: Levels;
}

/** What was published of one symbol. */
class Published {
  readonly book = new NaiveBook();
  /** By the number of the update less one. */
  readonly states: Sides[] = [];
  tradeSeq = 0;

  constructor(readonly levels: number) {}
}

export class Market {
  private readonly published = new Map<string, Published>();

  constructor(
    private readonly gateway: Gateway,
    readonly random: Random,
  ) {}

  get symbols(): string[] {
    return [...this.published.keys()];
  }

  /** Lists a symbol, and publishes its first book of so many levels a side. */
  async open(symbol: string, levels: number): Promise<void> {
    list(this.gateway, { symbol, priceScale: 2, sizeScale: 0 });
    this.published.set(symbol, new Published(levels));
    const side = (outward: number) =>
      Array.from({ length: levels }, (_, i) => [MIDDLE + outward * (i + 1), 1 + this.random.below(2 ** 31), 0]).flat();
    await this.put(symbol, { kind: 'snapshot', bids: side(-1), asks: side(1) });
  }

  /** One update of the book: a few levels are set or removed. Now and then a trade as well. */
  async move(symbol: string): Promise<void> {
    const { book, levels } = this.of(symbol);
    const side = (name: 'bids' | 'asks', outward: number) => {
      const flat: number[] = [];
      for (let i = this.random.nearZero(levels); i < levels && flat.length < 9; i += 1 + this.random.nearZero(levels)) {
        const price = MIDDLE + outward * (i + 1);
        const removes = book[name].has(price) && this.random.chance(0.4);
        flat.push(price, removes ? 0 : 1 + this.random.below(1_000), 0);
      }
      return flat;
    };
    await this.put(symbol, { kind: 'delta', bids: side('bids', -1), asks: side('asks', 1) });
    if (this.random.chance(0.3)) await this.trade(symbol);
  }

  state(symbol: string, seq: number): Sides | undefined {
    return this.of(symbol).states[seq - 1];
  }

  bookSeq(symbol: string): number {
    return this.of(symbol).states.length;
  }

  tradeSeq(symbol: string): number {
    return this.of(symbol).tradeSeq;
  }

  private async put(symbol: string, update: Parameters<NaiveBook['apply']>[0]): Promise<void> {
    const { book, states } = this.of(symbol);
    const published = this.gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
    book.apply(update);
    states.push({ bids: book.sorted('bids'), asks: book.sorted('asks') });
    const [first] = await published;
    if (!('seq' in first!) || first.seq !== states.length) throw new Error(`not taken: ${JSON.stringify(first)}`);
  }

  private async trade(symbol: string): Promise<void> {
    const update = { kind: 'trade', id: 1, price: MIDDLE, size: 1, side: 'buy', tradeKind: 'trade' } as const;
    const [first] = await this.gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
    if (!('seq' in first!)) throw new Error(`not taken: ${JSON.stringify(first)}`);
    this.of(symbol).tradeSeq = first.seq;
  }

  private of(symbol: string): Published {
    return this.published.get(symbol)!;
  }
}

/** One client, and what it was told. */
export class Follower {
  readonly failures: string[] = [];
  states = 0;
  trades = 0;
  resets = 0;
  readonly healed: Record<string, number> = { diffed: 0, replayed: 0, snapshot: 0, current: 0 };
  private readonly books = new Map<string, BookSubscription>();
  private readonly tradeSeqs = new Map<string, number>();
  /** What was not accounted for when the first state came: updates before it are no business of the subscription's. */
  private readonly before = new Map<BookSubscription, number>();
  private wake: () => void = () => {};

  constructor(
    readonly client: Client,
    private readonly market: Market,
  ) {
    client.on('resync', (event) => this.failures.push(`a resync: ${JSON.stringify(event)}`));
    client.on('error', ({ symbol, error }) => this.failures.push(`an error: ${symbol} ${error.code} ${error.message}`));
    client.on('heal', ({ how }) => {
      this.healed[how]! += 1;
    });
    client.on('gap', ({ channel, symbol, firstSeq, lastSeq }) => {
      if (channel === 'trade') this.traded(symbol, firstSeq, lastSeq);
    });
    client.on('reset', ({ channel, symbol, seq }) => {
      this.resets += 1;
      if (channel === 'trade') this.tradeSeqs.set(symbol, seq);
      this.wake();
    });
  }

  /** Subscribes to the book, or changes what is wished of it. */
  book(symbol: string, wishes: Omit<BookWishes, 'group'> = {}): BookSubscription {
    const known = this.books.get(symbol);
    if (known !== undefined) {
      void known.set({ depth: 0, interval: 0, mode: 'live', ...wishes }).catch(() => {});
      return known;
    }
    const book = this.client.book(symbol, wishes);
    this.books.set(symbol, book);
    let heldSeq = 0;
    book.on('change', (state) => {
      this.states += 1;
      if (state.seq < heldSeq) this.failures.push(`${symbol} went back from ${heldSeq} to ${state.seq}`);
      heldSeq = state.seq;
      if (!this.before.has(book)) this.before.set(book, accounted(book) - state.seq);
      this.compare(symbol, state);
      this.wake();
    });
    return book;
  }

  /** Leaves the book. */
  leave(symbol: string): void {
    this.books.get(symbol)?.close();
    this.books.delete(symbol);
  }

  follows(symbol: string): boolean {
    return this.books.has(symbol);
  }

  followTrades(symbol: string): void {
    this.client.trades(symbol).on('trade', ({ seq }) => {
      this.trades += 1;
      this.traded(symbol, seq, seq);
    });
    this.tradeSeqs.set(symbol, Number.NaN);
  }

  /** Waits until it holds all that was published. @returns what is wrong. */
  async verdict(): Promise<readonly string[]> {
    const behind = () => [
      ...[...this.books].filter(([symbol, { current }]) => current?.seq !== this.market.bookSeq(symbol)),
      ...[...this.tradeSeqs].filter(([symbol, seq]) => !Number.isNaN(seq) && seq !== this.market.tradeSeq(symbol)),
    ];
    const arrived = until(
      () => behind().length === 0,
      (wake) => {
        this.wake = wake;
      },
    );
    if (!(await arrived)) this.failures.push(`it did not arrive at the end of ${behind().map(([symbol]) => symbol)}`);
    for (const [symbol, book] of this.books) {
      const missing = book.current!.seq + (this.before.get(book) ?? 0) - accounted(book);
      if (missing !== 0) this.failures.push(`${missing} updates of ${symbol} are not accounted for`);
    }
    return this.failures;
  }

  private compare(symbol: string, { seq, depth, bids, asks }: BookState): void {
    // Nothing of it was published yet.
    if (seq === 0) return;
    const sides = this.market.state(symbol, seq);
    const same = sides !== undefined && alike(bids, cut(sides.bids, depth)) && alike(asks, cut(sides.asks, depth));
    if (!same) this.failures.push(`${symbol} was never so at ${seq}, depth ${depth}`);
  }

  private traded(symbol: string, firstSeq: number, lastSeq: number): void {
    const before = this.tradeSeqs.get(symbol)!;
    if (!Number.isNaN(before) && firstSeq !== before + 1)
      this.failures.push(`trades of ${symbol} went from ${before} to ${firstSeq} without a word`);
    this.tradeSeqs.set(symbol, lastSeq);
    this.wake();
  }
}

function accounted({ counters: { delivered, merged, gapped, covered } }: BookSubscription): number {
  return delivered + merged + gapped + covered;
}

function cut(levels: Levels, depth: number): Levels {
  return depth === 0 ? levels : levels.slice(0, depth);
}

function alike(held: BookState['bids'], published: Levels): boolean {
  return (
    held.length === published.length &&
    held.every(({ price, size }, i) => price === published[i]![0] && size === published[i]![1])
  );
}
