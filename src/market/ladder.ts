// Owns one side of a client's book: sorted levels and the sum of their hashes. Called by the local book for every frame.
// Invariant: `levels` is sorted with the best last and `sum` is the checksum of exactly what it holds.

import { BID, type BookSide, levelHash } from './checksum.ts';

/** One price of one side. */
export interface LadderLevel {
  readonly price: number;
  readonly size: number;
  /** Number of orders; 0 where the source has none. */
  readonly count: number;
  readonly hash: number;
}

export class Ladder {
  readonly levels: LadderLevel[] = [];
  sum = 0;
  private readonly sign: number;

  constructor(private readonly side: BookSide) {
    this.sign = side === BID ? 1 : -1;
  }

  get best(): LadderLevel | undefined {
    return this.levels[this.levels.length - 1];
  }

  clear(): void {
    this.levels.length = 0;
    this.sum = 0;
  }

  /** Sets a level to its absolute size; 0 removes it. */
  set(price: number, size: number, count: number): void {
    const { levels, sign } = this;
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((levels[middle]!.price - price) * sign < 0) low = middle + 1;
      else high = middle;
    }
    const held = levels[low];
    const found = held !== undefined && held.price === price;
    if (found) this.sum = (this.sum - held.hash) | 0;
    if (size === 0) {
      if (found) levels.splice(low, 1);
      return;
    }
    const level = { price, size, count, hash: levelHash(this.side, price, size) | 0 };
    this.sum = (this.sum + level.hash) | 0;
    if (found) levels[low] = level;
    else levels.splice(low, 0, level);
  }

  /** Drops what is beyond the best `depth` levels; 0 keeps all. */
  cut(depth: number): void {
    const surplus = depth === 0 ? 0 : this.levels.length - depth;
    if (surplus <= 0) return;
    for (const { hash } of this.levels.splice(0, surplus)) this.sum = (this.sum - hash) | 0;
  }
}
