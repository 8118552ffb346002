// Holds sessions to their invariant: every request gets exactly one ack, pong or error, in order, and every refusal its code.
// Runs the real topics, flush and bus on the virtual clock with fake sockets.

import { describe, expect, test } from 'vitest';
import type { Codec } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { Random } from '../simulation/kernel.ts';
import { type FakeClient, Station } from '../topics/station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0] } as const;
const CODECS: readonly Codec[] = [msgpackCodec, jsonCodec];
type Request = Readonly<Record<string, unknown>>;

/** One message with all of the requests. */
function messageOf(codec: Codec, requests: readonly Request[]): Uint8Array {
  if (!codec.binary) return new TextEncoder().encode(requests.map((request) => JSON.stringify(request)).join('\n'));
  const writer = new ByteWriter();
  for (const request of requests) writer.value(request);
  return writer.copy();
}

function ask(client: FakeClient, ...requests: Request[]): void {
  client.request(messageOf(client.codec, requests));
}

/** Ids of the answers to requests, in the order in which they came. */
function answered(client: FakeClient): (number | null)[] {
  return client.frames.flatMap((frame) => ('id' in frame && frame.type !== 'trade' ? [frame.id] : []));
}

/** A station with the book of X, and a client that has sent nothing yet. */
async function start(codec = msgpackCodec, limits: ConstructorParameters<typeof Station>[0] = {}) {
  const station = new Station(limits);
  for (const symbol of ['X', 'Y', 'Z']) {
    station.list(symbol);
    await station.publish(symbol, SNAPSHOT);
  }
  return { station, client: station.connect(codec) };
}

const GOOD = { op: 'subscribe', id: 1, channel: 'book', symbols: ['X'] };

