// Holds what the admin port tells of the connections to what they are: who waits longest, what blocks each, why it is slow;
// over real sockets, one of which stops reading.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerConnections, type ConnectionList, type ConnectionReport } from '../../src/gateway/admin.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import { SETTINGS } from '../../src/settings/settings.ts';
import { ask, startGateway, stopAll, TestClient } from './harness.ts';
import { endAll, Opcode, RawSocket, wsFrame } from './rawsocket.ts';

const LISTED = ['A', 'B'].map((symbol) => ({ symbol, priceScale: 2, sizeScale: 6 }));
const WAIT_MS = 30_000;
const FACTS = [
  ...[
    'id',
    'address',
    'principal',
    'codec',
    'openMs',
    'bytesPerSec',
    'sentBytes',
    'ageMs',
    'roundTripMs',
    'windowBytes',
  ],
  ...['unansweredBytes', 'pace', 'block', 'queuedBytes', 'subscriptions', 'behind', 'bytesPerSecMax', 'clientLagMs'],
];
const WINDOW_SENTENCE =
  /^Its peer has not answered [\d,]+ bytes for [\d.]+ m?s: the window of [\d,]+ bytes (is full|has no room for the next message), nothing more is sent until a pong comes\.$/;

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, LISTED);
});
afterEach(() => {
  endAll();
  stopAll();
});

function get(path: string, method = 'GET'): Promise<Response> {
  return fetch(`${gateway.adminUrl}/v1/admin/connections${path}`, { method });
}

async function list(query = ''): Promise<ConnectionList> {
  return (await (await get(query)).json()) as ConnectionList;
}

async function report(id: string): Promise<ConnectionReport> {
  return (await (await get(`/${id}`)).json()) as ConnectionReport;
}

/** Asks again until the answer is as it should be. */
async function until<T>(look: () => Promise<T>, met: (answer: T) => boolean): Promise<T> {
  const lastMs = performance.now() + WAIT_MS;
  for (;;) {
    const answer = await look();
    if (met(answer)) return answer;
    if (performance.now() > lastMs) throw new Error(`waited too long; at last: ${JSON.stringify(answer)}`);
  }
}

let size = 0;
/** About 2 KB in JSON; every level changes each time. */
async function publishBook(symbol = 'A'): Promise<void> {
  size += 1;
  const levels = (from: number, step: 1 | -1) =>
    Array.from({ length: 50 }, (_, place) => [1_000_000_000 + from + step * place, size, 0]).flat();
  const { seq } = await gateway.bus.load('book', symbol);
  const update = {
    kind: seq === 0 ? ('snapshot' as const) : ('delta' as const),
    bids: levels(0, -1),
    asks: levels(1, 1),
  };
  const [published] = await gateway.bus.publish([{ symbol, update, exchangeUs: null }]);
  expect(published).toMatchObject({ seq: seq + 1 });
}

/** Subscribed, and with its first book. @returns it and its id. */
async function subscribed(request: object = {}, symbols = ['A']): Promise<{ client: TestClient; id: string }> {
  const client = TestClient.open(gateway, SUBPROTOCOL_JSON);
  const { session } = await client.next('welcome');
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols, ...request });
  await client.next('book');
  return { client, id: session };
}

