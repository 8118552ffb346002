// Holds the client's session to what it does by itself: noticing holes, asking once, carrying over, forgetting.
// Feeds it encoded frames of the JSON codec, and reads its requests as JSON.

import { beforeEach, describe, expect, test } from 'vitest';
import { ClientStream, jsonCodec as readingCodec, type StreamHandlers } from '../../src/client/node.ts';
import { jsonCodec } from '../../src/protocol/codecs.ts';
import type { Channel, Frame, QuoteFrame, StatusFrame, TopicFrame, TradeFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bookFrame, partFrame, sumOf } from './frames.ts';

const STAMP = { topic: 1, exchangeUs: null, publishUs: 1_000, gatewayUs: 1_000 };

function topicFrame(channel: Channel, epoch = 77, topic = 1): TopicFrame {
  const scales = { priceScale: 0, sizeScale: 0, stride: 2, tickSize: 1, lotSize: 1 };
  return { type: 'topic', topic, channel, symbol: 'X', epoch, ...scales };
}

const quote = (fromSeq: number, seq: number): QuoteFrame => {
  return { type: 'quote', ...STAMP, fromSeq, seq, bidPrice: seq, bidSize: 1, askPrice: null, askSize: 0 };
};
const status = (fromSeq: number, seq: number): StatusFrame => {
  return { type: 'status', ...STAMP, fromSeq, seq, status: 'halted', reason: null };
};
const trade = (fromSeq: number, seq: number): TradeFrame => {
  return { type: 'trade', ...STAMP, fromSeq, seq, id: seq, kind: 'trade', side: 'buy', price: 1, size: 1 };
};
/** A book of one bid, whose size is the update. */
const book = (fromSeq: number, seq: number) =>
  bookFrame({ fromSeq, seq, checksum: sumOf([[100, seq]], []), bids: [100, seq] });
const reset = (seq: number): Frame => ({ type: 'reset', topic: 1, seq, reason: 'gap' });
const gap = (firstSeq: number, lastSeq: number): Frame => {
  return { type: 'gap', topic: 1, firstSeq, lastSeq, reason: 'ring' };
};

class Client {
  readonly requests: Record<string, unknown>[] = [];
  readonly told: string[] = [];
  readonly stream: ClientStream;

  constructor() {
    const names = ['topic', 'book', 'quote', 'trade', 'status', 'gap', 'reset', 'end', 'resync', 'ack'] as const;
    const handlers = Object.fromEntries(names.map((name) => [name, () => this.told.push(name)])) as StreamHandlers;
    this.stream = new ClientStream(
      readingCodec,
      (message) => this.requests.push(JSON.parse(new TextDecoder().decode(message)) as Record<string, unknown>),
      handlers,
    );
  }

  /** Frames of one message; the data frames are of the topic that the client knows, or of a full one. */
  take(...frames: Frame[]): void {
    const writer = new ByteWriter();
    for (const frame of frames) jsonCodec.encode(writer, frame, topicFrame('book'));
    this.stream.receive(writer.copy());
  }

  get held() {
    return this.stream.held.get(1);
  }
}

let client: Client;
beforeEach(() => {
  client = new Client();
});

const STATES = [
  { channel: 'book', frame: book },
  { channel: 'quote', frame: quote },
  { channel: 'status', frame: status },
] as const;

