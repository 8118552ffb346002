// Runs a shortened version of the reconnect proof; the whole one is `npm run reconnect`, whose output docs/reconnect.md keeps.

import { expect, test } from 'vitest';
import { prove } from './reconnect.ts';

/** Five gateways are started one after the other, on a machine that may be busy. */
const SLOW_MS = 120_000;

test(
  'a client is exact again after each kill of its gateway and each cut of its connection, under load',
  async () => {
    const { failures, heals, counters } = await prove(5, 10, 7, () => {});
    expect(failures).toEqual([]);
    expect(heals.kill).toMatchObject({ diffed: 0, replayed: 0 });
    expect(heals.kill.snapshot).toBeGreaterThan(0);
    expect(heals.cut.snapshot).toBe(0);
    expect(heals.cut.diffed + heals.cut.replayed).toBeGreaterThan(0);
    expect(counters.reconnects).toBeGreaterThanOrEqual(15);
  },
  SLOW_MS,
);
