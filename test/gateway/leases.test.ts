// Holds idempotency keys and leases at the public port to proto/publish.md, by POST and on the publishers' stream: a retry is
// applied once, one publisher has a topic for itself, and whoever was overtaken is told.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { ask, publish, startGateway, stopAll } from './harness.ts';
import { delta, SYMBOLS, snapshot, trade } from './items.ts';
import { endPublishers, PublisherClient } from './publisherclient.ts';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, SYMBOLS);
});
afterEach(() => {
  endPublishers();
  stopAll();
});

const lease = (topic: string, body: unknown, headers = {}, to = gateway) =>
  ask(to, `/v1/leases/${topic}`, { method: 'POST', body, headers });
const release = (topic: string, token: unknown, headers = {}, to = gateway) =>
  ask(to, `/v1/leases/${topic}?token=${token}`, { method: 'DELETE', headers });
const ME = { holder: 'me', ttlMs: 60_000 };
const tokenOf = ({ body }: { body: Readonly<Record<string, unknown>> }) => body.token as number;

/** The ways in, each with the result of one item. */
const WAYS: readonly [name: string, send: (item: object) => Promise<unknown>][] = [
  ['POST', async (item) => (await publish(gateway, [item])).body.results],
  ['the stream in JSON', (item) => overStream('json', item)],
  ['the stream in MessagePack', (item) => overStream('msgpack', item)],
];

async function overStream(codec: 'json' | 'msgpack', item: object): Promise<unknown> {
  const client = PublisherClient.open(gateway, codec);
  await client.next('welcome');
  client.send({ op: 'publish', id: 1, items: [item] });
  return (await client.next('ack')).results;
}

describe.each(WAYS)('over %s', (_, send) => {
  const codeOf = async (item: object) => {
    const [result] = (await send(item)) as { seq?: number; error?: { code: string } }[];
    return result!.error?.code ?? result!.seq;
  };

  test('an item with the key of an earlier one is answered with its place, and not applied', async () => {
    const first = await send({ ...snapshot, key: 'a' });
    expect(await codeOf(delta({ bids: [['10', '7']], key: 'b' }))).toBe(2);
    expect(await send({ ...snapshot, key: 'a' })).toEqual(first);
    expect(await codeOf(delta({ bids: [['10', '9']], key: 'b' }))).toBe(2);
    expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({
      seq: 2,
      bids: [
        ['10.00', '7.000'],
        ['9.95', '2.000'],
      ],
    });
  });

  test('the same key on another topic is another', async () => {
    expect(await codeOf({ ...snapshot, key: 'a' })).toBe(1);
    expect(await codeOf(trade({ key: 'a' }))).toBe(1);
    expect(await codeOf(trade({ key: 'b' }))).toBe(2);
    expect(await codeOf(trade({ key: 'a' }))).toBe(1);
  });

  test('what was refused may be sent again with its key', async () => {
    expect(await codeOf(delta({ key: 'a' }))).toBe('needs-snapshot');
    await send(snapshot);
    expect(await codeOf(delta({ key: 'a' }))).toBe(2);
  });

  test.each<[string, object]>([
    ['an empty key', { key: '' }],
    ['a key of 65 characters', { key: 'x'.repeat(65) }],
    ['a key that is a number', { key: 7 }],
    ['a key that is null', { key: null }],
    ['a lease of 0', { lease: 0 }],
    ['a lease with a fraction', { lease: 1.5 }],
    ['a lease that is a text', { lease: '1' }],
  ])('%s is refused, and the field is named', async (_, fields) => {
    for (const item of [snapshot, trade(), { type: 'status', symbol: 'A', status: 'live' }]) {
      const [{ error }] = (await send({ ...item, ...fields })) as [{ error: { code: string; message: string } }];
      expect(error.code).toBe('bad-request');
      expect(error.message).toContain(Object.keys(fields)[0]);
    }
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(0);
  });

  test('a key may have 64 characters, of every script', async () => {
    expect(await codeOf(trade({ key: 'ü'.repeat(64) }))).toBe(1);
    expect(await codeOf(trade({ key: 'ü'.repeat(64) }))).toBe(1);
  });

  test('under a lease only its holder publishes, and only there', async () => {
    const { token } = (await lease('book/A', ME)).body;
    expect(await codeOf(snapshot)).toBe('leased');
    expect(await codeOf({ ...snapshot, lease: Number(token) + 1 })).toBe('fenced');
    expect(await codeOf({ ...snapshot, lease: token })).toBe(1);
    expect(await codeOf(trade())).toBe(1);
    await release('book/A', token);
    expect(await codeOf({ ...snapshot, lease: token })).toBe('fenced');
    expect(await codeOf(snapshot)).toBe(2);
  });
});