describe.each(CODECS)('$name requests', (codec) => {
  test('get exactly one answer each, in order, whatever they are', async () => {
    const { station, client } = await start(codec);
    const random = new Random(21);
    const kinds: readonly Request[] = [
      { op: 'ping' },
      { op: 'subscribe', channel: 'book', symbols: ['X', 'Y'], depth: 5 },
      { op: 'subscribe', channel: 'trade', symbols: ['X', 'NONE'] },
      { op: 'subscribe', channel: 'quote', symbols: ['Z'], interval: 100 },
      { op: 'subscribe', channel: 'book', symbols: ['X'], depth: 7 },
      { op: 'unsubscribe', channel: 'book', symbols: ['X', 'Z'] },
      { op: 'resync', channel: 'book', symbols: ['Y'] },
      { op: 'instruments', watch: true },
      { op: 'instruments' },
      { op: 'dance' },
      { op: 'ping', extra: 1 },
    ];
    const sent: number[] = [];
    for (let round = 0; round < 200; round++) {
      const requests = Array.from({ length: random.between(1, 4) }, () => {
        sent.push(sent.length + 1);
        return { ...random.pick(kinds), id: sent.length };
      });
      ask(client, ...requests);
      if (random.chance(0.5)) await station.publish(random.pick(['X', 'Y', 'Z']), SNAPSHOT);
      if (random.chance(0.3)) await station.advance(random.below(40));
    }
    await station.advance(100);
    expect(answered(client)).toEqual(sent);
    expect(client.closedWith).toBeNull();
  });

  test('get their answers in order also when the socket was full in between', async () => {
    const { station, client } = await start(codec);
    client.room = 1;
    for (let id = 1; id <= 50; id++) {
      ask(client, { op: id % 2 === 0 ? 'ping' : 'dance', id });
      await station.settle();
    }
    expect(answered(client)).toEqual([1]);
    client.drain();
    await station.settle();
    expect(answered(client)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  test.each<{ name: string; code: string; request: Request }>([
    { name: 'is no map', code: 'bad-request', request: [1, 2] as unknown as Request },
    { name: 'lacks its symbols', code: 'bad-request', request: { op: 'subscribe', id: 1, channel: 'book' } },
    { name: 'has a field too many', code: 'bad-request', request: { ...GOOD, color: 'red' } },
    { name: 'wants past quotes', code: 'bad-request', request: { ...GOOD, channel: 'quote', last: 5 } },
    { name: 'names no operation', code: 'unknown-op', request: { op: 'dance', id: 1 } },
    { name: 'names no channel', code: 'unknown-channel', request: { ...GOOD, channel: 'candles' } },
    { name: 'wants a depth that there is not', code: 'bad-depth', request: { ...GOOD, depth: 7 } },
    { name: 'wants a quote with a depth', code: 'bad-depth', request: { ...GOOD, channel: 'quote', depth: 5 } },
    { name: 'wants a raw book with a depth', code: 'bad-depth', request: { ...GOOD, mode: 'raw', depth: 5 } },
    { name: 'wants an interval that there is not', code: 'bad-interval', request: { ...GOOD, interval: 60_001 } },
    { name: 'wants a mode that there is not', code: 'bad-mode', request: { ...GOOD, mode: 'cooked' } },
    { name: 'wants raw frames at an interval', code: 'bad-mode', request: { ...GOOD, mode: 'raw', interval: 10 } },
    {
      name: 'names too many symbols',
      code: 'too-many-symbols',
      request: { ...GOOD, symbols: Array.from({ length: 101 }, (_, index) => `S${index}`) },
    },
  ])('that $name are refused as a whole: $code', async ({ code, request }) => {
    const { station, client } = await start(codec);
    ask(client, request);
    await station.settle();
    const id = Array.isArray(request) ? null : 1;
    expect(client.frames).toMatchObject([{ type: 'error', id, code }]);
    expect(station.refusals).toEqual([code]);
    expect(client.connection.subscriptions.size).toBe(0);
    expect(station.topics.size).toBe(0);
  });

  test('are refused symbol by symbol where only some are at fault', async () => {
    const { station, client } = await start(codec, { subscriptionsMax: 2 });
    ask(client, { ...GOOD, symbols: ['X', 'A/B', 'NONE', 'Y', 'Z', 'X'] });
    ask(client, { op: 'unsubscribe', id: 2, channel: 'book', symbols: ['Z', 'X'] });
    ask(client, { op: 'resync', id: 3, channel: 'book', symbols: ['X', 'Y'] });
    await station.settle();
    const outcome = client.of('ack').map(({ id, accepted, refused }) => ({
      id,
      accepted: accepted.map(({ symbol }) => symbol),
      refused: refused.map(({ symbol, code }) => [symbol, code]),
    }));
    expect(outcome).toEqual([
      {
        id: 1,
        accepted: ['X', 'Y', 'X'],
        refused: [
          ['A/B', 'bad-symbol'],
          ['NONE', 'unknown-symbol'],
          ['Z', 'too-many-subscriptions'],
        ],
      },
      { id: 2, accepted: ['X'], refused: [['Z', 'not-subscribed']] },
      { id: 3, accepted: ['Y'], refused: [['X', 'not-subscribed']] },
    ]);
    expect(station.refusals.length).toBe(5);
  });

  test('that are no requests at all are refused without an id', async () => {
    const { station, client } = await start(codec, { requestBytesMax: 1_000 });
    client.request(new Uint8Array([0xc1, 0x7b]));
    client.request(new Uint8Array(0));
    client.request(messageOf(codec, [{ op: 'ping', id: 1 }]), !codec.binary);
    client.request(new Uint8Array(1_001));
    ask(client, { op: 'ping', id: 2 });
    await station.settle();
    expect(client.frames).toMatchObject([
      { type: 'error', id: null, code: 'bad-frame' },
      { type: 'error', id: null, code: 'bad-frame' },
      { type: 'error', id: null, code: 'bad-frame' },
      { type: 'error', id: null, code: 'too-large' },
      { type: 'pong', id: 2 },
    ]);
  });
});

describe('the control lane', () => {
  test('closes the connection of a client that asks without ever reading', async () => {
    const { station, client } = await start(jsonCodec, { controlBytesMax: 1_000 });
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.room = 1;
    let asked = 0;
    for (; client.closedWith === null && asked < 200; asked++) {
      ask(client, { op: 'ping', id: asked });
      await station.settle();
      expect(client.connection.queuedBytes).toBeLessThanOrEqual(1_000);
    }
    expect(asked).toBeGreaterThan(5);
    expect(client.closedWith).toEqual({ code: CloseCode.slowControl, reason: 'slow-control' });
    expect(CloseCode.slowControl).toBe(4000);
    expect(station.counters.closed).toEqual({ 'slow-control': 1 });
    expect(client.connection.closed).toBe(true);
    expect(client.connection.subscriptions.size).toBe(0);
    await station.advance(station.limits.graceMs);
    expect(station.topics.size).toBe(0);
  });

  test('does not close that of a client which asks for more than the lane holds in one turn, and reads', async () => {
    const { station, client } = await start(jsonCodec, { controlBytesMax: 1_000 });
    const pings = Array.from({ length: 200 }, (_, id) => ({ op: 'ping', id }));
    ask(client, ...pings);
    await station.settle();
    expect(client.closedWith).toBeNull();
    expect(answered(client)).toEqual(pings.map(({ id }) => id));
  });
});

describe('an unsubscribed topic', () => {
  /** @returns whether the frame is of the topic. */
  const isOf = (frame: Frame, topic: number): boolean => 'topic' in frame && frame.topic === topic;

  test('is never heard of after the ack, whatever was due, behind or under way', async () => {
    const station = new Station();
    station.list('X');
    // Long enough to go out in several parts.
    const bids = Array.from({ length: 6_000 }, (_, index) => [10_000_000 - index * 7, 1_000_000 + index, 0]).flat();
    await station.publish('X', { kind: 'snapshot', bids, asks: [20_000_000, 1, 0] });
    const random = new Random(17);
    for (let round = 0; round < 300; round++) {
      const client = station.connect(random.pick(CODECS));
      client.room = random.pick([1, 2, 3, 4, Number.POSITIVE_INFINITY]);
      client.stream.subscribe('book', ['X'], random.pick([{}, { depth: 5 }, { interval: 10 }, { mode: 'raw' }]));
      if (random.chance(0.8)) await station.settle();
      if (random.chance(0.5)) await station.publish('X', { kind: 'delta', bids: [10_000_000, round + 1, 0], asks: [] });
      if (random.chance(0.3)) await station.advance(random.below(15));
      if (random.chance(0.3)) client.stream.resync('book', ['X']);
      const id = client.stream.unsubscribe('book', ['X']);
      await station.publish('X', { kind: 'delta', bids: [], asks: [20_000_000, round + 2, 0] });
      await station.settle();
      while (client.room <= 0) {
        client.drain(random.between(1, 3));
        await station.publish('X', { kind: 'delta', bids: [], asks: [20_000_001, round + 1, 0] });
        await station.settle();
      }
      await station.advance(20);
      const ackAt = client.frames.findIndex((frame) => frame.type === 'ack' && frame.id === id);
      expect(ackAt).toBeGreaterThanOrEqual(0);
      const ack = client.of('ack').find((frame) => frame.id === id);
      const topic = ack!.accepted[0]!.topic;
      const after = client.frames.slice(ackAt + 1).filter((frame) => isOf(frame, topic));
      expect(after.map(({ type }) => type)).toEqual([]);
      expect(client.stream.find('book', 'X')).toBeUndefined();
      client.connection.shut();
    }
  });

  test('is announced anew to a client that comes back in the same turn', async () => {
    const { station, client } = await start();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.stream.unsubscribe('book', ['X']);
    client.stream.subscribe('book', ['X']);
    await station.settle();
    const types = client.frames.map(({ type }) => type).filter((type) => type !== 'time');
    expect(types).toEqual(['ack', 'topic', 'book', 'ack', 'ack', 'topic', 'book']);
    expect(client.held('book', 'X')).toMatchObject({ seq: 1, valid: true });
  });
});

describe('instruments', () => {
  const events = (client: FakeClient): string[] =>
    client.of('instrument').map(({ action, symbol }) => `${action} ${symbol}`);

  test('are listed behind the ack, and told of from then on to those who watch', async () => {
    const { station, client } = await start();
    const other = station.connect();
    client.stream.instruments(true);
    other.stream.instruments(false);
    await station.settle();
    expect(client.frames[0]).toMatchObject({ type: 'ack', op: 'instruments' });
    for (const each of [client, other]) expect(events(each)).toEqual(['listed X', 'listed Y', 'listed Z']);
    client.clear();
    other.clear();
    station.list('N');
    station.list('N');
    station.list('X', { tickSize: 5 });
    station.instruments.delist('Y');
    await station.settle();
    expect(events(client)).toEqual(['listed N', 'changed X', 'delisted Y']);
    expect(client.of('instrument')[1]).toMatchObject({ tickSize: 5, lotSize: 1, priceScale: 0 });
    expect(events(other)).toEqual([]);
  });

  test('are no longer told of after a request without watch', async () => {
    const { station, client } = await start();
    client.stream.instruments(true);
    client.stream.instruments(false);
    await station.settle();
    client.clear();
    station.list('N');
    await station.settle();
    expect(client.frames).toEqual([]);
  });
});

test('the welcome names the protocol, the server, the session and the limits', async () => {
  const { station, client } = await start();
  station.sessions.welcome(client.connection);
  await station.settle();
  expect(client.frames).toEqual([
    {
      type: 'welcome',
      version: 'tickwire.v1',
      server: 'station',
      session: 'c0',
      timeUs: station.kernel.nowUs(),
      limits: {
        requestBytes: 65_536,
        symbolsPerRequest: 100,
        subscriptions: 100,
        heartbeatMs: 5_000,
        ageMsMax: 30_000,
        stallMsMax: 20_000,
        silentMs: 22_000,
        requestsPerSec: 1_000_000,
      },
    },
  ]);
});

describe('a stall that the client asks for', () => {
  const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] } as const;

  async function stalled(stallMs: number) {
    const station = new Station();
    station.list('X');
    await station.publish('X', SNAPSHOT);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.clear();
    client.stream.stall(stallMs);
    await station.settle();
    expect(client.frames).toMatchObject([{ type: 'ack', op: 'demo' }]);
    client.clear();
    return { station, client };
  }

  test('withholds everything for its time, then one difference brings the client up', async () => {
    const { station, client } = await stalled(3_000);
    client.stream.ping();
    for (let size = 1; size <= 20; size++) {
      await station.publish('X', { kind: 'delta', bids: [100, size, 0], asks: [] });
      await station.advance(149);
    }
    expect(client.frames).toEqual([]);
    await station.advance(21);
    expect(client.of('pong')).toHaveLength(1);
    expect(client.of('book')).toMatchObject([{ fromSeq: 1, seq: 21, bids: [100, 20] }]);
    expect(client.held('book', 'X').counters).toMatchObject({ delivered: 1, merged: 19, gapped: 0 });
    expect(station.counters.blocked.demo).toBe(1);
  });

  test('ends early where a stall of 0 is asked for', async () => {
    const { station, client } = await stalled(20_000);
    await station.publish('X', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    client.stream.stall(0);
    await station.settle();
    expect(client.held('book', 'X').seq).toBe(2);
  });

  test('touches nobody else', async () => {
    const { station } = await stalled(20_000);
    const other = station.connect();
    other.stream.subscribe('book', ['X']);
    await station.publish('X', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    await station.settle();
    expect(other.held('book', 'X').seq).toBe(2);
  });

  test.each([
    ['where there is no demo market', 0, 1_000],
    ['for longer than allowed', 5_000, 5_001],
  ])('is refused %s', async (_, stallMsMax, stallMs) => {
    const station = new Station({ stallMsMax });
    const client = station.connect();
    client.stream.stall(stallMs);
    await station.settle();
    expect(client.of('error')).toMatchObject([{ code: 'no-demo' }]);
    expect(client.connection.block).toBeNull();
  });

  test('leaves nothing behind when the connection closes meanwhile', async () => {
    const { station, client } = await stalled(20_000);
    client.stream.unsubscribe('book', ['X']);
    await station.settle();
    const { pending } = station.kernel;
    client.connection.shut();
    expect(station.kernel.pending).toBe(pending - 1);
  });
});
