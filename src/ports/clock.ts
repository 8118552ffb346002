// Owns time as the rest sees it. The simulator replaces it. Ages and timeouts use `nowMs`, stamps on the wire use `nowUs`.

export interface Clock {
  /** Monotonic milliseconds, fractional; only differences mean anything. */
  nowMs(): number;
  /** Wall clock, microseconds since 1970. */
  nowUs(): number;
}

export interface Timer {
  /** Stops it; harmless when it has run. */
  cancel(): void;
}

export interface Timers {
  /** Runs once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Timer;
  /** Runs when this turn's input has been read: one event-loop turn later at the latest. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  nowUs: () => {
    const wallMs = Date.now();
    // Date.now() has milliseconds only; the monotonic clock lends the digits below, without ever leaving the wall clock's millisecond.
    return wallMs * 1_000 + (Math.floor(performance.now() * 1_000) % 1_000);
  },
};

export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const handle = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (run) => {
    setImmediate(run);
  },
};
