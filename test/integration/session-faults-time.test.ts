// Holds sessions to what they promise when time itself fails: a gateway that stands still for a while, and a wall clock that is set.
// What clients hold is compared with what was published.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import WebSocket from 'ws';
import { connect } from '../../src/client/node.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { SUBPROTOCOL_JSON } from '../../src/protocol/frames.ts';
import { startGateway, stopAll, TestClient } from '../gateway/harness.ts';
import { documentFile, EVERYTHING, freshFolder, keyFor, put } from '../sessions/access-scene.ts';
import { PINNED, sign, signingKey } from '../sessions/issuer.ts';
import { Random } from '../simulation/kernel.ts';
import { Account } from './account.ts';
import { MarketLoad } from './market-load.ts';
import { Random as Seeded } from './seeded.ts';
import { expectClean } from './session-faults-clean.ts';
import { Follower, Market } from './session-faults-market.ts';

/** Seconds of standing still, with hundreds of clients, on a machine that may be busy. */
const SLOW = { timeout: 120_000 };

afterEach(stopAll);

/** A gateway whose event loop stands still when it is told to. */
class StallingGateway {
  readonly url: string;
  readonly streamUrl: string;
  readonly adminUrl: string;

  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, null>,
    private readonly lines: AsyncIterator<string>,
    announced: string,
  ) {
    const { url, streamUrl, adminUrl } = JSON.parse(announced) as Record<'url' | 'streamUrl' | 'adminUrl', string>;
    this.url = url;
    this.streamUrl = streamUrl;
    this.adminUrl = adminUrl;
  }

  static async start(): Promise<StallingGateway> {
    const file = join(import.meta.dirname, 'session-gateway-child.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new StallingGateway(child, lines, (await lines.next()).value as string);
  }

  /** Resolves when it is awake again. That it slept is seen by a request that is answered only then. */
  async standStill(forMs: number): Promise<void> {
    let awake = false;
    this.child.stdin.write(`${forMs}\n`);
    const request = fetch(`${this.adminUrl}/healthz`).then(() => awake);
    expect((await this.lines.next()).value).toBe('awake');
    awake = true;
    expect(await request).toBe(true);
  }
}

describe('a gateway that stands still', () => {
  const SYMBOLS = ['A', 'B'];
  const COUNT = 20;

  async function start() {
    const gateway = await StallingGateway.start();
    const load = new MarketLoad(SYMBOLS, gateway.url, new Seeded(4));
    await load.begin();
    return { gateway, load };
  }

  /** Reasons for which the gateway has closed connections, with their numbers. */
  async function closed(gateway: StallingGateway): Promise<unknown> {
    const { sockets, connections } = (await (await fetch(`${gateway.adminUrl}/v1/admin/stats`)).json()) as {
      sockets: { closed: unknown };
      connections: number;
    };
    return { closed: sockets.closed, connections };
  }

  test(
    'for half a second, again and again, under load, loses none of two hundred clients, and none is wrong',
    SLOW,
    async () => {
      const { gateway, load } = await start();
      const clients = Array.from({ length: 200 }, () => {
        const client = connect(gateway.streamUrl);
        onTestFinished(() => client.close());
        return client;
      });
      const accounts = clients.slice(0, 5).map((client) => new Account(client, load));
      const books = clients
        .slice(5)
        .map((client, i) => client.book('A', { depth: i % 2 === 0 ? 0 : 5, interval: 100 }));
      await Promise.all([...accounts.flatMap((each) => each.books), ...books].map(({ ready }) => ready));
      for (let round = 0; round < 3; round++) {
        load.start();
        await load.after(5);
        await gateway.standStill(500);
        await load.after(5);
        await load.stop();
        for (const account of accounts) {
          await account.check(`round ${round}`);
          expect(account.failures).toEqual([]);
        }
      }
      const { bookSeq, ...published } = load.published.get('A')!;
      const whole = () => books.filter(({ current }) => current?.seq === bookSeq).length;
      await expect.poll(whole, { timeout: 30_000 }).toBe(195);
      for (const { current } of books) {
        const shown = [current!.bids, current!.asks].map((side) => side.map(({ price, size }) => [price, size]));
        const sides = [published.bids, published.asks].map((side, i) =>
          [...side].sort(([a], [b]) => (i === 0 ? b - a : a - b)).slice(0, current!.depth === 0 ? undefined : 5),
        );
        expect(shown).toEqual(sides);
      }
      expect(clients.map(({ counters }) => counters.reconnects)).toEqual(clients.map(() => 0));
      expect(await closed(gateway)).toEqual({ closed: {}, connections: 200 });
    },
  );

  /** Connections that are sent nothing more until a pong comes. */
  async function blocked(gateway: StallingGateway): Promise<number> {
    const answer = await fetch(`${gateway.adminUrl}/v1/admin/connections`);
    return ((await answer.json()) as { blocked: { window: number } }).blocked.window;
  }

  test('for four heartbeats closes nobody for it, whatever was on its way to them', SLOW, async () => {
    const { gateway, load } = await start();
    const sockets = await Promise.all(
      Array.from({ length: COUNT }, async () => {
        const socket = new WebSocket(gateway.streamUrl);
        await once(socket, 'open');
        socket.send(JSON.stringify({ op: 'subscribe', id: 1, channel: 'book', mode: 'raw', symbols: SYMBOLS }));
        await once(socket, 'message');
        return socket;
      }),
    );
    load.start();
    await load.after(20);
    // Pings pile up that are answered while the gateway sleeps: it finds the pongs, and its clock hours later.
    for (const socket of sockets) socket.pause();
    await expect.poll(() => blocked(gateway), { interval: 20 }).toBe(COUNT);
    const slept = gateway.standStill(4_000);
    for (const socket of sockets) socket.resume();
    await slept;
    await load.after(5);
    await load.stop();
    expect(await closed(gateway)).toEqual({ closed: {}, connections: COUNT });
    // A look or two of the gateway's at all of them.
    await Promise.all(sockets.map((socket) => once(socket, 'ping')));
    await Promise.all(sockets.map((socket) => once(socket, 'ping')));
    expect(await closed(gateway)).toEqual({ closed: {}, connections: COUNT });
    for (const socket of sockets) socket.terminate();
  });
});

