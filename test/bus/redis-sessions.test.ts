// Holds the sessions on Redis to what the contract of stores can't see: what is written, when and in how many calls; what becomes of it
// where Redis is away, forgets or has no memory. The contract: test/sessions/session-store.test.ts.

import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { pack, unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { sessionKey } from '../../src/bus/redis-keys.ts';
import { principalHash, tokenHash } from '../../src/sessions/token.ts';
import { until } from '../redis/bus.ts';
import { startProxy } from '../redis/proxy.ts';
import { redisForTests, startRedis } from '../redis/server.ts';
import { LIMITS, type RedisNode, redisNode, StillClock } from '../sessions/stores.ts';

let shared: Awaited<ReturnType<typeof redisForTests>>;
let redis: Redis;
beforeAll(async () => {
  shared = await redisForTests();
  redis = new Redis(shared.url);
});
afterAll(async () => {
  redis.disconnect();
  await shared.close();
});

const ALICE = principalHash('key:alice');
const MANY = { ...LIMITS, sessionsMax: 100_000 };
let prefixes = 0;

function newPrefix(): string {
  return `${shared.prefix}${++prefixes}`;
}

async function node(url: string, prefix: string, clock = new StillClock(), limits = MANY): Promise<RedisNode> {
  const made = await redisNode(url, prefix, clock, limits);
  onTestFinished(() => made.close());
  return made;
}

function begin({ store }: RedisNode, session: string, state?: string, generation = 1): void {
  store.renew(session, generation, hash(session, generation), ALICE);
  if (state !== undefined) store.changed(session, () => state);
}

const hash = (session: string, generation: number): string => tokenHash(`${session} ${generation}`);
const redeem = ({ store }: RedisNode, session: string, generation = 1): ReturnType<typeof store.redeem> =>
  store.redeem(session, generation, hash(session, generation), ALICE);
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${i}`);

describe('what is written', () => {
  test('is a record as documented, and one that was taken keeps nothing but that', async () => {
    const prefix = newPrefix();
    const own = await node(shared.url, prefix);
    begin(own, 'a', '{"x":1}');
    begin(own, 'a', undefined, 2);
    await own.store.settle();
    const page = readFileSync(new URL('../../proto/redis.md', import.meta.url), 'utf8');
    const [, table = ''] = /\| Element \| Meaning \|\n\|---\|---\|\n([\s\S]*?)\n\n/.exec(page) ?? [];
    const elements = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name!);
    const record = async (): Promise<unknown[]> =>
      unpack((await redis.getBuffer(sessionKey(prefix, 'a')))!) as unknown[];
    const values = { format: 1, generation: 2, principal: ALICE, over: 0 };
    const rest = { token: hash('a', 2), former: hash('a', 1), state: '{"x":1}' };
    expect(elements).toEqual(Object.keys({ ...values, ...rest }));
    expect(await record()).toEqual(Object.values({ ...values, ...rest }));
    await redeem(own, 'a', 2);
    expect(await record()).toEqual(Object.values({ ...values, over: 1 }));
  });

  test('says for longer than a renewal may stay away that it was taken: its own connection finds it so, and is told', async () => {
    const prefix = newPrefix();
    const brief = { ...MANY, lifeMs: 1_000, renewMs: 60_000 };
    const own = await node(shared.url, prefix, new StillClock(), brief);
    const other = await node(shared.url, prefix, new StillClock(), brief);
    begin(own, 'a', '{"x":1}');
    await own.store.settle();
    expect(await redeem(other, 'a')).toMatchObject({ state: '{"x":1}' });
    expect(await redis.pttl(sessionKey(prefix, 'a'))).toBeGreaterThan(brief.lifeMs + brief.renewMs);
    begin(own, 'a', undefined, 2);
    await own.store.settle();
    expect(own.taken).toEqual(['a']);
    expect(await redeem(other, 'a', 2)).toBe('used');
  });

  test('outlives a gateway that says nothing any more, with the state of a quarter of a second before', async () => {
    const prefix = newPrefix();
    const [killed, other] = await Promise.all([node(shared.url, prefix), node(shared.url, prefix)]);
    begin(killed, 'a', '{"x":1}');
    await until(() => killed.store.counters.written === 1);
    killed.store.changed('a', () => '{"x":2}');
    await until(() => killed.store.counters.written === 2);
    await killed.close();
    expect(await redeem(other, 'a')).toEqual({ state: '{"x":2}', generation: 1 });
  });

  test('is written in few calls, and a state once, however often it changed', async () => {
    const own = await node(shared.url, newPrefix());
    let asked = 0;
    for (const session of names(1_000)) begin(own, session);
    await own.store.settle();
    expect(own.store.counters).toMatchObject({ written: 1_000, calls: Math.ceil(1_000 / 64) });
    for (let i = 0; i < 100; i++) {
      own.store.changed('s1', () => {
        asked += 1;
        return `{"i":${i}}`;
      });
    }
    await until(() => own.store.counters.written > 1_000);
    expect(asked).toBe(1);
    expect(own.store.counters).toMatchObject({ written: 1_001 });
    expect(await redeem(own, 's1')).toMatchObject({ state: '{"i":99}' });
  });

  test('is little in one call where states are long', async () => {
    const limits = { ...MANY, stateBytesMax: 65_536 };
    const own = await node(shared.url, newPrefix(), new StillClock(), limits);
    for (const session of names(16)) begin(own, session, 'x'.repeat(65_536));
    await own.store.settle();
    expect(own.store.counters).toMatchObject({ written: 16, calls: 4 });
  });

  test('does not go back to an older token, whoever writes it late', async () => {
    const prefix = newPrefix();
    const [own, late] = await Promise.all([node(shared.url, prefix), node(shared.url, prefix)]);
    begin(own, 'a');
    begin(own, 'a', '{"x":1}', 2);
    await own.store.settle();
    begin(late, 'a', '{"old":1}');
    await late.store.settle();
    expect(await redeem(own, 'a', 2)).toEqual({ state: '{"x":1}', generation: 2 });
  });

  test('is found by whoever comes back to the gateway where it was not yet written', async () => {
    const own = await node(shared.url, newPrefix());
    begin(own, 'a', '{"x":1}');
    own.store.release('a');
    expect(await redeem(own, 'a')).toEqual({ state: '{"x":1}', generation: 1 });
    begin(own, 'b');
    own.store.release('b');
    own.store.revoke('b');
    expect(await redeem(own, 'b')).toBe('unknown');
    // Neither takes the place of one that can be come back to.
    expect(own.store.counters.over).toBe(0);
  });

  test('is left alone where a newer version wrote it', async () => {
    const prefix = newPrefix();
    const own = await node(shared.url, prefix);
    const newer = pack([2, 'whatever']);
    await redis.set(sessionKey(prefix, 'a'), newer);
    begin(own, 'a', '{"x":1}');
    await own.store.settle();
    await expect(redeem(own, 'a')).rejects.toMatchObject({ name: 'RedisFailure', outcome: 'refused' });
    expect(await redis.getBuffer(sessionKey(prefix, 'a'))).toEqual(newer);
    expect(own.store.counters.failed).toBe(1);
    expect(`${own.errors[0]}`).toContain('other-format');
    expect(own.store.ready).toBe(false);
  });
});

describe('where Redis is away', () => {
  test('what was said is counted and written when it is there again, and who comes back is told to wait', async () => {
    const prefix = newPrefix();
    const proxy = await startProxy(Number(new URL(shared.url).port));
    onTestFinished(() => proxy.close());
    const clock = new StillClock();
    const [own, other] = await Promise.all([node(proxy.url, prefix, clock), node(shared.url, prefix, clock)]);
    begin(own, 'held', '{"x":1}');
    begin(own, 'ended', '{"y":1}');
    await own.store.settle();
    proxy.refuse(true);
    proxy.cut();
    await until(() => !own.store.ready);
    begin(own, 'held', '{"x":2}', 2);
    begin(own, 'begun', '{"z":1}');
    own.store.changed('ended', () => '{"y":2}');
    own.store.release('ended');
    await expect(redeem(own, 'held')).rejects.toMatchObject({ name: 'RedisFailure', outcome: 'unsent' });
    // The life of the one that is over goes by meanwhile.
    clock.pass(LIMITS.lifeMs - 30_000);
    proxy.refuse(false);
    await until(() => own.store.ready);
    await own.store.settle();
    expect(await redis.pttl(sessionKey(prefix, 'ended'))).toBeLessThanOrEqual(30_000 + 60_000);
    expect(await redeem(other, 'held', 2)).toEqual({ state: '{"x":2}', generation: 2 });
    expect(await redeem(other, 'begun')).toEqual({ state: '{"z":1}', generation: 1 });
    expect(await redeem(other, 'ended')).toEqual({ state: '{"y":2}', generation: 1 });
    expect(own.errors).toEqual([]);
  });

  test('calls that fail under way are made again, and nothing of them comes after what was said since', async () => {
    const prefix = newPrefix();
    const proxy = await startProxy(Number(new URL(shared.url).port));
    onTestFinished(() => proxy.close());
    const [own, other] = await Promise.all([node(proxy.url, prefix), node(shared.url, prefix)]);
    proxy.swallow();
    for (const session of names(100)) begin(own, session, `{"of":"${session}"}`);
    begin(own, 'revoked');
    own.store.release('revoked');
    const settled = own.store.settle();
    for (const session of names(50)) own.store.release(session);
    const { calls } = own.store.counters;
    await until(() => own.store.counters.calls > calls);
    // This one is not sent any more.
    own.store.revoke('revoked');
    proxy.refuse(true);
    proxy.cut();
    await settled;
    expect(own.store.counters.failed).toBeGreaterThanOrEqual(150);
    proxy.heal();
    proxy.refuse(false);
    await until(() => own.store.ready);
    await own.store.settle();
    const [ended, held] = await Promise.all(['s1', 's99'].map((session) => redis.pttl(sessionKey(prefix, session))));
    expect(ended).toBeLessThanOrEqual(LIMITS.lifeMs + 60_000);
    expect(held).toBeGreaterThan(LIMITS.lifeMs + 60_000);
    for (const session of names(100)) {
      expect(await redeem(other, session)).toEqual({ state: `{"of":"${session}"}`, generation: 1 });
    }
    expect(await redeem(other, 'revoked')).toBe('unknown');
  });

  test('in silence, who comes back is told so in bounded time', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const own = await node(server.url, 'p');
    begin(own, 'a');
    await own.store.settle();
    server.pause();
    const outcome = { name: 'RedisFailure', outcome: 'unknown', message: 'Redis did not answer within 2000 ms' };
    await expect(redeem(own, 'a')).rejects.toMatchObject(outcome);
    server.resume();
  });

  test('sessions that come and go meanwhile take no more room than others', async () => {
    const proxy = await startProxy(Number(new URL(shared.url).port));
    onTestFinished(() => proxy.close());
    const prefix = newPrefix();
    const own = await node(proxy.url, prefix, new StillClock(), LIMITS);
    proxy.refuse(true);
    proxy.cut();
    await until(() => !own.store.ready);
    for (const session of names(5_000)) {
      begin(own, session, '{}');
      own.store.release(session);
    }
    proxy.refuse(false);
    await until(() => own.store.ready);
    await own.store.settle();
    expect(own.store.counters.written).toBe(LIMITS.sessionsMax);
    expect(await redis.keys(`${prefix}:{session:*`)).toHaveLength(LIMITS.sessionsMax);
  });
});

describe('where Redis forgets', () => {
  test('another server is told of all that are connected, with their states', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    const [own, other] = await Promise.all([node(server.url, 'p'), node(server.url, 'p')]);
    for (const session of names(200)) begin(own, session, `{"of":"${session}"}`);
    await own.store.settle();
    await server.kill();
    await until(() => !own.store.ready);
    await server.restart();
    await until(() => own.store.ready && other.store.ready);
    await own.store.settle();
    for (const session of names(200)) {
      expect(await redeem(other, session)).toEqual({ state: `{"of":"${session}"}`, generation: 1 });
    }
  });

  test('the next renewal brings back a record, and then its state', async () => {
    const prefix = newPrefix();
    const [own, other] = await Promise.all([node(shared.url, prefix), node(shared.url, prefix)]);
    begin(own, 'a', '{"x":1}');
    await own.store.settle();
    await redis.del(sessionKey(prefix, 'a'));
    begin(own, 'a', undefined, 2);
    await own.store.settle();
    // The answer said that it was not there.
    await own.store.settle();
    expect(await redeem(other, 'a', 1)).toEqual({ state: '{"x":1}', generation: 2 });
  });
});

test('a Redis without memory refuses records, which are written later; who comes back is let in all the same', async () => {
  const server = await startRedis();
  onTestFinished(() => server.close());
  const clock = new StillClock();
  const own = await node(server.url, 'p', clock);
  begin(own, 'a', '{"x":1}');
  await own.store.settle();
  await server.command('CONFIG', 'SET', 'maxmemory', '1');
  begin(own, 'b', '{"y":1}');
  await own.store.settle();
  expect(own.store.counters.failed).toBe(1);
  expect(own.errors.map(String)).toEqual([expect.stringContaining('OOM')]);
  expect(await redeem(own, 'a')).toEqual({ state: '{"x":1}', generation: 1 });
  expect(await redeem(own, 'a')).toBe('used');
  await server.command('CONFIG', 'SET', 'maxmemory', '0');
  // It is left alone for a while.
  await own.store.settle();
  expect(await redeem(own, 'b')).toBe('unknown');
  clock.pass(5_000);
  await own.store.settle();
  expect(await redeem(own, 'b')).toEqual({ state: '{"y":1}', generation: 1 });
});
