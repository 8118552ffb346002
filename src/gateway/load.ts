// Owns the measure of how busy this process is, and how busy it would be if every turn sent all that was due, which decides
// whether the flush goes round its clients instead. Called by the flush, cheaply.
// Invariant: the answer is at most SAMPLE_INTERVAL_MS old while the event loop turns.

import { performance } from 'node:perf_hooks';

const SAMPLE_INTERVAL_MS = 100;

export interface Load {
  /** Share of the last sample's time that the event loop was not idle. */
  busy(): number;
  /** The same and what was spared in that time: it may be above 1. */
  demand(): number;
  stop(): void;
}

/** `sparedMs`: what was spared so far. */
export function watchLoad(sparedMs: () => number): Load {
  let busy = 0;
  let demand = 0;
  let last = performance.eventLoopUtilization();
  let lastSparedMs = 0;
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization, idle, active } = performance.eventLoopUtilization(now, last);
    busy = utilization;
    demand = utilization + (sparedMs() - lastSparedMs) / (idle + active);
    last = now;
    lastSparedMs = sparedMs();
  }, SAMPLE_INTERVAL_MS);
  timer.unref();
  return { busy: () => busy, demand: () => demand, stop: () => clearInterval(timer) };
}
