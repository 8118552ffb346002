// Holds the registry to its promise on a real Redis: what changes on one node holds on all of them, whoever was away, whatever was
// lost. The faults of the server and of the way to it are in registry-faults.test.ts.

import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { scriptText } from '../../src/bus/redis-link.ts';
import { type RedisForTests, redisForTests } from '../redis/server.ts';
import { instrument, type NodeOptions, RegistryNode } from './registry-node.ts';

let redis: RedisForTests;
let direct: Redis;
const nodes: RegistryNode[] = [];

beforeEach(async () => {
  redis = await redisForTests();
  direct = new Redis(redis.url);
});

afterEach(async () => {
  for (const node of nodes.splice(0)) node.close();
  direct.disconnect();
  await redis.close();
});

function begin(options: Partial<NodeOptions> = {}): RegistryNode {
  const node = new RegistryNode({ url: redis.url, prefix: redis.prefix, ...options });
  nodes.push(node);
  return node;
}

async function liveNodes(count: number, options: Partial<NodeOptions> = {}): Promise<RegistryNode[]> {
  return Promise.all(Array.from({ length: count }, () => begin(options).live()));
}

function instrumentsKey(): string {
  return `${redis.prefix}:{instruments}`;
}

async function revision(): Promise<string | null> {
  return direct.hget(instrumentsKey(), ':revision');
}

/** Puts a text into the list as another program would: with the next revision, and published. */
async function putRaw(name: string, text: string, key = instrumentsKey()): Promise<void> {
  const next = await direct.hincrby(key, ':revision', 1);
  await direct.hset(key, name, text);
  await direct.zadd(`${key}:revisions`, next, name);
  const incarnation = await direct.hget(key, ':incarnation');
  await direct.publish(key, `[${JSON.stringify(incarnation)},${next},${JSON.stringify(name)},${text}]`);
}

/** What is held until it is opened. */
function gate(): { readonly promise: Promise<void>; open(): void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe('what changes on one node', () => {
  test('holds there at once, and on the others when they hear of it', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('BTC-USD', { tickSize: 5, negativePrices: true });
    expect(here.symbols).toEqual(['BTC-USD']);
    await there.until(() => there.symbols.length === 1);
    expect(there.instruments.list()).toEqual(here.instruments.list());
    there.put('BTC-USD', { priceScale: 3 });
    await here.until(() => here.scaleOf('BTC-USD') === 3);
    here.instruments.delist('BTC-USD');
    await there.until(() => there.symbols.length === 0);
    expect(there.events).toEqual(['listed BTC-USD', 'changed BTC-USD', 'delisted BTC-USD']);
  });

  test('holds for named sets as well', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.sets.put({ name: 'majors', symbols: ['BTC-USD', 'ETH-*'] });
    await there.until(() => there.sets.get('majors') !== undefined);
    expect(there.sets.list()).toEqual(here.sets.list());
    there.sets.put({ name: 'majors', symbols: ['BTC-USD'] });
    await here.until(() => here.sets.get('majors')?.symbols.length === 1);
    here.sets.delete('majors');
    await there.until(() => there.sets.list().length === 0);
  });

  test('is known to a node that starts later', async () => {
    const here = await begin().live();
    for (const symbol of ['A', 'B', 'C']) here.put(symbol);
    here.instruments.delist('B');
    here.sets.put({ name: 'all', symbols: ['*'] });
    await here.registry.idle();
    const late = begin();
    await late.registry.ready;
    expect(late.symbols).toEqual(['A', 'C']);
    expect(late.sets.list()).toEqual(here.sets.list());
  });

  test('comes in pages where there is much of it', async () => {
    const here = await begin().live();
    for (let i = 0; i < 2_500; i++) here.put(`S${i}`);
    await here.registry.idle();
    const late = begin();
    await late.registry.ready;
    expect(late.instruments.list()).toEqual(here.instruments.list());
  });

  test('ends the topics of an instrument whose quotes come from elsewhere', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('A');
    await there.until(() => there.symbols.length === 1);
    here.instruments.delist('A');
    here.put('A', { quoteSource: 'published' });
    await there.until(() => there.instruments.get('A')?.quoteSource === 'published');
    expect(there.events).toEqual(['listed A', 'delisted A', 'listed A']);
  });

  test('is written once: what came from Redis is not written again', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    for (const scale of [1, 2, 3]) {
      here.put('A', { priceScale: scale });
      await there.until(() => there.scaleOf('A') === scale);
    }
    await Promise.all([here.checked(), there.checked()]);
    expect(await revision()).toBe('3');
  });

  test('says nothing where it changes nothing', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.sets.put({ name: 'a', symbols: ['A'] });
    await there.until(() => there.sets.get('a') !== undefined);
    there.sets.put({ name: 'a', symbols: ['A'] });
    await there.registry.idle();
    there.sets.put({ name: 'b', symbols: ['B'] });
    await here.until(() => here.sets.get('b') !== undefined && here.messages >= 2);
    expect(await direct.hget(`${redis.prefix}:{sets}`, ':revision')).toBe('2');
    expect(here.messages).toBe(2);
  });

  test('is the same everywhere when two nodes change it at once', async () => {
    const [one, two, three] = (await liveNodes(3)) as [RegistryNode, RegistryNode, RegistryNode];
    for (let round = 0; round < 20; round++) {
      one.put('A', { tickSize: 1 + 2 * round });
      two.put('A', { tickSize: 2 + 2 * round });
      await Promise.all([one.registry.idle(), two.registry.idle()]);
      for (const node of [one, two, three, one, two, three]) await node.checked();
      const held = JSON.parse((await direct.hget(instrumentsKey(), 'A'))!) as { tickSize: number };
      expect([one, two, three].map((node) => node.instruments.get('A')?.tickSize)).toEqual(
        Array(3).fill(held.tickSize),
      );
    }
  });
});

