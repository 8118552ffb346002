// Holds how lists of addresses and ranges are read: exactly what is written, and a fault in words for everything else.

import { describe, expect, test } from 'vitest';
import { readRanges } from '../../src/settings/ranges.ts';

function has(text: string, address: string): boolean {
  const ranges = readRanges(text);
  if (typeof ranges === 'string') throw new Error(ranges);
  return ranges.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

describe('a list of ranges', () => {
  test.each([
    ['10.0.0.0/8', '10.255.1.2', '11.0.0.0'],
    ['192.0.2.7', '192.0.2.7', '192.0.2.8'],
    ['192.0.2.7/32', '192.0.2.7', '192.0.2.6'],
    ['192.0.2.128/25', '192.0.2.255', '192.0.2.127'],
    ['::1', '::1', '::2'],
    ['fd00::/8', 'fd12::1', 'fc00::1'],
    ['2001:db8::/32', '2001:db8:ffff::', '2001:db9::'],
    ['::ffff:10.0.0.0/104', '10.1.2.3', '11.1.2.3'],
    [' 127.0.0.1 ,\t::1 , 10.0.0.0/8 ', '::1', '9.255.255.255'],
  ])('%j has %s and not %s', (text, inside, outside) => {
    expect([has(text, inside), has(text, outside)]).toEqual([true, false]);
  });
  test('that is empty has nobody', () => {
    for (const text of ['', '  ']) for (const address of ['127.0.0.1', '::1']) expect(has(text, address)).toBe(false);
  });
  test.each([
    'localhost',
    '10.0.0.0/33',
    '::/129',
    '10.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '/8',
    '1.2.3.4,,::1',
    ',',
    'fe80::1%eth0',
    '10.0.0.0-10.0.0.9',
    '256.0.0.1',
    '10.0.0.1 10.0.0.2',
    '*',
    'x'.repeat(5_000),
  ])('with what is none is a fault: %.30s', (text) => {
    expect(readRanges(text)).toMatch(/^".{0,60}" is neither an address nor a range such as /);
  });
  test('that is too long is a fault', () => {
    expect(readRanges(Array(256).fill('10.0.0.1').join(','))).not.toBeTypeOf('string');
    expect(readRanges(Array(257).fill('10.0.0.1').join(','))).toBe('257 ranges, at most 256');
  });
});
