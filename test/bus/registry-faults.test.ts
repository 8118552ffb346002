// Holds the registry to its promise while Redis and the way to it fail: servers of its own that are flushed, killed, set back and
// full, and a proxy that cuts and swallows.

import { afterEach, describe, expect, test } from 'vitest';
import { startProxy, type TcpProxy } from '../redis/proxy.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';
import { instrument, type NodeOptions, RegistryNode } from './registry-node.ts';

const PREFIX = 'tickwire';
const KEY = `${PREFIX}:{instruments}`;
const nodes: RegistryNode[] = [];
const closing: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) node.close();
  for (const each of closing.splice(0).reverse()) await each.close();
});

async function server(persistent = false): Promise<RedisServer> {
  const redis = await startRedis({ persistent });
  closing.push(redis);
  return redis;
}

async function proxyTo(redis: RedisServer): Promise<TcpProxy> {
  const proxy = await startProxy(redis.port);
  closing.push(proxy);
  return proxy;
}

function begin(url: string, options: Partial<NodeOptions> = {}): RegistryNode {
  const node = new RegistryNode({ url, prefix: PREFIX, ...options });
  nodes.push(node);
  return node;
}

/** Each has read what the others wrote. */
async function settle(some: readonly RegistryNode[]): Promise<void> {
  for (let round = 0; round < 3; round++) for (const node of some) await node.checked();
}

describe('a node without Redis', () => {
  test('starts with what it has, and writes it when Redis comes', async () => {
    const redis = await server();
    await redis.kill();
    const node = begin(redis.url, { listed: [instrument('A')], readyMaxMs: 50 });
    await node.registry.ready;
    expect(node.symbols).toEqual(['A']);
    node.put('B');
    await redis.restart();
    await node.live();
    const other = await begin(redis.url).live();
    expect(other.symbols).toEqual(['A', 'B']);
  });

  test('goes on, and writes what changed last under each name when Redis is back', async () => {
    const redis = await server(true);
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    for (const symbol of ['A', 'B', 'C']) here.put(symbol);
    await there.until(() => there.symbols.length === 3);
    await redis.kill();
    await here.until(() => !here.isUp);
    for (const scale of [3, 4, 5]) here.put('A', { priceScale: scale });
    here.instruments.delist('B');
    here.put('D');
    expect(here.registry.waiting).toBe(3);
    await redis.restart();
    await there.until(() => there.scaleOf('A') === 5 && there.symbols.join() === 'A,C,D');
    expect(here.instruments.list()).toEqual(there.instruments.list());
    await here.live();
    expect(here.registry.waiting).toBe(0);
  });

  test('remembers no more deletions than it may, and says so', async () => {
    const redis = await server(true);
    const node = await begin(redis.url, { tombstonesMax: 5 }).live();
    for (let i = 0; i < 8; i++) node.put(`S${i}`);
    await node.registry.idle();
    await redis.kill();
    await node.until(() => !node.isUp);
    for (let i = 0; i < 8; i++) node.instruments.delist(`S${i}`);
    expect(node.registry.waiting).toBe(5);
    expect(node.errors).toEqual([`${KEY}: too many wait to be deleted; S0 is kept in Redis`]);
    await redis.restart();
    await node.live();
    expect(node.symbols).toEqual(['S0', 'S1', 'S2']);
  });
});

/** Two nodes that both list A; the second is cut off since. */
async function apart() {
  const redis = await server();
  const proxy = await proxyTo(redis);
  const [here, there] = [await begin(redis.url).live(), await begin(proxy.url).live()];
  here.put('A');
  await there.until(() => there.symbols.length === 1);
  proxy.refuse(true);
  proxy.cut();
  await there.until(() => !there.isUp);
  return { redis, proxy, here, there };
}