describe('of two changes at once', () => {
  test('the later one holds, also where it is heard of before the answer to the earlier one', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('FIRST');
    await there.until(() => there.symbols.length === 1);
    await here.checked();
    const answers = gate();
    here.afterWrite = answers.promise;
    here.put('A', { priceScale: 1 });
    await there.until(() => there.scaleOf('A') === 1);
    there.put('A', { priceScale: 2 });
    await here.until(() => here.messages === 3);
    expect(here.scaleOf('A')).toBe(1);
    answers.open();
    await here.until(() => here.scaleOf('A') === 2);
  });

  test('the one in Redis holds where the other one is only a beginning', async () => {
    const there = await begin().live();
    const late = begin({ listed: [instrument('A', { priceScale: 1 })] });
    const writes = gate();
    late.beforeWrite = writes.promise;
    await late.until(() => late.isUp && late.subscribed.size === 2);
    await late.registry.ready;
    late.deaf = true;
    there.put('A', { priceScale: 2 });
    await late.until(() => late.messages === 1);
    writes.open();
    await late.until(() => late.scaleOf('A') === 2);
    await there.checked();
    expect(there.scaleOf('A')).toBe(2);
  });
});

describe('a node that starts', () => {
  test('writes what it lists and Redis does not know', async () => {
    const here = await begin().live();
    await begin({ listed: [instrument('A'), instrument('B')] }).live();
    await here.until(() => here.symbols.length === 2);
  });

  test('takes what Redis knows of the names that it lists', async () => {
    const here = await begin().live();
    here.put('A', { priceScale: 5 });
    here.put('GONE');
    here.instruments.delist('GONE');
    await here.registry.idle();
    const late = begin({ listed: [instrument('A'), instrument('GONE'), instrument('NEW')] });
    await late.live();
    expect(late.symbols).toEqual(['A', 'NEW']);
    expect(late.scaleOf('A')).toBe(5);
    expect(await revision()).toBe('3');
  });

  test('takes what is listed before it is ready for a beginning, and what changes then for a change', async () => {
    const here = await begin().live();
    here.put('A', { priceScale: 5 });
    here.put('B', { priceScale: 5 });
    await here.registry.idle();
    const late = begin();
    late.put('A', { priceScale: 1 });
    await late.registry.ready;
    expect(late.scaleOf('A')).toBe(5);
    late.put('B', { priceScale: 1 });
    await here.until(() => here.scaleOf('B') === 1);
    expect(here.scaleOf('A')).toBe(5);
  });
});

