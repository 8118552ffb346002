// Holds the tests' own TCP proxy to its word, before a real Redis: what passes is whole and in order, silence is silent for both
// sides, and resets, refusals and delays take place when they are asked for.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startProxy, type TcpProxy } from './proxy.ts';
import { type RedisServer, startRedis } from './server.ts';

let redis: RedisServer;
let proxy: TcpProxy;
const sockets: Socket[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(async () => {
  proxy = await startProxy(redis.port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
});

/** A connection through the proxy, spoken to in lines of Redis' inline protocol. */
async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket, line: string): Promise<string> {
  const answer = once(socket, 'data') as Promise<[Buffer]>;
  socket.write(`${line}\r\n`);
  return (await answer)[0].toString();
}

/** How the connection ends: the code of its error, or `end`. */
function endOf(socket: Socket): Promise<string> {
  return new Promise((done) => {
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code!)).once('end', () => done('end'));
    socket.resume();
  });
}

/** Connections that the server has, without the one that asks. */
async function connected(): Promise<number> {
  return (
    String(await redis.command('CLIENT', 'LIST', 'TYPE', 'normal'))
      .trim()
      .split('\n').length - 1
  );
}

/** The server's connections from the proxy are its own to end. */
async function serverEndsAll(): Promise<void> {
  await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

describe('a healthy network', () => {
  test('hands on everything unchanged, and counts it', async () => {
    const client = new Redis(proxy.url);
    const bytes = Buffer.from(Uint32Array.from({ length: 3 * 2 ** 20 }, (_, i) => i * 2_654_435_761).buffer);
    await client.set('big', bytes);
    expect((await client.getBuffer('big'))!.equals(bytes)).toBe(true);
    expect(proxy.bytes.toServer).toBeGreaterThan(bytes.length);
    expect(proxy.bytes.toClient).toBeGreaterThan(bytes.length);
    expect([proxy.connections, proxy.connectionsTotal, proxy.bytesSwallowed]).toEqual([1, 1, 0]);
    client.disconnect();
    await proxy.until(() => proxy.connections === 0);
  });
  test('tells each side that the other has ended', async () => {
    const socket = await dial();
    await ask(socket, 'PING');
    const ended = endOf(socket);
    await serverEndsAll();
    expect(await ended).toBe('end');
    const other = await dial();
    await ask(other, 'PING');
    other.end();
    await proxy.until(() => proxy.connections === 0);
    expect(await connected()).toBe(0);
  });
  test('what is delayed comes that much later, and in order when the delay shrinks meanwhile', async () => {
    const socket = await dial();
    await ask(socket, 'PING');
    proxy.delayMs = 40;
    const sentMs = performance.now();
    socket.write('ECHO 1\r\n');
    await proxy.until(() => proxy.bytesHeld > 0);
    proxy.delayMs = 0;
    socket.write('ECHO 2\r\n');
    let answers = '';
    for await (const bytes of socket) {
      answers += String(bytes);
      if (answers.endsWith('2\r\n')) break;
    }
    expect(answers).toBe('$1\r\n1\r\n$1\r\n2\r\n');
    // Not before: a delay has no other proof.
    expect(performance.now() - sentMs).toBeGreaterThan(39);
    expect(proxy.bytesHeld).toBe(0);
  });
});

describe('a silent network', () => {
  test('takes what is sent and answers nothing, while the connection stays open', async () => {
    const socket = await dial();
    expect(await ask(socket, 'SET a 1')).toBe('+OK\r\n');
    proxy.swallow();
    let heard = 0;
    socket.on('data', (bytes) => {
      heard += bytes.length;
    });
    socket.write('SET a 2\r\n');
    await proxy.until(() => proxy.bytesSwallowed === 'SET a 2\r\n'.length);
    expect(await redis.command('GET', 'a')).toBe('1');
    expect([heard, socket.readyState, await connected()]).toEqual([0, 'open', 1]);
  });
  test('accepts new connections, of which the server does not hear', async () => {
    proxy.swallow();
    const socket = await dial();
    socket.write('SET b 1\r\n');
    await proxy.until(() => proxy.bytesSwallowed > 0);
    expect([proxy.connections, await connected(), await redis.command('EXISTS', 'b')]).toEqual([1, 0, 0]);
  });
  test('towards the client only: what it asks is done, and no answer arrives', async () => {
    const socket = await dial();
    await ask(socket, 'PING');
    proxy.swallowToClient();
    socket.write('SET c 1\r\n');
    await proxy.until(() => proxy.bytesSwallowed > 0);
    expect(await redis.command('GET', 'c')).toBe('1');
    socket.write('SET c 2\r\n');
    await proxy.until(() => proxy.bytesSwallowed === 2 * '+OK\r\n'.length);
    expect(await redis.command('GET', 'c')).toBe('2');
  });
  test('nobody learns of an end on the other side before it is over', async () => {
    const [socket, other] = [await dial(), await dial()];
    for (const each of [socket, other]) await ask(each, 'PING');
    proxy.swallow();
    other.resetAndDestroy();
    const learned: string[] = [];
    const ended = endOf(socket).then((how) => learned.push(how));
    await serverEndsAll();
    expect(await connected()).toBe(0);
    // A round trip on a way of its own: an end that was passed on would have arrived.
    await redis.command('PING');
    expect([learned, proxy.connections]).toEqual([[], 2]);
    proxy.heal();
    await ended;
    expect(learned).toEqual(['ECONNRESET']);
    await proxy.until(() => proxy.connections === 0);
  });
  test('is over for those who lost nothing; a connection with a hole passes nothing until it is cut', async () => {
    const [torn, whole] = [await dial(), await dial()];
    for (const each of [torn, whole]) await ask(each, 'PING');
    proxy.swallow();
    torn.write('SET d 1\r\n');
    await proxy.until(() => proxy.bytesSwallowed > 0);
    proxy.heal();
    expect(await ask(whole, 'PING')).toBe('+PONG\r\n');
    const lostBytes = proxy.bytesSwallowed;
    torn.write('SET d 2\r\n');
    await proxy.until(() => proxy.bytesSwallowed > lostBytes);
    expect([await redis.command('EXISTS', 'd'), torn.readyState]).toEqual([0, 'open']);
    const ended = endOf(torn);
    proxy.cut();
    expect(await ended).toBe('ECONNRESET');
    expect(await ask(await dial(), 'PING')).toBe('+PONG\r\n');
  });
  test('loses what is under way because of a delay', async () => {
    const socket = await dial();
    proxy.delayMs = 20;
    socket.write('SET e 1\r\n');
    await proxy.until(() => proxy.bytesHeld > 0);
    proxy.swallow();
    await proxy.until(() => proxy.bytesSwallowed > 0);
    expect([proxy.bytesHeld, proxy.bytes.toServer, await redis.command('EXISTS', 'e')]).toEqual([0, 0, 0]);
  });
});

describe('a broken network', () => {
  test('cut resets all connections on both sides, and new ones are taken', async () => {
    const pair = [await dial(), await dial()];
    for (const each of pair) await ask(each, 'PING');
    const ends = pair.map(endOf);
    proxy.cut();
    expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET']);
    await proxy.until(() => proxy.connections === 0);
    expect(await ask(await dial(), 'PING')).toBe('+PONG\r\n');
  });
  test('refuses new connections and keeps those that are there, until it takes them again', async () => {
    const socket = await dial();
    await ask(socket, 'PING');
    proxy.refuse(true);
    expect(await endOf(connect(proxy.port, proxy.host))).toBe('ECONNRESET');
    expect([proxy.connectionsRefused, proxy.connectionsTotal]).toEqual([1, 1]);
    expect(await ask(socket, 'PING')).toBe('+PONG\r\n');
    proxy.refuse(false);
    expect(await ask(await dial(), 'PING')).toBe('+PONG\r\n');
  });
  test('before a server that is down, a connection is reset', async () => {
    const other = await startRedis();
    const before = await startProxy(other.port);
    await other.kill();
    const socket = connect(before.port, before.host);
    expect(await endOf(socket)).toBe('ECONNRESET');
    await other.restart();
    const client = new Redis(before.url);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    await before.close();
    await other.close();
  });
  test('nothing is left of it once it is closed', async () => {
    const socket = await dial();
    await ask(socket, 'PING');
    const { port } = proxy;
    const ended = endOf(socket);
    await proxy.close();
    expect(await ended).toBe('ECONNRESET');
    expect(await endOf(connect(port, '127.0.0.1'))).toBe('ECONNREFUSED');
  });
  test('a replica that follows through it lags behind, and is promoted without what it missed', async () => {
    const replica = await startRedis({ replicaOf: proxy });
    proxy.swallowToClient();
    await redis.command('SET', 'late', '1');
    await proxy.until(() => proxy.bytesSwallowed > 0);
    await replica.command('REPLICAOF', 'NO', 'ONE');
    expect(await replica.command('EXISTS', 'late')).toBe(0);
    await replica.close();
  });
});
