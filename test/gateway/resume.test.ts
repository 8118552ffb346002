// Holds the gateway to what a token is good for: everything back on any gateway, once, for its owner, for a while; and to saying how
// each topic was healed.

import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { type AckFrame, type Frame, SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { redisForTests } from '../redis/server.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { publish, startGateway, stopAll, TestClient } from './harness.ts';

const LISTED = ['A', 'B'].map((symbol) => ({ symbol, priceScale: 0, sizeScale: 0 }));

afterEach(stopAll);

const WISHES = [
  { op: 'subscribe', id: 1, channel: 'book', symbols: ['A'], depth: 5, interval: 50, priority: 7 },
  { op: 'subscribe', id: 2, channel: 'quote', symbols: ['*'] },
  { op: 'subscribe', id: 3, channel: 'trade', symbols: ['A', 'B'] },
  { op: 'subscribe', id: 4, channel: 'book', symbols: ['B'], mode: 'raw' },
  { op: 'limit', id: 5, maxBytesPerSec: 1_000_000, topOfBook: true },
  { op: 'instruments', id: 6, watch: true },
];

const level = (price: number, size: number) => [String(price), String(size)];

async function trade(gateway: Gateway, symbol: string, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await publish(gateway, { symbol, type: 'trade', price: '100', size: '1' });
}

async function bookOf(gateway: Gateway, symbol: string, size: number): Promise<void> {
  const type = size === 1 ? 'snapshot' : 'delta';
  const sent = await publish(gateway, { symbol, type, bids: [level(99, size)], asks: [level(101, size)] });
  expect(sent.status).toBe(200);
}

/** A client with something to come back to: nothing else is kept. */
async function subscribed(gateway: Gateway, connect: () => Promise<TestClient> = () => TestClient.connect(gateway)) {
  const client = await connect();
  client.send({ op: 'subscribe', id: 1, channel: 'status', symbols: ['A'] });
  await client.next('status');
  return client;
}

/** A state is there within a quarter of a second. */
function settledOnRedis(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500));
}

/** Ends the connection as a network does. */
async function cut(client: TestClient): Promise<void> {
  client.end();
  await client.closed;
}

async function resumed(
  gateway: Gateway,
  token: string,
  more: object = {},
): Promise<{ client: TestClient; ack: AckFrame }> {
  const client = await TestClient.connect(gateway);
  client.send({ op: 'resume', id: 9, token, ...more });
  return { client, ack: await client.next('ack') };
}

async function refusal(gateway: Gateway, token: string): Promise<string> {
  const client = await TestClient.connect(gateway);
  client.send({ op: 'resume', id: 9, token });
  const { code } = await client.next('error');
  // It is open, and new.
  expect(await client.settled()).toEqual([]);
  return code;
}

const healings = (frames: readonly Frame[]) =>
  Object.fromEntries(
    frames.flatMap((frame) => (frame.type === 'healed' ? [[frame.topic, `${frame.how} ${frame.why}`]] : [])),
  );

