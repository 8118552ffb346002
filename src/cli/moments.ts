// Owns how lengths and moments of time are read from flags: `90s`, `1h30m`, `2026-01-31T09:30:00Z`. Record and replay use it.
// Invariant: what is returned is a whole number of microseconds, at least 0; anything else is refused with what would do.

import { InvalidArgumentError } from 'commander';

const US_OF_UNIT: Readonly<Record<string, number>> = { ms: 1e3, s: 1e6, m: 60e6, h: 3_600e6, d: 86_400e6 };
const LENGTH = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PIECE = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
/** With its offset from UTC: a moment must mean the same on every machine. */
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/;

/** A moment in a recording: of the calendar, or counted from its begin. */
export type Moment = { readonly atUs: number } | { readonly afterUs: number };

/** Microseconds. */
export function lengthOf(text: string): number {
  const lengthUs = microseconds(text);
  if (lengthUs === null || lengthUs === 0) throw new InvalidArgumentError('Give a length such as 90s, 15m or 1h30m.');
  return lengthUs;
}

export function momentOf(text: string): Moment {
  const afterUs = microseconds(text);
  if (afterUs !== null) return { afterUs };
  const atMs = MOMENT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs) || atMs < 0) {
    throw new InvalidArgumentError(
      'Give a time from the begin such as 90s or 1h30m, or one such as 2026-01-31T09:30:00Z.',
    );
  }
  return { atUs: atMs * 1_000 };
}

/** The moment of a recording that begins at `firstUs`, microseconds since 1970. */
export function resolved(moment: Moment, firstUs: number): number {
  return 'atUs' in moment ? moment.atUs : firstUs + moment.afterUs;
}

function microseconds(text: string): number | null {
  if (!LENGTH.test(text)) return null;
  let sumUs = 0;
  for (const [, count, unit] of text.matchAll(PIECE)) sumUs += Number(count) * US_OF_UNIT[unit!]!;
  const us = Math.round(sumUs);
  return Number.isSafeInteger(us) ? us : null;
}
