// Holds writing and reading over HTTP to what the one who asks may: by API key, publish token or none, item by item. Beside the
// gateway's real access document, on real sockets.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { sign, signingKey } from '../sessions/issuer.ts';
import { ask, type HttpAsk, list, publish, startGateway, stopAll } from './harness.ts';
import { SYMBOLS, snapshot, trade } from './items.ts';
import { endAll, RawSocket } from './rawsocket.ts';

const desk = keyFor('desk', 'desk-a', 'desk');
const boss = keyFor('boss', 'boss', 'boss');
const reader = keyFor('reader', 'reader', 'reader');
const old = keyFor('old', 'desk-a', 'desk', { expires: '2020-01-01' });
const DOCUMENT = {
  roles: {
    desk: {
      subscribe: [{ channels: ['book'], symbols: ['A'], depth: 5 }],
      publish: [{ channels: ['book', 'trade'], symbols: ['A'] }],
    },
    boss: { subscribe: EVERYTHING, publish: EVERYTHING, defines: true },
    reader: { subscribe: EVERYTHING },
  },
  keys: [desk.entry, boss.entry, reader.entry, old.entry],
};
const NEITHER = `Bearer ${desk.key.slice(0, -1)}${desk.key.endsWith('A') ? 'B' : 'A'}`;

let gateway: Gateway;
let path: string;
beforeEach(() => {
  path = documentFile(DOCUMENT);
  gateway = startGateway({ accessFile: path }, SYMBOLS);
});
afterEach(() => {
  endAll();
  stopAll();
});

const by = ({ key }: { readonly key: string }) => ({ Authorization: `Bearer ${key}` });

/** Every request that writes; each would be carried out for whoever may. */
const WRITES: readonly (readonly [name: string, path: string, options: HttpAsk])[] = [
  ['publishing', '/v1/publish', { method: 'POST', body: trade() }],
  ['listing an instrument', '/v1/instruments/B', { method: 'PUT', body: { priceScale: 0, sizeScale: 0 } }],
  ['delisting one', '/v1/instruments/FINE', { method: 'DELETE' }],
  ['putting a set', '/v1/sets/s', { method: 'PUT', body: { symbols: ['A'] } }],
  ['deleting one', '/v1/sets/s', { method: 'DELETE' }],
  ['taking a lease', '/v1/leases/quote/FX', { method: 'POST', body: { holder: 'h', ttlMs: 1_000 } }],
  ['giving it back', '/v1/leases/quote/FX?token=1', { method: 'DELETE' }],
];

describe.each(WRITES)('%s', (_, where, options) => {
  test.each([
    ['nobody, although from this machine', {}, 401, 'unauthorized'],
    ['a wrong key', { Authorization: NEITHER }, 401, 'bad-credential'],
    ['no key at all', { Authorization: 'Bearer sesame' }, 401, 'bad-credential'],
    ['one that has run out', by(old), 401, 'expired-credential'],
    ['one that may only read', by(reader), 403, 'not-entitled'],
  ])('is refused to %s', async (__, headers, status, code) => {
    await ask(gateway, '/v1/sets/s', { method: 'PUT', body: { symbols: [] }, headers: by(boss) });
    const answer = await ask(gateway, where, { ...options, headers });
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect(answer.text).not.toContain(desk.key.slice(-40));
    expect(gateway.refusals).toEqual({ [code]: 1 });
    // Nothing was done.
    expect([gateway.instruments.get('B'), gateway.instruments.get('FINE')]).toEqual([undefined, expect.anything()]);
    expect(gateway.sets.get('s')?.symbols).toEqual([]);
    expect((await ask(gateway, '/v1/trades/A', { headers: by(boss) })).body.seq).toBe(0);
  });
  test('is done for one that may everything', async () => {
    await ask(gateway, '/v1/sets/s', { method: 'PUT', body: { symbols: [] }, headers: by(boss) });
    expect((await ask(gateway, where, { ...options, headers: by(boss) })).status).toBe(200);
  });
});