describe.each(STATES)('a $channel', ({ channel, frame }) => {
  beforeEach(() => {
    client.take(topicFrame(channel), frame(0, 5));
  });

  test('goes on from frame to frame, ignoring what it has seen', () => {
    client.take(frame(5, 6), frame(4, 9), frame(8, 9));
    expect(client.held).toMatchObject({ seq: 9, valid: true });
    expect(client.held!.counters).toMatchObject({ delivered: 2, merged: 2, ignored: 1, resyncs: 0 });
    expect(client.told).toEqual(['topic', channel, channel, channel]);
  });

  test('is what it was during a gap, and starts anew at the reset behind it', () => {
    client.take(gap(6, 20));
    expect(client.held).toMatchObject({ seq: 5, valid: true, counters: { gapped: 15 } });
    client.take(reset(20));
    expect(client.held).toMatchObject({ seq: 0, valid: false, counters: { resets: 1 } });
    expect(client.stream.cursor(channel, 'X')).toBeUndefined();
    client.take(frame(0, 20), frame(20, 21));
    expect(client.held).toMatchObject({ seq: 21, valid: true });
    expect(client.requests).toEqual([]);
  });

  test('asks once to start over when there is a hole, and again at the next hole', () => {
    client.take(frame(7, 8), frame(8, 9), frame(9, 10));
    expect(client.requests).toEqual([{ op: 'resync', id: 1, channel, symbols: ['X'] }]);
    expect(client.held).toMatchObject({ seq: 0, valid: false });
    client.take(reset(10), frame(0, 10), frame(10, 11));
    expect(client.held).toMatchObject({ seq: 11, valid: true });
    client.take(frame(12, 13), frame(13, 14));
    expect(client.requests.map(({ op, id }) => [op, id])).toEqual([
      ['resync', 1],
      ['resync', 2],
    ]);
    expect(client.held!.counters.resyncs).toBe(2);
    expect(client.told.filter((name) => name === 'resync').length).toBe(2);
  });

  test('asks again to start over where that was refused, when the next frame comes', () => {
    const refusal = { type: 'error', code: 'too-many-requests', message: 'No.', action: 'Later.' } as const;
    client.take(frame(7, 8), { ...refusal, id: null }, { ...refusal, id: 77 }, frame(8, 9));
    expect(client.requests.length).toBe(1);
    client.take({ ...refusal, id: 1 });
    expect(client.requests.length).toBe(1);
    client.take(frame(9, 10), frame(10, 11));
    expect(client.requests.map(({ op, id }) => [op, id])).toEqual([
      ['resync', 1],
      ['resync', 2],
    ]);
  });

  test('goes on from an earlier connection in the same epoch, whatever its number there', () => {
    const earlier = client;
    expect(earlier.stream.cursor(channel, 'X')).toMatchObject({ epoch: 77, seq: 5 });
    client = new Client();
    client.stream.carry(earlier.stream);
    client.take(topicFrame(channel, 77, 1), frame(5, 6));
    expect(client.held).toMatchObject({ seq: 6, valid: true, topic: { epoch: 77 } });
    expect(client.requests).toEqual([]);
  });

  test('is as healthy as the gateway at hand says, not as an earlier one said', () => {
    const earlier = client;
    earlier.take({ type: 'health', topic: 1, status: 'stale', ageMs: 5 }, topicFrame(channel));
    expect(earlier.held!.health?.status).toBe('stale');
    client = new Client();
    client.stream.carry(earlier.stream);
    client.take(topicFrame(channel));
    expect(client.held).toMatchObject({ seq: 5, valid: true, health: null });
  });

  test('is brought along also past a connection that ended before it was announced', () => {
    const first = client;
    const cut = new Client();
    cut.stream.carry(first.stream);
    expect(cut.stream.cursor(channel, 'X')).toMatchObject({ epoch: 77, seq: 5 });
    client = new Client();
    client.stream.carry(cut.stream);
    expect(client.stream.cursor(channel, 'X')).toMatchObject({ epoch: 77, seq: 5 });
    client.take(topicFrame(channel), frame(5, 6));
    expect(client.held).toMatchObject({ seq: 6, valid: true });
  });

  test('is not continued once an unsubscribe is acknowledged that came before its announcement', () => {
    const earlier = client;
    client = new Client();
    client.stream.carry(earlier.stream);
    const id = client.stream.unsubscribe(channel, ['X']);
    expect(client.stream.cursor(channel, 'X')).toBeDefined();
    const accepted = [{ symbol: 'X', topic: 1, depth: 0, intervalMs: 0, mode: 'live' as const }];
    client.take({ type: 'ack', id, op: 'unsubscribe', accepted, refused: [] });
    expect(client.stream.cursor(channel, 'X')).toBeUndefined();
    client.take(topicFrame(channel));
    expect(client.held).toMatchObject({ seq: 0, valid: false });
  });

  test('starts from nothing where the epoch is another than on the earlier connection', () => {
    const earlier = client;
    client = new Client();
    client.stream.carry(earlier.stream);
    client.take(topicFrame(channel, 78));
    expect(client.held).toMatchObject({ seq: 0, valid: false, quote: null, status: null });
    expect(client.held!.book?.bids ?? []).toEqual([]);
    client.take(frame(0, 2));
    expect(client.held).toMatchObject({ seq: 2, valid: true });
  });

  test('is forgotten when the unsubscribe is acknowledged', () => {
    client.stream.unsubscribe(channel, ['X']);
    const accepted = [{ symbol: 'X', topic: 1, depth: 0, intervalMs: 0, mode: 'live' as const }];
    client.take({ type: 'ack', id: 1, op: 'unsubscribe', accepted, refused: [] });
    expect(client.stream.find(channel, 'X')).toBeUndefined();
    expect(client.stream.cursor(channel, 'X')).toBeUndefined();
    expect(client.stream.held.size).toBe(0);
    client.told.length = 0;
    client.take(frame(9, 10));
    expect(client.told).toEqual([]);
    expect(client.requests.length).toBe(1);
  });

  test('is forgotten when the gateway ends it', () => {
    client.take({ type: 'end', topic: 1, reason: 'delisted' });
    expect(client.stream.held.size).toBe(0);
    expect(client.told.at(-1)).toBe('end');
  });

  test('keeps what it holds when its topic is announced again in the same epoch, and loses it in another', () => {
    client.take({ ...topicFrame(channel), tickSize: 5 }, frame(5, 6));
    expect(client.held).toMatchObject({ seq: 6, valid: true, topic: { tickSize: 5 } });
    client.take(topicFrame(channel, 78));
    expect(client.held).toMatchObject({ seq: 0, valid: false });
  });
});

