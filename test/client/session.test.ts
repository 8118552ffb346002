// Exercises who the client is to its gateways: credentials and their renewal, refusals, tokens, what it tells of itself, its pace.
// The gateway is a real WebSocket server that says what a test needs, in frames of the real codec.

import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import type { Client, ClientOptions, ErrorEvent } from '../../src/client/node.ts';
import { startProxy } from '../redis/proxy.ts';
import { type Guest, Host, topicFrame } from './host.ts';
import { clientOf, next } from './scene.ts';

/** Longer than any test: what comes nevertheless did not wait for it. */
const NEVER_MS = 3_600_000;
/** A delay between attempts is all of its bound, and that is for ever. */
const NEVER_BACK = { reconnect: { minMs: NEVER_MS, maxMs: NEVER_MS }, random: () => 1 };

function jsonClient(urls: string | readonly string[], options: ClientOptions = {}): Client {
  return clientOf(urls, { codec: 'json', ...options });
}

/** A client of one such server, welcomed. */
async function joined(options: ClientOptions = {}, limits: Parameters<Guest['welcome']>[0] = {}) {
  const host = await Host.start();
  const client = jsonClient(host.url, options);
  const guest = await host.guest();
  const open = next(client, 'state', ({ state }) => state === 'open');
  guest.welcome(limits);
  await open;
  return { host, client, guest };
}

/** Grants subscriptions until it is so many. */
async function grantAll(guest: Guest, count: number): Promise<void> {
  for (let granted = 0; granted < count; ) {
    const request = await guest.request('subscribe');
    guest.grant(request, 1 + granted);
    granted += (request.symbols as string[]).length;
  }
}

function errorsOf(client: Client): ErrorEvent[] {
  const errors: ErrorEvent[] = [];
  client.on('error', (event) => errors.push(event));
  return errors;
}

describe('a credential', () => {
  test('is offered as a subprotocol beside that of the codec, and stands in no address', async () => {
    const { guest } = await joined({ credential: 'tw_desk_c2VjcmV0' });
    expect(guest.offered).toEqual(['tickwire.v1.json', 'tickwire.bearer.tw_desk_c2VjcmV0']);
    expect(guest.path).toBe('/v1/stream');
  });

  test('is not brought by a client that has none, and says nothing of itself', async () => {
    const { guest, client } = await joined();
    expect(guest.offered).toEqual(['tickwire.v1.json']);
    expect(client.identity).toBeNull();
    expect(await guest.request()).toEqual({ op: 'ping', id: 1 });
  });

  test('is asked for anew before each connection where it is a function', async () => {
    let count = 0;
    const { host, guest } = await joined({ credential: async () => `fresh${++count}` });
    guest.cut();
    const offers = [guest.offered[1], (await host.guest()).offered[1]];
    expect(offers).toEqual(['tickwire.bearer.fresh1', 'tickwire.bearer.fresh2']);
  });

  test.each([
    ['characters that no subprotocol may have', 'key, with "quotes"'],
    ['a length that servers refuse in headers', 'x'.repeat(5_000)],
  ])('with %s is the first request instead, before the welcome', async (_, credential) => {
    const host = await Host.start();
    const client = jsonClient(host.url, { credential });
    const book = client.book('A');
    const guest = await host.guest();
    const auth = await guest.request();
    expect(auth).toMatchObject({ op: 'auth', credential });
    expect(guest.offered).toEqual(['tickwire.v1.json']);
    guest.welcome();
    guest.ack(auth);
    guest.grant(await guest.request('subscribe'));
    expect(book.closed).toBe(false);
  });

  test('whose function fails, or gives nothing, is an error event, and the function is asked again', async () => {
    const host = await Host.start();
    const answers = [() => Promise.reject(new Error('the desk is closed')), () => '', () => 'key'];
    const client = jsonClient(host.url, { credential: () => answers.shift()!() });
    const errors = errorsOf(client);
    expect((await host.guest()).offered[1]).toBe('tickwire.bearer.key');
    expect(errors.map(({ error }) => error.code)).toEqual(['no-credential', 'no-credential']);
    expect(errors[0]!.error.message).toContain('the desk is closed');
  });

  test('is in no error and no reason, whatever becomes of it', async () => {
    const host = await Host.start();
    const secrets = ['s3cret-one', 's3cret "two"'];
    const client = jsonClient(host.url, { credential: () => secrets.shift() ?? 's3cret-three' });
    const told: unknown[] = [];
    client.on('error', ({ error }) => told.push({ ...error, text: String(error), stack: error.stack }));
    client.on('state', (event) => told.push(event));
    (await host.guest()).close(4005);
    const second = await host.guest();
    second.error((await second.request('auth')).id, 'bad-credential');
    second.refuse('bad-credential', 1);
    (await host.guest()).refuse('bad-credential', null);
    await next(client, 'state', ({ state }) => state === 'closed');
    expect(told.length).toBeGreaterThan(5);
    expect(JSON.stringify(told)).not.toContain('s3cret');
  });

  test('is renewed before it runs out, again and again, and the gateway says who that is', async () => {
    let count = 0;
    const credential = () => `fresh${++count}`;
    const { client, guest } = await joined({ credential });
    for (const fresh of ['fresh2', 'fresh3']) {
      // The gateway's clock stands at one second, long ago.
      guest.say({ type: 'identity', principal: 'desk', untilUs: 2_500_000 });
      const auth = await guest.request('auth');
      expect(auth.credential).toBe(fresh);
      expect(client.identity).toEqual({ principal: 'desk', untilUs: 2_500_000 });
      guest.ack(auth);
    }
  });

  test('that is not renewed at the first attempt is so at the second', async () => {
    const answers = ['old', new Error('not now'), 'refused', 'good'];
    const credential = () => {
      const answer = answers.shift()!;
      if (answer instanceof Error) throw answer;
      return answer;
    };
    const { client, guest } = await joined({ credential });
    const errors = errorsOf(client);
    guest.say({ type: 'identity', principal: 'desk', untilUs: 2_000_000 });
    const auth = await guest.request('auth');
    expect(auth.credential).toBe('refused');
    guest.error(auth.id, 'bad-credential');
    expect((await guest.request('auth')).credential).toBe('good');
    expect(errors.map(({ error }) => error.code)).toEqual(['no-credential', 'bad-credential']);
  });

  test('that lives long is left alone, and its identity ends with the connection', async () => {
    let asked = 0;
    const credential = () => {
      asked += 1;
      return 'key';
    };
    const { client, guest } = await joined({ credential, ...NEVER_BACK });
    guest.say({ type: 'identity', principal: 'desk', untilUs: Number.MAX_SAFE_INTEGER });
    await guest.request('ping');
    const pong = client.request({ op: 'ping' });
    const { id } = await guest.request('ping');
    guest.say({ type: 'pong', id, timeUs: 1 });
    await pong;
    expect(client.identity).toMatchObject({ principal: 'desk' });
    expect(asked).toBe(1);
    const lost = next(client, 'state', ({ state }) => state === 'waiting');
    guest.cut();
    await lost;
    expect(client.identity).toBeNull();
  });
});

