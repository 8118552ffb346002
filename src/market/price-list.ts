// Owns lists of prices that one call collects, sorts and reads: what has changed on a side of a book. Books, grouped or not, keep one each
// for all their calls. Invariant: nothing in it outlives the call; its memory does.

/** More are sorted by the library. */
const INSERTED_MAX = 32;

export class PriceList {
  count = 0;
  private prices = new Float64Array(256);

  clear(): void {
    this.count = 0;
  }

  add(price: number): void {
    if (this.count === this.prices.length) this.prices = grown(this.prices, this.count * 2);
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
}

/** The same values with room for as many as `length`. */
export function grown(values: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const more = new Float64Array(length);
  more.set(values);
  return more;
}
