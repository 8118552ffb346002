// Holds the turn to what it promises: each answer made once, whoever is due; one message per recipient; everybody exact.
// Runs the real topics, sessions and bus on the virtual clock with fake sockets.

import { describe, expect, test } from 'vitest';
import type { BookDelta } from '../../src/market/update.ts';
import { Random } from '../simulation/kernel.ts';
import { EMPTY_BOOK, type NaiveBook } from '../simulation/oracle.ts';
import { type FakeClient, Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0, 98, 4, 0], asks: [101, 7, 0, 102, 8, 0] } as const;

/** A delta of one to three levels that never crosses. */
function randomDelta(random: Random): BookDelta {
  const [bids, asks] = [new Map<number, number>(), new Map<number, number>()];
  for (let i = random.between(1, 3); i > 0; i--) {
    const depth = random.nearZero(60);
    if (random.chance(0.5)) bids.set(100 - depth, random.below(4));
    else asks.set(101 + depth, random.below(4));
  }
  const flat = (side: Map<number, number>): number[] => [...side].flatMap(([price, size]) => [price, size, 0]);
  return { kind: 'delta', bids: flat(bids), asks: flat(asks) };
}

function shownBook(client: FakeClient, symbol: string): object {
  const { book } = client.held('book', symbol);
  const side = (levels: readonly { price: number; size: number }[]): number[][] =>
    [...levels].reverse().map(({ price, size }) => [price, size]);
  return { seq: book!.seq, bids: side(book!.bids), asks: side(book!.asks) };
}

function naiveBook(book: NaiveBook, seq: number, depth: number): object {
  const side = (levels: NaiveBook['bids']): number[][] =>
    levels.slice(0, depth === 0 ? levels.length : depth).map(({ price, size }) => [price, size]);
  return { seq, bids: side(book.bids), asks: side(book.asks) };
}

async function stationWith(count: number, depth: 0 | 1 | 10): Promise<{ station: Station; clients: FakeClient[] }> {
  const station = new Station();
  station.list('X');
  await station.publish('X', SNAPSHOT);
  const clients = Array.from({ length: count }, () => station.connect());
  for (const { stream } of clients) stream.subscribe('book', ['X'], { depth });
  await station.settle();
  return { station, clients };
}