describe('a lease', () => {
  test('is given for a time, renewed with its token, and refused to others meanwhile', async () => {
    const first = await lease('book/A', ME);
    expect(first).toMatchObject({ status: 200, body: { token: expect.any(Number), ttlMs: 60_000 } });
    expect(await lease('book/A', { ...ME, holder: 'other' })).toMatchObject({ status: 409, code: 'leased' });
    const renewed = await lease('book/A', { ...ME, ttlMs: 30_000, token: tokenOf(first) });
    expect(renewed.body).toEqual({ token: tokenOf(first), ttlMs: 30_000 });
  });

  test('of one topic is not one of another', async () => {
    const topics = ['book/A', 'trade/A', 'status/A', 'quote/FX', 'book/FINE'];
    for (const topic of topics) expect((await lease(topic, ME)).status, topic).toBe(200);
  });

  test('that is given back is the next one’s, who has a greater token', async () => {
    const first = await lease('book/A', ME);
    expect((await release('book/A', tokenOf(first))).body).toEqual({ released: true });
    expect((await release('book/A', tokenOf(first))).body).toEqual({ released: false });
    const second = await lease('book/A', ME);
    expect(tokenOf(second)).toBeGreaterThan(tokenOf(first));
    expect((await release('book/A', tokenOf(first))).body).toEqual({ released: false });
    expect(await lease('book/A', { ...ME, token: tokenOf(first) })).toMatchObject({ status: 409, code: 'leased' });
  });

  test.each<[string, unknown]>([
    ['no body', ''],
    ['a list', []],
    ['no holder', { ttlMs: 5_000 }],
    ['an empty holder', { holder: '', ttlMs: 5_000 }],
    ['a holder of 65 characters', { holder: 'x'.repeat(65), ttlMs: 5_000 }],
    ['no life', { holder: 'me' }],
    ['a life of 99 ms', { holder: 'me', ttlMs: 99 }],
    ['a life over a minute', { holder: 'me', ttlMs: 60_001 }],
    ['half a millisecond', { holder: 'me', ttlMs: 1_000.5 }],
    ['a token of 0', { ...ME, token: 0 }],
    ['another field', { ...ME, more: 1 }],
  ])('is not given for %s', async (_, body) => {
    const { status, code } = await lease('book/A', body);
    expect([status, code]).toEqual([400, body === '' ? 'bad-frame' : 'bad-request']);
    expect((await lease('book/A', ME)).status).toBe(200);
  });

  test.each<[string, number, string]>([
    ['candle/A', 400, 'unknown-channel'],
    ['constructor/A', 400, 'unknown-channel'],
    ['book/NOPE', 404, 'unknown-symbol'],
    ['book/A%20B', 400, 'bad-symbol'],
    [`book/${'A'.repeat(49)}`, 400, 'bad-symbol'],
    ['book', 404, 'not-found'],
    ['book/A/more', 404, 'not-found'],
  ])('of %s is refused', async (topic, status, code) => {
    expect(await lease(topic, ME)).toMatchObject({ status, code });
  });

  test.each(['', '0', '-1', '1.5', 'x', '99999999999999999', '1e3'])(
    'is not released with the token %j',
    async (token) => {
      await lease('book/A', ME);
      expect(await release('book/A', token)).toMatchObject({ status: 400, code: 'bad-request' });
      expect(await lease('book/A', ME)).toMatchObject({ code: 'leased' });
    },
  );

  test('has no other methods', async () => {
    for (const method of ['GET', 'PUT', 'PATCH']) {
      expect(await ask(gateway, '/v1/leases/book/A', { method })).toMatchObject({ status: 404, code: 'not-found' });
    }
  });

  test('is for those who may publish alone', async () => {
    const foreign = { Origin: 'https://elsewhere.example' };
    expect(await lease('book/A', ME, foreign)).toMatchObject({ status: 401, code: 'unauthorized' });
    const first = await lease('book/A', ME);
    expect(first.status).toBe(200);
    expect(await release('book/A', tokenOf(first), foreign)).toMatchObject({ status: 401, code: 'unauthorized' });
    const locked = startGateway({ publishToken: 'sesame' }, SYMBOLS);
    const bearer = { Authorization: 'Bearer sesame' };
    expect((await lease('book/A', ME, {}, locked)).status).toBe(401);
    const given = await lease('book/A', ME, bearer, locked);
    expect(given.status).toBe(200);
    expect((await release('book/A', tokenOf(given), {}, locked)).status).toBe(401);
    expect((await release('book/A', tokenOf(given), bearer, locked)).body).toEqual({ released: true });
  });
});
