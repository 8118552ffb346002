// Owns how the tests run: real processes, no retries, generous timeouts for machines of two cores.

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/longest-first.ts';
import { PlainSummary } from './scripts/plain-summary.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // uWebSockets.js is native: a crash ends one file's process, not the run.
    pool: 'forks',
    // One more than there are cores: many tests wait for a process, a server or a silence.
    maxWorkers: availableParallelism() + 1,
    // A server that the tests may use; a gateway in a test uses the one that the test gives it, or none.
    env: { REDIS_URL: '', TESTS_REDIS_URL: process.env.REDIS_URL ?? '' },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    retry: 0,
    sequence: { sequencer: LongestFirst },
    // Milliseconds from which a test is named with its time in the output.
    slowTestThreshold: 2_000,
    reporters: ['default', new PlainSummary()],
  },
});
