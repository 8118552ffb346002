// Holds the publishers' WebSocket to who opens it: keys, JWTs and the publish token, in a header or a subprotocol; what happens when
// access is taken back or runs out while it is open; and what waits until it is known who it is.

import { once } from 'node:events';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { PublishRate } from '../../src/gateway/publish-rate.ts';
import { PublisherSession } from '../../src/gateway/publisher-session.ts';
import { SENT, type Socket } from '../../src/ports/socket.ts';
import { jsonCodec } from '../../src/protocol/codecs.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import type { PublisherFrame } from '../../src/protocol/publishing.ts';
import { FULL_GRANT, type Identity } from '../../src/sessions/grant.ts';
import { VirtualTime } from '../feeds/virtual.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { sign, signingKey, startIssuer } from '../sessions/issuer.ts';
import { ask, portOf, publish, startGateway, stopAll } from './harness.ts';
import { SYMBOLS, snapshot, trade } from './items.ts';
import { endPublishers, PublisherClient } from './publisherclient.ts';

const desk = keyFor('desk', 'desk-a', 'desk');
const other = keyFor('other', 'desk-b', 'desk');
const reader = keyFor('reader', 'reader', 'reader');
const single = keyFor('single', 'single', 'single');
const old = keyFor('old', 'desk-a', 'desk', { expires: '2020-01-01' });
const TRADES = [{ channels: ['trade'], symbols: ['A'] }];
const DOCUMENT = {
  roles: {
    desk: { publish: TRADES },
    reader: { subscribe: EVERYTHING },
    single: { publish: TRADES, connections: 1 },
  },
  keys: [desk, other, reader, single, old].map(({ entry }) => entry),
};

afterEach(() => {
  endPublishers();
  stopAll();
});

function start(settings: Parameters<typeof startGateway>[0] = {}): { gateway: Gateway; path: string } {
  const path = documentFile(DOCUMENT);
  return { gateway: startGateway({ accessFile: path, ...settings }, SYMBOLS), path };
}

const open = (gateway: Gateway, credential: string, codec: 'json' | 'msgpack' = 'json') =>
  PublisherClient.open(gateway, codec, { Authorization: `Bearer ${credential}` });

async function welcomed(gateway: Gateway, credential: string): Promise<PublisherClient> {
  const client = open(gateway, credential);
  await client.next('welcome');
  return client;
}