describe('a client that is refused', () => {
  test('comes back when it is told to, not before', async () => {
    const host = await Host.start();
    const client = jsonClient(host.url, { reconnect: { minMs: 0, maxMs: 0 } });
    const first = await host.guest();
    const error = next(client, 'error');
    const beganMs = performance.now();
    first.refuse('too-many-of-principal', 300);
    expect(await error).toMatchObject({ error: { code: 'too-many-of-principal', action: 'Do.' } });
    (await host.guest()).welcome();
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(300);
    // It does not wait for the other side to close.
    expect(await first.closed).toBe(1000);
  });

  test.each(['busy', 'draining', 'too-many-connections'])('as %s goes to the next address at once', async (code) => {
    const [full, free] = [await Host.start(), await Host.start()];
    jsonClient([full.url, free.url], NEVER_BACK);
    (await full.guest()).refuse(code, NEVER_MS);
    (await free.guest()).welcome();
  });

  test('by each of its addresses comes back to none of them before its time', async () => {
    const hosts = [await Host.start(), await Host.start()];
    jsonClient(
      hosts.map(({ url }) => url),
      { reconnect: { minMs: 0, maxMs: 0 } },
    );
    const beganMs = performance.now();
    (await hosts[0]!.guest()).refuse('busy', 200);
    (await hosts[1]!.guest()).refuse('busy', NEVER_MS);
    const again = await hosts[0]!.guest();
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(200);
    again.welcome();
  });

  test('for what it is goes to no other address before the time', async () => {
    const hosts = [await Host.start(), await Host.start()];
    jsonClient(
      hosts.map(({ url }) => url),
      { reconnect: { minMs: 0, maxMs: 0 } },
    );
    const beganMs = performance.now();
    (await hosts[0]!.guest()).refuse('too-many-from-address', 200);
    await hosts[1]!.guest();
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(200);
  });

  test('waits for any time that a gateway may name', async () => {
    const host = await Host.start();
    const client = jsonClient(host.url);
    (await host.guest()).refuse('busy', Number.MAX_SAFE_INTEGER);
    await next(client, 'state', ({ state }) => state === 'waiting');
    // An overflow would bring it back within a millisecond: before a round trip of somebody else.
    const other = jsonClient(host.url);
    const guest = await host.guest();
    guest.welcome();
    await next(other, 'state', ({ state }) => state === 'open');
    expect([client.state, host.arrived]).toEqual(['waiting', 0]);
  });

  test('until it is mended ends with that error', async () => {
    const host = await Host.start();
    const client = jsonClient(host.url);
    const book = client.book('A');
    (await host.guest()).refuse('revoked', null);
    await expect(book.ready).rejects.toMatchObject({ code: 'revoked', message: 'Not served.' });
    expect(client.state).toBe('closed');
  });

  test('is not brought to life again by a welcome behind the refusal', async () => {
    const host = await Host.start();
    const client = jsonClient(host.url, NEVER_BACK);
    const states: string[] = [];
    client.on('state', ({ state }) => states.push(state));
    const guest = await host.guest();
    const refused = { type: 'refused', code: 'busy', message: 'No.', action: 'Do.', retryAfterMs: NEVER_MS } as const;
    const limits = { requestBytes: 9_999, symbolsPerRequest: 9, subscriptions: 9, heartbeatMs: 9_999, ageMsMax: 9_999 };
    guest.say(refused, { type: 'welcome', version: 'tickwire.v1', server: 'x', session: 'x', timeUs: 1, limits });
    await guest.closed;
    expect(states).toEqual(['connecting', 'waiting']);
  });
});

