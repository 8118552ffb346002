// Holds a connection to what it owes a client that does not keep up, and to leaving nothing behind when it closes.

import { describe, expect, test, vi } from 'vitest';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { Station } from '../topics/station.ts';

const TRADE = {
  kind: 'trade',
  id: null,
  tradeKind: 'trade',
  side: 'buy',
  price: 1_000_000_000,
  size: 1_000_000_000,
} as const;
const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] } as const;

async function stationWith(symbols: readonly string[], limits: ConstructorParameters<typeof Station>[0] = {}) {
  const station = new Station(limits);
  for (const symbol of symbols) {
    station.list(symbol);
    await station.publish(symbol, SNAPSHOT);
  }
  return station;
}

describe('a client that is backlogged again and again', () => {
  test('is still sent no more than its interval allows', async () => {
    const station = await stationWith(['FAST', 'SLOW']);
    const client = station.connect();
    client.stream.subscribe('book', ['FAST']);
    client.stream.subscribe('book', ['SLOW'], { interval: 1_000 });
    await station.settle();
    client.clear();
    for (let step = 1; step <= 200; step++) {
      await station.publish('FAST', { kind: 'delta', bids: [100, step, 0], asks: [] });
      await station.publish('SLOW', { kind: 'delta', bids: [100, step, 0], asks: [] });
      client.room = 1;
      await station.advance(20);
      client.drain();
      await station.advance(5);
    }
    const { topic } = client.held('book', 'SLOW').topic;
    const slow = client.of('book').filter((frame) => frame.topic === topic);
    expect(slow.length).toBeGreaterThanOrEqual(4);
    expect(slow.length).toBeLessThanOrEqual(6);
    await station.advance(1_000);
    expect(client.held('book', 'SLOW').book!.bids[0]!.size).toBe(200);
  });

  test('is brought up at once where it has missed a tick', async () => {
    const station = await stationWith(['X']);
    const [client, other] = [station.connect(), station.connect()];
    for (const { stream } of [client, other]) stream.subscribe('book', ['X'], { interval: 1_000 });
    await station.settle();
    client.room = 1;
    await station.publish('X', { kind: 'delta', bids: [100, 1, 0], asks: [] });
    await station.advance(1_000);
    await station.publish('X', { kind: 'delta', bids: [100, 2, 0], asks: [] });
    await station.advance(1_000);
    expect([client, other].map((each) => each.held('book', 'X').seq)).toEqual([2, 3]);
    client.drain();
    await station.settle();
    expect(client.held('book', 'X').seq).toBe(3);
  });
});

describe('a ping that comes to be due while a turn sends', () => {
  test('goes out when all have been sent to', async () => {
    const station = await stationWith(['X']);
    const clients = [station.connect(), station.connect(), station.connect()];
    for (const { stream } of clients) stream.subscribe('book', ['X']);
    await station.settle();
    const turns: string[][] = [];
    for (const client of clients) {
      for (const call of ['send', 'ping'] as const) {
        const real = client[call].bind(client) as (...given: unknown[]) => number;
        vi.spyOn(client, call).mockImplementation((...given: unknown[]) => {
          turns.at(-1)!.push(call);
          return real(...given);
        });
      }
    }
    for (let turn = 0; turn < 1_000; turn++) {
      turns.push([]);
      await station.publish('X', { kind: 'delta', bids: [100, turn + 6, 0], asks: [] });
      await station.settle();
    }
    const pinging = turns.filter((calls) => calls.includes('ping'));
    expect(pinging.length).toBeGreaterThan(0);
    for (const calls of pinging) expect(calls).toEqual(['send', 'send', 'send', 'ping', 'ping', 'ping']);
  });
});

describe('an answer of which only some was sent', () => {
  test('goes on behind what was sent, also where the client changes its subscription meanwhile', async () => {
    const station = await stationWith([], { ringFramesMax: 900 });
    station.list('X');
    const client = station.connect();
    client.room = 1;
    client.stream.subscribe('trade', ['X'], { last: 1_000 });
    const trades = (count: number): Promise<void> =>
      station.publish('X', ...Array.from({ length: count }, () => TRADE));
    await trades(900);
    await station.settle();
    client.drain(2);
    await station.settle();
    const sent = client.held('trade', 'X').seq;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(900);
    client.stream.subscribe('trade', ['X'], { interval: 100 });
    await trades(800);
    client.drain();
    await station.advance(1_000);
    expect(client.of('gap').map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([[sent + 1, 800]]);
    expect(client.of('trade').map(({ seq }) => seq)).toEqual(
      Array.from({ length: 1_700 }, (_, i) => i + 1).filter((seq) => seq <= sent || seq > 800),
    );
  });
});

describe('a subscription that ends before its topic was announced', () => {
  test('ends with the topic, so that the client knows which it was', async () => {
    const station = await stationWith(['X']);
    const client = station.connect();
    const ended: string[] = [];
    client.stream.subscribe('book', ['X']);
    client.room = 0;
    station.kernel.soon(() => station.instruments.delist('X'));
    await station.settle();
    const types = client.frames.map(({ type }) => type);
    for (const frame of client.frames) if (frame.type === 'topic') ended.push(frame.symbol);
    expect(types).toEqual(['ack', 'topic', 'end']);
    expect(ended).toEqual(['X']);
    expect(client.of('topic')[0]!.epoch).toBeGreaterThan(0);
    expect(client.stream.find('book', 'X')).toBeUndefined();
  });
});

describe('the control lane', () => {
  test('takes one answer that is longer than it is', async () => {
    const station = await stationWith(['X'], { controlBytesMax: 500 });
    const client = station.connect();
    client.stream.subscribe(
      'book',
      Array.from({ length: 90 }, (_, index) => `NONE${index}`),
    );
    await station.settle();
    expect(client.of('ack')[0]!.refused).toHaveLength(90);
    expect(client.closedWith).toBeNull();
  });

  test('that is full ends the connection in the middle of a message, and nothing behind it is carried out', async () => {
    const station = await stationWith(['X'], { controlBytesMax: 500 });
    const client = station.connect();
    client.room = 0;
    client.stream.ping();
    await station.settle();
    const writer = new ByteWriter();
    for (let id = 10; id < 100; id++) writer.value({ op: 'ping', id });
    writer.value({ op: 'subscribe', id: 100, channel: 'book', symbols: ['X'] });
    client.request(writer.copy());
    await station.settle();
    expect(client.closedWith?.code).toBe(4000);
    expect(client.connection.subscriptions.size).toBe(0);
    expect(station.topics.peek('book', 'X')).toBeUndefined();
    expect(client.codec).toBe(msgpackCodec);
  });
});
