// Holds the measure of a process's load to what the event loop did and what holding flushes spared it.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchLoad } from '../../src/gateway/load.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => vi.useRealTimers());

test('demand is what was busy and what was spared in the last sample, not before', () => {
  let sparedMs = 0;
  const load = watchLoad(() => sparedMs);
  expect([load.busy(), load.demand()]).toEqual([0, 0]);
  sparedMs = 1_000_000;
  vi.advanceTimersByTime(100);
  expect(load.demand()).toBeGreaterThan(1);
  expect(load.busy()).toBeLessThanOrEqual(1);
  vi.advanceTimersByTime(100);
  expect(load.demand()).toBe(load.busy());
  load.stop();
  expect(vi.getTimerCount()).toBe(0);
});
