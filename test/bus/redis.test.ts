// Holds the bus on Redis to the contract of all buses, on a real server.

import { afterAll, beforeAll } from 'vitest';
import { startBus } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { busContract } from './contract.ts';

let redis: Awaited<ReturnType<typeof redisForTests>>;
beforeAll(async () => {
  redis = await redisForTests();
});
afterAll(async () => {
  await redis.close();
});

let count = 0;
busContract('redis', async () => {
  const { bus, instruments, settle, close } = await startBus({ url: redis.url, prefix: `${redis.prefix}${++count}` });
  return { bus, instruments, logEntriesMax: 16, nowUs: () => Date.now() * 1_000, settle, close };
});
