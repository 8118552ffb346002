// Holds the gateway to whom it serves: who comes in and how he says who he is, what he may, what becomes of that while he is
// connected, and what is left when all have gone.

import { afterEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { type BookFrame, SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { ask, portOf, publish, startGateway, stopAll, TestClient } from './harness.ts';

const LISTED = ['BTC-USD', 'ETH-USD'].map((symbol) => ({ symbol, priceScale: 0, sizeScale: 0 }));
const ROLES = {
  all: { subscribe: EVERYTHING },
  five: { subscribe: [{ channels: ['book'], symbols: ['*'], depth: 5, intervalMs: 100 }] },
  btc: { subscribe: [{ channels: ['*'], symbols: ['BTC-*'] }] },
  one: { subscribe: EVERYTHING, connections: 1 },
  feed: { publish: EVERYTHING, defines: true },
};

afterEach(stopAll);

/** A gateway where `desk` may what `role` says, and nobody else anything. */
function closed(role: keyof typeof ROLES, more: Partial<Settings> = {}) {
  const desk = keyFor('desk-1', 'desk', role);
  const other = keyFor('other-1', 'other', 'all');
  const feed = keyFor('feed-1', 'feed', 'feed');
  const keys = [desk.entry, other.entry, feed.entry];
  const file = documentFile({ roles: ROLES, keys });
  const gateway = startGateway({ anonymous: 'off', accessFile: file, ...more }, LISTED);
  return { gateway, file, keys, desk: desk.key, other: other.key, feed: feed.key };
}

function bearing(gateway: Gateway, key: string): TestClient {
  return TestClient.open(gateway, SUBPROTOCOL_JSON, { authorization: `Bearer ${key}` });
}

async function signedIn(gateway: Gateway, key: string): Promise<TestClient> {
  const client = bearing(gateway, key);
  await client.next('identity');
  client.token = (await client.next('token')).token;
  return client;
}

const book = { op: 'subscribe', id: 1, channel: 'book', symbols: ['BTC-USD', 'ETH-USD'] };

describe('a client says who it is', () => {
  test('in a header: it is welcomed first, then told who it is, then given its token', async () => {
    const { gateway, desk } = closed('all');
    const client = bearing(gateway, desk);
    const frames = await client.takeUntil(({ type }) => type === 'token', 'a token');
    expect(frames.map(({ type }) => type)).toEqual(['welcome', 'identity', 'token']);
    expect(frames[1]).toEqual({ type: 'identity', principal: 'desk', untilUs: null });
  });

  test('in a subprotocol, which is not the one that is chosen', async () => {
    const { gateway, desk } = closed('all');
    const client = TestClient.open(gateway, [SUBPROTOCOL_JSON, `tickwire.bearer.${desk}`]);
    expect(await client.next('identity')).toMatchObject({ principal: 'desk' });
    expect(client.socket.protocol).toBe(SUBPROTOCOL_JSON);
  });

  test('in its first frame; requests behind it are carried out once that is known', async () => {
    const { gateway, desk } = closed('all');
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON);
    await new Promise((resolve) => client.socket.once('open', resolve));
    client.send({ op: 'auth', id: 7, credential: desk }, book);
    const frames = await client.takeUntil((frame) => frame.type === 'ack' && frame.op === 'subscribe', 'the ack');
    expect(frames[0]).toMatchObject({ type: 'welcome' });
    const answers = frames.filter((frame) => frame.type === 'ack');
    expect(answers.map(({ id, accepted }) => [id, accepted.length])).toEqual([
      [7, 0],
      [1, 2],
    ]);
  });

  test('never in a URL: it is not looked for there', async () => {
    const { gateway, desk } = closed('all', { authMs: 100 });
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(gateway)}/v1/stream?token=${desk}&access_token=${desk}`);
    const text = await new Promise<string>((resolve) => {
      socket.once('message', (bytes: Buffer) => resolve(bytes.toString()));
    });
    expect(JSON.parse(text)).toMatchObject({ type: 'refused', code: 'unauthenticated', retryAfterMs: null });
    socket.terminate();
  });
});

describe('who is not let in is told why in a frame, and closed', () => {
  const refusedOf = async (client: TestClient) => {
    const { code, retryAfterMs } = await client.next('refused');
    return { code, retryAfterMs, closedWith: (await client.closed).code };
  };

  test('with a key that is not known', async () => {
    const { gateway } = closed('all');
    const wrong = await refusedOf(bearing(gateway, keyFor('desk-1', 'desk', 'all').key));
    expect(wrong).toEqual({ code: 'bad-credential', retryAfterMs: null, closedWith: 4502 });
  });

  test('who says nothing, after a while', async () => {
    const { gateway } = closed('all', { authMs: 100 });
    const silent = await refusedOf(TestClient.open(gateway, SUBPROTOCOL_JSON));
    expect(silent).toEqual({ code: 'unauthenticated', retryAfterMs: null, closedWith: 4502 });
  });

  test('who asks for something before it has said who it is', async () => {
    const { gateway } = closed('all');
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON);
    await new Promise((resolve) => client.socket.once('open', resolve));
    client.send(book);
    expect(await refusedOf(client)).toMatchObject({ code: 'unauthenticated', closedWith: 4502 });
  });

  test('who sends too much before it is known who it is', async () => {
    const { gateway, desk } = closed('all', { requestBytesMax: 1_024 });
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON);
    await new Promise((resolve) => client.socket.once('open', resolve));
    client.socket.send(`{"op":"auth","id":1,"credential":"${desk}"}${' '.repeat(5_000)}`);
    expect(await refusedOf(client)).toMatchObject({ code: 'too-large' });
  });

  test('where there is no room, with the time to come back', async () => {
    const gateway = startGateway({ connectionsMax: 1 });
    await TestClient.connect(gateway);
    const { code, retryAfterMs, closedWith } = await refusedOf(TestClient.open(gateway, SUBPROTOCOL_JSON));
    expect({ code, closedWith }).toEqual({ code: 'too-many-connections', closedWith: 4004 });
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(gateway.refusals).toMatchObject({ 'too-many-connections': 1 });
  });

  test('past the pace, each with another time; those who do as they are told are let in', async () => {
    const gateway = startGateway({ connectsPerSecMax: 2 });
    const clients = Array.from({ length: 6 }, () => TestClient.open(gateway, SUBPROTOCOL_JSON));
    const first = await Promise.all(clients.map((each) => each.takeUntil(() => true, 'anything')));
    const types = first.map(([frame]) => frame!.type).sort();
    expect(types).toEqual(['refused', 'refused', 'refused', 'refused', 'welcome', 'welcome']);
    const waits = first.flatMap(([frame]) => (frame!.type === 'refused' ? [frame!.retryAfterMs!] : []));
    await Promise.all(
      waits.map(async (waitMs) => {
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        let client = TestClient.open(gateway, SUBPROTOCOL_JSON);
        for (;;) {
          const [frame] = await client.takeUntil(() => true, 'anything');
          if (frame!.type === 'welcome') return;
          const { retryAfterMs } = frame as { retryAfterMs: number };
          await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
          client = TestClient.open(gateway, SUBPROTOCOL_JSON);
        }
      }),
    );
    expect(gateway.connectionCount).toBe(6);
  });

  test('with one more connection than the principal may have', async () => {
    const { gateway, desk } = closed('one');
    const first = await signedIn(gateway, desk);
    expect(await refusedOf(bearing(gateway, desk))).toMatchObject({ code: 'too-many-of-principal', closedWith: 4004 });
    first.end();
    await expect.poll(() => gateway.connectionCount).toBe(0);
    await signedIn(gateway, desk);
  });

  test('a page of a foreign origin, unless it is named', async () => {
    const gateway = startGateway({ origins: 'https://desk.example.com' });
    const from = (origin: string) => TestClient.open(gateway, SUBPROTOCOL_JSON, { origin });
    expect(await refusedOf(from('https://evil.example.com'))).toMatchObject({ code: 'bad-origin', closedWith: 4502 });
    await from('https://desk.example.com').next('welcome');
    await from(`http://127.0.0.1:${portOf(gateway)}`).next('welcome');
    expect(await refusedOf(from('null'))).toMatchObject({ code: 'bad-origin' });
  });
});

