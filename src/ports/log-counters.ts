// Owns the plain counters of what is logged: lines by level, and lines left out because an event came in floods. The logger adds to
// them, the metrics read them at scrape. Invariant: they only ever grow; they count for the process, not for one gateway.

export interface LogCounters {
  /** Lines written, by level. */
  readonly lines: Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', number>;
  /** Lines left out. */
  dropped: number;
}

export const logCounters: LogCounters = {
  lines: { trace: 0, debug: 0, info: 0, warn: 0, error: 0, fatal: 0 },
  dropped: 0,
};
