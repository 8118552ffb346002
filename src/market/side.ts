// Owns one side of an order book: its live levels by price, the removed ones that are remembered, and the order in which they changed.
// The book writes and reads it. Invariant: levels are sorted with the best last, since most changes are near the best and move few of
// them; `sum` is the checksum of exactly the live levels.

import { ChangeLog, type IsCurrent } from './change-log.ts';
import { BID, type BookSide, levelHash } from './checksum.ts';
import { grown, type PriceList } from './price-list.ts';

/** Of a level, beside its price. Numbers side by side: to find and change a level touches three or four lines of memory. */
const FIELDS = 4;
const SIZE = 0;
const COUNT = 1;
/** The update that changed it last. */
const SEQ = 2;
/** Signed. */
const HASH = 3;

const LEVELS_MIN = 16;
const NOTHING = new Float64Array(0);
/** So many of the best are looked at one by one before the others are searched. */
const NEAR_LEVELS = 8;
/** More fields than these are moved by the library. */
const MOVED_MAX = 64;

/** One side of a book, to be read. Levels are counted from the worst, which is 0. */
export interface SideReader {
  readonly side: BookSide;
  /** +1 where a higher price is better, else -1. */
  readonly sign: number;
  /** Number of live levels. */
  readonly count: number;
  priceAt(index: number): number;
  sizeAt(index: number): number;
  countAt(index: number): number;
  /** The update that changed the level last. */
  seqAt(index: number): number;
  /** Whether price `a` is nearer to the other side than `b`. */
  better(a: number, b: number): boolean;
  /** Where `price` is or would stand. */
  find(price: number): number;
  /** Fills an empty list with the prices of all levels that changed after `fromSeq`, removed ones too; some may come twice. */
  changesSince(fromSeq: number, out: PriceList): void;
  /** Fills an empty list with the prices of all levels that were removed after `fromSeq` and did not come back; some may come twice. */
  tombstonesSince(fromSeq: number, out: PriceList): void;
}

export class Side implements SideReader {
  count = 0;
  /** Sum of the hashes of the live levels, modulo 2^32. */
  sum = 0;
  readonly sign: number;
  private prices = NOTHING;
  private fields = NOTHING;
  private readonly changed = new ChangeLog();
  private readonly removed = new ChangeLog();
  /** By price: the update that removed it. */
  private readonly tombstones = new Map<number, number>();
  private readonly isLive: IsCurrent = (price, seq) => {
    const index = this.find(price);
    return this.has(index, price) && this.seqAt(index) === seq;
  };
  private readonly isGone: IsCurrent = (price, seq) => this.tombstones.get(price) === seq;

  constructor(readonly side: BookSide) {
    this.sign = side === BID ? 1 : -1;
  }

  /** Removed levels that are remembered. */
  get tombstoneCount(): number {
    return this.tombstones.size;
  }

  /** The newest update that removed a level. */
  get removedSeq(): number {
    return this.removed.newestSeq;
  }

  priceAt(index: number): number {
    return this.prices[index]!;
  }

  sizeAt(index: number): number {
    return this.fields[index * FIELDS + SIZE]!;
  }

  countAt(index: number): number {
    return this.fields[index * FIELDS + COUNT]!;
  }

  seqAt(index: number): number {
    return this.fields[index * FIELDS + SEQ]!;
  }

  better(a: number, b: number): boolean {
    return (a - b) * this.sign > 0;
  }

