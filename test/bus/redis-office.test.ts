// Holds offices to their word, on a real Redis: one process at a time, another one soon after it has gone, however it went.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { RedisOffice } from '../../src/bus/redis-office.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { startBus, until } from '../redis/bus.ts';
import { startProxy } from '../redis/proxy.ts';
import { redisForTests } from '../redis/server.ts';

let redis: Awaited<ReturnType<typeof redisForTests>>;
beforeAll(async () => {
  redis = await redisForTests();
});
afterAll(() => redis.close());

/** A process that asks for the office, with what became of it: all of them write into one list. */
async function candidate(url: string, prefix: string, name: string, told: string[]) {
  const port = new RedisLink({ url, onTrouble: () => {} });
  const started = await startBus({ url, prefix, port });
  const office = new RedisOffice({
    ...{ port, clock: systemClock, prefix, name: 'demo', onError: () => {} },
    onBegin: () => told.push(`${name} begins`),
    onEnd: () => told.push(`${name} ends`),
  });
  started.bus.invite(office);
  return { office, close: () => started.close() };
}

test('one has it, and when it gives it back the other does', async () => {
  const told: string[] = [];
  const prefix = `${redis.prefix}a`;
  const a = await candidate(redis.url, prefix, 'a', told);
  await until(() => told.length === 1);
  const b = await candidate(redis.url, prefix, 'b', told);
  // It has asked and was refused when what it asks next is answered.
  await until(() => told.length === 1);
  a.office.close();
  await until(() => told.length === 3);
  expect(told).toEqual(['a begins', 'a ends', 'b begins']);
  await a.close();
  await b.close();
});

test('one that is cut off in silence stops before another begins', async () => {
  const told: string[] = [];
  const prefix = `${redis.prefix}b`;
  const proxy = await startProxy(Number(new URL(redis.url).port));
  const a = await candidate(proxy.url, prefix, 'a', told);
  await until(() => told.length === 1);
  const b = await candidate(redis.url, prefix, 'b', told);
  proxy.swallow();
  await until(() => told.length === 3);
  expect(proxy.bytesSwallowed).toBeGreaterThan(0);
  expect(told).toEqual(['a begins', 'a ends', 'b begins']);
  await a.close();
  await b.close();
  await proxy.close();
});
