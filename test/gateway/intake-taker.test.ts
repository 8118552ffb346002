// Holds several gateways on one Redis to this: one of them takes what is published plainly, and what the change to another loses is
// announced to clients everywhere.

import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { until } from '../redis/bus.ts';
import { forkGateway, type GatewayFork } from '../redis/forks.ts';
import { startRedis } from '../redis/server.ts';
import { startGateway, stopAll } from './harness.ts';
import { bookAt, health, LISTED, type Scene, Service, scene, seen, statsOf, subscribed } from './intake-scene.ts';

/** Starting a process and waiting for its office to run out takes seconds, more on a busy machine. */
const FORK_MS_MAX = 120_000;

afterAll(stopAll);

const book = (bid: string) => ({ type: 'snapshot', bids: [[bid, '1']], asks: [['20.00', '1']] });
const delta = (bid: string, size: string) => ({ type: 'delta', bids: [[bid, size]] });
const from = (n: number, ...items: unknown[]) => ({ from: 'venue', n, items });

async function takes(gateway: { readonly adminUrl: string }): Promise<boolean> {
  return (await statsOf(gateway)).bus.intake?.taking === true;
}

/** Those that take, and the others. */
async function sorted(gateways: readonly Gateway[]): Promise<[Gateway[], Gateway[]]> {
  const taking = await Promise.all(gateways.map(takes));
  return [gateways.filter((_, i) => taking[i]), gateways.filter((_, i) => !taking[i])];
}

test('of several gateways one takes: every message goes in once, and reaches the clients of all', async () => {
  const { service, gateway } = await scene();
  const gateways = [gateway(), gateway(), gateway()];
  await service.heard();
  const clients = await Promise.all(gateways.map((each) => subscribed(each, 'trade', 'A')));
  for (let size = 1; size <= 100; size++) {
    expect(await service.publish('A', { type: 'trade', price: '10.00', size: `${size}` })).toBe(1);
  }
  const wanted = Array.from({ length: 100 }, (_, i) => [i + 1, i + 1]);
  for (const client of clients) {
    const frames = await seen(client, (frame) => frame.type === 'trade' && frame.seq === 100);
    expect(frames.flatMap((frame) => (frame.type === 'trade' ? [[frame.seq, frame.size]] : []))).toEqual(wanted);
  }
  const [taking, others] = await sorted(gateways);
  expect([taking.length, others.length]).toEqual([1, 2]);
});

test('a gateway that stops hands over at once; the change is announced, and healed by the next snapshot', async () => {
  const { service, gateway } = await scene();
  const gateways = [gateway(), gateway()];
  await service.heard();
  const [[first], [second]] = (await sorted(gateways)) as [[Gateway], [Gateway]];
  const client = await subscribed(second, 'book', 'A');
  const whole = await subscribed(second, 'book', 'B');
  await service.publish('A', from(1, book('10.00')));
  await service.publish('B', book('10.00'));
  await Promise.all([seen(client, bookAt(1)), seen(whole, bookAt(1))]);
  const heldUntilMs = Number(await service.redis.hget(`${service.prefix}:{taker}`, 'heldUntilMs'));
  first.stop();
  await service.heard();
  const [seconds] = await service.redis.time();
  expect(Number(seconds) * 1_000).toBeLessThan(heldUntilMs);
  expect(await takes(second)).toBe(true);
  await Promise.all([seen(client, health('resync')), seen(whole, health('resync'))]);
  await service.publish('A', from(2, delta('10.00', '2')));
  expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 2 });
  await service.publish('A', from(3, book('10.05'), delta('10.05', '3')));
  await service.publish('B', book('10.01'));
  await Promise.all([seen(client, health('live'), bookAt(3)), seen(whole, health('live'), bookAt(2))]);
});

test('a quote heals with the next quote: it is not announced', async () => {
  const { service, gateway } = await scene();
  const gateways = [gateway(), gateway()];
  await service.heard();
  const [[first], [second]] = (await sorted(gateways)) as [[Gateway], [Gateway]];
  const client = await subscribed(second, 'quote', 'FX');
  await service.publish('FX', { type: 'quote', bidPrice: '1.08', askPrice: null });
  await seen(client, (frame) => frame.type === 'quote' && frame.seq === 1);
  first.stop();
  await service.heard();
  await service.publish('FX', { type: 'quote', bidPrice: '1.09', askPrice: null });
  const frames = await seen(client, (frame) => frame.type === 'quote' && frame.seq === 2);
  expect(frames.filter((frame) => frame.type === 'health')).toEqual([]);
});

