// Holds spreads to counting each value in the bucket whose bound it does not pass.

import { expect, test } from 'vitest';
import { Spread } from '../../src/topics/spread.ts';

test('a value counts where its bound is, as often as its weight says', () => {
  const spread = new Spread([1, 2, 4]);
  for (const [value, weight] of [
    [0.5, 1],
    [1, 2],
    [1.5, 3],
    [4, 4],
    [9, 5],
  ] as const) {
    spread.add(value, weight);
  }
  expect([...spread.counts]).toEqual([3, 3, 4, 5]);
  expect(spread.sum).toBe(0.5 + 2 + 4.5 + 16 + 45);
});

test('a value below zero, as clocks of two machines make them, takes nothing from the sum', () => {
  const spread = new Spread([1]);
  spread.add(-5, 1);
  expect({ counts: [...spread.counts], sum: spread.sum }).toEqual({ counts: [1, 0], sum: 0 });
});
