// Owns the proof that what Tickwire writes is MessagePack in its shortest form, against msgpackr and against BigInt arithmetic.

import fc from 'fast-check';
import { Packr, unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../src/protocol/reader.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { hex, pack, type Value } from './vectors-encoding.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.copy();
}

const EDGES = [0, 5, 7, 8, 15, 16, 31, 32, 33, 52, 53].flatMap((bits) =>
  [-1, 0, 1].flatMap((by) => [2 ** bits + by, -(2 ** bits) + by]).filter(Number.isSafeInteger),
);
/** Integers of every width alike, not only wide ones. */
const integers = fc.oneof(
  fc.constantFrom(...EDGES),
  fc
    .tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 52 }))
    .map(([value, shift]) => Math.trunc(value / 2 ** shift)),
);

describe('integers', () => {
  test('are as msgpackr writes them below 2^32', () => {
    const below = integers.filter((value) => value < 2 ** 32 && value >= -(2 ** 31));
    fc.assert(
      fc.property(below, (value) => toHex(written((w) => w.integer(value))) === toHex(packr.pack(value))),
      { numRuns: 2_000 },
    );
  });
  test('are as BigInt arithmetic has them at every width, never floats', () => {
    fc.assert(
      fc.property(integers, (value) => toHex(written((w) => w.integer(value))) === hex(pack(value))),
      { numRuns: 2_000 },
    );
  });
  test('come back as they were', () => {
    fc.assert(
      fc.property(integers, (value) => new ByteReader(written((w) => w.integer(value))).integer() === value + 0),
      { numRuns: 2_000 },
    );
  });
  test('are the same in a row as one by one', () => {
    fc.assert(
      fc.property(fc.array(integers), (values) => {
        const row = written((w) => w.integers(values, values.length));
        expect(toHex(row)).toBe(hex(values.flatMap(pack)));
      }),
    );
  });
});

describe('strings', () => {
  test('have the shortest header, at every length where it changes', () => {
    for (const length of [0, 1, 31, 32, 255, 256, 65_535, 65_536]) {
      for (const character of ['x', 'é', '価', '🙈']) {
        const text = character.repeat(Math.ceil(length / Buffer.byteLength(character)));
        expect(toHex(written((w) => w.string(text))), `${length} bytes of ${character}`).toBe(hex(pack(text)));
      }
    }
  });
  test('come back as they were', () => {
    const texts = fc.string({ unit: 'binary', maxLength: 400 });
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = written((w) => w.string(text));
        expect(toHex(bytes)).toBe(hex(pack(text)));
        expect(new ByteReader(bytes).string()).toBe(text);
      }),
    );
  });
});

describe('lists', () => {
  test('have the shortest header, at every length where it changes', () => {
    for (const count of [0, 1, 15, 16, 65_535, 65_536]) {
      const list = new Array<number>(count).fill(0);
      expect(toHex(written((w) => w.value(list))), String(count)).toBe(hex(pack(list)));
    }
  });
});

describe('requests', () => {
  const plain = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false),
      integers,
      fc.string({ unit: 'grapheme' }),
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 20, noNullPrototype: true }),
    ),
  })).value;
  test('of any plain values are as BigInt arithmetic has them, and msgpackr reads them', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = written((w) => w.value(value));
        expect(toHex(bytes)).toBe(hex(pack(value)));
      }),
      { numRuns: 500 },
    );
    expect(unpack(written((w) => w.value({ a: [1, 'x', { b: null }] })))).toEqual({ a: [1, 'x', { b: null }] });
  });
  test('leave out fields that are undefined', () => {
    expect(toHex(written((w) => w.value({ op: 'ping', depth: undefined, id: 1 })))).toBe(
      hex(pack({ op: 'ping', id: 1 })),
    );
  });
  test('refuse what has no form on the wire', () => {
    for (const value of [1.5, Number.NaN, 2 ** 53, undefined, 1n, Symbol('x'), () => 0]) {
      expect(() => written((w) => w.value(value)), String(value)).toThrow(TypeError);
    }
  });
});

test('a copy does not change when the writer goes on', () => {
  const writer = new ByteWriter(4);
  writer.string('abc');
  const copy = writer.copy();
  writer.length = 0;
  writer.string('xyz');
  expect(toHex(copy)).toBe(hex(pack('abc')));
});

test('a writer grows by any step', () => {
  const writer = new ByteWriter(1);
  writer.text('é'.repeat(10_000));
  writer.nil();
  writer.string('x'.repeat(70_000));
  expect(writer.length).toBe(20_000 + 1 + 70_005);
});
