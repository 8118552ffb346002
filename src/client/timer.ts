// Owns timers that may be set for any time. The client sets those by it whose time somebody else states.
// Invariant: none rings early; setTimeout takes what is more than 24 days for nothing at all.

const TIMER_MS_MAX = 2 ** 31 - 1;

export type Timer = ReturnType<typeof setTimeout> | undefined;

export function timer(ms: number, ring: () => void): Timer {
  return setTimeout(ring, Math.min(ms, TIMER_MS_MAX));
}
