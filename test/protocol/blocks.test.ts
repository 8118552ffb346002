// Holds frames that are kept to what they were when they were encoded, for good, whatever is kept afterwards.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeKept } from '../../src/protocol/blocks.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';

const frameOf = (token: string): Frame => ({ type: 'token', token, lifeMs: 1_000 });

test('a frame stays as it was encoded, though others are kept after it and blocks fill up', () => {
  const codec = fc.constantFrom(jsonCodec, msgpackCodec);
  const text = fc.nat(3_000).map((length) => 'x'.repeat(length));
  fc.assert(
    fc.property(fc.array(fc.tuple(codec, text), { minLength: 1, maxLength: 40 }), (all) => {
      const kept = all.map(([each, token]) => encodeKept(each, frameOf(token)));
      const wanted = all.map(([each, token]) => {
        const writer = new ByteWriter();
        each.encode(writer, frameOf(token));
        return [...writer.copy()];
      });
      expect(kept.map((bytes) => [...bytes])).toEqual(wanted);
    }),
  );
});

test('a long frame holds on to no more than itself, a short one to a block', () => {
  const long = encodeKept(msgpackCodec, frameOf('x'.repeat(20_000)));
  expect(long.buffer.byteLength).toBe(long.length);
  expect(encodeKept(msgpackCodec, frameOf('x')).buffer.byteLength).toBe(8_192);
});
