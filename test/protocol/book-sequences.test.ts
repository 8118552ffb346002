// Owns the proof that a client which follows the rules of proto/frames.md holds the books of the golden sequences.

import { describe, expect, test } from 'vitest';
import { levelHash } from '../../src/market/checksum.ts';
import type { Decoder } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { TopicFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bytesOf, type GoldenBook, type GoldenSequence, type GoldenStep, golden, utf8Of } from './golden.ts';
import { NaiveClient } from './naive-client.ts';

const { vectors } = golden<GoldenSequence>('book-sequences');

const MESSAGES: Record<'msgpack' | 'json', (step: GoldenStep) => Uint8Array> = {
  msgpack: (step) => bytesOf(step.msgpack),
  json: (step) => utf8Of(step.json),
};

function decoderOf(codec: typeof msgpackCodec, topic: TopicFrame): Decoder {
  const writer = new ByteWriter();
  codec.encode(writer, topic);
  const decoder = codec.decoder();
  decoder.decode(writer.copy());
  return decoder;
}

function checksumOf({ bids, asks }: GoldenBook): number {
  const sum = (side: 0 | 1, levels: GoldenBook['bids']) =>
    levels.reduce((all, [price = 0, size = 0]) => all + levelHash(side, price, size), 0);
  return (sum(0, bids) + sum(1, asks)) % 2 ** 32;
}

for (const codec of [msgpackCodec, jsonCodec]) {
  describe(`over ${codec.name}`, () => {
    for (const { name, context, steps } of vectors) {
      test(`the client holds the right book after each frame of "${name}"`, () => {
        const [topic] = context.topics;
        const decoder = decoderOf(codec, topic!);
        const client = new NaiveClient();
        client.take(topic!);
        for (const step of steps) {
          const actions = decoder
            .decode(MESSAGES[codec.name](step))
            .filter(({ type }) => type !== 'time')
            .map((frame) => client.take(frame));
          const { seq, depth, bids, asks, checksum } = step.client;
          expect([actions, client.seq, client.depth, client.bids, client.asks], step.says).toEqual([
            [step.action],
            seq,
            depth,
            bids,
            asks,
          ]);
          expect(checksumOf(step.client), step.says).toBe(checksum);
        }
      });
    }
  });
}

test('every action of a client occurs in the sequences', () => {
  const actions = new Set(vectors.flatMap(({ steps }) => steps.map(({ action }) => action)));
  expect([...actions].sort()).toEqual(['apply', 'hold-back', 'ignore', 'note', 'replace', 'resync', 'void']);
});
