// Holds a busy gateway to what going round its clients promises: fewer messages, nobody waiting longer than a round, everybody exact, and
// whoever leaves or falls behind in between with exactly what was sent to it. Runs the real topics and sessions on the virtual clock.

import { describe, expect, test } from 'vitest';
import type { Update } from '../../src/market/update.ts';
import { Rounds } from '../../src/topics/rounds.ts';
import { TURN_BOUNDS_S } from '../../src/topics/spread.ts';
import { type FakeClient, Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0, 98, 4, 0], asks: [101, 7, 0, 102, 8, 0] } as const;
const ROUND_MS = 10;
const STEP_MS = 1;

function bidOf(size: number): Update {
  return { kind: 'delta', bids: [100, size, 0], asks: [] };
}

/** Clients whose sends take so long that a flush to all takes a few milliseconds, in a process that claims to be busy. */
async function busyStation(count = 10, sendMs = 0.5): Promise<{ station: Station; clients: FakeClient[] }> {
  const station = new Station();
  station.list('X');
  station.list('Y');
  await station.publish('X', SNAPSHOT);
  await station.publish('Y', SNAPSHOT);
  const clients = Array.from({ length: count }, () => station.connect());
  for (const { stream } of clients) stream.subscribe('book', ['X', 'Y']);
  await station.settle();
  for (const client of clients) client.sendMs = sendMs;
  // As long as this one takes, sending to all takes.
  await station.publish('X', bidOf(1));
  await station.settle();
  station.demand = 1.2;
  for (const client of clients) client.clear();
  return { station, clients };
}

/** An update each millisecond. @returns how many. */
async function publishFor(station: Station, durationMs: number): Promise<number> {
  for (let ms = 1; ms <= durationMs; ms++) {
    await station.publish('X', bidOf(10 + ms));
    await station.advance(1);
  }
  return durationMs;
}

function expectExact(client: FakeClient, symbol = 'X'): void {
  const held = client.held('book', symbol);
  expect(held).toMatchObject({ seq: client.connection.subscriptions.get(`book:${symbol}`)!.topic.seq, valid: true });
  expect(held.counters.resyncs).toBe(0);
}

