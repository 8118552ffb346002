// Holds the publisher SDK to saying who it is: with what, how often it asks for it, and what becomes of items when the gateway does not
// take it, or takes access back. On real gateways.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  type Place,
  type PublishError,
  type Publisher,
  type PublisherOptions,
  publisher,
} from '../../src/publisher/index.ts';
import { portOf, startGateway, stopAll } from '../gateway/harness.ts';
import { SYMBOLS } from '../gateway/items.ts';
import { documentFile, keyFor, put } from '../sessions/access-scene.ts';

const desk = keyFor('desk', 'desk-a', 'desk');
const next = keyFor('next', 'desk-a', 'desk');
const DOCUMENT = {
  roles: { desk: { publish: [{ channels: ['trade'], symbols: ['A'] }], defines: true } },
  keys: [desk.entry, next.entry],
};
const TRADE = { type: 'trade', symbol: 'A', price: '10', size: '1' } as const;
const PAUSES = { minMs: 1, maxMs: 20 };

const made: Publisher[] = [];
afterEach(async () => {
  stopAll();
  await Promise.all(made.splice(0).map((each) => each.close()));
});

function scene(transport: string) {
  const path = documentFile(DOCUMENT);
  const gateway = startGateway({ accessFile: path }, SYMBOLS);
  const url = `${transport}://127.0.0.1:${portOf(gateway)}`;
  return { path, gateway, url, make: (options: PublisherOptions) => make(url, options) };
}

function make(url: string, options: PublisherOptions): Publisher {
  const out = publisher(url, { reconnect: PAUSES, ...options });
  made.push(out);
  return out;
}

const refusal = (promise: Promise<unknown>): Promise<PublishError> =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: PublishError) => error,
  );

describe.each(['ws', 'http'])('over %s', (transport) => {
  test.each([
    ['a string', desk.key],
    ['a function', () => desk.key],
    ['a function that takes its time', async () => desk.key],
  ])('%s is brought with items, instruments and leases', async (_, credential) => {
    const { make } = scene(transport);
    const out = make({ credential });
    await out.instrument({ symbol: 'NEW', priceScale: 2, sizeScale: 0 });
    expect((await out.publish(TRADE)).seq).toBe(1);
    const lease = await out.lease('A', { channel: 'trade' });
    expect((await out.publish({ ...TRADE, lease: lease.token })).seq).toBe(2);
    await lease.release();
  });

  test('what it may not is refused item by item', async () => {
    const { make } = scene(transport);
    const out = make({ credential: desk.key });
    const wrong = out.publish({ ...TRADE, symbol: 'FINE' });
    expect(await refusal(wrong)).toMatchObject({ code: 'not-entitled', symbol: 'FINE' });
    expect((await out.publish(TRADE)).seq).toBe(1);
  });

  test('one that the gateway does not know refuses everything, with its code', async () => {
    const { make } = scene(transport);
    const out = make({ credential: `${desk.key.slice(0, -4)}AAAA` });
    const error = await refusal(out.publish(TRADE));
    expect(error).toMatchObject({ code: 'bad-credential', symbol: 'A' });
    expect(error.message).not.toContain('AAAA');
  });

  test.each([
    ['throws', () => Promise.reject(new Error('the vault is shut'))],
    ['gives nothing that a header can carry', () => 'a secret\nwith lines'],
  ])('a function that %s publishes nothing, and its secret is in no error', async (_, credential) => {
    const { make, gateway } = scene(transport);
    const error = await refusal(make({ credential, reconnect: false }).publish(TRADE));
    expect(error).toMatchObject({ code: 'not-connected' });
    expect(error.message).toMatch(/the vault is shut|ASCII without spaces/);
    expect(error.message).not.toContain('with lines');
    expect(gateway.refusals).toEqual({});
  });

  test('a function that never answers is not waited for', async () => {
    const { make } = scene(transport);
    const out = make({ credential: () => new Promise<string>(() => {}), silenceMs: 20, reconnect: false });
    expect((await refusal(out.publish(TRADE))).message).toContain('no credential came in time');
  });
});

