// Owns the random numbers of the reconnect proof. Invariant: the same seed gives the same numbers.

export class Random {
  constructor(private state: number) {}

  /** An integer from 0 to below `bound`. */
  below(bound: number): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return Math.floor((((z ^ (z >>> 16)) >>> 0) / 2 ** 32) * bound);
  }
}
