// Owns the proof that a client's decoder survives any bytes: frames come out, or a DecodeError, and nothing else.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Codec, DecodeError } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Frame, FrameType } from '../../src/protocol/frames.ts';
import { ByteReader } from '../../src/protocol/reader.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { message, type RandomMessage } from './frames.ts';

function encoded(codec: Codec, { topic, frames }: RandomMessage): Uint8Array {
  const writer = new ByteWriter();
  for (const frame of frames) if (codec.relativeTimes || frame.type !== 'time') codec.encode(writer, frame, topic);
  return writer.copy();
}

/** Every number in a frame is a safe integer, and nothing is there that MessagePack or JSON has no word for. */
function isWhole(value: unknown): boolean {
  if (value === null || typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'object' && Object.values(value).every(isWhole);
}

function decodesOrRefuses(codec: Codec, bytes: Uint8Array): boolean {
  let frames: Frame[];
  try {
    frames = codec.decoder().decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return true;
    throw error;
  }
  return frames.every((frame) => frame.type in FrameType && isWhole(frame));
}

/** One change to a valid message: a byte set, a range cut out, a range put in twice, or the rest cut off. */
const change = fc.record({
  kind: fc.constantFrom('set', 'cut', 'double', 'end'),
  at: fc.nat(),
  count: fc.integer({ min: 1, max: 12 }),
  byte: fc.integer({ min: 0, max: 255 }),
});

function changed(
  bytes: Uint8Array,
  { kind, at, count, byte }: { kind: string; at: number; count: number; byte: number },
): Uint8Array {
  const start = at % (bytes.length + 1);
  if (kind === 'set') return bytes.map((old, i) => (i === start ? byte : old));
  if (kind === 'end') return bytes.subarray(0, start);
  const range = bytes.subarray(start, start + count);
  const rest = bytes.subarray(start + count);
  return Uint8Array.from([...bytes.subarray(0, start), ...(kind === 'double' ? [...range, ...range] : []), ...rest]);
}

for (const codec of [msgpackCodec, jsonCodec]) {
  describe(codec.name, () => {
    test('any bytes are frames or refused', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => decodesOrRefuses(codec, bytes)),
        { numRuns: 10_000 },
      );
    });
    test('valid messages with some bytes changed are frames or refused', () => {
      fc.assert(
        fc.property(message, fc.array(change, { minLength: 1, maxLength: 4 }), (random, changes) =>
          decodesOrRefuses(codec, changes.reduce(changed, encoded(codec, random))),
        ),
        { numRuns: 1_000 },
      );
    });
    test('a message that was refused leaves the decoder able to read the next one', () => {
      fc.assert(
        fc.property(message, fc.uint8Array({ maxLength: 30 }), (random, garbage) => {
          const decoder = codec.decoder();
          try {
            decoder.decode(garbage);
          } catch {
            // Only what comes after it matters here.
          }
          const bytes = encoded(codec, random);
          expect(decoder.decode(bytes)).toEqual(codec.decoder().decode(bytes));
        }),
        { numRuns: 200 },
      );
    });
    test('an empty message holds no frames', () => {
      expect(codec.decoder().decode(new Uint8Array(0))).toEqual([]);
    });
  });
}

test('a time frame counts for its own message only', () => {
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
  const decoder = msgpackCodec.decoder();
  decoder.decode(bytes('9a1107a4626f6f6ba15801000002010192100a'));
  expect(() => decoder.decode(bytes('9a1207010100c000009090'))).toThrow(DecodeError);
  expect(decoder.decode(bytes('9210' + '0a' + '9a1207010100c000009090'))).toHaveLength(2);
});

describe('frames of JSON with any values in their fields', () => {
  const fields = [
    'topic',
    'fromSeq',
    'seq',
    'exchangeUs',
    'publishUs',
    'gatewayUs',
    'id',
    'timeUs',
    'status',
    'reason',
    'bids',
    'asks',
  ];
  const more = [
    'priceScale',
    'sizeScale',
    'tickSize',
    'lotSize',
    'stride',
    'channel',
    'symbol',
    'epoch',
    'accepted',
    'refused',
    'limits',
    'op',
    'roundTripMs',
    'lagMs',
    'pace',
    'priority',
    'intervalMs',
  ];
  const object = fc.record(
    {
      type: fc.constantFrom(...Object.keys(FrameType)),
      ...Object.fromEntries(
        [...fields, ...more].map((field) => [field, fc.oneof(fc.jsonValue(), fc.nat(3), fc.string())]),
      ),
    },
    { requiredKeys: ['type'] },
  );
  test('are frames or refused', () => {
    fc.assert(
      fc.property(object, (value) => decodesOrRefuses(jsonCodec, new TextEncoder().encode(JSON.stringify(value)))),
      { numRuns: 2_000 },
    );
  });
});

test('passing over any value ends where the value ends', () => {
  const value = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(value, (bytes) => {
      const reader = new ByteReader(bytes);
      try {
        reader.skip();
      } catch (error) {
        return error instanceof DecodeError;
      }
      return reader.at > 0 && reader.at <= bytes.length;
    }),
    { numRuns: 10_000 },
  );
});
