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

/** Wall clock minus monotonic clock. The monotonic clock lends the wall clock its digits below the millisecond. */
let wallOffsetMs = Date.now() - performance.now();
/** A wall clock that is this far from where the offset puts it was set; less is its rounding to milliseconds. */
const WALL_STEP_MS = 2;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  nowUs: () => {
    const monotonicMs = performance.now();
    const wallMs = Date.now();
    if (Math.abs(wallMs - monotonicMs - wallOffsetMs) > WALL_STEP_MS) wallOffsetMs = wallMs - monotonicMs;
    return Math.floor((monotonicMs + wallOffsetMs) * 1_000);
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
