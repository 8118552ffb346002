// Holds what the public port answers to those who read: books, quotes, trades, time and instruments over HTTP, the admin
// port beside it, and every address and method that there is not.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { levelHash } from '../../src/market/checksum.ts';
import { ERRORS } from '../../src/protocol/errors.ts';
import { ask, publish, putInstrument, startGateway, stopAll } from './harness.ts';

const BTC = { symbol: 'BTC-USD', priceScale: 2, sizeScale: 8, tickSize: 5, lotSize: 1_000 };
const SPREAD = { symbol: 'CL.M1-M2', priceScale: 0, sizeScale: 0, negativePrices: true, orderCounts: true };
const FX = { symbol: 'EUR-USD', priceScale: 5, sizeScale: 2, quoteSource: 'published' as const };

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, [BTC, SPREAD, FX]);
});
afterEach(() => {
  vi.useRealTimers();
  stopAll();
});

const bookOfBtc = {
  type: 'snapshot',
  symbol: 'BTC-USD',
  exchangeUs: 1_700_000_000_000_001,
  bids: [
    ['100.00', '1'],
    ['99.95', '0.00001'],
    ['90', '90071992.54740000'],
  ],
  asks: [['100.05', '2.5']],
};

describe('time', () => {
  test('is the wall clock in microseconds', async () => {
    const before = Date.now() * 1_000;
    const { status, body } = await ask(gateway, '/v1/time');
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(['timeUs']);
    expect(body.timeUs).toBeGreaterThanOrEqual(before);
    expect(body.timeUs).toBeLessThanOrEqual(Date.now() * 1_000 + 999);
  });
});

describe('instruments', () => {
  test('are listed by symbol, with tick and lot as decimals at their scales', async () => {
    const { body } = await ask(gateway, '/v1/instruments');
    const list = body.instruments as Record<string, unknown>[];
    expect(list.map(({ symbol }) => symbol)).toEqual(['BTC-USD', 'CL.M1-M2', 'EUR-USD']);
    expect(list[0]).toEqual({
      symbol: 'BTC-USD',
      priceScale: 2,
      sizeScale: 8,
      tickSize: '0.05',
      lotSize: '0.00001000',
      negativePrices: false,
      orderCounts: false,
      quoteSource: 'book',
    });
  });
  test('are answered one by one', async () => {
    const { body } = await ask(gateway, '/v1/instruments/EUR-USD');
    expect(body).toMatchObject({ symbol: 'EUR-USD', tickSize: '0.00001', lotSize: '0.01', quoteSource: 'published' });
  });
});

describe('a book', () => {
  test('has its decimals exactly at the scales, best first, and the checksum of what it shows', async () => {
    const published = await publish(gateway, bookOfBtc);
    const { status, body } = await ask(gateway, '/v1/book/BTC-USD');
    expect(status).toBe(200);
    const checksum =
      levelHash(0, 10_000, 100_000_000) +
      levelHash(0, 9_995, 1_000) +
      levelHash(0, 9_000, 9_007_199_254_740_000) +
      levelHash(1, 10_005, 250_000_000);
    expect(body).toEqual({
      symbol: 'BTC-USD',
      epoch: published.body.epoch,
      seq: 1,
      depth: 0,
      group: 0,
      exchangeUs: 1_700_000_000_000_001,
      publishUs: expect.any(Number),
      ageMs: expect.any(Number),
      status: 'live',
      checksum: checksum % 2 ** 32,
      bids: [
        ['100.00', '1.00000000'],
        ['99.95', '0.00001000'],
        ['90.00', '90071992.54740000'],
      ],
      asks: [['100.05', '2.50000000']],
    });
  });
  test('is cut to a depth, and its checksum is that of the cut', async () => {
    await publish(gateway, bookOfBtc);
    const { body } = await ask(gateway, '/v1/book/BTC-USD?depth=1');
    expect(body).toMatchObject({ depth: 1, bids: [['100.00', '1.00000000']], asks: [['100.05', '2.50000000']] });
    expect(body.checksum).toBe((levelHash(0, 10_000, 100_000_000) + levelHash(1, 10_005, 250_000_000)) % 2 ** 32);
  });
  test('shows order counts and prices of zero and below where the instrument has them', async () => {
    await publish(gateway, {
      type: 'snapshot',
      symbol: 'CL.M1-M2',
      bids: [['-3', '7', 2]],
      asks: [
        ['0', '1', 1],
        ['2', '4'],
      ],
    });
    const { body } = await ask(gateway, '/v1/book/CL.M1-M2');
    expect(body.bids).toEqual([['-3', '7', 2]]);
    expect(body.asks).toEqual([
      ['0', '1', 1],
      ['2', '4', 0],
    ]);
  });
  test('is empty, at seq 0 and without an age, before the first update', async () => {
    const { status, body } = await ask(gateway, '/v1/book/BTC-USD?depth=50');
    expect(status).toBe(200);
    expect(body).toMatchObject({ seq: 0, ageMs: null, exchangeUs: null, checksum: 0, bids: [], asks: [] });
    expect(body.epoch).toBeGreaterThan(0);
  });
  test.each(['2', '-1', '1.5', 'full', '', '0x1', '01', '1e0', '9007199254740993'])(
    'refuses the depth %j',
    async (depth) => {
      const { status, code } = await ask(gateway, `/v1/book/BTC-USD?depth=${depth}`);
      expect([status, code]).toEqual([400, 'bad-depth']);
    },
  );
});

