// Holds the generator's client to what a server must be able to rely on: it answers every ping with its own payload, and a
// client that stalls reads nothing more. The server here is a bare TCP socket.

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleepMs } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client, type ClientShare } from './client.ts';
import { TrickleClient } from './trickle.ts';
import { ReadBuffer } from './wsframes.ts';

const ACCEPTED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const server = createServer();
const problems: string[] = [];
const messages: string[] = [];
let socket: Socket;
let received = Buffer.alloc(0);
let client: Client | undefined;

beforeEach(async () => {
  problems.length = 0;
  messages.length = 0;
  received = Buffer.alloc(0);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  client?.end();
  socket.destroy();
  server.close();
  await once(server, 'close');
});

function share(): ClientShare {
  const { port } = server.address() as { port: number };
  return {
    ...{ port, subprotocol: null, buffer: new ReadBuffer(), acknowledge: null, traffic: { bytes: 0, reads: 0 } },
    audit: { receive: () => {}, problem: (text) => void problems.push(text) },
    receiver: {
      receive: (_, bytes, start, end) => void messages.push(Buffer.from(bytes.subarray(start, end)).toString()),
    },
  };
}

/** Takes the upgrade, and from then on what the client says. */
async function upgraded<Kind extends Client>(make: () => Kind): Promise<Kind> {
  const connecting = once(server, 'connection');
  const made = make();
  client = made;
  [socket] = (await connecting) as [Socket];
  socket.on('error', () => {});
  await once(socket, 'data');
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  socket.write(ACCEPTED);
  await made.open;
  return made;
}

/** The client's frames that are short: opcode and what they carry. */
function said(): [opcode: number, payload: string][] {
  const frames: [number, string][] = [];
  for (let at = 0; at < received.length; ) {
    const bytes = received[at + 1]! & 0x7f;
    const mask = received.subarray(at + 2, at + 6);
    const masked = received.subarray(at + 6, at + 6 + bytes);
    const payload = Buffer.from(masked.map((byte, index) => byte ^ mask[index & 3]!)).toString();
    frames.push([received[at]! & 0x0f, payload]);
    at += 6 + bytes;
  }
  return frames;
}

describe('a client', () => {
  it('answers each ping with a pong of the same payload, in order', async () => {
    await upgraded(() => new Client(0, share()));
    socket.write(Buffer.from('\x89\x011\x82\x02ab\x89\x0c123456789012\x89\x00', 'latin1'));
    await expect.poll(said).toEqual([
      [10, '1'],
      [10, '123456789012'],
      [10, ''],
    ]);
    expect(messages).toEqual(['ab']);
  });

  it('counts what follows the upgrade', async () => {
    const opened = await upgraded(() => new Client(0, share()));
    socket.write(Buffer.from('\x82\x02ab\x89\x011', 'latin1'));
    await expect.poll(() => opened.readBytes).toBe(7);
  });

  it('reads nothing more once it has stalled, and what becomes of it is no fault', async () => {
    const opened = await upgraded(() => new Client(0, share()));
    opened.stall();
    socket.write(Buffer.from('\x82\x02ab\x89\x011', 'latin1'));
    await sleepMs(50);
    socket.resetAndDestroy();
    await sleepMs(50);
    expect([messages, said(), problems]).toEqual([[], [], []]);
  });

  it('makes a problem of a connection that ends', async () => {
    await upgraded(() => new Client(7, share()));
    socket.end();
    await expect.poll(() => problems).toEqual(['client 7: the connection ended']);
  });
});

describe('a slow client', () => {
  it('reads at its rate, and answers pings as it comes to them', async () => {
    const slow = await upgraded(() => new TrickleClient(0, share(), 10_000));
    slow.begin();
    const fromMs = performance.now();
    const message = Buffer.concat([Buffer.from([0x82, 0x7e, 0x13, 0x88]), Buffer.alloc(5_000, 'x')]);
    socket.write(Buffer.concat([message, Buffer.from('\x89\x019', 'latin1'), message]));
    await expect.poll(() => said().length, { timeout: 30_000 }).toBe(1);
    const seconds = (performance.now() - fromMs) / 1_000;
    expect(slow.readBytes).toBeGreaterThanOrEqual(5_007);
    expect(slow.readBytes).toBeLessThanOrEqual(10_000 * seconds + 2_500);
    expect(said()).toEqual([[10, '9']]);
    expect(messages).toHaveLength(1);
  });
});
