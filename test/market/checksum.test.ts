// Holds the hash of a level to published facts about MurmurHash3 x86 32-bit, by way of the independent implementation.

import { describe, expect, test } from 'vitest';
import { ASK, BID, levelHash } from '../../src/market/checksum.ts';
import { levelBytes, murmur3 } from '../simulation/murmur.ts';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const MAX = Number.MAX_SAFE_INTEGER;

describe('the independent hash', () => {
  // Test vectors that circulate with the algorithm, one for each length of the tail.
  test.each([
    { bytes: [], seed: 0, hash: 0 },
    { bytes: [], seed: 1, hash: 0x514e28b7 },
    { bytes: [], seed: 0xffffffff, hash: 0x81f16f39 },
    { bytes: [0xff, 0xff, 0xff, 0xff], seed: 0, hash: 0x76293b50 },
    { bytes: [0x21, 0x43, 0x65, 0x87], seed: 0, hash: 0xf55b516b },
    { bytes: [0x21, 0x43, 0x65, 0x87], seed: 0x5082edee, hash: 0x2362f9de },
    { bytes: [0x21, 0x43, 0x65], seed: 0, hash: 0x7e4a8634 },
    { bytes: [0x21, 0x43], seed: 0, hash: 0xa0f7b07a },
    { bytes: [0x21], seed: 0, hash: 0x72661cf4 },
    { bytes: [0, 0, 0, 0], seed: 0, hash: 0x2362f9de },
    { bytes: [0, 0, 0], seed: 0, hash: 0x85f0b427 },
    { bytes: [0, 0], seed: 0, hash: 0x30f4c306 },
    { bytes: [0], seed: 0, hash: 0x514e28b7 },
  ])('of $bytes seeded with $seed is the published one', ({ bytes, seed, hash }) => {
    expect(murmur3(new Uint8Array(bytes), seed)).toBe(hash);
  });

  test('of texts is the published one', () => {
    expect(murmur3(ascii('test'), 0)).toBe(0xba6bd213);
    expect(murmur3(ascii('test'), 0x9747b28c)).toBe(0x704b81dc);
    expect(murmur3(ascii('Hello, world!'), 0x9747b28c)).toBe(0x24884cba);
    expect(murmur3(ascii('The quick brown fox jumps over the lazy dog'), 0x9747b28c)).toBe(0x2fa826cd);
  });

  test('passes the verification of SMHasher: the hash of the hashes of 256 keys', () => {
    const hashes = new Uint8Array(256 * 4);
    const view = new DataView(hashes.buffer);
    for (let length = 0; length < 256; length++) {
      const key = Uint8Array.from({ length }, (_, index) => index);
      view.setUint32(length * 4, murmur3(key, 256 - length), true);
    }
    expect(murmur3(hashes, 0)).toBe(0xb0f57ee3);
  });
});

describe('the hash of a level', () => {
  const numbers = [0, 1, 2, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52 + 3, MAX];
  const prices = [...numbers, ...numbers.slice(1).map((number) => -number)];

  test('is that of price and size as 64-bit little-endian integers, seeded by the side', () => {
    for (const side of [BID, ASK] as const) {
      for (const price of prices) {
        for (const size of numbers) {
          const hash = levelHash(side, price, size);
          if (hash !== murmur3(levelBytes(price, size), side))
            expect.fail(`side ${side}, price ${price}, size ${size}`);
        }
      }
    }
  });

  test('is that of every random level too', () => {
    let state = 1;
    const draw = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state;
    };
    for (let i = 0; i < 5_000; i++) {
      const shift = draw() % 53;
      const price = Math.floor(((draw() % 2 ** 21) * 2 ** 32 + draw()) / 2 ** shift) * (draw() % 2 === 0 ? 1 : -1);
      const size = draw();
      const expected = murmur3(levelBytes(price, size), i % 2);
      if (levelHash(i % 2 === 0 ? BID : ASK, price, size) !== expected) expect.fail(`price ${price}, size ${size}`);
    }
  });
});
