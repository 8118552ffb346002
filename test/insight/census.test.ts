// Holds the walk over the connections, the quantiles and the choice of topics to what they promise of exactness and of bounds.

import { describe, expect, test } from 'vitest';
import { type Counted, takeCensus } from '../../src/insight/census.ts';
import { Quantiles } from '../../src/insight/quantiles.ts';
import { type Ranked, topTopics } from '../../src/insight/top-topics.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { Random } from '../simulation/kernel.ts';

function connection(pace: string, fields: Partial<Record<'ageMs' | 'bytes' | 'queuedBytes', number>> = {}): Counted {
  const { ageMs = 0, bytes = 16_384, queuedBytes = 0 } = fields;
  return {
    rung: { pace, priority: 9 },
    block: ageMs > 0 ? 'window' : null,
    window: { bytes },
    queuedBytes,
    subscriptions: new Map([['book:A', {}]]),
    ageMs: () => ageMs,
  } as unknown as Counted;
}

describe('the census', () => {
  test('tells paces, blocks, queues and subscriptions of all connections', async () => {
    const all = [
      connection('real-time'),
      connection('real-time', { ageMs: 800, bytes: 1_000, queuedBytes: 7 }),
      connection('slower', { ageMs: 30, queuedBytes: 5 }),
    ];
    const { paces, blocked, queuedBytes, subscriptions } = await takeCensus(new Set(all), systemClock, [
      'real-time',
      'slower',
    ]);
    expect([...blocked]).toEqual([['window', 2]]);
    expect({ queuedBytes, subscriptions }).toEqual({ queuedBytes: 12, subscriptions: 3 });
    const { agesMs, windowBytes } = paces.get('real-time')!;
    expect({ count: agesMs.count, oldest: agesMs.at(1), window: windowBytes.at(1) }).toEqual({
      count: 2,
      oldest: 800,
      window: 16_384,
    });
  });

  test('lets the event loop turn while there are many, and ends though ever more come', async () => {
    const slow = (): Counted => {
      const made = connection('real-time');
      return Object.assign(made, {
        ageMs: () => {
          // A fifth of a slice: work, not a wait.
          for (const until = performance.now() + 0.4; performance.now() < until; );
          return 0;
        },
      });
    };
    const all = new Set(Array.from({ length: 200 }, slow));
    let breaths = 0;
    const { paces } = await takeCensus(all, systemClock, ['real-time'], async () => {
      breaths += 1;
      for (let i = 0; i < 100; i++) all.add(slow());
    });
    expect(breaths).toBeGreaterThan(3);
    expect(paces.get('real-time')!.agesMs.count).toBe(200);
  });
});

describe('quantiles', () => {
  test('are at most a tenth above the exact ones, and the largest is exact', () => {
    const random = new Random(5);
    for (let round = 0; round < 20; round++) {
      const values = Array.from({ length: 1 + random.below(500) }, () => 1 + random.below(10 ** random.between(1, 7)));
      const quantiles = new Quantiles();
      for (const value of values) quantiles.add(value);
      values.sort((a, b) => a - b);
      for (const share of [0.5, 0.99]) {
        const exact = values[Math.ceil(values.length * share) - 1]!;
        expect(quantiles.at(share)).toBeGreaterThanOrEqual(Math.floor(exact * 0.999_999));
        expect(quantiles.at(share)).toBeLessThanOrEqual(exact * 1.1);
      }
      expect(quantiles.at(1)).toBe(values.at(-1));
    }
  });

  test('of nothing are 0, and what is beyond all steps counts as the largest', () => {
    expect(new Quantiles().at(0.5)).toBe(0);
    const quantiles = new Quantiles();
    quantiles.add(Number.MAX_SAFE_INTEGER);
    expect(quantiles.at(1)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('the choice of topics', () => {
  const topic = (symbol: string, updates: number, users: number): Ranked => {
    return { channel: 'book', symbol, group: 0, updates, users };
  };

  test('is as a sort would make it, and no longer than asked for', () => {
    const random = new Random(7);
    const topics = Array.from({ length: 1_000 }, (_, i) => topic(`S${i}`, 1 + random.below(1e9), random.below(1e9)));
    const sorted = [...topics].sort((a, b) => b.updates - a.updates).slice(0, 20);
    const { busiest, mostUsed } = topTopics(topics, 20);
    expect(busiest.map(({ symbol }) => symbol)).toEqual(sorted.map(({ symbol }) => symbol));
    expect(mostUsed).toHaveLength(20);
  });

  test('leaves out those without any, and is empty where none is asked for', () => {
    const topics = [topic('A', 0, 3), topic('B', 2, 0)];
    expect(topTopics(topics, 5)).toEqual({ busiest: [topics[1]], mostUsed: [topics[0]] });
    expect(topTopics(topics, 0)).toEqual({ busiest: [], mostUsed: [] });
  });
});
