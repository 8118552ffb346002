import { expect, test } from 'vitest';
import { Budget } from '../../src/sessions/budget.ts';
import { Random } from '../simulation/kernel.ts';

test('a budget lets through its rate and one burst, over any span', () => {
  const random = new Random(7);
  const bytesPerSec = 10_000;
  const budget = new Budget(bytesPerSec, 500, 0);
  const sends: { atMs: number; bytes: number }[] = [];
  let sentBytes = 500;
  for (let nowMs = 0; nowMs < 60_000; nowMs += random.between(1, 40)) {
    const bytes = random.between(1, 400);
    if (budget.left(sentBytes, nowMs) <= 0) continue;
    sentBytes += bytes;
    sends.push({ atMs: nowMs, bytes });
  }
  for (let from = 0; from < sends.length; from += 97) {
    let bytes = 0;
    for (let to = from; to < sends.length; to++) {
      bytes += sends[to]!.bytes;
      const spanS = (sends[to]!.atMs - sends[from]!.atMs) / 1_000;
      expect(bytes).toBeLessThanOrEqual(bytesPerSec * (spanS + 0.25) + 400);
    }
  }
  expect(sentBytes).toBeGreaterThan(0.95 * bytesPerSec * 60);
});

test('what was overdrawn is waited for until half of a burst is there', () => {
  const budget = new Budget(1_000, 0, 0);
  expect(budget.left(0, 0)).toBe(250);
  expect(budget.left(1_250, 0)).toBe(-1_000);
  expect(budget.waitMs(1_250, 0)).toBe(1_125);
  expect(budget.left(1_250, 1_125)).toBe(125);
});
