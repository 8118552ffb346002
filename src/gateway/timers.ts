// Owns the timers of one gateway. The parts of the gateway are given it in place of the system's.
// Invariant: after `stop` none of them runs, and none keeps the process alive.

import { systemTimers, type Timer, type Timers } from '../ports/clock.ts';

export class GatewayTimers implements Timers {
  private readonly waiting = new Set<Timer>();
  private stopped = false;
  private readonly unlessStopped = (run: () => void): void => {
    if (!this.stopped) run();
  };

  after(delayMs: number, run: () => void): Timer {
    const timer = systemTimers.after(delayMs, () => {
      this.waiting.delete(timer);
      if (!this.stopped) run();
    });
    if (this.stopped) timer.cancel();
    else this.waiting.add(timer);
    return {
      cancel: () => {
        timer.cancel();
        this.waiting.delete(timer);
      },
    };
  }

  /** Without a function for each call: the flush comes here every turn. */
  soon(run: () => void): void {
    setImmediate(this.unlessStopped, run);
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.waiting) timer.cancel();
    this.waiting.clear();
  }
}
