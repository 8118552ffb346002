// Owns the measure of how busy this process is, which decides whether flushes are held. Called by the flush, cheaply.
// Invariant: the answer is at most SAMPLE_INTERVAL_MS old while the event loop turns.

import { performance } from 'node:perf_hooks';

const SAMPLE_INTERVAL_MS = 100;

/** @returns `busy`, the share of the last sample's time that the event loop was not idle, and `stop`. */
export function watchBusy(): { busy: () => number; stop: () => void } {
  let share = 0;
  let last = performance.eventLoopUtilization();
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    share = performance.eventLoopUtilization(now, last).utilization;
    last = now;
  }, SAMPLE_INTERVAL_MS);
  timer.unref();
  return { busy: () => share, stop: () => clearInterval(timer) };
}