describe('publishing', () => {
  test('what one may not is refused item by item, naming it, and the others go on', async () => {
    const status = { type: 'status', symbol: 'A', status: 'halted' };
    const items = [snapshot, status, trade({ symbol: 'FINE' }), trade(), trade({ symbol: 'NOPE' }), 7];
    const { body } = await publish(gateway, items, by(desk));
    const denied = (what: string) => ({ error: { code: 'not-entitled', message: expect.stringContaining(what) } });
    expect(body.results).toMatchObject([
      { seq: 1 },
      denied('the status of A'),
      denied('the trade of FINE'),
      { seq: 1 },
      // Whether it is listed is not for everybody to know.
      denied('the trade of NOPE'),
      { error: { code: 'bad-request' } },
    ]);
    expect(gateway.refusals).toEqual({ 'not-entitled': 3, 'bad-request': 1 });
  });
  test('a single item is answered with 403', async () => {
    const { status, code } = await publish(gateway, trade({ symbol: 'FINE' }), by(desk));
    expect([status, code]).toEqual([403, 'not-entitled']);
  });
  test('a topic is leased by those who may publish it', async () => {
    const lease = (topic: string) =>
      ask(gateway, `/v1/leases/${topic}`, { method: 'POST', body: { holder: 'h', ttlMs: 60_000 }, headers: by(desk) });
    const { status, body } = await lease('book/A');
    expect(status).toBe(200);
    expect(await lease('quote/A')).toMatchObject({ status: 403, code: 'not-entitled' });
    expect(await lease('candles/A')).toMatchObject({ status: 400, code: 'unknown-channel' });
    const release = (topic: string) =>
      ask(gateway, `/v1/leases/${topic}?token=${body.token}`, { method: 'DELETE', headers: by(desk) });
    expect(await release('book/FINE')).toMatchObject({ status: 403, code: 'not-entitled' });
    expect((await release('book/A')).body).toEqual({ released: true });
  });
  test('who may not is told so before the body has come', async () => {
    const socket = await RawSocket.connect(gateway);
    socket.write(
      `POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${reader.key}\r\nContent-Length: 100000\r\n\r\n`,
    );
    expect(JSON.parse((await socket.response()).body)).toMatchObject({ error: { code: 'not-entitled' } });
  });
  test('what a key may is what the document says by now', async () => {
    expect((await publish(gateway, trade(), by(desk))).status).toBe(200);
    put(path, { ...DOCUMENT, roles: { ...DOCUMENT.roles, desk: {} } });
    expect(gateway.reloadAccess()).toBeNull();
    expect((await publish(gateway, trade(), by(desk))).code).toBe('not-entitled');
    put(path, { ...DOCUMENT, keys: [boss.entry] });
    expect(gateway.reloadAccess()).toBeNull();
    expect((await publish(gateway, trade(), by(desk))).code).toBe('bad-credential');
  });
  test('anonymous programs may what their role says', async () => {
    put(path, { ...DOCUMENT, anonymous: 'desk' });
    expect(gateway.reloadAccess()).toBeNull();
    expect((await publish(gateway, trade())).status).toBe(200);
    expect((await publish(gateway, trade({ symbol: 'FINE' }))).code).toBe('not-entitled');
    expect((await ask(gateway, '/v1/sets/s', { method: 'DELETE' })).code).toBe('unauthorized');
  });
});

describe('reading', () => {
  const codeOf = async (where: string, headers = {}) => (await ask(gateway, where, { headers })).code;

  test('needs the right to the channel of the symbol, listed or not', async () => {
    expect(await codeOf('/v1/book/A', by(desk))).toBeUndefined();
    for (const where of ['/v1/quote/A', '/v1/trades/A', '/v1/book/FINE', '/v1/book/NOPE', '/v1/instruments/FINE']) {
      expect(await codeOf(where, by(desk))).toBe('not-entitled');
    }
    expect(await codeOf('/v1/book/NOPE', by(reader))).toBe('unknown-symbol');
    expect(await codeOf('/v1/instruments/A', by(desk))).toBeUndefined();
  });
  test('a book is as deep as is allowed, and what is asked for beyond is refused with the limit', async () => {
    const levels = Array.from({ length: 20 }, (_, index) => [String(10 - index / 20), '1']);
    list(gateway, { symbol: 'A', priceScale: 2, sizeScale: 3 });
    await publish(gateway, { type: 'snapshot', symbol: 'A', bids: levels, asks: [] }, by(boss));
    const book = (depth: string, headers: HttpAsk['headers']) =>
      ask(gateway, `/v1/book/A${depth}`, { headers: headers! });
    const depthsOf = ({ body }: { body: { depth?: unknown; bids?: unknown } }) => [
      body.depth,
      (body.bids as unknown[]).length,
    ];
    expect(depthsOf(await book('', by(desk)))).toEqual([5, 5]);
    expect(depthsOf(await book('?depth=1', by(desk)))).toEqual([1, 1]);
    expect(depthsOf(await book('?depth=5', by(desk)))).toEqual([5, 5]);
    expect(depthsOf(await book('', by(reader)))).toEqual([0, 20]);
    for (const depth of ['?depth=0', '?depth=10', '?depth=10&group=5']) {
      const answer = await book(depth, by(desk));
      expect([answer.status, answer.code]).toEqual([403, 'not-entitled']);
      expect(answer.text).toContain('at most 5 levels');
    }
    expect(await codeOf('/v1/book/A?depth=7', by(desk))).toBe('bad-depth');
  });
  test('of the instruments one sees those of which one may anything', async () => {
    const symbols = async (headers: HttpAsk['headers']) =>
      ((await ask(gateway, '/v1/instruments', { headers: headers! })).body.instruments as { symbol: string }[]).map(
        ({ symbol }) => symbol,
      );
    expect(await symbols(by(desk))).toEqual(['A']);
    expect(await symbols(by(reader))).toEqual(SYMBOLS.map(({ symbol }) => symbol).sort());
    expect(await symbols({})).toEqual(await symbols(by(reader)));
  });
  test('with a wrong key is refused, although without one it would not be', async () => {
    expect(await codeOf('/v1/book/A', { Authorization: NEITHER })).toBe('bad-credential');
    expect(await codeOf('/v1/book/A')).toBeUndefined();
  });
  test('is for those who say who they are, where anonymous clients are not let in; the time is for all', async () => {
    const closed = startGateway({ accessFile: path, anonymous: 'off' }, SYMBOLS);
    for (const where of ['book/A', 'quote/A', 'trades/A', 'instruments', 'instruments/A', 'sets', 'sets/s']) {
      const answer = await ask(closed, `/v1/${where}`);
      expect([answer.status, answer.code]).toEqual([401, 'unauthenticated']);
    }
    expect((await ask(closed, '/v1/time')).status).toBe(200);
    expect((await ask(closed, '/v1/sets', { headers: by(desk) })).body).toEqual({ sets: [] });
    expect((await publish(closed, trade())).code).toBe('unauthorized');
  });
});

