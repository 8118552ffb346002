// Owns books whose levels are summed into buckets of several ticks. It keeps nothing of its own: a bucket has changed if any level
// in it has, so the order book's change lists answer for it. The grouped topic asks it. Invariant: a bucket is never better than
// a level in it: bids are rounded down, asks up; after any answer the client holds exactly the sums at the book's seq.

import type { Book, LevelSink } from './book.ts';
import { levelHash } from './checksum.ts';
import { PriceList } from './price-list.ts';
import type { SideReader } from './side.ts';

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

/** Filled and read within one call. */
const found = new PriceList();

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
    found.clear();
    side.changesSince(fromSeq, found);
    for (const price of bestFirst(side, [...this.bucketsOf(found, side)]))
      emit(this.bucketAt(side, price), stride, flat);
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
    found.clear();
    side.tombstonesSince(fromSeq, found);
    const touched = this.bucketsOf(found, side);
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

  private bucketsOf(prices: PriceList, side: SideReader): Set<number> {
    const buckets = new Set<number>();
    for (let i = 0; i < prices.count; i++) buckets.add(this.bucketOf(prices.at(i), side));
    return buckets;
  }

  private best(side: SideReader, depth: number): Bucket[] {
    const buckets: Bucket[] = [];
    let bucket: Bucket | null = null;
    for (let i = side.count - 1; i >= 0; i--) {
      const price = this.bucketOf(side.priceAt(i), side);
      if (bucket === null || bucket.price !== price) {
        if (depth > 0 && buckets.length === depth) break;
        bucket = { price, size: 0, count: 0, seq: 0 };
        buckets.push(bucket);
      }
      add(bucket, side, i);
    }
    return buckets;
  }

  private bucketAt(side: SideReader, price: number): Bucket {
    const bucket: Bucket = { price, size: 0, count: 0, seq: 0 };
    // The bucket's own price is its worst.
    for (let i = side.find(price); i < side.count && this.bucketOf(side.priceAt(i), side) === price; i++)
      add(bucket, side, i);
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
function add(bucket: Bucket, side: SideReader, index: number): void {
  bucket.size = Math.min(bucket.size + side.sizeAt(index), Number.MAX_SAFE_INTEGER);
  bucket.count = Math.min(bucket.count + side.countAt(index), Number.MAX_SAFE_INTEGER);
  bucket.seq = Math.max(bucket.seq, side.seqAt(index));
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
