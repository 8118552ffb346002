// Owns the one clock that all processes of a machine share, for times that one process takes and another one compares.
// Both sides of the storm ask it. Invariant: it does not depend on when a process started, as clock.ts does by some milliseconds.

/** Microseconds since the machine started. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}
