// Exercises the client against real gateways: subscriptions of each channel, their changes, refusals and ends, requests, lag.

import { afterAll, describe, expect, test } from 'vitest';
import type { BookState, Trade } from '../../src/client/node.ts';
import { connect, TickwireError } from '../../src/client/node.ts';
import { stopAll } from '../gateway/harness.ts';
import { clientOf, delta, gatewayOf, next, published, snapshot, trade } from './scene.ts';

afterAll(stopAll);

describe.each(['msgpack', 'json'] as const)('a client that speaks %s', (codec) => {
  test('gives the newest book, best first, and every change of it', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'), delta('A', '9.99', '7'));
    const client = clientOf(gateway.streamUrl, { codec });
    const book = client.book('A', { depth: 10 });
    const state = await book.ready;
    expect(state).toMatchObject({
      symbol: 'A',
      seq: 2,
      bids: [
        { price: 1000, size: 5 },
        { price: 999, size: 7 },
      ],
      asks: [{ price: 1001, size: 5 }],
      depth: 10,
      priceScale: 2,
      sizeScale: 0,
    });
    expect([book.formatPrice(999), book.formatSize(7)]).toEqual(['9.99', '7']);
    const changed = new Promise<BookState>((resolve) => book.on('change', resolve));
    await published(gateway, delta('A', '9.98', '1'));
    expect(await changed).toMatchObject({ seq: 3, bids: { length: 3 } });
    expect(book.current).toMatchObject({ seq: 3 });
    // What was given out before has not changed.
    expect(state.bids).toHaveLength(2);
  });

  test('gives quotes, statuses and trades with their times', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'), { symbol: 'A', type: 'status', status: 'halted', reason: 'news' });
    const client = clientOf(gateway.streamUrl, { codec });
    const trades = client.trades('A', { last: 10 });
    await trades.ready;
    expect(await client.quote('A').ready).toMatchObject({ bidPrice: 1000, bidSize: 5, askPrice: 1001, askSize: 5 });
    expect(await client.status('A').ready).toMatchObject({ status: 'halted', reason: 'news' });
    await published(gateway, trade('A', '3'));
    const { value } = await trades[Symbol.asyncIterator]().next();
    expect(value).toMatchObject({ symbol: 'A', seq: 1, price: 1001, size: 3, side: 'buy', kind: 'trade' });
    const { publishUs, gatewayUs, receivedUs } = value as Trade;
    for (const us of [publishUs, gatewayUs, receivedUs]) expect(us).toBeGreaterThan(1.7e15);
  });
});

describe('a loop', () => {
  test('over a book gets the newest state, and none of those that it slept through', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A');
    const states = book[Symbol.asyncIterator]();
    expect((await states.next()).value).toMatchObject({ seq: 1 });
    const atFour = new Promise<void>((resolve) => book.on('change', ({ seq }) => seq === 4 && resolve()));
    await published(gateway, delta('A', '9.97', '1'), delta('A', '9.96', '1'), delta('A', '9.95', '1'));
    await atFour;
    expect((await states.next()).value).toMatchObject({ seq: 4 });
  });

  test('over trades gets each of them, from the past on, in order', async () => {
    const gateway = gatewayOf();
    await published(gateway, ...['1', '2', '3', '4'].map((size) => trade('A', size)));
    const client = clientOf(gateway.streamUrl);
    const sizes: number[] = [];
    for await (const { size } of client.trades('A', { last: 3 })) {
      if (sizes.push(size) === 3) await published(gateway, trade('A', '5'));
      if (sizes.length === 4) break;
    }
    expect(sizes).toEqual([2, 3, 4, 5]);
  });

  test('ends when its subscription is closed', async () => {
    const client = clientOf(gatewayOf().streamUrl);
    const trades = client.trades('A');
    const pending = trades[Symbol.asyncIterator]().next();
    await trades.ready;
    trades.close();
    expect(await pending).toEqual({ done: true, value: undefined });
  });

  test('over trades that is too slow loses the oldest, and an event names each that is lost', async () => {
    const gateway = gatewayOf();
    const client = clientOf(gateway.streamUrl);
    const trades = client.trades('A', { queueMax: 20 });
    await trades.ready;
    const loop = trades[Symbol.asyncIterator]();
    const first = loop.next();
    await published(gateway, trade('A', '1'));
    expect((await first).value).toMatchObject({ seq: 1 });
    const gaps: [number, number][] = [];
    client.on('gap', ({ channel, symbol, firstSeq, lastSeq, reason }) => {
      expect({ channel, symbol, reason }).toEqual({ channel: 'trade', symbol: 'A', reason: 'overflow' });
      gaps.push([firstSeq, lastSeq]);
    });
    const all = new Promise<void>((resolve) => trades.on('trade', ({ seq }) => seq === 26 && resolve()));
    await published(gateway, ...Array.from({ length: 25 }, () => trade('A', '1')));
    await all;
    expect(gaps).toEqual([
      [2, 3],
      [4, 5],
      [6, 7],
    ]);
    const seqs: unknown[] = [];
    while (trades.queued > 0) seqs.push(((await loop.next()).value as Trade).seq);
    expect(seqs).toEqual(Array.from({ length: 19 }, (_, i) => 8 + i));
    expect(client.counters).toMatchObject({ overflowed: 6, delivered: 26, gaps: 3, gapped: 0 });
  });

  test('over trades is refused beside another one', async () => {
    const trades = clientOf(gatewayOf().streamUrl).trades('A');
    void trades[Symbol.asyncIterator]().next();
    await expect(trades[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'already-iterated' });
  });
});

