// Owns the making of literal book frames for the tests of the client, with checksums from the independent hash.
// Called by local-book.test.ts and stream.test.ts. Invariant: nothing here is the product's arithmetic.

import type { BookFrame, PartFrame } from '../../src/protocol/frames.ts';
import { naiveLevelHash } from '../simulation/murmur.ts';

export type Levels = readonly (readonly [price: number, size: number])[];

/** Sum of the independent hashes of a book's levels. */
export function sumOf(bids: Levels, asks: Levels): number {
  let sum = 0;
  for (const [price, size] of bids) sum += naiveLevelHash(0, price, size);
  for (const [price, size] of asks) sum += naiveLevelHash(1, price, size);
  return sum % 2 ** 32;
}

/** A frame that says `bids` and `asks`; `checksum` is of what the client must hold then. */
export function bookFrame(fields: Pick<BookFrame, 'fromSeq' | 'seq' | 'checksum'> & Partial<BookFrame>): BookFrame {
  const stamp = { topic: 1, exchangeUs: null, publishUs: 1_000, gatewayUs: 1_000 };
  return { type: 'book', ...stamp, depth: 0, stride: 2, bids: [], asks: [], parts: 0, ...fields };
}

export function partFrame(fields: Pick<PartFrame, 'fromSeq' | 'seq' | 'index'> & Partial<PartFrame>): PartFrame {
  return { type: 'part', topic: 1, depth: 0, count: 2, stride: 2, bids: [], asks: [], ...fields };
}
