// Exercises what a client does when its gateway is about to stop: it has the next connection before it leaves the old one.
// The gateways are real WebSocket servers that say what a test needs, in frames of the real codec.

import { expect, test } from 'vitest';
import type { ClientOptions } from '../../src/client/node.ts';
import { type Guest, Host, jsonClient, NEVER_BACK, NEVER_MS, topicFrame } from './host.ts';
import { next } from './scene.ts';

const TRADE = { type: 'trade', kind: 'trade', side: 'buy', id: 1, price: 1, size: 1, exchangeUs: null } as const;

function tradeOf(guest: Guest, seq: number): void {
  guest.say(topicFrame('trade', 'A', 1), { ...TRADE, topic: 1, fromSeq: seq - 1, seq, publishUs: 1, gatewayUs: 1 });
}

/** A client of several gateways that follows the trades of one symbol, at seq 1. */
async function trading(options: ClientOptions = {}, hostCount = 2) {
  const hosts = await Promise.all(Array.from({ length: hostCount }, () => Host.start()));
  const client = jsonClient(
    hosts.map(({ url }) => url),
    { ...NEVER_BACK, ...options },
  );
  const trades = client.trades('A');
  const seqs: number[] = [];
  trades.on('trade', ({ seq }) => seqs.push(seq));
  const guest = await hosts[0]!.guest();
  guest.welcome();
  guest.grant(await guest.request('subscribe'));
  await trades.ready;
  guest.say({ type: 'reset', topic: 1, seq: 0, reason: 'requested' });
  const seen = (seq: number) =>
    seqs.includes(seq) || new Promise<void>((resolve) => trades.on('trade', (each) => each.seq === seq && resolve()));
  tradeOf(guest, 1);
  await seen(1);
  const states: string[] = [];
  client.on('state', ({ state }) => states.push(state));
  return { hosts, client, guest, trades, seqs, seen, states };
}

function sayGoodbye(guest: Guest, reconnectMs: number): void {
  guest.say({ type: 'goodbye', reason: 'drain', reconnectMs, closeMs: 30_000 });
}

test('a client moves to the next address, and leaves the old connection when the new one is welcomed', async () => {
  const { hosts, client, guest, seqs, seen, states } = await trading();
  const told = next(client, 'goodbye');
  guest.say({ type: 'token', token: 'mine', lifeMs: 1_000 });
  sayGoodbye(guest, 5);
  expect(await told).toEqual({ reason: 'drain', reconnectMs: 5, closeMs: 30_000 });
  const second = await hosts[1]!.guest();
  // The old one serves on for as long as the new one does not.
  tradeOf(guest, 2);
  await seen(2);
  second.welcome();
  expect(await guest.closed).toBe(1000);
  expect(await second.request()).toMatchObject({ op: 'resume', token: 'mine' });
  const request = await second.request('subscribe');
  expect(request).toMatchObject({ symbols: ['A'], cursor: { A: { epoch: 77, seq: 2 } } });
  const healed = next(client, 'heal');
  second.grant(request);
  tradeOf(second, 3);
  await seen(3);
  expect(seqs).toEqual([1, 2, 3]);
  expect(await healed).toMatchObject({ how: 'replayed', heldSeq: 2 });
  expect(states).toEqual(['open']);
  expect(client.counters).toMatchObject({ reconnects: 1, gaps: 0, resyncs: 0 });
});

test('a client does not move before the time that it was given', async () => {
  const { hosts, guest } = await trading();
  const beganMs = performance.now();
  sayGoodbye(guest, 200);
  await hosts[1]!.guest();
  expect(performance.now() - beganMs).toBeGreaterThanOrEqual(200);
});

test('a client that is closed early after the goodbye comes back at once', async () => {
  const { hosts, guest } = await trading();
  sayGoodbye(guest, NEVER_MS);
  guest.close(1001);
  await hosts[1]!.guest();
});

test('a client whose next gateway has no room stays on the old connection, and tries the one after', async () => {
  const { hosts, guest, seen, states } = await trading({}, 3);
  sayGoodbye(guest, 1);
  (await hosts[1]!.guest()).refuse('busy', NEVER_MS);
  const third = await hosts[2]!.guest();
  tradeOf(guest, 2);
  await seen(2);
  third.welcome();
  expect(await guest.closed).toBe(1000);
  expect(states).toEqual(['open']);
});

test('a client that loses the old connection while the new one is on its way waits for that one only', async () => {
  const { hosts, client, guest, states } = await trading();
  sayGoodbye(guest, 1);
  const second = await hosts[1]!.guest();
  const lost = next(client, 'state');
  guest.close(1001);
  expect(await lost).toMatchObject({ state: 'connecting', reason: 'close code 1001' });
  const open = next(client, 'state');
  second.welcome();
  expect(await open).toMatchObject({ state: 'open', endpoint: hosts[1]!.url });
  expect(states).toEqual(['connecting', 'open']);
  expect([hosts[0]!.arrived, hosts[1]!.arrived]).toEqual([0, 0]);
});

test('a client that is closed in the middle of a move leaves both connections', async () => {
  const { hosts, client, guest } = await trading();
  sayGoodbye(guest, 1);
  const second = await hosts[1]!.guest();
  client.close();
  await second.closed;
  expect(await guest.closed).toBe(1000);
});
