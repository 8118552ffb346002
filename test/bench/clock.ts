// Owns the benchmark's clocks: one wall time in microseconds for all of its processes on this machine, and each one's CPU time.
// Subjects stamp intended send times with it, the generator reads arrivals from it.
// Invariant: processes agree to within CLOCK_SKEW_MAX_US, which the orchestrator checks before every run.

/** More than this between two processes and latencies mean nothing. */
export const CLOCK_SKEW_MAX_US = 200;

const ORIGIN_US = performance.timeOrigin * 1_000;

/** Microseconds since 1970, with a fraction; monotonic within a process. */
export function nowUs(): number {
  return ORIGIN_US + performance.now() * 1_000;
}

/** Distance from the machine's monotonic clock, which all processes share; equal offsets mean equal clocks. */
export function clockOffsetUs(): number {
  return nowUs() - Number(process.hrtime.bigint() / 1_000n);
}

/** What this process has used so far, all threads, user and system time. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
