// Owns books whose levels are summed into buckets of several ticks. It keeps nothing of its own: a bucket has changed if any level
// in it has, so the order book's change lists answer for it. The grouped topic asks it. Invariant: a bucket is never better than
// a level in it: bids are rounded down, asks up; after any answer the client holds exactly the sums at the book's seq.

import type { Book, ChangedLevel, LevelSink, SideReader } from './book.ts';
import { levelHash } from './checksum.ts';

/** What a topic needs of a book, grouped or not. */
export interface LevelSource {
  readonly horizonSeq: number;
  top(depth: number, out: LevelSink): void;
  since(fromSeq: number, held: number, depth: number, out: LevelSink): void;
  checksum(depth: number): number;
}

/** All live levels of one bucket together; size 0: there are none. */
interface Bucket {
  readonly price: number;
  size: number;
  count: number;
  /** The newest change of a live level in it. */
  seq: number;
}

export class GroupedBook implements LevelSource {
  constructor(
    private readonly book: Book,
    /** Mantissas of price that a bucket spans, at least 1. */
    private readonly span: number,
  ) {}

  get horizonSeq(): number {
    return this.book.horizonSeq;
  }

  /** The best `depth` buckets a side (0: all). */
  top(depth: number, out: LevelSink): void {
    for (const side of this.book.sides) {
      const flat = clearedFor(side, out);
      for (const bucket of this.best(side, depth)) emit(bucket, out.stride, flat);
    }
  }

  /** As `Book.since`, in buckets. */
  since(fromSeq: number, held: number, depth: number, out: LevelSink): void {
    for (const side of this.book.sides) {
      const flat = clearedFor(side, out);
      if (depth === 0 && held === 0) this.allSince(side, fromSeq, out.stride, flat);
      else this.topSince(side, fromSeq, held, depth, out.stride, flat);
    }
  }

  /** Checksum of the best `depth` buckets a side (0: all). */
  checksum(depth: number): number {
    let sum = 0;
    for (const side of this.book.sides) {
      for (const { price, size } of this.best(side, depth)) sum = (sum + levelHash(side.side, price, size)) | 0;
    }
    return sum >>> 0;
  }

  private allSince(side: SideReader, fromSeq: number, stride: number, flat: number[]): void {
    const prices = this.pricesSince(side.newestLive, fromSeq, side, this.pricesSince(side.newestGone, fromSeq, side));
    for (const price of bestFirst(side, [...prices])) emit(this.bucketAt(side, price), stride, flat);
  }

  /** The depth rule of `Book.since`: an emptied bucket stands for a removed level. */
  private topSince(
    side: SideReader,
    fromSeq: number,
    held: number,
    depth: number,
    stride: number,
    flat: number[],
  ): void {
    const buckets = this.best(side, depth);
    const cutoff = depth > 0 && buckets.length >= depth ? buckets[buckets.length - 1]! : null;
    const touched = this.pricesSince(side.newestGone, fromSeq, side);
    const emptied = new Set(touched);
    for (const { price } of buckets) emptied.delete(price);
    const gone = bestFirst(
      side,
      [...emptied].filter((price) => cutoff === null || side.better(price, cutoff.price)),
    );
    const heldRank = held === 0 ? Number.POSITIVE_INFINITY : held;
    let passed = 0;
    for (const [rank, bucket] of buckets.entries()) {
      while (passed < gone.length && side.better(gone[passed]!, bucket.price)) empty(gone[passed++]!, stride, flat);
      const changed = bucket.seq > fromSeq || touched.has(bucket.price);
      if (changed || rank + passed >= heldRank) emit(bucket, stride, flat);
    }
    while (passed < gone.length) empty(gone[passed++]!, stride, flat);
  }

  /** The buckets of all levels of a change list that are newer than `fromSeq`, added to `prices`. */
  private pricesSince(
    newest: ChangedLevel | null,
    fromSeq: number,
    side: SideReader,
    prices: Set<number> = new Set(),
  ): Set<number> {
    for (let level = newest; level !== null && level.seq > fromSeq; level = level.older)
      prices.add(this.bucketOf(level.price, side));
    return prices;
  }

  private best(side: SideReader, depth: number): Bucket[] {
    const { levels } = side;
    const buckets: Bucket[] = [];
    let bucket: Bucket | null = null;
    for (let i = levels.length - 1; i >= 0; i--) {
      const level = levels[i]!;
      const price = this.bucketOf(level.price, side);
      if (bucket === null || bucket.price !== price) {
        if (depth > 0 && buckets.length === depth) break;
        bucket = { price, size: 0, count: 0, seq: 0 };
        buckets.push(bucket);
      }
      add(bucket, level);
    }
    return buckets;
  }

  private bucketAt(side: SideReader, price: number): Bucket {
    const { levels } = side;
    const bucket: Bucket = { price, size: 0, count: 0, seq: 0 };
    // The bucket's own price is its worst.
    for (let i = side.find(price); i < levels.length && this.bucketOf(levels[i]!.price, side) === price; i++)
      add(bucket, levels[i]!);
    return bucket;
  }

  /** By remainders, which are exact; a quotient would be rounded. */
  private bucketOf(price: number, side: SideReader): number {
    const over = price % this.span;
    if (over === 0) return price;
    if (side.sign > 0) return price - over - (over < 0 ? this.span : 0);
    return Math.min(price - over + (over > 0 ? this.span : 0), Number.MAX_SAFE_INTEGER);
  }
}

/** A sum beyond what can be stated exactly stays at the largest number that can. */
function add(bucket: Bucket, { size, count, seq }: ChangedLevel): void {
  bucket.size = Math.min(bucket.size + size, Number.MAX_SAFE_INTEGER);
  bucket.count = Math.min(bucket.count + count, Number.MAX_SAFE_INTEGER);
  bucket.seq = Math.max(bucket.seq, seq);
}

function clearedFor(side: SideReader, out: LevelSink): number[] {
  const flat = side.sign > 0 ? out.bids : out.asks;
  flat.length = 0;
  return flat;
}

function bestFirst(side: SideReader, prices: number[]): number[] {
  return prices.sort((a, b) => (b - a) * side.sign);
}

function emit({ price, size, count }: Bucket, stride: number, flat: number[]): void {
  flat.push(price, size);
  if (stride === 3) flat.push(count);
}

function empty(price: number, stride: number, flat: number[]): void {
  emit({ price, size: 0, count: 0, seq: 0 }, stride, flat);
}
