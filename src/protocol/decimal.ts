// Owns fixed-point numbers: a decimal is an integer mantissa and a scale (value = mantissa / 10^scale).
// Called at the edges only (feeds, publishing, JSON, the terminal). Invariant: never rounds, never leaves the safe integers.

/** The largest scale: 10^15 is the last power of ten below 2^53. */
export const SCALE_MAX = 15;

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** Why a text is no decimal. */
export type DecimalFault = 'syntax' | 'precision' | 'range';

/**
 * Mantissa of a plain decimal ("-12.50" at scale 2 is -1250). Digits beyond the scale must be zeros.
 * @returns the mantissa, or why there is none: `syntax`, `precision` (more digits than the scale), `range` (beyond 2^53 - 1, or a scale
 * that does not exist).
 */
export function parseDecimal(text: string, scale: number): number | DecimalFault {
  if (scale < 0 || scale > SCALE_MAX) return 'range';
  const match = DECIMAL.exec(text);
  if (match === null || text.length > 64) return 'syntax';
  const fraction = match[3] ?? '';
  const kept = fraction.slice(0, scale).padEnd(scale, '0');
  for (let i = scale; i < fraction.length; i++) if (fraction.charCodeAt(i) !== 48) return 'precision';
  const mantissa = Number(match[2] + kept);
  if (!Number.isSafeInteger(mantissa)) return 'range';
  return match[1] === '-' && mantissa !== 0 ? -mantissa : mantissa;
}

/** Decimal string of a mantissa, with exactly `scale` digits after the point, as exchanges write it. */
export function formatDecimal(mantissa: number, scale: number): string {
  if (scale === 0) return String(mantissa);
  const digits = String(Math.abs(mantissa)).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${mantissa < 0 ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Digits after the point of a decimal string; trailing zeros count. */
export function scaleOf(text: string): number {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}

/** Moves a mantissa to a scale at least as fine; null where that would leave the safe integers. */
export function rescale(mantissa: number, fromScale: number, toScale: number): number | null {
  const moved = mantissa * 10 ** (toScale - fromScale);
  return toScale >= fromScale && Number.isSafeInteger(moved) ? moved : null;
}
