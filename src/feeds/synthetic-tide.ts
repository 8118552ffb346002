// Owns a slow movement of prices: it drifts, turns now and then, and never leaves its bounds. The market has one for
// all symbols, each symbol one of its own. Invariant: `level` is from -1 to 1.

import type { Random } from './random.ts';

export class Tide {
  level = 0;
  private perUs = 0;
  private leftUs = 0;

  /**
   * @param turnUs how long it drifts one way, on average.
   * @param crossUs how long the fastest drift takes from the middle to a bound.
   */
  constructor(
    private readonly turnUs: number,
    private readonly crossUs: number,
  ) {}

  advance(elapsedUs: number, random: Random): void {
    this.leftUs -= elapsedUs;
    this.level += this.perUs * elapsedUs;
    if (this.leftUs <= 0) {
      this.leftUs = random.exponential() * this.turnUs;
      this.perUs = (2 * random.fraction() - 1) / this.crossUs;
    }
    this.bound();
  }

  /** A jump, as news make it. */
  jump(by: number): void {
    this.level += by;
    this.bound();
  }

  private bound(): void {
    if (this.level > 1) {
      this.level = 1;
      if (this.perUs > 0) this.perUs = -this.perUs;
    } else if (this.level < -1) {
      this.level = -1;
      if (this.perUs < 0) this.perUs = -this.perUs;
    }
  }
}
