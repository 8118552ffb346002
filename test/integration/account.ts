// Owns what one client of the SDK says, written down and held against what was published. The proofs with killed gateways have one for
// each of their clients. Invariant: a state that was never published, a trade that is missing without a word, and a doubt of the
// client's own are failures.

import type { BookState, Client } from '../../src/client/node.ts';
import type { MarketLoad } from './market-load.ts';

const WAIT_MS = 30_000;

export class Account {
  readonly failures: string[] = [];
  states = 0;
  trades = 0;
  readonly books;
  private readonly quotes;
  private seen: { readonly symbol: string; readonly depth: number; readonly state: BookState }[] = [];
  private readonly tradeSeqs = new Map<string, number>();
  private wake: () => void = () => {};

  constructor(
    readonly client: Client,
    private readonly load: MarketLoad,
  ) {
    const wishes = [
      {},
      { depth: 10 },
      { depth: 20, interval: 50 },
      { mode: 'raw' },
      { depth: 5, priority: 9 },
    ] as const;
    this.books = load.symbols.map((symbol, i) => client.book(symbol, wishes[i % wishes.length]!));
    this.quotes = load.symbols.slice(0, 2).map((symbol) => client.quote(symbol));
    for (const book of this.books) {
      book.on('change', (state) => {
        this.states += 1;
        this.seen.push({ symbol: book.symbol, depth: state.depth, state });
        this.wake();
      });
    }
    for (const quote of this.quotes) quote.on('change', () => this.wake());
    for (const symbol of load.symbols) {
      client.trades(symbol).on('trade', ({ seq }) => {
        this.trades += 1;
        this.tradeFrom(symbol, seq, seq);
      });
    }
    client.on('gap', ({ channel, symbol, firstSeq, lastSeq }) => {
      if (channel === 'trade') this.tradeFrom(symbol, firstSeq, lastSeq);
    });
    client.on('reset', ({ channel, symbol, seq }) => {
      if (channel === 'trade') this.tradeSeqs.set(symbol, seq);
      this.wake();
    });
    client.on('resync', (event) => this.failures.push(`a resync: ${JSON.stringify(event)}`));
    client.on('error', ({ symbol, error }) => {
      // While a new gateway does not list it yet.
      if (error.code !== 'unknown-symbol') this.failures.push(`an error: ${symbol} ${error.code} ${error.message}`);
    });
  }

  get topics(): number {
    return this.books.length + this.quotes.length + this.load.symbols.length;
  }

  /** Waits until the client has come to the end of what was published, and compares all of it. */
  async check(when: string): Promise<void> {
    const behind = () => [
      ...this.books.filter((book) => book.current?.seq !== this.published(book.symbol).bookSeq),
      ...this.quotes.filter(({ symbol, current }) => {
        const [bids, asks] = JSON.parse(this.published(symbol).text(1)) as [number[][], number[][]];
        const best = [bids[0]?.[0] ?? null, asks[0]?.[0] ?? null];
        return `${current?.bidPrice},${current?.askPrice}` !== best.map(String).join();
      }),
      ...this.load.symbols
        .filter((symbol) => this.tradeSeqs.get(symbol) !== this.published(symbol).tradeSeq)
        .map((symbol) => ({
          channel: 'trade',
          symbol,
        })),
    ];
    const arrived = until(
      () => behind().length === 0,
      (wake) => {
        this.wake = wake;
      },
    );
    if (!(await arrived)) {
      const late = behind().map(({ channel, symbol }) => `${channel} ${symbol}`);
      this.failures.push(`${when}: did not arrive at what was published: ${late.join(', ')}`);
    }
    for (const { symbol, depth, state } of this.seen) {
      const texts = [...(this.published(symbol).history.get(state.seq) ?? [])];
      const expected = texts.map((text) => cut(text, depth));
      if (state.seq > 0 && !expected.includes(textOf(state))) {
        this.failures.push(`${when}: ${symbol} was never so at ${state.seq}`);
      }
    }
    this.seen = [];
    for (const book of this.books) {
      const published = this.published(book.symbol);
      if (textOf(book.current!) !== published.text(book.current!.depth)) {
        this.failures.push(`${when}: the book of ${book.symbol} differs at ${published.bookSeq}`);
      }
    }
  }

  /** Every update of a book since `before` must be told: its own, merged, in a gap, or covered by a fresh start. */
  accounted(): number[] {
    return this.books.map(
      ({ counters: { delivered, merged, gapped, covered } }) => delivered + merged + gapped + covered,
    );
  }

  private published(symbol: string) {
    return this.load.published.get(symbol)!;
  }

  private tradeFrom(symbol: string, firstSeq: number, lastSeq: number): void {
    const before = this.tradeSeqs.get(symbol);
    if (before !== undefined && firstSeq !== before + 1) {
      this.failures.push(`trades of ${symbol} went from ${before} to ${firstSeq} without a word`);
    }
    this.tradeSeqs.set(symbol, lastSeq);
    this.wake();
  }
}

function textOf({ bids, asks }: BookState): string {
  return JSON.stringify([bids, asks].map((side) => side.map(({ price, size }) => [price, size])));
}

function cut(text: string, depth: number): string {
  if (depth === 0) return text;
  return JSON.stringify((JSON.parse(text) as unknown[][]).map((side) => side.slice(0, depth)));
}

/** Asked again whenever it is woken. @returns false where it does not hold in time. */
export function until(holds: () => boolean, onWake: (wake: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (held: boolean) => {
      clearTimeout(timer);
      onWake(() => {});
      resolve(held);
    };
    const timer = setTimeout(() => done(false), WAIT_MS);
    const look = () => {
      if (holds()) done(true);
    };
    onWake(look);
    look();
  });
}
