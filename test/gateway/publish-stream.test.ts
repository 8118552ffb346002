// Holds /v1/publish/stream to proto/publish.md: it answers items as POST does, counts credits, and bounds what waits for a
// publisher that does not read; whatever else is sent gets its code, and the gateway lives.

import { pack } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { ask, publish, startGateway, stopAll } from './harness.ts';
import { delta, everything, SYMBOLS, snapshot, trade } from './items.ts';
import { endPublishers, PublisherClient } from './publisherclient.ts';
import { endAll, handshake, Opcode, RawSocket, wsFrame } from './rawsocket.ts';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, SYMBOLS);
});
afterEach(() => {
  endAll();
  endPublishers();
  stopAll();
});

const ITEMS: readonly unknown[] = [
  delta({ bids: [['10', '1']] }),
  snapshot,
  trade(),
  { ...trade(), symbol: 'NOPE' },
  7,
  null,
  {},
  { type: 'candle', symbol: 'A' },
  delta({ asks: [['9', '1']] }),
  delta({ bids: [['9.97', '1']] }),
  delta({
    bids: [
      ['9.95', '1'],
      ['9.95', '2'],
    ],
  }),
  delta(),
  { type: 'quote', symbol: 'A', bidPrice: '1', askPrice: null },
  { type: 'quote', symbol: 'FX', bidPrice: '1.2345', bidSize: '7', askPrice: null },
  trade({ price: '99999999999999999999' }),
  trade({ size: '-1' }),
  trade({ kind: 'correction', id: 7 }),
  trade({ kind: 'bust', id: 'x' }),
  { type: 'status', symbol: 'A', status: 'halted', reason: 'news' },
  { type: 'status', symbol: 'A', status: 'stale' },
  trade({ extra: 1 }),
];

/** Without the epochs, which differ from gateway to gateway. */
const withoutEpochs = (results: unknown) =>
  (results as Record<string, unknown>[]).map(({ epoch, ...rest }) => ({
    ...rest,
    ...(epoch === undefined ? {} : { epoch: typeof epoch }),
  }));

describe('a publisher', () => {
  test.each(['json', 'msgpack'] as const)('is welcomed with its credits and limits, in %s', async (codec) => {
    const client = PublisherClient.open(gateway, codec);
    const session = expect.stringMatching(/^[0-9a-f]{16}$/);
    expect(await client.next('welcome')).toEqual({
      type: 'welcome',
      version: 'tickwire.v1',
      server: expect.stringMatching(/^tickwire\/\d/),
      session,
      timeUs: expect.any(Number),
      credits: 10_000,
      limits: { messageBytes: 4_194_304, items: 1_000 },
    });
  });
  test.each(['json', 'msgpack'] as const)('gets for each item what POST answers, in %s', async (codec) => {
    const other = startGateway({}, SYMBOLS);
    const headers: Record<string, string> = codec === 'json' ? {} : { 'Content-Type': 'application/msgpack' };
    const posted = await publish(other, codec === 'json' ? ITEMS : pack(ITEMS), headers);
    const client = await PublisherClient.connect(gateway, codec);
    client.send({ op: 'publish', id: 5, items: ITEMS });
    const { id, results, credits } = await client.next('ack');
    expect({ id, credits }).toEqual({ id: 5, credits: ITEMS.length });
    expect(withoutEpochs(results)).toEqual(withoutEpochs(posted.body.results));
    expect(gateway.refusals).toEqual(other.refusals);
    expect(withoutTimes(await everything(gateway))).toEqual(withoutTimes(await everything(other)));
  });
  test('publishes mantissas in MessagePack, and is told to send strings in JSON', async () => {
    const item = trade({ price: 1_005, size: 20 });
    const packed = await PublisherClient.connect(gateway, 'msgpack');
    packed.send({ op: 'publish', id: 1, items: [item] });
    expect((await packed.next('ack')).results).toEqual([{ epoch: expect.any(Number), seq: 1 }]);
    const json = await PublisherClient.connect(gateway);
    json.send({ op: 'publish', id: 1, items: [item] });
    expect((await json.next('ack')).results).toMatchObject([{ error: { code: 'bad-price' } }]);
    expect((await ask(gateway, '/v1/trades/A')).body.trades).toMatchObject([{ price: '10.05', size: '0.020' }]);
  });
  test('may send many requests in a message; the answers come in their order', async () => {
    const client = await PublisherClient.connect(gateway);
    client.send(
      { op: 'publish', id: 1, items: [trade(), trade()] },
      { op: 'ping', id: 2 },
      { op: 'publish', id: 3, items: [] },
      { op: 'nope', id: 4 },
      { op: 'publish', id: 5, items: [trade()] },
    );
    expect(await client.next('ack')).toMatchObject({ id: 1, results: [{ seq: 1 }, { seq: 2 }], credits: 2 });
    expect(await client.next('pong')).toEqual({ type: 'pong', id: 2, timeUs: expect.any(Number) });
    expect(await client.next('ack')).toEqual({ type: 'ack', id: 3, results: [], credits: 0 });
    expect(await client.next('error')).toMatchObject({ id: 4, code: 'unknown-op', action: 'Use publish or ping.' });
    expect(await client.next('ack')).toMatchObject({ id: 5, results: [{ seq: 3 }], credits: 1 });
    // The welcome, and all these answers together.
    expect(client.messages).toBe(2);
  });
  test('is told that the gateway stops', async () => {
    const client = await PublisherClient.connect(gateway);
    gateway.stop();
    expect((await client.closed).code).toBe(CloseCode.goingAway);
  });
});

