// Owns chance for the synthetic market: xoshiro128**, seeded through splitmix32. Integers only, so that every machine
// draws the same. Invariant: the sequence depends on nothing but the seed and the calls before.

const UINT32_RANGE = 2 ** 32;
/**
 * Quantiles of the exponential distribution, in units of 1 / EXPONENTIAL_UNIT. Whole numbers, so that the last digit of
 * a logarithm does not matter.
 */
const EXPONENTIAL_UNIT = 65_536;
const EXPONENTIAL = Float64Array.from({ length: 4_096 }, (_, index) =>
  Math.round(-Math.log((index + 0.5) / 4_096) * EXPONENTIAL_UNIT),
);
/** The largest that `exponential` draws, rounded up. */
export const EXPONENTIAL_MAX = 10;

export class Random {
  private s0: number;
  private s1: number;
  private s2: number;
  private s3: number;

  constructor(seed: number) {
    const mix = splitmix32(seed);
    this.s0 = mix();
    this.s1 = mix();
    this.s2 = mix();
    this.s3 = mix() | 1;
  }

  /** The next 32 bits, 0 to 2^32 - 1. */
  next(): number {
    const drawn = Math.imul(rotateLeft(Math.imul(this.s1, 5), 7), 9) >>> 0;
    const shifted = this.s1 << 9;
    this.s2 ^= this.s0;
    this.s3 ^= this.s1;
    this.s1 ^= this.s2;
    this.s0 ^= this.s3;
    this.s2 ^= shifted;
    this.s3 = rotateLeft(this.s3, 11);
    return drawn;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor((this.next() / UINT32_RANGE) * count);
  }

  /** From 0 to below 1. */
  fraction(): number {
    return this.next() / UINT32_RANGE;
  }

  /** Above 0, 1 on average: waiting times, and what is seldom large. */
  exponential(): number {
    return EXPONENTIAL[this.next() >>> 20]! / EXPONENTIAL_UNIT;
  }

  /** True with that probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability * UINT32_RANGE;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}
