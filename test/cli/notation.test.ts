// Holds the small notations of the command line: durations, times, addresses, lines of cells.

import { describe, expect, test } from 'vitest';
import { endpointsOf } from '../../src/cli/flags.ts';
import { formatDuration, formatTime } from '../../src/cli/notation.ts';
import { cutTo, paint, spread } from '../../src/cli/painting.ts';

const S = 1_000_000;

test.each([
  [0, '0 µs'],
  [420, '420 µs'],
  [1_240, '1.2 ms'],
  [12_900, '12 ms'],
  [1.5 * S, '1.5 s'],
  [59.9 * S, '59 s'],
  [150 * S, '2 min'],
  [3_600 * S, '1 h'],
  [86_400 * 3 * S, '3 d'],
  [86_400 * 366 * S, '1.0 y'],
  [-253, '-253 µs'],
])('a duration of %d microseconds is written %s', (us, text) => {
  expect(formatDuration(us)).toBe(text);
});

test('a time of day is in UTC, to the second or the millisecond', () => {
  expect(formatTime(1_700_000_000_123_456)).toBe('22:13:20');
  expect(formatTime(1_700_000_000_123_456, 'ms')).toBe('22:13:20.123');
});

test.each([
  ['127.0.0.1:9001', 'http://127.0.0.1:9001', 'ws://127.0.0.1:9001/v1/stream'],
  ['http://host', 'http://host', 'ws://host/v1/stream'],
  ['https://host/', 'https://host', 'wss://host/v1/stream'],
  ['ws://host:1/v1/stream', 'http://host:1', 'ws://host:1/v1/stream'],
  ['wss://host/base/v1/stream/', 'https://host/base', 'wss://host/base/v1/stream'],
  ['[::1]:9001', 'http://[::1]:9001', 'ws://[::1]:9001/v1/stream'],
])('a gateway may be named %s', (text, http, stream) => {
  expect(endpointsOf(text)).toEqual({ http, stream });
});

test.each(['', '::', 'ftp://host', 'http://', 'a b'])('%j names no gateway', (text) => {
  expect(endpointsOf(text)).toBeNull();
});

describe('a line of cells', () => {
  const line = [
    { text: 'abc', style: 'bid' },
    { text: 'def', style: 'plain', bold: true },
  ] as const;

  test('is cut to a width, and filled up to it where asked', () => {
    expect(paint(cutTo(line, 4), false)).toBe('abcd');
    expect(cutTo(line, 8, 'padded').at(-1)).toEqual({ text: '  ', style: 'plain' });
    expect(cutTo(line, 0)).toEqual([]);
  });

  test('is spread over a width, and drops its right end where there is no room', () => {
    expect(paint(spread(line, [{ text: 'x', style: 'dim' }], 10), false)).toBe('abcdef   x');
    expect(paint(spread(line, [{ text: 'x', style: 'dim' }], 8), false)).toBe('abcdef');
  });

  test('is painted cell by cell', () => {
    expect(paint(line, true)).toBe('\x1b[32mabc\x1b[0m\x1b[1mdef\x1b[0m');
  });
});
