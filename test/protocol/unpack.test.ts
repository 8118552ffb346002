// Owns the proof that hostile MessagePack becomes plain values or a DecodeError, soon, and nothing else.

import fc from 'fast-check';
import { pack as msgpackrPack, Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { DecodeError } from '../../src/protocol/codec.ts';
import { unpackAll } from '../../src/protocol/unpack.ts';
import { bigEndian, pack, Raw } from './vectors-encoding.ts';

const bytes = (...parts: (number | readonly number[])[]): Uint8Array => Uint8Array.from(parts.flat());

/** Null, booleans, numbers, strings, lists and maps; whole numbers beyond 2^53 as BigInt, which every schema refuses. */
function isPlain(value: unknown): boolean {
  if (value === null || ['boolean', 'number', 'string', 'bigint'].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== 'object') return false;
  return Object.getPrototypeOf(value) === Object.prototype && Object.values(value as object).every(isPlain);
}

function unpacked(message: Uint8Array): unknown[] | 'refused' {
  try {
    return unpackAll(message);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return 'refused';
  }
}

describe('what is accepted', () => {
  test('values of a message that holds several come out in order', () => {
    expect(unpackAll(bytes(pack({ a: 1 }), pack([null, true, 'x', -5]), 7))).toEqual([
      { a: 1 },
      [null, true, 'x', -5],
      7,
    ]);
  });
  test('integers from 64 to 127 are integers, not references to records', () => {
    const all = Array.from({ length: 64 }, (_, i) => 64 + i);
    expect(unpackAll(Uint8Array.from(all))).toEqual(all);
  });
  test('64-bit integers come out exactly, beyond 2^53 as BigInt', () => {
    const wide = (value: bigint, head: number) => unpackAll(bytes(head, bigEndian(BigInt.asUintN(64, value), 8)));
    expect(wide(9_007_199_254_740_991n, 0xcf)).toEqual([9_007_199_254_740_991]);
    expect(wide(9_007_199_254_740_993n, 0xcf)).toEqual([9_007_199_254_740_993n]);
    expect(wide((1n << 64n) - 1n, 0xcf)).toEqual([(1n << 64n) - 1n]);
    expect(wide(-9_007_199_254_740_993n, 0xd3)).toEqual([-9_007_199_254_740_993n]);
    expect(wide(5n, 0xcf)).toEqual([5]);
    expect(wide(-5n, 0xd3)).toEqual([-5]);
  });
  test('strings of any length and alphabet come out whole, one after the other', () => {
    const texts = ['', 'a', 'é'.repeat(40), '価格'.repeat(100), '\ufeffx', 'x'.repeat(70_000), '🙈'];
    expect(unpackAll(bytes(pack(texts), pack('end')))).toEqual([texts, 'end']);
  });
  test('a key that would be the prototype is an ordinary key by another name', () => {
    const [value] = unpackAll(bytes(pack(new Raw([0x81, ...pack('__proto__'), ...pack({ polluted: true })])))) as [
      object,
    ];
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('polluted' in value).toBe(false);
  });
});

describe('what is refused', () => {
  const extensions: [string, readonly number[]][] = [
    ['fixext 1', [0xd4, 1, 0]],
    ['fixext 2', [0xd5, 1, 0, 0]],
    ['fixext 4, a timestamp', [0xd6, 0xff, 0, 0, 0, 1]],
    ['fixext 8', [0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['fixext 16', [0xd8, 1, ...new Array<number>(16).fill(0)]],
    ['ext 8', [0xc7, 1, 1, 0]],
    ['ext 16', [0xc8, 0, 1, 1, 0]],
    ['ext 32', [0xc9, 0, 0, 0, 1, 1, 0]],
    ['a definition of a record', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1]],
    ['bundled strings', [0xd6, 0x62, 0, 0, 0, 1]],
    ['undefined', [0xd4, 0, 0]],
    ['bin 8', [0xc4, 1, 0]],
    ['bin 16', [0xc5, 0, 1, 0]],
    ['bin 32', [0xc6, 0, 0, 0, 1, 0]],
    ['the unused byte', [0xc1]],
  ];
  const places: [string, (value: readonly number[]) => Uint8Array][] = [
    ['alone', (value) => bytes(value)],
    ['after a value', (value) => bytes(1, value)],
    ['in a list', (value) => bytes(0x92, 1, value)],
    ['as a value of a map', (value) => bytes(0x81, 0xa1, 0x61, value)],
    ['as a key of a map', (value) => bytes(0x81, value, 1)],
    ['nested', (value) => bytes(0x91, 0x81, 0xa1, 0x61, 0x91, value)],
  ];
  for (const [what, value] of extensions) {
    test(`${what}, wherever it stands`, () => {
      for (const [where, message] of places) expect(() => unpackAll(message(value)), where).toThrow(DecodeError);
    });
  }
  test('what msgpackr itself writes with records, dates, sets and typed arrays', () => {
    const rich = new Packr({ moreTypes: true, structuredClone: true, useRecords: true });
    for (const value of [
      new Date(),
      new Set([1]),
      /x/,
      new Error('x'),
      { a: 1 },
      Buffer.from('x'),
      new Float64Array(2),
    ]) {
      expect(() => unpackAll(rich.pack(value)), String(value)).toThrow(DecodeError);
    }
  });
  test('an empty message', () => expect(() => unpackAll(bytes())).toThrow(DecodeError));
  test('keys that are no strings', () => {
    for (const key of [0, 0xc0, 0xc3, 0x90, 0x80]) expect(() => unpackAll(bytes(0x81, key, 1))).toThrow(DecodeError);
  });
  test('text that is not UTF-8, in values and in keys', () => {
    for (const text of [[0xff], [0xc3], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]]) {
      const string = [0xa0 | text.length, ...text];
      expect(() => unpackAll(bytes(string)), String(text)).toThrow(DecodeError);
      expect(() => unpackAll(bytes(0x81, string, 1)), String(text)).toThrow(DecodeError);
    }
  });
  test('every message that is cut short', () => {
    const whole = bytes(
      pack({ op: 'subscribe', id: 4_294_967_296, symbols: ['BTC-USD'], more: { x: [null, -1, 'é'] } }),
    );
    for (let length = 0; length < whole.length; length++) {
      expect(() => unpackAll(whole.subarray(0, length)), String(length)).toThrow(DecodeError);
    }
  });
});

describe('bombs', () => {
  // The reason tells that they are refused by what they claim, before anything was allocated or gone through.
  const tooDeep = /nested more than 8 deep/;
  test('a header that claims more than there is is refused by its claim', () => {
    for (const [head, reason] of [
      [0xdb, 'ends inside a value'],
      [0xdd, 'an array of 4294967295 elements in too few bytes'],
      [0xdf, 'a map of 4294967295 entries in too few bytes'],
    ] as const)
      expect(() => unpackAll(bytes(head, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61))).toThrow(reason);
  });
  test('a list of lists that all claim the rest of the message is refused for its depth', () => {
    const headers = Array.from({ length: 3_000 }, () => [0xdc, 0x10, 0x00]).flat();
    expect(() => unpackAll(bytes(headers))).toThrow(tooDeep);
  });
  test('values nested a hundred thousand deep do not end the process', () => {
    expect(() => unpackAll(new Uint8Array(100_000).fill(0x91))).toThrow(tooDeep);
    expect(() => unpackAll(bytes(Array.from({ length: 50_000 }, () => [0x81, 0xa0]).flat()))).toThrow(tooDeep);
  });
  test('nesting is allowed eight deep and no deeper', () => {
    const nested = (depth: number) => bytes(new Array<number>(depth).fill(0x91), 1);
    expect(unpackAll(nested(8))).toHaveLength(1);
    expect(() => unpackAll(nested(9))).toThrow(DecodeError);
  });
  test('a message of many small values is as long as its bytes', () => {
    expect(unpackAll(new Uint8Array(60_000).fill(0xc0))).toHaveLength(60_000);
  });
});

describe('any bytes', () => {
  test('random bytes are plain values or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (message) => {
        const values = unpacked(message);
        return values === 'refused' || values.every(isPlain);
      }),
      { numRuns: 20_000 },
    );
  });

  /** Bytes that look like MessagePack: heads of every kind, lengths that fit more often than not, text that may be broken. */
  const head = fc.oneof(
    fc.integer({ min: 0x80, max: 0xdf }),
    fc.constantFrom(0xa1, 0xa2, 0x91, 0x92, 0x81, 0xd9, 0xc7, 0xd4, 0xd6, 0xdc, 0xc1, 0x72, 0x40, 0xf0, 0xe2, 0xc3),
    fc.integer({ min: 0, max: 3 }),
  );
  test('bytes that look like MessagePack are plain values or refused', () => {
    fc.assert(
      fc.property(fc.array(head, { minLength: 1, maxLength: 40 }), (message) => {
        const values = unpacked(Uint8Array.from(message));
        return values === 'refused' || values.every(isPlain);
      }),
      { numRuns: 20_000 },
    );
  });

  test('what msgpackr packs of plain values comes back as it was', () => {
    const plain = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false),
        fc.maxSafeInteger(),
        // Minus zero is packed as the integer 0.
        fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.array(tie('value'), { maxLength: 20 }),
        // msgpackr renames __proto__, which no schema of ours has.
        fc.dictionary(
          fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 20, noNullPrototype: true },
        ),
      ),
    })).value;
    const packr = new Packr({ useRecords: false, variableMapSize: true });
    fc.assert(
      fc.property(fc.array(plain, { minLength: 1, maxLength: 3 }), (values) => {
        const message = Uint8Array.from(values.flatMap((value) => [...packr.pack(value)]));
        expect(unpackAll(message)).toEqual(values);
      }),
      { numRuns: 500 },
    );
  });

  test('integers that msgpackr packs come back as they were', () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (value) => Object.is(unpackAll(msgpackrPack(value))[0], value)));
  });
});