describe('a busy gateway', () => {
  test('sends each client what came since its last turn, in one message a round', async () => {
    const { station, clients } = await busyStation();
    const beganMs = station.kernel.nowMs();
    const updates = await publishFor(station, 100);
    const rounds = (station.kernel.nowMs() - beganMs) / ROUND_MS;
    await station.advance(2 * ROUND_MS);
    for (const client of clients) {
      expect(client.handed.length).toBeGreaterThanOrEqual(rounds - 1);
      expect(client.handed.length).toBeLessThanOrEqual(rounds + 2);
      const { delivered, merged } = client.held('book', 'X').counters;
      expect(delivered + merged).toBe(updates + 1);
      expect(client.of('book').at(-1)).toMatchObject({ bids: [100, 110] });
      expectExact(client);
    }
    expect(station.flush.counters.holds).toBeGreaterThan(0);
    expect(station.flush.outgoing.count).toBe(0);
  });

  test('has nobody wait longer than a round and its step', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 60);
    const publishedMs = station.kernel.nowMs();
    await station.publish('Y', bidOf(77));
    await station.advance(3 * ROUND_MS);
    for (const client of clients) {
      const waitedMs = client.handedAtMs.map((atMs) => atMs - publishedMs).find((ms) => ms >= 0)!;
      expect(waitedMs).toBeLessThanOrEqual(ROUND_MS + 2 * STEP_MS);
      expectExact(client, 'Y');
    }
  });

  test('takes in what comes while it sends', async () => {
    const { station } = await busyStation(200, 0.2);
    const { counts } = station.flush.durations;
    const longer = (): number =>
      TURN_BOUNDS_S.reduce((sum, boundS, i) => (boundS < 0.01 ? sum : sum + counts[i + 1]!), 0);
    const before = longer();
    const { flushes, messages } = { ...station.flush.counters };
    await publishFor(station, 100);
    // Sending to all takes 40 ms; it stops after two, or sixteen sends later.
    expect(longer()).toBe(before);
    expect(station.flush.counters.flushes - flushes).toBeGreaterThan(10);
    expect(station.flush.counters.messages - messages).toBeGreaterThan(400);
  });

  test('makes no more than a few answers a round, however many updates come', async () => {
    const { station } = await busyStation(200, 0.2);
    await publishFor(station, 50);
    const { answers } = { ...station.flush.counters };
    const passed = station.flush.rounds.passed;
    await publishFor(station, 200);
    const rounds = (station.flush.rounds.passed - passed) / 200;
    expect(station.flush.counters.answers - answers).toBeLessThanOrEqual(8 * rounds + 1);
  });

  test('tells of each turn when it was, in a message of several', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 40);
    const several = clients[0]!.of('book').filter(({ gatewayUs }) => gatewayUs > 0);
    const times = several.map(({ gatewayUs }) => gatewayUs);
    expect(new Set(times).size).toBeGreaterThan(clients[0]!.handed.length);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const { publishUs, gatewayUs } of several) expect(gatewayUs).toBeGreaterThanOrEqual(publishUs);
  });

  test('leaves nothing behind where a whole round was due at once', async () => {
    const { station, clients } = await busyStation(10, 0.2);
    await station.publish('X', bidOf(50));
    await station.advance(0.5);
    // The process stands still: the next turn has an update, and all lanes to pass.
    station.kernel.spend(30);
    await station.publish('X', bidOf(51));
    await station.advance(3 * ROUND_MS);
    for (const client of clients) expectExact(client);
  });

  test('shares a message among clients whose turn comes together', async () => {
    const { station } = await busyStation(40, 0.1);
    const { joins, joinsShared } = { ...station.flush.counters };
    await publishFor(station, 50);
    expect(station.flush.counters.joinsShared - joinsShared).toBeGreaterThan(station.flush.counters.joins - joins);
  });

  test('sends all that waits at once when it is busy no longer', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 15);
    expect(station.flush.outgoing.count).toBeGreaterThan(0);
    station.demand = 0;
    await station.publish('Y', bidOf(3));
    await station.settle();
    expect(station.flush.outgoing.count).toBe(0);
    for (const client of clients) {
      expectExact(client);
      expectExact(client, 'Y');
    }
  });

  test('goes round while it would be more than 60 % busy', async () => {
    const { station, clients } = await busyStation();
    station.demand = 0.61;
    await publishFor(station, 50);
    await station.advance(2 * ROUND_MS);
    expect(station.flush.counters.holds).toBeGreaterThan(0);
    for (const client of clients) {
      expect(client.handed.length).toBeLessThan(25);
      expectExact(client);
    }
  });

  test.each([
    { name: 'is not busy enough', demand: 0.6, sendMs: 0.5 },
    { name: 'sends to all in less than a millisecond', demand: 1.2, sendMs: 0.09 },
  ])('sends at once where it $name', async ({ demand, sendMs }) => {
    const { station, clients } = await busyStation(10, sendMs);
    station.demand = demand;
    for (let size = 20; size < 25; size++) {
      for (const client of clients) client.clear();
      await station.publish('X', bidOf(size));
      await station.settle();
      for (const client of clients) expect(client.handed.length).toBe(1);
    }
    expect(station.flush.counters.holds).toBe(0);
  });

  test('sends at once where messages are long: none would be spared', async () => {
    const { station, clients } = await busyStation();
    const { holds } = station.flush.counters;
    for (let turn = 1; turn <= 5; turn++) {
      const asks = Array.from({ length: 800 }, (_, level) => [200 + level, 1_000_000 + level + turn, 0]).flat();
      await station.publish('X', { kind: 'delta', bids: [], asks });
      // The first one, of which that is not known yet, goes round.
      await station.advance(turn === 1 ? 3 * ROUND_MS : 0);
    }
    expect(clients[0]!.handed.at(-1)!.length).toBeGreaterThan(4_096);
    expect(station.flush.outgoing.count).toBe(0);
    const after = station.flush.counters.holds;
    expect(after).toBeGreaterThan(holds);
    await station.publish('X', bidOf(50));
    await station.settle();
    expect(station.flush.counters.holds).toBe(after);
    for (const client of clients) expectExact(client);
  });

  test('counts what sending to all each turn would have taken', async () => {
    const { station } = await busyStation();
    const answers = station.flush.counters.answers;
    const beganMs = station.kernel.nowMs();
    await publishFor(station, 200);
    // Five milliseconds for each turn with an answer, of which half of the time was spent.
    const wantedMs = (station.flush.counters.answers - answers) * 5;
    const spentMs = (station.kernel.nowMs() - beganMs) / 2;
    const { sparedMs } = station.flush.rounds;
    expect(sparedMs / (wantedMs - spentMs)).toBeGreaterThan(0.8);
    expect(sparedMs / (wantedMs - spentMs)).toBeLessThan(1.2);
  });
});

