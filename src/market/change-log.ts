// Owns in which order the levels of one side changed, as a list of prices and numbers without holes: to say again that a level changed
// costs one line of memory, however large the book is. Sides of books write it. Invariant: entries stand in order of their seq; one that
// a later change of its level has outdated stays until room is made.

import { grown, type PriceList } from './price-list.ts';

/** Of an entry: a price and the update that changed it. */
const STRIDE = 2;
const SEQ = 1;
const ENTRIES_MIN = 16;
/** Nothing is kept for books to which nothing has happened. */
const NOTHING = new Float64Array(0);

/** Whether the entry is the newest of its price. */
export type IsCurrent = (price: number, seq: number) => boolean;

export class ChangeLog {
  /** Of the last entry: where nothing has changed, the entries' memory is not looked at. */
  newestSeq = 0;
  private entries = NOTHING;
  /** Where the oldest entry begins, and where the newest ends. */
  private first = 0;
  private end = 0;

  get full(): boolean {
    return this.end === this.entries.length;
  }

  /** There must be room. */
  push(price: number, seq: number): void {
    const { entries, end } = this;
    entries[end] = price;
    entries[end + SEQ] = seq;
    this.end = end + STRIDE;
    this.newestSeq = seq;
  }

  /** Forgets what is outdated, and grows where that is less than half. */
  makeRoom(isCurrent: IsCurrent): void {
    this.compact(isCurrent);
    const { length } = this.entries;
    if (this.end * 2 >= length) this.entries = grown(this.entries, Math.max(length * 2, ENTRIES_MIN * STRIDE));
  }

  /** Adds the prices of all entries after `fromSeq`, outdated ones too. */
  pricesSince(fromSeq: number, out: PriceList): void {
    if (this.newestSeq <= fromSeq) return;
    const { entries, first } = this;
    for (let i = this.end - STRIDE; i >= first && entries[i + SEQ]! > fromSeq; i -= STRIDE) out.add(entries[i]!);
  }

  /** The seq of the oldest entry that is not outdated; null where there is none. Those before it are forgotten. */
  oldestSeq(isCurrent: IsCurrent): number | null {
    const { entries, end } = this;
    while (this.first < end && !isCurrent(entries[this.first]!, entries[this.first + SEQ]!)) this.first += STRIDE;
    return this.first < end ? entries[this.first + SEQ]! : null;
  }

  /** Forgets the oldest entry. @returns its price. */
  shift(): number {
    const price = this.entries[this.first]!;
    this.first += STRIDE;
    return price;
  }

  /** All that are not outdated, the oldest first: price, seq. */
  flat(isCurrent: IsCurrent): number[] {
    this.compact(isCurrent);
    return Array.from(this.entries.subarray(0, this.end));
  }

  private compact(isCurrent: IsCurrent): void {
    const { entries } = this;
    let kept = 0;
    for (let i = this.first; i < this.end; i += STRIDE) {
      const price = entries[i]!;
      const seq = entries[i + SEQ]!;
      if (!isCurrent(price, seq)) continue;
      entries[kept] = price;
      entries[kept + SEQ] = seq;
      kept += STRIDE;
    }
    this.first = 0;
    this.end = kept;
  }
}