describe('a node whose connection is cut', () => {
  test('has what changed meanwhile when it is back', async () => {
    const { proxy, here, there } = await apart();
    here.put('B');
    here.instruments.delist('A');
    there.put('C');
    await here.registry.idle();
    expect(there.symbols).toEqual(['A', 'C']);
    proxy.refuse(false);
    await there.until(() => there.symbols.join() === 'B,C');
    await here.until(() => here.symbols.join() === 'B,C');
  });

  test('does not write over a later change what it had written, but heard no answer to', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const [here, there] = [await begin(redis.url).live(), await begin(proxy.url).live()];
    here.put('A', { priceScale: 1 });
    await there.until(() => there.scaleOf('A') === 1);
    proxy.swallowToClient();
    there.put('A', { priceScale: 2 });
    await here.until(() => here.scaleOf('A') === 2);
    here.put('A', { priceScale: 3 });
    await here.registry.idle();
    expect(there.registry.waiting).toBe(1);
    proxy.heal();
    proxy.cut();
    await there.until(() => there.scaleOf('A') === 3);
    await settle([there, here]);
    expect([here, there].map((node) => node.scaleOf('A'))).toEqual([3, 3]);
  });

  test('writes what changed last there, while it heard no answer to what changed before', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const [here, there] = [await begin(redis.url).live(), await begin(proxy.url).live()];
    proxy.swallowToClient();
    there.put('A', { priceScale: 1 });
    await here.until(() => here.scaleOf('A') === 1);
    here.put('A', { priceScale: 2 });
    await here.registry.idle();
    there.put('A', { priceScale: 3 });
    proxy.heal();
    proxy.cut();
    await here.until(() => here.scaleOf('A') === 3);
    await settle([there, here]);
    expect(there.scaleOf('A')).toBe(3);
  });

  test('does not put again the sets that are as they were', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const node = await begin(proxy.url).live();
    node.sets.put({ name: 'a', symbols: ['A', 'B-*'] });
    await node.registry.idle();
    proxy.cut();
    await node.until(() => !node.isUp);
    await node.live();
    expect(node.setEvents).toEqual(['a']);
  });

  test('writes again what did not arrive', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const [here, there] = [await begin(redis.url).live(), await begin(proxy.url).live()];
    proxy.swallow();
    there.put('A');
    there.sets.put({ name: 'a', symbols: ['A'] });
    await proxy.until(() => proxy.bytesSwallowed > 0);
    proxy.heal();
    proxy.cut();
    await here.until(() => here.symbols.length === 1 && here.sets.list().length === 1);
  });
});