function withoutTimes(state: unknown): unknown {
  return JSON.parse(
    JSON.stringify(state, (key, value: unknown) => (['epoch', 'publishUs', 'exchangeUs'].includes(key) ? null : value)),
  );
}

describe('what is no request', () => {
  const small = { publishBytesMax: 1_024, publishItemsMax: 2 };

  test.each<[string, string, string, number | null]>([
    ['no JSON', '{', 'bad-frame', null],
    ['nothing', '', 'bad-frame', null],
    ['a number', '7', 'bad-request', null],
    ['a list', '[]', 'bad-request', null],
    ['no op', '{"id":3}', 'unknown-op', 3],
    ['an op of subscribers', '{"op":"subscribe","id":3}', 'unknown-op', 3],
    ['an op of every object', '{"op":"toString","id":3}', 'unknown-op', 3],
    ['no id', '{"op":"publish","items":[]}', 'bad-request', null],
    ['a negative id', '{"op":"publish","id":-1,"items":[]}', 'bad-request', null],
    ['no items', '{"op":"publish","id":3}', 'bad-request', 3],
    ['items that are no list', '{"op":"publish","id":3,"items":{}}', 'bad-request', 3],
    ['a field that there is not', '{"op":"publish","id":3,"items":[],"more":1}', 'bad-request', 3],
    ['too many items', '{"op":"publish","id":3,"items":[1,2,3]}', 'too-large', 3],
    ['too many bytes', `{"op":"ping","id":3${' '.repeat(1_024)}}`, 'too-large', null],
  ])('%s gets its code, and the connection goes on', async (_, text, code, id) => {
    const other = startGateway(small, SYMBOLS);
    const client = await PublisherClient.connect(other);
    client.socket.send(text);
    expect(await client.next('error')).toMatchObject({ id, code });
    client.send({ op: 'publish', id: 9, items: [trade()] });
    expect(await client.next('ack')).toMatchObject({ id: 9, credits: 1 });
    expect(other.refusals).toEqual({ [code]: 1 });
  });
  test.each<[string, readonly number[]]>([
    ['a timestamp', [0x81, 0xa2, 0x6f, 0x70, 0xd6, 0xff, 0, 0, 0, 1]],
    ['half a map', [0x82, 0xa2, 0x6f, 0x70]],
    ['an array of 2^32 - 1', [0xdd, 255, 255, 255, 255]],
    ['a hundred arrays in each other', Array.from({ length: 100 }, () => 0x91)],
  ])('%s in MessagePack is no frame', async (_, bytes) => {
    const client = await PublisherClient.connect(gateway, 'msgpack');
    client.socket.send(Uint8Array.from(bytes));
    expect(await client.next('error')).toMatchObject({ id: null, code: 'bad-frame' });
    client.send({ op: 'ping', id: 1 });
    await client.next('pong');
  });
  test('text where the subprotocol is binary, and bytes where it is text, are refused', async () => {
    const binary = await PublisherClient.connect(gateway, 'msgpack');
    binary.socket.send('{"op":"ping","id":1}');
    expect(await binary.next('error')).toMatchObject({ id: null, code: 'bad-frame' });
    const text = await PublisherClient.connect(gateway);
    text.socket.send(Buffer.from('{"op":"ping","id":1}'));
    expect(await text.next('error')).toMatchObject({ id: null, code: 'bad-frame' });
  });
  test('a message far over the limit ends the connection, and nothing else', async () => {
    const other = startGateway(small, SYMBOLS);
    const [client, bystander] = [await PublisherClient.connect(other), await PublisherClient.connect(other)];
    client.socket.send('x'.repeat(4_096));
    expect((await client.closed).code).toBe(1006);
    bystander.send({ op: 'ping', id: 1 });
    await bystander.next('pong');
  });
  test('an unknown subprotocol is told which there are, and closed for good', async () => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake({ 'Sec-WebSocket-Protocol': 'tickwire.v9' }, '/v1/publish/stream'));
    expect((await raw.response()).status).toBe(101);
    expect(JSON.parse((await raw.message()).payload.toString())).toMatchObject({ code: 'unsupported-protocol' });
    const close = await raw.message();
    expect([close.opcode, close.payload.readUInt16BE(0)]).toEqual([Opcode.close, CloseCode.unsupportedProtocol]);
  });
});