describe('a credential', () => {
  test.each(['json', 'msgpack'] as const)('lets in who may publish, for what he may, in %s', async (codec) => {
    const { gateway } = start();
    const client = open(gateway, desk.key, codec);
    await client.next('welcome');
    client.send({ op: 'publish', id: 1, items: [trade(), snapshot, trade({ symbol: 'FINE' }), trade()] });
    expect(await client.next('ack')).toMatchObject({
      results: [
        { seq: 1 },
        { error: { code: 'not-entitled', message: expect.stringContaining('the book of A') } },
        { error: { code: 'not-entitled', message: expect.stringContaining('the trade of FINE') } },
        { seq: 2 },
      ],
      credits: 4,
    });
    expect(gateway.refusals).toEqual({ 'not-entitled': 2 });
  });
  test('may come as a subprotocol, which is not echoed', async () => {
    const { gateway } = start();
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(gateway)}/v1/publish/stream`, [
      'tickwire.v1.json',
      `tickwire.bearer.${desk.key}`,
    ]);
    onTestFinished(() => socket.terminate());
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect([socket.protocol, JSON.parse(message.toString()).type]).toEqual(['tickwire.v1.json', 'welcome']);
  });
  test.each([
    ['that is wrong', `${desk.key.slice(0, -4)}AAAA`, 'bad-credential', CloseCode.unauthorized],
    ['that has run out', old.key, 'expired-credential', CloseCode.expired],
    ['that may only read', reader.key, 'not-entitled', CloseCode.unauthorized],
  ])('%s is refused over the open socket, with a code that says whether to come back', async (_, key, code, closed) => {
    const { gateway } = start();
    const client = open(gateway, key);
    // What it sends at once is not looked at.
    client.socket.once('open', () => client.send({ op: 'publish', id: 1, items: [trade()] }));
    const refused = await client.next('error');
    expect(refused).toMatchObject({ id: null, code });
    expect(JSON.stringify(refused)).not.toContain(key);
    expect(await client.closed).toEqual({ code: closed, reason: code });
    expect(client.frames).toEqual([]);
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(0);
    expect(gateway.refusals).toEqual({ [code]: 1 });
  });
  test('that is the wrong publish token is unauthorized, where there is nothing else', async () => {
    const gateway = startGateway({ publishToken: 'sesame' }, SYMBOLS);
    const client = open(gateway, 'simsim');
    expect((await client.next('error')).code).toBe('unauthorized');
    expect((await client.closed).code).toBe(CloseCode.unauthorized);
    await welcomed(gateway, 'sesame');
  });
  test('a JWT is one, for as long as it says', async () => {
    const key = await signingKey('k1');
    const issuer = await startIssuer(key);
    const { gateway } = start({
      ...{ jwksUrl: issuer.url, jwtIssuer: 'https://issuer.example', jwtAudience: 'market-data', jwtLeewaySec: 0 },
    });
    const exp = Math.floor(Date.now() / 1_000) + 4;
    const client = await welcomed(gateway, await sign(key, { exp, tickwire: { role: 'desk' } }));
    client.send({ op: 'publish', id: 1, items: [trade()] });
    expect(await client.next('ack')).toMatchObject({ results: [{ seq: 1 }] });
    expect(await client.next('error')).toMatchObject({ id: null, code: 'expired-credential' });
    expect(await client.closed).toEqual({ code: CloseCode.expired, reason: 'expired-credential' });
  });
  test('what comes before it is known whose it is waits, and is carried out in its order', async () => {
    const key = await signingKey('k1');
    const issuer = await startIssuer(key);
    const { gateway } = start({
      ...{ jwksUrl: issuer.url, jwtIssuer: 'https://issuer.example', jwtAudience: 'market-data' },
    });
    const exp = Math.floor(Date.now() / 1_000) + 600;
    const client = open(gateway, await sign(key, { exp, tickwire: { role: 'desk' } }));
    // The gateway asks the issuer meanwhile.
    await once(client.socket, 'open');
    for (let id = 1; id <= 20; id++) client.send({ op: 'publish', id, items: [trade({ id })] });
    await client.next('welcome');
    for (let id = 1; id <= 20; id++) expect(await client.next('ack')).toMatchObject({ id, results: [{ seq: id }] });
  });
});

describe('access that is changed while connected', () => {
  test('and gone is told and closed, behind the answers to what was sent before', async () => {
    const { gateway, path } = start();
    const [client, stays] = [await welcomed(gateway, desk.key), await welcomed(gateway, other.key)];
    client.send({ op: 'publish', id: 1, items: [trade()] });
    await client.next('ack');
    put(path, { ...DOCUMENT, keys: [other.entry] });
    expect(gateway.reloadAccess()).toBeNull();
    expect(await client.next('error')).toMatchObject({ id: null, code: 'revoked' });
    expect(await client.closed).toEqual({ code: CloseCode.unauthorized, reason: 'revoked' });
    stays.send({ op: 'publish', id: 2, items: [trade()] });
    expect(await stays.next('ack')).toMatchObject({ results: [{ seq: 2 }] });
    expect((await publish(gateway, trade(), { Authorization: `Bearer ${desk.key}` })).code).toBe('bad-credential');
  });
  test('without a word to the gateway is noticed in the file', async () => {
    const { gateway, path } = start();
    const client = await welcomed(gateway, desk.key);
    put(path, { ...DOCUMENT, keys: [] });
    expect((await client.next('error')).code).toBe('revoked');
  });
  test('to have run out is told as that', async () => {
    const { gateway, path } = start();
    const client = await welcomed(gateway, desk.key);
    put(path, { ...DOCUMENT, keys: [{ ...desk.entry, expires: '2020-01-01' }] });
    gateway.reloadAccess();
    expect((await client.next('error')).code).toBe('expired-credential');
    expect((await client.closed).code).toBe(CloseCode.expired);
  });
  test('to less or more holds from the next item on', async () => {
    const { gateway, path } = start();
    const client = await welcomed(gateway, desk.key);
    const codes = async (id: number) => {
      client.send({ op: 'publish', id, items: [trade(), snapshot] });
      const { results } = await client.next('ack');
      return (results as { error?: { code: string } }[]).map(({ error }) => error?.code);
    };
    expect(await codes(1)).toEqual([undefined, 'not-entitled']);
    for (const [id, publishing, expected] of [
      [2, [{ channels: ['book'], symbols: ['A'] }], ['not-entitled', undefined]],
      [3, EVERYTHING, [undefined, undefined]],
      [4, [], ['not-entitled', 'not-entitled']],
    ] as const) {
      put(path, { ...DOCUMENT, roles: { ...DOCUMENT.roles, desk: { publish: publishing } } });
      expect(gateway.reloadAccess()).toBeNull();
      expect(await codes(id)).toEqual(expected);
    }
  });
  test('so that there are keys is the end of trust in programs on this machine', async () => {
    const { gateway, path } = start();
    put(path, { ...DOCUMENT, keys: [] });
    gateway.reloadAccess();
    const client = await PublisherClient.connect(gateway);
    client.send({ op: 'publish', id: 1, items: [trade()] });
    expect(await client.next('ack')).toMatchObject({ results: [{ seq: 1 }] });
    put(path, DOCUMENT);
    gateway.reloadAccess();
    client.send({ op: 'publish', id: 2, items: [trade()] });
    expect(await client.next('ack')).toMatchObject({ results: [{ error: { code: 'not-entitled' } }] });
    const next = PublisherClient.open(gateway);
    expect((await once(next.socket, 'unexpected-response'))[1].statusCode).toBe(401);
  });
});

test('connections of a principal are counted, and each place is given back', async () => {
  const { gateway } = start();
  const first = await welcomed(gateway, single.key);
  const second = open(gateway, single.key);
  expect(await second.next('error')).toMatchObject({
    code: 'too-many-of-principal',
    message: expect.stringContaining('at most 1'),
  });
  expect((await second.closed).code).toBe(CloseCode.refused);
  first.socket.close();
  await first.closed;
  await welcomed(gateway, single.key);
});

/** A publisher's connection on a clock that is moved by hand, and a bus that answers when it is told to. */
class Room implements Socket {
  readonly time = new VirtualTime();
  readonly frames: PublisherFrame[] = [];
  closedWith: number | null = null;
  wallOffsetUs = 0;
  answer: () => void = () => {};
  readonly session: PublisherSession;

  constructor() {
    const { time } = this;
    const clock = { nowMs: () => time.nowMs(), nowUs: () => time.nowUs() + this.wallOffsetUs };
    const published = new Promise<void>((resolve) => {
      this.answer = resolve;
    });
    const bus = { publish: async () => published.then(() => [{ epoch: 1, seq: 1 }]) } as never;
    const limits = { publishBytesMax: 4_096, publishItemsMax: 10, publishCreditsMax: 10, authMs: 5_000 };
    const [onRefusal, onError, onClose] = [() => {}, () => {}, () => {}];
    const instruments = {
      get: () => ({ symbol: 'A', priceScale: 2, sizeScale: 2, tickSize: 1, lotSize: 1 }),
    } as never;
    const rate = new PublishRate(clock, { publishPerSecMax: 0 });
    const [handlers, world] = [
      { onRefusal, onError, onClose },
      { bus, instruments, rate, clock, timers: time, counters: { taken: 0, refused: {} } },
    ];
    this.session = new PublisherSession(this, jsonCodec, { ...handlers, ...world, limits, server: 'test' });
  }

  send(message: Uint8Array): number {
    const lines = Buffer.from(message).toString().trim().split('\n');
    this.frames.push(...lines.map((line) => JSON.parse(line) as PublisherFrame));
    return SENT;
  }

  ping(): number {
    return SENT;
  }

  end(code: number): void {
    this.closedWith ??= code;
  }

  getBufferedAmount(): number {
    return 0;
  }

  get said(): string[] {
    return this.frames.map((frame) => ('code' in frame ? frame.code : frame.type));
  }

  take(...requests: object[]): void {
    for (const each of requests) this.session.receive(Buffer.from(JSON.stringify(each)), false);
  }
}

function until(room: Room, lifeMs: number): Identity {
  return { principal: 'p', via: 'jwt', grant: FULL_GRANT, untilMs: room.time.nowUs() / 1_000 + lifeMs };
}

describe('on a clock of its own', () => {
  test.each([3_600, -3_600])(
    'a wall clock that is set by %i s ends nothing, and lets nobody stay longer',
    async (seconds) => {
      const room = new Room();
      room.session.identify(until(room, 60_000));
      room.wallOffsetUs = seconds * 1e6;
      await room.time.advance(59_999);
      expect([room.said, room.closedWith]).toEqual([['welcome'], null]);
      await room.time.advance(1);
      expect([room.said, room.closedWith]).toEqual([['welcome', 'expired-credential'], CloseCode.expired]);
      expect(room.time.pending).toBe(0);
    },
  );
  test('one that lasts for longer than a timer can wait lasts so long', async () => {
    const room = new Room();
    const lifeMs = 60 * 24 * 3_600_000;
    room.session.identify(until(room, lifeMs));
    await room.time.advance(lifeMs - 1);
    expect(room.closedWith).toBeNull();
    await room.time.advance(1);
    expect(room.closedWith).toBe(CloseCode.expired);
  });
  test('what was taken before the end is answered before it, and nothing after it is taken', async () => {
    const room = new Room();
    room.session.identify(until(room, 1_000));
    const item = { type: 'trade', symbol: 'A', price: '1', size: '1' };
    room.take({ op: 'publish', id: 1, items: [item] }, { op: 'publish', id: 2, items: [item] });
    await room.time.advance(2_000);
    room.take({ op: 'publish', id: 3, items: [item] });
    expect([room.said, room.closedWith]).toEqual([['welcome'], null]);
    room.answer();
    await room.time.advance(0);
    expect([room.said, room.closedWith]).toEqual([['welcome', 'ack', 'ack', 'expired-credential'], CloseCode.expired]);
  });
  test('who it is must be known in time', async () => {
    const room = new Room();
    await room.time.advance(4_999);
    expect(room.said).toEqual([]);
    await room.time.advance(1);
    expect([room.said, room.closedWith]).toEqual([['not-ready'], CloseCode.refused]);
    room.session.identify(until(room, 1_000));
    expect([room.said, room.time.pending]).toEqual([['not-ready'], 0]);
  });
  test.each([
    ['long', 7_936, 3],
    ['empty', 0, 65],
  ])('of %s messages no more wait until then than memory is meant for', async (_, bytes, count) => {
    const room = new Room();
    const message = Buffer.alloc(bytes, ' ');
    for (let sent = 1; sent < count; sent++) room.session.receive(message, false);
    await room.time.advance(0);
    expect([room.said, room.closedWith]).toEqual([[], null]);
    room.session.receive(message, false);
    await room.time.advance(0);
    expect([room.said, room.closedWith]).toEqual([['too-large'], CloseCode.overrun]);
  });
  test('the bytes of what waits are kept', async () => {
    const room = new Room();
    const message = Buffer.from('{"op":"ping","id":7}');
    room.session.receive(message, false);
    // The library uses its memory for the next message.
    message.fill(0);
    room.session.identify(until(room, 1_000));
    await room.time.advance(0);
    expect(room.frames).toMatchObject([{ type: 'welcome' }, { type: 'pong', id: 7 }]);
  });
  test('a connection that is gone leaves no timer', async () => {
    const room = new Room();
    room.session.identify(until(room, 1_000));
    await room.time.advance(0);
    expect(room.time.pending).toBe(1);
    room.session.shut();
    expect(room.time.pending).toBe(0);
  });
});