describe('a quote', () => {
  test('is derived from the book, with the seq of the book', async () => {
    await publish(gateway, [bookOfBtc, { type: 'delta', symbol: 'BTC-USD', asks: [['100.05', '0']] }]);
    const { body } = await ask(gateway, '/v1/quote/BTC-USD');
    const book = await ask(gateway, '/v1/book/BTC-USD');
    expect(body).toEqual({
      symbol: 'BTC-USD',
      epoch: book.body.epoch,
      seq: 2,
      exchangeUs: null,
      publishUs: book.body.publishUs,
      ageMs: expect.any(Number),
      status: 'live',
      bidPrice: '100.00',
      bidSize: '1.00000000',
      askPrice: null,
      askSize: '0.00000000',
    });
  });
  test('is the published one where the instrument says so', async () => {
    await publish(gateway, {
      type: 'quote',
      symbol: 'EUR-USD',
      bidPrice: '1.085',
      bidSize: '1000000',
      askPrice: '1.08505',
      askSize: '0.5',
      exchangeUs: 7,
    });
    expect((await ask(gateway, '/v1/quote/EUR-USD')).body).toMatchObject({
      seq: 1,
      exchangeUs: 7,
      bidPrice: '1.08500',
      bidSize: '1000000.00',
      askPrice: '1.08505',
      askSize: '0.50',
    });
  });
  test('has no prices before the first update', async () => {
    const empty = { seq: 0, ageMs: null, bidPrice: null, bidSize: '0.00', askPrice: null, askSize: '0.00' };
    expect((await ask(gateway, '/v1/quote/EUR-USD')).body).toMatchObject(empty);
  });
});