test('one that can not be, or two of them, are refused before anything is connected', () => {
  const url = 'ws://127.0.0.1:2';
  for (const options of [{ credential: 'a b' }, { token: 'a\nb' }, { credential: 'a', token: 'a' }]) {
    expect(() => publisher(url, options)).toThrow(TypeError);
  }
});

test('an empty one is none', async () => {
  let headers: object = {};
  const server = createServer((request, response) => {
    headers = request.headers;
    response.end('{"results":[{"epoch":1,"seq":1}]}');
  }).listen(0);
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const options of [{}, { token: '' }, { credential: '' }, { credential: () => '' }]) {
    await make(url, options).publish(TRADE);
    expect(headers).not.toHaveProperty('authorization');
  }
});

test('a function is asked before each connection, so that a fresh one is brought where the old one was taken back', async () => {
  const { make, path, gateway } = scene('ws');
  let asked = 0;
  let key = desk.key;
  const expired = { ...DOCUMENT, keys: [{ ...desk.entry, expires: '2020-01-01' }, next.entry] };
  const out = make({
    credential: () => {
      asked += 1;
      return key;
    },
  });
  await out.publish(TRADE);
  expect(asked).toBe(1);
  key = next.key;
  put(path, expired);
  gateway.reloadAccess();
  await out.flush();
  while (out.counters.accepted < 2) {
    await out.drained();
    await out.publish(TRADE).catch(() => {});
  }
  expect(asked).toBe(2);
});

test('a string that has run out is the end, and says so', async () => {
  const { make, path, gateway } = scene('ws');
  const ended = new Promise<PublishError | null>((resolve) => {
    const out = make({
      credential: desk.key,
      onState: (state, error) => {
        if (state === 'open') {
          put(path, { ...DOCUMENT, keys: [{ ...desk.entry, expires: '2020-01-01' }] });
          gateway.reloadAccess();
        }
        if (state === 'closed') resolve(error);
      },
    });
    expect(out.state).toBe('connecting');
  });
  expect(await ended).toMatchObject({ code: 'expired-credential' });
});

test('access that is taken back is the end: what was answered stays answered, the rest is refused with the code', async () => {
  const { make, path, gateway } = scene('ws');
  let ended: (error: PublishError | null) => void;
  const end = new Promise<PublishError | null>((resolve) => {
    ended = resolve;
  });
  const out = make({ credential: desk.key, onState: (state, error) => state === 'closed' && ended(error) });
  expect((await out.publish(TRADE)).seq).toBe(1);
  put(path, { ...DOCUMENT, keys: [] });
  gateway.reloadAccess();
  // On its way when the gateway stops listening to it: nobody knows, or it was not sent any more.
  expect(['revoked', 'unknown-outcome']).toContain((await refusal(out.publish(TRADE))).code);
  expect(await end).toMatchObject({ code: 'revoked', message: expect.stringContaining('taken back') });
  expect(await refusal(out.publish(TRADE))).toMatchObject({ code: 'revoked', symbol: 'A' });
});

test('a book that the rate keeps from being published whole is asked for again', async () => {
  const limited = startGateway({ publishPerSecMax: 2 }, SYMBOLS);
  const url = `ws://127.0.0.1:${portOf(limited)}`;
  const book = { bids: [['10.00', '1']], asks: [['10.05', '3']] } as const;
  let restated: (place: Place) => void;
  const again = new Promise<Place>((resolve) => {
    restated = resolve;
  });
  // It may be refused again while the rate has none left; it is asked for until it is taken.
  const out = make(url, { onNeedsSnapshot: (symbol) => void out.snapshot(symbol, book).then(restated, () => {}) });
  const [first, second, third] = await Promise.allSettled([
    out.snapshot('A', book),
    out.delta('A', { bids: [['9.95', '1']] }),
    out.delta('A', { bids: [['9.95', '2']] }),
  ]);
  expect([first.status, second.status]).toEqual(['fulfilled', 'fulfilled']);
  expect((third as PromiseRejectedResult).reason).toMatchObject({ code: 'publish-rate' });
  expect((await again).seq).toBe(3);
});
