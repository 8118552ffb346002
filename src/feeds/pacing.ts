// Owns waiting for moments of the monotonic clock. Capture replay and the synthetic market pace themselves with it.
// Invariant: the target is absolute, so that late timers never add up to drift.

import type { Clock, Timers } from '../ports/clock.ts';

export interface Pacing {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Ends the waiting, and with it whatever is paced. */
  readonly signal?: AbortSignal | undefined;
}

/** Timers of the platform overflow at 2^31 ms; a longer wait is several of these. */
const DELAY_MS_MAX = 3_600_000;

/** Resolves when the clock has reached `targetMs` of its `nowMs()`, or on abort. */
export async function waitUntil(targetMs: number, { clock, timers, signal }: Pacing): Promise<void> {
  for (;;) {
    const remainingMs = targetMs - clock.nowMs();
    if (remainingMs <= 0 || signal?.aborted) return;
    await delay(Math.min(remainingMs, DELAY_MS_MAX), timers, signal);
  }
}

/** Lets the event loop turn once, so that sockets are served in between. */
export function nextTurn(timers: Timers): Promise<void> {
  return new Promise((resolve) => timers.soon(resolve));
}

function delay(delayMs: number, timers: Timers, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = timers.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
    function finish(): void {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    }
  });
}
