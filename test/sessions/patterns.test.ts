// Holds subscriptions to wildcards and named sets to what they bring: now, when a symbol is listed, when a set changes.

import { describe, expect, test } from 'vitest';
import { type FakeClient, Station } from '../topics/station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] } as const;

async function stationWith(...symbols: string[]): Promise<Station> {
  const station = new Station();
  for (const symbol of symbols) await list(station, symbol);
  return station;
}

async function list(station: Station, symbol: string): Promise<void> {
  station.list(symbol);
  await station.publish(symbol, SNAPSHOT);
}

function heldBy({ stream }: FakeClient): string[] {
  return [...stream.held.values()].map(({ topic }) => topic.symbol).sort();
}

describe('a wildcard', () => {
  test('brings what it describes, with one entry in the acknowledgement', async () => {
    const station = await stationWith('BTC-USD', 'BTC-EUR', 'ETH-USD');
    const client = station.connect();
    client.stream.subscribe('book', ['BTC-*'], { depth: 5, interval: 7 });
    await station.advance(20);
    const [ack] = client.of('ack');
    expect(ack!.accepted).toEqual([{ symbol: 'BTC-*', topic: 0, depth: 5, intervalMs: 10, mode: 'live' }]);
    expect(heldBy(client)).toEqual(['BTC-EUR', 'BTC-USD']);
    expect(client.held('book', 'BTC-USD').book!.bids).toMatchObject([{ price: 100, size: 5 }]);
  });

  test('picks up new listings, and what is listed again', async () => {
    const station = await stationWith('BTC-USD');
    const client = station.connect();
    client.stream.subscribe('quote', ['*-USD']);
    await station.settle();
    await list(station, 'SOL-USD');
    await list(station, 'SOL-EUR');
    await station.settle();
    expect(heldBy(client)).toEqual(['BTC-USD', 'SOL-USD']);
    station.instruments.delist('SOL-USD');
    await station.settle();
    expect(heldBy(client)).toEqual(['BTC-USD']);
    await list(station, 'SOL-USD');
    await station.settle();
    expect(heldBy(client)).toEqual(['BTC-USD', 'SOL-USD']);
  });

  test('continues from the cursors that are brought along', async () => {
    const station = await stationWith('A', 'B');
    const first = station.connect();
    first.stream.subscribe('book', ['*']);
    await station.settle();
    const cursor = Object.fromEntries(['A', 'B'].map((symbol) => [symbol, first.stream.cursor('book', symbol)!]));
    await station.publish('A', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    const second = station.connect();
    second.stream.carry(first.stream);
    second.stream.subscribe('book', ['*'], { cursor });
    await station.settle();
    expect(second.of('book').map(({ fromSeq, seq }) => [fromSeq, seq])).toEqual([[1, 2]]);
  });

  test('ends with all that it brought, each told by itself, before its acknowledgement', async () => {
    const station = await stationWith('A', 'B');
    const client = station.connect();
    client.stream.subscribe('book', ['*']);
    await station.settle();
    client.clear();
    client.stream.unsubscribe('book', ['*']);
    await station.settle();
    expect(client.frames.map(({ type }) => type)).toEqual(['end', 'end', 'ack']);
    expect(client.of('end').map(({ reason }) => reason)).toEqual(['unsubscribed', 'unsubscribed']);
    expect(client.connection.subscriptions.size).toBe(0);
    expect(heldBy(client)).toEqual([]);
    await list(station, 'C');
    await station.settle();
    expect(heldBy(client)).toEqual([]);
  });

  test('leaves alone what was asked for by name, before and after', async () => {
    const station = await stationWith('A', 'B', 'C');
    const client = station.connect();
    client.stream.subscribe('book', ['A'], { depth: 1 });
    client.stream.subscribe('book', ['*'], { depth: 10 });
    client.stream.subscribe('book', ['B'], { depth: 20 });
    await station.settle();
    expect(['A', 'B', 'C'].map((symbol) => client.held('book', symbol).book!.depth)).toEqual([1, 20, 10]);
    client.stream.unsubscribe('book', ['*']);
    await station.settle();
    expect(heldBy(client)).toEqual(['A', 'B']);
  });

  test('gives what it brought to another one that describes it too', async () => {
    const station = await stationWith('AB', 'AC');
    const client = station.connect();
    client.stream.subscribe('book', ['A*'], { depth: 1 });
    client.stream.subscribe('book', ['*B'], { depth: 5 });
    await station.settle();
    client.stream.unsubscribe('book', ['A*']);
    await station.settle();
    expect(heldBy(client)).toEqual(['AB']);
    expect(client.held('book', 'AB').book!.depth).toBe(5);
  });

  test('is refused whole where it brings more than the connection may have', async () => {
    const station = new Station({ subscriptionsMax: 2 });
    for (const symbol of ['A', 'B', 'C']) await list(station, symbol);
    const client = station.connect();
    client.stream.subscribe('book', ['*']);
    await station.settle();
    expect(client.of('ack')[0]!.refused).toMatchObject([{ symbol: '*', code: 'too-many-subscriptions' }]);
    expect(client.connection.subscriptions.size).toBe(0);
  });

  test('says which listing there was no room for', async () => {
    const station = new Station({ subscriptionsMax: 1 });
    await list(station, 'A');
    const client = station.connect();
    client.stream.subscribe('book', ['*']);
    await station.settle();
    await list(station, 'B');
    await station.settle();
    expect(client.of('error')).toMatchObject([{ id: null, code: 'too-many-subscriptions' }]);
    expect(heldBy(client)).toEqual(['A']);
  });

  test('can be started over and changed as one', async () => {
    const station = await stationWith('A', 'B');
    const client = station.connect();
    client.stream.subscribe('book', ['*'], { depth: 1 });
    await station.settle();
    client.stream.resync('book', ['*']);
    client.stream.subscribe('book', ['*'], { depth: 5 });
    await station.settle();
    expect(client.of('reset').map(({ reason }) => reason)).toEqual(['requested', 'requested']);
    expect(['A', 'B'].map((symbol) => client.held('book', symbol).book!.depth)).toEqual([5, 5]);
  });

  test.each(['**', 'B?C', 'a b*', `${'x'.repeat(64)}*`, '@nobody', '@'])(
    '%s that cannot be is refused',
    async (pattern) => {
      const station = await stationWith('ABC');
      const client = station.connect();
      client.stream.subscribe('book', [pattern]);
      client.stream.unsubscribe('book', [pattern]);
      await station.settle();
      const codes = client.of('ack').flatMap(({ refused }) => refused.map(({ code }) => code));
      if (pattern === '**') expect(codes).toEqual([]);
      else if (pattern.length > 64)
        expect(client.of('error').map(({ code }) => code)).toEqual(['bad-request', 'bad-request']);
      else expect(codes).toEqual([pattern.startsWith('@') ? 'unknown-set' : 'bad-symbol', 'not-subscribed']);
    },
  );
});

describe('a named set', () => {
  test('brings its symbols, and follows its changes', async () => {
    const station = await stationWith('A', 'B', 'C');
    station.sets.put({ name: 'majors', symbols: ['A', 'B', 'NEW-*'] });
    const client = station.connect();
    client.stream.subscribe('trade', ['@majors']);
    await station.settle();
    expect(heldBy(client)).toEqual(['A', 'B']);
    station.sets.put({ name: 'majors', symbols: ['B', 'C', 'NEW-*'] });
    await station.settle();
    expect(heldBy(client)).toEqual(['B', 'C']);
    expect(client.of('end')).toMatchObject([{ reason: 'unsubscribed' }]);
    await list(station, 'NEW-1');
    await station.settle();
    expect(heldBy(client)).toEqual(['B', 'C', 'NEW-1']);
    station.sets.delete('majors');
    await station.settle();
    expect(heldBy(client)).toEqual([]);
    station.sets.put({ name: 'majors', symbols: ['A'] });
    await station.settle();
    expect(heldBy(client)).toEqual(['A']);
  });

  test('of grouped books is apart from that of whole ones', async () => {
    const station = await stationWith('A');
    station.sets.put({ name: 'all', symbols: ['*'] });
    const client = station.connect();
    client.stream.subscribe('book', ['@all'], { group: 10 });
    client.stream.subscribe('book', ['@all']);
    await station.settle();
    expect(client.held('book', 'A').book!.bids).toMatchObject([{ price: 100 }]);
    expect(client.stream.find('book', 'A', 10)!.book!.asks).toMatchObject([{ price: 110, size: 7 }]);
    client.stream.unsubscribe('book', ['@all']);
    await station.settle();
    expect(client.stream.find('book', 'A')).toBeUndefined();
    expect(client.stream.find('book', 'A', 10)).toBeDefined();
  });
});