describe('a subscription', () => {
  test('is changed without a gap', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'), delta('A', '9.99', '1'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A', { depth: 1 });
    expect((await book.ready).bids).toHaveLength(1);
    expect(book.inForce).toMatchObject({ depth: 1, intervalMs: 0 });
    const wide = new Promise<BookState>((resolve) => book.on('change', (state) => state.depth === 5 && resolve(state)));
    expect(await book.set({ depth: 5, interval: 9, priority: 7 })).toMatchObject({ depth: 5, intervalMs: 10 });
    expect((await wide).bids).toHaveLength(2);
    expect(book.counters).toMatchObject({ resyncs: 0, resets: 0 });
  });

  test('stays as it was where its change is refused, and says why', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A', { depth: 5 });
    await book.ready;
    const told = next(client, 'error');
    await expect(book.set({ depth: 7 as 5 })).rejects.toMatchObject({ code: 'bad-depth' });
    expect(await told).toMatchObject({ channel: 'book', symbol: 'A', error: { code: 'bad-depth' } });
    expect(await book.set({ interval: 100 })).toMatchObject({ depth: 5, intervalMs: 100 });
    expect(book.closed).toBe(false);
  });

  test('that is refused rejects with the gateway’s code, message and action, and its loop throws the same', async () => {
    const client = clientOf(gatewayOf().streamUrl);
    const book = client.book('NOPE');
    const loop = book[Symbol.asyncIterator]().next();
    const error = await book.ready.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TickwireError);
    expect(error).toMatchObject({ code: 'unknown-symbol', message: expect.stringContaining('NOPE'), action: /./ });
    await expect(loop).rejects.toBe(error);
    expect([book.closed, book.error]).toEqual([true, error]);
    await expect(book.set({ depth: 5 })).rejects.toMatchObject({ code: 'closed' });
    // Its place is free again.
    await expect(client.book('NOPE').ready).rejects.toMatchObject({ code: 'unknown-symbol' });
  });

  test('that no request can hold is refused by the client itself', async () => {
    const client = clientOf(gatewayOf().streamUrl);
    const priority = (() => 5) as unknown as number;
    await expect(client.book('A', { priority }).ready).rejects.toMatchObject({ code: 'bad-option' });
  });

  test('there is once per topic; closed, it can be made anew at once', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'), trade('A', '1'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A', { depth: 1 });
    expect(() => client.book('A')).toThrow(expect.objectContaining({ code: 'already-subscribed' }));
    for (const pattern of ['A*', '@all']) {
      expect(() => client.book(pattern)).toThrow(expect.objectContaining({ code: 'bad-option' }));
    }
    await book.ready;
    book.close();
    const again = client.book('A', { depth: 5 });
    expect(await again.ready).toMatchObject({ depth: 5, seq: 1 });
    expect(again.counters).toMatchObject({ resyncs: 0 });
  });

  test('to a grouped book stands beside that to the whole one, and keeps its group', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A', '9.98', '10.01', '5'), delta('A', '9.97', '2'));
    const client = clientOf(gateway.streamUrl);
    const [whole, grouped] = [client.book('A'), client.book('A', { group: 10 })];
    expect((await whole.ready).bids).toHaveLength(2);
    expect((await grouped.ready).bids).toEqual([{ price: 990, size: 7 }]);
    await expect(grouped.set({ depth: 1, ...{ group: 5 } })).rejects.toMatchObject({ code: 'bad-option' });
    whole.close();
    const moved = new Promise<BookState>((resolve) => grouped.on('change', resolve));
    await published(gateway, delta('A', '9.96', '1'));
    expect((await moved).bids).toEqual([{ price: 990, size: 8 }]);
  });

  test('ends with an error when its instrument is delisted', async () => {
    const gateway = gatewayOf();
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A');
    await book.ready;
    const told = next(client, 'error');
    gateway.instruments.delist('A');
    expect(await told).toMatchObject({ channel: 'book', symbol: 'A', error: { code: 'ended' } });
    expect(book.error).toMatchObject({ code: 'ended', message: expect.stringContaining('delisted') });
  });
});

