// Exercises one connection: what the client tells of itself on it and how fast, what it is told, and how it notices that it is dead.
// The gateway is a real WebSocket server that says what a test needs, in frames of the real codec.

import { describe, expect, onTestFinished, test } from 'vitest';
import WebSocket from 'ws';
import { startProxy } from '../redis/proxy.ts';
import { type Guest, Host, joined, jsonClient, topicFrame } from './host.ts';
import { next } from './scene.ts';

/** Grants subscriptions until it is so many. */
async function grantAll(guest: Guest, count: number): Promise<void> {
  for (let granted = 0; granted < count; ) {
    const request = await guest.request('subscribe');
    guest.grant(request, 1 + granted);
    granted += (request.symbols as string[]).length;
  }
}

describe('what a gateway says of a cursor', () => {
  test('is an event, and is counted', async () => {
    const { client, guest } = await joined();
    const trades = client.trades('A');
    guest.grant(await guest.request('subscribe'), 7);
    await trades.ready;
    const events = [
      { how: 'replayed', why: 'cursor' },
      { how: 'diffed', why: 'cursor' },
      { how: 'snapshot', why: 'horizon' },
      { how: 'snapshot', why: 'epoch' },
    ] as const;
    const told: unknown[] = [];
    const all = next(client, 'healed', (event) => told.push(event) === events.length);
    for (const each of events) guest.say({ type: 'healed', topic: 7, ...each });
    await all;
    expect(told).toEqual(events.map((each) => ({ channel: 'trade', symbol: 'A', ...each })));
    expect(trades.counters).toMatchObject({ replayed: 1, diffed: 1, snapshots: 2 });
    expect(client.counters).toMatchObject({ replayed: 1, diffed: 1, snapshots: 2 });
  });
});

describe('heartbeats', () => {
  test('of the client say how late it is and what it holds, some topics each time, in turn', async () => {
    const limits = { silentMs: 60_000, requestBytes: 1_024 };
    const { host, client, guest } = await joined({}, limits);
    expect(await guest.request('ping')).toEqual({ op: 'ping', id: 2, held: [] });
    // Of 32 topics there is room in a request as short as this gateway's.
    const symbols = Array.from({ length: 40 }, (_, i) => `S${i}`);
    const lines = symbols.map((symbol) => client.trades(symbol));
    await grantAll(guest, symbols.length);
    await Promise.all(lines.map(({ ready }) => ready));
    const trade = { type: 'trade', kind: 'trade', side: 'buy', id: 1, price: 1, size: 1, exchangeUs: null } as const;
    guest.say({ type: 'reset', topic: 40, seq: 4, reason: 'requested' });
    guest.say(topicFrame('trade', 'S39', 40), { ...trade, topic: 40, fromSeq: 4, seq: 5, publishUs: 1, gatewayUs: 1 });
    guest.cut();
    const again = await host.guest();
    again.welcome(limits);
    await grantAll(again, symbols.length);
    const first = await again.request('ping');
    again.say({ type: 'pong', id: first.id, timeUs: 1_000_000 });
    const fresh = { publishUs: 900_000, gatewayUs: 900_000 };
    again.say(topicFrame('trade', 'S39', 40), { ...trade, topic: 40, fromSeq: 5, seq: 6, ...fresh });
    const pings = [await again.request('ping'), await again.request('ping')];
    const topics = pings.map(({ held }) => (held as number[]).filter((_, i) => i % 2 === 0));
    expect(topics).toEqual([Array.from({ length: 32 }, (_, i) => 1 + i), Array.from({ length: 8 }, (_, i) => 33 + i)]);
    expect((pings[1]!.held as number[]).slice(-2)).toEqual([40, 6]);
    expect(pings[1]!.lagMs).toBe(Math.round(client.lag.latencyMs!));
  }, 60_000);
});

describe('a gateway that is gone without a word', () => {
  test('is found within the time that its welcome states', async () => {
    const host = await Host.start();
    const proxy = await startProxy(host.port);
    onTestFinished(() => proxy.close());
    const client = jsonClient(`ws://127.0.0.1:${proxy.port}/v1/stream`);
    (await host.guest()).welcome({ silentMs: 400 });
    await next(client, 'state', ({ state }) => state === 'open');
    proxy.swallow();
    const { reason } = await next(client, 'state', ({ state }) => state === 'waiting');
    expect(reason).toMatch(/^lost: nothing heard for 4\d\d ms$/);
  });
});

describe('requests', () => {
  test('are never more in a second than the welcome allows', async () => {
    const sentMs: number[] = [];
    class Watched extends WebSocket {
      override send(data: Parameters<WebSocket['send']>[0]): void {
        sentMs.push(performance.now());
        super.send(data);
      }
    }
    const host = await Host.start();
    const client = jsonClient(host.url, { WebSocket: Watched });
    // Each with wishes of its own, so each in a request of its own: some wait for the welcome, some come later.
    const line = (_: unknown, i: number) => client.trades(`S${client.state}${i}`, { last: i });
    const lines = Array.from({ length: 6 }, line);
    const guest = await host.guest();
    const open = next(client, 'state', ({ state }) => state === 'open');
    guest.welcome({ requestsPerSec: 4 });
    await open;
    lines.push(...Array.from({ length: 4 }, line));
    for (const [i] of lines.entries()) guest.grant(await guest.request('subscribe'), 1 + i);
    await Promise.all(lines.map(({ ready }) => ready));
    expect(sentMs.length).toBeGreaterThanOrEqual(10);
    for (let i = 4; i < sentMs.length; i++) expect(sentMs[i]! - sentMs[i - 4]!).toBeGreaterThanOrEqual(999);
  });

  test('that were too many are made again later', async () => {
    const { client, guest } = await joined();
    const trades = client.trades('A');
    const error = next(client, 'error');
    guest.error((await guest.request('subscribe')).id, 'too-many-requests');
    expect(await error).toMatchObject({ symbol: 'A', error: { code: 'too-many-requests' } });
    guest.grant(await guest.request('subscribe'));
    await trades.ready;
  });
});
