// Owns the checksum of a book: the sum, modulo 2^32, of one hash per level. Both ends keep it up to date level by level.
// The hash is MurmurHash3 x86 32-bit (Appleby, SMHasher) over price and size as 64-bit little-endian integers, seeded by the side.

export const BID = 0;
export const ASK = 1;
export type BookSide = typeof BID | typeof ASK;

/** Hash of one level from its mantissas, 0 to 2^32 - 1; the order count is left out. */
export function levelHash(side: BookSide, price: number, size: number): number {
  let h: number = side;
  h = mix(h, price | 0);
  h = mix(h, Math.floor(price / 0x1_0000_0000) | 0);
  h = mix(h, size | 0);
  h = mix(h, Math.floor(size / 0x1_0000_0000) | 0);
  h ^= 16;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}
