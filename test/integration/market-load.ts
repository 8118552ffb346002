// Owns a market that is published over HTTP under load, and the plain books that say what it was at every update.
// The reconnect proof runs it. Invariant: the oracle knows what the gateway took, and nothing else; it shares no code with it.

import type { Random } from './seeded.ts';

const MIDDLE_TICKS = 10_000;
const LEVELS = 25;
const ITEMS = 60;
/** One batch each so many milliseconds: with ITEMS, some thousand updates a second. */
const BATCH_INTERVAL_MS = 15;

interface Result {
  readonly seq?: number;
  readonly error?: { readonly code: string };
}
type Side = Map<number, number>;
type Item = { symbol: string; type: string; bids?: string[][]; asks?: string[][]; price?: string; size?: string };

/** What was published of one symbol in the present epoch. */
export class Published {
  bids: Side = new Map();
  asks: Side = new Map();
  bookSeq = 0;
  tradeSeq = 0;
  /** The book after each update since the last check, as text; several where an epoch ended in between. */
  readonly history = new Map<number, Set<string>>();

  apply({ type, bids = [], asks = [] }: Item, seq: number): void {
    if (type === 'trade') {
      this.tradeSeq = seq;
      return;
    }
    if (type === 'snapshot') {
      this.bids = new Map();
      this.asks = new Map();
    }
    for (const [side, rows] of [
      [this.bids, bids],
      [this.asks, asks],
    ] as const) {
      for (const [price, size] of rows) {
        if (size === '0') side.delete(ticks(price!));
        else side.set(ticks(price!), Number(size));
      }
    }
    this.bookSeq = seq;
    const those = this.history.get(seq) ?? new Set();
    this.history.set(seq, those.add(this.text(0)));
  }

  /** Levels of both sides, best first, cut to a depth. */
  text(depth: number): string {
    const cut = (side: Side, sign: number) =>
      [...side].sort(([a], [b]) => (a - b) * sign).slice(0, depth === 0 ? undefined : depth);
    return JSON.stringify([cut(this.bids, -1), cut(this.asks, 1)]);
  }
}

function ticks(price: string): number {
  return Math.round(Number(price) * 100);
}

export class MarketLoad {
  readonly published = new Map<string, Published>();
  updates = 0;
  private wanted = false;
  private running: Promise<void> = Promise.resolve();
  private batches = 0;
  private awaited: { readonly batches: number; readonly done: () => void } | null = null;

  constructor(
    readonly symbols: readonly string[],
    private readonly url: string,
    private readonly random: Random,
  ) {}

  /** Lists the instruments and publishes whole books: a gateway that has begun anew knows nothing. */
  async begin(): Promise<void> {
    for (const symbol of this.symbols) {
      const body = JSON.stringify({ priceScale: 2, sizeScale: 0 });
      const { ok } = await fetch(`${this.url}/v1/instruments/${symbol}`, { method: 'PUT', body });
      if (!ok) throw new Error(`could not list ${symbol}`);
      const { history } = this.published.get(symbol) ?? {};
      const fresh = new Published();
      for (const [seq, texts] of history ?? []) fresh.history.set(seq, texts);
      this.published.set(symbol, fresh);
    }
    await this.send(
      this.symbols.map((symbol) => ({ symbol, type: 'snapshot', bids: this.levels(-1), asks: this.levels(1) })),
    );
  }

  start(): void {
    this.wanted = true;
    this.running = this.run();
  }

  /** Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.wanted = false;
    await this.running;
  }

  /** Resolves after so many batches more. */
  after(batches: number): Promise<void> {
    return new Promise((done) => {
      this.awaited = { batches: this.batches + batches, done };
    });
  }

  /** What the books were is not asked for any more. */
  forget(): void {
    for (const { history } of this.published.values()) history.clear();
  }

  private async run(): Promise<void> {
    while (this.wanted) {
      await this.send(Array.from({ length: ITEMS }, () => this.item()));
      this.batches += 1;
      if (this.awaited !== null && this.batches >= this.awaited.batches) {
        const { done } = this.awaited;
        this.awaited = null;
        done();
      }
      await new Promise((resolve) => setTimeout(resolve, BATCH_INTERVAL_MS));
    }
  }

  /** A batch that the gateway did not live to answer is of an epoch that is over. */
  private async send(items: readonly Item[]): Promise<void> {
    let results: Result[];
    try {
      const answer = await fetch(`${this.url}/v1/publish`, { method: 'POST', body: JSON.stringify(items) });
      ({ results } = (await answer.json()) as { results: Result[] });
    } catch {
      this.wanted = false;
      return;
    }
    for (const [i, { seq, error }] of results.entries()) {
      const item = items[i]!;
      if (seq === undefined) throw new Error(`the gateway refused ${JSON.stringify(item)}: ${error?.code}`);
      this.published.get(item.symbol)!.apply(item, seq);
      this.updates += 1;
    }
  }

  private item(): Item {
    const symbol = this.symbols[this.random.below(this.symbols.length)]!;
    const kind = this.random.below(10);
    const sign = this.random.below(2) === 0 ? -1 : 1;
    if (kind === 0) return { symbol, type: 'trade', price: price(sign), size: String(1 + this.random.below(9)) };
    const rows = Array.from({ length: 1 + this.random.below(3) }, (_, i) => [
      price(sign * (1 + i * LEVELS + this.random.below(LEVELS))),
      String(this.random.below(10)),
    ]);
    return { symbol, type: 'delta', ...(sign < 0 ? { bids: rows } : { asks: rows }) };
  }

  private levels(sign: number): string[][] {
    return Array.from({ length: LEVELS }, (_, i) => [price(sign * (i + 1)), String(1 + this.random.below(9))]);
  }
}

function price(awayTicks: number): string {
  return ((MIDDLE_TICKS + awayTicks) / 100).toFixed(2);
}
