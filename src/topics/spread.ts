// Owns how values are spread, as counts between fixed bounds. The data plane adds to it, the metrics read it at scrape. Invariant:
// adding allocates nothing; `counts` has one place more than there are bounds, for what is above the last, and only grows.

/** Seconds: a flush, or a hand-over on the way. */
export const TURN_BOUNDS_S = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
/** Seconds: the way of an update through this process. */
export const DELAY_BOUNDS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Spread {
  /** By bound, each for itself: of values at or below the bound and above the one before. */
  readonly counts: Float64Array;
  sum = 0;

  /** @param bounds ascending, in the unit of the values. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** @param weight how many times the value is counted. Below zero is zero: clocks of two machines differ. */
  add(value: number, weight: number): void {
    const { bounds } = this;
    let place = 0;
    while (place < bounds.length && value > bounds[place]!) place += 1;
    this.counts[place]! += weight;
    if (value > 0) this.sum += value * weight;
  }
}
