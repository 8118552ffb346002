// Holds the venues' times to microseconds that no float has touched.

import { expect, test } from 'vitest';
import { writeDecimal } from '../../src/feeds/feed.ts';
import { rfc3339ToUs, secondsToUs } from '../../src/feeds/timestamp.ts';

test('decimal seconds become microseconds by their digits', () => {
  expect(secondsToUs('1618678133.162950')).toBe(1_618_678_133_162_950);
  expect(secondsToUs('1618678132.9348202')).toBe(1_618_678_132_934_820);
  expect(secondsToUs('1618678132.5')).toBe(1_618_678_132_500_000);
  expect(secondsToUs('0')).toBe(0);
  for (const text of ['', '-1', '1.', '.5', '1e3', '12345678901', '1.1234567890', ' 1', '9999999999']) {
    expect(secondsToUs(text), text).toBeNull();
  }
});

test('RFC 3339 becomes microseconds by its digits', () => {
  expect(rfc3339ToUs('2023-10-06T17:35:55.440295Z')).toBe(1_696_613_755_440_295);
  expect(rfc3339ToUs('2023-10-06T17:35:55.4402951Z')).toBe(1_696_613_755_440_295);
  expect(rfc3339ToUs('1970-01-01T00:00:00Z')).toBe(0);
  for (const text of ['', '2023-10-06', '2023-13-06T17:35:55Z', '2023-10-06T25:35:55Z', '2023-10-06T17:35:55+01:00']) {
    expect(rfc3339ToUs(text), text).toBeNull();
  }
});

test('a decimal has as many digits as the venue writes', () => {
  expect(writeDecimal(35_480, 2, 8)).toBe('354.80000000');
  expect(writeDecimal(7, 0, 3)).toBe('7.000');
  expect(writeDecimal(-705, 2, 2)).toBe('-7.05');
  expect(writeDecimal(12_345, 3, 1)).toBe('12.345');
});
