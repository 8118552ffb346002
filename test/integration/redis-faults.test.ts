// Holds gateway, publisher and clients to their promises while a real Redis is dead, restarted, or does not answer.

import { describe, expect, test } from 'vitest';
import { publish } from '../gateway/harness.ts';
import { StreamClient } from '../gateway/streamclient.ts';
import { startBus } from '../redis/bus.ts';
import { ending, gatewayAt, PREFIX, RECOVERY_MS_MAX, Rig, readiness, SYMBOL } from '../redis/rig.ts';
import { startRedis } from '../redis/server.ts';
import { define } from '../simulation/venue.ts';

const OUTAGE_MS = 10_000;
const PAUSE_MS = 4_000;
/** Some dozens of answers. */
const ANSWERS_BYTES = 2_000;
const TOO_LONG_MS = 60_000;
const DATA = [
  ['without its data', false],
  ['with its data', true],
] as const;

/** How long something lasts is what these tests are about. */
function passing(durationMs: number): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, durationMs);
  });
}

describe.concurrent('clients are exact, and current again within three seconds,', { timeout: TOO_LONG_MS }, () => {
  test.for(DATA)('after Redis was dead for ten seconds and came back %s', async ([, persistent], context) => {
    const rig = await Rig.open(context, { persistent });
    const { source, redis } = rig;
    await redis.kill();
    await rig.health('resync');
    expect(await readiness(rig.gateway)).toMatchObject({
      ready: false,
      reasons: expect.arrayContaining([expect.objectContaining({ code: 'bus-down' })]),
    });
    const from = source.offers.length;
    const trade = { symbol: SYMBOL, type: 'trade', price: '10.00', size: '1' };
    expect((await publish(rig.gateway, trade)).code).toBe('bus-down');
    await passing(OUTAGE_MS);
    expect(redis.running).toBe(false);
    rig.expectFailedFast(from);
    await redis.restart();
    await rig.recovers();
    await rig.health('live');
    expect(await readiness(rig.gateway)).toEqual({ ready: true });
    await rig.finish();
    // A restarted server is another one: nobody can say what it has lost.
    rig.expectNewEpoch();
  });

  test.for(DATA)('after Redis was restarted %s', async ([, persistent], context) => {
    const rig = await Rig.open(context, { persistent });
    const { pid } = rig.redis;
    await rig.redis.restart();
    expect(rig.redis.pid).not.toBe(pid);
    await rig.recovers();
    await rig.finish();
    rig.expectNewEpoch();
  });

  test.for(DATA)(
    'after Redis died with answers on their way and came back at once %s',
    async ([, persistent], context) => {
      const rig = await Rig.open(context, { persistent });
      const { source: proxy } = rig.proxies;
      for (let times = 1; times <= 3; times++) {
        proxy.swallowToClient();
        await proxy.until(() => proxy.bytesSwallowed > times * ANSWERS_BYTES);
        await rig.redis.kill();
        proxy.heal();
        proxy.cut();
        await rig.redis.restart();
        await rig.recovers();
      }
      await rig.finish();
      rig.expectNewEpoch();
      expect(rig.source.count('unknown')).toBeGreaterThan(0);
    },
  );

  test('after Redis has held back all answers for four seconds (CLIENT PAUSE)', async (context) => {
    const rig = await Rig.open(context);
    const pausedMs = performance.now();
    await rig.redis.command('CLIENT', 'PAUSE', PAUSE_MS, 'ALL');
    const answered = rig.redis.command('PING').then(() => performance.now());
    await rig.health('resync');
    await rig.refuses(100);
    expect((await answered) - pausedMs).toBeGreaterThanOrEqual(PAUSE_MS - 1);
    await rig.recovers();
    await rig.health('live');
    await rig.finish();
    rig.expectSeamless();
    rig.expectAnswers();
  });

  test('after Redis was stopped for four seconds (SIGSTOP)', async (context) => {
    const rig = await Rig.open(context);
    rig.redis.pause();
    await Promise.all([rig.health('resync').then(() => rig.refuses(100)), passing(PAUSE_MS)]);
    rig.redis.resume();
    await rig.recovers();
    await rig.health('live');
    await rig.finish();
    rig.expectSeamless();
    rig.expectAnswers();
  });
});

test('a gateway starts without Redis, says so, and serves its clients when Redis comes', async (context) => {
  const redis = ending(context, await startRedis());
  await redis.kill();
  const gateway = gatewayAt(context, redis.url);
  const client = await StreamClient.connect(gateway);
  context.onTestFinished(() => client.client.end());
  client.stream.subscribe('book', [SYMBOL]);
  expect((await client.client.next('ack')).accepted).toMatchObject([{ symbol: SYMBOL }]);
  expect(await readiness(gateway)).toMatchObject({
    ready: false,
    reasons: expect.arrayContaining([expect.objectContaining({ code: 'bus-down' })]),
  });
  await redis.restart();
  const backMs = performance.now();
  const publisher = ending(context, await startBus({ url: redis.url, prefix: PREFIX }));
  publisher.instruments.put(define({ symbol: SYMBOL, priceScale: 2, sizeScale: 0 }));
  const update = { kind: 'snapshot', bids: [999, 5, 0], asks: [1_001, 7, 0] } as const;
  await publisher.bus.publish([{ symbol: SYMBOL, update, exchangeUs: null }]);
  await client.reaches('book', SYMBOL, 1);
  expect(performance.now() - backMs).toBeLessThanOrEqual(RECOVERY_MS_MAX);
  await client.until(() => (client.held('book', SYMBOL).health?.status ?? 'live') === 'live', 'no doubt');
  expect(client.held('book', SYMBOL).book!.bids).toMatchObject([{ price: 999, size: 5 }]);
  expect(await readiness(gateway)).toEqual({ ready: true });
});
