// Holds the publisher SDK to its word on real gateways: every item has one end, batches are batches, the buffer is bounded, and
// nothing that may have been published is ever published again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import type { Gateway } from '../../src/gateway/gateway.ts';
import {
  type PublishError,
  type Publisher,
  type PublisherOptions,
  type PublishItem,
  publisher,
} from '../../src/publisher/index.ts';
import { ask, portOf, startGateway, stopAll } from '../gateway/harness.ts';
import { SYMBOLS } from '../gateway/items.ts';

const made: Publisher[] = [];
afterEach(async () => {
  stopAll();
  await Promise.all(made.splice(0).map((each) => each.close()));
});

function make(url: string, options: PublisherOptions = {}): Publisher {
  const out = publisher(url, { reconnect: { minMs: 1, maxMs: 20 }, ...options });
  made.push(out);
  return out;
}

const urlOf = (gateway: Gateway, transport: string) => `${transport}://127.0.0.1:${portOf(gateway)}`;
const refusal = (promise: Promise<unknown>): Promise<PublishError> =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: PublishError) => error,
  );
const BOOK = { bids: [['10.00', '1']], asks: [['10.05', '3']] } as const;
const TRADE: PublishItem = { type: 'trade', symbol: 'A', price: '10', size: '1' };

/** Resolves with the first state that is wanted. */
function states(): { options: PublisherOptions; until(wanted: string): Promise<void> } {
  const waiting: { wanted: string; resolve: () => void }[] = [];
  const seen: string[] = [];
  const check = () => {
    for (const each of waiting) {
      const at = seen.indexOf(each.wanted);
      if (at < 0) continue;
      seen.splice(0, at + 1);
      each.resolve();
      waiting.splice(waiting.indexOf(each), 1);
    }
  };
  return {
    options: {
      onState: (state) => {
        seen.push(state);
        check();
      },
    },
    until: (wanted) =>
      new Promise((resolve) => {
        waiting.push({ wanted, resolve });
        check();
      }),
  };
}

