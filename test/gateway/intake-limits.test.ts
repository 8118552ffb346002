// Holds the intake of plain messages to its bounds, on a real Redis: with a bus that takes its time, and with a clock that runs on.

import { expect, onTestFinished, test } from 'vitest';
import type { RedisBus } from '../../src/bus/redis.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { Intake } from '../../src/gateway/intake.ts';
import { defineInstrument, type Instrument } from '../../src/market/instrument.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { startBus, until } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { Service } from './intake-scene.ts';

const HOUR_MS = 3_600_000;

/** An intake with connections of its own, on a bus that holds back what is published until it is let go. */
async function slowIntake() {
  const { url, prefix, close } = await redisForTests();
  onTestFinished(() => close());
  const { bus, instruments } = await startBus({ url, prefix });
  for (const symbol of ['A', 'B']) {
    instruments.put(defineInstrument({ symbol, priceScale: 2, sizeScale: 0 }) as Instrument);
  }
  const link = new RedisLink({ url, onTrouble: () => {} });
  onTestFinished(() => {
    link.close();
    bus.close();
  });
  const doubts: [string, boolean][] = [];
  let aheadMs = 0;
  let letGo: () => void = () => {};
  let gate: Promise<void> = Promise.resolve();
  const held = async (...args: Parameters<RedisBus['publish']>): ReturnType<RedisBus['publish']> => {
    await gate;
    return bus.publish(...args);
  };
  const intake = new Intake({
    bus: {
      publish: held,
      sayDoubt: (symbol, doubted) => {
        doubts.push([symbol, doubted]);
        bus.sayDoubt(symbol, doubted);
      },
    },
    port: link,
    clock: { nowMs: () => systemClock.nowMs() + aheadMs, nowUs: systemClock.nowUs },
    instruments,
    prefix,
    ready: Promise.resolve(),
    limits: { publishBytesMax: 4_194_304, publishItemsMax: 1_000, instrumentsMax: 100 },
    onRefusal: () => {},
    onRefused: () => {},
    onError: (error) => {
      throw error;
    },
  });
  link.open({
    up: (identity) => intake.up(identity),
    down: () => intake.down(),
    channelsUp: () => link.subscribe(intake.channels),
    channelsDown: () => {},
    subscribed: (channel) => intake.subscribed(channel),
    message: (channel, bytes) => intake.message(channel, bytes),
  });
  const service = await Service.connect(url, prefix);
  await service.heard();
  return {
    intake,
    bus,
    link,
    service,
    doubts,
    /** Lets time pass as the intake sees it, in steps within which it keeps its office. */
    spend: async (ms: number) => {
      for (const endMs = aheadMs + ms; aheadMs < endMs; ) {
        aheadMs += 1_500;
        intake.pulse();
        // Answers come in the order of the calls.
        await link.publish(`${prefix}:nothing`, new Uint8Array(0));
      }
    },
    hold: () => {
      gate = new Promise((resolve) => {
        letGo = resolve;
      });
    },
    release: () => letGo(),
  };
}

const book = { type: 'snapshot', bids: [['10.00', '1']], asks: [] };
const from = (n: number, ...items: unknown[]) => ({ from: 'venue', n, items });

test('what waits for a bus that does not keep up is dropped at a bound, and announced', async () => {
  const { intake, bus, service, doubts, hold, release } = await slowIntake();
  await service.publish('A', from(1, book));
  await until(() => intake.counters.items === 1);
  hold();
  // One is under way; nine of nearly 4 MB are more than may wait.
  await service.publish('A', from(2, { type: 'delta', bids: [['10.00', '2']] }));
  const padding = ' '.repeat(4_000_000);
  for (let n = 3; n <= 11; n++) await service.publish('A', JSON.stringify(from(n, book)) + padding);
  await until(() => service.refused.length === 9);
  expect(service.refused.map(({ code, n }) => [code, n])).toEqual(
    Array.from({ length: 9 }, (_, i) => ['bus-down', i + 3]),
  );
  expect(doubts).toEqual([['A', true]]);
  service.refused.length = 0;
  // There is room again.
  await service.publish('B', from(1, book));
  release();
  await until(() => intake.counters.items === 3);
  await service.publish('A', from(12, { type: 'delta', bids: [['10.00', '9']] }));
  expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 12 });
  await service.publish('A', from(13, book));
  await until(() => doubts.length === 2);
  expect(doubts[1]).toEqual(['A', false]);
  expect((await bus.load('book', 'A')).seq).toBe(3);
});

test('messages that waited go in together, and none after a hole rides on those before it', async () => {
  const { intake, bus, service, hold, release } = await slowIntake();
  hold();
  await service.publish('A', from(1, book));
  const delta = (size: number) => ({ type: 'delta', bids: [['10.00', `${size}`]] });
  for (const n of [2, 3, 5, 6]) await service.publish('A', from(n, delta(n)));
  await until(() => intake.counters.messages >= 5);
  release();
  expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 5 });
  expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 6 });
  const { seq, book: state } = await bus.load('book', 'A');
  expect([seq, state?.bids.slice(0, 2)]).toEqual([3, [1_000, 3]]);
  expect(intake.counters).toMatchObject({ holes: 1, items: 3, refused: 2 });
});

test('what was said of a symbol is said again after Redis was away', async () => {
  const { intake, link, service, doubts } = await slowIntake();
  await service.publish('A', from(1, book));
  await service.publish('A', from(3));
  await until(() => doubts.length === 1);
  link.resetCalls('for the test');
  await until(() => doubts.length === 2);
  expect(doubts).toEqual([
    ['A', true],
    ['A', true],
  ]);
  expect(intake.state).toMatchObject({ taking: true, begun: 1 });
});

test('a symbol of which nothing came for an hour is forgotten, and no longer held to be in doubt', async () => {
  const { intake, service, doubts, spend } = await slowIntake();
  await service.publish('A', from(1, book));
  await service.publish('B', from(1, book));
  await service.publish('B', from(3, { type: 'delta' }));
  await until(() => intake.counters.holes === 1);
  const sources = async (): Promise<string[]> =>
    (await service.redis.hkeys(`${service.prefix}:{taker}:sources`)).sort();
  await spend(HOUR_MS - 60_000);
  expect([await sources(), doubts]).toEqual([['A', 'B'], [['B', true]]]);
  await service.publish('A', from(2));
  await until(() => intake.counters.messages === 5);
  await spend(180_000);
  expect(await sources()).toEqual(['A']);
  expect(doubts).toEqual([
    ['B', true],
    ['B', false],
  ]);
  expect(intake.state).toMatchObject({ taking: true, begun: 1 });
});
