// Holds our HMAC to that of the library, and random text to being as long as it should be and never the same.

import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Mac } from '../../src/sessions/mac.ts';
import { randomText } from '../../src/sessions/random-text.ts';

test('every key and text is signed as the library does it, whatever was signed before', () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 2_000,
  });
  const secret = fc.uint8Array({ minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(secret, fc.array(text, { maxLength: 4 }), (bytes, texts) => {
      const mac = new Mac(Buffer.from(bytes));
      for (const each of texts) {
        expect(mac.of(each)).toBe(createHmac('sha256', bytes).update(each, 'latin1').digest('base64url'));
      }
    }),
  );
});

test('random text is never twice the same, also from one block to the next', () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => randomText(9, i % 2 === 0 ? 'hex' : 'base64url'));
  expect(new Set(texts).size).toBe(5_000);
  expect(new Set(texts.map(({ length }) => length))).toEqual(new Set([18, 12]));
});