describe('equal subscribers', () => {
  test('cost one encoding per update and are handed the same buffer', async () => {
    const { station, clients } = await stationWith(500, 10);
    expect(station.topics.counters.encodings).toBe(1);
    const random = new Random(11);
    let book = EMPTY_BOOK.after(SNAPSHOT);
    for (let update = 1; update <= 20; update++) {
      const delta = { ...randomDelta(random), bids: [100, update + 5, 0] };
      book = book.after(delta);
      const { answers, messages } = station.flush.counters;
      await station.publish('X', delta);
      await station.settle();
      expect(station.flush.counters.answers - answers).toBe(1);
      expect(station.flush.counters.messages - messages).toBe(500);
      const handed = new Set(clients.map((client) => client.handed.at(-1)));
      expect([...handed]).toEqual([expect.any(Uint8Array)]);
    }
    for (const client of clients) expect(shownBook(client, 'X')).toEqual(naiveBook(book, 21, 10));
  });

  test('get the updates of one turn merged into one frame', async () => {
    const { station, clients } = await stationWith(3, 0);
    await station.publish('X', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    await station.publish('X', { kind: 'delta', bids: [100, 0, 0], asks: [] });
    await station.publish('X', { kind: 'delta', bids: [], asks: [101, 1, 0] });
    await station.settle();
    for (const client of clients) {
      const frame = client.of('book').at(-1);
      expect(frame).toMatchObject({ fromSeq: 1, seq: 4, bids: [100, 0], asks: [101, 1] });
      expect(client.held('book', 'X').counters).toMatchObject({ delivered: 1, merged: 2 });
    }
  });
});

describe('recipients of several answers', () => {
  test('get each their own set, in one message, shared among equal sets', async () => {
    const station = new Station();
    const symbols = ['A', 'B', 'C', 'D', 'E'];
    for (const symbol of symbols) station.list(symbol);
    for (const symbol of symbols) await station.publish(symbol, SNAPSHOT);
    const random = new Random(5);
    const clients = Array.from({ length: 200 }, () => {
      const wanted = symbols.filter(() => random.chance(0.5));
      const client = station.connect();
      if (wanted.length > 0) client.stream.subscribe('book', wanted);
      return { client, wanted };
    });
    await station.settle();
    const several = clients.filter(({ wanted }) => wanted.length > 1);
    const sets = new Set(several.map(({ wanted }) => wanted.join()));
    for (let round = 1; round <= 20; round++) {
      for (const { client } of clients) client.clear();
      const { joins, joinsShared, answers } = { ...station.flush.counters };
      for (const symbol of symbols) await station.publish(symbol, { kind: 'delta', bids: [97, round, 0], asks: [] });
      await station.settle();
      expect(station.flush.counters.answers - answers).toBe(symbols.length);
      expect(station.flush.counters.joins - joins).toBe(sets.size);
      expect(station.flush.counters.joinsShared - joinsShared).toBe(several.length - sets.size);
      for (const { client, wanted } of clients) {
        expect(client.handed.length).toBe(Math.min(1, wanted.length));
        const named = client.of('book').map(({ topic }) => client.stream.held.get(topic)?.topic.symbol);
        expect(named.sort()).toEqual(wanted);
      }
    }
    for (const { client, wanted } of clients) {
      for (const symbol of wanted) expect(client.held('book', symbol)).toMatchObject({ seq: 21, valid: true });
    }
  });

  test('get what is theirs though messages are long, and all of them longer than the buffer', async () => {
    const station = new Station();
    const symbols = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J'];
    for (const symbol of symbols) {
      station.list(symbol);
      await station.publish(symbol, SNAPSHOT);
    }
    // Every three of the ten, and every two.
    const clients = symbols.flatMap((a, i) =>
      symbols.slice(i + 1).flatMap((b, j) =>
        ['', ...symbols.slice(i + j + 2)].map((c) => {
          const client = station.connect();
          const wanted = c === '' ? [a, b] : [a, b, c];
          client.stream.subscribe('book', wanted);
          return { client, wanted };
        }),
      ),
    );
    await station.settle();
    const { joins } = station.flush.counters;
    const bytesBefore = station.flush.lanes.sentBytes;
    for (const [index, symbol] of symbols.entries()) {
      const asks = Array.from({ length: 400 }, (_, level) => [200 + level, 70_000 + 1_000 * index + level, 0]).flat();
      await station.publish(symbol, { kind: 'delta', bids: [], asks });
    }
    await station.settle();
    expect(station.flush.counters.joins - joins).toBe(clients.length);
    expect(station.flush.lanes.sentBytes - bytesBefore).toBeGreaterThan(1 << 20);
    for (const { client, wanted } of clients) {
      for (const symbol of wanted) {
        const { book, counters } = client.held('book', symbol);
        const worst = { price: 599, size: 70_399 + 1_000 * symbols.indexOf(symbol) };
        expect(book!.asks[0]).toMatchObject(worst);
        expect(counters).toMatchObject({ delivered: 1, resyncs: 0 });
      }
    }
  });

  test('are told apart though some are due in part only', async () => {
    const station = new Station();
    for (const symbol of ['A', 'B', 'C']) {
      station.list(symbol);
      await station.publish(symbol, SNAPSHOT);
    }
    const [ab, bc] = [station.connect(), station.connect()];
    ab.stream.subscribe('book', ['A', 'B']);
    bc.stream.subscribe('book', ['B', 'C']);
    await station.settle();
    for (const [round, due] of ['A', 'B', 'C', 'AB', 'BC', 'AC', 'ABC'].entries()) {
      for (const symbol of due) await station.publish(symbol, { kind: 'delta', bids: [100, 10 + round, 0], asks: [] });
      for (const client of [ab, bc]) client.clear();
      await station.settle();
      expect(ab.of('book').length).toBe([...due].filter((symbol) => symbol !== 'C').length);
      expect(bc.of('book').length).toBe([...due].filter((symbol) => symbol !== 'A').length);
    }
    expect(ab.held('book', 'A').counters.resyncs + bc.held('book', 'C').counters.resyncs).toBe(0);
  });
});

test('a thousand clients that fall behind at different updates cost a handful of encodings when they drain', async () => {
  const { station, clients } = await stationWith(1_000, 0);
  const random = new Random(3);
  const updates = 250;
  for (const [index, client] of clients.entries()) client.room = 1 + (index % (updates - 1));
  let book = EMPTY_BOOK.after(SNAPSHOT);
  for (let update = 0; update < updates; update++) {
    const shown = randomDelta(random);
    // Every update shows something, so that each is a message.
    const delta = { ...shown, bids: [...shown.bids, 30, update + 1, 0] };
    book = book.after(delta);
    await station.publish('X', delta);
    await station.settle();
  }
  const { encodings, shared } = { ...station.topics.counters };
  expect(station.counters.blocked.socket).toBe(1_000);
  for (const client of clients) client.drain();
  await station.settle();
  const made = station.topics.counters.encodings - encodings;
  // Up to 16 behind are answered exactly, the rest from a power of two: 32, 64, 128, 256.
  expect(made).toBeLessThanOrEqual(20);
  expect(station.topics.counters.shared - shared).toBe(1_000 - made - station.topics.counters.byKind.current);
  const expected = naiveBook(book, updates + 1, 0);
  for (const client of clients) {
    expect(shownBook(client, 'X')).toEqual(expected);
    expect(client.held('book', 'X').counters.resyncs).toBe(0);
  }
});

describe('a view that shows nothing of what changes', () => {
  test('is moved on at least once a second while updates come', async () => {
    const { station, clients } = await stationWith(2, 1);
    const newestSeq: number[] = [];
    for (let tenth = 0; tenth < 60; tenth++) {
      await station.publish('X', { kind: 'delta', bids: [90, tenth + 1, 0], asks: [] });
      newestSeq.push(tenth + 2);
      await station.advance(100);
      for (const client of clients) expect(client.held('book', 'X').seq).toBeGreaterThanOrEqual(newestSeq.at(-12) ?? 1);
    }
    expect(station.flush.counters.moveOns).toBeGreaterThanOrEqual(5);
    expect(station.flush.counters.moveOns).toBeLessThanOrEqual(7);
    for (const client of clients) expect(client.of('book').at(-1)).toMatchObject({ bids: [], asks: [], depth: 1 });
  });

  test('is moved on within a second of the last update', async () => {
    const { station, clients } = await stationWith(1, 1);
    await station.advance(1_500);
    await station.publish('X', { kind: 'delta', bids: [100, 50, 0], asks: [] });
    await station.advance(100);
    await station.publish('X', { kind: 'delta', bids: [90, 1, 0], asks: [] });
    await station.advance(50);
    expect(clients[0]!.held('book', 'X').seq).toBe(2);
    await station.advance(950);
    expect(clients[0]!.held('book', 'X').seq).toBe(3);
  });

  test('is moved on within a second though another began to rest before it', async () => {
    const { station, clients } = await stationWith(1, 1);
    station.list('Y');
    await station.publish('Y', SNAPSHOT);
    clients[0]!.stream.subscribe('book', ['Y'], { depth: 1 });
    await station.advance(2_000);
    const show = { kind: 'delta', bids: [100, 50, 0], asks: [] } as const;
    const hide = { kind: 'delta', bids: [90, 1, 0], asks: [] } as const;
    await station.publish('X', show);
    await station.advance(100);
    await station.publish('X', hide);
    await station.advance(400);
    await station.publish('Y', show);
    await station.advance(100);
    await station.publish('Y', hide);
    await station.advance(1_000);
    expect(clients[0]!.held('book', 'X').seq).toBe(3);
    expect(clients[0]!.held('book', 'Y').seq).toBe(3);
  });
});

describe('equal intervals', () => {
  test('share the ticks of the grid, on multiples of the interval', async () => {
    const station = new Station();
    const symbols = Array.from({ length: 20 }, (_, index) => `S${index}`);
    for (const symbol of symbols) {
      station.list(symbol);
      await station.publish(symbol, SNAPSHOT);
    }
    const client = station.connect();
    client.stream.subscribe('book', symbols.slice(0, 1), { interval: 100 });
    await station.advance(3);
    const timers = station.kernel.pending;
    for (const [index, symbol] of symbols.slice(1).entries()) {
      client.stream.subscribe('book', [symbol], { interval: 90 + (index % 11), depth: index % 2 === 0 ? 5 : 0 });
      await station.advance(7);
    }
    expect(station.kernel.pending).toBe(timers);
    await station.advance(1_000 - (station.kernel.nowMs() % 1_000));
    client.clear();
    const { flushes } = station.flush.counters;
    for (let step = 1; step <= 100; step++) {
      for (const symbol of symbols) await station.publish(symbol, { kind: 'delta', bids: [100, step, 0], asks: [] });
      await station.advance(7);
    }
    expect(client.handedAtMs.map((atMs) => atMs % 100)).toEqual(Array(7).fill(0));
    expect(station.flush.counters.flushes - flushes).toBe(7);
    expect(client.of('book').length).toBe(7 * symbols.length);
  });

  test('of equal subscribers share one timer', async () => {
    const { station } = await stationWith(0, 0);
    const { pending } = station.kernel;
    for (let i = 0; i < 50; i++) {
      station.connect().stream.subscribe('book', ['X'], { interval: 100 });
      await station.advance(1);
    }
    expect(station.kernel.pending).toBe(pending + 1);
  });

  test('are kept by a view that rested on what it does not show, though its tick ran late', async () => {
    const { station } = await stationWith(0, 0);
    const [client, prompt] = [station.connect(), station.connect()];
    client.stream.subscribe('book', ['X'], { depth: 1, interval: 250 });
    prompt.stream.subscribe('book', ['X']);
    await station.advance(1_000 - (station.kernel.nowMs() % 1_000));
    const beganMs = station.kernel.nowMs();
    client.sendMs = 3;
    prompt.sendMs = 3;
    await station.publish('X', { kind: 'delta', bids: [100, 50, 0], asks: [] });
    await station.advance(beganMs + 498 - station.kernel.nowMs());
    await station.publish('X', { kind: 'delta', bids: [90, 1, 0], asks: [] });
    // It is sent from 498 to 501. Only then comes the flush of the tick at 500, so the rest ends at 1,501.
    await station.advance(beganMs + 1_500.5 - station.kernel.nowMs());
    expect(client.held('book', 'X').seq).toBe(2);
    client.clear();
    await station.publish('X', { kind: 'delta', bids: [100, 60, 0], asks: [] });
    await station.advance(300);
    expect(client.handedAtMs.map((atMs) => atMs - client.sendMs - beganMs)).toEqual([1_750]);
  });
});
