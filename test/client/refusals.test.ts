// Exercises what a client does that is refused, or closed with a reason: when it comes back and where, and when it ends.
// The gateway is a real WebSocket server that says what a test needs, in frames of the real codec.

import { describe, expect, test } from 'vitest';
import { CloseCode } from '../../src/protocol/errors.ts';
import { Host, joined, jsonClient, NEVER_BACK, NEVER_MS } from './host.ts';
import { next } from './scene.ts';

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
    guest.close(CloseCode.expired);
    expect((await host.guest()).offered[1]).toBe('tickwire.bearer.fresh2');
  });

  test('of an expired credential that can not be renewed ends the client with the gateway’s error', async () => {
    const { client, guest } = await joined({ credential: 'key' });
    const book = client.book('A');
    guest.error(null, 'expired-credential');
    guest.close(CloseCode.expired);
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
