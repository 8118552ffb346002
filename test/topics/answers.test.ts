// Holds topics to how they answer cursors of every kind, and to what is easily lost around an answer: epochs that end while a
// state is loaded, raw books that are not full, quotes that change their source, ages.

import { describe, expect, test } from 'vitest';
import type { Frame, Mode, ResetFrame } from '../../src/protocol/frames.ts';
import type { AnswerKind } from '../../src/topics/answer.ts';
import { type FakeClient, Station } from './station.ts';

const SNAPSHOT = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0, 98, 7, 0], asks: [101, 7, 0] } as const;

function levels(client: FakeClient): number[][] {
  const { bids, asks } = client.held('book', 'X').book!;
  return [bids, asks].map((side) => [...side].reverse().flatMap(({ price, size, count }) => [price, size, count]));
}

/** The book of X, with an update for each further seq. */
async function stationAt(seq: number, limits: ConstructorParameters<typeof Station>[0] = {}): Promise<Station> {
  const station = new Station(limits);
  station.list('X');
  await station.publish('X', SNAPSHOT);
  for (let size = 2; size <= seq; size++) await station.publish('X', deep(size));
  return station;
}

const isReset = (frame: Frame): frame is ResetFrame => frame.type === 'reset';

/** Changes only what is deep in the book. */
function deep(size: number): { kind: 'delta'; bids: number[]; asks: number[] } {
  return { kind: 'delta', bids: [90, size, 0], asks: [] };
}

interface Case {
  readonly name: string;
  readonly kind: AnswerKind;
  readonly cursor: Partial<Record<'epoch' | 'seq' | 'depth', number>> | null;
  readonly depth?: 0 | 5;
  readonly mode?: Mode;
}

describe('a cursor', () => {
  const REMOVALS = 8;

  test.each<Case>([
    { name: 'that there is none of is answered by a snapshot', kind: 'first', cursor: null },
    { name: 'that is up to date is answered by nothing', kind: 'current', cursor: {} },
    { name: 'a little behind is answered by the difference from there', kind: 'difference', cursor: { seq: 35 } },
    { name: 'far behind is answered by a difference that others share', kind: 'rounded', cursor: { seq: 21 } },
    { name: 'of fewer levels than are wanted is answered by more', kind: 'deeper', cursor: { seq: 39, depth: 1 } },
    { name: 'of more levels than are wanted is answered by fewer', kind: 'shallower', cursor: { depth: 0 }, depth: 5 },
    { name: 'past the horizon is answered by a reset', kind: 'horizon', cursor: { seq: 2 } },
    { name: 'of another epoch is answered by a reset', kind: 'epoch', cursor: { epoch: 77 } },
    { name: 'from the future is answered by a reset', kind: 'future', cursor: { seq: 41 } },
    {
      name: 'of a raw book that the ring reaches is answered by each update',
      kind: 'ring',
      cursor: { seq: 38 },
      mode: 'raw',
    },
    {
      name: 'of a raw book that the ring does not reach is answered by a gap',
      kind: 'gap',
      cursor: { seq: 30 },
      mode: 'raw',
    },
  ])('$name', async ({ kind, cursor, depth = 0, mode = 'live' }) => {
    const station = await stationAt(8, { tombstonesMax: REMOVALS - 1, ringFramesMax: 4 });
    // Opens the topic, and begins its ring.
    station.connect().stream.subscribe('book', ['X'], { mode: 'raw' });
    await station.settle();
    for (let i = 0; i < REMOVALS; i++) await station.publish('X', { kind: 'delta', bids: [80 + i, 1, 0], asks: [] });
    for (let i = 0; i < REMOVALS; i++) await station.publish('X', { kind: 'delta', bids: [80 + i, 0, 0], asks: [] });
    for (let seq = 25; seq <= 40; seq++) await station.publish('X', deep(seq));
    await station.settle();
    const topic = station.topics.peek('book', 'X')!;
    const { byKind } = station.topics.counters;
    const before = byKind[kind];
    const whole = { epoch: topic.epoch, seq: 40, depth, ...cursor };
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { depth, mode, ...(cursor === null ? {} : { cursor: { X: whole } }) });
    await station.settle();
    expect(byKind[kind]).toBe(before + 1);
    const [first] = client.of('book');
    // The client, which holds nothing of what it claims to hold, doubts what comes after that.
    const reset = client.frames.slice(0, first === undefined ? 0 : client.frames.indexOf(first)).find(isReset);
    const anew = ['horizon', 'epoch', 'future', 'gap'].includes(kind);
    if (kind === 'current') expect(first).toBeUndefined();
    else if (anew || kind === 'first') expect(first).toMatchObject({ fromSeq: 0, seq: 40 });
    else expect(first!.fromSeq).toBeLessThanOrEqual(whole.seq);
    expect(reset?.reason).toBe(anew ? kind : undefined);
    if (kind === 'gap') expect(client.of('gap')[0]).toMatchObject({ firstSeq: 31, lastSeq: 40 });
    if (kind === 'ring') expect(first).toMatchObject({ fromSeq: 38, seq: 39 });
  });
});

