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
/** A wall clock that is this far behind where the offset puts it was set; less is its rounding to milliseconds. */
const WALL_STEP_MS = 2;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  nowUs: () => {
    // The wall clock first: a pause between the two makes their difference smaller, never larger than it is.
    const wallMs = Date.now();
    const monotonicMs = performance.now();
    adjust(wallMs - monotonicMs);
    return Math.floor((monotonicMs + wallOffsetMs) * 1_000);
  },
};

/** The wall clock is cut to milliseconds, so the largest offset seen is the truest: within microseconds before long. */
function adjust(offsetMs: number): void {
  if (offsetMs > wallOffsetMs) wallOffsetMs = offsetMs;
  if (offsetMs >= wallOffsetMs - WALL_STEP_MS) return;
  // Asked again: where the process was only stopped in between, it is small once.
  const wallMs = Date.now();
  const surerMs = Math.max(offsetMs, wallMs - performance.now());
  if (surerMs < wallOffsetMs - WALL_STEP_MS) wallOffsetMs = surerMs;
}

export const systemTimers: Timers = {
  after: (delayMs, run) => {
    const handle = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (run) => {
    setImmediate(run);
  },
};
