// Owns waiting for the other side: a condition is asked again after every sign of life, and not for ever.
// The verification paces itself with it. Invariant: `until` ends: met, failed, or after a silence of STALL_MS_MAX.

import { Complaint } from './complaint.ts';

/** Longer than anything on loopback takes, the longest stop of a busy process included. */
const STALL_MS_MAX = 15_000;

export class Gate {
  private failure: Error | null = null;
  private wake: (() => void) | null = null;

  /** Something came in: conditions are asked again. */
  poke(): void {
    this.wake?.();
  }

  /** Whoever waits, now or later, is told of this; the first one counts. */
  fail(error: Error): void {
    this.failure ??= error;
    this.wake?.();
  }

  /**
   * Resolves when the condition holds.
   * @param missing what is waited for, in words, for the complaint when it never comes.
   */
  async until(met: () => boolean, missing: () => string): Promise<void> {
    for (;;) {
      if (this.failure !== null) throw this.failure;
      if (met()) return;
      if (!(await this.sign())) throw new Complaint(`nothing moved for ${STALL_MS_MAX / 1_000} s: ${missing()}`);
    }
  }

  /** @returns whether there was one in time. */
  private sign(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake?.(), STALL_MS_MAX);
      const sinceMs = performance.now();
      this.wake = () => {
        this.wake = null;
        clearTimeout(timer);
        resolve(performance.now() - sinceMs < STALL_MS_MAX);
      };
    });
  }
}
