// Owns a clock that is the same in all processes of `bench:redis`: the machine's monotonic one, moved to wall time by whoever
// starts them. Publishers stamp intended times with it, followers read arrivals. Invariant: two processes agree to within microseconds.

import { clockOffsetUs, nowUs } from '../clock.ts';

const TRIES = 20;

/** An interruption between the two clocks it reads makes an offset smaller, so the largest one is the truest. */
function ownOffsetUs(): number {
  return Math.max(...Array.from({ length: TRIES }, clockOffsetUs));
}

/** What makes the clocks of others equal to this process's. */
export function originUs(): number {
  return Math.round(ownOffsetUs());
}

/** @returns the shared clock: whole microseconds since 1970. */
export function sharedClock(originUs: number): { nowUs: () => number; fromLocalUs: (localUs: number) => number } {
  const addUs = originUs - ownOffsetUs();
  const fromLocalUs = (localUs: number): number => Math.round(localUs + addUs);
  return { nowUs: () => fromLocalUs(nowUs()), fromLocalUs };
}
