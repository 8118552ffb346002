import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { nowUs } from './clock.ts';
import { Turning } from './turning.ts';

const WORK_US = 5_000;

/** One turn's reading, which takes a while. */
function read(traffic: { reads: number }): void {
  const fromUs = nowUs();
  while (nowUs() - fromUs < WORK_US) traffic.reads += 1;
}

it('counts the turns in which something was read, and only while it turns', async () => {
  const traffic = { reads: 0 };
  const turning = new Turning(traffic);
  turning.begin();
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  expect(turning.busyUs).toBe(0);
  read(traffic);
  await nextTurn();
  await nextTurn();
  const { busyUs } = turning;
  expect(busyUs).toBeGreaterThanOrEqual(WORK_US);
  turning.end();
  read(traffic);
  await nextTurn();
  await nextTurn();
  expect(turning.busyUs).toBe(busyUs);
});