describe('what a client may', () => {
  test('is said in the ack: the depth is cut, the interval raised, the rest refused by its name', async () => {
    const { gateway, desk } = closed('five');
    const client = await signedIn(gateway, desk);
    client.send(
      { ...book, depth: 20, symbols: ['BTC-USD'] },
      { ...book, id: 2, channel: 'trade', symbols: ['BTC-USD'] },
    );
    const [granted, denied] = [await client.next('ack'), await client.next('ack')];
    expect(granted.accepted).toMatchObject([{ symbol: 'BTC-USD', depth: 5, intervalMs: 100, mode: 'live' }]);
    expect(denied.refused).toMatchObject([{ symbol: 'BTC-USD', code: 'not-entitled' }]);
    client.send({ ...book, id: 3, mode: 'raw', symbols: ['BTC-USD'] });
    expect((await client.next('ack')).refused).toMatchObject([{ code: 'not-entitled' }]);
  });

  test('a pattern brings what is allowed, and says nothing of the rest', async () => {
    const { gateway, desk } = closed('btc');
    const client = await signedIn(gateway, desk);
    client.send({ ...book, symbols: ['*'] });
    const frames = await client.settled();
    expect(frames.filter(({ type }) => type === 'topic')).toMatchObject([{ symbol: 'BTC-USD' }]);
    expect(frames.some(({ type }) => type === 'error')).toBe(false);
  });

  test('is less from one moment to the next when the document says so, without a reconnect', async () => {
    const { gateway, file, keys, desk, feed } = closed('all');
    const client = await signedIn(gateway, desk);
    client.send(book, { ...book, id: 2, channel: 'trade' });
    await client.settled();
    put(file, { roles: { ...ROLES, all: ROLES.five }, keys });
    expect(gateway.reloadAccess()).toBeNull();
    const ended = [await client.next('end'), await client.next('end')];
    expect(ended.map(({ reason }) => reason)).toEqual(['revoked', 'revoked']);
    const levels = (first: number, step: number) => Array.from({ length: 9 }, (_, i) => [`${first + i * step}`, '1']);
    const snapshot = { symbol: 'BTC-USD', type: 'snapshot', bids: levels(100, -1), asks: levels(101, 1) };
    expect((await publish(gateway, snapshot, { authorization: `Bearer ${feed}` })).status).toBe(200);
    const frames = await client.takeUntil((frame) => frame.type === 'book' && frame.seq > 0, 'the book');
    const last = frames.at(-1) as BookFrame;
    expect([last.depth, last.bids.length / last.stride]).toEqual([5, 5]);
  });

  test('is more when the document says so: patterns bring it at once', async () => {
    const { gateway, file, keys, desk } = closed('btc');
    const client = await signedIn(gateway, desk);
    client.send({ ...book, symbols: ['*'] });
    await client.settled();
    put(file, { roles: { ...ROLES, btc: ROLES.all }, keys });
    gateway.reloadAccess();
    expect(await client.next('topic')).toMatchObject({ symbol: 'ETH-USD' });
  });

  test('is nothing any more when its key is revoked: it is told and closed, and its token brings nothing back', async () => {
    const { gateway, file, keys, desk, other } = closed('all');
    const client = await signedIn(gateway, desk);
    const stays = await signedIn(gateway, other);
    put(file, { roles: ROLES, keys: keys.filter(({ id }) => id !== 'desk-1') });
    gateway.reloadAccess();
    expect(await client.next('refused')).toMatchObject({ code: 'revoked', retryAfterMs: null });
    expect((await client.closed).code).toBe(4502);
    expect((await stays.settled()).map(({ type }) => type)).toEqual([]);
  });

  test('who was nobody may say who he is; what was given to nobody is void then', async () => {
    const desk = keyFor('desk-1', 'desk', 'all');
    const gateway = startGateway({ accessFile: documentFile({ roles: ROLES, keys: [desk.entry] }) }, LISTED);
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON);
    const { token } = await client.next('token');
    client.send({ op: 'auth', id: 1, credential: desk.key });
    expect(await client.next('identity')).toMatchObject({ principal: 'desk' });
    client.end();
    const thief = await TestClient.connect(gateway);
    thief.send({ op: 'resume', id: 2, token });
    expect(['expired-token', 'foreign-token']).toContain((await thief.next('error')).code);
  });

  test('a fresh credential of the same principal replaces the one before; that of another is refused', async () => {
    const { gateway, desk, other } = closed('all');
    const client = await signedIn(gateway, desk);
    client.send({ op: 'auth', id: 5, credential: desk }, { op: 'auth', id: 6, credential: other });
    expect(await client.next('ack')).toMatchObject({ id: 5, op: 'auth' });
    expect(await client.next('error')).toMatchObject({ id: 6, code: 'not-entitled' });
    client.send({ op: 'auth', id: 8, credential: 'nonsense' });
    expect(await client.next('error')).toMatchObject({ id: 8, code: 'bad-credential' });
    expect(await client.settled()).toEqual([]);
  });
});

