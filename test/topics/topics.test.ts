// Holds the topics to what clients behind are told, and to leaving nothing behind when nobody wants them any more.
// Runs the real flush, sessions and bus on the virtual clock with fake sockets.

import { describe, expect, test } from 'vitest';
import type { Channel } from '../../src/protocol/frames.ts';
import { Random } from '../simulation/kernel.ts';
import { Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0] } as const;

async function publishTrades(station: Station, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await station.publish('X', { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 100, size: 1 + i });
    await station.settle();
  }
}

/** A client of a raw book whose ring keeps eight updates. */
async function withRawBook() {
  const station = new Station({ ringFramesMax: 8 });
  station.list('X');
  await station.publish('X', SNAPSHOT);
  const client = station.connect();
  client.stream.subscribe('book', ['X'], { mode: 'raw' });
  await station.settle();
  return { station, client };
}

describe('a ring that has moved on', () => {
  test('tells a raw book which updates are missing, resets it and sends a snapshot', async () => {
    const { station, client } = await withRawBook();
    client.room = 2;
    for (let size = 1; size <= 30; size++) {
      await station.publish('X', { kind: 'delta', bids: [100, size, 0], asks: [] });
      await station.settle();
    }
    expect(client.held('book', 'X').seq).toBe(3);
    client.clear();
    client.drain();
    await station.settle();
    const { topic } = client.held('book', 'X').topic;
    expect(client.frames.filter(({ type }) => type !== 'time')).toMatchObject([
      { type: 'gap', topic, firstSeq: 4, lastSeq: 31, reason: 'ring' },
      { type: 'reset', topic, seq: 31, reason: 'gap' },
      { type: 'book', topic, fromSeq: 0, seq: 31, bids: [100, 30, 99, 6], asks: [101, 7] },
    ]);
    expect(client.held('book', 'X').counters).toMatchObject({ gapped: 28, resyncs: 0 });
    await station.publish('X', { kind: 'delta', bids: [100, 0, 0], asks: [] });
    await station.settle();
    expect(client.of('book').at(-1)).toMatchObject({ fromSeq: 31, seq: 32, bids: [100, 0] });
  });

  test('sends every update to a raw book that is not further behind than it is long', async () => {
    const { station, client } = await withRawBook();
    client.room = 1;
    for (let size = 1; size <= 9; size++) {
      await station.publish('X', { kind: 'delta', bids: [100, size, 0], asks: [] });
      await station.settle();
    }
    client.clear();
    client.drain();
    await station.settle();
    expect(client.of('book').map(({ fromSeq, seq }) => [fromSeq, seq])).toEqual(
      Array.from({ length: 8 }, (_, index) => [index + 2, index + 3]),
    );
    expect(client.of('gap')).toEqual([]);
  });

  test('names to a trade client only the trades that it no longer holds', async () => {
    const station = new Station({ ringFramesMax: 8 });
    station.list('X');
    const client = station.connect();
    client.stream.subscribe('trade', ['X']);
    await station.settle();
    client.room = 3;
    await publishTrades(station, 20);
    client.clear();
    client.drain();
    await station.settle();
    expect(client.of('gap')).toMatchObject([{ firstSeq: 4, lastSeq: 12, reason: 'ring' }]);
    expect(client.of('reset')).toEqual([]);
    expect(client.of('trade').map(({ seq, size }) => [seq, size])).toEqual(
      Array.from({ length: 8 }, (_, index) => [index + 13, index + 13]),
    );
    expect(client.held('trade', 'X').counters).toMatchObject({ gapped: 9, delivered: 11, resyncs: 0 });
  });
});

describe('topics that nobody uses', () => {
  test('are let go of after the grace time, with views, grids and timers, after ten thousand comings and goings', async () => {
    const station = new Station();
    const symbols = Array.from({ length: 50 }, (_, index) => `S${index}`);
    for (const symbol of symbols) {
      station.list(symbol);
      await station.publish(symbol, SNAPSHOT);
    }
    await station.settle();
    const timers = station.kernel.pending;
    const random = new Random(9);
    const channels: readonly Channel[] = ['book', 'quote', 'trade', 'status'];
    const clients = Array.from({ length: 50 }, () => station.connect());
    for (let round = 0; round < 200; round++) {
      const client = random.pick(clients);
      const channel = random.pick(channels);
      const depth = channel === 'book' ? random.pick([0, 1, 5, 10, 20, 50] as const) : 0;
      if (random.chance(0.3)) client.stream.subscribe(channel, symbols, { mode: 'raw' });
      else client.stream.subscribe(channel, symbols, { depth, interval: random.pick([0, 10, 100, 1_000]) });
      if (random.chance(0.5)) await station.settle();
      if (random.chance(0.2)) await station.publish(random.pick(symbols), SNAPSHOT);
      client.stream.unsubscribe(channel, symbols);
      if (random.chance(0.1)) await station.advance(random.below(500));
    }
    await station.settle();
    for (const { connection } of clients) expect(connection.subscriptions.size).toBe(0);
    expect(station.topics.size).toBeGreaterThan(0);
    for (const channel of channels) {
      for (const symbol of symbols) {
        station.topics.peek(channel, symbol)?.everyView(() => expect.fail(`${channel}:${symbol} keeps a view`));
      }
    }
    await station.advance(station.limits.graceMs);
    await station.advance(station.limits.graceMs);
    expect(station.topics.size).toBe(0);
    expect(station.kernel.pending).toBe(timers);
    expect(station.refusals).toEqual([]);
  });

  test('are let go of when their clients are cut off', async () => {
    const station = new Station();
    station.list('X');
    await station.publish('X', SNAPSHOT);
    const clients = Array.from({ length: 5 }, () => station.connect());
    for (const { stream } of clients) stream.subscribe('quote', ['X']);
    await station.settle();
    expect(station.topics.size).toBe(2);
    for (const { connection } of clients) connection.shut();
    await station.advance(station.limits.graceMs - 1);
    expect(station.topics.size).toBe(2);
    // The book that the quote followed is released with it, and has a grace time of its own.
    await station.advance(1 + station.limits.graceMs);
    expect(station.topics.size).toBe(0);
  });

  test('stay for those who come back within the grace time', async () => {
    const station = new Station();
    station.list('X');
    const client = station.connect();
    client.stream.subscribe('status', ['X']);
    await station.settle();
    const topic = station.topics.peek('status', 'X');
    client.stream.unsubscribe('status', ['X']);
    await station.advance(station.limits.graceMs - 1);
    client.stream.subscribe('status', ['X']);
    await station.advance(station.limits.graceMs * 3);
    expect(station.topics.peek('status', 'X')).toBe(topic);
  });
});
