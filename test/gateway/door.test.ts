// Holds what the door does with upgrades that are given up midway, and with what no client sends: it is refused, nothing of it
// stays, and nobody else notices. On raw sockets.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec } from '../../src/protocol/codecs.ts';
import { ask, portOf, startGateway, stopAll, TestClient } from './harness.ts';
import { endAll, handshake, Opcode, RawSocket, wsFrame } from './rawsocket.ts';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({ connectsPerSecMax: 1_000_000 });
});
afterEach(() => {
  endAll();
  stopAll();
});

async function isAlive(): Promise<void> {
  expect((await ask(gateway, '/v1/time')).status).toBe(200);
  const client = await TestClient.connect(gateway);
  await client.settled();
  client.end();
  await expect.poll(() => gateway.connectionCount).toBe(0);
}

describe('an upgrade that is given up', () => {
  /** Answered or not: some connections end before the gateway has accepted them. */
  async function aborted(count: number, go: (tcp: Socket) => Promise<unknown> | undefined): Promise<void> {
    for (let i = 0; i < count; i++) {
      const tcp = connect(portOf(gateway), '127.0.0.1');
      tcp.on('error', () => {});
      await once(tcp, 'connect');
      await go(tcp);
      tcp.resetAndDestroy();
    }
  }
  const stages: [string, (tcp: Socket) => Promise<unknown> | undefined][] = [
    ['right behind the request line', (tcp) => void tcp.write('GET /v1/stream HTTP/1.1\r\n')],
    ['right behind the headers', (tcp) => void tcp.write(handshake())],
    [
      'once it is answered',
      (tcp) => {
        tcp.write(handshake());
        return once(tcp, 'data');
      },
    ],
    [
      'with a request behind it',
      (tcp) => {
        tcp.write(Buffer.concat([Buffer.from(handshake()), wsFrame(Opcode.text, '{"op":"ping","id":1}')]));
        return once(tcp, 'data');
      },
    ],
  ];
  test.each(stages)('a thousand times, %s, leaves nothing behind', { timeout: 120_000 }, async (_, go) => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const descriptors = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
    const before = descriptors();
    await aborted(300, go);
    await isAlive();
    collect();
    const heapBytes = process.memoryUsage().heapUsed;
    await aborted(1_000, go);
    await isAlive();
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 2);
    collect();
    // A connection's state is several kilobytes.
    expect(process.memoryUsage().heapUsed - heapBytes).toBeLessThan(1_500_000);
    expect(gateway.connectionCount).toBe(0);
  });
});

describe('headers', () => {
  test.each([
    ['one of 100 KB', `X: ${'y'.repeat(100_000)}\r\n`],
    ['a thousand', 'X: y\r\n'.repeat(1_000)],
    ['an offer of 100 KB', `Sec-WebSocket-Protocol: ${'a,'.repeat(50_000)}b\r\n`],
  ])('%s are refused, and the connection ends', async (_, more) => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake().replace('\r\n\r\n', `\r\n${more}\r\n`));
    await raw.untilClosed();
    expect(raw.received.toString()).toMatch(/^(HTTP\/1.1 431 |$)/);
    await isAlive();
  });
  test('as many as fit are read', async () => {
    const raw = await RawSocket.connect(gateway);
    raw.write(handshake({ 'X-Forwarded-For': '1.1.1.1,'.repeat(400), 'Sec-WebSocket-Protocol': ','.repeat(500) }));
    expect((await raw.response()).status).toBe(101);
  });
});

test('the answer to HEAD says that its connection ends, which clients that keep theirs go by', async () => {
  for (let i = 0; i < 5; i++) {
    // This client keeps its connections.
    const head = await fetch(`${gateway.url}/v1/instruments`, { method: 'HEAD' });
    const whole = await fetch(`${gateway.url}/v1/instruments`);
    expect((await whole.text()).length).toBe(Number(head.headers.get('content-length')));
    const raw = await RawSocket.connect(gateway);
    raw.write('HEAD /v1/instruments HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await expect.poll(() => raw.received.toString()).toMatch(/\r\nConnection: close\r\n.*\r\n\r\n/s);
  }
});

describe('frames without a mask', () => {
  // RFC 6455 section 5.1 has a server end such a connection. The library reads the first four bytes of the payload as the
  // mask and the rest through it, so that what arrives is noise, which is refused as such, or waits for four more bytes.
  test('are noise to the gateway: nothing that they ask for is done, and others are served', async () => {
    const client = await TestClient.connect(gateway);
    const raws: RawSocket[] = [];
    for (let bytes = 0; bytes < 60; bytes++) {
      const raw = await RawSocket.upgraded(gateway);
      await raw.message();
      raws.push(raw);
      for (let i = 0; i < 20; i++) raw.write(wsFrame(Opcode.text, 'p'.repeat(bytes), { mask: false }));
      raw.write(wsFrame(Opcode.text, '{"op":"ping","id":4242}', { mask: false }));
      raw.write(wsFrame(Opcode.ping, 'x'.repeat(bytes), { mask: false }));
    }
    await client.settled();
    for (const raw of raws) raw.write(wsFrame(Opcode.text, '{"op":"ping","id":4242}', { mask: false }));
    await client.settled();
    for (const { received } of raws) expect(received.toString('latin1')).not.toContain('4242');
    expect(client.socket.readyState).toBe(1);
  });
  test('end at most their own connection', async () => {
    const raw = await RawSocket.upgraded(gateway);
    await raw.message();
    raw.write(wsFrame(Opcode.text, '\0\0\0\0{"op":"nothing"}', { mask: false }));
    // Without a mask its length takes in four bytes of what comes next.
    raw.write(Buffer.alloc(4));
    const { payload } = await raw.message();
    expect(jsonCodec.decoder().decode(payload)).toMatchObject([{ type: 'error' }]);
    endAll();
    await isAlive();
  });
});