describe('a node that missed messages', () => {
  test('has what it missed when the next one comes', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('FIRST');
    await there.until(() => there.symbols.length === 1);
    there.deaf = true;
    here.put('A');
    await there.until(() => there.messages === 2);
    expect(there.symbols).toEqual(['FIRST']);
    there.deaf = false;
    here.put('B');
    await there.until(() => there.symbols.join() === 'A,B,FIRST');
  });

  test('has what it missed when it is subscribed again', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    there.deaf = true;
    here.put('A');
    await there.until(() => there.messages === 1);
    there.registry.subscribed(instrumentsKey());
    await there.until(() => there.symbols.length === 1);
  });

  test('takes its own for nothing new, however late they come', async () => {
    const here = await begin().live();
    here.put('FIRST');
    await here.until(() => here.messages === 1);
    await here.checked();
    here.deaf = true;
    for (const scale of [1, 2, 3]) {
      here.put('A', { priceScale: scale });
      await here.registry.idle();
    }
    await here.until(() => here.unheard.length === 3);
    here.hearAll();
    expect(here.events).toEqual(['listed FIRST', 'listed A', 'changed A', 'changed A']);
  });

  test('takes none for new that comes when its name was long forgotten', async () => {
    const [here, there] = (await liveNodes(2, { tombstonesMax: 1 })) as [RegistryNode, RegistryNode];
    there.deaf = true;
    here.put('A');
    await there.until(() => there.unheard.length === 1);
    await there.checked();
    there.deaf = false;
    here.instruments.delist('A');
    await there.until(() => there.symbols.length === 0);
    here.put('B');
    await there.until(() => there.symbols.length === 1);
    here.instruments.delist('B');
    await there.until(() => there.symbols.length === 0);
    there.hearAll();
    await there.checked();
    expect(there.symbols).toEqual([]);
  });

  test('has what it missed when it checks', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('A');
    await there.until(() => there.messages === 1);
    there.deaf = true;
    here.put('B');
    here.instruments.delist('A');
    await there.until(() => there.messages === 3);
    expect(there.symbols).toEqual(['A']);
    await there.checked();
    expect(there.symbols).toEqual(['B']);
  });
});