describe('a close code', () => {
  test('of an expired credential brings the client back at once with a fresh one', async () => {
    let count = 0;
    const { host, guest } = await joined({ credential: () => `fresh${++count}`, ...NEVER_BACK });
    guest.error(null, 'expired-credential');
    guest.close(4005);
    expect((await host.guest()).offered[1]).toBe('tickwire.bearer.fresh2');
  });

  test('of an expired credential that can not be renewed ends the client with the gateway’s error', async () => {
    const { client, guest } = await joined({ credential: 'key' });
    const book = client.book('A');
    guest.error(null, 'expired-credential');
    guest.close(4005);
    await expect(book.ready).rejects.toMatchObject({ code: 'expired-credential' });
    expect(client.state).toBe('closed');
  });

  test.each([4004, 4006, 4007])('%i is one to come back after', async (code) => {
    const { host, guest } = await joined();
    guest.close(code);
    await host.guest();
  });

  test('4502 is the end', async () => {
    const { client, guest } = await joined();
    guest.close(4502);
    const closed = await next(client, 'state', ({ state }) => state === 'closed');
    expect(closed.reason).toContain('close code 4502');
  });
});

describe('a token', () => {
  test('is brought on the next connection before all else, without the subscriptions, which the client asks for itself', async () => {
    const { host, client, guest } = await joined();
    const trades = client.trades('A');
    guest.grant(await guest.request('subscribe'));
    await trades.ready;
    const limited = client.limit({ topOfBook: true });
    guest.ack(await guest.request('limit'));
    await limited;
    guest.say({ type: 'token', token: 'one', lifeMs: 1 });
    guest.say({ type: 'token', token: 'two', lifeMs: 1 });
    guest.cut();
    const again = await host.guest();
    again.welcome();
    expect(await again.request()).toEqual({ op: 'resume', id: 1, token: 'two', subscriptions: false });
    expect(await again.request()).toMatchObject({ op: 'limit', topOfBook: true });
    expect(await again.request()).toMatchObject({ op: 'subscribe', symbols: ['A'] });
  });

  test('that is refused is nothing to the user, and is not brought again', async () => {
    const { host, client, guest } = await joined();
    const errors = errorsOf(client);
    guest.say({ type: 'token', token: 'one', lifeMs: 1 });
    guest.cut();
    const second = await host.guest();
    second.welcome();
    second.error((await second.request('resume')).id, 'used-token');
    second.cut();
    const third = await host.guest();
    third.welcome();
    expect(await third.request()).toMatchObject({ op: 'ping' });
    expect(errors).toEqual([]);
  });
});

