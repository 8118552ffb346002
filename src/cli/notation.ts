// Owns how durations and times of day are written for people. The ladder and the log lines use it.
// Invariant: short enough for a column: at most 7 characters for a duration, 8 for a time.

const US_PER_MS = 1_000;
const US_PER_S = 1_000_000;
const US_PER_DAY = 86_400 * US_PER_S;

/** In the unit in which it is a short number; a clock that runs ahead shows as a minus. */
export function formatDuration(durationUs: number): string {
  const sign = durationUs < 0 ? '-' : '';
  const us = Math.abs(durationUs);
  if (us < US_PER_MS) return `${sign}${Math.round(us)} µs`;
  if (us < US_PER_S) return `${sign}${short(us / US_PER_MS)} ms`;
  if (us < 60 * US_PER_S) return `${sign}${short(us / US_PER_S)} s`;
  if (us < 3_600 * US_PER_S) return `${sign}${Math.floor(us / 60 / US_PER_S)} min`;
  if (us < US_PER_DAY) return `${sign}${Math.floor(us / 3_600 / US_PER_S)} h`;
  if (us < 365 * US_PER_DAY) return `${sign}${Math.floor(us / US_PER_DAY)} d`;
  return `${sign}${short(us / 365.25 / US_PER_DAY)} y`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.floor(value));
}

/** Time of day in UTC, to the second or the millisecond. */
export function formatTime(timeUs: number, precision: 's' | 'ms' = 's'): string {
  const iso = new Date(Math.floor(timeUs / US_PER_MS)).toISOString();
  return iso.slice(11, precision === 's' ? 19 : 23);
}
