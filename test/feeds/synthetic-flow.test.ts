// Holds the synthetic market to being believable: bursts, unequal symbols, common movements, the shape of its books. From a
// fixed seed, so that what is measured is the same each time.

import { beforeAll, describe, expect, test } from 'vitest';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import type { BookDelta, Trade } from '../../src/market/update.ts';
import { NaiveBook } from './naive.ts';

const SEED = 12;
const MARKET_S = 900;
const WINDOW_US = 1_000_000;
const SAMPLE_US = 10_000_000;

/** What happened to one symbol. */
class Story {
  readonly events: number[] = Array(MARKET_S).fill(0);
  readonly trades: { atUs: number; way: 1 | -1 }[] = [];
  /** Half the sum of the best prices, each ten seconds. */
  readonly middles: number[] = [];
  readonly shapes: Shape[] = [];
  readonly book = new NaiveBook();
  /** Levels that trades took whole, and when, of those whose price is still without one. */
  eaten = 0;
  readonly missing = new Map<number, number>();
}

/** Of one side at one moment: what the nearest and the farthest third span, and mean sizes. */
interface Shape {
  readonly nearTicks: number;
  readonly farTicks: number;
  readonly touch: number;
  readonly behind: number;
  readonly far: number;
}

const stories = new Map<string, Story>();

beforeAll(() => {
  const market = new SyntheticMarket({ seed: SEED });
  for (const { symbol } of market.instruments()) stories.set(symbol, new Story());
  for (const event of market.snapshots()) {
    if (event.kind === 'update') stories.get(event.symbol)!.book.apply(event.update as BookDelta);
  }
  for (let untilUs = SAMPLE_US; untilUs <= MARKET_S * WINDOW_US; untilUs += SAMPLE_US) {
    for (let said = market.stepUntil(untilUs, () => 0); said !== null; said = market.stepUntil(untilUs, () => 0)) {
      for (const event of said) {
        const story = event.kind === 'update' ? stories.get(event.symbol) : undefined;
        if (event.kind !== 'update' || story === undefined) continue;
        const { update } = event;
        if (update.kind === 'trade') hearTrade(story, update, market.nowUs);
        if (update.kind !== 'delta' && update.kind !== 'snapshot') continue;
        story.book.apply(update);
        story.events[Math.min(MARKET_S - 1, Math.floor(market.nowUs / WINDOW_US))]! += 1;
        hearRefills(story, market.nowUs);
      }
    }
    for (const { book, middles, shapes } of stories.values()) {
      middles.push((Math.max(...book.bids.keys()) + Math.min(...book.asks.keys())) / 2);
      shapes.push(shapeOf(book.sorted('bids')), shapeOf(book.sorted('asks')));
    }
  }
}, 120_000);

function shapeOf(levels: readonly (readonly [price: number, size: number])[]): Shape {
  const third = Math.floor(levels.length / 3);
  const spanOf = (from: number) => Math.abs(levels[from + third - 1]![0] - levels[from]![0]);
  const sizeOf = (from: number, to: number) => mean(levels.slice(from, to).map(([, size]) => size));
  const far = levels.length - third;
  const [touch, behind] = [sizeOf(0, 3), sizeOf(5, 40)];
  return { nearTicks: spanOf(0), farTicks: spanOf(far), touch, behind, far: sizeOf(far, levels.length) };
}

function hearTrade(story: Story, { side, price, size, tradeKind }: Trade, atUs: number): void {
  if (tradeKind !== 'trade') return;
  story.trades.push({ atUs, way: side === 'buy' ? 1 : -1 });
  const eaten = side === 'buy' ? story.book.asks : story.book.bids;
  if (eaten.get(price)!.size !== size) return;
  story.eaten += 1;
  story.missing.set(price, atUs);
}

