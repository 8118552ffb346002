// Holds deploy/haproxy/haproxy.cfg to its word with a real HAProxy before two real gateways on one Redis: twenty clients of the SDK come
// through it while a market is published, and one of the gateways is drained, or killed.

import { pino } from 'pino';
import { afterEach, test as anywhere, beforeEach, expect } from 'vitest';
import { WebSocket } from 'ws';
import { type Client, connect } from '../../src/client/node.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { Account } from '../integration/account.ts';
import { MarketLoad } from '../integration/market-load.ts';
import { Random } from '../integration/seeded.ts';
import { forkGateway, type GatewayFork } from '../redis/forks.ts';
import { redisForTests } from '../redis/server.ts';
import { type Haproxy, startHaproxy } from './haproxy-rig.ts';

/** Where every 127.x.y.z is an address of this machine. */
const test = anywhere.runIf(process.platform === 'linux');
const CLIENTS = 20;
const SYMBOLS = ['BTC-USD', 'ETH-USD'];
const DRAIN_MS = 3_000;
/** HAProxy asks four times a second. */
const NOTICE_MS = 1_500;
/** Batches of updates before, during and after what happens. */
const BATCHES = 10;
const SLOW_MS = 120_000;

interface Guest {
  readonly address: string;
  readonly account: Account;
  /** What the SDK said of its connection, in order. */
  readonly told: string[];
}

let endings: (() => unknown)[] = [];
let one: GatewayFork;
let two: GatewayFork;
let proxy: Haproxy;
let load: MarketLoad;
let guests: Guest[];

beforeEach(async () => {
  endings = [];
  guests = [];
  const redis = await redisForTests();
  endings.push(() => redis.close());
  const shared = { redisUrl: redis.url, redisPrefix: redis.prefix };
  // Publishers have a gateway of their own, so that theirs is not the one that goes.
  const source = new Gateway(readSettings({ port: 0, adminPort: 0, ...shared }, {}), pino({ level: 'silent' }));
  source.start();
  endings.push(() => source.stop());
  const env = {
    TICKWIRE_REDIS_PREFIX: redis.prefix,
    TICKWIRE_TRUSTED_PROXIES: '127.0.0.1',
    TICKWIRE_DRAIN_MS: `${DRAIN_MS}`,
    TICKWIRE_DRAIN_NOTICE_MS: `${NOTICE_MS}`,
  };
  [one, two] = await Promise.all([0, 1].map(() => forkGateway({ redisUrl: redis.url, env })) as [never, never]);
  endings.push(() => Promise.all([one.kill(), two.kill()]));
  proxy = await startHaproxy(one, two);
  endings.push(() => proxy.close());
  load = new MarketLoad(SYMBOLS, source.url, new Random(1));
  endings.push(() => load.stop());
  await source.ready;
  await load.begin();
  // Not left to the exchange of instruments, which other tests are about.
  await Promise.all([one, two].map((gateway) => list(gateway)));
  for (let i = 0; i < CLIENTS; i++) guests.push(join(`127.0.9.${i + 1}`));
  await Promise.all(guests.flatMap(({ account }) => account.books.map(({ ready }) => ready)));
  load.start();
  await load.after(BATCHES);
});

afterEach(async () => {
  for (const end of endings.toReversed()) await end();
});

async function list({ url }: GatewayFork): Promise<void> {
  for (const symbol of SYMBOLS) {
    const body = JSON.stringify({ priceScale: 2, sizeScale: 0 });
    const { ok } = await fetch(`${url}/v1/instruments/${symbol}`, { method: 'PUT', body });
    expect(ok).toBe(true);
  }
}

/** A client that connects from that address of this machine. */
function from(address: string): Client {
  class From extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { localAddress: address });
    }
  }
  return connect(proxy.url, { WebSocket: From, reconnect: { minMs: 20, maxMs: 200 } });
}

function join(address: string): Guest {
  const client = from(address);
  endings.push(() => client.close());
  const told: string[] = [];
  client.on('state', ({ state }) => told.push(state));
  client.on('goodbye', ({ reason }) => told.push(reason));
  client.on('error', ({ error }) => told.push(error.code));
  const account = new Account(client, load);
  client.on('gap', (gap) => account.failures.push(`a gap: ${JSON.stringify(gap)}`));
  client.on('heal', ({ channel, symbol, how, reason }) => {
    if (how === 'snapshot') account.failures.push(`${channel} ${symbol} began anew: ${reason}`);
  });
  return { address, account, told };
}

/** Whom a gateway serves, by the addresses that it takes them for. */
async function addressesAt({ adminUrl }: GatewayFork): Promise<string[]> {
  const answer = await fetch(`${adminUrl}/v1/admin/connections?limit=100`);
  const { connections } = (await answer.json()) as { connections: { address: string }[] };
  return connections.map(({ address }) => address);
}

/** Every client holds what was published last, and every state and trade on the way was right and in order. */
async function allExact(when: string): Promise<void> {
  await load.after(BATCHES);
  await load.stop();
  for (const { account } of guests) await account.check(when);
  expect(guests.flatMap(({ account }) => account.failures)).toEqual([]);
}

test(
  'a gateway that drains behind HAProxy keeps its clients until it sends them away, and none loses a tick',
  async () => {
    const [atOne, atTwo] = [await addressesAt(one), await addressesAt(two)];
    expect([...atOne, ...atTwo].toSorted()).toEqual(guests.map(({ address }) => address).toSorted());
    expect(Math.abs(atOne.length - atTwo.length)).toBeLessThanOrEqual(CLIENTS / 2);
    let over = false;
    const ended = one.stop().then((exitCode) => {
      over = true;
      return exitCode;
    });
    await proxy.says(/Server gateways\/one is DOWN/);
    const late = from('127.0.9.200');
    endings.push(() => late.close());
    await new Promise<void>((open) => late.on('state', ({ state }) => state === 'open' && open()));
    expect(await addressesAt(two)).toContain('127.0.9.200');
    expect(over).toBe(false);
    expect(await ended).toBe(0);
    await allExact('after the drain');
    for (const { address, told } of guests) {
      const moved = atOne.includes(address);
      expect(told).toEqual(['connecting', 'open', ...(moved ? ['drain', 'open'] : [])]);
    }
    expect(new Set(await addressesAt(two))).toEqual(new Set([...guests.map(({ address }) => address), '127.0.9.200']));
  },
  SLOW_MS,
);

test(
  'a gateway that is killed behind HAProxy costs its clients no tick',
  async () => {
    const atOne = await addressesAt(one);
    expect(atOne.length).toBeGreaterThan(0);
    await one.kill();
    await proxy.says(/Server gateways\/one is DOWN/);
    await allExact('after the kill');
    expect((await addressesAt(two)).toSorted()).toEqual(guests.map(({ address }) => address).toSorted());
  },
  SLOW_MS,
);