describe('on the same gateway', () => {
  test('the token alone brings back subscriptions, patterns and wishes, as they were', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    first.send(...WISHES);
    await first.settled();
    await cut(first);
    const { client, ack } = await resumed(gateway, first.token);
    expect(ack).toMatchObject({ id: 9, op: 'resume', refused: [] });
    expect(ack.accepted.map(({ symbol, depth, intervalMs, mode }) => ({ symbol, depth, intervalMs, mode }))).toEqual(
      expect.arrayContaining([
        { symbol: 'book:A', depth: 5, intervalMs: 50, mode: 'live' },
        { symbol: 'quote:*', depth: 0, intervalMs: 0, mode: 'live' },
        { symbol: 'trade:A', depth: 0, intervalMs: 0, mode: 'live' },
        { symbol: 'trade:B', depth: 0, intervalMs: 0, mode: 'live' },
        { symbol: 'book:B', depth: 0, intervalMs: 0, mode: 'raw' },
      ]),
    );
    const frames = await client.settled();
    const topics = frames.filter((frame) => frame.type === 'topic');
    expect(healings(frames)).toEqual(Object.fromEntries(topics.map(({ topic }) => [topic, 'snapshot none'])));
    expect(topics.map(({ channel, symbol }) => `${channel}:${symbol}`).sort()).toEqual([
      ...['book:A', 'book:B', 'quote:A', 'quote:B', 'trade:A', 'trade:B'],
    ]);
    const [connection] = gateway.connections;
    expect(connection!.wishes).toEqual({ maxBytesPerSec: 1_000_000, topOfBook: true });
    expect(connection!.subscriptions.get('book:A')!.priority).toBe(7);
    expect(connection!.watchesInstruments).toBe(true);
    expect([...connection!.patterns.keys()]).toEqual(['quote:*']);
  });

  test('settings alone, where the client asks for no more', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    first.send(...WISHES);
    await first.settled();
    await cut(first);
    const { ack } = await resumed(gateway, first.token, { subscriptions: false });
    expect(ack).toMatchObject({ accepted: [], refused: [] });
    const [connection] = gateway.connections;
    expect([connection!.subscriptions.size, connection!.wishes.topOfBook]).toEqual([0, true]);
  });

  test('what was changed last is what comes back, and what was left does not', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    first.send(...WISHES, { op: 'unsubscribe', id: 7, channel: 'trade', symbols: ['A', 'B'] });
    first.send(
      { op: 'unsubscribe', id: 7, channel: 'quote', symbols: ['*'] },
      { ...WISHES[0], depth: 20, interval: 0 },
    );
    await first.settled();
    await cut(first);
    const { ack } = await resumed(gateway, first.token);
    expect(ack.accepted.map(({ symbol, depth }) => [symbol, depth]).sort()).toEqual([
      ['book:A', 20],
      ['book:B', 0],
    ]);
  });

  test('a topic that the connection has already stays as it is; one that is gone is refused by its name', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    first.send(WISHES[0]!, WISHES[3]!);
    await first.settled();
    await cut(first);
    await expect.poll(() => gateway.connectionCount).toBe(0);
    gateway.instruments.delist('B');
    const client = await TestClient.connect(gateway);
    client.send({ ...WISHES[0], depth: 1, interval: 0 }, { op: 'resume', id: 9, token: first.token });
    const ack = await client.takeUntil((frame) => frame.type === 'ack' && frame.op === 'resume', 'the ack');
    expect(ack.at(-1)).toMatchObject({
      accepted: [{ symbol: 'book:A', depth: 1 }],
      refused: [{ symbol: 'book:B', code: 'unknown-symbol' }],
    });
  });

  test('the half-open connection of before is closed when its session goes on elsewhere', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    first.send(...WISHES);
    await first.settled();
    const { ack } = await resumed(gateway, first.token);
    expect(ack.accepted).toHaveLength(5);
    expect(await first.closed).toEqual({ code: 4006, reason: 'resumed' });
  });
});