describe('a raw book', () => {
  test('brought by a cursor of a few levels is widened before updates follow one by one', async () => {
    const station = await stationAt(3);
    const cut = station.connect();
    cut.stream.subscribe('book', ['X'], { depth: 1 });
    await station.settle();
    const cursor = cut.stream.cursor('book', 'X')!;
    cut.connection.shut();
    const raw = station.connect();
    raw.stream.carry(cut.stream);
    raw.stream.subscribe('book', ['X'], { mode: 'raw', cursor: { X: cursor } });
    await station.settle();
    await station.publish('X', deep(9));
    await station.settle();
    expect(raw.of('book').map(({ seq, depth }) => [seq, depth])).toEqual([
      [3, 0],
      [4, 0],
    ]);
    expect(levels(raw)).toEqual([
      [100, 5, 0, 99, 6, 0, 98, 7, 0, 90, 9, 0],
      [101, 7, 0],
    ]);
    expect(raw.held('book', 'X').counters.resyncs).toBe(0);
  });

  test('asked for twice before the first answer is still bridged without a gap', async () => {
    const station = await stationAt(1);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    client.room = 1;
    await station.publish('X', deep(2));
    await station.settle();
    await station.publish('X', deep(3), deep(4));
    client.stream.subscribe('book', ['X'], { mode: 'raw' });
    client.stream.subscribe('book', ['X'], { mode: 'raw' });
    await station.settle();
    client.drain();
    await station.settle();
    expect(client.of('gap')).toEqual([]);
    expect(client.of('book').at(-1)).toMatchObject({ fromSeq: 2, seq: 4 });
  });

  test('is told of a gap also where the ring begins with an update that replaced everything', async () => {
    const station = await stationAt(1, { tombstonesMax: 1, ringFramesMax: 2 });
    const client = station.connect();
    client.stream.subscribe('book', ['X'], { mode: 'raw' });
    await station.settle();
    client.room = 1;
    await station.publish('X', deep(2));
    await station.settle();
    // Three levels go at once, of which one is remembered: from before, nothing but the whole book leads here.
    await station.publish('X', deep(3), deep(4), { kind: 'snapshot', bids: [], asks: [101, 1, 0] }, deep(5));
    client.drain();
    await station.settle();
    expect(client.of('gap')).toMatchObject([{ firstSeq: 3, lastSeq: 6 }]);
    expect(levels(client)).toEqual([
      [90, 5, 0],
      [101, 1, 0],
    ]);
  });
});

describe('an epoch that ends', () => {
  test('while the state is being loaded is not taken for the present one', async () => {
    const station = await stationAt(3);
    const client = station.connect();
    const { connection } = client;
    client.stream.subscribe('book', ['X']);
    // The request is carried out and the load has begun when the scale changes.
    station.kernel.soon(() => station.list('X', { priceScale: 1 }));
    await station.settle();
    await station.publish('X', { ...SNAPSHOT, bids: [50, 1, 0] });
    await station.settle();
    expect(connection.closed).toBe(false);
    expect(client.held('book', 'X')).toMatchObject({ seq: 1, topic: { priceScale: 1 }, counters: { resyncs: 0 } });
    expect(levels(client)[0]).toEqual([50, 1, 0]);
  });

  test('takes the times of its last update along', async () => {
    const station = await stationAt(1);
    const client = station.connect();
    client.stream.subscribe('status', ['X']);
    await station.publish('X', { kind: 'status', status: 'halted', reason: null });
    await station.settle();
    station.list('X', { sizeScale: 1 });
    await station.settle();
    expect(client.of('status').at(-1)).toMatchObject({ seq: 0, status: 'live', exchangeUs: null, publishUs: 0 });
  });

  test('begins anew where levels come to have order counts', async () => {
    const station = await stationAt(1);
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    station.list('X', { orderCounts: true });
    await station.publish('X', { kind: 'snapshot', bids: [100, 5, 3], asks: [] });
    await station.settle();
    expect(client.held('book', 'X').topic.stride).toBe(3);
    expect(levels(client)).toEqual([[100, 5, 3], []]);
  });
});