describe('a client', () => {
  test('sends what was asked for before the connection stands, many subscriptions in few requests', async () => {
    const gateway = gatewayOf({});
    const client = clientOf(gateway.streamUrl);
    const books = ['A', 'B', 'C'].map((symbol) => client.book(symbol));
    const limited = client.limit({ maxBytesPerSec: 1_000_000 });
    expect(await client.request({ op: 'ping' })).toMatchObject({ type: 'pong' });
    expect(await limited).toMatchObject({ type: 'ack', op: 'limit' });
    await Promise.all(books.map(({ ready }) => ready));
    expect(client.welcome).toMatchObject({ version: 'tickwire.v1' });
  });

  test('hears of instruments', async () => {
    const gateway = gatewayOf();
    const client = clientOf(gateway.streamUrl);
    const listed = next(client, 'instrument', ({ symbol }) => symbol === 'C');
    await client.request({ op: 'instruments', watch: true });
    expect(await listed).toEqual({
      action: 'listed',
      symbol: 'C',
      priceScale: 2,
      sizeScale: 0,
      tickSize: 1,
      lotSize: 1,
    });
    const delisted = next(client, 'instrument', ({ action }) => action === 'delisted');
    gateway.instruments.delist('C');
    expect(await delisted).toMatchObject({ symbol: 'C' });
  });

  test('measures its round trip and the age of what arrives', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const client = clientOf(gateway.streamUrl);
    await next(client, 'lag');
    expect(client.lag.roundTripMs).toBeGreaterThan(0);
    const book = client.book('A');
    await book.ready;
    const moved = new Promise((resolve) => book.on('change', resolve));
    await published(gateway, delta('A', '9.99', '1'));
    await moved;
    await client.request({ op: 'ping' });
    expect(client.lag.latencyMs).toBeGreaterThanOrEqual(0);
  });

  test('refuses requests that are subscriptions, and options that can not be', async () => {
    const client = clientOf(gatewayOf().streamUrl);
    await expect(client.request({ op: 'subscribe' } as never)).rejects.toMatchObject({ code: 'bad-option' });
    for (const bad of ['http://localhost/v1/stream', [], '']) {
      expect(() => connect(bad)).toThrow(expect.objectContaining({ code: 'bad-option' }));
    }
    const url = 'ws://localhost:1/v1/stream';
    expect(() => connect(url, { reconnect: { minMs: 5, maxMs: 1 } })).toThrow(/minMs/);
    expect(() => connect(url, { codec: 'xml' as 'json' })).toThrow(/codec/);
  });

  test('closed, is closed with all that it has', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A');
    const never = client.book('B');
    await book.ready;
    const request = client.request({ op: 'ping' });
    client.close();
    await expect(request).rejects.toMatchObject({ code: 'closed' });
    expect([client.state, book.closed, never.closed]).toEqual(['closed', true, true]);
    expect(() => client.book('A')).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  test('survives a listener that throws, and lets it be known', async () => {
    const gateway = gatewayOf();
    await published(gateway, snapshot('A'));
    const client = clientOf(gateway.streamUrl);
    const book = client.book('A');
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
    const off = book.on('change', () => {
      throw new Error('of the user');
    });
    await book.ready;
    expect(await uncaught).toMatchObject({ message: 'of the user' });
    off();
    for (const listener of others) process.on('uncaughtException', listener);
    expect(client.state).toBe('open');
  });
});