describe('a cursor is answered, and the client told how', () => {
  test('trades are replayed, books and quotes diffed; where there is no cursor it is a snapshot', async () => {
    const gateway = startGateway({}, LISTED);
    await bookOf(gateway, 'A', 1);
    const first = await TestClient.connect(gateway);
    first.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
    first.send({ op: 'subscribe', id: 2, channel: 'trade', symbols: ['A', 'B'] });
    const frames = await first.settled();
    const topicOf = (name: string) =>
      frames.find((frame) => frame.type === 'topic' && `${frame.channel}:${frame.symbol}` === name) as Extract<
        Frame,
        { type: 'topic' }
      >;
    await cut(first);
    await bookOf(gateway, 'A', 2);
    await trade(gateway, 'A', 2);
    const cursors = {
      'book:A': { epoch: topicOf('book:A').epoch, seq: 1 },
      'trade:A': { epoch: topicOf('trade:A').epoch, seq: 0 },
    };
    const { client, ack } = await resumed(gateway, first.token, { cursors });
    const idOf = (name: string) => ack.accepted.find(({ symbol }) => symbol === name)!.topic;
    const answers = await client.settled();
    expect(healings(answers)).toEqual({
      [idOf('book:A')]: 'diffed cursor',
      [idOf('trade:A')]: 'replayed cursor',
      [idOf('trade:B')]: 'snapshot none',
    });
    expect(answers.filter(({ type }) => type === 'trade')).toHaveLength(2);
    expect(answers.find(({ type }) => type === 'book')).toMatchObject({ fromSeq: 1, seq: 2 });
    expect(answers.filter((frame) => frame.type === 'reset')).toMatchObject([{ topic: idOf('trade:B') }]);
    // Each is told of behind its topic and before its data.
    const order = answers.filter((frame) => 'topic' in frame && frame.topic === idOf('book:A')).map(({ type }) => type);
    expect(order).toEqual(['topic', 'healed', 'book']);
  });

  test.each([
    ['of another epoch', (epoch: number) => ({ epoch: epoch + 1, seq: 1 }), 'snapshot epoch'],
    ['from the future', (epoch: number) => ({ epoch, seq: 1_000 }), 'snapshot future'],
    ['past the horizon', (epoch: number) => ({ epoch, seq: 1 }), 'snapshot horizon'],
  ])('%s with a snapshot', async (_, cursorIn, healed) => {
    const gateway = startGateway({ tombstonesMax: 16 }, LISTED);
    await bookOf(gateway, 'A', 1);
    const watcher = await TestClient.connect(gateway);
    watcher.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
    const { epoch } = await watcher.next('topic');
    for (let price = 1; price <= 40; price++) {
      await publish(gateway, { symbol: 'A', type: 'delta', bids: [level(price, 1)] });
      await publish(gateway, { symbol: 'A', type: 'delta', bids: [level(price, 0)] });
    }
    const client = await TestClient.connect(gateway);
    client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'], cursor: { A: cursorIn(epoch) } });
    const frames = await client.settled();
    expect(Object.values(healings(frames))).toEqual([healed]);
    expect(frames.find(({ type }) => type === 'book')).toMatchObject({ fromSeq: 0 });
  });

  test('of trades of which some are gone with what is left', async () => {
    const gateway = startGateway({ ringFramesMax: 16 }, LISTED);
    await trade(gateway, 'A');
    const watcher = await TestClient.connect(gateway);
    watcher.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: ['A'] });
    const { epoch } = await watcher.next('topic');
    await trade(gateway, 'A', 40);
    const client = await TestClient.connect(gateway);
    client.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: ['A'], cursor: { A: { epoch, seq: 1 } } });
    const frames = await client.settled();
    expect(Object.values(healings(frames))).toEqual(['replayed gap']);
    expect(frames.filter(({ type }) => type === 'gap')).toHaveLength(1);
  });
});