  find(price: number): number {
    const { prices, sign, count } = this;
    const near = count > NEAR_LEVELS ? count - NEAR_LEVELS : 0;
    for (let i = count; i > near; i--) if ((prices[i - 1]! - price) * sign < 0) return i;
    let low = 0;
    let high = near;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((prices[middle]! - price) * sign < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether the level where `find` says that this price belongs is of this price. */
  has(index: number, price: number): boolean {
    return index < this.count && this.prices[index] === price;
  }

  /** Sets a level to its absolute size; 0 removes it. Saying again what holds changes nothing. */
  set(price: number, size: number, count: number, seq: number): void {
    const index = this.find(price);
    if (!this.has(index, price)) {
      if (size === 0) return;
      this.tombstones.delete(price);
      this.insert(index, price);
    } else {
      if (size === 0) return this.bury(index, price, seq);
      const { fields } = this;
      const at = index * FIELDS;
      if (fields[at + SIZE] === size && fields[at + COUNT] === count) return;
      this.sum = (this.sum - fields[at + HASH]!) | 0;
    }
    this.fill(index, price, size, count, seq);
    this.note(price, seq);
  }

  changesSince(fromSeq: number, out: PriceList): void {
    this.changed.pricesSince(fromSeq, out);
    this.removed.pricesSince(fromSeq, out);
  }

  tombstonesSince(fromSeq: number, out: PriceList): void {
    this.removed.pricesSince(fromSeq, out);
    out.keep(this.tombstones);
  }

  /** When the oldest removed level that is remembered was removed; null: there is none. */
  oldestGoneSeq(): number | null {
    return this.removed.oldestSeq(this.isGone);
  }

  /** Forgets the removed level that `oldestGoneSeq` has just told of. */
  forgetOldest(): void {
    this.tombstones.delete(this.removed.shift());
  }

  /** Sum of the hashes of the best `depth` levels, modulo 2^32. */
  topSum(depth: number): number {
    const { fields, count } = this;
    let sum = 0;
    for (let i = count - 1, end = Math.max(0, count - depth); i >= end; i--)
      sum = (sum + fields[i * FIELDS + HASH]!) | 0;
    return sum;
  }

  /** The live levels, the worst first: price, size, count, seq. */
  flatLevels(): number[] {
    const flat: number[] = [];
    for (let i = 0; i < this.count; i++) flat.push(this.priceAt(i), this.sizeAt(i), this.countAt(i), this.seqAt(i));
    return flat;
  }

  /** The removed levels, the oldest first: price, seq. */
  flatTombstones(): number[] {
    return this.removed.flat(this.isGone);
  }

  /** Fills an empty side from what `flatLevels` and `flatTombstones` gave. */
  load(levels: readonly number[], gone: readonly number[]): void {
    const changes: { price: number; seq: number }[] = [];
    for (let i = 0; i < levels.length; i += 4) {
      const [price, size, count, seq] = levels.slice(i, i + 4) as [number, number, number, number];
      this.insert(this.count, price);
      this.fill(this.count - 1, price, size, count, seq);
      changes.push({ price, seq });
    }
    for (const { price, seq } of changes.sort((a, b) => a.seq - b.seq)) this.note(price, seq);
    for (let i = 0; i < gone.length; i += 2) this.entomb(gone[i]!, gone[i + 1]!);
  }

  private fill(index: number, price: number, size: number, count: number, seq: number): void {
    const { fields } = this;
    const at = index * FIELDS;
    const hash = levelHash(this.side, price, size) | 0;
    fields[at + SIZE] = size;
    fields[at + COUNT] = count;
    fields[at + SEQ] = seq;
    fields[at + HASH] = hash;
    this.sum = (this.sum + hash) | 0;
  }

  private note(price: number, seq: number): void {
    if (this.changed.full) this.changed.makeRoom(this.isLive);
    this.changed.push(price, seq);
  }

  /** Makes place for a level where `find` says that its price belongs; `fill` says the rest. */
  private insert(index: number, price: number): void {
    if (this.count === this.prices.length) this.grow();
    const { prices, fields, count } = this;
    const from = index * FIELDS;
    const end = count * FIELDS;
    if (end - from > MOVED_MAX) {
      prices.copyWithin(index + 1, index, count);
      fields.copyWithin(from + FIELDS, from, end);
    } else {
      for (let i = count; i > index; i--) prices[i] = prices[i - 1]!;
      for (let i = end - 1; i >= from; i--) fields[i + FIELDS] = fields[i]!;
    }
    prices[index] = price;
    this.count = count + 1;
  }

  private bury(index: number, price: number, seq: number): void {
    const { prices, fields, count } = this;
    const from = index * FIELDS;
    const end = count * FIELDS;
    this.sum = (this.sum - fields[from + HASH]!) | 0;
    if (end - from > MOVED_MAX) {
      prices.copyWithin(index, index + 1, count);
      fields.copyWithin(from, from + FIELDS, end);
    } else {
      for (let i = index + 1; i < count; i++) prices[i - 1] = prices[i]!;
      for (let i = from + FIELDS; i < end; i++) fields[i - FIELDS] = fields[i]!;
    }
    this.count = count - 1;
    this.entomb(price, seq);
  }

  private entomb(price: number, seq: number): void {
    if (this.removed.full) this.removed.makeRoom(this.isGone);
    this.removed.push(price, seq);
    this.tombstones.set(price, seq);
  }

  private grow(): void {
    const levels = Math.max(this.prices.length * 2, LEVELS_MIN);
    this.prices = grown(this.prices, levels);
    this.fields = grown(this.fields, levels * FIELDS);
  }
}
