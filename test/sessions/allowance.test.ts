// Holds an allowance to its rate.

import { expect, test } from 'vitest';
import { Allowance } from '../../src/sessions/allowance.ts';

function takes(allowance: Allowance, nowMs: number, count: number): string[] {
  return Array.from({ length: count }, () => allowance.take(nowMs));
}

test("ten seconds' worth goes at once, then so much a second", () => {
  const allowance = new Allowance({ requestsPerSecMax: 5 }, 0);
  expect(takes(allowance, 0, 51)).toEqual([...Array.from({ length: 50 }, () => 'granted'), 'refused']);
  expect(takes(allowance, 1_000, 5)).toEqual(['granted', 'granted', 'granted', 'granted', 'refused']);
});

test('who goes on regardless floods; who stops is granted again', () => {
  const allowance = new Allowance({ requestsPerSecMax: 5 }, 0);
  expect(takes(allowance, 0, 101).slice(-2)).toEqual(['refused', 'flood']);
  expect(allowance.take(20_000)).toBe('granted');
});

test('nothing is saved up over the burst', () => {
  const allowance = new Allowance({ requestsPerSecMax: 5 }, 0);
  expect(takes(allowance, 3_600_000, 51).at(-1)).toBe('refused');
});
