// Owns the venues' notations of time. Adapters and the capture reader call it.
// Invariant: microseconds come from the digits as written, never from a float; digits beyond them are cut off.

const SECONDS = /^(\d{1,10})(?:\.(\d{1,9}))?$/;
const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** Microseconds since 1970 of decimal seconds ("1618678133.162950"); null where the text is not that. */
export function secondsToUs(text: string): number | null {
  const match = SECONDS.exec(text);
  return match === null ? null : joinUs(Number(match[1]), match[2]);
}

/** Microseconds since 1970 of an RFC 3339 time in UTC ("2023-10-06T17:35:55.440295Z"); null where the text is not that. */
export function rfc3339ToUs(text: string): number | null {
  const match = RFC3339.exec(text);
  if (match === null) return null;
  const wholeMs = Date.parse(`${match[1]}Z`);
  return Number.isNaN(wholeMs) ? null : joinUs(wholeMs / 1_000, match[2]);
}

function joinUs(seconds: number, fraction = ''): number | null {
  const timeUs = seconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
  return Number.isSafeInteger(timeUs) ? timeUs : null;
}
