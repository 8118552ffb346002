// Owns in which order the levels of one side changed, as a list of prices and numbers without holes: to say again that a level changed
// costs one line of memory, however large the book is. Sides of books write it. Invariant: entries stand in order of their seq; one that
// a later change of its level has outdated stays until room is made.

/** Of an entry: a price and the update that changed it. */
const STRIDE = 2;
const SEQ = 1;
const ENTRIES_MIN = 16;
/** Nothing is kept for books to which nothing has happened. */
const NOTHING = new Float64Array(0);

/** Whether the entry is the newest of its price. */
export type IsCurrent = (price: number, seq: number) => boolean;

export class ChangeLog {
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
  }

  /** Forgets what is outdated, and grows where that is less than half. */
  makeRoom(isCurrent: IsCurrent): void {
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
    if (kept * 2 < entries.length) return;
    this.entries = new Float64Array(Math.max(entries.length * 2, ENTRIES_MIN * STRIDE));
    this.entries.set(entries);
  }

  /** Adds the prices of all entries after `fromSeq`, outdated ones too. */
  pricesSince(fromSeq: number, out: PriceList): void {
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
    const { entries } = this;
    const flat: number[] = [];
    for (let i = this.first; i < this.end; i += STRIDE) {
      const price = entries[i]!;
      const seq = entries[i + SEQ]!;
      if (isCurrent(price, seq)) flat.push(price, seq);
    }
    return flat;
  }
}

/** More are sorted by the library. */
const INSERTED_MAX = 32;

/** Prices that one call collects and sorts, in memory that the next one uses again. */
export class PriceList {
  count = 0;
  private prices = new Float64Array(256);

  clear(): void {
    this.count = 0;
  }

  add(price: number): void {
    if (this.count === this.prices.length) this.grow();
    this.prices[this.count++] = price;
  }

  at(index: number): number {
    return this.prices[index]!;
  }

  /** Leaves only those that `others` has. */
  keep(others: ReadonlyMap<number, unknown>): void {
    const { prices, count } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) if (others.has(prices[i]!)) prices[kept++] = prices[i]!;
    this.count = kept;
  }

  /** Puts the best first (`sign` +1: the highest) and leaves out what is there twice. */
  sort(sign: number): void {
    const { prices, count } = this;
    if (count < 2) return;
    if (count > INSERTED_MAX) {
      const sorted = prices.subarray(0, count).sort();
      if (sign > 0) sorted.reverse();
    } else {
      for (let i = 1; i < count; i++) {
        const price = prices[i]!;
        let k = i;
        for (; k > 0 && (prices[k - 1]! - price) * sign < 0; k--) prices[k] = prices[k - 1]!;
        prices[k] = price;
      }
    }
    let kept = 1;
    for (let i = 1; i < count; i++) if (prices[i] !== prices[i - 1]) prices[kept++] = prices[i]!;
    this.count = kept;
  }

  private grow(): void {
    const { prices } = this;
    this.prices = new Float64Array(prices.length * 2);
    this.prices.set(prices);
  }
}