describe('trades', () => {
  const trade = (price: string, more: object = {}) => ({
    type: 'trade',
    symbol: 'BTC-USD',
    price,
    size: '0.1',
    ...more,
  });

  test('come oldest first, with corrections and busts, ids as published or else the seq', async () => {
    const { body: published } = await publish(gateway, [
      trade('100.00', { id: 'A1', side: 'buy', exchangeUs: 5 }),
      trade('100.05', { id: 'A1', kind: 'correction', side: 'buy' }),
      trade('100.05', { id: 'A1', kind: 'bust' }),
      trade('101', { id: 77, side: 'sell' }),
      trade('102'),
    ]);
    const epoch = (published.results as { epoch: number }[])[0]!.epoch;
    const { body } = await ask(gateway, '/v1/trades/BTC-USD');
    expect(body).toMatchObject({ symbol: 'BTC-USD', epoch, seq: 5 });
    const publishUs = expect.any(Number);
    const size = '0.10000000';
    expect(body.trades).toEqual([
      { seq: 1, id: 'A1', kind: 'trade', side: 'buy', price: '100.00', size, exchangeUs: 5, publishUs },
      { seq: 2, id: 'A1', kind: 'correction', side: 'buy', price: '100.05', size, exchangeUs: null, publishUs },
      { seq: 3, id: 'A1', kind: 'bust', side: 'unknown', price: '100.05', size, exchangeUs: null, publishUs },
      { seq: 4, id: 77, kind: 'trade', side: 'sell', price: '101.00', size, exchangeUs: null, publishUs },
      { seq: 5, id: 5, kind: 'trade', side: 'unknown', price: '102.00', size, exchangeUs: null, publishUs },
    ]);
  });
  test('are the last 50, or as many as are asked for', async () => {
    await publish(
      gateway,
      Array.from({ length: 60 }, () => trade('100')),
    );
    const seqs = async (query: string) => {
      const { body } = await ask(gateway, `/v1/trades/BTC-USD${query}`);
      return (body.trades as { seq: number }[]).map(({ seq }) => seq);
    };
    expect(await seqs('')).toEqual(Array.from({ length: 50 }, (_, i) => i + 11));
    expect(await seqs('?last=2')).toEqual([59, 60]);
    expect(await seqs('?last=1000')).toHaveLength(60);
  });
  test.each(['0', '1001', '-1', '1.5', 'all', ''])('refuse the number %j', async (last) => {
    const { status, code } = await ask(gateway, `/v1/trades/BTC-USD?last=${last}`);
    expect([status, code]).toEqual([400, 'bad-request']);
  });
});

describe('age and status', () => {
  test('the age counts from the newest update', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await publish(gateway, bookOfBtc);
    vi.setSystemTime(Date.now() + 2_000);
    for (const path of ['/v1/book/BTC-USD', '/v1/quote/BTC-USD']) {
      const { ageMs } = (await ask(gateway, path)).body;
      expect(ageMs).toBeGreaterThanOrEqual(1_990);
      expect(ageMs).toBeLessThan(3_000);
    }
  });
  test('a clock that was set back makes no negative age', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await publish(gateway, bookOfBtc);
    vi.setSystemTime(Date.now() - 60_000);
    expect((await ask(gateway, '/v1/book/BTC-USD')).body.ageMs).toBe(0);
  });
  test('the status is the one last published', async () => {
    await publish(gateway, [bookOfBtc, { type: 'status', symbol: 'BTC-USD', status: 'halted', reason: 'auction' }]);
    expect((await ask(gateway, '/v1/book/BTC-USD')).body.status).toBe('halted');
    await publish(gateway, { type: 'status', symbol: 'BTC-USD', status: 'live' });
    expect((await ask(gateway, '/v1/quote/BTC-USD')).body.status).toBe('live');
  });
  test('what has not changed for long is stale, unless something else was published of it', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await publish(gateway, bookOfBtc);
    vi.setSystemTime(Date.now() + 31_000);
    expect((await ask(gateway, '/v1/book/BTC-USD')).body.status).toBe('stale');
    expect((await ask(gateway, '/v1/quote/BTC-USD')).body.status).toBe('stale');
    await publish(gateway, { type: 'status', symbol: 'BTC-USD', status: 'source-down' });
    expect((await ask(gateway, '/v1/book/BTC-USD')).body.status).toBe('source-down');
  });
});