describe('trades', () => {
  beforeEach(() => {
    client.take(topicFrame('trade'), reset(5), trade(5, 6));
  });

  test('go on after a gap, without a reset', () => {
    client.take(gap(7, 20), trade(20, 21), trade(21, 22));
    expect(client.held).toMatchObject({ seq: 22, valid: true });
    expect(client.held!.counters).toMatchObject({ gapped: 14, delivered: 3, merged: 0, resyncs: 0 });
  });

  test('begin where a reset says', () => {
    client.take(reset(30), trade(30, 31));
    expect(client.held).toMatchObject({ seq: 31, valid: true, counters: { resets: 2, resyncs: 0 } });
    expect(client.stream.cursor('trade', 'X')).toEqual({ epoch: 77, seq: 31 });
  });

  test('that were seen are ignored', () => {
    client.take(trade(4, 5), trade(5, 6));
    expect(client.held!.counters).toMatchObject({ ignored: 2, delivered: 1 });
  });

  test('ask once to start over when there is a hole', () => {
    client.take(trade(8, 9), trade(9, 10), trade(10, 11));
    expect(client.requests).toEqual([{ op: 'resync', id: 1, channel: 'trade', symbols: ['X'] }]);
    client.take(reset(11), trade(11, 12));
    expect(client.held).toMatchObject({ seq: 12, valid: true });
    client.take(trade(13, 14), trade(14, 15));
    expect(client.requests.length).toBe(2);
  });
});

describe('a book with a wrong checksum', () => {
  test('asks once to start over and says why', () => {
    const reasons: string[] = [];
    const requests: Uint8Array[] = [];
    const stream = new ClientStream(jsonCodec, (message) => requests.push(message), {
      resync: (_held, reason) => reasons.push(reason),
    });
    const writer = new ByteWriter();
    const frames = [topicFrame('book'), book(0, 5), { ...book(5, 6), checksum: 1 }, book(6, 7), book(7, 8)];
    for (const frame of frames) jsonCodec.encode(writer, frame, topicFrame('book'));
    stream.receive(writer.copy());
    expect(reasons).toEqual(['checksum']);
    expect(requests.length).toBe(1);
  });

  test('asks again when the fresh start is wrong too', () => {
    client.take(topicFrame('book'), book(0, 5), { ...book(5, 6), checksum: 1 });
    client.take(reset(6), { ...book(0, 6), checksum: 1 });
    expect(client.requests.length).toBe(2);
    client.take(reset(6), book(0, 6));
    expect(client.held).toMatchObject({ seq: 6, valid: true });
  });
});

test('a part without its beginning asks once to start over', () => {
  client.take(topicFrame('book'), book(0, 5));
  client.take(partFrame({ fromSeq: 5, seq: 6, index: 1 }), partFrame({ fromSeq: 5, seq: 6, index: 2 }));
  client.take(bookFrame({ fromSeq: 5, seq: 6, checksum: 0, parts: 3 }));
  expect(client.requests.length).toBe(1);
});

test('frames of a topic that was never announced are passed over', () => {
  client.take(gap(1, 2), reset(2));
  expect(client.told).toEqual([]);
  expect(client.requests).toEqual([]);
});
