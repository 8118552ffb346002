// Holds the client's way to write requests to the golden vectors, and to the gateway's own reader for all else.

import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { packed } from '../../src/client/packer.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { type GoldenRequests, golden } from '../protocol/golden.ts';

describe('a request', () => {
  test.each(golden<GoldenRequests>('requests').vectors)('is written byte for byte: $name', ({ requests, msgpack }) => {
    expect(requests.map((request) => Buffer.from(packed(request)).toString('hex')).join('')).toBe(msgpack);
  });

  test('is written as the gateway’s own writer does, whatever it holds', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        fc.maxSafeInteger(),
        fc.integer({ min: -300, max: 300 }),
        fc.string({ unit: 'grapheme', maxLength: 300 }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 20 }),
        fc.dictionary(fc.string(), tie('any'), { maxKeys: 20 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (each) => {
        const writer = new ByteWriter();
        writer.value(each);
        expect(Buffer.from(packed(each))).toEqual(Buffer.from(writer.copy()));
      }),
    );
  });

  test.each([0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER])(
    'holds %d and its negative',
    (value) => {
      for (const each of [value, -value, -value - 1]) {
        if (!Number.isSafeInteger(each)) continue;
        const writer = new ByteWriter();
        writer.value(each);
        expect(Buffer.from(packed(each))).toEqual(Buffer.from(writer.copy()));
      }
    },
  );

  test('may hold a fraction, and many and long strings', () => {
    const value = {
      interval: 12.5,
      symbols: Array.from({ length: 70_000 }, (_, i) => `S${i}`),
      long: 'é'.repeat(40_000),
    };
    expect(unpack(packed(value))).toEqual(value);
  });

  test('holds no functions', () => {
    expect(() => packed({ op: () => {} })).toThrow(TypeError);
  });
});
