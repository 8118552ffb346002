// Holds the topics of the process in which the sequencer lives to reading its own books: no update is taken twice or shown too early,
// though the book has each before the topic hears of it.

import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import type { BookTopic } from '../../src/topics/book-topic.ts';
import { Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0] } as const;

function bid(price: number, size: number) {
  return { kind: 'delta', bids: [price, size, 0], asks: [] } as const;
}

function bookTopic({ topics }: Station): BookTopic {
  return topics.peek('book', 'X') as BookTopic;
}

describe("a topic that reads the sequencer's own book", () => {
  test('has it as soon as it is loaded, and answers from it', async () => {
    const station = new Station();
    station.list('X');
    await station.publish('X', SNAPSHOT);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    expect(bookTopic(station).book).toBe(station.bus.ownBook('X'));
    await station.publish('X', bid(100, 8), bid(99, 0));
    await station.settle();
    expect(client.of('book').at(-1)).toMatchObject({ fromSeq: 1, seq: 3, bids: [100, 8, 99, 0] });
  });

  test('has it too where it was there before anything was published', async () => {
    const station = new Station();
    station.list('X');
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    await station.publish('X', SNAPSHOT, bid(100, 8));
    await station.settle();
    expect(bookTopic(station).book).toBe(station.bus.ownBook('X'));
    expect(client.held('book', 'X').seq).toBe(2);
  });

  test('has the new one in a new epoch', async () => {
    const station = new Station();
    station.list('X');
    await station.publish('X', SNAPSHOT);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    client.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    const before = bookTopic(station).book;
    station.list('X', { priceScale: 1 });
    await station.publish('X', { kind: 'snapshot', bids: [1_000, 5, 0, 999, 6, 0], asks: [1_010, 7, 0] });
    await station.settle();
    const { book } = bookTopic(station);
    expect(book).not.toBe(before);
    expect(book).toBe(station.bus.ownBook('X'));
    expect(
      client
        .of('book')
        .map(({ seq, bids }) => [seq, bids])
        .slice(-2),
    ).toEqual([
      [1, [1_000, 5, 999, 6]],
      [1, [1_000, 5, 990, 6]],
    ]);
  });

  test('derives nothing of what came while it loaded under an earlier number', async () => {
    let loaded = (): void => {};
    const held = new Promise<void>((resolve) => {
      loaded = resolve;
    });
    const between = (bus: Bus): Bus => ({
      publish: (publications) => bus.publish(publications),
      log: (channel, symbol, fromSeq) => bus.log(channel, symbol, fromSeq),
      lease: (channel, symbol, request) => bus.lease(channel, symbol, request),
      release: (channel, symbol, token) => bus.release(channel, symbol, token),
      doubt: (symbol, doubted) => bus.doubt(symbol, doubted),
      subscribe: (channel, symbol, listener) => bus.subscribe(channel, symbol, listener),
      ownBook: (symbol) => bus.ownBook?.(symbol),
      load: async (channel, symbol) => {
        const state = await bus.load(channel, symbol);
        await held;
        return state;
      },
    });
    const station = new Station({}, between);
    station.list('X');
    await station.publish('X', SNAPSHOT);
    const client = station.connect();
    client.stream.subscribe('quote', ['X']);
    client.stream.subscribe('book', ['X'], { mode: 'raw' });
    await station.settle();
    await station.publish('X', bid(100, 8), bid(100, 9));
    loaded();
    await station.settle();
    expect(client.of('quote')).toMatchObject([{ fromSeq: 0, seq: 3, bidPrice: 100, bidSize: 9 }]);
    expect(client.of('book')).toMatchObject([{ fromSeq: 0, seq: 3, bids: [100, 9, 99, 6] }]);
    await station.publish('X', bid(100, 10));
    await station.settle();
    expect(client.of('book').at(-1)).toMatchObject({ fromSeq: 3, seq: 4, bids: [100, 10] });
  });
});
