// Owns what the frames of venues that write decimals as JSON strings have in common: objects, level lists, integers.
// Their adapters read with it. Invariant: decimals stay text, and nothing here throws.

import type { TextLevel } from './scales.ts';

export type Fields = Readonly<Record<string, unknown>>;

const DECIMAL = /^\d{1,20}(?:\.\d{1,20})?$/;

/** The JSON value of a text; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && DECIMAL.test(value);
}

/** A count or an id: no sign, and no more than a number holds exactly. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Pairs of price and size; null if anything in the list is not one. */
export function readLevels(entries: unknown): TextLevel[] | null {
  if (!Array.isArray(entries)) return null;
  const levels: TextLevel[] = [];
  for (const entry of entries) {
    if (!Array.isArray(entry)) return null;
    const [price, size] = entry as unknown[];
    if (!isDecimal(price) || !isDecimal(size)) return null;
    levels.push([price, size]);
  }
  return levels;
}
