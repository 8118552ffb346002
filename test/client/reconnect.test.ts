// Exercises what a client does when connections are lost: it comes back by itself, continues from what it holds, tells how each
// subscription healed, and loses none; and when it must not come back, it ends with the reason.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { type BookState, connect, type HealEvent } from '../../src/client/node.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { stopAll } from '../gateway/harness.ts';
import { clientOf, cutterTo, delta, gatewayOf, next, published, snapshot, trade } from './scene.ts';

afterAll(stopAll);

/** A WebSocket that counts what is sent. */
class CountingSocket extends WebSocket {
  static sent = 0;

  override send(data: Parameters<WebSocket['send']>[0]): void {
    CountingSocket.sent += 1;
    super.send(data);
  }
}

/** A server that speaks WebSocket, and does this with each connection. */
async function peer(greet: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', greet);
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/stream`;
}

describe('after its connection was cut, a client', () => {
  test('gets the difference to what it holds, and says so', async () => {
    const gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    await published(gateway, snapshot('A'), delta('A', '9.99', '7'));
    const client = clientOf(cutter.url);
    const book = client.book('A');
    await book.ready;
    const healed = next(client, 'heal');
    cutter.refuse(true);
    cutter.cut();
    await next(client, 'state', ({ state }) => state === 'waiting');
    expect(book.current).toMatchObject({ seq: 2 });
    await published(gateway, delta('A', '9.99', '0'), delta('A', '9.98', '3'));
    cutter.refuse(false);
    expect(await healed).toMatchObject({
      channel: 'book',
      symbol: 'A',
      how: 'diffed',
      reason: null,
      heldSeq: 2,
      seq: 4,
    });
    expect(book.current).toMatchObject({
      seq: 4,
      bids: [
        { price: 1000, size: 5 },
        { price: 998, size: 3 },
      ],
    });
    expect(book.counters).toMatchObject({ delivered: 1, merged: 1, gapped: 0, covered: 0, resyncs: 0, resets: 0 });
    expect(client.counters.reconnects).toBe(1);
  });

  test('gets each trade that it missed, once', async () => {
    const gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    const client = clientOf(cutter.url);
    const trades = client.trades('A', { last: 5 });
    await trades.ready;
    await published(gateway, trade('A', '1'));
    const loop = trades[Symbol.asyncIterator]();
    const seqs = [(await loop.next()).value?.seq];
    const healed = next(client, 'heal');
    cutter.cut();
    await next(client, 'state', ({ state }) => state === 'waiting');
    await published(gateway, trade('A', '2'), trade('A', '3'));
    expect(await healed).toMatchObject({ channel: 'trade', how: 'replayed', heldSeq: 1 });
    while (seqs.length < 3) seqs.push((await loop.next()).value?.seq);
    expect(seqs).toEqual([1, 2, 3]);
    expect([trades.queued, client.counters.ignored]).toEqual([0, 0]);
  });

  test('says that a subscription is current where nothing was missed', async () => {
    const gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    await published(gateway, snapshot('A'), snapshot('B'), trade('B', '1'));
    const client = clientOf(cutter.url);
    await Promise.all([client.book('A').ready, client.quote('A').ready, client.trades('B').ready]);
    const heals: HealEvent[] = [];
    const all = next(client, 'heal', (event) => heals.push(event) === 3);
    cutter.cut();
    await all;
    expect(heals.map(({ channel, how, reason }) => [channel, how, reason]).sort()).toEqual([
      ['book', 'current', null],
      ['quote', 'current', null],
      ['trade', 'current', null],
    ]);
  });

  test('asks for hundreds of subscriptions in a few requests', async () => {
    const symbols = Array.from({ length: 600 }, (_, i) => `S${i}`);
    const gateway = gatewayOf();
    for (const symbol of symbols) {
      gateway.instruments.put({ ...gateway.instruments.get('A')!, symbol });
    }
    const cutter = await cutterTo(() => gateway);
    const client = clientOf(cutter.url, { WebSocket: CountingSocket });
    CountingSocket.sent = 0;
    const quotes = symbols.map((symbol) => client.quote(symbol, { interval: 1_000 }));
    await Promise.all(quotes.map(({ ready }) => ready));
    // Two of subscriptions, a ping, and one before the welcome: 500 symbols fit into one.
    expect(CountingSocket.sent).toBe(4);
    const all = new Set<string>();
    const healed = next(client, 'heal', ({ symbol }) => all.add(symbol).size === 600);
    CountingSocket.sent = 0;
    cutter.cut();
    await healed;
    // The cursors take room: three requests of bytes, and three pings.
    expect(CountingSocket.sent).toBeLessThanOrEqual(7);
    expect(client.counters).toMatchObject({ resets: 0, resyncs: 0 });
  });

  test('makes the subscriptions that were wished meanwhile, and none that were closed', async () => {
    const gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    await published(gateway, snapshot('A'), snapshot('B'));
    const client = clientOf(cutter.url);
    const closed = client.book('A', { depth: 1 });
    await closed.ready;
    const trades = client.trades('A', { last: 5 });
    await trades.ready;
    cutter.cut();
    await next(client, 'state', ({ state }) => state === 'waiting');
    closed.close();
    trades.close();
    const again = client.trades('A', { last: 5 });
    const ready = client.book('B').ready;
    const changed = client.limit({ topOfBook: true });
    expect(await ready).toMatchObject({ symbol: 'B', seq: 1 });
    expect(await changed).toMatchObject({ op: 'limit' });
    await again.ready;
    await published(gateway, delta('A', '9.99', '1'));
    await client.request({ op: 'ping' });
    expect(closed.current).toMatchObject({ seq: 1 });
    expect(again.counters.resets).toBe(1);
  });

  test('repeats its limit and its watch of the instruments', async () => {
    const gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    const client = clientOf(cutter.url);
    await client.request({ op: 'instruments', watch: true });
    await client.limit({ maxBytesPerSec: 5_000 });
    cutter.cut();
    await next(client, 'state', ({ state }) => state === 'open');
    await client.request({ op: 'ping' });
    const heard = next(client, 'instrument', ({ action }) => action === 'delisted');
    gateway.instruments.delist('A');
    expect(await heard).toMatchObject({ symbol: 'A' });
  });
});

describe('when its gateway was restarted, a client', () => {
  test('gets fresh starts, with the reason, and asks again for what is not listed yet', async () => {
    let gateway: Gateway = gatewayOf();
    const cutter = await cutterTo(() => gateway);
    await published(gateway, snapshot('A'), trade('A', '1'));
    const client = clientOf(cutter.url);
    const book = client.book('A');
    const trades = client.trades('A');
    await Promise.all([book.ready, trades.ready]);
    const heals: HealEvent[] = [];
    const both = next(client, 'heal', (event) => heals.push(event) === 2);
    const unlisted = next(client, 'error', ({ error }) => error.code === 'unknown-symbol');
    const definition = gateway.instruments.get('A')!;
    gateway.stop();
    gateway = gatewayOf();
    gateway.instruments.delist('A');
    expect(await unlisted).toMatchObject({ symbol: 'A' });
    expect(book.closed).toBe(false);
    gateway.instruments.put(definition);
    await published(gateway, snapshot('A', '11.00', '11.01'));
    await both;
    expect(heals.map(({ channel, how, reason }) => [channel, how, reason]).sort()).toEqual([
      ['book', 'snapshot', 'epoch'],
      ['trade', 'snapshot', 'epoch'],
    ]);
    await published(gateway, delta('A', '10.99', '1'));
    const moved = (state: BookState | null) => state?.bids.length === 2;
    if (!moved(book.current)) await new Promise<void>((resolve) => book.on('change', (s) => moved(s) && resolve()));
    expect(book.current).toMatchObject({ bids: [{ price: 1100 }, { price: 1099 }] });
    expect(client.counters.resyncs).toBe(0);
  });

  test('turns to the next of its addresses', async () => {
    const gateways = [gatewayOf(), gatewayOf()];
    for (const gateway of gateways) await published(gateway, snapshot('A'));
    const client = clientOf(gateways.map(({ streamUrl }) => streamUrl));
    const book = client.book('A');
    await book.ready;
    const moved = next(client, 'state', ({ state }) => state === 'open');
    const healed = next(client, 'heal');
    gateways[0]!.stop();
    expect(await moved).toMatchObject({ endpoint: gateways[1]!.streamUrl });
    expect(await healed).toMatchObject({ how: 'snapshot', reason: 'epoch' });
    expect(book.current).toMatchObject({ seq: 1 });
  });
});

describe('a client', () => {
  test('leaves a link that has fallen silent, and comes back', async () => {
    const gateway = gatewayOf({ heartbeatMs: 1_000 });
    const cutter = await cutterTo(() => gateway);
    const client = clientOf(cutter.url);
    await client.book('A').ready;
    cutter.stall();
    const lost = await next(client, 'state', ({ state }) => state === 'waiting');
    expect(lost.reason).toMatch(/^lost: nothing heard for \d+ ms$/);
    cutter.resume();
    expect(await next(client, 'heal')).toMatchObject({ how: 'current' });
  });

  test('ends with the gateway’s error where its version is not spoken there', async () => {
    const refusal = {
      type: 'error',
      id: null,
      code: 'unsupported-protocol',
      message: 'None.',
      action: 'Offer another.',
    };
    const url = await peer((socket) => {
      socket.send(`${JSON.stringify(refusal)}\n`);
      socket.close(4501, 'unsupported-protocol');
    });
    const client = clientOf([url, 'ws://127.0.0.1:1/v1/stream']);
    const book = client.book('A');
    await expect(book.ready).rejects.toMatchObject({ code: 'unsupported-protocol', action: 'Offer another.' });
    expect([client.state, book.error?.message]).toEqual(['closed', 'None.']);
  });

  test('ends with a typed error where a close code says that coming back does not help', async () => {
    const client = clientOf(await peer((socket) => socket.close(4599, 'mend-it')));
    const book = client.book('A');
    const error = next(client, 'error');
    await expect(book.ready).rejects.toMatchObject({ code: 'closed-for-good' });
    expect((await error).error.message).toContain('close code 4599: mend-it');
    expect(client.state).toBe('closed');
  });

  test('comes back after any other close code', async () => {
    let connections = 0;
    const url = await peer((socket) => socket.close([1001, 4001, 4002, 1011][connections++ % 4]));
    const client = clientOf(url);
    const reasons: (string | null)[] = [];
    await next(client, 'state', ({ state, reason }) => state === 'waiting' && reasons.push(reason) === 4);
    expect(reasons).toEqual(['close code 1001', 'close code 4001', 'close code 4002', 'close code 1011']);
  });

  test('connects anew where what came breaks the protocol', async () => {
    const url = await peer((socket) => socket.send(Buffer.from([0xc1])));
    const client = clientOf(url);
    const error = next(client, 'error');
    const again = next(client, 'state', ({ state }) => state === 'waiting');
    expect((await error).error.code).toBe('bad-frame');
    expect(await again).toMatchObject({ reason: 'lost: what came can not be used' });
  });

  test('says why an attempt failed, and is closed in the middle of one', async () => {
    const client = connect('ws://127.0.0.1:1/v1/stream', { reconnect: { minMs: 1, maxMs: 1 } });
    expect((await next(client, 'state', ({ state }) => state === 'waiting')).reason).toContain('ECONNREFUSED');
    const url = (await cutterTo(() => gatewayOf())).url;
    const other = connect(url);
    await next(other, 'state', ({ state }) => state === 'connecting');
    other.close();
    client.close();
    expect([client.state, other.state]).toEqual(['closed', 'closed']);
  });
});
