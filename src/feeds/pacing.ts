// Owns waiting for moments of the monotonic clock. Capture replay and the synthetic market pace themselves with it.
// Invariant: the target is absolute, so that late timers never add up to drift.

import type { Clock, Timer, Timers } from '../ports/clock.ts';

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
export function nextTurn({ timers, signal }: Pacing): Promise<void> {
  return orAbort(signal, (done) => timers.soon(done));
}

function delay(delayMs: number, timers: Timers, signal: AbortSignal | undefined): Promise<void> {
  let timer: Timer | undefined;
  return orAbort(signal, (done) => {
    timer = timers.after(delayMs, done);
  }).finally(() => timer?.cancel());
}

/** Resolves when what was started calls `done`, or on abort. */
function orAbort(signal: AbortSignal | undefined, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal?.removeEventListener('abort', done);
      resolve();
    };
    signal?.addEventListener('abort', done, { once: true });
    start(done);
  });
}