describe('the publish token', () => {
  test('may everything, beside keys; where there are keys too, a wrong one is a bad credential', async () => {
    const both = startGateway({ accessFile: path, publishToken: 'sesame' }, SYMBOLS);
    for (const [, where, options] of WRITES.slice(0, 4)) {
      expect((await ask(both, where, { ...options, headers: { Authorization: 'Bearer sesame' } })).status).toBe(200);
    }
    expect((await publish(both, trade(), { Authorization: 'Bearer simsim' })).code).toBe('bad-credential');
    expect((await publish(both, trade(), by(desk))).status).toBe(200);
  });
});

test('a credential that a gateway without any is shown is not looked at: programs on this machine publish as before', async () => {
  const open = startGateway({}, SYMBOLS);
  expect((await publish(open, trade(), by(desk))).status).toBe(200);
  const foreign = { ...by(desk), Origin: 'https://evil.example' };
  expect((await publish(open, trade(), foreign)).code).toBe('unauthorized');
});

test('a document without keys changes nothing for programs on this machine', async () => {
  const document = { roles: { guest: { subscribe: [{ channels: ['book'], symbols: ['A'] }] } }, anonymous: 'guest' };
  const open = startGateway({ accessFile: documentFile(document) }, SYMBOLS);
  expect((await publish(open, trade())).status).toBe(200);
  expect((await ask(open, '/v1/quote/A')).status).toBe(200);
  expect((await ask(open, '/v1/quote/A', { headers: { Origin: 'https://else.example' } })).code).toBe('not-entitled');
});

test('bodies of those of whom it is not known yet who they are take so much memory and no more', async () => {
  const key = await signingKey('k1');
  let answer: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const issuer = createServer((_, response) => {
    void asked.then(() => response.end(JSON.stringify({ keys: [key.jwk] })));
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    answer();
    issuer.close();
    issuer.closeAllConnections();
  });
  await once(issuer, 'listening');
  const jwks = startGateway(
    {
      jwksUrl: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`,
      ...{ jwtIssuer: 'https://issuer.example', jwtAudience: 'market-data' },
    },
    SYMBOLS,
  );
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const claims = { exp, tickwire: { publish: EVERYTHING } };
  const forged = await sign(await signingKey('k1'), claims);
  const post = async () => {
    const socket = await RawSocket.connect(jwks);
    const head = ['POST /v1/publish HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${forged}`];
    socket.write([...head, 'Content-Length: 4194304', '', '{'].join('\r\n'));
    return socket.response();
  };
  const answers = Array.from({ length: 17 }, post);
  const first = await Promise.race(answers);
  expect([first.status, first.body]).toEqual([503, expect.stringContaining('too many wait')]);
  answer();
  const codes = (await Promise.all(answers)).map(({ status }) => status);
  expect(codes.sort()).toEqual([...Array.from({ length: 16 }, () => 401), 503]);
  // The room is there again.
  const headers = { Authorization: `Bearer ${await sign(key, claims)}` };
  expect((await publish(jwks, trade(), headers)).status).toBe(200);
});
