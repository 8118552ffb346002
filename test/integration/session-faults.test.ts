// Holds sessions to what they promise when the network fails: connections that are reset anywhere, peers that vanish without a word in
// either direction, sessions that come back too late. On real sockets; what clients hold is compared with what was published.

import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Client, connect } from '../../src/client/node.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { portOf, startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { startProxy, type TcpProxy } from '../redis/proxy.ts';
import { redisForTests } from '../redis/server.ts';
import { Random } from '../simulation/kernel.ts';
import { expectClean, sessionCounters } from './session-faults-clean.ts';
import { Follower, Market } from './session-faults-market.ts';
import { Shears } from './session-faults-shears.ts';

/** Several seconds of waiting, and as much work, on a machine that may be busy. */
const SLOW = { timeout: 120_000 };
const FAST = { reconnect: { minMs: 1, maxMs: 20 } };
const LISTED = ['A', 'B'].map((symbol) => ({ symbol, priceScale: 0, sizeScale: 0 }));

afterEach(stopAll);

function clientOf(urls: string | string[]): Client {
  const client = connect(urls, FAST);
  onTestFinished(() => client.close());
  return client;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a connection that is reset in the midst of what it brings', () => {
  test(
    'comes back, over and over, and the client is exact: in data, in a frame, in a part of a long book',
    SLOW,
    async () => {
      const gateway = startGateway({ topicGraceMs: 0, connectsPerSecMax: 1_000_000 });
      const random = new Random(3);
      const market = new Market(gateway, random);
      for (const symbol of ['A', 'B', 'C']) await market.open(symbol, 30);
      await market.open('LONG', 4_000);
      const shears = await Shears.start(portOf(gateway));
      onTestFinished(() => shears.close());
      // At first within the parts of the long book, which is a hundred kilobytes.
      let cutsBeforeIt = 0;
      shears.bytesMax = () => (shears.total < 12 ? 20_000 + random.below(60_000) : 200 + random.nearZero(60_000));
      const follower = new Follower(clientOf(shears.url), market);
      follower.book('A');
      follower.book('B', { depth: 10 });
      follower.book('C', { mode: 'raw' });
      follower.followTrades('A');
      const long = follower.book('LONG');
      follower.client.on('state', ({ state }) => {
        if (state === 'waiting' && long.current === null) cutsBeforeIt += 1;
      });
      for (let i = 0; shears.total < 100; i++) {
        for (const symbol of ['A', 'B', 'C']) await market.move(symbol);
        if (i % 10 === 0) await market.move('LONG');
        await turn();
      }
      shears.bytesMax = null;
      expect(await follower.verdict()).toEqual([]);
      expect(shears.cuts.within).toBeGreaterThan(30);
      expect(cutsBeforeIt).toBeGreaterThan(3);
      expect(follower.healed.diffed! + follower.healed.replayed!).toBeGreaterThan(30);
      expect(follower.states).toBeGreaterThan(100);
      follower.client.close();
      await expectClean(gateway);
    },
  );
});

/** How a peer may vanish: what it followed, and the silence. */
const SILENCES: readonly [string, readonly string[], (proxy: TcpProxy) => void][] = [
  ['in both directions', ['A', 'B'], (proxy) => proxy.swallow()],
  ['in both, on a link without data', ['QUIET'], (proxy) => proxy.swallow()],
  ['towards the client', ['A', 'B'], (proxy) => proxy.swallowToClient()],
  ['towards the gateway', ['A', 'B'], (proxy) => proxy.swallowToServer()],
  ['towards the gateway, on a link without data', ['QUIET'], (proxy) => proxy.swallowToServer()],
];

