// Runs the registry's storm (registry-storm.ts) from a few seeds; a failure names the seed.

import { describe, expect, test } from 'vitest';
import { storm } from './registry-storm.ts';

const SEEDS = 12;

describe('three nodes that put and delist at random, with cuts, losses and restarts', () => {
  test.each(Array.from({ length: SEEDS }, (_, i) => i + 1))('end with what Redis holds (seed %i)', async (seed) => {
    const { nodes, redis } = await storm(seed);
    expect(nodes).toEqual([redis, redis, redis]);
  });
});