describe.each(['ws', 'http'])('over %s', (transport) => {
  test('everything that there is to publish gets its place in the sequence', async () => {
    const gateway = startGateway();
    const out = make(urlOf(gateway, transport));
    await out.instrument({ symbol: 'X', priceScale: 1, sizeScale: 8, tickSize: 5, lotSize: '0.1' });
    await out.instrument({ symbol: 'FX', priceScale: 4, sizeScale: 0, quoteSource: 'published' });
    expect((await ask(gateway, '/v1/instruments/X')).body).toMatchObject({ tickSize: '0.5', lotSize: '0.10000000' });
    const book = { bids: [['65000.0', '1.5']], asks: [['65000.5', '2']] } as const;
    const first = await out.snapshot('X', book, { exchangeUs: 1_700_000_000_000_000 });
    expect(first).toEqual({ epoch: expect.any(Number), seq: 1 });
    expect(await out.delta('X', { bids: [['65000.0', '0']] })).toEqual({ ...first, seq: 2 });
    expect(await out.delta('X', { bids: [[{ mantissa: 649_995 }, { mantissa: 30_000_000 }]], asks: [] })).toEqual({
      ...first,
      seq: 3,
    });
    expect((await out.quote('FX', { bidPrice: '1.2345', bidSize: '7', askPrice: null })).seq).toBe(1);
    const trade = { id: 7, side: 'buy', price: '65000.5', size: '0.1' } as const;
    expect((await out.trade('X', trade)).seq).toBe(1);
    expect((await out.correction('X', { ...trade, size: '0.2' })).seq).toBe(2);
    expect((await out.bust('X', trade)).seq).toBe(3);
    expect((await out.status('X', 'halted', 'news')).seq).toBe(1);
    expect((await ask(gateway, '/v1/book/X')).body).toMatchObject({
      seq: 3,
      status: 'halted',
      bids: [['64999.5', '0.30000000']],
      asks: [['65000.5', '2.00000000']],
    });
    const { trades } = (await ask(gateway, '/v1/trades/X')).body as { trades: { kind: string }[] };
    expect(trades.map(({ kind }) => kind)).toEqual(['trade', 'correction', 'bust']);
    expect(out.counters).toMatchObject({ accepted: 8, refused: 0, unknown: 0 });
  });

  test('what is refused rejects with the code, the advice and the symbol; the rest of its batch is taken', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const bare: string[] = [];
    const out = make(urlOf(gateway, transport), { onNeedsSnapshot: (symbol) => bare.push(symbol) });
    const ends = await Promise.allSettled([
      out.delta('A', { bids: [['10', '1']] }),
      out.delta('A', { bids: [['10', '2']] }),
      out.snapshot('A', BOOK),
      out.trade('NOPE', { price: '1', size: '1' }),
      out.delta('A', { bids: [['10.03', '1']] }),
      out.quote('A', { bidPrice: '1', askPrice: null }),
      out.publish(TRADE),
    ]);
    const shown = ends.map((end) => (end.status === 'fulfilled' ? end.value.seq : (end.reason as PublishError).code));
    expect(shown).toEqual(['needs-snapshot', 'needs-snapshot', 1, 'unknown-symbol', 'off-tick', 'derived-channel', 1]);
    expect((ends[3] as PromiseRejectedResult).reason).toMatchObject({
      name: 'PublishError',
      code: 'unknown-symbol',
      message: 'There is no such instrument. (NOPE)',
      action: expect.stringContaining('PUT /v1/instruments'),
      symbol: 'NOPE',
    });
    expect(bare).toEqual(['A']);
    expect(out.counters).toEqual({ accepted: 2, refused: 5, unknown: 0, messages: 1 });
  });

  test.each<[string, unknown, string]>([
    ['a price that is a number', { ...TRADE, price: 10 }, 'bad-price'],
    ['a size that is a number', { ...TRADE, size: 1n }, 'bad-size'],
    ['a level of numbers', { type: 'delta', symbol: 'A', bids: [[10, 1]] }, 'bad-price'],
    ['a broken mantissa', { ...TRADE, price: { mantissa: 0.5 } }, 'bad-price'],
    ['a mantissa beyond 2^53', { ...TRADE, size: { mantissa: 2 ** 53 } }, 'out-of-range'],
    ['a time with a fraction', { ...TRADE, exchangeUs: 0.5 }, 'bad-request'],
    ['lists within lists', { type: 'delta', symbol: 'A', bids: [['1', '1', [[[[[[[1]]]]]]]]] }, 'bad-request'],
    [
      'a hundred fields',
      { ...TRADE, ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i])) },
      'bad-request',
    ],
    ['no object', 7, 'bad-request'],
    ['nothing', null, 'bad-request'],
    ['a function', { ...TRADE, id: () => 1 }, 'bad-request'],
    ['an unknown type', { type: 'candle', symbol: 'A' }, 'bad-request'],
    ['levels that are none', { type: 'delta', symbol: 'A', bids: 'x' }, 'bad-request'],
  ])('%s is refused alone', async (_, item, code) => {
    const out = make(urlOf(startGateway({}, SYMBOLS), transport));
    const [bad, good] = [out.publish(item as PublishItem), out.publish(TRADE)];
    expect(await refusal(bad)).toMatchObject({ code, name: 'PublishError' });
    expect((await good).seq).toBe(1);
  });

  test('items of one turn travel in one message, or in as few as the batch allows', async () => {
    const out = make(urlOf(startGateway({}, SYMBOLS), transport), { batchItemsMax: 100 });
    await out.publish(TRADE);
    const seqs = await Promise.all(Array.from({ length: 1_000 }, () => out.publish(TRADE)));
    expect(seqs.map(({ seq }) => seq)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 2));
    expect(out.counters.messages).toBe(11);
  });

  test('the buffer is bounded: send says so, waiting items reject, drained tells when there is room', async () => {
    const refused: string[] = [];
    const out = make(urlOf(startGateway({}, SYMBOLS), transport), {
      bufferItemsMax: 10,
      onRefusal: ({ code }) => refused.push(code),
    });
    await out.drained();
    const taken = Array.from({ length: 15 }, () => out.send(TRADE));
    expect(taken).toEqual([...Array(10).fill(true), ...Array(5).fill(false)]);
    expect((await refusal(out.publish(TRADE))).code).toBe('buffer-full');
    await out.drained();
    expect(out.pending).toBeLessThanOrEqual(5);
    expect(out.send({ ...TRADE, symbol: 'NOPE' })).toBe(true);
    await out.flush();
    expect(refused).toEqual(['unknown-symbol']);
    expect(out.counters).toMatchObject({ accepted: 10, refused: 1 });
  });

  test('flush waits for what was handed in before it, close for everything', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const out = make(urlOf(gateway, transport));
    for (let i = 0; i < 100; i++) out.send(TRADE);
    await out.flush();
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(100);
    out.send(TRADE);
    await out.close();
    expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(101);
    expect(out.state).toBe('closed');
    expect(out.send(TRADE)).toBe(false);
    expect((await refusal(out.publish(TRADE))).code).toBe('closed');
    expect((await refusal(out.drained())).code).toBe('closed');
  });

  test('a token is brought; without it the gateway refuses', async () => {
    const gateway = startGateway({ publishToken: 'sesame' }, SYMBOLS);
    const refused = await refusal(make(urlOf(gateway, transport)).publish(TRADE));
    expect(refused).toMatchObject({ code: 'unauthorized', symbol: 'A', action: expect.stringContaining('Bearer') });
    expect((await make(urlOf(gateway, transport), { token: 'sesame' }).publish(TRADE)).seq).toBe(1);
  });

  test('an instrument that can not be is refused with its reason', async () => {
    const out = make(urlOf(startGateway(), transport));
    const spec = { symbol: 'X', priceScale: 2, sizeScale: 0 };
    expect(await refusal(out.instrument({ ...spec, priceScale: 99 }))).toMatchObject({
      code: 'bad-instrument',
      symbol: 'X',
    });
    expect(await refusal(out.instrument({ ...spec, tickSize: 0.01 }))).toMatchObject({ code: 'bad-instrument' });
    expect(await refusal(out.instrument({ ...spec, symbol: 'a/b' }))).toMatchObject({ code: 'bad-symbol' });
  });

  test('where there is no gateway, items fail fast', async () => {
    const gateway = startGateway();
    const url = urlOf(gateway, transport);
    stopAll();
    const out = make(url);
    expect(await refusal(out.publish(TRADE))).toMatchObject({ code: 'not-connected' });
    expect(await refusal(out.instrument({ symbol: 'X', priceScale: 0, sizeScale: 0 }))).toMatchObject({
      code: 'not-connected',
    });
  });

  test('what answers there is something else, and that is said', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('<html>'));
    onTestFinished(() => void server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const out = make(`${transport}://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect((await refusal(out.publish(TRADE))).message).toContain('HTTP 404: is it a Tickwire gateway?');
  });
});

test.each(['nonsense', 'ftp://localhost', ''])('the address %j is refused at once', (url) => {
  expect(() => publisher(url)).toThrow(/no address of a gateway: give one such as ws:/);
});

test('an option that can not work is refused at once', () => {
  expect(() => publisher('ws://localhost', { batchItemsMax: 0 })).toThrow('batchItemsMax is 0');
});

describe('over a WebSocket', () => {
  test('no more items are under way than there are credits, and all arrive in order', async () => {
    const gateway = startGateway({ publishCreditsMax: 7, publishItemsMax: 3 }, SYMBOLS);
    const out = make(urlOf(gateway, 'ws'));
    const places = await Promise.all(Array.from({ length: 500 }, () => out.publish(TRADE)));
    expect(places.map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    expect(gateway.refusals).toEqual({});
  });

  test('batches are cut where the gateway takes no longer messages; what is too long by itself is refused alone', async () => {
    const gateway = startGateway({ publishBytesMax: 1_024 }, SYMBOLS);
    const out = make(urlOf(gateway, 'ws'));
    const long: PublishItem = { ...TRADE, id: 'x'.repeat(60) };
    const ends = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => out.publish(long)),
      out.publish({ ...TRADE, id: 'x'.repeat(2_000) }),
      out.publish(long),
    ]);
    const shown = ends.map((end) => (end.status === 'fulfilled' ? end.value.seq : (end.reason as PublishError).code));
    expect(shown).toEqual([...Array.from({ length: 20 }, (_, i) => i + 1), 'too-large', 21]);
  });

  test('a gateway that stops and comes back is found again; what comes in between fails fast', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const port = portOf(gateway);
    const { options, until } = states();
    const out = make(urlOf(gateway, 'ws'), options);
    expect((await out.publish(TRADE)).seq).toBe(1);
    gateway.stop();
    await until('waiting');
    startGateway({ port }, SYMBOLS);
    await out.drained();
    expect((await out.publish(TRADE)).seq).toBe(1);
  });

  test('with reconnect off it ends with its connection, and says why', async () => {
    const gateway = startGateway({}, SYMBOLS);
    const { options, until } = states();
    const out = make(urlOf(gateway, 'ws'), { ...options, reconnect: false });
    await out.publish(TRADE);
    gateway.stop();
    await until('closed');
    expect(await refusal(out.publish(TRADE))).toMatchObject({ code: 'not-connected', symbol: 'A' });
    expect(out.send(TRADE)).toBe(false);
  });

  test('a gateway that no longer speaks this protocol is not asked again', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => server.close());
    let connections = 0;
    server.on('connection', (socket) => {
      connections += 1;
      socket.close(4501, 'unsupported-protocol');
    });
    await once(server, 'listening');
    const out = make(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect((await refusal(out.publish(TRADE))).code).toBe('unsupported-protocol');
    expect([out.state, connections]).toEqual(['closed', 1]);
  });

  test('a gateway that sends nonsense, or nothing at all, is given up', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    });
    server.once('connection', (socket) => {
      socket.send(Buffer.from([0xc1]));
    });
    await once(server, 'listening');
    const out = make(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { silenceMs: 100 });
    expect((await refusal(out.publish(TRADE))).message).toContain("what came can't be read");
    const { code, message } = await refusal(untilTried(out));
    expect([code, message]).toEqual(['not-connected', expect.stringContaining('the connection was lost')]);
  });

  /** Publishes as soon as there is an attempt to connect under way. */
  async function untilTried(out: Publisher): Promise<unknown> {
    while (!out.send(TRADE)) await new Promise((resolve) => setImmediate(resolve));
    return out.publish(TRADE);
  }
});

describe('a gateway that is killed', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** On a port that is not given to outgoing connections: a client that tries to come back might get it. */
  async function spawnGateway(): Promise<{ child: ChildProcess; port: number }> {
    const starter = new URL('starter.ts', import.meta.url).pathname;
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const command = ['--import', 'tsx', starter, String(port)];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
    return child.exitCode === null ? { child, port } : spawnGateway();
  }

  test.each(['ws', 'http'])(
    'leaves items over %s with an unknown outcome; none is sent again',
    async (transport) => {
      const { child, port } = await spawnGateway();
      const { options, until } = states();
      const bare: string[] = [];
      const url = `${transport}://127.0.0.1:${port}`;
      const out = make(url, { ...options, bufferItemsMax: 50, onNeedsSnapshot: (symbol) => bare.push(symbol) });
      const spec = { symbol: 'A', priceScale: 2, sizeScale: 0 };
      await out.instrument(spec);
      const { epoch } = await out.snapshot('A', BOOK);
      // It takes in nothing more, but its socket is open.
      child.kill('SIGSTOP');
      const before = out.counters.messages;
      const ends = Promise.allSettled([out.delta('A', { bids: [['10', '2']] }), out.publish(TRADE)]);
      while (out.counters.messages === before) await new Promise((resolve) => setImmediate(resolve));
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      for (const end of await ends) {
        expect((end as PromiseRejectedResult).reason).toMatchObject({ code: 'unknown-outcome', symbol: 'A' });
      }
      if (transport === 'ws') await until('waiting');
      await exited;
      startGateway({ port });
      await out.drained();
      await out.instrument(spec);
      expect((await refusal(out.delta('A', { bids: [['10', '2']] }))).code).toBe('needs-snapshot');
      await new Promise((resolve) => setImmediate(resolve));
      expect(bare).toEqual(['A']);
      const place = await out.snapshot('A', BOOK);
      expect(place.seq).toBe(1);
      expect(place.epoch).not.toBe(epoch);
      expect(await (await fetch(`http://127.0.0.1:${port}/v1/trades/A`)).json()).toMatchObject({ seq: 0, trades: [] });
      expect(out.counters).toMatchObject({ accepted: 2, refused: 1, unknown: 2 });
    },
    60_000,
  );
});