describe('a key that expires', () => {
  test('ends its connections when its time is over, with a word', async () => {
    const { key, entry } = keyFor('soon', 'desk', 'all');
    const expires = new Date(Date.now() + 1_500).toISOString();
    const file = documentFile({ roles: ROLES, keys: [{ ...entry, expires }] });
    const gateway = startGateway({ anonymous: 'off', accessFile: file });
    const client = bearing(gateway, key);
    const { untilUs } = await client.next('identity');
    expect(untilUs).toBe(Date.parse(expires) * 1_000);
    expect(await client.next('error')).toMatchObject({ id: null, code: 'expired-credential' });
    expect((await client.closed).code).toBe(4005);
  });
});

describe('a drain', () => {
  test('tells everybody to go, each at another time, closes who has not gone, and is not ready meanwhile', async () => {
    const gateway = startGateway({ drainMs: 400 });
    const clients = await Promise.all([1, 2, 3, 4].map(() => TestClient.connect(gateway)));
    const drained = gateway.drain();
    const goodbyes = await Promise.all(clients.map((each) => each.next('goodbye')));
    expect(goodbyes.map(({ reconnectMs }) => reconnectMs).sort((a, b) => a - b)).toEqual([0, 100, 200, 300]);
    expect(goodbyes.every(({ reason, closeMs, reconnectMs }) => reason === 'drain' && closeMs > reconnectMs)).toBe(
      true,
    );
    const ready = await fetch(`${gateway.adminUrl}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { ready: false, reasons: [expect.objectContaining({ code: 'draining' })] },
    ]);
    const late = TestClient.open(gateway, SUBPROTOCOL_JSON);
    expect(await late.next('refused')).toMatchObject({ code: 'draining' });
    expect((await Promise.all(clients.map((each) => each.closed))).map(({ code }) => code)).toEqual([
      1001, 1001, 1001, 1001,
    ]);
    await drained;
  });

  test('is announced before anybody is sent away, where it has to be, and clients are let in meanwhile', async () => {
    const gateway = startGateway({ drainMs: 0, drainNoticeMs: 300 });
    const told: string[] = [];
    const client = await TestClient.connect(gateway);
    const gone = client.next('goodbye').then(() => told.push('goodbye'));
    const drained = gateway.drain();
    expect((await fetch(`${gateway.adminUrl}/readyz`)).status).toBe(503);
    const progress = await fetch(`${gateway.adminUrl}/v1/admin/drain`);
    expect(await progress.json()).toEqual({ total: 1, left: 1 });
    const late = await TestClient.connect(gateway);
    told.push('let in');
    await Promise.all([gone, late.next('goodbye'), drained]);
    expect(told).toEqual(['let in', 'goodbye']);
  });

  test('that is announced ends at once when the gateway is stopped', async () => {
    const gateway = startGateway({ drainNoticeMs: 600_000 });
    const drained = gateway.drain();
    gateway.stop();
    await drained;
  });

  test('is over as soon as all have gone', async () => {
    const gateway = startGateway({ drainMs: 3_600_000 });
    const client = await TestClient.connect(gateway);
    const drained = gateway.drain();
    await client.next('goodbye');
    client.end();
    await drained;
  });
});

test('when all have gone nothing is counted any more, however they came in and went', async () => {
  const { gateway, desk, other } = closed('all', { authMs: 100 });
  const clients = [await signedIn(gateway, desk), await signedIn(gateway, other)];
  clients[0]!.send(book);
  await clients[0]!.settled();
  const guests = [1, 2].map(() => TestClient.open(gateway, SUBPROTOCOL_JSON));
  await guests[0]!.closed;
  for (const client of clients) client.end();
  await Promise.all([...clients, ...guests].map((each) => each.closed));
  const stats = async () => (await (await fetch(`${gateway.adminUrl}/v1/admin/stats`)).json()) as object;
  await expect.poll(stats).toMatchObject({ connections: 0, admission: { total: 0, addresses: 0, principals: 0 } });
  expect((await ask(gateway, '/v1/time')).status).toBe(200);
});
