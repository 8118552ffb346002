// Holds what a client's messages are answered with on a real socket, in both codecs: several requests at once, messages of
// the wrong kind, every refusal by the request that earns it, and the limits. The connection lives through all of it.

import { pack } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import type { ErrorFrame, Frame } from '../../src/protocol/frames.ts';
import { publish, startGateway, stopAll, TestClient } from './harness.ts';
import { endAll, Opcode, RawSocket, wsFrame } from './rawsocket.ts';

const CODECS = ['json', 'msgpack'] as const;
const LISTED = ['A', 'B', 'C', 'constructor'].map((symbol) => ({ symbol, priceScale: 2, sizeScale: 0 }));
const LIMITS = { requestBytesMax: 4_096, symbolsPerRequestMax: 5, subscriptionsMax: 3, requestsPerSecMax: 10_000 };

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway(LIMITS, LISTED);
});
afterEach(() => {
  endAll();
  stopAll();
});

const subscribe = (more: object = {}) => ({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'], ...more });

/** What the requests that are refused as a whole are answered with. */
const REFUSED: readonly (readonly [string, string, object])[] = [
  ['unknown-op', 'an operation that there is not', { op: 'buy', id: 1 }],
  ['unknown-op', 'none', { id: 1 }],
  ['unknown-op', 'one that is no string', { op: 7, id: 1 }],
  ['unknown-op', 'one of the prototype', { op: 'constructor', id: 1 }],
  ['unknown-op', 'another', { op: '__proto__', id: 1 }],
  ['unknown-channel', 'a channel that there is not', subscribe({ channel: 'orders' })],
  ['unknown-channel', 'a channel that is no string', subscribe({ channel: 5 })],
  ['unknown-channel', 'one to leave', { op: 'unsubscribe', id: 1, channel: 'x', symbols: ['A'] }],
  ['unknown-channel', 'one to start over', { op: 'resync', id: 1, channel: 'x', symbols: ['A'] }],
  ['bad-depth', 'a depth that there is not', subscribe({ depth: 3 })],
  ['bad-depth', 'a negative depth', subscribe({ depth: -1 })],
  ['bad-depth', 'a depth as text', subscribe({ depth: '10' })],
  ['bad-depth', 'a depth of a quote', subscribe({ channel: 'quote', depth: 5 })],
  ['bad-depth', 'a depth of a raw book', subscribe({ mode: 'raw', depth: 10 })],
  ['bad-interval', 'a negative interval', subscribe({ interval: -1 })],
  ['bad-interval', 'an interval of more than a minute', subscribe({ interval: 60_001 })],
  ['bad-interval', 'an interval as text', subscribe({ interval: '100' })],
  ['bad-mode', 'a mode that there is not', subscribe({ mode: 'fast' })],
  ['bad-mode', 'a mode of null', subscribe({ mode: null })],
  ['bad-mode', 'a raw book with an interval', subscribe({ mode: 'raw', interval: 100 })],
  ['bad-request', 'no channel', { op: 'subscribe', id: 1, symbols: ['A'] }],
  ['bad-request', 'no symbols', { op: 'subscribe', id: 1, channel: 'book' }],
  ['bad-request', 'an empty list of symbols', subscribe({ symbols: [] })],
  ['bad-request', 'a symbol alone', subscribe({ symbols: 'A' })],
  ['bad-request', 'symbols that are no strings', subscribe({ symbols: [7] })],
  ['bad-request', 'a symbol of 65 characters', subscribe({ symbols: ['A'.repeat(65)] })],
  ['bad-request', 'a field that there is not', subscribe({ venue: 'X' })],
  ['bad-request', 'a field in other letters', subscribe({ Depth: 10 })],
  ['bad-request', 'a priority of 10', subscribe({ priority: 10 })],
  ['bad-request', 'history of a book', subscribe({ last: 5 })],
  ['bad-request', 'too much history', subscribe({ channel: 'trade', last: 10_001 })],
  ['bad-request', 'a cursor that is a list', subscribe({ cursor: [] })],
  ['bad-request', 'a cursor without a seq', subscribe({ cursor: { A: { epoch: 1 } } })],
  [
    'bad-request',
    'a cursor of a depth that there is not',
    subscribe({ cursor: { A: { epoch: 1, seq: 1, depth: 2 } } }),
  ],
  ['bad-request', 'a cursor with more', subscribe({ cursor: { A: { epoch: 1, seq: 1, x: 1 } } })],
  ['bad-request', 'to watch with a word', { op: 'instruments', id: 1, watch: 'yes' }],
  ['bad-request', 'a ping with more', { op: 'ping', id: 1, at: 5 }],
  ['too-many-symbols', 'more symbols than a request may name', subscribe({ symbols: ['A', 'B', 'C', 'D', 'E', 'F'] })],
];

describe.each(CODECS)('in %s', (codec) => {
  let client: TestClient;
  beforeEach(async () => {
    client = await TestClient.connect(gateway, codec);
  });
  const pings = (...ids: number[]) => ids.map((id) => ({ op: 'ping', id }));
  const idsOf = (frames: readonly Frame[]) => frames.map((frame) => ('id' in frame ? frame.id : frame.type));
  /** Sends raw bytes or text, of the codec's kind unless told otherwise. */
  const sendRaw = (bytes: Uint8Array, binary = codec === 'msgpack') => client.socket.send(bytes, { binary });

  test('requests of one message are carried out in order, each answered once', async () => {
    client.send(...pings(3, 1, 1), subscribe({ id: 9 }), { op: 'nothing', id: 4 }, ...pings(2));
    const frames = await client.settled();
    expect(idsOf(frames.slice(0, 6))).toEqual([3, 1, 1, 9, 4, 2]);
    expect(frames.slice(0, 6).map(({ type }) => type)).toEqual(['pong', 'pong', 'pong', 'ack', 'error', 'pong']);
  });
  test('a message that can not be read to its end is refused as a whole', async () => {
    const whole =
      codec === 'json' ? Buffer.from('{"op":"ping","id":1}\n{"op":') : Buffer.from([...pack(pings(1)[0]), 0x81]);
    sendRaw(whole);
    expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'bad-frame' }]);
  });
  test('a message of the other kind is refused, and the connection goes on', async () => {
    sendRaw(Buffer.from('{"op":"ping","id":1}'), codec === 'json');
    const [error] = (await client.settled()) as ErrorFrame[];
    expect(error).toMatchObject({ type: 'error', id: null, code: 'bad-frame' });
    expect(error!.message).toContain(codec === 'json' ? 'json takes text' : 'msgpack takes binary');
  });
  test.each([['an empty message', Buffer.alloc(0)]])('%s is no request', async (_, bytes) => {
    sendRaw(bytes);
    expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'bad-frame' }]);
  });
  test('values that are no maps are refused one by one', async () => {
    if (codec === 'json') sendRaw(Buffer.from('7\n"ping"\n[]\nnull\ntrue\n'));
    else sendRaw(Buffer.from([0x07, 0xa1, 0x61, 0x90, 0xc0, 0xc3]));
    const frames = await client.settled();
    expect(frames).toHaveLength(5);
    for (const frame of frames) expect(frame).toMatchObject({ type: 'error', id: null, code: 'bad-request' });
  });
  test.each([-1, 0.5, '1', null, 2 ** 53, [1]])('an id of %j is none', async (id) => {
    if (codec === 'json') sendRaw(Buffer.from(JSON.stringify({ op: 'ping', id })));
    else sendRaw(pack({ op: 'ping', id }));
    expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'bad-request' }]);
  });

  test.each(REFUSED)('%s: %s', async (code, _, request) => {
    client.send(request);
    const frames = await client.settled();
    expect(frames).toMatchObject([{ type: 'error', id: 1, code }]);
    expect(gateway.refusals).toEqual({ [code]: 1 });
  });

  test('symbols are accepted and refused one by one, in the order of the request', async () => {
    client.send(subscribe({ symbols: ['B', 'NOPE', 'a b', '', 'A'], depth: 10, interval: 101 }));
    const ack = await client.next('ack');
    expect(ack).toMatchObject({ id: 1, op: 'subscribe' });
    expect(ack.accepted).toEqual([
      { symbol: 'B', topic: expect.any(Number), depth: 10, intervalMs: 250, mode: 'live' },
      { symbol: 'A', topic: expect.any(Number), depth: 10, intervalMs: 250, mode: 'live' },
    ]);
    expect(ack.refused.map(({ symbol, code }) => [symbol, code])).toEqual([
      ['NOPE', 'unknown-symbol'],
      ['a b', 'bad-symbol'],
      ['', 'bad-symbol'],
    ]);
    for (const { message, action } of ack.refused) expect([message, action]).not.toContain('');
  });
  test('one subscription too many is refused, but not the change of one that there is', async () => {
    client.send(
      subscribe({ symbols: ['A', 'B', 'C'] }),
      subscribe({ id: 2, channel: 'trade' }),
      subscribe({ id: 3, depth: 5 }),
    );
    expect((await client.next('ack')).accepted).toHaveLength(3);
    expect((await client.next('ack')).refused).toMatchObject([{ symbol: 'A', code: 'too-many-subscriptions' }]);
    expect((await client.next('ack')).accepted).toMatchObject([{ symbol: 'A', depth: 5 }]);
    client.send({ op: 'unsubscribe', id: 4, channel: 'book', symbols: ['C'] }, subscribe({ id: 5, channel: 'trade' }));
    await client.next('ack');
    expect((await client.next('ack')).accepted).toMatchObject([{ symbol: 'A' }]);
  });
  test('a symbol named twice is one subscription', async () => {
    client.send(subscribe({ symbols: ['A', 'A'] }));
    const { accepted } = await client.next('ack');
    expect(accepted[0]).toEqual(accepted[1]);
    const frames = await client.settled();
    expect(frames.filter(({ type }) => type === 'book')).toHaveLength(1);
  });
  test('what is not subscribed to can not be left or started over', async () => {
    for (const op of ['unsubscribe', 'resync']) {
      client.send({ op, id: 1, channel: 'book', symbols: ['A', 'NOPE', '\u{1F600}'.repeat(32)] });
      const { refused } = await client.next('ack');
      expect(refused.map(({ code }) => code)).toEqual(['not-subscribed', 'not-subscribed', 'not-subscribed']);
    }
  });
  test('a cursor belongs to its symbol, whatever that is called', async () => {
    client.send(subscribe({ symbols: ['constructor'], cursor: { A: { epoch: 1, seq: 1 } } }));
    const frames = await client.settled();
    expect(frames.map(({ type }) => type).filter((type) => type !== 'time')).toEqual(['ack', 'topic', 'book']);
  });
  test('a cursor from nowhere is answered by a fresh start', async () => {
    await publish(gateway, { type: 'snapshot', symbol: 'A', bids: [['1', '1']], asks: [] });
    for (const [epoch, seq] of [
      [0, 0],
      [0, 5],
      [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ]) {
      client.send(subscribe({ cursor: { A: { epoch, seq, depth: 50 } } }));
      const book = (await client.settled()).find((frame) => frame.type === 'book');
      expect(book).toMatchObject({ fromSeq: 0, seq: 1, bids: [100, 1] });
    }
  });

  test('a request of just the limit is carried out, one byte more is too large, and the connection goes on', async () => {
    const padded = (bytes: number) => Buffer.from('{"op":"ping","id":1}'.padEnd(bytes, ' '));
    if (codec === 'json') sendRaw(padded(4_096));
    else sendRaw(Buffer.concat([...Array(4_085).fill(Buffer.from([0x07])), pack(pings(1)[0])]).subarray(-4_096));
    expect((await client.settled()).filter(({ type }) => type === 'pong')).toHaveLength(1);
    sendRaw(padded(4_097));
    expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'too-large' }]);
    sendRaw(padded(16 * 4_096));
    expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'too-large' }]);
  });
  test('one that is many times as long ends the connection at once, and nothing else', async () => {
    const other = await TestClient.connect(gateway, codec);
    sendRaw(Buffer.alloc(16 * 4_096 + 1, 0x20));
    expect((await client.closed).code).toBe(1006);
    expect(await other.settled()).toEqual([]);
    expect(gateway.connectionCount).toBe(1);
  });
});

test('a client that asks and never reads is closed when its answers pass the limit', async () => {
  const small = startGateway({ ...LIMITS, controlBytesMax: 65_536 }, LISTED);
  const raw = await RawSocket.upgraded(small);
  raw.tcp.pause();
  const pings = wsFrame(Opcode.text, '{"op":"ping","id":1}\n'.repeat(190));
  while (small.connectionCount > 0) {
    raw.write(pings);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(small.connectionCounters).toMatchObject({ closed: { 'slow-control': 1 } });
  raw.tcp.resume();
  const { payload } = await raw.messageWhere(({ opcode }) => opcode === Opcode.close);
  expect([payload.readUInt16BE(0), payload.subarray(2).toString()]).toEqual([CloseCode.slowControl, 'slow-control']);
  await raw.untilClosed();
});
