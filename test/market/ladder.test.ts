// Holds one side of a client's book to a sorted map, and its sum to the hashes of what it holds.

import { describe, expect, test } from 'vitest';
import { Ladder } from '../../src/market/ladder.ts';
import { Random } from '../simulation/kernel.ts';
import { naiveLevelHash } from '../simulation/murmur.ts';

describe.each([
  [0, 'bids', (a: number, b: number) => a - b],
  [1, 'asks', (a: number, b: number) => b - a],
] as const)('a ladder of side %i, %s,', (side, _, bestLast) => {
  test('holds what it was told, best last, and the sum of its hashes', () => {
    const random = new Random(side + 1);
    const ladder = new Ladder(side);
    let naive = new Map<number, { size: number; count: number }>();
    for (let i = 0; i < 3_000; i++) {
      const [price, size, count] = [random.between(-20, 20), random.below(5), random.below(3)];
      if (random.chance(0.02)) {
        const depth = random.below(8);
        ladder.cut(depth);
        const kept = [...naive].sort(([a], [b]) => bestLast(a, b)).slice(depth === 0 ? 0 : -depth);
        naive = new Map(kept);
      } else if (random.chance(0.002)) {
        ladder.clear();
        naive.clear();
      } else {
        ladder.set(price, size, count);
        if (size === 0) naive.delete(price);
        else naive.set(price, { size, count });
      }
      const wanted = [...naive].sort(([a], [b]) => bestLast(a, b));
      expect(ladder.levels.map((level) => [level.price, { size: level.size, count: level.count }])).toEqual(wanted);
      expect(ladder.best?.price).toBe(wanted.at(-1)?.[0]);
      const sum = wanted.reduce((total, [each, level]) => total + naiveLevelHash(side, each, level.size), 0);
      expect(ladder.sum >>> 0).toBe(sum % 2 ** 32);
    }
  });
});
