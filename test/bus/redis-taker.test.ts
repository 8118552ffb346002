// Holds the office of the taker to its word on a real Redis: one holds it, and knows that it has ended before anybody else can begin.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { RedisTaker, type TakerOptions } from '../../src/bus/redis-taker.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { until } from '../redis/bus.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';

const KEY = 'test:{taker}';
const SERVER = { replicationId: 'one', version: '7.0.0', writable: true };

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
  return () => redis.close();
});
afterAll(() => redis.close());

interface Candidate {
  readonly taker: RedisTaker;
  readonly link: RedisLink;
  /** The sources that it was given each time that it began. */
  readonly begun: Record<string, string>[];
  readonly ended: number[];
  readonly errors: unknown[];
  /** Moves its clock on. */
  age(byMs: number): void;
  /** Resolves when all calls that it made have their answers. */
  answered(): Promise<unknown>;
}

/** One that may become the taker, with a clock of its own; it is connected. */
async function candidate(wishes: Partial<TakerOptions> = {}): Promise<Candidate> {
  let aheadMs = 0;
  const [begun, ended, errors]: [Record<string, string>[], number[], unknown[]] = [[], [], []];
  const link = new RedisLink({ url: redis.url, onTrouble: () => {} });
  const clock = { nowMs: () => systemClock.nowMs() + aheadMs, nowUs: systemClock.nowUs };
  const taker = new RedisTaker({
    port: link,
    clock,
    prefix: 'test',
    symbolsMax: 100,
    onBegin: (sources) => begun.push(Object.fromEntries(sources)),
    onEnd: () => ended.push(clock.nowMs()),
    onError: (error) => errors.push(error),
    ...wishes,
  });
  let isUp = false;
  link.open({
    up: () => {
      isUp = true;
    },
    down: () => taker.down(),
    channelsUp: () => {},
    channelsDown: () => {},
    subscribed: () => {},
    message: () => {},
  });
  onTestFinished(async () => {
    link.close();
    await redis.command('DEL', KEY, `${KEY}:sources`);
  });
  await until(() => isUp);
  return {
    taker,
    link,
    begun,
    ended,
    errors,
    age: (byMs) => {
      aheadMs += byMs;
    },
    // Answers come in the order of the calls.
    answered: () => link.publish('test:nothing', new Uint8Array(0)),
  };
}

async function leftMs(): Promise<number> {
  const [seconds, micros] = (await redis.command('TIME')) as [string, string];
  return Number(await redis.command('HGET', KEY, 'heldUntilMs')) - Number(seconds) * 1_000 - Number(micros) / 1_000;
}

test('the first who asks is the taker, another is not, and goes on asking', async () => {
  const [first, second] = [await candidate(), await candidate()];
  first.taker.up(SERVER);
  await first.answered();
  second.taker.up(SERVER);
  await second.answered();
  expect([first.taker.holds, second.taker.holds]).toEqual([true, false]);
  first.age(1_000);
  first.taker.pulse();
  await first.answered();
  expect({ begun: first.begun, ended: first.ended }).toEqual({ begun: [{}], ended: [] });
  first.taker.close();
  await first.answered();
  second.taker.freed();
  await second.answered();
  expect([first.taker.holds, second.taker.holds]).toEqual([false, true]);
  expect([...first.errors, ...second.errors]).toEqual([]);
});

test('the taker that gets no answer stops while it still stands as the taker in Redis', async () => {
  const { taker, answered, age, ended } = await candidate();
  taker.up(SERVER);
  await answered();
  expect(taker.holds).toBe(true);
  taker.down();
  age(2_000);
  expect(taker.holds).toBe(false);
  expect(ended).toHaveLength(1);
  expect(await leftMs()).toBeGreaterThan(0);
});

test('the taker that was not sure for a while begins anew, with the sources', async () => {
  const { taker, answered, age, begun, ended } = await candidate();
  taker.up(SERVER);
  await answered();
  taker.remember('A', 'venue');
  taker.remember('B', '');
  taker.remember('C', 'gone');
  taker.forget('C');
  // The answer that is on its way comes too late for what was believed.
  age(1_000);
  taker.pulse();
  age(1_000);
  expect(taker.holds).toBe(false);
  await answered();
  await until(() => taker.holds);
  expect({ begun, ended: ended.length }).toEqual({ begun: [{}, { A: 'venue', B: '' }], ended: 1 });
});

test('who was the taker before Redis lost its data has to give way to the one after', async () => {
  const [first, second] = [await candidate(), await candidate()];
  first.taker.up(SERVER);
  await first.answered();
  await redis.command('DEL', KEY);
  second.taker.up(SERVER);
  await second.answered();
  first.age(1_000);
  first.taker.pulse();
  await first.answered();
  expect([first.taker.holds, second.taker.holds]).toEqual([false, true]);
});

test('on another server it is not the taker before it was told so there', async () => {
  const { taker, answered, begun, ended } = await candidate();
  taker.up(SERVER);
  await answered();
  taker.up({ ...SERVER, replicationId: 'two' });
  expect([taker.holds, ended.length]).toEqual([false, 1]);
  await answered();
  await until(() => taker.holds);
  expect(begun).toHaveLength(2);
});

test('who is the taker again after Redis lost its data begins anew, since what it had remembered is lost as well', async () => {
  const { taker, answered, begun, ended, age } = await candidate();
  taker.up(SERVER);
  taker.remember('A', 'venue');
  await answered();
  await redis.command('DEL', KEY, `${KEY}:sources`);
  age(1_000);
  taker.pulse();
  await answered();
  expect({ begun, ended: ended.length, holds: taker.holds }).toEqual({ begun: [{}, {}], ended: 1, holds: true });
});

test('no more symbols are remembered than are allowed, and only the taker may say which', async () => {
  const [first, second] = [await candidate({ symbolsMax: 2 }), await candidate()];
  first.taker.up(SERVER);
  for (const symbol of ['A', 'B', 'C']) first.taker.remember(symbol, 'x');
  first.taker.remember('B', 'y');
  await first.answered();
  second.taker.remember('D', 'x');
  second.taker.forget('A');
  await second.answered();
  expect(await redis.command('HGETALL', `${KEY}:sources`)).toEqual(['A', 'x', 'B', 'y']);
});

test('a newer form of the key is left alone', async () => {
  await redis.command('HSET', KEY, 'format', '2');
  const { taker, answered, errors } = await candidate();
  taker.up(SERVER);
  await answered();
  expect(taker.holds).toBe(false);
  expect(errors.map(String)).toEqual(['Error: taker: other-format']);
});
