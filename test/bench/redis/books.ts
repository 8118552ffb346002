// Owns the books of `bench:redis` and what changes in them: a snapshot, and a list of deltas that goes round and round.
// Publishers of both ways take from it. Invariant: no book is ever crossed or empty, and every level of a delta is named once.

import type { BookDelta, BookSnapshot } from '../../../src/market/update.ts';
import { seededRandom } from '../workloads.ts';

export const SIDE_LEVELS = 200;
export const UPDATE_LEVELS = 3;
/** What gateways have by default. */
export const GATEWAY_LIMITS = { logEntriesMax: 1_024, tombstonesMax: 4_096 };
const DELTAS = 4_096;
/** Above 2^16, as real prices and sizes are. */
const MID_PRICE = 1_000_000;
const SIZE_MIN = 65_536;
const SIZE_SPREAD = 2_000_000;
const REMOVAL_SHARE = 0.2;
/** An exponent: the higher, the more the changes gather at the top of the book. */
const TOP_SKEW = 3;

export function symbolOf(topic: number): string {
  return `BENCH-${topic}`;
}

/** All levels of both sides, sizes as the random numbers have it. */
export function wholeBook(random: () => number): BookSnapshot {
  const book = { kind: 'snapshot' as const, bids: [] as number[], asks: [] as number[] };
  for (let rank = 0; rank < SIDE_LEVELS; rank++) {
    book.bids.push(MID_PRICE - 1 - rank, sizeOf(random), 0);
    book.asks.push(MID_PRICE + 1 + rank, sizeOf(random), 0);
  }
  return book;
}

/** Changes of a few levels each, one in five of which goes; it comes back when its turn comes again. */
export function someDeltas(seed: number): BookDelta[] {
  const random = seededRandom(seed);
  return Array.from({ length: DELTAS }, () => {
    const levels = new Set<number>();
    while (levels.size < UPDATE_LEVELS) levels.add(Math.floor(2 * SIDE_LEVELS * random() ** TOP_SKEW));
    const delta = { kind: 'delta' as const, bids: [] as number[], asks: [] as number[] };
    for (const level of levels) {
      const rank = Math.floor(level / 2) + 1;
      // The best levels stay, so that no side is ever empty.
      const size = rank > 1 && random() < REMOVAL_SHARE ? 0 : sizeOf(random);
      if (level % 2 === 0) delta.bids.push(MID_PRICE - rank, size, 0);
      else delta.asks.push(MID_PRICE + rank, size, 0);
    }
    return delta;
  });
}

function sizeOf(random: () => number): number {
  return SIZE_MIN + Math.floor(random() * SIZE_SPREAD);
}