describe('what a gateway says of a cursor', () => {
  test('is an event, and is counted', async () => {
    const { client, guest } = await joined();
    const trades = client.trades('A');
    guest.grant(await guest.request('subscribe'), 7);
    await trades.ready;
    const events = [
      { how: 'replayed', why: 'cursor' },
      { how: 'diffed', why: 'cursor' },
      { how: 'snapshot', why: 'horizon' },
      { how: 'snapshot', why: 'epoch' },
    ] as const;
    const told: unknown[] = [];
    const all = next(client, 'healed', (event) => told.push(event) === events.length);
    for (const each of events) guest.say({ type: 'healed', topic: 7, ...each });
    await all;
    expect(told).toEqual(events.map((each) => ({ channel: 'trade', symbol: 'A', ...each })));
    expect(trades.counters).toMatchObject({ replayed: 1, diffed: 1, snapshots: 2 });
    expect(client.counters).toMatchObject({ replayed: 1, diffed: 1, snapshots: 2 });
  });
});

describe('heartbeats', () => {
  test('of the client say how late it is and what it holds, some topics each time, in turn', async () => {
    const limits = { silentMs: 60_000, requestBytes: 1_024 };
    const { host, client, guest } = await joined({}, limits);
    expect(await guest.request('ping')).toEqual({ op: 'ping', id: 1, held: [] });
    // Of 32 topics there is room in a request as short as this gateway's.
    const symbols = Array.from({ length: 40 }, (_, i) => `S${i}`);
    const lines = symbols.map((symbol) => client.trades(symbol));
    await grantAll(guest, symbols.length);
    await Promise.all(lines.map(({ ready }) => ready));
    const trade = { type: 'trade', kind: 'trade', side: 'buy', id: 1, price: 1, size: 1, exchangeUs: null } as const;
    guest.say({ type: 'reset', topic: 40, seq: 4, reason: 'requested' });
    guest.say(topicFrame('trade', 'S39', 40), { ...trade, topic: 40, fromSeq: 4, seq: 5, publishUs: 1, gatewayUs: 1 });
    guest.cut();
    const again = await host.guest();
    again.welcome(limits);
    await grantAll(again, symbols.length);
    const first = await again.request('ping');
    again.say({ type: 'pong', id: first.id, timeUs: 1_000_000 });
    const fresh = { publishUs: 900_000, gatewayUs: 900_000 };
    again.say(topicFrame('trade', 'S39', 40), { ...trade, topic: 40, fromSeq: 5, seq: 6, ...fresh });
    const pings = [await again.request('ping'), await again.request('ping')];
    const topics = pings.map(({ held }) => (held as number[]).filter((_, i) => i % 2 === 0));
    expect(topics).toEqual([Array.from({ length: 32 }, (_, i) => 1 + i), Array.from({ length: 8 }, (_, i) => 33 + i)]);
    expect((pings[1]!.held as number[]).slice(-2)).toEqual([40, 6]);
    expect(pings[1]!.lagMs).toBe(Math.round(client.lag.latencyMs!));
  }, 20_000);
});

describe('a gateway that is gone without a word', () => {
  test('is found within the time that its welcome states', async () => {
    const host = await Host.start();
    const proxy = await startProxy(host.port);
    onTestFinished(() => proxy.close());
    const client = jsonClient(`ws://127.0.0.1:${proxy.port}/v1/stream`);
    (await host.guest()).welcome({ silentMs: 400 });
    await next(client, 'state', ({ state }) => state === 'open');
    proxy.swallow();
    const { reason } = await next(client, 'state', ({ state }) => state === 'waiting');
    expect(reason).toMatch(/^lost: nothing heard for 4\d\d ms$/);
  });
});

describe('requests', () => {
  test('are never more in a second than the welcome allows', async () => {
    const sentMs: number[] = [];
    class Watched extends WebSocket {
      override send(data: Parameters<WebSocket['send']>[0]): void {
        sentMs.push(performance.now());
        super.send(data);
      }
    }
    const { client, guest } = await joined({ WebSocket: Watched }, { requestsPerSec: 4 });
    // Each with wishes of its own, so each in a request of its own.
    const lines = Array.from({ length: 9 }, (_, i) => client.trades(`S${i}`, { last: i }));
    for (const [i] of lines.entries()) guest.grant(await guest.request('subscribe'), 1 + i);
    await Promise.all(lines.map(({ ready }) => ready));
    expect(sentMs.length).toBeGreaterThanOrEqual(10);
    for (let i = 4; i < sentMs.length; i++) expect(sentMs[i]! - sentMs[i - 4]!).toBeGreaterThanOrEqual(999);
  });

  test('that were too many are made again later', async () => {
    const { client, guest } = await joined();
    const trades = client.trades('A');
    const error = next(client, 'error');
    guest.error((await guest.request('subscribe')).id, 'too-many-requests');
    expect(await error).toMatchObject({ symbol: 'A', error: { code: 'too-many-requests' } });
    guest.grant(await guest.request('subscribe'));
    await trades.ready;
  });
});
