// Owns the arithmetic of scales: which ones the decimals of a venue need, and moving mantissas between them. Adapters that
// follow books of decimal texts call it. Invariant: nothing is rounded: what does not fit is null.

import { parseDecimal, rescale, scaleOf } from '../protocol/decimal.ts';
import type { Scales } from './feed.ts';

/** Plain decimals: digits and at most one point. */
export type TextLevel = readonly [price: string, size: string];

/** The least scales, no less than `floor`, for all of these numbers. */
export function widest(texts: readonly TextLevel[], scaleOfText: (text: string) => number, floor: Scales): Scales {
  let { priceScale, sizeScale } = floor;
  for (const [price, size] of texts) {
    priceScale = Math.max(priceScale, scaleOfText(price));
    sizeScale = Math.max(sizeScale, scaleOfText(size));
  }
  return { priceScale, sizeScale };
}

/** Digits after the point that are not zeros at the end. */
export function significantScaleOf(text: string): number {
  return text.includes('.') ? scaleOf(text.replace(/\.?0+$/, '')) : 0;
}

export function movedExactly(mantissa: number, fromScale: number, toScale: number): number | null {
  if (toScale >= fromScale) return rescale(mantissa, fromScale, toScale);
  const divisor = 10 ** (fromScale - toScale);
  return mantissa % divisor === 0 ? mantissa / divisor : null;
}

/** 0 where there is no text, or it is not a multiple of the scale's step. */
export function mantissaOf(text: string | null, scale: number): number {
  const mantissa = text === null ? 0 : parseDecimal(text, scale);
  return typeof mantissa === 'number' ? mantissa : 0;
}

/** The property, unless it is 0, for unknown. */
export function step(name: 'tickSize' | 'lotSize', mantissa: number): { tickSize?: number; lotSize?: number } {
  return mantissa > 0 ? { [name]: mantissa } : {};
}

export function sameScales(a: Scales, b: Scales | undefined): boolean {
  return a.priceScale === b?.priceScale && a.sizeScale === b.sizeScale;
}
