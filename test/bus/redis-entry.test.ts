// Holds the form of what stands in Redis to proto/vectors/redis.json, both ways, and to what the script itself writes.

import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type EntryHead, encodeUpdate, readBody, readHead } from '../../src/bus/redis-entry.ts';
import { scriptText } from '../../src/bus/redis-link.ts';
import { readEntry } from '../../src/bus/redis-state.ts';
import type { Update } from '../../src/market/update.ts';
import { DecodeError } from '../../src/protocol/codec.ts';
import { ByteReader } from '../../src/protocol/reader.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bytesOf, golden } from '../protocol/golden.ts';
import { hex, pack } from '../protocol/vectors-encoding.ts';
import { redisForTests } from '../redis/server.ts';

interface Vector {
  readonly name: string;
  readonly head?: readonly [format: number, epoch: number, seq: number, publishUs: number, nonce: number];
  readonly body?: readonly [kind: number, exchangeUs: number | null];
  readonly update?: Update | null;
  readonly refused?: true;
  readonly msgpack: string;
}

const VECTORS = golden<Vector>('redis').vectors;
const updates = VECTORS.filter(({ head, refused }) => head === undefined && refused === undefined);
const entries = VECTORS.filter(({ head, update }) => head !== undefined && update !== null);
const messages = VECTORS.filter(({ update }) => update === null);
const refused = VECTORS.filter((vector) => vector.refused === true);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('every vector is of one of four sorts, and every kind of update occurs', () => {
  expect(updates.length + entries.length + messages.length + refused.length).toBe(VECTORS.length);
  const kinds = new Set(updates.map(({ update }) => update!.kind));
  expect([...kinds].sort()).toEqual(['delta', 'quote', 'snapshot', 'status', 'trade']);
});

describe('an update', () => {
  test.each(updates)('is written as documented: $name', ({ body, update, msgpack }) => {
    expect(hexOf(encodeUpdate(new ByteWriter(), update!, body![1]))).toBe(msgpack);
  });
  test.each(updates)('is read as documented: $name', ({ body, update, msgpack }) => {
    expect(readBody(new ByteReader(bytesOf(msgpack)))).toEqual({ update, exchangeUs: body![1] });
  });
});

test.each(entries)('an entry is read as documented: $name', ({ head, body, update, msgpack }) => {
  const [, epoch, seq, publishUs, nonce] = head!;
  expect(readEntry(bytesOf(msgpack))).toEqual({ epoch, seq, publishUs, nonce, update, exchangeUs: body![1] });
});

test.each(messages)('a message without a place is read as documented: $name', ({ head, body, msgpack }) => {
  const reader = new ByteReader(bytesOf(msgpack));
  const read: EntryHead = { format: 0, epoch: 0, seq: 0, publishUs: 0, nonce: -1 };
  readHead(reader, read);
  expect(Object.values(read)).toEqual(head);
  if (body !== undefined) expect(readBody(reader)).toEqual({ doubted: body[1] === 1 });
  expect(reader.done).toBe(true);
});

test.each(refused)('$name', ({ msgpack }) => {
  expect(() => readEntry(bytesOf(msgpack))).toThrow(DecodeError);
});

test('the script logs and publishes a head and the bytes of the update as they came', async () => {
  const { url, prefix, close } = await redisForTests();
  const [redis, listening] = [new Redis(url), new Redis(url)];
  onTestFinished(async () => {
    redis.disconnect();
    listening.disconnect();
    await close();
  });
  const heard: string[] = [];
  listening.on('messageBuffer', (_, bytes: Buffer) => heard.push(bytes.toString('hex')));
  const [, epoch, , , nonce] = entries[0]!.head!;
  const script = scriptText('publish');
  for (const [channel, kinds] of Object.entries(KINDS)) {
    const topic = `${prefix}:{${channel}:X}`;
    await listening.subscribe(topic);
    const keys = [topic, `${topic}:log`, `${topic}:base`, `${topic}:keys`];
    const sent = updates
      .filter(({ msgpack }) => kinds.includes(Number.parseInt(msgpack.slice(2, 4), 16)))
      // A snapshot goes first: before it no delta is taken.
      .sort((a, b) => Number(b.name === 'snapshot') - Number(a.name === 'snapshot'));
    const args = sent.flatMap(({ msgpack }) => ['', Buffer.from(msgpack, 'hex')]);
    const answer = await redis.eval(script, 4, ...keys, 1, epoch, nonce, 'replid', '2.0.0', '', '', 1_024, '', ...args);
    expect(answer).toEqual([epoch, 0, ...sent.map((_, i) => i + 1)]);
    const log = await redis.xrangeBuffer(`${topic}:log`, '-', '+');
    for (const [i, [id, [field, entry]]] of log.entries()) {
      expect([`${id}`, `${field}`]).toEqual([`${i + 1}-0`, 'e']);
      const { publishUs } = readEntry(entry!);
      expect(hexOf(entry!)).toBe(hex(pack([1, epoch, i + 1, publishUs, nonce + i])) + sent[i]!.msgpack);
    }
    expect(log).toHaveLength(sent.length);
    expect(sent.length).toBeGreaterThan(0);
    expect(heard.splice(0)).toEqual(log.map(([, [, entry]]) => hexOf(entry!)));
  }
});

/** Of the updates that each channel takes. */
const KINDS = { book: [0, 1], quote: [2], trade: [3], status: [4] };
