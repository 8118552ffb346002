// Holds gateways that share Redis to one view of an instrument's scales: who changes them begins the epoch, nobody undoes it.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Published } from '../../src/bus/bus.ts';
import { RedisBus } from '../../src/bus/redis.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { Registry } from '../../src/bus/registry.ts';
import { Instruments } from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import type { Update } from '../../src/market/update.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import { until } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { define } from '../simulation/venue.ts';

const SCALED = define({ symbol: 'X', priceScale: 2, sizeScale: 0 });
const SNAPSHOT: Update = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] };

/** A gateway's bus with its registry, wired as the gateway wires them. */
class Node {
  readonly instruments = new Instruments();
  readonly bus: RedisBus;
  readonly registry: Registry;
  /** What the others do is not heard of. */
  deaf = false;
  /** Changes of instruments do not get to the topics. */
  leavesTopics = false;
  private epochs = 1;

  constructor(url: string, prefix: string, number: number) {
    const port = new RedisLink({ url, onTrouble: () => {} });
    const { instruments } = this;
    const onError = (): void => {};
    this.bus = new RedisBus({
      ...{ port, instruments, prefix, onError, clock: systemClock, timers: systemTimers },
      newEpoch: () => number * 1_000_000 + this.epochs++,
      ...{ logEntriesMax: 16, tombstonesMax: 100, publishRetryMs: 1_000 },
      instrumentNews: {
        isForeign: () => this.leavesTopics || this.registry.isApplying,
        settle: () => {
          this.registry.check();
          return this.registry.idle();
        },
      },
    });
    this.registry = new Registry({
      ...{ port, prefix, instruments, sets: new SymbolSets(), onError, timers: systemTimers },
      ...{ instrumentsMax: 100, readyMaxMs: 5_000 },
    });
    this.bus.invite({
      channels: this.registry.channels,
      up: (identity) => this.registry.up(identity),
      down: () => this.registry.down(),
      subscribed: (channel) => this.registry.subscribed(channel),
      message: (channel, bytes) => {
        if (!this.deaf) this.registry.message(channel, bytes);
      },
      pulse: () => {},
    });
  }

  async start(): Promise<void> {
    this.bus.open();
    await this.registry.ready;
    await until(() => this.bus.ready);
  }

  async publish(update: Update): Promise<Published> {
    return (await this.bus.publish([{ symbol: 'X', update, exchangeUs: null }]))[0]!;
  }

  stop(): void {
    this.registry.close();
    this.bus.close();
  }
}

let redis: Awaited<ReturnType<typeof redisForTests>>;
let a: Node;
let b: Node;
let tests = 0;
beforeAll(async () => {
  redis = await redisForTests();
});
afterAll(() => redis.close());
beforeEach(async () => {
  const prefix = `${redis.prefix}${++tests}`;
  [a, b] = [new Node(redis.url, prefix, 1), new Node(redis.url, prefix, 2)];
  await Promise.all([a.start(), b.start()]);
  a.instruments.put(SCALED);
  await until(() => b.instruments.get('X') !== undefined);
});
afterEach(() => {
  a.stop();
  b.stop();
});

function epochOf(published: Published): number {
  if ('refused' in published) throw new Error(published.refused.code);
  return published.epoch;
}

test('one change of scales begins one epoch, however many nodes hear of it', async () => {
  const before = epochOf(await a.publish(SNAPSHOT));
  a.instruments.put({ ...SCALED, priceScale: 3 });
  const after = epochOf(await a.publish(SNAPSHOT));
  expect(after).not.toBe(before);
  await until(() => b.instruments.get('X')?.priceScale === 3);
  expect(epochOf(await b.publish({ kind: 'delta', bids: [100, 6, 0], asks: [] }))).toBe(after);
  expect((await b.bus.load('book', 'X')).seq).toBe(2);
});

test('who has yet to hear of a change is refused, and undoes nothing', async () => {
  await a.publish(SNAPSHOT);
  b.deaf = true;
  a.instruments.put({ ...SCALED, priceScale: 3 });
  const after = epochOf(await a.publish(SNAPSHOT));
  await a.registry.idle();
  expect(await b.publish(SNAPSHOT)).toMatchObject({ refused: { code: 'stale-instrument' } });
  // By having been refused it has asked.
  await until(() => b.instruments.get('X')?.priceScale === 3);
  expect(epochOf(await b.publish(SNAPSHOT))).toBe(after);
  expect(await b.bus.load('book', 'X')).toMatchObject({ epoch: after, seq: 2 });
});

test('a delisting that is heard of late does not end what was listed again since', async () => {
  await a.publish(SNAPSHOT);
  b.deaf = true;
  a.instruments.delist('X');
  await a.registry.idle();
  a.instruments.put(SCALED);
  const after = epochOf(await a.publish(SNAPSHOT));
  b.registry.check();
  await b.registry.idle();
  expect(await a.bus.load('book', 'X')).toMatchObject({ epoch: after, seq: 1 });
  expect(epochOf(await b.publish(SNAPSHOT))).toBe(after);
});

test('scales that nobody took to the topics are taken there by who publishes next', async () => {
  const before = epochOf(await a.publish(SNAPSHOT));
  // As if the node that changed them had ended before it got to the topics.
  b.leavesTopics = true;
  b.instruments.put({ ...SCALED, priceScale: 3 });
  await until(() => a.instruments.get('X')?.priceScale === 3);
  expect(await a.publish(SNAPSHOT)).toMatchObject({ refused: { code: 'stale-instrument' } });
  let published = await a.publish(SNAPSHOT);
  while ('refused' in published) published = await a.publish(SNAPSHOT);
  expect(epochOf(published)).not.toBe(before);
});

test('what is listed again at other scales is not read at those of before by who has heard of neither', async () => {
  await a.publish(SNAPSHOT);
  b.deaf = true;
  a.instruments.delist('X');
  await a.registry.idle();
  const scales: (number | undefined)[] = [];
  b.bus.subscribe('book', 'X', {
    entry: () => scales.push(b.instruments.get('X')?.priceScale),
    epoch: () => {},
    lost: () => {},
    doubt: () => {},
  });
  await until(() => b.bus.settled);
  a.instruments.put({ ...SCALED, priceScale: 3 });
  // Of the two that know the symbol at different scales the one that came first is right, until it has asked.
  expect(await a.publish(SNAPSHOT)).toMatchObject({ refused: { code: 'stale-instrument' } });
  let published = await a.publish(SNAPSHOT);
  while ('refused' in published) published = await a.publish(SNAPSHOT);
  b.registry.check();
  await b.registry.idle();
  await until(() => b.bus.settled);
  expect(epochOf(await a.publish(SNAPSHOT))).toBe(epochOf(published));
  await until(() => scales.length > 0);
  expect(new Set(scales)).toEqual(new Set([3]));
});
