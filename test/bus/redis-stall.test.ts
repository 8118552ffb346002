// Holds the watch over Redis to not taking a standstill of its own process for one of Redis.

import { afterEach, expect, test } from 'vitest';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { type StartedBus, startBus, until } from '../redis/bus.ts';
import { type RedisForTests, redisForTests } from '../redis/server.ts';

/** Longer than a connection may stay without an answer. */
const STANDSTILL_MS = 2_200;

let redis: RedisForTests | undefined;
let started: StartedBus | undefined;
afterEach(async () => {
  await started?.close();
  await redis?.close();
});

/** Stands still once, with a canary under way. */
class StandstillLink extends RedisLink {
  stoodStill = false;

  override publish(channel: string, bytes: Uint8Array): ReturnType<RedisLink['publish']> {
    const published = super.publish(channel, bytes);
    if (channel.includes(':canary:') && !this.stoodStill) {
      this.stoodStill = true;
      const endMs = performance.now() + STANDSTILL_MS;
      // As a long garbage collection would: nothing else runs meanwhile.
      while (performance.now() < endMs);
    }
    return published;
  }
}

test('a process that stood still while its canary was under way keeps its connections', async () => {
  redis = await redisForTests();
  const link = new StandstillLink({ url: redis.url, onTrouble: () => {} });
  started = await startBus({ url: redis.url, prefix: redis.prefix, port: link });
  const { counters } = started.bus;
  await until(() => link.stoodStill);
  // Two canaries later it has judged.
  const sung = counters.watch.canaries;
  await until(() => counters.watch.canaries >= sung + 2);
  expect(counters).toMatchObject({ ups: 1, channelsUps: 1, watch: { unanswered: 0, unheard: 0 } });
});
