// Holds what is kept of writers to what was written, for good, whatever is kept afterwards.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kept } from '../../src/protocol/blocks.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';

test('what was kept stays as it was, though the writer goes on and blocks fill up', () => {
  const piece = fc.uint8Array({ maxLength: 3_000 });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 40 }), (pieces) => {
      const writer = new ByteWriter(16);
      const all = pieces.map((bytes) => {
        writer.length = 0;
        writer.append(bytes);
        return kept(writer);
      });
      writer.bytes.fill(0xff);
      expect(all.map((each) => [...each])).toEqual(pieces.map((each) => [...each]));
    }),
  );
});

test('a long piece holds on to no more than itself, a short one to a block', () => {
  const writer = new ByteWriter();
  writer.append(new Uint8Array(5_000));
  expect(kept(writer).buffer.byteLength).toBe(5_000);
  writer.length = 100;
  expect(kept(writer).buffer.byteLength).toBe(8_192);
});
