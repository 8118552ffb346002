// Holds the smallest load test to being green against a whole gateway, and red against one that leaves out or repeats a delivery: real
// k6, real gateways, a real proxy between them. `npm run k6:planted` does the same with all load tests.

import { beforeAll, describe, expect, test } from 'vitest';
import { findK6, isK6Likely, NO_K6, usualSearch } from '../../scripts/k6-binary.ts';
import { plantedRun, SHORT, wholeRun } from './runs.ts';

/** Where k6 has to be built first. */
const BUILD_MS_MAX = 900_000;
const RUN_MS_MAX = 60_000;
const K6_RUN = { timeout: RUN_MS_MAX };

const search = usualSearch((what) => process.stderr.write(`k6: ${what}\n`));
const isLikely = isK6Likely(search);
if (!isLikely) process.stderr.write(`the load tests are left out. ${NO_K6}\n`);

describe.skipIf(!isLikely)('the load test smoke', () => {
  let k6 = '';
  beforeAll(async () => {
    k6 = await findK6(search).catch((error: unknown) => {
      // Go is here, and what it would build from can't be had: that is no fault of the gateway's.
      process.stderr.write(`the load tests are left out. ${(error as Error).message}\n`);
      return '';
    });
  }, BUILD_MS_MAX);

  test('is green against a gateway that loses nothing', K6_RUN, async ({ skip }) => {
    if (k6 === '') skip();
    const { exitCode, deliveries, output } = await wholeRun(k6, 'smoke', SHORT.smoke!);
    expect(output).not.toContain('level=error');
    expect(exitCode).toBe(0);
    expect(deliveries).toBeGreaterThan(0);
  });

  test('is red against one that leaves out a delivery now and then, and counts it', K6_RUN, async ({ skip }) => {
    if (k6 === '') skip();
    const { exitCode, planted, sequenceFaults } = await plantedRun(k6, 'smoke', 'drop', SHORT.smoke!);
    expect(planted).toBeGreaterThan(0);
    expect(exitCode).toBe(99);
    expect(sequenceFaults).toBeGreaterThanOrEqual(planted / 2);
  });
});
