// Holds how a gateway begins and ends: where it can't listen it says so and leaves nothing running, and when it stops its
// clients are told and the process can end by itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { Gateway } from '../../src/gateway/gateway.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { readSettings, type Settings } from '../../src/settings/settings.ts';
import { ask, HAS_IPV6, portOf, startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { endAll, Opcode, RawSocket } from '../gateway/rawsocket.ts';

const silent = pino({ level: 'silent' });
const LISTED = [{ symbol: 'A', priceScale: 0, sizeScale: 0 }];

afterEach(() => {
  endAll();
  stopAll();
});

function unstarted(overrides: Partial<Settings>): Gateway {
  return new Gateway(readSettings({ port: 0, adminPort: 0, ...overrides }, {}), silent);
}

async function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/v1/time`).then(
    ({ ok }) => ok,
    () => false,
  );
}

describe('starting', () => {
  const v6 = [
    ['::', '127.0.0.1', 'localhost'],
    ['::', '::1', 'localhost'],
    ['::1', '::1', '[::1]'],
  ] as const;
  test.each([
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['localhost', '127.0.0.1', 'localhost'],
    ['0.0.0.0', '127.0.0.1', 'localhost'],
    ...(HAS_IPV6 ? v6 : []),
  ] as const)('on %s it is reached at %s, and prints an address that works: %s', async (host, reachedAt, printed) => {
    const gateway = startGateway({ host });
    expect(new URL(gateway.url).hostname).toBe(printed);
    expect(gateway.streamUrl).toBe(`${gateway.url.replace('http', 'ws')}/v1/stream`);
    expect((await ask(gateway, '/v1/time', { host: reachedAt })).status).toBe(200);
    expect((await fetch(`${gateway.url}/v1/time`)).status).toBe(200);
  });
  test('a public port that is taken is an error that names it, and the one who has it goes on', async () => {
    const first = startGateway();
    const second = unstarted({ port: portOf(first) });
    expect(() => second.start()).toThrow(`127.0.0.1:${portOf(first)} is taken`);
    expect((await ask(first, '/v1/time')).status).toBe(200);
    second.stop();
  });
  test('an admin port that is taken leaves no public port open', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port: adminPort } = taken.address() as { port: number };
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as { port: number };
    free.close();
    await once(free, 'close');
    const gateway = unstarted({ port, adminPort });
    expect(() => gateway.start()).toThrow(`127.0.0.1:${adminPort} is taken`);
    expect(await answers(port)).toBe(false);
    taken.close();
  });
  test('a host that is none of this machine is an error', () => {
    expect(() => unstarted({ host: '192.0.2.77' }).start()).toThrow('192.0.2.77:0 is taken, or not an address');
    expect(() => unstarted({ host: 'no-such-host.invalid' }).start()).toThrow('no-such-host.invalid');
  });
});

describe('stopping', () => {
  test('every client is closed with 1001, whatever it is doing', async () => {
    const gateway = startGateway({}, LISTED);
    const clients = await Promise.all([
      TestClient.connect(gateway, 'json'),
      TestClient.connect(gateway, 'msgpack'),
      TestClient.connect(gateway, 'msgpack'),
    ]);
    clients[0]!.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
    clients[1]!.send({ op: 'subscribe', id: 1, channel: 'quote', symbols: ['A'], interval: 60_000 });
    await clients[0]!.settled();
    clients[2]!.send({ op: 'ping', id: 1 });
    gateway.stop();
    for (const client of clients) {
      expect(await client.closed).toEqual({ code: CloseCode.goingAway, reason: 'the gateway stops; come back' });
    }
    expect(gateway.connectionCount).toBe(0);
  });
  test('answers that wait go out before the goodbye', async () => {
    const gateway = startGateway({}, LISTED);
    const raw = await RawSocket.upgraded(gateway);
    gateway.stop();
    const welcome = await raw.message();
    expect(welcome.payload.toString()).toContain('"welcome"');
    const { opcode, payload } = await raw.message();
    expect([opcode, payload.readUInt16BE(0)]).toEqual([Opcode.close, CloseCode.goingAway]);
    await raw.untilClosed();
  });
  test('nothing listens afterwards, and the port is free for the next one', async () => {
    const gateway = startGateway();
    const port = portOf(gateway);
    const { adminUrl } = gateway;
    gateway.stop();
    expect(await answers(port)).toBe(false);
    await expect(fetch(`${adminUrl}/healthz`)).rejects.toThrow();
    const next = unstarted({ port });
    next.start();
    expect(await answers(port)).toBe(true);
    next.stop();
  });
  test('once is enough: stopping again, or what never started, does no harm', () => {
    const gateway = startGateway();
    gateway.stop();
    gateway.stop();
    unstarted({}).stop();
  });
  test('what is published afterwards reaches nobody and breaks nothing', async () => {
    const gateway = startGateway({}, LISTED);
    const client = await TestClient.connect(gateway);
    client.send({ op: 'subscribe', id: 1, channel: 'trade', symbols: ['A'] });
    await client.settled();
    gateway.stop();
    const update = { kind: 'trade', id: 1, tradeKind: 'trade', side: 'buy', price: 1, size: 1 } as const;
    expect(await gateway.bus.publish([{ symbol: 'A', update, exchangeUs: null }])).toMatchObject([{ seq: 1 }]);
    await client.closed;
    expect(client.frames).toEqual([]);
  });
  test('a request under way is given up, without harm', async () => {
    const gateway = startGateway({}, LISTED);
    const raw = await RawSocket.connect(gateway);
    raw.write('POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"type":');
    await ask(gateway, '/v1/time');
    gateway.stop();
    await raw.untilClosed();
    expect(raw.received.length).toBe(0);
  });
  test('it is ready while it runs, and not to be asked afterwards', async () => {
    const gateway = startGateway();
    const socket = new WebSocket(gateway.streamUrl);
    await once(socket, 'open');
    expect(((await (await fetch(`${gateway.adminUrl}/readyz`)).json()) as { ready: boolean }).ready).toBe(true);
    gateway.stop();
    await once(socket, 'close');
    await expect(fetch(`${gateway.adminUrl}/readyz`)).rejects.toThrow();
  });
  test('a process whose gateway was stopped ends by itself', async () => {
    const script = fileURLToPath(new URL('starter.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let output = '';
    let stoppedAtMs = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      stoppedAtMs = performance.now();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    expect([output, code]).toEqual(['stopped 1001 1001\n', 0]);
    expect(performance.now() - stoppedAtMs).toBeLessThan(3_000);
  });
});