/** A gateway in a process of its own that takes, and knows the instruments, and another that would. */
async function forkAndOther(): Promise<Scene & { fork: GatewayFork; other: Gateway }> {
  const set = await scene();
  const { url, prefix, service } = set;
  const fork = await forkGateway({ redisUrl: url, env: { TICKWIRE_REDIS_PREFIX: prefix } });
  onTestFinished(async () => void (await fork.kill()));
  while (!(await takes(fork))) await new Promise((resolve) => setTimeout(resolve, 10));
  const other = set.gateway();
  let taken = 0;
  // The other's instruments reach the fork through Redis.
  while ((await service.redis.hexists(`${prefix}:{taker}:sources`, 'A')) === 0) {
    await service.publish('A', from(++taken, book('10.00')));
  }
  expect(await takes(other)).toBe(false);
  service.refused.length = 0;
  return { ...set, fork, other };
}

test(
  'a gateway that is killed is followed by another within four seconds, and a client of that one is told',
  async () => {
    const { service, fork, other } = await forkAndOther();
    const client = await subscribed(other, 'book', 'A');
    const killedMs = performance.now();
    await fork.kill();
    await service.heard();
    expect(performance.now() - killedMs).toBeLessThan(4_000);
    expect(await takes(other)).toBe(true);
    await seen(client, health('resync'));
    await service.publish('A', from(1, book('10.05')));
    await seen(client, health('live'));
  },
  FORK_MS_MAX,
);

test(
  'a gateway that hung does not take what another has taken meanwhile, though it comes to read it',
  async () => {
    const { service, fork, other } = await forkAndOther();
    const client = await subscribed(other, 'trade', 'A');
    fork.pause();
    while (!(await takes(other))) await new Promise((resolve) => setTimeout(resolve, 10));
    const trade = (size: number) => ({ type: 'trade', price: '10.00', size: `${size}` });
    while ((await service.publish('A', [])) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    for (let size = 1; size <= 50; size++) expect(await service.publish('A', trade(size))).toBe(2);
    fork.resume();
    // It answers this behind all that it had to read, and has given up the subscription by then.
    expect(await takes(fork)).toBe(false);
    while ((await service.publish('A', [])) > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    for (let size = 51; size <= 100; size++) expect(await service.publish('A', trade(size))).toBe(1);
    const frames = await seen(client, (frame) => frame.type === 'trade' && frame.size === 100);
    const trades = frames.flatMap((frame) => (frame.type === 'trade' ? [[frame.seq, frame.size]] : []));
    expect(trades).toEqual(Array.from({ length: 100 }, (_, i) => [i + 1, i + 1]));
  },
  FORK_MS_MAX,
);

test('a taker whose channels were cut announces what it may have missed', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const service = await Service.connect(redis.url, 'tickwire');
  const node = startGateway({ redisUrl: redis.url }, LISTED);
  onTestFinished(() => node.stop());
  await service.heard();
  const client = await subscribed(node, 'book', 'A');
  await service.publish('A', from(1, book('10.00')));
  await seen(client, bookAt(1));
  const clients = `${await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub')}`.split('\n');
  const [, id] = /^id=(\d+) .*name=tickwire-channels/.exec(
    clients.find((each) => each.includes('tickwire-channels'))!,
  )!;
  expect(await redis.command('CLIENT', 'KILL', 'ID', id!)).toBe(1);
  await service.heard();
  await service.publish('A', from(2, delta('10.00', '5')));
  expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot' });
  await seen(client, health('resync'));
  await service.publish('A', from(3, book('10.05')));
  await seen(client, health('live'), bookAt(2));
});

test('a Redis that was restarted without its data begins with snapshots again', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const node = startGateway({ redisUrl: redis.url }, LISTED);
  onTestFinished(() => node.stop());
  const before = await Service.connect(redis.url, 'tickwire');
  await before.heard();
  const client = await subscribed(node, 'book', 'A');
  await before.publish('A', from(1, book('10.00')));
  await seen(client, bookAt(1));
  // Clients may have it before the taker has its answer; what was not answered is refused when Redis is back.
  while ((await statsOf(node)).bus.intake?.items !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
  await redis.kill();
  await redis.restart();
  const after = await Service.connect(redis.url, 'tickwire');
  while ((await statsOf(node)).bus.intake?.begun !== 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await after.heard();
  await after.publish('A', from(2, delta('10.00', '5')));
  expect(await after.refusal()).toMatchObject({ code: 'needs-snapshot', n: 2 });
  await after.publish('A', from(3, book('10.05')));
  await until(() => client.frames.some((frame) => frame.type === 'book' && frame.bids[0] === 1_005));
  expect((await statsOf(node)).bus.intake).toMatchObject({ taking: true });
});