describe('a Redis that lost', () => {
  test('everything to FLUSHALL gets it back: nothing is delisted, and what was gone stays gone', async () => {
    const redis = await server();
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    for (const symbol of ['A', 'B', 'C']) here.put(symbol);
    here.sets.put({ name: 'a', symbols: ['A'] });
    await there.until(() => there.symbols.length === 3);
    here.instruments.delist('B');
    await there.until(() => there.symbols.length === 2);
    const before = await redis.command('HGET', KEY, ':incarnation');
    await redis.command('FLUSHALL');
    await settle([here, there]);
    expect(await redis.command('HGET', KEY, ':incarnation')).not.toBe(before);
    expect([here.symbols, there.symbols]).toEqual([
      ['A', 'C'],
      ['A', 'C'],
    ]);
    expect(here.events).toEqual(['listed A', 'listed B', 'listed C', 'delisted B']);
    const late = await begin(redis.url, { listed: [instrument('B')] }).live();
    expect(late.symbols).toEqual(['A', 'C']);
    expect(late.sets.list()).toEqual(here.sets.list());
  });

  test('everything to FLUSHALL is noticed when another node changes something', async () => {
    const redis = await server();
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    for (const symbol of ['A', 'B', 'C']) here.put(symbol);
    await there.until(() => there.symbols.length === 3);
    await redis.command('FLUSHALL');
    here.put('D');
    await there.until(() => there.symbols.length === 4);
    await settle([here, there]);
    const late = await begin(redis.url).live();
    expect(late.symbols).toEqual(['A', 'B', 'C', 'D']);
  });

  test('everything to FLUSHALL holds what changed since, not what an absent node had', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const [here, there] = [await begin(redis.url).live(), await begin(proxy.url).live()];
    for (const tickSize of [1, 2, 3, 4, 5]) {
      here.put('A', { tickSize });
      await there.until(() => there.instruments.get('A')?.tickSize === tickSize);
    }
    proxy.refuse(true);
    proxy.cut();
    await there.until(() => !there.isUp);
    await redis.command('FLUSHALL');
    await here.checked();
    here.put('A', { tickSize: 6 });
    await here.registry.idle();
    proxy.refuse(false);
    await there.live();
    await settle([here, there]);
    expect([here, there].map((node) => node.instruments.get('A')?.tickSize)).toEqual([6, 6]);
  });

  test('its latest changes to a backup, put back under open connections, gets them back', async () => {
    const redis = await server();
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    here.put('A', { priceScale: 1 });
    await there.until(() => there.symbols.length === 1);
    const keys = (await redis.command('KEYS', `${KEY}*`)) as string[];
    // Copies on the server: a dump is not text.
    for (const key of keys) await redis.command('COPY', key, `backup ${key}`);
    here.put('A', { priceScale: 2 });
    here.put('B');
    await there.until(() => there.symbols.length === 2);
    await here.registry.idle();
    for (const key of keys) await redis.command('COPY', `backup ${key}`, key, 'REPLACE');
    await settle([here, there]);
    const late = await begin(redis.url).live();
    for (const node of [here, there, late]) {
      expect(node.symbols).toEqual(['A', 'B']);
      expect(node.scaleOf('A')).toBe(2);
    }
  });

  test('its latest changes keeps what a node cannot read as it is', async () => {
    const redis = await server();
    const node = await begin(redis.url).live();
    const put = async (text: string): Promise<void> => {
      const revision = (await redis.command('HINCRBY', KEY, ':revision', 1)) as number;
      await redis.command('HSET', KEY, 'NEWER', text);
      await redis.command('ZADD', `${KEY}:revisions`, revision, 'NEWER');
      await node.checked();
    };
    node.put('A');
    await node.registry.idle();
    await put('{"v":2,"is":1}');
    await redis.command('SAVE');
    await put('{"v":2,"is":2}');
    expect(node.registry.skipped).toBe(2);
    await redis.kill();
    await node.until(() => !node.isUp);
    await redis.restart();
    await node.live();
    await node.checked();
    expect(await redis.command('HGET', KEY, 'NEWER')).toBe('{"v":2,"is":1}');
  });

  test('everything in a restart holds what any node had listed', async () => {
    const { redis, proxy, here, there } = await apart();
    there.put('T');
    here.put('H');
    await here.registry.idle();
    await redis.kill();
    await redis.restart();
    proxy.refuse(false);
    await Promise.all([here, there].map((node) => node.until(() => node.symbols.join() === 'A,H,T')));
    await settle([here, there]);
    expect(here.instruments.list()).toEqual(there.instruments.list());
  });

  test('its latest changes gets them back, as a promoted replica does that lagged behind', async () => {
    const redis = await server();
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    for (const symbol of ['CHANGED', 'GONE', 'SAME']) here.put(symbol, { priceScale: 1 });
    await there.until(() => there.symbols.length === 3);
    await redis.command('SAVE');
    here.put('CHANGED', { priceScale: 2 });
    here.put('NEW');
    here.instruments.delist('GONE');
    await there.until(() => there.symbols.join() === 'CHANGED,NEW,SAME');
    await here.registry.idle();
    await redis.kill();
    await Promise.all([here, there].map((node) => node.until(() => !node.isUp)));
    await redis.restart();
    expect(await redis.command('HGET', KEY, ':revision')).toBe('3');
    await Promise.all([here, there].map((node) => node.live()));
    await settle([here, there]);
    const late = await begin(redis.url, { listed: [instrument('GONE')] }).live();
    for (const node of [here, there, late]) {
      expect(node.symbols).toEqual(['CHANGED', 'NEW', 'SAME']);
      expect(node.scaleOf('CHANGED')).toBe(2);
    }
  });
});

describe('a Redis that refuses', () => {
  test('for want of memory is asked again at the next check, and the reason is told once', async () => {
    const redis = await server();
    const [here, there] = [await begin(redis.url).live(), await begin(redis.url).live()];
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    here.put('A');
    await here.registry.idle();
    await here.checked();
    expect(here.registry.waiting).toBe(1);
    expect(here.errors).toEqual([expect.stringMatching(/^tickwire:\{instruments\}: .*\bOOM /)]);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await here.checked();
    await there.until(() => there.symbols.length === 1);
  });

  test('to write, being a replica, is read from, and gets nothing', async () => {
    const master = await server();
    const writer = await begin(master.url).live();
    writer.put('A');
    await writer.registry.idle();
    const replica = await startRedis({ replicaOf: master });
    closing.push(replica);
    const node = await begin(replica.url, { listed: [instrument('B')] }).live();
    expect(node.symbols).toEqual(['A', 'B']);
    expect(node.registry.waiting).toBe(1);
    expect(node.errors).toEqual([]);
    writer.put('C');
    await node.until(() => node.symbols.length === 3);
  });
});
