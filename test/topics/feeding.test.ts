// Holds the topics to their side of the bus's contract: what they make of entries that were lost, of epochs that ended while they
// loaded, of doubts, and of silence. What the bus says is put between the two.

import { describe, expect, test } from 'vitest';
import type { Bus, BusListener, TopicState } from '../../src/bus/bus.ts';
import { Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0] } as const;

function delta(size: number) {
  return { kind: 'delta', bids: [100, size, 0], asks: [] } as const;
}

/** A bus that the test can silence, and whose loading it can hold back. */
class Between {
  listener!: BusListener;
  deaf = false;
  loads = 0;
  /** Answers instead of the bus, once. */
  instead: TopicState | null = null;

  wrap(bus: Bus): Bus {
    return {
      publish: (publications) => bus.publish(publications),
      log: (channel, symbol, fromSeq) => bus.log(channel, symbol, fromSeq),
      lease: (channel, symbol, request) => bus.lease(channel, symbol, request),
      release: (channel, symbol, token) => bus.release(channel, symbol, token),
      doubt: (symbol, doubted) => bus.doubt(symbol, doubted),
      load: async (channel, symbol) => {
        this.loads += 1;
        const { instead } = this;
        this.instead = null;
        return instead ?? bus.load(channel, symbol);
      },
      subscribe: (channel, symbol, listener) => {
        this.listener = listener;
        return bus.subscribe(channel, symbol, {
          entry: (entry) => {
            if (!this.deaf) listener.entry(entry);
          },
          epoch: (epoch) => listener.epoch(epoch),
          lost: () => listener.lost(),
          doubt: (doubted) => listener.doubt(doubted),
        });
      },
    };
  }
}

async function stationBetween(limits: ConstructorParameters<typeof Station>[0] = {}) {
  const between = new Between();
  const station = new Station(limits, (bus) => between.wrap(bus));
  station.list('X');
  await station.publish('X', SNAPSHOT);
  const client = station.connect();
  client.stream.subscribe('book', ['X']);
  await station.settle();
  return { between, station, client };
}

describe('a topic of which updates were lost', () => {
  test('loads its state again when the bus says so, and brings its clients on by a difference', async () => {
    const { between, station, client } = await stationBetween();
    between.deaf = true;
    await station.publish('X', delta(8));
    between.deaf = false;
    client.clear();
    between.listener.lost();
    await station.settle();
    expect(client.of('book')).toMatchObject([{ fromSeq: 1, seq: 2, bids: [100, 8] }]);
    expect(client.of('reset')).toEqual([]);
  });

  test('notices by itself that an entry does not follow the one before', async () => {
    const { between, station, client } = await stationBetween();
    between.deaf = true;
    await station.publish('X', delta(8));
    between.deaf = false;
    await station.publish('X', delta(9));
    await station.settle();
    expect(between.loads).toBe(2);
    expect(client.held('book', 'X').seq).toBe(3);
    expect(client.of('book').at(-1)).toMatchObject({ fromSeq: 1, seq: 3, bids: [100, 9] });
  });
});

test('entries of an epoch that had ended when the state was loaded change nothing', async () => {
  const { between, station } = await stationBetween();
  const { epoch } = station.topics.peek('book', 'X')!;
  between.instead = await station.bus.load('book', 'X');
  between.instead = { ...between.instead, epoch: epoch + 1 };
  between.listener.lost();
  between.listener.entry({ epoch, seq: 2, update: delta(9), exchangeUs: null, publishUs: 1 });
  await station.settle();
  expect(station.topics.peek('book', 'X')).toMatchObject({ epoch: epoch + 1, seq: 1 });
});

describe('the health of a topic is told', () => {
  test('as `resync` while the bus is in doubt of it, with what derives from it', async () => {
    const { between, station, client } = await stationBetween();
    client.stream.subscribe('quote', ['X']);
    client.stream.subscribe('book', ['X'], { group: 10 });
    await station.settle();
    between.listener.doubt(true);
    await station.settle();
    expect(client.of('health').map(({ status }) => status)).toEqual(['resync', 'resync', 'resync']);
    client.clear();
    between.listener.doubt(false);
    await station.settle();
    expect(client.of('health').map(({ status }) => status)).toEqual(['live', 'live', 'live']);
  });

  test('as `crossed` as long as the best bid stands above the best offer', async () => {
    const { between, station, client } = await stationBetween();
    const { epoch } = station.topics.peek('book', 'X')!;
    const entry = { epoch, exchangeUs: null, publishUs: 1 };
    between.listener.entry({ ...entry, seq: 2, update: { kind: 'delta', bids: [102, 1, 0], asks: [] } });
    await station.settle();
    between.listener.entry({ ...entry, seq: 3, update: { kind: 'delta', bids: [103, 1, 0], asks: [] } });
    await station.settle();
    between.listener.entry({ ...entry, seq: 4, update: { kind: 'delta', bids: [102, 0, 0, 103, 0, 0], asks: [] } });
    await station.settle();
    expect(client.of('health').map(({ status }) => status)).toEqual(['crossed', 'live']);
  });

  test('as `stale`, then as `source-down`, when nobody publishes any more', async () => {
    const { station, client } = await stationBetween({ staleAfterMs: 5_000, sourceDownAfterMs: 10_000 });
    await station.advance(7_000);
    expect(client.of('health').map(({ status }) => status)).toEqual(['stale']);
    await station.advance(5_000);
    expect(client.of('health').map(({ status }) => status)).toEqual(['stale', 'source-down']);
    await station.publish('X', delta(8));
    await station.advance(1_500);
    expect(client.of('health').at(-1)).toMatchObject({ status: 'live' });
  });

  test('by the age of the last update, also to a gateway that was not there then', async () => {
    const station = new Station({ staleAfterMs: 5_000, sourceDownAfterMs: 10_000 });
    station.list('X');
    await station.publish('X', SNAPSHOT);
    await station.advance(7_000);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    expect(client.of('health').map(({ status }) => status)).toEqual(['stale']);
  });
});