describe('a token is refused, and the connection stays open and new', () => {
  test('the second time', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await subscribed(gateway);
    await cut(first);
    await resumed(gateway, first.token);
    expect(await refusal(gateway, first.token)).toBe('used-token');
  });

  test('when there is nothing to bring back: no more is kept of those who only connect', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await TestClient.connect(gateway);
    await cut(first);
    expect(await refusal(gateway, first.token)).toBe('expired-token');
  });

  test('when it is none, or was touched', async () => {
    const gateway = startGateway({}, LISTED);
    const { token } = await TestClient.connect(gateway);
    const touched = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    expect(await refusal(gateway, 'hello')).toBe('bad-token');
    expect(await refusal(gateway, touched)).toBe('bad-token');
    expect(await refusal(startGateway({}, LISTED), token)).toBe('bad-token');
  });

  test("when it is somebody else's", async () => {
    const [desk, other] = [keyFor('desk-1', 'desk', 'all'), keyFor('other-1', 'other', 'all')];
    const accessFile = documentFile({ roles: { all: { subscribe: EVERYTHING } }, keys: [desk.entry, other.entry] });
    const gateway = startGateway({ accessFile }, LISTED);
    const bearing = async (key: string) => {
      const client = TestClient.open(gateway, SUBPROTOCOL_JSON, { authorization: `Bearer ${key}` });
      return { client, token: (await client.next('token')).token };
    };
    const first = await bearing(desk.key);
    await subscribed(gateway, async () => first.client);
    await cut(first.client);
    const thief = await bearing(other.key);
    thief.client.send({ op: 'resume', id: 1, token: first.token });
    expect(await thief.client.next('error')).toMatchObject({ code: 'foreign-token' });
    expect(await refusal(gateway, first.token)).toBe('foreign-token');
    // Its owner still can.
    const owner = await bearing(desk.key);
    owner.client.send({ op: 'resume', id: 1, token: first.token });
    expect(await owner.client.next('ack')).toMatchObject({ op: 'resume' });
  });

  test('when its life is over', async () => {
    const gateway = startGateway({ resumeLifeMs: 1_000, resumeRenewMs: 1_000 }, LISTED);
    const first = await subscribed(gateway);
    await cut(first);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await refusal(gateway, first.token)).toBe('expired-token');
  });

  test('when its owner was revoked', async () => {
    const desk = keyFor('desk-1', 'desk', 'all');
    const roles = { all: { subscribe: EVERYTHING } };
    const accessFile = documentFile({ roles, keys: [desk.entry] });
    const gateway = startGateway({ accessFile }, LISTED);
    const open = async () => {
      const client = TestClient.open(gateway, SUBPROTOCOL_JSON, { authorization: `Bearer ${desk.key}` });
      return { client, token: (await client.next('token')).token };
    };
    const first = await open();
    put(accessFile, { roles, keys: [] });
    gateway.reloadAccess();
    await first.client.closed;
    put(accessFile, { roles, keys: [desk.entry] });
    gateway.reloadAccess();
    const again = await open();
    again.client.send({ op: 'resume', id: 1, token: first.token });
    expect(await again.client.next('error')).toMatchObject({ code: 'expired-token' });
  });

  test('with more cursors than a request may name symbols', async () => {
    const gateway = startGateway({ symbolsPerRequestMax: 1 }, LISTED);
    const client = await TestClient.connect(gateway);
    const cursors = { 'book:A': { epoch: 1, seq: 1 }, 'book:B': { epoch: 1, seq: 1 } };
    client.send({ op: 'resume', id: 9, token: 'x', cursors });
    expect(await client.next('error')).toMatchObject({ id: 9, code: 'too-many-symbols' });
  });
});

