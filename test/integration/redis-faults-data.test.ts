// Holds gateway, publisher and clients to their promises while a real Redis loses its data or its scripts, takes none, or is succeeded
// by a replica; and while nobody publishes, or nobody listens.

import { describe, expect, test } from 'vitest';
import { scriptText } from '../../src/bus/redis-link.ts';
import { list } from '../gateway/harness.ts';
import { startProxy } from '../redis/proxy.ts';
import { ending, PREFIX, Rig, SYMBOL } from '../redis/rig.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';

const TOO_LONG_MS = 60_000;
const BOOK = `${PREFIX}:{book:${SYMBOL}}`;

/** A figure of INFO: `calls` of `cmdstat_subscribe`, for example. 0 where there is none. */
async function figure(redis: RedisServer, section: string, name: string, field: string): Promise<number> {
  const info = (await redis.command('INFO', section)) as string;
  return Number(new RegExp(`^${name}:.*?\\b${field}=(\\d+)`, 'm').exec(info)?.[1] ?? 0);
}

/** What is subscribed to at Redis, but canaries and the like. */
async function topics(redis: RedisServer): Promise<string[]> {
  const channels = (await redis.command('PUBSUB', 'CHANNELS', `${PREFIX}:{*:*}`)) as string[];
  return channels.sort();
}

describe.concurrent('clients are exact, and current again within three seconds,', { timeout: TOO_LONG_MS }, () => {
  test('after FLUSHALL', async (context) => {
    const rig = await Rig.open(context);
    const before = rig.source.newest('book')!;
    await rig.redis.command('FLUSHALL');
    await rig.recovers();
    const after = rig.source.newest('book')!;
    expect(after.epoch).not.toBe(before.epoch);
    expect(after.seq).toBeLessThan(before.seq);
    await rig.finish();
    rig.expectNewEpoch();
  });

  test('after Redis was out of memory', async (context) => {
    const rig = await Rig.open(context);
    const { source, redis } = rig;
    await redis.command('CONFIG', 'SET', 'maxmemory', '1');
    await rig.refuses(50);
    const from = source.offers.length;
    await rig.refuses(200);
    rig.expectFailedFast(from);
    // Redis 6.2 counts what fails within a script under the script's own error.
    const counts = ['errorstat_OOM', 'errorstat_ERR'].map((name) => figure(redis, 'errorstats', name, 'count'));
    expect(Math.max(...(await Promise.all(counts)))).toBeGreaterThan(0);
    await redis.command('CONFIG', 'SET', 'maxmemory', '0');
    await rig.recovers();
    await rig.finish();
    rig.expectSeamless();
    expect(rig.observers.flatMap(({ healths }) => healths)).not.toContain('resync');
  });

  test('after a replica that lagged behind has taken over', async (context) => {
    const rig = await Rig.open(context);
    const { redis, source, proxies } = rig;
    const between = ending(context, await startProxy(redis.port));
    const replica = ending(context, await startRedis({ replicaOf: between }));
    await rig.passes(100);
    rig.expectSeamless();
    between.swallow();
    await rig.passes(300);
    await redis.kill();
    await rig.refuses(1);
    const newest = source.newest('book')!;
    await replica.command('REPLICAOF', 'NO', 'ONE');
    expect(Number(await replica.command('HGET', BOOK, 'seq'))).toBeLessThan(newest.seq - 50);
    for (const proxy of Object.values(proxies)) proxy.aim(replica.port);
    await rig.recovers();
    expect(source.newest('book')!.epoch).not.toBe(newest.epoch);
    await rig.finish();
    rig.expectNewEpoch();
  });

  test('while Redis forgets its scripts again and again, and others bring theirs back', async (context) => {
    const rig = await Rig.open(context, { perSecond: 600 });
    const { redis, proxies } = rig;
    const failures = (): Promise<number> => figure(redis, 'errorstats', 'errorstat_NOSCRIPT', 'count');
    // Several calls are under way at any moment: some of them find the script gone, and some find it there again.
    proxies.source.delayMs = 15;
    for (let times = 0; times < 10; times++) {
      const before = await failures();
      await redis.command('SCRIPT', 'FLUSH');
      while ((await failures()) === before);
      await redis.command('SCRIPT', 'LOAD', scriptText('publish'));
      await rig.passes(60);
    }
    proxies.source.delayMs = 0;
    await rig.finish();
    rig.expectSeamless();
    rig.expectNothingRefused();
  });

  test('after nobody has published for a while, which they are told', async (context) => {
    const rig = await Rig.open(context, { settings: { staleAfterMs: 1_000, sourceDownAfterMs: 2_500 } });
    rig.source.stop();
    await rig.health('stale');
    await rig.health('source-down');
    rig.source.start(200);
    await rig.recovers();
    await rig.health('live');
    await rig.finish();
    rig.expectSeamless();
  });
});

describe.concurrent('a gateway subscribes at Redis', { timeout: TOO_LONG_MS }, () => {
  const wanted = ['book', 'quote', 'trade'].map((channel) => `${PREFIX}:{${channel}:${SYMBOL}}`);

  test('once to what any of its clients want, and lets go of it when nobody has wanted it for a while', async (context) => {
    const rig = await Rig.open(context, { settings: { topicGraceMs: 1_500 } });
    const { redis, observers } = rig;
    for (const symbol of ['ETH-USD', 'SOL-USD']) list(rig.gateway, { symbol, priceScale: 2, sizeScale: 0 });
    expect(await topics(redis)).toEqual(wanted);
    expect(await redis.command('PUBSUB', 'NUMSUB', BOOK)).toEqual([BOOK, 1]);
    const asked = await figure(redis, 'commandstats', 'cmdstat_subscribe', 'calls');
    // Who comes back soon finds it as it was.
    await Promise.all(observers.map((each) => each.unsubscribe()));
    for (const each of observers) each.subscribe();
    await rig.passes(50);
    expect(await figure(redis, 'commandstats', 'cmdstat_subscribe', 'calls')).toBe(asked);
    await Promise.all(observers.map((each) => each.unsubscribe()));
    expect(await topics(redis)).toEqual(wanted);
    while ((await topics(redis)).length > 0);
    expect(observers.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});