describe('a client that stops reading', () => {
  test('is first in the list, blocked by its window, and the reason is said', async () => {
    await publishBook();
    const { id: healthyId } = await subscribed();
    const raw = await RawSocket.upgraded(gateway, SUBPROTOCOL_JSON);
    const welcome = await raw.messageWhere(({ payload }) => payload.includes('"welcome"'));
    const { session: id } = JSON.parse(welcome.payload.toString().split('\n')[0]!) as { session: string };
    raw.write(wsFrame(Opcode.text, JSON.stringify({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] })));
    await raw.messageWhere(({ payload }) => payload.includes('"book"'));
    raw.tcp.pause();

    const { total, connections, blocked, paces, bytesPerSec } = await until(
      async () => {
        await publishBook();
        return list();
      },
      ({ connections: [first] }) => first?.block === 'window',
    );
    expect({ total, blocked }).toEqual({ total: 2, blocked: { socket: 0, window: 1, budget: 0, demo: 0 } });
    expect(Object.values(paces).reduce((sum, count) => sum + count)).toBe(2);
    expect(bytesPerSec).toBe(connections.reduce((sum, each) => sum + each.bytesPerSec, 0));
    expect(connections.map((each) => each.id)).toEqual([id, healthyId]);
    const [stopped, healthy] = connections as [ConnectionList['connections'][0], ConnectionList['connections'][0]];
    expect(stopped).toMatchObject({ codec: 'json', address: '127.0.0.1', subscriptions: 1, behind: 1 });
    expect(stopped.unansweredBytes).toBeGreaterThan(0);
    expect(stopped.unansweredBytes).toBeLessThanOrEqual(65_536);
    expect(stopped.ageMs).toBeGreaterThanOrEqual(healthy.ageMs);
    expect(healthy).toMatchObject({ block: null, bytesPerSecMax: 0 });

    for (let i = 0; i < 10; i++) await publishBook();
    const { why, subscriptions, block } = await report(id);
    expect(block).toBe('window');
    expect(why[0]).toMatch(WINDOW_SENTENCE);
    const [{ seq, topicSeq, updatesBehind, inStep } = expect.fail('no subscription')] = subscriptions;
    expect({ inStep, updatesBehind }).toEqual({ inStep: false, updatesBehind: topicSeq - seq });
    expect(updatesBehind).toBeGreaterThanOrEqual(10);
    expect(why).toContain(`Its only subscription lacks ${updatesBehind} updates.`);
  });

  test('is blocked no longer once it reads and answers its pings', async () => {
    await publishBook();
    const raw = await RawSocket.upgraded(gateway, SUBPROTOCOL_JSON);
    raw.write(wsFrame(Opcode.text, JSON.stringify({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] })));
    await raw.messageWhere(({ payload }) => payload.includes('"book"'));
    raw.tcp.pause();
    const blocked = async () => {
      await publishBook();
      return list();
    };
    const { connections } = await until(blocked, ({ connections: [first] }) => first?.block === 'window');
    raw.tcp.resume();
    const answering = (async () => {
      for (;;) {
        const { opcode, payload } = await raw.message();
        if (opcode === Opcode.ping) raw.write(wsFrame(Opcode.pong, payload));
      }
    })().catch(() => {});
    const { id } = connections[0]!;
    const { roundTripMs, subscriptions } = await until(
      () => report(id),
      ({ block, behind }) => block === null && behind === 0,
    );
    expect(roundTripMs).toBeGreaterThan(0);
    expect(subscriptions[0]).toMatchObject({ inStep: true, updatesBehind: 0 });
    raw.end();
    await answering;
  });
});

describe('a client with a byte budget', () => {
  test('that it asked for itself is told of, and what is left of its subscriptions at a lower pace', async () => {
    await publishBook();
    const { client, id } = await subscribed({ depth: 10 });
    client.send({ op: 'limit', id: 2, maxBytesPerSec: 2_000 });
    await client.next('ack');
    const look = async () => {
      await publishBook();
      return report(id);
    };
    const { bytesPerSecMax, why } = await until(look, ({ block }) => block === 'budget');
    expect(bytesPerSecMax).toBe(2_000);
    expect(why[0]).toBe('Its byte budget of 2,000 bytes a second (asked for by the client) is used up.');
    expect(await list()).toMatchObject({ blocked: { window: 0 }, connections: [{ id, bytesPerSecMax: 2_000 }] });

    const slower = await until(look, ({ pace }) => pace.pace === 'slower');
    expect(slower.why).toContain(
      'It is served at the pace `slower`: nothing of priority 5 and below is sent more often than every 1,000 ms, trades and raw subscriptions aside.',
    );
    expect(slower.why.join(' ')).toMatch(/It was sent [\d,]+ bytes in the last second.*so updates are merged\./);
    expect(slower.subscriptions).toMatchObject([
      {
        asked: { depth: 10, intervalMs: 0, mode: 'live' },
        inForce: { depth: 10, intervalMs: 1_000, mode: 'live' },
        priority: 5,
      },
    ]);
    expect(await list()).toMatchObject({ paces: { 'real-time': 0, slower: 1 } });
  });

  test('that the operator set is told of', async () => {
    gateway = startGateway({ connectionBytesPerSecMax: 2_000 }, LISTED);
    await publishBook();
    const { client, id } = await subscribed({ depth: 1 });
    client.send({ op: 'limit', id: 2, maxBytesPerSec: 1_000_000 });
    await client.next('ack');
    const { why } = await until(
      async () => {
        await publishBook();
        return report(id);
      },
      ({ block }) => block === 'budget',
    );
    expect(why[0]).toBe(
      `Its byte budget of 2,000 bytes a second (set by the operator: ${SETTINGS.connectionBytesPerSecMax.env}) is used up.`,
    );
  });
});

