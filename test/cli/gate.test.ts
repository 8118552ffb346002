// Holds the gate to its end: met, failed or given up, never stuck.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Gate } from '../../src/cli/gate.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a condition that holds is not waited for', async () => {
  await new Gate().until(
    () => true,
    () => 'nothing',
  );
  expect(vi.getTimerCount()).toBe(0);
});

test('a condition is asked again at every sign of life', async () => {
  const gate = new Gate();
  let left = 3;
  const met = vi.fn(() => left === 0);
  const passed = gate.until(met, () => `${left} left`);
  for (; left > 0; ) {
    left -= 1;
    gate.poke();
    await vi.advanceTimersByTimeAsync(14_000);
  }
  await passed;
  expect(met).toHaveBeenCalledTimes(4);
  expect(vi.getTimerCount()).toBe(0);
});

test('a silence ends the waiting, with what was missing', async () => {
  const gate = new Gate();
  const waiting = expect(
    gate.until(
      () => false,
      () => 'book A at 3 of 4',
    ),
  ).rejects.toThrow('nothing moved for 15 s: book A at 3 of 4');
  await vi.advanceTimersByTimeAsync(15_000);
  await waiting;
});

test('a failure ends it, now and for whoever comes later; the first one counts', async () => {
  const gate = new Gate();
  const never = (): Promise<void> =>
    gate.until(
      () => false,
      () => 'nothing',
    );
  const waiting = expect(never()).rejects.toThrow('lost');
  gate.fail(new Error('lost'));
  gate.fail(new Error('lost again'));
  await waiting;
  await expect(never()).rejects.toThrow(/^lost$/);
});
