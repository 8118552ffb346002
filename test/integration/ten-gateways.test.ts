// Holds gateways on one Redis to serving each other's clients: after a death, and where nobody has watched the topic before. The run
// with ten processes is `npm run nodes -- --gateways 10`.

import { afterEach, expect, test } from 'vitest';
import type { Publication } from '../../src/bus/bus.ts';
import type { BookDelta, BookSnapshot } from '../../src/market/update.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { list, startGateway, stopAll } from '../gateway/harness.ts';
import { expectExact, StreamClient } from '../gateway/streamclient.ts';
import { type RedisForTests, redisForTests } from '../redis/server.ts';
import { proveKills } from './ten-gateways.ts';

/** Processes are started, on a machine that may be busy. */
const SLOW_MS = 120_000;

let redis: RedisForTests | undefined;
afterEach(async () => {
  stopAll();
  await redis?.close();
});

test(
  'the clients of a gateway that is killed go on at others from their cursors, every book exact and no trade missing',
  async () => {
    redis = await redisForTests();
    const { url, prefix } = redis;
    const outcome = await proveKills({ url, prefix, gateways: 4, kills: 1, seed: 5, say: () => {} });
    const { failures, heals, clients, moves, states, trades } = outcome;
    expect(failures).toEqual([]);
    expect({ clients, moves }).toEqual({ clients: 6, moves: 3 });
    expect(heals.snapshot).toBe(0);
    expect(heals.diffed).toBeGreaterThan(0);
    expect(heals.replayed).toBeGreaterThan(0);
    expect(Math.min(states, trades)).toBeGreaterThan(0);
  },
  SLOW_MS,
);

test('a gateway where nobody has watched a topic answers a cursor of another one by a difference, and trades from the log', async () => {
  redis = await redisForTests();
  const { url: redisUrl, prefix: redisPrefix } = redis;
  const gateways = [startGateway({ redisUrl, redisPrefix }), startGateway({ redisUrl, redisPrefix })] as const;
  const [warm, cold] = gateways;
  for (const gateway of gateways) {
    await gateway.ready;
    list(gateway, { symbol: 'AAA', priceScale: 2, sizeScale: 0 });
  }
  const oracle = new NaiveBook();
  const publish = async (updates: readonly Publication['update'][]): Promise<void> => {
    const items = updates.map((update) => ({ symbol: 'AAA', update, exchangeUs: null }));
    for (const [i, result] of (await warm.bus.publish(items)).entries()) {
      expect(result).toHaveProperty('seq');
      if (updates[i]!.kind !== 'trade') oracle.apply(updates[i] as BookSnapshot | BookDelta);
    }
  };
  const bid = (price: number, size: number) => ({ kind: 'delta', bids: [price, size, 0], asks: [] }) as const;
  const trade = (size: number) =>
    ({ kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 101, size }) as const;
  await publish([
    { kind: 'snapshot', bids: [100, 1, 0, 99, 2, 0, 97, 3, 0], asks: [101, 4, 0, 103, 5, 0] },
    bid(98, 6),
    trade(1),
    trade(2),
  ]);

  const before = await StreamClient.connect(warm);
  before.stream.subscribe('book', ['AAA'], { depth: 5 });
  before.stream.subscribe('book', ['AAA'], { depth: 5, group: 2 });
  before.stream.subscribe('quote', ['AAA']);
  before.stream.subscribe('trade', ['AAA']);
  for (const channel of ['book', 'quote', 'trade'] as const) await before.reaches(channel, 'AAA', 2);
  await before.until(() => before.stream.find('book', 'AAA', 2)?.seq === 2, 'the grouped book');
  before.client.end();
  // A removal, too: who came without the cursor would not be told of it.
  await publish([bid(99, 0), bid(100, 9), bid(98, 7), trade(3), trade(4), trade(5)]);
  expect(cold.topics.size).toBe(0);

  const sizes: number[] = [];
  const shares: { fromSeq: number; seq: number }[] = [];
  const after = await StreamClient.connect(cold, 'msgpack', {
    trade: (_held, { size }) => sizes.push(size),
    book: (_held, _book, { fromSeq, seq }) => shares.push({ fromSeq, seq }),
    quote: (_held, { fromSeq, seq }) => shares.push({ fromSeq, seq }),
  });
  const { stream } = after;
  stream.carry(before.stream);
  for (const [channel, group] of [
    ['book', 0],
    ['book', 2],
    ['quote', 0],
    ['trade', 0],
  ] as const) {
    const cursor = { AAA: stream.cursor(channel, 'AAA', group)! };
    stream.subscribe(channel, ['AAA'], { cursor, ...(channel === 'book' ? { depth: 5, group } : {}) });
  }
  for (const channel of ['book', 'quote', 'trade'] as const) await after.reaches(channel, 'AAA', 5);
  await after.until(() => stream.find('book', 'AAA', 2)?.seq === 5, 'the grouped book');
  expect(shares).toEqual([
    { fromSeq: 2, seq: 5 },
    { fromSeq: 2, seq: 5 },
    { fromSeq: 2, seq: 5 },
  ]);
  expect(sizes).toEqual([3, 4, 5]);
  expectExact(after.held('book', 'AAA'), oracle, 5);
  for (const channel of ['quote', 'trade'] as const) {
    expect(after.held(channel, 'AAA').counters).toMatchObject({
      resets: channel === 'trade' ? 1 : 0,
      gapped: 0,
      resyncs: 0,
    });
  }
  expect(cold.topics.counters.byKind).toMatchObject({ difference: 3, ring: 1, first: 0, epoch: 0, horizon: 0 });
});
