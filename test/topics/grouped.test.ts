// Holds grouped books on the wire to the sums of the book that they follow, through every kind of answer.

import { describe, expect, test } from 'vitest';
import { groupedEpoch } from '../../src/topics/grouped-topic.ts';
import { Station } from './station.ts';

async function stationWith(definition: Parameters<Station['list']>[1] = {}): Promise<Station> {
  const station = new Station();
  station.list('X', definition);
  await station.publish('X', { kind: 'snapshot', bids: [100, 5, 0, 99, 3, 0, 90, 2, 0], asks: [101, 7, 0, 110, 1, 0] });
  return station;
}

describe('a grouped book', () => {
  test('is announced with its grouping and shows sums, bids rounded down and asks up', async () => {
    const station = await stationWith();
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    expect(client.of('topic')).toMatchObject([{ channel: 'book', symbol: 'X', group: 10, tickSize: 10 }]);
    const { book } = client.stream.find('book', 'X', 10)!;
    expect(book!.bids.map(({ price, size }) => [price, size])).toEqual([
      [90, 5],
      [100, 5],
    ]);
    expect(book!.asks.map(({ price, size }) => [price, size])).toEqual([[110, 8]]);
  });

  test('is sent a change of any level in a bucket as one level, and nothing where the sums of a view rest', async () => {
    const station = await stationWith();
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { group: 10, depth: 1 });
    await station.settle();
    client.clear();
    await station.publish('X', { kind: 'delta', bids: [90, 0, 0], asks: [] });
    await station.settle();
    // A frame without levels may move the cursor on.
    expect(client.of('book').filter(({ bids, asks }) => bids.length + asks.length > 0)).toEqual([]);
    client.clear();
    await station.publish('X', { kind: 'delta', bids: [], asks: [110, 4, 0] });
    await station.settle();
    expect(client.of('book')).toMatchObject([{ seq: 3, bids: [], asks: [110, 11] }]);
  });

  test('is continued from a cursor by the difference alone', async () => {
    const station = await stationWith();
    const first = station.connect();
    first.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    await station.publish('X', { kind: 'delta', bids: [99, 0, 0, 90, 0, 0], asks: [] });
    const second = station.connect();
    second.stream.carry(first.stream);
    const cursor = { ...first.stream.cursor('book', 'X', 10)!, seq: 1 };
    second.stream.subscribe('book', ['X'], { group: 10, cursor: { X: cursor } });
    await station.settle();
    expect(second.of('book')).toMatchObject([{ fromSeq: 1, seq: 2, bids: [90, 0], asks: [] }]);
  });

  test('begins anew where the tick size changes, since its buckets are others', async () => {
    const station = await stationWith({ tickSize: 1 });
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { group: 10 });
    client.stream.subscribe('book', ['X']);
    await station.settle();
    const { epoch } = client.held('book', 'X').topic;
    client.clear();
    station.list('X', { tickSize: 5 });
    await station.settle();
    expect(client.of('reset')).toMatchObject([{ reason: 'epoch' }]);
    const held = client.stream.find('book', 'X', 10)!;
    expect(held.topic).toMatchObject({ tickSize: 50, group: 10, epoch: groupedEpoch(epoch, 50) });
    expect(held.book!.bids).toMatchObject([
      { price: 50, size: 5 },
      { price: 100, size: 5 },
    ]);
    expect(client.held('book', 'X').topic.epoch).toBe(epoch);
  });

  test('goes with its instrument, and lets go of the book that it followed', async () => {
    const station = await stationWith();
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    expect(station.topics.size).toBe(2);
    client.stream.unsubscribe('book', ['X'], 10);
    await station.advance(21_000);
    expect(station.topics.size).toBe(0);
    client.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    station.instruments.delist('X');
    await station.settle();
    expect(client.of('end')).toMatchObject([{ reason: 'delisted' }]);
    expect(station.topics.size).toBe(0);
  });

  test.each([
    ['of trades', 'trade', { group: 10 }, 'bad-group'],
    ['in raw mode', 'book', { group: 10, mode: 'raw' as const }, 'bad-group'],
    ['by less than nothing', 'book', { group: -1 }, 'bad-group'],
    ['by more than a million', 'book', { group: 1_000_001 }, 'bad-group'],
  ] as const)('%s is refused', async (_, channel, options, code) => {
    const station = await stationWith();
    const client = station.connect();
    client.stream.subscribe(channel, ['X'], options);
    await station.settle();
    expect(client.of('error')).toMatchObject([{ code }]);
  });

  test('that would have a tick beyond 2^53 is refused', async () => {
    const station = await stationWith({ tickSize: 1 });
    station.list('WIDE', { tickSize: 2 ** 52 });
    const client = station.connect();
    client.stream.subscribe('book', ['WIDE'], { group: 4 });
    await station.settle();
    expect(client.of('ack')[0]!.refused).toMatchObject([{ symbol: 'WIDE', code: 'bad-group' }]);
  });
});

test('epochs of groups are positive, within 48 bits, and others for other epochs and spans', () => {
  const epochs = new Set<number>();
  for (let epoch = 1; epoch <= 100; epoch++) {
    for (const span of [1, 2, 10, 100, 1_000_000, 2 ** 40]) epochs.add(groupedEpoch(epoch * 2_814_749_767, span));
  }
  expect(epochs.size).toBe(600);
  for (const epoch of epochs) {
    expect(Number.isSafeInteger(epoch) && epoch > 0 && epoch < 2 ** 48).toBe(true);
  }
  expect(groupedEpoch(0, 10)).toBe(0);
});
