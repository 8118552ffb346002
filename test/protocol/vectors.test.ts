// Owns the proof that both codecs write and read the golden vectors, byte for byte, and refuse the malformed ones.

import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { levelHash } from '../../src/market/checksum.ts';
import { type Codec, DecodeError, type Decoder } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { type Frame, FrameType, type TopicFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import {
  bytesOf,
  FRAME_FILES,
  type GoldenFrames,
  type GoldenHash,
  type GoldenMalformed,
  golden,
  jsonBytes,
  utf8Of,
  vectorText,
} from './golden.ts';
import { levelHash as naiveLevelHash } from './vectors-encoding.ts';
import { vectorFiles } from './vectors-maker.ts';

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** The frames that a codec writes; times are absolute in JSON, which has no time frames. */
function framesFor(codec: Codec, frames: readonly Frame[]): Frame[] {
  return frames.filter((frame) => codec.relativeTimes || frame.type !== 'time');
}

function encoded(codec: Codec, frames: readonly Frame[], topics: readonly TopicFrame[]): Uint8Array {
  const known = new Map(topics.map((topic) => [topic.topic, topic]));
  const writer = new ByteWriter(16);
  for (const frame of framesFor(codec, frames)) {
    if (frame.type === 'topic') known.set(frame.topic, frame);
    codec.encode(writer, frame, 'topic' in frame ? known.get(frame.topic) : undefined);
  }
  return writer.copy();
}

/** A decoder to which the topics were announced in earlier messages. */
function decoderWith(codec: Codec, topics: readonly TopicFrame[]): Decoder {
  const decoder = codec.decoder();
  for (const topic of topics) decoder.decode(encoded(codec, [topic], []));
  return decoder;
}

test('the files on disk are those that the maker writes', () => {
  const files = vectorFiles();
  expect(readdirSync(new URL('../../proto/vectors/', import.meta.url)).sort()).toEqual([...files.keys()].sort());
  for (const [file, text] of files) expect(vectorText(file), file).toBe(text);
});

test('every vector has a name of its own and a sentence', () => {
  for (const file of vectorFiles().keys()) {
    if (file === 'checksums.json') continue;
    const { vectors } = golden<{ name: string; says: string }>(file.replace('.json', ''));
    expect(new Set(vectors.map(({ name }) => name)).size, file).toBe(vectors.length);
    for (const { name, says } of vectors) expect(says, name).toMatch(/^\S.*\.$/);
  }
});

test('every frame type occurs in the vectors', () => {
  const types = FRAME_FILES.flatMap((file) => golden<GoldenFrames>(file).vectors).flatMap(({ frames }) =>
    frames.map(({ type }) => type),
  );
  expect([...new Set(types)].sort()).toEqual(Object.keys(FrameType).sort());
});

for (const file of FRAME_FILES) {
  describe(`${file}.json`, () => {
    for (const { name, context, frames, decodeOnly, msgpack, json } of golden<GoldenFrames>(file).vectors) {
      if (msgpack !== undefined) {
        test(`MessagePack of "${name}" reads as its frames`, () => {
          expect(decoderWith(msgpackCodec, context.topics).decode(bytesOf(msgpack))).toEqual(frames);
        });
      }
      if (json !== undefined) {
        test(`JSON of "${name}" reads as its frames`, () => {
          expect(decoderWith(jsonCodec, context.topics).decode(utf8Of(json))).toEqual(framesFor(jsonCodec, frames));
        });
      }
      if (decodeOnly) continue;
      test(`"${name}" is written byte for byte`, () => {
        expect(toHex(encoded(msgpackCodec, frames, context.topics))).toBe(msgpack);
        expect(toText(encoded(jsonCodec, frames, context.topics))).toBe(json);
      });
    }
  });
}

test('three levels with everything in them take 60 bytes after the time frame', () => {
  const { msgpack = '' } = golden<GoldenFrames>('book').vectors.find(
    ({ name }) => name === 'three levels in 60 bytes',
  )!;
  const timeFrameBytes = 11;
  expect(bytesOf(msgpack).length - timeFrameBytes).toBe(60);
});

describe('malformed.json', () => {
  const { context, vectors } = golden<GoldenMalformed>('malformed');
  const topics = context?.topics ?? [];
  for (const vector of vectors) {
    if (vector.msgpack !== undefined) {
      test(`MessagePack with "${vector.name}" is refused`, () => {
        expect(() => decoderWith(msgpackCodec, topics).decode(bytesOf(vector.msgpack!))).toThrow(DecodeError);
      });
    }
    const json = jsonBytes(vector);
    if (json !== undefined) {
      test(`JSON with "${vector.name}" is refused`, () => {
        expect(() => decoderWith(jsonCodec, topics).decode(json)).toThrow(DecodeError);
      });
    }
  }
});

describe('checksums.json', () => {
  for (const { side, price, size, hash } of golden<GoldenHash>('checksums').vectors) {
    test(`the hash of a ${side} of ${size} at ${price} is ${hash}`, () => {
      expect(levelHash(side === 'bid' ? 0 : 1, price, size)).toBe(hash);
      expect(naiveLevelHash(side === 'bid' ? 0 : 1, price, size)).toBe(hash);
    });
  }
});
