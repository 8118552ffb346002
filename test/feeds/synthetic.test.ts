// Holds the synthetic market to its invariants by a naive book that applies what it says, and its pacing to a virtual clock.

import { describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { DEFAULT_SYMBOLS, runSynthetic, SyntheticMarket, type SyntheticSymbol } from '../../src/feeds/synthetic.ts';
import { defineInstrument, type Instrument } from '../../src/market/instrument.ts';
import type { Trade, Update } from '../../src/market/update.ts';
import { NaiveBook } from './naive.ts';
import { VirtualTime } from './virtual.ts';

type UpdateEvent = FeedEvent & { kind: 'update' };

function updates(events: readonly FeedEvent[]): UpdateEvent[] {
  return events.filter((event): event is UpdateEvent => event.kind === 'update');
}

/** Applies every update to a naive book and complains of whatever breaks an invariant. */
class Watcher {
  readonly books = new Map<string, NaiveBook>();
  readonly counts = { delta: 0, snapshot: 0, trade: 0, correction: 0, bust: 0, sweep: 0 };
  readonly pricesSeen = new Map<string, Set<number>>();
  private readonly instruments = new Map<string, Instrument>();
  private readonly tradeIds = new Map<string, number>();

  constructor(market: SyntheticMarket) {
    for (const definition of market.instruments()) {
      this.instruments.set(definition.symbol, defineInstrument(definition) as Instrument);
      this.books.set(definition.symbol, new NaiveBook());
      this.pricesSeen.set(definition.symbol, new Set());
    }
  }

  hear(events: readonly FeedEvent[]): void {
    const heard = updates(events);
    expect(heard).toHaveLength(events.length);
    expect(new Set(heard.map((event) => event.symbol)).size).toBe(1);
    const { symbol } = heard[0]!;
    this.checkTrades(
      symbol,
      heard.map((event) => event.update),
    );
    for (const { update } of heard) {
      if (update.kind !== 'delta' && update.kind !== 'snapshot') continue;
      this.counts[update.kind]++;
      expect(update.bids.length + update.asks.length).toBeGreaterThan(0);
      this.books.get(symbol)!.apply(update);
      this.checkLevels(symbol, [...update.bids, ...update.asks]);
    }
    this.checkBook(symbol);
  }

  /** Trades are within the best levels as they stood, best first, and the delta of the step takes their size away. */
  private checkTrades(symbol: string, said: readonly Update[]): void {
    const trades = said.filter((update): update is Trade => update.kind === 'trade');
    for (const trade of trades) this.counts[trade.tradeKind]++;
    if (trades.some((trade) => trade.tradeKind !== 'trade')) {
      this.checkRevision(symbol, said);
      return;
    }
    if (trades.length > 1) this.counts.sweep++;
    trades.forEach((trade, index) => {
      const side = trade.side === 'buy' ? 'asks' : 'bids';
      const [price, size] = this.books.get(symbol)!.sorted(side)[index]!;
      expect(trade.price).toBe(price);
      if (index < trades.length - 1) expect(trade.size).toBe(size);
      else expect(trade.size).toBeLessThanOrEqual(size);
      const delta = said.at(-1)!;
      const flat = delta.kind === 'delta' ? delta[side] : [];
      const at = flat.findIndex((number, i) => i % 3 === 0 && number === price);
      expect(flat[at + 1]).toBe(size - trade.size);
      const id = (this.tradeIds.get(symbol) ?? 0) + 1;
      expect(trade.id).toBe(id);
      this.tradeIds.set(symbol, id);
    });
  }

  private checkRevision(symbol: string, said: readonly Update[]): void {
    expect(said).toHaveLength(1);
    const { id, price, size } = said[0] as Trade;
    expect(id).toBeLessThanOrEqual(this.tradeIds.get(symbol)!);
    this.checkLevels(symbol, [price, size, 0], { trade: true });
  }

  private checkLevels(symbol: string, flat: readonly number[], { trade = false } = {}): void {
    const { tickSize, lotSize, negativePrices, orderCounts } = this.instruments.get(symbol)!;
    for (let i = 0; i < flat.length; i += 3) {
      const [price, size, orders] = flat.slice(i, i + 3) as [number, number, number];
      const sound =
        [price, size, orders].every(Number.isSafeInteger) &&
        price % tickSize === 0 &&
        size % lotSize === 0 &&
        size >= 0 &&
        (negativePrices || price > 0) &&
        (trade || orders > 0 === (orderCounts && size > 0));
      if (!sound) throw new Error(`${symbol}: ${price} ${size} ${orders}`);
      this.pricesSeen.get(symbol)!.add(price);
    }
  }

  private checkBook(symbol: string): void {
    const { bids, asks } = this.books.get(symbol)!;
    const sides = [bids.size, asks.size];
    const crossed = Math.max(...bids.keys()) >= Math.min(...asks.keys());
    if (crossed || Math.min(...sides) < 100 || Math.max(...sides) > 200)
      throw new Error(`${symbol}: ${crossed} ${sides}`);
  }
}

describe('the synthetic market', () => {
  test('says the same from the same seed, and something else from another', () => {
    const say = (seed: number): string => {
      const market = new SyntheticMarket({ seed });
      const said = [market.instruments(), market.snapshots(), Array.from({ length: 300 }, () => market.step())];
      return JSON.stringify(said);
    };
    expect(say(42)).toBe(say(42));
    expect(say(42)).not.toBe(say(43));
  });

  test('never crosses or empties a book, and keeps to tick, lot and depth, over 20,000 steps', () => {
    const market = new SyntheticMarket({ seed: 20 });
    const watcher = new Watcher(market);
    for (const event of market.snapshots()) watcher.hear([event]);
    for (const { bids, asks } of watcher.books.values()) expect([bids.size, asks.size]).toEqual([150, 150]);
    for (let step = 0; step < 20_000; step++) watcher.hear(market.step());
    const { counts } = watcher;
    expect(counts.delta).toBeGreaterThan(19_000);
    expect(counts.trade).toBeGreaterThan(2_000);
    expect(Math.min(counts.correction, counts.bust)).toBeGreaterThan(5);
    expect(counts.correction + counts.bust).toBeLessThan(200);
    expect(counts.sweep).toBeGreaterThan(100);
    expect([...watcher.pricesSeen.get('CL-M1-M2')!].some((price) => price < 0)).toBe(true);
    for (const event of updates(market.snapshots())) {
      const held = new NaiveBook();
      held.apply(event.update as Update & { kind: 'snapshot' });
      expect(held).toEqual(watcher.books.get(event.symbol));
    }
  });

  test('carries the caller’s time, and none of its own', () => {
    const market = new SyntheticMarket({ seed: 1 });
    for (const event of updates([...market.snapshots(17), ...market.step(17)])) expect(event.exchangeUs).toBe(17);
    for (const event of updates([...market.snapshots(), ...market.step()])) expect(event.exchangeUs).toBeNull();
  });

  test('takes symbols of the caller', () => {
    const [template] = DEFAULT_SYMBOLS as [SyntheticSymbol];
    const symbols = ['A', 'B'].map((symbol) => ({ ...template, definition: { ...template.definition, symbol } }));
    const market = new SyntheticMarket({ seed: 1, symbols });
    expect(market.instruments().map((definition) => definition.symbol)).toEqual(['A', 'B']);
    const watcher = new Watcher(market);
    for (const event of market.snapshots()) watcher.hear([event]);
    for (let step = 0; step < 500; step++) watcher.hear(market.step());
  });

  test('refuses a symbol that could not keep the invariants', () => {
    const [template] = DEFAULT_SYMBOLS as [SyntheticSymbol];
    const { definition } = template;
    for (const [fault, words] of [
      [{ startTicks: 1.5 }, 'not an integer'],
      [{ weight: 0 }, 'below 1'],
      [{ startTicks: 100, rangeTicks: 10 }, 'may fall below'],
      [{ definition: { ...definition, tickSize: 2 ** 40 } }, 'price beyond'],
      [{ levelLots: 2 ** 51 }, 'size beyond'],
    ] as const) {
      expect(() => new SyntheticMarket({ seed: 1, symbols: [{ ...template, ...fault }] })).toThrow(words);
    }
  });
});

describe('a run of the synthetic market', () => {
  function run(updatesPerSec: number) {
    const time = new VirtualTime();
    const abort = new AbortController();
    const published: { event: FeedEvent; atMs: number }[] = [];
    const startMs = time.nowMs();
    const done = runSynthetic(new SyntheticMarket({ seed: 3 }), {
      updatesPerSec,
      clock: time,
      timers: time,
      signal: abort.signal,
      publish: (event) => published.push({ event, atMs: time.nowMs() - startMs }),
    });
    return { time, abort, published, done };
  }

  test('begins with instruments and snapshots, before any step', async () => {
    const { abort, published, done } = run(10);
    const count = DEFAULT_SYMBOLS.length;
    expect(published.map(({ event }) => event.kind)).toEqual([
      ...Array(count).fill('instrument'),
      ...Array(count).fill('update'),
    ]);
    expect(updates(published.map(({ event }) => event)).every((event) => event.update.kind === 'snapshot')).toBe(true);
    abort.abort();
    await done;
  });

  test('keeps its rate against absolute time, in small batches', async () => {
    const { time, abort, published, done } = run(2_000);
    const opening = published.length;
    await time.advance(3_000);
    abort.abort();
    await done;
    expect(published.length - opening).toBeGreaterThan(5_980);
    expect(published.length - opening).toBeLessThan(6_010);
    const perMoment = new Map<number, number>();
    for (const { atMs } of published.slice(opening)) perMoment.set(atMs, (perMoment.get(atMs) ?? 0) + 1);
    expect(Math.max(...perMoment.values())).toBeLessThan(20);
    const last = updates(published.map(({ event }) => event)).at(-1)!;
    expect(last.exchangeUs).toBeGreaterThan(1_700_000_000_000_000 + 3_900_000);
    expect(time.pending).toBe(0);
  });

  test('is quiet between updates where the rate is low', async () => {
    const { time, abort, published, done } = run(4);
    const opening = published.length;
    await time.advance(240);
    expect(published.length).toBe(opening);
    await time.advance(10);
    expect(published.length).toBeGreaterThan(opening);
    abort.abort();
    await done;
  });

  test('refuses a rate that is not above zero', async () => {
    await expect(run(0).done).rejects.toThrow(RangeError);
  });
});