describe('a quote', () => {
  test('that a client knows at a later update of the book than this node leaves nobody turning in circles', async () => {
    const station = await stationAt(1);
    const first = station.connect();
    first.stream.subscribe('quote', ['X']);
    await station.settle();
    await station.publish('X', deep(2), deep(3));
    const ahead = station.connect();
    const { epoch } = station.topics.peek('quote', 'X')!;
    first.connection.shut();
    // Another node that loaded the book just now has the same quote at a later seq.
    ahead.stream.carry(first.stream);
    ahead.stream.subscribe('quote', ['X'], { cursor: { X: { epoch, seq: 3 } } });
    await station.settle();
    const last = station.connect();
    last.stream.subscribe('quote', ['X']);
    await station.settle();
    expect(last.held('quote', 'X').seq).toBe(1);
    await station.publish('X', { kind: 'delta', bids: [100, 9, 0], asks: [] });
    await station.settle();
    for (const client of [ahead, last]) {
      expect(client.held('quote', 'X')).toMatchObject({ seq: 4, quote: { bidSize: 9 }, counters: { resyncs: 0 } });
    }
  });

  test('goes on from its new source when that is changed, in an epoch of its own', async () => {
    const station = await stationAt(1);
    const client = station.connect();
    client.stream.subscribe('quote', ['X']);
    await station.settle();
    expect(client.held('quote', 'X').quote).toMatchObject({ bidPrice: 100, askPrice: 101 });
    station.list('X', { quoteSource: 'published' });
    await station.publish('X', { kind: 'quote', bidPrice: 7, bidSize: 1, askPrice: null, askSize: 0 }, deep(2));
    await station.settle();
    expect(client.held('quote', 'X')).toMatchObject({ seq: 1, quote: { bidPrice: 7, askPrice: null } });
    station.list('X', { quoteSource: 'book' });
    await station.settle();
    expect(client.held('quote', 'X')).toMatchObject({ seq: 2, quote: { bidPrice: 100, askPrice: 101 } });
    await station.publish('X', { kind: 'delta', bids: [100, 0, 0], asks: [] });
    await station.settle();
    expect(client.held('quote', 'X')).toMatchObject({ seq: 3, quote: { bidPrice: 99 }, counters: { resyncs: 0 } });
    const resets = client.of('reset').map(({ reason }) => reason);
    expect(resets).toEqual(['epoch', 'epoch']);
    client.stream.unsubscribe('quote', ['X']);
    await station.advance(3 * station.limits.graceMs);
    expect(station.topics.size).toBe(0);
  });
});

describe('the health of a topic', () => {
  test('is told when it changes, and to whoever comes while it is not live', async () => {
    const station = await stationAt(1, { staleAfterMs: 5_000 });
    const early = station.connect();
    early.stream.subscribe('book', ['X']);
    await station.advance(7_000);
    const late = station.connect();
    late.stream.subscribe('book', ['X']);
    await station.settle();
    for (const client of [early, late]) expect(client.held('book', 'X').health?.status).toBe('stale');
    await station.publish('X', deep(2));
    await station.advance(1_500);
    for (const client of [early, late]) expect(client.of('health').at(-1)).toMatchObject({ status: 'live' });
    const fresh = station.connect();
    fresh.stream.subscribe('book', ['X']);
    await station.settle();
    expect(fresh.of('health')).toEqual([]);
  });

  test('has its age from the clock that is never set', async () => {
    const station = await stationAt(1, { staleAfterMs: 5_000 });
    const client = station.connect();
    client.stream.subscribe('book', ['X']);
    await station.settle();
    station.kernel.shiftWall(3_600_000_000);
    await station.advance(7_000);
    const { ageMs } = client.of('health')[0]!;
    expect(ageMs).toBeGreaterThanOrEqual(5_000);
    expect(ageMs).toBeLessThan(7_000);
  });
});