describe('a client that keeps up', () => {
  test('is said to, with what its last ping took', async () => {
    await publishBook();
    const { id } = await subscribed();
    const { roundTripMs, why } = await until(
      async () => {
        await publishBook();
        return report(id);
      },
      (each) => each.roundTripMs !== null && each.behind === 0,
    );
    expect(why).toEqual([
      expect.stringMatching(/^It keeps up: nothing is behind and the last ping was answered in [\d.]+ m?s\.$/),
    ]);
    expect(roundTripMs).toBeGreaterThan(0);
  });

  test('is told of with each subscription, as it asked and as it is served', async () => {
    await publishBook('A');
    await publishBook('B');
    const { client, id } = await subscribed({ depth: 5, interval: 90, priority: 7 });
    client.send({ op: 'subscribe', id: 2, channel: 'book', symbols: ['B'], mode: 'raw' });
    client.send({ op: 'subscribe', id: 3, channel: 'trade', symbols: ['A'] });
    await client.settled();
    const { subscriptions, ...facts } = await until(
      () => report(id),
      ({ behind }) => behind === 0,
    );
    expect(Object.keys(facts).sort()).toEqual([...FACTS.filter((name) => name !== 'subscriptions'), 'why'].sort());
    const common = { inStep: true, heldSeq: null, updatesBehind: 0 };
    const grid = { depth: 5, intervalMs: 100, mode: 'live' };
    const raw = { depth: 0, intervalMs: 0, mode: 'raw' };
    const trade = { depth: 0, intervalMs: 0, mode: 'live' };
    const seqOf = async (symbol: string) => (await gateway.bus.load('book', symbol)).seq;
    const [a, b] = [await seqOf('A'), await seqOf('B')];
    expect(subscriptions).toEqual([
      { ...common, channel: 'book', symbol: 'A', asked: grid, inForce: grid, priority: 7, seq: a, topicSeq: a },
      { ...common, channel: 'book', symbol: 'B', asked: raw, inForce: raw, priority: 5, seq: b, topicSeq: b },
      { ...common, channel: 'trade', symbol: 'A', asked: trade, inForce: trade, priority: 5, seq: 0, topicSeq: 0 },
    ]);
  });

  test('says what the client itself holds, and how late it is, once it has said so', async () => {
    await publishBook('A');
    const { client, id } = await subscribed();
    const before = await report(id);
    expect(before).toMatchObject({ clientLagMs: null, principal: 'local' });
    const [subscription] = gateway.connections.values().next().value!.subscriptions.values();
    client.send({ op: 'ping', id: 9, lagMs: 2_000, held: [subscription!.topic.id, 1] });
    await client.next('pong');
    const after = await report(id);
    expect(after).toMatchObject({ clientLagMs: 2_000, subscriptions: [{ heldSeq: 1 }] });
    expect(after.why.join()).toContain('Its client says');
  });

  test('may have no subscriptions at all', async () => {
    const client = TestClient.open(gateway, undefined);
    const { session } = await client.next('welcome');
    expect(await report(session)).toMatchObject({
      why: ['It has no subscriptions: nothing is due to it.'],
      pace: { pace: 'real-time', priority: 9 },
      subscriptions: [],
      block: null,
    });
  });
});

