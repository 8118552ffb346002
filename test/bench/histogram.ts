// Owns the latency histogram: log buckets of under one per cent, cheap enough for two million records a second.
// Invariant: a recorded value is found in a bucket whose bounds hold it; values beyond 2^31 µs are not expected.

const SUB_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BITS;
const OCTAVES = 32 - SUB_BITS;

export class Histogram {
  private readonly counts = new Float64Array(OCTAVES * SUB_BUCKETS);
  private total = 0;
  private highest = 0;

  /** Values below zero count as zero. */
  record(valueUs: number, times: number): void {
    const value = valueUs > 0 ? valueUs | 0 : 0;
    this.counts[bucketOf(value)]! += times;
    this.total += times;
    if (value > this.highest) this.highest = value;
  }

  get count(): number {
    return this.total;
  }

  get maxUs(): number {
    return this.highest;
  }

  /** The value that `share` (0 to 1) of the records do not exceed; 0 when there are none. */
  percentileUs(share: number): number {
    let left = Math.ceil(this.total * share);
    if (left === 0) return 0;
    for (let bucket = 0; bucket < this.counts.length; bucket++) {
      left -= this.counts[bucket]!;
      if (left <= 0) return Math.min(upperBoundOf(bucket), this.highest);
    }
    return this.highest;
  }
}

function bucketOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const octave = 31 - Math.clz32(value) - SUB_BITS;
  return octave * SUB_BUCKETS + (value >>> octave);
}

/** The highest value that falls into the bucket. */
function upperBoundOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const octave = Math.floor(bucket / SUB_BUCKETS) - 1;
  const mantissa = bucket - octave * SUB_BUCKETS;
  return (mantissa + 1) * 2 ** octave - 1;
}
