// Owns one side of a book as its source knows it: the levels, best first, and what changed since it was last asked.
// Adapters follow a venue's book with it, the synthetic market makes one. Invariant: prices are strictly ordered, none is
// named twice, no size is 0.

import { LEVEL_STRIDE } from '../market/update.ts';
import type { FlatLevels } from '../protocol/frames.ts';

/** Mantissas at the instrument's scales; `orders` is 0 where the source does not count them. */
export interface Level {
  readonly price: number;
  readonly size: number;
  readonly orders: number;
  /** The level's part of the venue's checksum text, where that is not just the two mantissas. */
  readonly checksumText: string | null;
}

export type BookSide = 'bid' | 'ask';

export class Ladder {
  readonly side: BookSide;
  /** 1 where the price grows on the way from the best level to the worst, else -1. */
  readonly outward: 1 | -1;
  private levelsHeld: Level[] = [];
  /** What was held at the last `drain`, for each price touched since. */
  private readonly touched = new Map<number, Level | null>();

  constructor(side: BookSide) {
    this.side = side;
    this.outward = side === 'ask' ? 1 : -1;
  }

  /** Best first. */
  get levels(): readonly Level[] {
    return this.levelsHeld;
  }

  at(price: number): Level | null {
    const level = this.levelsHeld[this.indexOf(price)];
    return level?.price === price ? level : null;
  }

  /** Sets a level to its new absolute size; size 0 removes it. */
  put(level: Level): void {
    const index = this.indexOf(level.price);
    const held = this.levelsHeld[index];
    const found = held?.price === level.price;
    this.touch(level.price, found ? held : null);
    if (level.size > 0) this.levelsHeld.splice(index, found ? 1 : 0, level);
    else if (found) this.levelsHeld.splice(index, 1);
  }

  /** Removes all levels beyond the best `count`. */
  cut(count: number): void {
    if (this.levelsHeld.length <= count) return;
    for (const level of this.levelsHeld.splice(count)) this.touch(level.price, level);
  }

  /** The levels that differ from what they were at the last call, best first; size 0 for the removed ones. */
  drain(): FlatLevels {
    const changed: Level[] = [];
    for (const [price, before] of this.touched) {
      const after = this.at(price);
      if (after?.size === before?.size && after?.orders === before?.orders) continue;
      changed.push(after ?? { price, size: 0, orders: 0, checksumText: null });
    }
    this.touched.clear();
    return flatten(changed.sort((a, b) => (a.price - b.price) * this.outward));
  }

  /** The whole side, as a snapshot carries it. */
  flat(): FlatLevels {
    return flatten(this.levelsHeld);
  }

  /** The same levels, each replaced by what `move` makes of it; null as soon as it can't. The order must stay. */
  moved(move: (level: Level) => Level | null): Ladder | null {
    const ladder = new Ladder(this.side);
    for (const level of this.levelsHeld) {
      const moved = move(level);
      if (moved === null) return null;
      ladder.levelsHeld.push(moved);
    }
    return ladder;
  }

  private touch(price: number, held: Level | null): void {
    if (!this.touched.has(price)) this.touched.set(price, held);
  }

  /** Where the price is, or would be inserted. */
  private indexOf(price: number): number {
    let low = 0;
    let high = this.levelsHeld.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.levelsHeld[middle]!.price - price) * this.outward < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function flatten(levels: readonly Level[]): FlatLevels {
  const flat = new Array<number>(levels.length * LEVEL_STRIDE);
  let index = 0;
  for (const level of levels) {
    flat[index++] = level.price;
    flat[index++] = level.size;
    flat[index++] = level.orders;
  }
  return flat;
}
