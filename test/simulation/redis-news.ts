// Owns how one process hears of changes of instruments that were made in another: in order, each after a while. The market on Redis
// sends them, the process's bus asks. Invariant: once `settle` resolves, everything that was sent before it has been heard.

import type { InstrumentNews } from '../../src/bus/redis.ts';
import type { Kernel } from './kernel.ts';

export class News implements InstrumentNews {
  private readonly coming: (() => void)[] = [];
  private applying = false;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly kernel: Kernel) {}

  readonly isForeign = (): boolean => this.applying;

  readonly settle = (): Promise<void> => {
    this.kernel.promiseSettled();
    if (this.coming.length === 0) return Promise.resolve();
    return new Promise((resolve) => void this.waiting.push(resolve));
  };

  send(lagMs: number, change: () => void): void {
    this.coming.push(change);
    if (lagMs === 0 && this.coming.length === 1) this.arrive();
    else this.kernel.after(lagMs, () => this.arrive());
  }

  private arrive(): void {
    this.applying = true;
    this.coming.shift()!();
    this.applying = false;
    if (this.coming.length > 0) return;
    for (const resolve of this.waiting.splice(0)) resolve();
    this.kernel.promiseSettled();
  }
}
