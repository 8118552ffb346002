// Holds sessions to what they promise under more than is reasonable: thousands of subscriptions that come and go, at the same moments
// as what they are to bring, and thousands of connections at once. What clients hold is compared with what was published.

import { existsSync, readdirSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { handshake } from '../gateway/rawsocket.ts';
import { forkGateway } from '../redis/forks.ts';
import { Random } from '../simulation/kernel.ts';
import { Account } from './account.ts';
import { MarketLoad } from './market-load.ts';
import { Random as Seeded } from './seeded.ts';
import { expectClean, kept } from './session-faults-clean.ts';
import { Follower, Market } from './session-faults-market.ts';

/** Thousands of everything, on a machine that may be busy. */
const SLOW = { timeout: 120_000 };

afterEach(stopAll);

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('ten thousand subscriptions that come and go', () => {
  const symbols = Array.from({ length: 10 }, (_, i) => `S${i}`);
  const listed = symbols.map((symbol) => ({ symbol, priceScale: 0, sizeScale: 0 }));
  const limits = { requestsPerSecMax: 1_000_000, topicGraceMs: 0, connectsPerSecMax: 1_000_000 };
  const SHAPES = [
    { channel: 'book' },
    { channel: 'book', depth: 5 },
    { channel: 'book', interval: 50 },
    { channel: 'book', mode: 'raw' },
    { channel: 'book', group: 10 },
    { channel: 'quote' },
    { channel: 'trade', last: 5 },
    { channel: 'status' },
    { channel: 'quote', symbols: ['S*'] },
    { channel: 'trade', symbols: ['*'] },
  ];

  /** Each shape of each symbol: a hundred subscribe requests, then as many unsubscribe requests, or none. */
  async function round(client: TestClient, leaves: boolean): Promise<void> {
    const ops = leaves ? ['subscribe', 'unsubscribe'] : ['subscribe'];
    const requests = symbols.flatMap((symbol) => SHAPES.map((shape) => ({ symbols: [symbol], ...shape })));
    for (const op of ops) {
      client.send(...requests.map((fields, id) => ({ ...(op === 'subscribe' ? fields : bare(fields)), op, id })));
      // Of patterns, those after the first find nothing to leave.
      const acks = (await client.settled()).filter(({ type }) => type === 'ack');
      expect(acks).toHaveLength(requests.length);
    }
  }

  function bare({ symbols: those, channel, group }: { symbols: string[]; channel: string; group?: number }) {
    return { symbols: those, channel, ...(group !== undefined && { group }) };
  }

  test('on one connection leave nothing behind while it stands, and nothing after it', SLOW, async () => {
    const gateway = startGateway(limits, listed);
    const market = new Market(gateway, new Random(1));
    for (const symbol of symbols) await market.open(symbol, 5);
    const client = await TestClient.connect(gateway);
    // From its first request on its session is kept.
    client.send({ op: 'instruments', id: 1 });
    await client.settled();
    const empty = kept(gateway);
    expect(empty).toMatchObject({ connections: 1, lanes: 1, topics: 0, listeners: 0 });
    for (let i = 0; i < 100; i++) {
      await round(client, true);
      if (i % 10 === 0) await market.move('S1');
      expect([...gateway.connections].map(({ subscriptions, patterns }) => subscriptions.size + patterns.size)).toEqual(
        [0],
      );
    }
    await expect.poll(() => kept(gateway)).toEqual(empty);
    client.end();
    await expectClean(gateway);
  });

  test('over many connections leave nothing, though half of them go without a word', async () => {
    const gateway = startGateway(limits, listed);
    const market = new Market(gateway, new Random(1));
    for (const symbol of symbols) await market.open(symbol, 5);
    const witness = await TestClient.connect(gateway);
    witness.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['S1'] });
    await witness.settled();
    const before = kept(gateway);
    for (let wave = 0; wave < 4; wave++) {
      const clients = await Promise.all(Array.from({ length: 25 }, () => TestClient.connect(gateway)));
      await Promise.all(clients.map((client, i) => round(client, i % 2 === 0)));
      await market.move('S1');
      expect(kept(gateway).topics).toBe(50);
      for (const client of clients) client.end();
      await expect.poll(() => gateway.connectionCount).toBe(1);
      // What may come back is kept for those who were connected, and no more.
      await expect.poll(() => kept(gateway)).toEqual(before);
    }
    expect(gateway.topics.peek('book', 'S1')!.users).toBe(1);
    witness.end();
    await expectClean(gateway);
  });
});

