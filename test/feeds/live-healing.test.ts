// Holds when a venue is asked for a lost book: at once, later and later, never too often, and until it is there. Time is
// virtual; the questions are recorded.

import { describe, expect, test } from 'vitest';
import { Healing } from '../../src/feeds/live-healing.ts';
import { VirtualTime } from './virtual.ts';

function healing(options: { random?: () => number; asksPerMinMax?: number } = {}) {
  const time = new VirtualTime();
  const begin = time.nowMs();
  const asked: [symbol: string, atMs: number][] = [];
  const made = new Healing({
    clock: time,
    timers: time,
    random: options.random ?? (() => 0.5),
    asksPerMinMax: options.asksPerMinMax ?? 30,
    answerMsMax: 15_000,
    settledMs: 30_000,
    ask: (symbol) => asked.push([symbol, time.nowMs() - begin]),
  });
  return { time, asked, healing: made };
}

describe('a book that is lost', () => {
  test('is asked for at once', () => {
    const { asked, healing: each } = healing();
    each.lose('A');
    expect(asked).toEqual([['A', 0]]);
  });

  test('is asked for again when no answer comes, each time after a longer wait', async () => {
    const { time, asked, healing: each } = healing();
    each.lose('A');
    await time.advance(60_000);
    // 15 s of patience, then half of 1, 2 and 4 s.
    expect(asked.map(([, atMs]) => atMs)).toEqual([0, 15_500, 31_500, 48_500]);
  });

  test('is not asked for any more when it is found', async () => {
    const { time, asked, healing: each } = healing();
    each.lose('A');
    each.found('A');
    await time.advance(600_000);
    expect(asked).toHaveLength(1);
    expect(time.pending).toBe(0);
  });

  test('is asked for later when it is lost again soon, and at once when it was held for long', async () => {
    const { time, asked, healing: each } = healing();
    each.lose('A');
    each.found('A');
    each.lose('A');
    each.lose('A');
    expect(asked).toHaveLength(1);
    await time.advance(500);
    expect(asked).toHaveLength(2);
    each.found('A');
    await time.advance(30_000);
    each.lose('A');
    expect(asked).toEqual([
      ['A', 0],
      ['A', 500],
      ['A', 30_500],
    ]);
  });

  test('waits for as long as the venue wants to be left alone', async () => {
    const { time, asked, healing: each } = healing();
    each.lose('A', time.nowMs() + 7_000);
    await time.advance(6_999);
    expect(asked).toEqual([]);
    await time.advance(1);
    expect(asked).toEqual([['A', 7_000]]);
  });

  test('that was asked for on a new connection is asked for when nothing came', async () => {
    const { time, asked, healing: each } = healing();
    each.asked('A');
    await time.advance(14_999);
    expect(asked).toEqual([]);
    await time.advance(1);
    expect(asked).toEqual([['A', 15_000]]);
  });

  test('is forgotten with the connection', async () => {
    const { time, asked, healing: each } = healing({ asksPerMinMax: 1 });
    each.lose('A');
    each.lose('B');
    each.asked('C');
    each.stop();
    await time.advance(600_000);
    expect(asked).toEqual([['A', 0]]);
  });
});

test('a storm of losses asks no more often in any minute than allowed, and forgets none', async () => {
  let drawn = 0;
  const { time, asked, healing: each } = healing({ asksPerMinMax: 5, random: () => (drawn++ % 10) / 10 });
  const symbols = Array.from({ length: 12 }, (_, i) => `S${i}`);
  for (const symbol of symbols) each.lose(symbol);
  expect(asked).toHaveLength(5);
  await time.advance(600_000);
  expect(new Set(asked.map(([symbol]) => symbol))).toEqual(new Set(symbols));
  for (let i = 5; i < asked.length; i++) expect(asked[i]![1] - asked[i - 5]![1]).toBeGreaterThanOrEqual(60_000);
});
