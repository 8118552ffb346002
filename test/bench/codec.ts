// Owns the comparison of the wire's MessagePack with JSON: what encoding and decoding a book frame costs, and its bytes.
// Run by `npm run bench:codec`. Invariant: rounds are interleaved, and both sides encode and decode the same frames.

import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import type { BookFrame, TopicFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';

const ROUNDS = 9;
const FRAMES = 2_000;
const REPEATS = 20;

const TOPIC: TopicFrame = {
  type: 'topic',
  topic: 300,
  channel: 'book',
  symbol: 'BTC-USD',
  epoch: 123_456_789_012,
  priceScale: 2,
  sizeScale: 8,
  stride: 3,
  tickSize: 1,
  lotSize: 1,
};

const GATEWAY_US = 1_795_000_000_000_000;

function frameOf(seq: number): BookFrame {
  const price = 4_200_000 + (seq % 500);
  return {
    type: 'book',
    topic: TOPIC.topic,
    fromSeq: 1_000_000 + seq,
    seq: 1_000_001 + seq,
    exchangeUs: GATEWAY_US - 31_000,
    publishUs: GATEWAY_US - 400,
    gatewayUs: GATEWAY_US,
    depth: 10,
    checksum: Math.imul(seq, 0x9e3779b1) >>> 0,
    stride: 3,
    bids: [price, 150_000_000 + seq, 3, price - 1, 25_000_000, 1],
    asks: [price + 1, 70_000_000 + seq, 2],
    parts: 0,
  };
}

const frames = Array.from({ length: FRAMES }, (_, seq) => frameOf(seq));

function secondsOf(run: () => void): number {
  const startMs = performance.now();
  for (let i = 0; i < REPEATS; i++) run();
  return (performance.now() - startMs) / 1_000;
}

/** What an exchange's compact JSON looks like: one-letter names, decimal strings; about 170 bytes. */
function plainOf(frame: BookFrame): object {
  const rows = (flat: readonly number[]): [string, string, number][] => {
    const out: [string, string, number][] = [];
    for (let i = 0; i < flat.length; i += 3) {
      out.push([formatDecimal(flat[i]!, TOPIC.priceScale), formatDecimal(flat[i + 1]!, TOPIC.sizeScale), flat[i + 2]!]);
    }
    return out;
  };
  const { fromSeq: U, seq: u, exchangeUs: E, publishUs: P, gatewayUs: G, checksum: c, bids, asks } = frame;
  return { e: 'book', s: TOPIC.symbol, U, u, E, P, G, c, b: rows(bids), a: rows(asks) };
}

function main(): void {
  const writer = new ByteWriter(1 << 16);
  const encoded = frames.map((frame) => {
    writer.length = 0;
    msgpackCodec.encode(writer, { type: 'time', timeUs: GATEWAY_US });
    msgpackCodec.encode(writer, frame, TOPIC);
    return writer.copy();
  });
  writer.length = 0;
  msgpackCodec.encode(writer, TOPIC);
  const announced = writer.copy();
  const plain = frames.map(plainOf);
  const texts = plain.map((object) => JSON.stringify(object));
  const jsonBytes = frames.map((frame) => {
    writer.length = 0;
    jsonCodec.encode(writer, frame, TOPIC);
    return writer.length;
  });
  const decoder = msgpackCodec.decoder();
  decoder.decode(announced);
  const encode: number[] = [];
  const decode: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const jsonEncode = secondsOf(() => {
      for (const object of plain) JSON.stringify(object);
    });
    const msgpackEncode = secondsOf(() => {
      for (const frame of frames) {
        writer.length = 0;
        msgpackCodec.encode(writer, frame, TOPIC);
      }
    });
    const jsonDecode = secondsOf(() => {
      for (const text of texts) JSON.parse(text);
    });
    const msgpackDecode = secondsOf(() => {
      for (const bytes of encoded) decoder.decode(bytes);
    });
    encode.push(jsonEncode / msgpackEncode);
    decode.push(jsonDecode / msgpackDecode);
  }
  const frameBytes = encoded.map((bytes) => bytes.length - 11);
  console.log(
    `frames: three levels with order counts and all times; ${ROUNDS} interleaved rounds of ${FRAMES * REPEATS}`,
  );
  console.log(
    `bytes: MessagePack ${mean(frameBytes)}, our JSON ${mean(jsonBytes)}, compact JSON ${mean(texts.map((text) => text.length))}`,
  );
  console.log(`encode: ${summary(encode)} times JSON.stringify's speed`);
  console.log(`decode: ${summary(decode)} times JSON.parse's speed`);
}

function mean(values: readonly number[]): string {
  return (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1);
}

function summary(ratios: readonly number[]): string {
  const sorted = [...ratios].sort((a, b) => a - b);
  return `${sorted[sorted.length >> 1]!.toFixed(2)} (${sorted[0]!.toFixed(2)}..${sorted.at(-1)!.toFixed(2)})`;
}

main();