describe('who may publish', () => {
  const upgrade = async (to: Gateway, headers: Record<string, string>) => {
    const raw = await RawSocket.connect(to);
    raw.write(handshake(headers, '/v1/publish/stream'));
    return raw.response();
  };

  test.each([
    ['a page of another site', { Origin: 'https://evil.example' }],
    ['a page whose name was pointed at this machine', { Host: 'evil.example' }],
    ['what a proxy passes on', { 'X-Forwarded-For': '127.0.0.1' }],
  ])('%s is refused at the upgrade', async (_, headers) => {
    const { status, headers: answered, body } = await upgrade(gateway, headers);
    expect([status, answered.get('content-type')]).toEqual([401, 'application/json']);
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'unauthorized' } });
    expect(gateway.refusals).toEqual({ unauthorized: 1 });
  });
  test('with a token, whoever brings it', async () => {
    const closed = startGateway({ publishToken: 'sesame' }, SYMBOLS);
    expect((await upgrade(closed, {})).status).toBe(401);
    expect((await upgrade(closed, { Authorization: 'Bearer sesame', Origin: 'https://a.example' })).status).toBe(101);
  });
});

describe('credits', () => {
  test('a publisher that sends more than it has is told, and closed with a code of its own', async () => {
    const other = startGateway({ publishCreditsMax: 3 }, SYMBOLS);
    const client = await PublisherClient.connect(other);
    client.send(
      { op: 'publish', id: 1, items: [trade(), trade()] },
      { op: 'publish', id: 2, items: [trade(), trade()] },
      { op: 'publish', id: 3, items: [trade()] },
    );
    expect(await client.next('error')).toMatchObject({ id: 2, code: 'overrun' });
    expect(await client.closed).toEqual({ code: CloseCode.overrun, reason: 'overrun' });
    // What it had credits for was published, and nothing after it.
    expect((await ask(other, '/v1/trades/A')).body.seq).toBe(2);
    expect(other.refusals).toEqual({ overrun: 1 });
  });
  test('what is acknowledged may be sent again, refused items too', async () => {
    const other = startGateway({ publishCreditsMax: 3 }, SYMBOLS);
    const client = await PublisherClient.connect(other);
    for (let id = 0; id < 5; id++) {
      client.send({ op: 'publish', id, items: [trade(), 7, trade()] });
      expect(await client.next('ack')).toMatchObject({ id, credits: 3 });
    }
    expect((await ask(other, '/v1/trades/A')).body.seq).toBe(10);
  });
  test('a request that is refused as a whole costs nothing', async () => {
    const other = startGateway({ publishCreditsMax: 3, publishItemsMax: 2 }, SYMBOLS);
    const client = await PublisherClient.connect(other);
    client.send({ op: 'publish', id: 1, items: [1, 2, 3] });
    expect(await client.next('error')).toMatchObject({ id: 1, code: 'too-large' });
    client.send({ op: 'publish', id: 2, items: [trade(), trade()] }, { op: 'publish', id: 3, items: [trade()] });
    expect(await client.next('ack')).toMatchObject({ id: 2, credits: 2 });
    expect(await client.next('ack')).toMatchObject({ id: 3, credits: 1 });
  });
});