describe('while connected', () => {
  test('a token is renewed; the one before it stays good, the one before that does not', async () => {
    const gateway = startGateway({ resumeRenewMs: 1_000 }, LISTED);
    const first = TestClient.open(gateway, SUBPROTOCOL_JSON);
    const tokens = [(await first.next('token')).token];
    await subscribed(gateway, async () => first);
    while (tokens.length < 3) tokens.push((await first.next('token')).token);
    expect(new Set(tokens).size).toBe(3);
    await cut(first);
    expect(await refusal(gateway, tokens[0]!)).toBe('expired-token');
    expect((await resumed(gateway, tokens[1]!)).ack.op).toBe('resume');
    expect(await refusal(gateway, tokens[2]!)).toBe('used-token');
  });

  test('of many sockets that race for one token one wins', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await subscribed(gateway);
    await cut(first);
    const racers = await Promise.all(Array.from({ length: 8 }, () => TestClient.connect(gateway)));
    for (const racer of racers) racer.send({ op: 'resume', id: 1, token: first.token });
    const outcomes = await Promise.all(
      racers.map(
        async (racer) => (await racer.takeUntil(({ type }) => type === 'ack' || type === 'error', 'one')).at(-1)!,
      ),
    );
    expect(outcomes.map((frame) => (frame.type === 'error' ? frame.code : frame.type)).sort()).toEqual([
      'ack',
      ...Array.from({ length: 7 }, () => 'used-token'),
    ]);
  });

  test('what was asked for behind a resume is answered behind it, in order', async () => {
    const gateway = startGateway({}, LISTED);
    const first = await subscribed(gateway);
    await cut(first);
    const client = await TestClient.connect(gateway);
    client.send({ op: 'ping', id: 1 }, { op: 'resume', id: 2, token: first.token }, { op: 'ping', id: 3 }, WISHES[3]!);
    client.send({ op: 'ping', id: 5 });
    const frames = await client.takeUntil((frame) => frame.type === 'pong' && frame.id === 5, 'the last');
    expect(frames.flatMap((frame) => ('id' in frame ? [frame.id] : []))).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('on another gateway of the same Redis', () => {
  async function two(settings: Partial<Settings> = {}) {
    const redis = await redisForTests();
    onTestFinished(async () => {
      stopAll();
      await redis.close();
    });
    const shared = { redisUrl: redis.url, redisPrefix: redis.prefix, ...settings };
    const gateways = [startGateway(shared, LISTED), startGateway(shared)] as const;
    await Promise.all(gateways.map((each) => each.ready));
    await expect.poll(() => gateways[1].instruments.get('B')).toBeDefined();
    return gateways;
  }

  test('the token brings everything back, and cursors are answered by differences', async () => {
    const [here, there] = await two();
    await bookOf(here, 'A', 1);
    await bookOf(here, 'B', 1);
    const first = await TestClient.connect(here);
    first.send(...WISHES);
    const frames = await first.takeUntil(({ type }) => type === 'book', 'a book');
    const { epoch } = frames.find(
      (frame) => frame.type === 'topic' && frame.symbol === 'A' && frame.channel === 'book',
    ) as Extract<Frame, { type: 'topic' }>;
    await first.settled();
    await settledOnRedis();
    await cut(first);
    await bookOf(here, 'A', 2);
    const { client, ack } = await resumed(there, first.token, { cursors: { 'book:A': { epoch, seq: 1, depth: 5 } } });
    expect(ack.accepted.map(({ symbol }) => symbol).sort()).toEqual([
      'book:A',
      'book:B',
      'quote:*',
      'trade:A',
      'trade:B',
    ]);
    const id = ack.accepted.find(({ symbol }) => symbol === 'book:A')!.topic;
    const healed = await client.takeUntil((frame) => frame.type === 'healed' && frame.topic === id, 'healed');
    expect(healed.at(-1)).toMatchObject({ how: 'diffed', why: 'cursor' });
    const book = await client.takeUntil((frame) => frame.type === 'book' && frame.topic === id, 'the book');
    expect(book.at(-1)).toMatchObject({ fromSeq: 1, seq: 2 });
    expect(await refusal(here, first.token)).toBe('used-token');
    expect(await refusal(there, first.token)).toBe('used-token');
  });

  test('of two sockets on two gateways that race for one token one wins', async () => {
    const gateways = await two();
    for (let round = 0; round < 5; round++) {
      const first = await subscribed(gateways[0]);
      await settledOnRedis();
      await cut(first);
      const racers = await Promise.all(gateways.map((each) => TestClient.connect(each)));
      for (const racer of racers) racer.send({ op: 'resume', id: 1, token: first.token });
      const outcomes = await Promise.all(
        racers.map(
          async (each) => (await each.takeUntil(({ type }) => type === 'ack' || type === 'error', 'one')).at(-1)!,
        ),
      );
      expect(outcomes.map((frame) => (frame.type === 'error' ? frame.code : frame.type)).sort()).toEqual([
        'ack',
        'used-token',
      ]);
    }
  });
});
