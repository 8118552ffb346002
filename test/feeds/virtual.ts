// Owns time for the feed tests: a clock that stands still until it is told to go on, and timers on it.

import type { Clock, Timer, Timers } from '../../src/ports/clock.ts';

export class VirtualTime implements Clock, Timers {
  private timeMs = 1_000;
  private waiting: { dueMs: number; run: () => void }[] = [];

  nowMs(): number {
    return this.timeMs;
  }

  nowUs(): number {
    return 1_700_000_000_000_000 + Math.round(this.timeMs * 1_000);
  }

  after(delayMs: number, run: () => void): Timer {
    const entry = { dueMs: this.timeMs + delayMs, run };
    this.waiting.push(entry);
    return { cancel: () => this.remove(entry) };
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.waiting.length;
  }

  /** Runs everything that is due within that time, in order, each with all that follows from it at once. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.timeMs + durationMs;
    await settle();
    for (let next = this.first(); next !== null && next.dueMs <= untilMs; next = this.first()) {
      this.timeMs = Math.max(this.timeMs, next.dueMs);
      this.remove(next);
      next.run();
      await settle();
    }
    this.timeMs = untilMs;
  }

  private first(): { dueMs: number; run: () => void } | null {
    return this.waiting.reduce<{ dueMs: number; run: () => void } | null>(
      (best, entry) => (best === null || entry.dueMs < best.dueMs ? entry : best),
      null,
    );
  }

  private remove(entry: { dueMs: number; run: () => void }): void {
    this.waiting = this.waiting.filter((other) => other !== entry);
  }
}

/** A turn of the real event loop, so that every promise that can settle has. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
