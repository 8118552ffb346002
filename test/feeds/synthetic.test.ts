// Holds the synthetic market to its invariants by naive books that apply what it says, over many seeds and symbols.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { type SyntheticSymbol, syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { BookSnapshot } from '../../src/market/update.ts';
import { MarketWatcher, type UpdateEvent } from './market-watcher.ts';
import { NaiveBook } from './naive.ts';

function updates(events: readonly FeedEvent[]): UpdateEvent[] {
  return events.filter((event): event is UpdateEvent => event.kind === 'update');
}

/** Of everything that the market says in so many steps, with the times at which it happens. */
function digest(seed: number, steps: number): string {
  const hash = createHash('sha256');
  const market = new SyntheticMarket({ seed });
  hash.update(JSON.stringify([market.instruments(), market.snapshots()]));
  for (let step = 0; step < steps; step++) hash.update(`${market.nextUs} ${JSON.stringify(market.step())}`);
  return hash.digest('hex').slice(0, 16);
}

describe('the synthetic market', () => {
  test('says what it always said from a seed', () => {
    expect(digest(42, 40_000)).toBe('0881939c33c50b15');
  });

  test('says something else from another seed', () => {
    expect(digest(42, 100)).toBe(digest(42, 100));
    expect(digest(42, 100)).not.toBe(digest(43, 100));
  });

  test('says the same however it is asked', () => {
    const stepped = new SyntheticMarket({ seed: 9 });
    const paced = new SyntheticMarket({ seed: 9 });
    const atOnce = Array.from({ length: 3_000 }, () => stepped.step());
    const bitByBit: FeedEvent[][] = [];
    for (let dueUs = 0; bitByBit.length < 3_000; dueUs += 7_919) {
      for (;;) {
        const events = paced.stepUntil(dueUs, () => null);
        if (events === null) break;
        expect(paced.nowUs).toBeLessThanOrEqual(dueUs);
        bitByBit.push(events);
      }
    }
    expect(bitByBit.slice(0, 3_000)).toEqual(atOnce);
  });

  test('keeps every invariant over 60,000 steps, in which all that can happen does', { timeout: 120_000 }, () => {
    const market = new SyntheticMarket({ seed: 22 });
    const watcher = new MarketWatcher(market);
    expect(watcher.books.size).toBe(24);
    expect([...watcher.books.values()].slice(0, 12).every(({ bids, asks }) => bids.size + asks.size === 300)).toBe(
      true,
    );
    for (let step = 0; step < 60_000; step++) watcher.hear(market.step());
    const { counts } = watcher;
    expect(counts.delta).toBeGreaterThan(59_000);
    expect(counts.trade).toBeGreaterThan(8_000);
    expect(counts.sweep).toBeGreaterThan(1_000);
    expect(Math.min(counts.correction, counts.bust)).toBeGreaterThan(5);
    expect(counts.correction + counts.bust).toBeLessThan(200);
    expect(counts.listed).toBeGreaterThan(0);
    expect(counts.live).toBeGreaterThan(0);
    expect(counts.halted - counts.live).toBe(watcher.halted.size);
    expect(market.instruments()).toHaveLength(24 + counts.listed);
    expect(watcher.extremes.get('CL-M1-M2')!.lowest).toBeLessThan(0);
    for (const { definition, gapTicks } of syntheticSymbols(24, 22)) {
      expect(watcher.extremes.get(definition.symbol)!.widest).toBeLessThanOrEqual(12 * gapTicks);
    }
    for (const event of updates(market.snapshots())) {
      const held = new NaiveBook();
      held.apply(event.update as BookSnapshot);
      expect(held).toEqual(watcher.books.get(event.symbol));
    }
  });

  test('keeps every invariant from any seed, with any number of symbols', { timeout: 120_000 }, () => {
    const made = fc.record({
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      symbols: fc.integer({ min: 1, max: 60 }),
    });
    const property = fc.property(made, (options) => {
      const market = new SyntheticMarket(options);
      const watcher = new MarketWatcher(market);
      for (let step = 0; step < 1_000; step++) watcher.hear(market.step());
    });
    fc.assert(property, { numRuns: 30 });
  });

  test('keeps every invariant with any symbol that it takes', { timeout: 120_000 }, () => {
    const made = fc.record({
      startTicks: fc.integer({ min: -2_000, max: 100_000 }),
      rangeTicks: fc.integer({ min: 1, max: 2_000 }),
      gapTicks: fc.integer({ min: 1, max: 6 }),
      levelLots: fc.integer({ min: 1, max: 2 ** 32 }),
      levels: fc.integer({ min: 20, max: 60 }),
      beta: fc.double({ min: -1, max: 1, noNaN: true }),
      tickSize: fc.constantFrom(1, 5, 25),
      lotSize: fc.constantFrom(1, 10, 1_000),
      orderCounts: fc.boolean(),
    });
    const property = fc.property(made, fc.integer(), ({ tickSize, lotSize, orderCounts, ...shape }, seed) => {
      const scales = { priceScale: 2, sizeScale: 2, negativePrices: shape.startTicks < 20_000 };
      const definition = { symbol: 'ANY', ...scales, tickSize, lotSize, orderCounts };
      const market = new SyntheticMarket({ seed, symbols: [{ ...shape, definition, weight: 1, halts: true }] });
      const watcher = new MarketWatcher(market);
      for (let step = 0; step < 600; step++) watcher.hear(market.step());
      const { lowest, highest, widest } = watcher.extremes.get('ANY')!;
      const wanderedTicks = 2 * shape.rangeTicks + 36 * shape.gapTicks;
      expect(widest).toBeLessThanOrEqual(12 * shape.gapTicks);
      expect(lowest).toBeGreaterThan(shape.startTicks - wanderedTicks);
      expect(highest).toBeLessThan(shape.startTicks + wanderedTicks);
    });
    fc.assert(property, { numRuns: 40 });
  });

  test('carries the caller’s time, and none of its own', () => {
    const market = new SyntheticMarket({ seed: 1 });
    for (const event of updates([...market.snapshots(17), ...market.step(17)])) expect(event.exchangeUs).toBe(17);
    for (const event of updates([...market.snapshots(), ...market.step()])) expect(event.exchangeUs).toBeNull();
    const timed = updates(market.stepUntil(Number.POSITIVE_INFINITY, (marketUs) => 1_000 + marketUs)!);
    for (const { exchangeUs } of timed) expect(exchangeUs).toBe(1_000 + market.nowUs);
  });

  test('makes up as many symbols as are asked for, each with a name of its own', () => {
    const names = syntheticSymbols(1_000, 5).map(({ definition }) => definition.symbol);
    expect(new Set(names).size).toBe(1_000);
    expect(names.slice(0, 5)).toEqual(['BTC-USD', 'ETH-USD', 'SOL-USD', 'EUR-USD', 'CL-M1-M2']);
    expect(syntheticSymbols(40, 5).map(({ definition }) => definition.symbol)).toEqual(names.slice(0, 40));
    expect(syntheticSymbols(40, 6).map(({ definition }) => definition.symbol)).not.toEqual(names.slice(0, 40));
    const market = new SyntheticMarket({ seed: 5, symbols: 1_000 });
    expect(market.instruments().map(({ symbol }) => symbol)).toEqual(names);
    const watcher = new MarketWatcher(market);
    for (let step = 0; step < 2_000; step++) watcher.hear(market.step());
  });

  test.each([0, 1_001, 1.5, Number.NaN])('refuses %d symbols', (symbols) => {
    expect(() => new SyntheticMarket({ seed: 1, symbols })).toThrow('give a whole number from 1 to 1000');
  });

  test('takes symbols of the caller, and lists no others', () => {
    const [template] = syntheticSymbols(1, 1) as [SyntheticSymbol];
    const symbols = ['A', 'B'].map((symbol) => ({ ...template, definition: { ...template.definition, symbol } }));
    const market = new SyntheticMarket({ seed: 1, symbols });
    while (market.nowUs < 1_500_000_000) market.stepUntil(market.nextUs, () => null);
    expect(market.instruments().map(({ symbol }) => symbol)).toEqual(['A', 'B']);
  });

  test('refuses a symbol that could not keep the invariants', () => {
    const [template] = syntheticSymbols(1, 1) as [SyntheticSymbol];
    const { definition } = template;
    for (const [fault, words] of [
      [{ startTicks: 1.5 }, 'not an integer'],
      [{ gapTicks: 0 }, 'below 1'],
      [{ levels: 19 }, 'fewer than 20 levels'],
      [{ weight: 0 }, 'weight that is not above 0'],
      [{ weight: Number.NaN }, 'weight that is not above 0'],
      [{ beta: 1.1 }, 'beta'],
      [{ startTicks: 100, rangeTicks: 10 }, 'may fall below'],
      [{ startTicks: 2 ** 31 }, 'price beyond'],
      [{ definition: { ...definition, tickSize: 2 ** 40 } }, 'price beyond'],
      [{ levelLots: 2 ** 51 }, 'size beyond'],
    ] as const) {
      expect(() => new SyntheticMarket({ seed: 1, symbols: [{ ...template, ...fault }] })).toThrow(words);
    }
  });
});
