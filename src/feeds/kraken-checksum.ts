// Owns Kraken's checksum rule: CRC32 over the best 10 asks, then bids, each as the digits of price and size without point
// and leading zeros. The adapter checks its own book with it, replay a client's. Invariant: one rule for 1.x and v2,
// which differ only in where the digits come from.

import { crc32 } from 'node:zlib';
import type { Scales, VenueBook } from './feed.ts';
import type { Level } from './ladder.ts';

/** Levels per side that the checksum covers, whatever the subscribed depth. */
const CHECKSUM_LEVELS = 10;

interface Sides<T> {
  readonly asks: readonly T[];
  readonly bids: readonly T[];
}

/** Kraken's CRC32 of a book of decimal strings; they may have fewer zeros at the end than Kraken writes. */
export function checksumOfTexts(book: VenueBook, { priceScale, sizeScale }: Scales): number {
  return checksumOf(book, ([price, size]) => digitsAt(price, priceScale) + digitsAt(size, sizeScale));
}

/** Kraken's CRC32 of a book of mantissas at `scales`. Levels that carry their text are taken by it. */
export function checksumOfLevels(book: Sides<Level>, scales: Scales, written: Scales): number {
  const priceZeros = '0'.repeat(Math.max(0, written.priceScale - scales.priceScale));
  const sizeZeros = '0'.repeat(Math.max(0, written.sizeScale - scales.sizeScale));
  return checksumOf(book, (level) => level.checksumText ?? `${level.price}${priceZeros}${level.size}${sizeZeros}`);
}

/** A level's part of the checksum, where that is the texts as they were sent. */
export function checksumTextOf(price: string, size: string): string {
  return digitsOf(price) + digitsOf(size);
}

function digitsOf(text: string): string {
  return text.replace('.', '').replace(/^0+/, '');
}

/** The digits of a decimal with `scale` of them after the point; more only where they are not zeros. */
function digitsAt(text: string, scale: number): string {
  const [whole = '', fraction = ''] = text.split('.');
  return digitsOf(whole + fraction.replace(/0+$/, '').padEnd(scale, '0'));
}

function checksumOf<T>({ asks, bids }: Sides<T>, textOf: (level: T) => string): number {
  return crc32([...asks.slice(0, CHECKSUM_LEVELS), ...bids.slice(0, CHECKSUM_LEVELS)].map(textOf).join(''));
}
