// Owns the tests of `bench:redis` on a real Redis, shortened: both ways of publishing, both ways of keeping a book's state.
// Invariant under test: what the command measures works, so that its figures are of something.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Book } from '../../../src/market/book.ts';
import { type RedisServer, startRedis } from '../../redis/server.ts';
import { seededRandom } from '../workloads.ts';
import { someDeltas, wholeBook } from './books.ts';
import { KeptKeeping, LogKeeping } from './keeping.ts';
import { WAYS } from './messages.ts';
import { bundleNode, type Load, measureRun } from './run.ts';

let redis: RedisServer;

beforeAll(async () => {
  await bundleNode();
  redis = await startRedis();
});
afterAll(() => redis.close());

/** Resolves when as many channels have a subscriber. */
async function followed(channels: number): Promise<void> {
  while (((await redis.command('PUBSUB', 'CHANNELS')) as string[]).length !== channels);
}

describe('bench:redis', () => {
  it.each(WAYS)('hears in one process what another publishes: %s', async (way) => {
    const load: Load = { name: 'short', topics: 10, batch: 2, pace: { updatesPerSec: 100 } };
    const order = { redis, load, way, seconds: 1, seed: 1 };
    const { ran, heard, redisCpuUs } = await measureRun(order, new AbortController().signal);
    expect([ran.problemTexts, heard.problemTexts]).toEqual([[], []]);
    expect([ran.updates, heard.updates]).toEqual([100, 100]);
    expect(Math.min(redisCpuUs, ran.cpuUs, heard.cpuUs, heard.latency.p50Us)).toBeGreaterThan(0);
  });

  it('ends both processes when it is interrupted', async () => {
    const interruption = new AbortController();
    const load: Load = { name: 'long', topics: 10, batch: 1, pace: { updatesPerSec: 100 } };
    const run = measureRun({ redis, load, way: 'plain', seconds: 600, seed: 1 }, interruption.signal);
    const ended = expect(run).rejects.toThrow('ended before');
    await followed(load.topics);
    interruption.abort();
    await ended;
    await followed(0);
  });

  it.each([
    ['log', LogKeeping],
    ['kept', KeptKeeping],
  ] as const)('loads a book whole that it has kept: %s', async (_, way) => {
    await redis.command('FLUSHALL');
    const keeping = await way.open(redis.url);
    const oracle = new Book();
    const whole = wholeBook(seededRandom(1));
    oracle.applySnapshot(whole.bids, whole.asks, 1);
    await keeping.publish(0, [whole]);
    for (const [index, delta] of someDeltas(1).slice(0, 400).entries()) {
      oracle.applyDelta(delta.bids, delta.asks, index + 2);
      await keeping.publish(0, [delta]);
    }
    const { bids, asks, seq, horizonSeq } = (await keeping.load(0)).state();
    const expected = oracle.state();
    keeping.close();
    expect({ bids, asks, seq, horizonSeq }).toEqual({
      ...{ bids: expected.bids, asks: expected.asks, seq: expected.seq, horizonSeq: expected.horizonSeq },
    });
  });
});