describe('a wall clock that is set by an hour, forth and back,', () => {
  const HOUR_MS = 3_600_000;

  /** Moves the clock of this process, and so the gateway's; the monotonic one goes on as it did. */
  function movableClock(): { setMs(offsetMs: number): void } {
    const real = Date.now;
    let movedMs = 0;
    const spy = vi.spyOn(Date, 'now').mockImplementation(() => real() + movedMs);
    onTestFinished(() => spy.mockRestore());
    return {
      setMs: (offsetMs) => {
        movedMs = offsetMs;
      },
    };
  }

  async function bearing(gateway: Gateway, credential: string) {
    const client = TestClient.open(gateway, SUBPROTOCOL_JSON, { authorization: `Bearer ${credential}` });
    await client.next('identity');
    const { token } = await client.next('token');
    return { client, token };
  }

  test(
    'disconnects nobody; tokens stay good, what expires ends when it would have, and times follow',
    SLOW,
    async () => {
      const clock = movableClock();
      const startedMs = performance.now();
      const [desk, soon] = [keyFor('desk-1', 'desk', 'all'), keyFor('soon-1', 'soon', 'all')];
      const expires = new Date(Date.now() + 6_000).toISOString();
      const accessFile = documentFile({
        roles: { all: { subscribe: EVERYTHING }, default: { subscribe: EVERYTHING } },
        keys: [desk.entry, { ...soon.entry, expires }],
      });
      const issuing = await signingKey('k1');
      const jwtKeyFile = join(freshFolder(), 'keys.json');
      put(jwtKeyFile, { keys: [issuing.jwk] });
      const webToken = await sign(issuing, { exp: Math.round(Date.now() / 1_000) + 1_800 });
      const gateway = startGateway({ ...PINNED, heartbeatMs: 1_000, topicGraceMs: 0, accessFile, jwtKeyFile });
      const market = new Market(gateway, new Random(2));
      await market.open('A', 20);
      const sdk = connect(gateway.streamUrl, { credential: desk.key });
      onTestFinished(() => sdk.close());
      const follower = new Follower(sdk, market);
      await follower.book('A').ready;
      follower.followTrades('A');
      const served = { key: await bearing(gateway, desk.key), jwt: await bearing(gateway, webToken) };
      const brief = await bearing(gateway, soon.key);
      const others = Object.values(served).map(({ client }) => client);
      const spare = await Promise.all([1, 2].map(() => bearing(gateway, desk.key)));
      for (const { client } of spare) {
        // Of a session that asks for nothing nothing is kept.
        client.send({ op: 'instruments', id: 1 });
        await client.next('ack');
        client.end();
      }

      for (const [i, offsetMs] of [HOUR_MS, -HOUR_MS].entries()) {
        clock.setMs(offsetMs);
        for (let moves = 0; moves < 50; moves++) {
          await market.move('A');
          await new Promise((resolve) => setImmediate(resolve));
        }
        await Promise.all(
          others.map(async (client) => {
            await client.settled();
            const { timeUs } = await client.next('heartbeat');
            expect(Math.abs(timeUs / 1_000 - Date.now())).toBeLessThan(60_000);
          }),
        );
        // Its time is over by the clock as it is now, not by the one that it was taken by.
        if (offsetMs > 0) expect(brief.client.socket.readyState).toBe(WebSocket.OPEN);
        const back = await bearing(gateway, desk.key);
        back.client.send({ op: 'resume', id: 9, token: spare[i]!.token });
        expect(await back.client.next('ack')).toMatchObject({ id: 9, op: 'resume' });
        back.client.end();
        // Who comes now is judged by the clock as it is now.
        const late = TestClient.open(gateway, SUBPROTOCOL_JSON, { authorization: `Bearer ${webToken}` });
        const [frame] = await late.takeUntil(({ type }) => type === 'refused' || type === 'identity', 'an answer');
        expect(frame).toMatchObject(
          offsetMs > 0 ? { type: 'refused', code: 'expired-credential' } : { type: 'welcome' },
        );
        late.end();
      }
      expect(follower.client.counters.reconnects).toBe(0);
      expect(await follower.verdict()).toEqual([]);
      // The key's time was counted from when it was shown.
      expect(await brief.client.next('error')).toMatchObject({ code: 'expired-credential' });
      expect((await brief.client.closed).code).toBe(4005);
      expect(performance.now() - startedMs).toBeGreaterThan(5_900);
      expect(gateway.connectionCounters.closed).toEqual({ 'expired-credential': 1 });
      sdk.close();
      for (const client of others) client.end();
      await expectClean(gateway);
    },
  );
});