describe('a peer that vanishes without a word', () => {
  /** A client whose first way is through a proxy, connected; the second one is free. */
  async function through(gateway: Gateway, market: Market, symbols: readonly string[]) {
    const proxy = await startProxy(portOf(gateway));
    onTestFinished(() => proxy.close());
    const client = clientOf([`ws://127.0.0.1:${proxy.port}/v1/stream`, gateway.streamUrl]);
    const follower = new Follower(client, market);
    await Promise.all(symbols.map((symbol) => follower.book(symbol).ready));
    expect(proxy.connections).toBe(1);
    const { session } = client.welcome!;
    const served = () => [...gateway.connections].some(({ id }) => id === session);
    expect(served()).toBe(true);
    return { proxy, follower, served };
  }

  test(
    'is found by both sides within the time that the welcome states, in either direction; nothing is lost',
    SLOW,
    async () => {
      const gateway = startGateway({ heartbeatMs: 1_000, topicGraceMs: 0 });
      const market = new Market(gateway, new Random(5));
      for (const symbol of ['A', 'B', 'QUIET']) await market.open(symbol, 30);
      const scenes = await Promise.all(
        SILENCES.map(async ([way, symbols, vanish]) => ({ way, vanish, ...(await through(gateway, market, symbols)) })),
      );
      let trading = true;
      const traded = (async () => {
        for (; trading; await new Promise((resolve) => setTimeout(resolve, 5))) {
          for (const symbol of ['A', 'B']) await market.move(symbol);
        }
      })();
      await Promise.all(
        scenes.map(async ({ way, vanish, proxy, follower, served }) => {
          const { silentMs } = follower.client.welcome!.limits;
          const vanishedMs = performance.now();
          const back = new Promise<number>((resolve) => {
            const off = follower.client.on('state', ({ state, endpoint }) => {
              if (state !== 'open' || endpoint !== gateway.streamUrl) return;
              off();
              resolve(performance.now() - vanishedMs);
            });
          });
          vanish(proxy);
          const left = expect.poll(served, { timeout: silentMs!, interval: 10, message: way }).toBe(false);
          expect(await back, way).toBeLessThan(silentMs!);
          await left;
          expect(proxy.bytesSwallowed, way).toBeGreaterThan(0);
        }),
      );
      trading = false;
      await traded;
      for (const { way, follower } of scenes) {
        expect(await follower.verdict(), way).toEqual([]);
        expect(follower.client.counters.reconnects, way).toBe(1);
        follower.client.close();
      }
      // Who could not tell the gateway that it is gone: it found out, or the client had brought its token by then.
      const { silent = 0, resumed = 0 } = gateway.connectionCounters.closed;
      expect(silent + resumed).toBeGreaterThanOrEqual(4);
      await expectClean(gateway);
    },
  );
});

describe('a session that comes back too late', () => {
  test('after its life begins anew on the connection that stands, and is refused its token by its code', async () => {
    const gateway = startGateway({ resumeLifeMs: 1_000, resumeRenewMs: 1_000, topicGraceMs: 0 }, LISTED);
    const first = await TestClient.connect(gateway);
    first.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
    await first.settled();
    first.end();
    await first.closed;
    // The shortest life that can be set; nobody says when it is over.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const late = await TestClient.connect(gateway);
    late.send({ op: 'resume', id: 2, token: first.token }, { op: 'subscribe', id: 3, channel: 'book', symbols: ['B'] });
    expect(await late.next('error')).toMatchObject({ id: 2, code: 'expired-token' });
    expect(await late.next('ack')).toMatchObject({ id: 3, accepted: [{ symbol: 'B' }] });
    expect([...gateway.connections].flatMap(({ subscriptions }) => [...subscriptions.keys()])).toEqual(['book:B']);
    late.end();
    await expectClean(gateway);
  });

  test('whose socket is gone when Redis answers: who is served on its connection by then has nothing of it', async () => {
    const redis = await redisForTests();
    const proxy = await startProxy(Number(new URL(redis.url).port));
    const gateway = startGateway({ redisUrl: proxy.url, redisPrefix: redis.prefix, topicGraceMs: 0 }, LISTED);
    onTestFinished(async () => {
      stopAll();
      await proxy.close();
      await redis.close();
    });
    await gateway.ready;
    await expect.poll(() => gateway.instruments.get('B')).toBeDefined();
    for (let round = 0; round < 5; round++) {
      const first = await TestClient.connect(gateway);
      first.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] }, { op: 'limit', id: 2, topOfBook: true });
      await first.settled();
      await expect.poll(() => first.token).not.toBe('');
      first.end();
      await expect.poll(() => gateway.connectionCount).toBe(0);

      const redeemed = sessionCounters(gateway).redeemed;
      const gone = await TestClient.connect(gateway);
      const [connection] = gateway.connections;
      proxy.delayMs = 200;
      gone.send(
        { op: 'resume', id: 3, token: first.token },
        { op: 'subscribe', id: 4, channel: 'trade', symbols: ['A'] },
      );
      await expect.poll(() => connection!.waiting).toHaveLength(1);
      gone.end();
      await expect.poll(() => gateway.connectionCount).toBe(0);
      const successor = await TestClient.connect(gateway);
      expect([...gateway.connections]).toEqual([connection]);
      expect(sessionCounters(gateway).redeemed).toBe(redeemed);
      successor.send({ op: 'subscribe', id: 5, channel: 'quote', symbols: ['B'] });
      await expect.poll(() => sessionCounters(gateway).redeemed).toBe(redeemed + 1);
      proxy.delayMs = 0;
      const frames = await successor.settled();
      expect(frames.filter(({ type }) => type === 'ack')).toMatchObject([{ id: 5, accepted: [{ symbol: 'B' }] }]);
      expect([...connection!.subscriptions.keys()]).toEqual(['quote:B']);
      expect(connection!.wishes.topOfBook).toBe(false);
      successor.send({ op: 'resume', id: 6, token: first.token });
      expect(await successor.next('error')).toMatchObject({ id: 6, code: 'used-token' });
      successor.end();
      await expect.poll(() => gateway.connectionCount).toBe(0);
    }
  });
});
