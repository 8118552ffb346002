// Owns the timers of one simulated process, from its start to its death. Nodes are given one in place of the kernel.
// Invariant: once it is over none of them runs, none is left with the kernel, and nothing that was asked for outside is answered.

import type { Timer, Timers } from '../../src/ports/clock.ts';
import type { Kernel } from './kernel.ts';

export class Life implements Timers {
  over = false;
  private readonly waiting = new Set<Timer>();

  constructor(private readonly kernel: Kernel) {}

  after(delayMs: number, run: () => void): Timer {
    if (this.over) return { cancel: () => {} };
    const timer = this.kernel.after(delayMs, () => {
      this.waiting.delete(timer);
      run();
    });
    this.waiting.add(timer);
    return {
      cancel: () => {
        timer.cancel();
        this.waiting.delete(timer);
      },
    };
  }

  soon(run: () => void): void {
    this.kernel.soon(() => {
      if (!this.over) run();
    });
  }

  /** What the process hears of an answer: nothing, once it is over. */
  hears<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const whileAlive =
        <U>(settle: (outcome: U) => void) =>
        (outcome: U): void => {
          if (!this.over) settle(outcome);
        };
      answer.then(whileAlive(resolve), whileAlive(reject));
    });
  }

  end(): void {
    this.over = true;
    for (const timer of this.waiting) timer.cancel();
    this.waiting.clear();
  }
}
