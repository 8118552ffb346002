// Exercises who the client is to its gateways: credentials and their renewal, and tokens.
// The gateway is a real WebSocket server that says what a test needs, in frames of the real codec.

import { describe, expect, test } from 'vitest';
import type { Client, ErrorEvent } from '../../src/client/node.ts';
import { Host, joined, jsonClient, NEVER_BACK } from './host.ts';
import { next } from './scene.ts';

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

  test('is not brought by a client that has none: it knocks, so that it hears at once where one is wanted', async () => {
    const { guest, client } = await joined();
    expect(guest.offered).toEqual(['tickwire.v1.json']);
    expect(client.identity).toBeNull();
    expect(await guest.request()).toEqual({ op: 'ping', id: 2 });
    expect(guest.knocked).toBe(true);
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
    expect(await again.request()).toEqual({ op: 'resume', id: 2, token: 'two', subscriptions: false });
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