function hearRefills({ book, missing }: Story, atUs: number): void {
  for (const [price, sinceUs] of missing) {
    if (sinceUs === atUs || !(book.asks.has(price) || book.bids.has(price))) continue;
    missing.delete(price);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Variance by mean: 1 for events that know nothing of each other. */
function dispersion(counts: readonly number[]): number {
  const average = mean(counts);
  return mean(counts.map((count) => (count - average) ** 2)) / average;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const product = (x: readonly number[], y: readonly number[], meanX: number, meanY: number) =>
    x.reduce((sum, value, i) => sum + (value - meanX) * (y[i]! - meanY), 0);
  return product(a, b, meanA, meanB) / Math.sqrt(product(a, a, meanA, meanA) * product(b, b, meanB, meanB));
}

function moves({ middles }: Story): number[] {
  return middles.slice(1).map((middle, i) => middle - middles[i]!);
}

function story(symbol: string): Story {
  return stories.get(symbol)!;
}

describe('the flow of the synthetic market', () => {
  test('comes in bursts: events in a second vary far more than if each came by itself', () => {
    for (const symbol of ['BTC-USD', 'ETH-USD', 'EUR-USD', 'NOVA']) {
      expect(dispersion(story(symbol).events)).toBeGreaterThan(4);
    }
  });

  test('has quiet times between the bursts', () => {
    const { events } = story('NOVA');
    const quiet = events.filter((count) => count === 0).length / MARKET_S;
    const busiest = Math.max(...events);
    // As many events without bursts would leave about this share of seconds without any.
    expect(quiet).toBeGreaterThan(10 * Math.exp(-mean(events)));
    expect(busiest).toBeGreaterThan(5 * mean(events));
  });

  test('differs between symbols: the first is about twice as active as the second, ten times as the tenth', () => {
    const counts = [...stories.values()].slice(0, 24).map(({ events }) => mean(events));
    expect(counts[0]! / counts[1]!).toBeGreaterThan(1.5);
    expect(counts[0]! / counts[1]!).toBeLessThan(2.7);
    expect(counts[0]! / counts[9]!).toBeGreaterThan(6);
    expect(counts[0]! / counts[9]!).toBeLessThan(15);
    expect(counts[23]!).toBeGreaterThan(0);
  });

  test('has runs of trades the same way', () => {
    const { trades } = story('BTC-USD');
    const near = trades.slice(1).filter(({ atUs }, i) => atUs > trades[i]!.atUs && atUs - trades[i]!.atUs < 100_000);
    const same = trades
      .slice(1)
      .filter(
        ({ atUs, way }, i) => atUs > trades[i]!.atUs && atUs - trades[i]!.atUs < 100_000 && way === trades[i]!.way,
      );
    expect(near.length).toBeGreaterThan(500);
    expect(same.length / near.length).toBeGreaterThan(0.6);
  });

  test('moves related symbols together, and a hedge the other way', () => {
    const market = moves(story('BTC-USD'));
    expect(correlation(market, moves(story('ETH-USD')))).toBeGreaterThan(0.3);
    expect(correlation(market, moves(story('ES-M1')))).toBeGreaterThan(0.3);
    expect(correlation(market, moves(story('GC-M1')))).toBeLessThan(-0.05);
  });

  test('moves the price, and brings it back', () => {
    for (const [symbol, start] of [
      ['BTC-USD', 650_000],
      ['NOVA', 18_420],
      ['GC-M1', 23_400],
    ] as const) {
      const off = story(symbol).middles.map((middle) => middle - start);
      expect(Math.max(...off) - Math.min(...off)).toBeGreaterThan(start / 1_000);
      expect(Math.max(...off.map(Math.abs))).toBeLessThan(start / 50);
    }
  });

  test('fills again what was eaten', () => {
    const { eaten, missing } = story('BTC-USD');
    expect(eaten).toBeGreaterThan(1_000);
    expect(missing.size / eaten).toBeLessThan(0.2);
  });

  test('keeps more levels near the price than far away, the largest behind the first', () => {
    for (const symbol of ['BTC-USD', 'ETH-USD', 'NOVA']) {
      const { shapes } = story(symbol);
      const average = (of: (shape: Shape) => number) => mean(shapes.map(of));
      expect(average(({ farTicks }) => farTicks)).toBeGreaterThan(1.3 * average(({ nearTicks }) => nearTicks));
      expect(average(({ behind }) => behind)).toBeGreaterThan(1.3 * average(({ touch }) => touch));
      expect(average(({ behind }) => behind)).toBeGreaterThan(1.1 * average(({ far }) => far));
    }
  });
});