describe('a publisher that does not read', () => {
  const CREDITS = 2_000;
  /** Requests whose answers are long: a refusal takes some 200 bytes. */
  const request = (id: number) =>
    wsFrame(Opcode.text, JSON.stringify({ op: 'publish', id, items: Array(100).fill(7) }));

  test('gets no more credits, so that what waits for it is bounded; once it reads, it gets them back', async () => {
    const other = startGateway({ publishCreditsMax: CREDITS }, SYMBOLS);
    const raw = await RawSocket.connect(other);
    raw.write(handshake({}, '/v1/publish/stream'));
    await raw.response();
    let credits = 0;
    let acks = 0;
    const take = (payload: Buffer) => {
      for (const line of payload.toString().split('\n')) {
        if (line === '') continue;
        const frame = JSON.parse(line) as { type: string; credits?: number };
        credits += frame.credits ?? 0;
        if (frame.type === 'ack') acks += 1;
      }
    };
    take((await raw.message()).payload);
    expect(credits).toBe(CREDITS);
    // Reads nothing, and goes on sending as long as somebody who reads elsewhere sees that it is granted credits.
    const [session] = other.publishStream.sessions;
    let sent = 0;
    raw.tcp.pause();
    while (session!.credits >= 100) {
      raw.write(request(sent));
      sent += 1;
      await untilAnswered(other, sent);
    }
    expect(session!.credits).toBeLessThan(100);
    expect(session!.unreadBytes).toBeGreaterThan(0);
    // A refused item is answered with less than 400 bytes.
    expect(session!.unreadBytes).toBeLessThan(65_536 + CREDITS * 400);
    raw.tcp.resume();
    while (acks < sent || credits < CREDITS + sent * 100) take((await raw.message()).payload);
    expect(credits - sent * 100).toBe(CREDITS);
  });

  /** Refusals are counted as the items are read. */
  async function untilAnswered(of: Gateway, requests: number): Promise<void> {
    while ((of.refusals['bad-request'] ?? 0) < requests * 100) await new Promise((resolve) => setImmediate(resolve));
  }

  test('is closed when it goes on asking for what costs no credits', async () => {
    const other = startGateway({ publishCreditsMax: 100 }, SYMBOLS);
    const client = await PublisherClient.connect(other);
    client.send(...Array.from({ length: 101 }, (_, id) => ({ op: 'ping', id })));
    expect(await client.closed).toEqual({ code: CloseCode.slowControl, reason: 'slow-control' });
    expect(other.refusals).toEqual({ 'slow-control': 1 });
  });
  test('but one that reads may ask as often as it likes', async () => {
    const other = startGateway({ publishCreditsMax: 100 }, SYMBOLS);
    const client = await PublisherClient.connect(other);
    for (let round = 0; round < 5; round++) {
      client.send(...Array.from({ length: 90 }, (_, id) => ({ op: 'ping', id })));
      for (let id = 0; id < 90; id++) await client.next('pong');
    }
  });
});