describe('the list', () => {
  test('has every connection with the same facts, and nothing that is secret', async () => {
    gateway = startGateway({ publishToken: 'secret-that-is-set' }, LISTED);
    await TestClient.connect(gateway);
    await TestClient.connect(gateway, 'msgpack');
    const text = await (await get('')).text();
    const { total, connections } = JSON.parse(text) as ConnectionList;
    expect(total).toBe(2);
    expect(connections.map(({ codec }) => codec).sort()).toEqual(['json', 'msgpack']);
    for (const each of connections) expect(Object.keys(each)).toEqual(FACTS);
    expect(text).not.toContain('secret');
    expect(connections.every(({ openMs, sentBytes }) => openMs >= 0 && sentBytes > 0)).toBe(true);
  });

  test('is empty where nobody is, and forgets those who leave', async () => {
    const client = await TestClient.connect(gateway);
    expect((await list()).total).toBe(1);
    client.end();
    await until(list, ({ total }) => total === 0);
    expect(await list()).toEqual({
      total: 0,
      bytesPerSec: 0,
      paces: { 'real-time': 0, conflated: 0, slower: 0, top: 0 },
      blocked: { socket: 0, window: 0, budget: 0, demo: 0 },
      connections: [],
    });
  });

  test('is cut to a limit, and says of how many', async () => {
    for (let i = 0; i < 3; i++) await TestClient.connect(gateway);
    const { total, connections, paces } = await list('?limit=2');
    expect({ total, listed: connections.length, paces }).toMatchObject({
      total: 3,
      listed: 2,
      paces: { 'real-time': 3 },
    });
    expect((await list('?limit=10000')).connections).toHaveLength(3);
  });

  test('has the oldest first, however many there are; of equally old ones who came first', () => {
    const ages = Array.from({ length: 1_000 }, (_, place) => (place * 7_919) % 101);
    const common = {
      codec: { name: 'json' },
      identity: { principal: 'local' },
      window: {},
      rung: { pace: 'real-time', priority: 9 },
      subscriptions: new Map(),
    };
    const made = ages.map((age, place) => ({
      ...common,
      id: String(place),
      block: null,
      bytesPerSec: 2,
      ageMs: () => age,
    }));
    const gone = { ...common, closed: true, ageMs: () => 1e9 };
    const view = {
      connections: new Set([gone, ...made] as unknown as Connection[]),
      nowMs: 0,
      connectionBytesPerSecMax: 0,
    };
    for (const limit of [1, 7, 500, 1_000, 10_000]) {
      const query = new URLSearchParams({ limit: String(limit) });
      const answer = answerConnections('/v1/admin/connections', query, view) as ConnectionList;
      const sorted = made.toSorted((a, b) => b.ageMs() - a.ageMs()).slice(0, limit);
      expect(answer.connections.map(({ id }) => id)).toEqual(sorted.map(({ id }) => id));
      expect(answer).toMatchObject({ total: 1_000, bytesPerSec: 2_000, paces: { 'real-time': 1_000 } });
    }
  });

  test.each(['', '0', '10001', '-1', '1.5', '1e3', '0x10', ' 5', 'many', '9'.repeat(400)])(
    'refuses limit=%s, and says what would do',
    async (limit) => {
      const response = await get(`?limit=${encodeURIComponent(limit)}`);
      expect(response.status).toBe(400);
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      expect(error.code).toBe('bad-request');
      expect(error.message).toMatch(
        /\(limit is ".{0,20}": give a whole number from 1 to 10000, or leave it out for 100\)$/,
      );
    },
  );
});

describe('one connection', () => {
  test('is found by its id, or by a beginning of it that is long enough', async () => {
    const client = TestClient.open(gateway, undefined);
    const { session } = await client.next('welcome');
    for (const id of [session, session.slice(0, 6)]) expect((await report(id)).id).toBe(session);
    expect((await get(`/${session.slice(0, 5)}`)).status).toBe(404);
  });

  test.each(['', '/', '/0000000000000000', '/x/y', '/%22', `/${'a'.repeat(200)}`])(
    'that there is not is refused: %j',
    async (id) => {
      await TestClient.connect(gateway);
      const response = await get(`/${id}`);
      expect(response.status).toBe(404);
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      expect(error.code).toBe('not-found');
      expect(error.message).toMatch(
        /\(no connection with the id ".{0,50}" is open; GET \/v1\/admin\/connections lists them\)$/,
      );
    },
  );

  test('is not guessed where several ids begin so', () => {
    const made = ['abcdef01', 'abcdef02', 'abcdef'].map((id) => ({ id, closed: false }));
    const view = {
      connections: new Set(made.slice(0, 2) as unknown as Connection[]),
      nowMs: 0,
      connectionBytesPerSecMax: 0,
    };
    const answer = answerConnections('/v1/admin/connections/abcdef', new URLSearchParams(), view);
    expect(answer).toMatchObject({ code: 'not-found', message: expect.stringContaining('2 ids begin with "abcdef"') });
  });
});

describe('the address', () => {
  test.each([
    ['a foreign page', { origin: 'https://evil.example' }],
    ['a proxy', { 'x-forwarded-for': '203.0.113.9' }],
  ])('is closed to %s, though it asks from loopback', async (_, headers) => {
    for (const path of ['/v1/admin/connections', '/v1/admin/stats']) {
      const response = await fetch(`${gateway.adminUrl}${path}`, { headers });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain('not-local');
    }
    expect((await fetch(`${gateway.adminUrl}/healthz`, { headers })).status).toBe(200);
  });
  test('answers GET and HEAD alone, and the public port has none of it', async () => {
    expect((await get('', 'HEAD')).status).toBe(200);
    for (const method of ['POST', 'DELETE']) expect((await get('', method)).status).toBe(405);
    expect((await get('s')).status).toBe(404);
    expect((await ask(gateway, '/v1/admin/connections')).status).toBe(404);
  });

  test('survives a mistake of ours', async () => {
    const connections = (gateway as unknown as { connections: Set<unknown> }).connections;
    const broken = { closed: false };
    connections.add(broken);
    const response = await get('');
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: 'internal' } });
    connections.delete(broken);
    expect((await get('')).status).toBe(200);
  });
});
