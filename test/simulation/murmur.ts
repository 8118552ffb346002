// Owns a second MurmurHash3 x86 32-bit, on BigInt and byte by byte, against which the product's is held.
// Called by the oracle and by the tests of the checksum. Invariant: shares no line and no trick with src/market/checksum.ts.

const MASK = 0xffffffffn;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (32n - bits))) & MASK;
}

function scramble(block: bigint): bigint {
  return (rotate((block * 0xcc9e2d51n) & MASK, 15n) * 0x1b873593n) & MASK;
}

/** The hash of any bytes, as Austin Appleby's MurmurHash3_x86_32 defines it. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  let hash = BigInt(seed) & MASK;
  const whole = bytes.length - (bytes.length % 4);
  for (let at = 0; at < whole; at += 4) {
    let block = 0n;
    for (let i = 3; i >= 0; i--) block = (block << 8n) | BigInt(bytes[at + i]!);
    hash = (rotate(hash ^ scramble(block), 13n) * 5n + 0xe6546b64n) & MASK;
  }
  let rest = 0n;
  for (let at = bytes.length - 1; at >= whole; at--) rest = (rest << 8n) | BigInt(bytes[at]!);
  if (bytes.length > whole) hash ^= scramble(rest);
  hash ^= BigInt(bytes.length);
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & MASK;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & MASK;
  return Number(hash ^ (hash >> 16n));
}

/** What the protocol hashes of a level: price and size as 64-bit little-endian integers. */
export function levelBytes(price: number, size: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(price), true);
  view.setBigInt64(8, BigInt(size), true);
  return bytes;
}

/** Hashes that were computed before, by price and size, one map per side: BigInt is slow and levels come again. */
let remembered: readonly Map<number, Map<number, number>>[] = [new Map(), new Map()];
let count = 0;
const REMEMBERED_MAX = 200_000;

export function naiveLevelHash(side: 0 | 1, price: number, size: number): number {
  let bySize = remembered[side]!.get(price);
  const found = bySize?.get(size);
  if (found !== undefined) return found;
  if (++count > REMEMBERED_MAX) {
    remembered = [new Map(), new Map()];
    count = 1;
    bySize = undefined;
  }
  if (bySize === undefined) {
    bySize = new Map();
    remembered[side]!.set(price, bySize);
  }
  const hash = murmur3(levelBytes(price, size), side);
  bySize.set(size, hash);
  return hash;
}
