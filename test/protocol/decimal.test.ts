// Owns the proof that fixed-point numbers are exact at both edges: text to mantissa and back, never rounded.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDecimal, parseDecimal, rescale, SCALE_MAX, scaleOf } from '../../src/protocol/decimal.ts';
import { decimal } from './vectors-encoding.ts';

const scales = fc.integer({ min: 0, max: SCALE_MAX });

describe('decimals', () => {
  test('are written as BigInt arithmetic has them and come back as they were', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), scales, (mantissa, scale) => {
        const text = formatDecimal(mantissa, scale);
        expect(text).toBe(decimal(mantissa, scale));
        expect(parseDecimal(text, scale)).toBe(mantissa + 0);
        expect(scaleOf(text)).toBe(scale);
      }),
      { numRuns: 1_000 },
    );
  });
  test('may have zeros beyond the scale, and signs and zeros before', () => {
    expect(parseDecimal('12.5000', 2)).toBe(1_250);
    expect(parseDecimal('0012.5', 2)).toBe(1_250);
    expect(parseDecimal('+12.5', 2)).toBe(1_250);
    expect(parseDecimal('-12.5', 2)).toBe(-1_250);
    expect(Object.is(parseDecimal('-0.00', 2), 0)).toBe(true);
  });
  test('with more digits than the scale are refused', () => {
    expect(parseDecimal('12.505', 2)).toBe('precision');
    expect(parseDecimal('0.1', 0)).toBe('precision');
  });
  test('beyond 2^53 - 1 are refused', () => {
    expect(parseDecimal('90071992547409.91', 2)).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseDecimal('-90071992547409.91', 2)).toBe(-Number.MAX_SAFE_INTEGER);
    for (const text of ['90071992547409.92', '90071992547409.93', '9'.repeat(60), '-90071992547409.92'])
      expect(parseDecimal(text, 2)).toBe('range');
  });
  test('at scales that do not exist are refused, without taking memory for their digits', () => {
    for (const scale of [-1, 16, 1_000_000_000]) expect(parseDecimal('1', scale)).toBe('range');
  });
  test('of any other form are refused', () => {
    for (const text of [
      '',
      '.',
      '.5',
      '5.',
      '1e2',
      '0x10',
      ' 1',
      '1 ',
      '1,5',
      '--1',
      '١',
      'NaN',
      'Infinity',
      '1.2.3',
      '1\n',
      '0'.repeat(65),
    ]) {
      expect(parseDecimal(text, 2), text).toBe('syntax');
    }
  });
  test('move to a finer scale exactly, or not at all', () => {
    expect(rescale(1_250, 2, 4)).toBe(125_000);
    expect(rescale(1_250, 2, 2)).toBe(1_250);
    expect(rescale(1_250, 2, 1)).toBeNull();
    expect(rescale(Number.MAX_SAFE_INTEGER, 0, 1)).toBeNull();
  });
});
