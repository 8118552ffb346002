// Owns the proof that both codecs give back what went in, and that frames are as small as promised.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Codec } from '../../src/protocol/codec.ts';
import { codecOf, jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Frame, roundIntervalMs, SUBPROTOCOLS, type TopicFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { message, type RandomMessage, threeLevels } from './frames.ts';
import { hex, jsonText, pack, positions } from './vectors-encoding.ts';

function encoded(codec: Codec, { topic, frames }: RandomMessage): Uint8Array {
  const writer = new ByteWriter(8);
  for (const frame of frames) if (codec.relativeTimes || frame.type !== 'time') codec.encode(writer, frame, topic);
  return writer.copy();
}

const framesOf = (codec: Codec, frames: readonly Frame[]) =>
  frames.filter(({ type }) => codec.relativeTimes || type !== 'time');

for (const codec of [msgpackCodec, jsonCodec]) {
  describe(codec.name, () => {
    test('gives back every message as it went in', () => {
      fc.assert(
        fc.property(message, (random) => {
          expect(codec.decoder().decode(encoded(codec, random))).toEqual(framesOf(codec, random.frames));
        }),
        { numRuns: 500 },
      );
    });
    test('writes the same bytes for the same frame, in whatever order its fields were set', () => {
      const reversed = (frame: Frame) => Object.fromEntries(Object.entries(frame).reverse()) as unknown as Frame;
      fc.assert(
        fc.property(message, ({ topic, frames }) => {
          expect(encoded(codec, { topic, frames: frames.map(reversed) })).toEqual(encoded(codec, { topic, frames }));
        }),
        { numRuns: 200 },
      );
    });
    test('reads a message that lies inside a larger buffer', () => {
      fc.assert(
        fc.property(message, (random) => {
          const bytes = encoded(codec, random);
          const larger = new Uint8Array(bytes.length + 20).fill(0xc1);
          larger.set(bytes, 7);
          expect(codec.decoder().decode(larger.subarray(7, 7 + bytes.length))).toEqual(framesOf(codec, random.frames));
        }),
        { numRuns: 50 },
      );
    });
  });
}

test('MessagePack is as BigInt arithmetic has it, frame for frame', () => {
  fc.assert(
    fc.property(message, (random) => {
      const expected = random.frames.flatMap((frame) => pack(positions(frame)));
      expect(Buffer.from(encoded(msgpackCodec, random)).toString('hex')).toBe(hex(expected));
    }),
    { numRuns: 500 },
  );
});

test('JSON is as BigInt arithmetic has it, line for line', () => {
  const ordered = (text: string) => text.split('\n').map((line) => (line === '' ? '' : (JSON.parse(line) as object)));
  fc.assert(
    fc.property(message, (random) => {
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(encoded(jsonCodec, random));
      expect(ordered(text)).toEqual(ordered(jsonText(random.frames, [random.topic])));
    }),
    { numRuns: 500 },
  );
});

test('a difference of three levels with everything in it takes at most 60 bytes', () => {
  fc.assert(
    fc.property(threeLevels, (frame) => {
      const writer = new ByteWriter();
      msgpackCodec.encode(writer, frame);
      return writer.length <= 60;
    }),
    { numRuns: 2_000 },
  );
});

test('what has no form on the wire is a bug that both codecs name', () => {
  const topic: TopicFrame = {
    type: 'topic',
    topic: 1,
    channel: 'status',
    symbol: 'X',
    epoch: 1,
    priceScale: 0,
    sizeScale: 0,
    stride: 2,
    tickSize: 1,
    lotSize: 1,
  };
  for (const codec of [msgpackCodec, jsonCodec]) {
    expect(() =>
      codec.encode(new ByteWriter(), { type: 'health', topic: 1, status: 'other', ageMs: 0 }, topic),
    ).toThrow(TypeError);
    expect(() => codec.encode(new ByteWriter(), { type: 'end', topic: 1, reason: 'other' }, topic)).toThrow(TypeError);
    const pace: Frame = { type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'link' };
    expect(() => codec.encode(new ByteWriter(), { ...pace, pace: 'other' })).toThrow(TypeError);
    expect(() => codec.encode(new ByteWriter(), { ...pace, reason: 'other' })).toThrow(TypeError);
  }
  const quote: Frame = {
    type: 'quote',
    topic: 1,
    fromSeq: 0,
    seq: 1,
    exchangeUs: null,
    publishUs: 1,
    gatewayUs: 1,
    bidPrice: null,
    bidSize: 0,
    askPrice: null,
    askSize: 0,
  };
  expect(() => jsonCodec.encode(new ByteWriter(), quote)).toThrow(TypeError);
});

test('each subprotocol has its codec, and no other name has', () => {
  expect(SUBPROTOCOLS.map((name) => codecOf(name)?.name)).toEqual(['msgpack', 'json']);
  expect(codecOf('tickwire.v2.json')).toBeUndefined();
});

test('intervals are rounded up to the shared grid', () => {
  const wanted = [0, 0.5, 10, 11, 50, 51, 100, 251, 500, 501, 1_001, 29_999, 30_001, 60_000, 99_999];
  const grid = [0, 10, 10, 20, 50, 100, 100, 500, 500, 1_000, 2_000, 30_000, 60_000, 60_000, 60_000];
  expect(wanted.map(roundIntervalMs)).toEqual(grid);
});