test(
  'clients that subscribe, change, leave and come back in the very turns of what is published are exact',
  SLOW,
  async () => {
    const gateway = startGateway({ requestsPerSecMax: 1_000_000, topicGraceMs: 0, connectsPerSecMax: 1_000_000 });
    const random = new Random(9);
    const market = new Market(gateway, random);
    const symbols = ['A', 'B', 'C'];
    for (const symbol of symbols) await market.open(symbol, 25);
    const resting = new Set<Follower>();
    const followers = Array.from({ length: 6 }, () => {
      const client = connect(gateway.streamUrl, { reconnect: { minMs: 0, maxMs: 5 } });
      onTestFinished(() => client.close());
      const follower = new Follower(client, market);
      follower.followTrades('A');
      // Who has come back asks for nothing else until it has what it came back with: pongs overtake data, the second one does not.
      client.on('state', async ({ state }) => {
        resting.add(follower);
        if (state !== 'open') return;
        const { reconnects } = client.counters;
        for (let i = 0; i < 2; i++) await client.request({ op: 'ping' }).catch(() => {});
        if (client.counters.reconnects === reconnects && client.state === 'open') resting.delete(follower);
      });
      return follower;
    });
    const changes = [
      { depth: 5 },
      { depth: 20 },
      { depth: 0 },
      { interval: 10 },
      { mode: 'raw' },
      { depth: 1, interval: 20 },
    ] as const;
    let [turns, done] = [0, 0];
    while (done < 4_000) {
      turns += 1;
      for (const symbol of symbols) await market.move(symbol);
      for (const follower of followers) {
        if (resting.has(follower)) continue;
        const symbol = random.pick(symbols);
        const chance = random.below(100);
        if (chance < 30) follower.book(symbol, random.pick(changes));
        else if (chance < 50 && follower.follows(symbol)) follower.leave(symbol);
        else if (chance < 51) follower.client.cut();
        else continue;
        done += 1;
      }
      await turn();
    }
    const reconnects = followers.reduce((sum, { client }) => sum + client.counters.reconnects, 0);
    for (const [i, follower] of followers.entries()) {
      for (const symbol of symbols) follower.book(symbol);
      expect(await follower.verdict(), `client ${i}`).toEqual([]);
      expect(follower.states).toBeGreaterThan(100);
      expect(follower.trades).toBeGreaterThan(100);
      follower.client.close();
    }
    expect(reconnects).toBeGreaterThan(15);
    expect(turns).toBeGreaterThan(800);
    await expectClean(gateway);
  },
);

/** One of a crowd: what it was told, and whether it plays along when it is closed. */
interface Caller {
  readonly tcp: Socket;
  readonly answer: Promise<{ type: string; code?: string; retryAfterMs?: number }>;
}

/** @param stubborn it answers no close, and keeps its side open. */
function call(port: number, stubborn: boolean): Caller {
  const tcp = dial({ port, host: '127.0.0.1', allowHalfOpen: stubborn });
  tcp.on('error', () => {});
  tcp.on('connect', () => tcp.write(handshake()));
  const answer = new Promise<Awaited<Caller['answer']>>((resolve) => {
    let text = '';
    const take = (bytes: Buffer) => {
      text += bytes.toString('latin1');
      const line = /\{"type":"(?:welcome|refused)".*?\}\n/.exec(text);
      if (line !== null) resolve(JSON.parse(line[0]) as Awaited<Caller['answer']>);
    };
    tcp.on('data', take);
    tcp.on('close', () => resolve({ type: 'closed without a word' }));
  });
  return { tcp, answer };
}

test(
  'three thousand connections at once are let in or told when to come; who is connected goes on being served',
  SLOW,
  async () => {
    const gateway = await forkGateway({
      env: { TICKWIRE_CONNECTS_PER_SEC_MAX: '200', TICKWIRE_LOG_LEVEL: 'silent', TICKWIRE_PUBLISH_PER_SEC_MAX: '0' },
    });
    onTestFinished(async () => void (await gateway.kill()));
    const port = Number(new URL(gateway.url).port);
    const load = new MarketLoad(['A', 'B'], gateway.url, new Seeded(4));
    await load.begin();
    const accounts = Array.from({ length: 20 }, () => {
      const client = connect(gateway.streamUrl);
      onTestFinished(() => client.close());
      return new Account(client, load);
    });
    await Promise.all(accounts.flatMap(({ books }) => books.map(({ ready }) => ready)));
    const stats = async () => (await (await fetch(`${gateway.adminUrl}/v1/admin/stats`)).json()) as Stats;
    const files = () => (existsSync('/proc/self/fd') ? readdirSync(`/proc/${gateway.pid}/fd`).length : 0);
    expect((await stats()).connections).toBe(20);
    load.start();
    await load.after(5);
    const filesBefore = files();
    const callers = Array.from({ length: 3_000 }, (_, i) => call(port, i % 2 === 0));
    const crowded = Promise.all(callers.map(({ answer }) => answer));
    const answers = await crowded;
    const refused = answers.filter(({ type }) => type === 'refused');
    const welcomed = answers.filter(({ type }) => type === 'welcome');
    expect(welcomed.length + refused.length).toBe(3_000);
    expect(refused.length).toBeGreaterThan(1_000);
    expect(welcomed.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['busy']));
    for (const { retryAfterMs } of refused) expect(retryAfterMs).toBeGreaterThan(0);
    expect((await stats()).refusals).toEqual({ busy: refused.length });
    for (const [i, { tcp }] of callers.entries()) if (answers[i]!.type === 'welcome') tcp.destroy();
    await load.after(5);
    await load.stop();
    for (const account of accounts) {
      await account.check('after the crowd');
      expect(account.failures).toEqual([]);
      expect(account.client.counters.reconnects).toBe(0);
    }
    // Those who never answer the close have kept their own side.
    const stubborn = callers.filter(({ tcp }, i) => i % 2 === 0 && answers[i]!.type === 'refused' && !tcp.destroyed);
    expect(stubborn.length).toBeGreaterThan(500);
    await expect.poll(files, { timeout: 30_000 }).toBeLessThanOrEqual(filesBefore + 2);
    expect((await stats()).connections).toBe(20);
    for (const { client } of accounts) client.close();
    await expect.poll(stats).toMatchObject({ connections: 0, admission: { total: 0, addresses: 0, principals: 0 } });
    for (const { tcp } of callers) tcp.destroy();
  },
);

interface Stats {
  readonly connections: number;
  readonly refusals: Readonly<Record<string, number>>;
}