describe('a client to which something is on its way', () => {
  test('is not sent it once it has unsubscribed', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 15);
    const client = clients.at(-1)!;
    client.stream.unsubscribe('book', ['X']);
    await station.settle();
    client.clear();
    await publishFor(station, 30);
    expect(client.of('book')).toEqual([]);
    expectExact(client, 'Y');
  });

  test.each([5, 20] as const)('is exact when it changes to depth %i', async (depth) => {
    const { station, clients } = await busyStation();
    await publishFor(station, 15);
    for (const { stream } of clients) stream.subscribe('book', ['X'], { depth });
    await publishFor(station, 30);
    await station.advance(2 * ROUND_MS);
    for (const client of clients) expectExact(client);
  });

  test('goes on from what it was sent when its socket is full', async () => {
    const { station, clients } = await busyStation();
    for (const [index, client] of clients.entries()) client.room = 1 + (index % 4);
    await publishFor(station, 60);
    expect(station.counters.blocked.socket).toBe(clients.length);
    for (const client of clients) client.drain();
    await station.advance(3 * ROUND_MS);
    for (const client of clients) {
      expectExact(client);
      const { delivered, merged } = client.held('book', 'X').counters;
      expect(delivered + merged).toBe(61);
    }
  });

  test('goes on from what it was sent when its window is full', async () => {
    const { station, clients } = await busyStation();
    for (const client of clients) client.answersPings = false;
    // A cursor that is much older would be rounded down, and a wrong one come right by it.
    for (let ms = 1; station.counters.blocked.window === 0; ms++) {
      const asks = Array.from({ length: 60 }, (_, level) => [200 + level, 1_000_000 + level + ms, 0]).flat();
      await station.publish('X', { kind: 'delta', bids: [100, 10 + ms, 0], asks });
      await station.advance(1);
    }
    for (const client of clients) {
      client.answersPings = true;
      client.pong();
    }
    await station.advance(200);
    for (const client of clients) expectExact(client);
  });

  test('has the new epoch and nothing of the old one behind it', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 15);
    const before = station.topics.peek('book', 'X')!.epoch;
    station.list('X', { priceScale: 1 });
    await station.publish('X', SNAPSHOT);
    await publishFor(station, 30);
    await station.advance(2 * ROUND_MS);
    expect(station.topics.peek('book', 'X')!.epoch).not.toBe(before);
    for (const client of clients) expectExact(client);
  });

  test('takes nothing with it when it has gone', async () => {
    const { station, clients } = await busyStation();
    await publishFor(station, 15);
    const [gone, ...others] = clients;
    const { lane } = gone!.connection;
    gone!.connection.shut();
    expect(station.flush.lanes.dueCounts[lane]).toBe(0);
    const next = station.connect();
    expect(next.connection.lane).toBe(lane);
    next.stream.subscribe('book', ['X']);
    await publishFor(station, 30);
    await station.advance(2 * ROUND_MS);
    for (const client of [...others, next]) expectExact(client);
  });
});

describe('rounds', () => {
  test('come to every lane once, in time', () => {
    const rounds = new Rounds();
    rounds.sendMs = 3;
    rounds.begin(1_000);
    const seen: number[] = [];
    for (let ms = 1; ms <= 12; ms++) {
      const due = rounds.due(1_000 + ms, 60);
      for (let i = 0; i < due; i++) seen.push(rounds.pass(60));
      rounds.went(due, due, 0.5, 60);
    }
    // Six milliseconds each.
    expect(seen).toEqual([...Array(120).keys()].map((step) => step % 60));
  });

  test('go on from where they were where sending takes longer than there is', () => {
    const rounds = new Rounds();
    rounds.sendMs = 50;
    rounds.begin(0);
    expect(rounds.due(4, 100)).toBe(40);
    for (let i = 0; i < 10; i++) rounds.pass(100);
    rounds.went(10, 10, 4, 100);
    expect(rounds.due(8, 100)).toBe(70);
    expect(rounds.due(500, 100)).toBe(100);
  });
});
