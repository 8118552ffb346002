// Owns quantiles of values that are looked at once and not kept: counts in steps that grow evenly. The census fills them. Invariant: a
// quantile is at most a tenth above the value that it stands for and never below it; the largest is exact.

/** Eight steps to double: each is 9 % wider than the one before. */
const STEPS_PER_DOUBLE = 8;
const DOUBLES = 48;

export class Quantiles {
  count = 0;
  private max = 0;
  /** Place 0 is for up to 1; a value in place i is at most 2^(i / STEPS_PER_DOUBLE). */
  private readonly counts = new Uint32Array(DOUBLES * STEPS_PER_DOUBLE + 1);

  add(value: number): void {
    const place = value <= 1 ? 0 : Math.ceil(Math.log2(value) * STEPS_PER_DOUBLE);
    this.counts[Math.min(place, this.counts.length - 1)]! += 1;
    this.count += 1;
    this.max = Math.max(this.max, value);
  }

  /** @param share from 0 to 1. @returns 0 where there are no values. */
  at(share: number): number {
    if (share >= 1) return this.max;
    const wanted = Math.max(1, Math.ceil(this.count * share));
    let passed = 0;
    for (let place = 0; place < this.counts.length; place++) {
      passed += this.counts[place]!;
      if (passed >= wanted) return Math.min(this.max, 2 ** (place / STEPS_PER_DOUBLE));
    }
    return this.max;
  }
}