describe('what Redis holds', () => {
  test('keeps the newest tombstones only, and so does a node', async () => {
    const here = await begin({ tombstonesMax: 3 }).live();
    for (let i = 0; i < 10; i++) {
      here.put(`S${i}`);
      here.instruments.delist(`S${i}`);
      await here.registry.idle();
    }
    here.put('STAYS');
    await here.registry.idle();
    const names = (await direct.hkeys(instrumentsKey())).filter((name) => !name.startsWith(':'));
    expect(names.sort()).toEqual(['S7', 'S8', 'S9', 'STAYS']);
    expect(await direct.zcard(`${instrumentsKey()}:tombstones`)).toBe(3);
    expect(await direct.zcard(`${instrumentsKey()}:revisions`)).toBe(4);
  });

  test('keeps what was listed again', async () => {
    const here = await begin({ tombstonesMax: 1 }).live();
    for (const symbol of ['A', 'B']) {
      here.put(symbol);
      here.instruments.delist(symbol);
      await here.registry.idle();
      here.put('A');
      await here.registry.idle();
    }
    const late = await begin().live();
    expect(late.symbols).toEqual(['A']);
  });

  test('begins anew where its hash was deleted by hand', async () => {
    const before = await begin().live();
    for (const symbol of ['A', 'B', 'C']) before.put(symbol);
    await before.registry.idle();
    before.close();
    await direct.del(instrumentsKey());
    await begin({ listed: [instrument('B')] }).live();
    expect(await direct.zrange(`${instrumentsKey()}:revisions`, '0', '-1')).toEqual(['B']);
    const late = await begin().live();
    expect(late.symbols).toEqual(['B']);
  });

  test('is answered in parts of no more than the names and bytes that were asked for', async () => {
    const here = await begin().live();
    for (const symbol of ['A', 'B', 'C', 'D']) here.put(symbol);
    await here.registry.idle();
    const key = instrumentsKey();
    const keys = [key, `${key}:revisions`, `${key}:tombstones`];
    const read = async (...asked: number[]): Promise<unknown[]> => {
      const args = [(await direct.hget(key, ':incarnation'))!, ...asked.map(String)];
      return (await direct.call('EVAL', scriptText('list'), '3', ...keys, 'read', ...args)) as unknown[];
    };
    const names = ([, from, reached, last, ...entries]: unknown[]): unknown[] => [
      from,
      reached,
      last,
      ...entries.filter((_, i) => i % 3 === 0),
    ];
    expect(names(await read(0, 10, 10_000))).toEqual([0, 4, 4, 'A', 'B', 'C', 'D']);
    expect(names(await read(0, 3, 10_000))).toEqual([0, 3, 4, 'A', 'B', 'C']);
    expect(names(await read(1, 10, 1))).toEqual([1, 2, 4, 'B']);
    expect(names(await read(4, 10, 1))).toEqual([4, 4, 4]);
    expect(names(await read(5, 10, 10_000))).toEqual([0, 4, 4, 'A', 'B', 'C', 'D']);
  });

  test('is passed over where it is not an instrument, counted and told once of each kind', async () => {
    const here = await begin().live();
    here.put('A');
    await here.registry.idle();
    const bad = [
      '{"v":1,"symbol":"A"}',
      '{"v":1,"symbol":"B","priceScale":2,"sizeScale":8}',
      '{"v":1,"symbol":"A","priceScale":99,"sizeScale":8}',
      '{"v":1,"symbol":"A","priceScale":2,"sizeScale":8,"tickSize":-1}',
      '{"v":1,"symbol":"A","priceScale":2,"sizeScale":8,"__proto__":{"tickSize":1}}',
      '[]',
      'null',
      '{"v":1,"delisted":"yes"}',
    ];
    for (const text of bad) await putRaw('A', text);
    await putRaw('no symbol', '{"v":1,"symbol":"no symbol","priceScale":2,"sizeScale":8}');
    await direct.publish(instrumentsKey(), 'nonsense');
    await here.until(() => here.registry.skipped === bad.length + 2);
    expect(here.instruments.list()).toEqual([instrument('A')]);
    expect(here.errors.map((error) => error.slice(instrumentsKey().length))).toEqual([
      expect.stringMatching(/^: instrument A is not taken: /),
      ': "no symbol" is no name',
      ': a message is not [incarnation, revision, name, value]',
    ]);
    await putRaw('A', '{"v":1,"symbol":"A","priceScale":4,"sizeScale":8}');
    await here.until(() => here.scaleOf('A') === 4);
  });

  test('is passed over where it is not a set, or too long', async () => {
    const here = await begin().live();
    here.sets.put({ name: 'a', symbols: ['A'] });
    await here.registry.idle();
    const key = `${redis.prefix}:{sets}`;
    await putRaw('a', '{"v":1,"name":"b","symbols":["B"]}', key);
    await putRaw('a', '{"v":1,"name":"a","symbols":["B/C"]}', key);
    await putRaw('a', '{"v":1,"name":"a","symbols":"B"}', key);
    await direct.publish(key, `["x",9,"a",{"v":1,"name":"a","symbols":["${'B'.repeat(1_048_576)}"]}]`);
    await here.until(() => here.registry.skipped === 4);
    expect(here.sets.list()).toMatchObject([{ name: 'a', symbols: ['A'] }]);
    expect(here.errors).toHaveLength(2);
  });

  test('is not taken in a newer format: the instrument stays as it is, also on a node that starts', async () => {
    const here = await begin().live();
    here.put('A');
    await here.registry.idle();
    await putRaw('A', '{"v":2,"symbol":"A","scales":[2,8]}');
    await putRaw('B', '{"v":2,"symbol":"B","scales":[2,8]}');
    await here.until(() => here.registry.skipped === 2);
    expect(here.symbols).toEqual(['A']);
    expect(here.errors).toEqual([
      `${instrumentsKey()}: instrument A has format 2, which this gateway does not know: it stays as it is here. Update this gateway`,
    ]);
    const late = await begin({ listed: [instrument('B')] }).live();
    expect(late.symbols).toEqual(['B']);
    expect(await direct.hget(instrumentsKey(), 'B')).toMatch(/"v":2/);
  });

  test('is not taken beyond the limit of instruments', async () => {
    const here = await begin({ instrumentsMax: 2, tombstonesMax: 3 }).live();
    const there = await begin().live();
    for (const symbol of ['A', 'B', 'C']) there.put(symbol);
    await here.until(() => here.registry.skipped === 1);
    expect(here.symbols).toEqual(['A', 'B']);
    there.instruments.delist('A');
    there.put('D');
    await here.until(() => here.symbols.join() === 'B,D');
    for (const symbol of ['E', 'F', 'G']) there.put(symbol);
    await here.until(() => here.registry.skipped === 4);
    expect(here.errors.map((error) => error.slice(instrumentsKey().length))).toEqual([
      ': instrument C is not taken: 2 are listed, no more are taken',
      ': there are more than 5 names, no more are taken',
    ]);
  });

  test('has whole numbers for revisions, however large', async () => {
    const [here, there] = (await liveNodes(2)) as [RegistryNode, RegistryNode];
    here.put('A');
    await here.registry.idle();
    await direct.hset(instrumentsKey(), ':revision', '1000000000000000');
    await there.checked();
    here.put('B');
    await there.until(() => there.symbols.length === 2);
    here.put('C');
    await there.until(() => there.symbols.length === 3);
    expect(await revision()).toBe('1000000000000002');
    expect(there.registry.skipped).toBe(0);
  });
});