describe('what there is not', () => {
  test.each(['book', 'quote', 'trades', 'instruments'])('an unknown symbol is said so: %s', async (resource) => {
    const { status, code } = await ask(gateway, `/v1/${resource}/NOPE`);
    expect([status, code]).toEqual([404, 'unknown-symbol']);
  });
  test.each(['BTC%2FUSD', 'A'.repeat(49), 'A%20B', '..%2F..', '%00'])('no symbol: %s', async (symbol) => {
    const { status, code } = await ask(gateway, `/v1/book/${symbol}`);
    expect([status, code]).toEqual([400, 'bad-symbol']);
  });
  test.each([
    ['GET', '/v1'],
    ['GET', '/v1/'],
    ['GET', '/v2/time'],
    ['GET', '/v1/time/now'],
    ['GET', '/v1/nothing'],
    ['GET', '/v1/nothing/BTC-USD'],
    ['GET', '/v1/nothing/NOPE'],
    ['GET', '/v1/nothing/b%ad'],
    ['GET', '/v1/book'],
    ['GET', '/v1/book/'],
    ['GET', '/v1/book/BTC-USD/more'],
    ['GET', '/v1/publish'],
    ['POST', '/v1/stream'],
    ['POST', '/v1/time'],
    ['POST', '/v1/instruments/BTC-USD'],
    ['DELETE', '/v1/book/BTC-USD'],
    ['PUT', '/v1/publish'],
    ['PATCH', '/v1/instruments/BTC-USD'],
    ['OPTIONS', '/v1/publish'],
    ['GET', `/${'a'.repeat(3_000)}`],
  ])('%s %.40s is not there', async (method, path) => {
    const answer = await ask(gateway, path, { method });
    const symbolIsBad = path === '/v1/book/';
    expect([answer.status, answer.code]).toEqual(symbolIsBad ? [400, 'bad-symbol'] : [404, 'not-found']);
  });
  test('every error has the message and the advice of the catalogue, as JSON', async () => {
    const { body, headers, text } = await ask(gateway, '/v1/book/NOPE');
    expect(headers['content-type']).toBe('application/json');
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({
      error: {
        code: 'unknown-symbol',
        message: `${ERRORS['unknown-symbol'].message} (NOPE)`,
        action: ERRORS['unknown-symbol'].action,
      },
    });
    expect(text.endsWith('}\n')).toBe(true);
  });
  test('refusals are counted by their code', async () => {
    await ask(gateway, '/v1/book/NOPE');
    await ask(gateway, '/v1/book/NOPE');
    await ask(gateway, '/nothing');
    expect(gateway.refusals).toEqual({ 'unknown-symbol': 2, 'not-found': 1 });
  });
});

describe('the answers as HTTP', () => {
  test('HEAD has the head of GET and no body, and the connection goes on', async () => {
    const get = await ask(gateway, '/v1/instruments');
    const head = await ask(gateway, '/v1/instruments', { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });
  test('a body that nobody asked for is ignored', async () => {
    const { status } = await ask(gateway, '/v1/time', {
      body: 'x'.repeat(200_000),
      headers: { 'Content-Length': '200000' },
    });
    expect(status).toBe(200);
  });
});

describe('the admin port', () => {
  const admin = (path: string, method = 'GET') => fetch(`${gateway.adminUrl}${path}`, { method });

  test('tells health, readiness and counters', async () => {
    expect(await (await admin('/healthz')).json()).toEqual({ status: 'ok' });
    expect(await (await admin('/readyz')).json()).toEqual({ ready: true });
    await ask(gateway, '/nothing');
    const stats = (await (await admin('/v1/admin/stats')).json()) as Record<string, unknown>;
    expect(stats).toMatchObject({ connections: 0, topics: 0, refusals: { 'not-found': 1 } });
    expect(Object.keys(stats)).toEqual([
      'connections',
      'publishers',
      'topics',
      'busy',
      'flush',
      'answers',
      'bus',
      'sockets',
      'admission',
      'refusals',
    ]);
  });
  test('has nothing else, and the public port has nothing of it', async () => {
    expect((await admin('/v1/time')).status).toBe(404);
    expect((await admin('/healthz', 'POST')).status).toBe(405);
    for (const path of ['/healthz', '/readyz', '/v1/admin/stats']) expect((await ask(gateway, path)).status).toBe(404);
  });
  test('listens on loopback only, wherever the public port does', async () => {
    const wide = startGateway({ host: '0.0.0.0' });
    expect(new URL(wide.adminUrl).hostname).toBe('127.0.0.1');
    expect(wide.url).toMatch(/^http:\/\/localhost:\d+$/);
    expect((await putInstrument(wide, 'A', { priceScale: 0, sizeScale: 0 })).status).toBe(200);
  });
});
