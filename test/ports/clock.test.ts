// Holds the wall clock in microseconds to the platform's two clocks: never back by itself, always near the wall clock.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/ports/clock.ts';

/** What the clocks read at the start of a test; the wall clock shows its time cut to milliseconds, as the platform's does. */
let wallStartMs = 2_000_000_000_000.25;
const monotonicStartMs = 500_000.5;
let elapsedMs: number;
/** Passes between the readings of the two clocks, once. */
let pauseMs: number;

function pass(ms: number): void {
  elapsedMs += ms;
}

beforeEach(() => {
  // Far from where the test before left it: a step that the clock can't take for rounding.
  wallStartMs += 1_000_000_000;
  elapsedMs = 0;
  pauseMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => {
    const shown = Math.floor(wallStartMs + elapsedMs);
    pass(pauseMs);
    pauseMs = 0;
    return shown;
  });
  vi.spyOn(performance, 'now').mockImplementation(() => monotonicStartMs + elapsedMs);
  for (let step = 0; step < 2_000; step++) {
    pass(0.013);
    systemClock.nowUs();
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

function errorUs(): number {
  return systemClock.nowUs() - (wallStartMs + elapsedMs) * 1_000;
}

describe('the system clock', () => {
  test('shows microseconds of the wall clock, which itself has milliseconds only', () => {
    expect(Math.abs(errorUs())).toBeLessThan(20);
  });

  test('never goes back while both clocks go on, stopped between them or not', () => {
    let before = 0;
    for (let step = 0; step < 2_000; step++) {
      pass(0.37);
      if (step % 10 === 0) pauseMs = 25;
      const now = systemClock.nowUs();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
    expect(Math.abs(errorUs())).toBeLessThan(20);
  });

  test.each([60_000, -60_000])('follows a wall clock that was set by %d ms', (stepMs) => {
    wallStartMs += stepMs;
    expect(Math.abs(errorUs())).toBeLessThan(1_001);
  });
});
