// Holds gateway, publisher and clients to their promises while the way to a real Redis is cut in silence, slow, or closed by Redis.

import { describe, expect, test } from 'vitest';
import { Rig } from '../redis/rig.ts';

/** A connection that carries nothing is found in that time. */
const SILENCE_MS_MAX = 3_000;
const TOO_LONG_MS = 60_000;
const SILENCES = [
  ['both ways', 'swallow'],
  ['towards its client', 'swallowToClient'],
] as const;

describe.concurrent('clients are exact, miss nothing, and are current again within three seconds,', {
  timeout: TOO_LONG_MS,
}, () => {
  test.for(SILENCES)('after the gateway was cut from Redis in silence, %s', async ([, swallow], context) => {
    const rig = await Rig.open(context);
    const { gateway: proxy } = rig.proxies;
    proxy[swallow]();
    await rig.health('resync', SILENCE_MS_MAX);
    expect(proxy.bytesSwallowed).toBeGreaterThan(0);
    proxy.heal();
    await rig.recovers();
    await rig.until(() => rig.bus.counters.channelsUps === 2, 'messages come again');
    await rig.finish();
    rig.expectSeamless();
    expect(rig.bus.counters.followers.repaired).toBeGreaterThan(0);
    rig.expectNothingRefused();
  });

  test.for(SILENCES)('after the publisher was cut from Redis in silence, %s', async ([, swallow], context) => {
    const rig = await Rig.open(context);
    const { source: proxy } = rig.proxies;
    proxy[swallow]();
    // The network is there again when some updates have waited for too long, and others have not.
    await rig.until(() => rig.source.count('unknown') > 0, 'updates that were given up');
    expect(proxy.bytesSwallowed).toBeGreaterThan(0);
    proxy.heal();
    proxy.cut();
    await rig.recovers();
    await rig.finish();
    rig.expectSeamless();
    rig.expectAnswers();
  });

  test('and what was given up is not done when it arrives at Redis after all', async (context) => {
    const rig = await Rig.open(context);
    const { source: proxy } = rig.proxies;
    proxy.delayMs = 5_000;
    await proxy.until(() => proxy.bytesHeld > 0);
    await rig.refuses(1);
    proxy.delayMs = 0;
    await rig.recovers();
    await proxy.until(() => proxy.bytesHeld === 0);
    await rig.finish();
    rig.expectSeamless();
  });

  test('after Redis has closed the gateway as too slow (client-output-buffer-limit)', async (context) => {
    const rig = await Rig.open(context, { config: { 'client-output-buffer-limit': 'pubsub 32kb 0 0' } });
    rig.source.burst(200);
    await rig.redis.says(/overcoming of output buffer limits/);
    await rig.recovers();
    await rig.finish();
    rig.expectSeamless();
    expect(rig.bus.counters).toMatchObject({ ups: 1, channelsUps: 2 });
    expect(rig.bus.counters.followers.repaired).toBeGreaterThanOrEqual(200);
  });

  test('while everything takes Redis 300 ms longer each way', async (context) => {
    const rig = await Rig.open(context);
    for (const proxy of Object.values(rig.proxies)) proxy.delayMs = 300;
    const from = rig.source.offers.length;
    await rig.recovers();
    await rig.passes(400);
    expect(Math.min(...rig.source.offers.slice(from, from + 200).map(({ tookMs }) => tookMs))).toBeGreaterThan(500);
    for (const proxy of Object.values(rig.proxies)) proxy.delayMs = 0;
    await rig.finish();
    rig.expectSeamless();
    rig.expectNothingRefused();
  });

  test('while Redis is busy with a long script', async (context) => {
    const rig = await Rig.open(context);
    const busyMs = async (rounds: number): Promise<number> => {
      const beganMs = performance.now();
      await rig.redis.command('EVAL', 'for round = 1, tonumber(ARGV[1]) do end', 0, rounds);
      return performance.now() - beganMs;
    };
    const rounds = Math.round((1e7 / (await busyMs(1e7))) * 700);
    for (let times = 0; times < 3; times++) {
      expect(await busyMs(rounds)).toBeGreaterThan(200);
      await rig.recovers();
    }
    await rig.finish();
    rig.expectSeamless();
  });
});
