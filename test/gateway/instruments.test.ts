// Holds PUT and DELETE of instruments: what may be listed, and that subscribers and watchers learn of every listing, change
// and delisting in-band, in the order in which it matters.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClientStream } from '../../src/client/stream.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { jsonCodec } from '../../src/protocol/codecs.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import { ask, publish, putInstrument, startGateway, stopAll, TestClient } from './harness.ts';

const CODECS = ['json', 'msgpack'] as const;
const plain = { priceScale: 2, sizeScale: 3 };
const snapshot = { type: 'snapshot', symbol: 'A', bids: [['10.00', '1']], asks: [['10.05', '2']] };

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, [{ symbol: 'A', ...plain }]);
});
afterEach(stopAll);

const remove = (symbol: string) => ask(gateway, `/v1/instruments/${symbol}`, { method: 'DELETE' });
const typesOf = (frames: readonly Frame[]) => frames.map(({ type }) => type);

describe('PUT', () => {
  test('lists an instrument, answers with all of it, and again without a change', async () => {
    const whole = {
      symbol: 'N',
      priceScale: 2,
      sizeScale: 0,
      tickSize: '0.25',
      lotSize: '10',
      negativePrices: true,
      orderCounts: true,
      quoteSource: 'published',
    };
    for (let times = 0; times < 2; times++) {
      const { status, body } = await putInstrument(gateway, 'N', whole);
      expect([status, body]).toEqual([200, whole]);
    }
    expect((await ask(gateway, '/v1/instruments/N')).body).toEqual(whole);
  });
  test('fills in what is left out', async () => {
    const { body } = await putInstrument(gateway, 'N', plain);
    const filledIn = { negativePrices: false, orderCounts: false, quoteSource: 'book' };
    expect(body).toEqual({ symbol: 'N', ...plain, tickSize: '0.01', lotSize: '0.001', ...filledIn });
  });
  test.each([
    ['no object', [], 'body'],
    ['no scales', {}, 'priceScale'],
    ['a scale of 16', { priceScale: 16, sizeScale: 0 }, 'priceScale'],
    ['a negative scale', { priceScale: 0, sizeScale: -1 }, 'sizeScale'],
    ['half a scale', { priceScale: 0.5, sizeScale: 0 }, 'priceScale'],
    ['a scale as text', { priceScale: '2', sizeScale: 0 }, 'priceScale'],
    ['a tick as a number', { ...plain, tickSize: 0.01 }, 'tickSize'],
    ['a tick finer than the scale', { ...plain, tickSize: '0.001' }, 'tickSize'],
    ['a tick of zero', { ...plain, tickSize: '0' }, 'tickSize'],
    ['a negative lot', { ...plain, lotSize: '-1' }, 'lotSize'],
    ['a lot beyond 2^53', { ...plain, lotSize: '9007199254740993' }, 'lotSize'],
    ['a quote source that there is not', { ...plain, quoteSource: 'feed' }, 'quoteSource'],
    ['a flag that is no boolean', { ...plain, negativePrices: 1 }, 'negativePrices'],
    ['another symbol in the body', { ...plain, symbol: 'B' }, 'symbol'],
    ['a field that there is not', { ...plain, venue: 'X' }, ''],
  ])('refuses %s, naming the field', async (_, definition, field) => {
    const { status, code, body } = await putInstrument(gateway, 'N', definition);
    expect([status, code]).toEqual([400, 'bad-instrument']);
    expect((body.error as { message: string }).message).toContain(field);
    expect((await ask(gateway, '/v1/instruments/N')).code).toBe('unknown-symbol');
  });
  test('refuses what is no JSON, and a symbol that is none', async () => {
    const answer = await ask(gateway, '/v1/instruments/N', { method: 'PUT', body: '{' });
    expect(answer.code).toBe('bad-frame');
    expect((await putInstrument(gateway, 'a%20b', plain)).code).toBe('bad-symbol');
  });
  test('refuses one more than the limit, but a change of what is listed', async () => {
    const full = startGateway({ instrumentsMax: 1 }, [{ symbol: 'A', ...plain }]);
    expect((await putInstrument(full, 'B', plain)).code).toBe('bad-instrument');
    expect((await putInstrument(full, 'A', { ...plain, tickSize: '0.05' })).status).toBe(200);
  });
  test('refuses another quote source while it is listed', async () => {
    expect((await putInstrument(gateway, 'A', { ...plain, quoteSource: 'published' })).code).toBe('bad-instrument');
    await remove('A');
    expect((await putInstrument(gateway, 'A', { ...plain, quoteSource: 'published' })).status).toBe(200);
  });
});

describe.each(CODECS)('subscribers in %s', (codec) => {
  let client: TestClient;
  beforeEach(async () => {
    await publish(gateway, snapshot);
    client = await TestClient.connect(gateway, codec);
    client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
    client.send({ op: 'subscribe', id: 2, channel: 'quote', symbols: ['A'] });
    client.send({ op: 'subscribe', id: 3, channel: 'trade', symbols: ['A'] });
    await client.settled();
  });

  test('a changed tick comes as a topic frame before the data at the new tick, in the same epoch', async () => {
    const epoch = (await ask(gateway, '/v1/book/A')).body.epoch;
    await putInstrument(gateway, 'A', { ...plain, tickSize: '0.05' });
    await publish(gateway, { type: 'delta', symbol: 'A', bids: [['9.95', '4']] });
    const frames = (await client.settled()).filter(({ type }) => type !== 'time');
    const topics = frames.filter((frame) => frame.type === 'topic');
    expect(topics.map(({ channel }) => channel).sort()).toEqual(['book', 'quote', 'trade']);
    for (const topic of topics) expect(topic).toMatchObject({ tickSize: 5, priceScale: 2 });
    expect(topics.find(({ channel }) => channel === 'book')!.epoch).toBe(epoch);
    const [book] = frames.filter((frame) => frame.type === 'book');
    expect(book).toMatchObject({ fromSeq: 1, seq: 2, bids: [995, 4_000], asks: [] });
    expect(typesOf(frames).indexOf('book')).toBeGreaterThan(typesOf(frames).indexOf('topic'));
    expect(typesOf(frames)).not.toContain('reset');
  });

  test('a changed scale is a new epoch: topic, reset and snapshot, then the book of the new scale', async () => {
    const before = (await ask(gateway, '/v1/book/A')).body.epoch;
    await putInstrument(gateway, 'A', { priceScale: 3, sizeScale: 3 });
    expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({ seq: 0, bids: [], asks: [] });
    const { code } = await publish(gateway, { type: 'delta', symbol: 'A', bids: [['9.995', '4']] });
    expect(code).toBe('needs-snapshot');

    const frames = (await client.settled()).filter(({ type }) => type !== 'time');
    const topic = frames.find((frame) => frame.type === 'topic' && frame.channel === 'book') as { topic: number };
    expect(topic).toMatchObject({ priceScale: 3, sizeScale: 3, tickSize: 1 });
    expect(topic).not.toMatchObject({ epoch: before });
    const ofBook = frames.filter((frame) => 'topic' in frame && frame.topic === topic.topic);
    expect(typesOf(ofBook)).toEqual(['topic', 'reset', 'book']);
    expect(ofBook[1]).toMatchObject({ reason: 'epoch' });
    expect(ofBook[2]).toMatchObject({ fromSeq: 0, seq: 0, bids: [], asks: [] });

    await publish(gateway, { ...snapshot, bids: [['9.995', '1']] });
    const after = await client.settled();
    expect(after.find((frame) => frame.type === 'book')).toMatchObject({ seq: 1, bids: [9_995, 1_000] });
    expect(after.find((frame) => frame.type === 'quote')).toMatchObject({ seq: 1, bidPrice: 9_995 });
  });

  test('levels that begin to carry order counts are a new epoch too: what was held has none', async () => {
    await putInstrument(gateway, 'A', { ...plain, orderCounts: true });
    const frames = await client.settled();
    expect(frames.find((frame) => frame.type === 'topic' && frame.channel === 'book')).toMatchObject({ stride: 3 });
    expect(frames.find((frame) => frame.type === 'reset')).toMatchObject({ reason: 'epoch' });
    await publish(gateway, { ...snapshot, bids: [['10', '1', 4]] });
    const book = (await client.settled()).find((frame) => frame.type === 'book');
    expect(book).toMatchObject({ stride: 3, bids: [1_000, 1_000, 4], asks: [1_005, 2_000, 0] });
  });

  test('a delisting ends each subscription in-band, and nothing follows', async () => {
    expect((await remove('A')).body).toEqual({ symbol: 'A', delisted: true });
    const frames = await client.settled();
    const ends = frames.filter((frame) => frame.type === 'end');
    expect(ends.map(({ reason }) => reason)).toEqual(['delisted', 'delisted', 'delisted']);
    expect(new Set(ends.map(({ topic }) => topic)).size).toBe(3);

    expect((await publish(gateway, snapshot)).code).toBe('unknown-symbol');
    expect((await remove('A')).code).toBe('unknown-symbol');
    client.send({ op: 'unsubscribe', id: 4, channel: 'book', symbols: ['A'] });
    expect((await client.next('ack')).refused).toMatchObject([{ symbol: 'A', code: 'not-subscribed' }]);
    client.send({ op: 'subscribe', id: 5, channel: 'book', symbols: ['A'] });
    expect((await client.next('ack')).refused).toMatchObject([{ symbol: 'A', code: 'unknown-symbol' }]);
  });

  test('what is listed again is another epoch, and is not sent to those who held the old one', async () => {
    const before = (await ask(gateway, '/v1/book/A')).body;
    await remove('A');
    await putInstrument(gateway, 'A', plain);
    await publish(gateway, { ...snapshot, bids: [['9', '1']] });
    expect(typesOf(await client.settled())).not.toContain('book');

    const cursor = { A: { epoch: before.epoch, seq: before.seq } };
    client.send({ op: 'subscribe', id: 4, channel: 'book', symbols: ['A'], cursor });
    const frames = await client.settled();
    expect(frames.find((frame) => frame.type === 'reset')).toMatchObject({ reason: 'epoch' });
    expect(frames.find((frame) => frame.type === 'book')).toMatchObject({ fromSeq: 0, bids: [900, 1_000] });
  });
});

describe('raw subscribers', () => {
  test('a change of order counts is never read with the old number of values a level', async () => {
    await publish(gateway, snapshot);
    const client = await TestClient.connect(gateway, 'msgpack');
    const stream = new ClientStream(jsonCodec, () => {});
    client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'], mode: 'raw' });
    await client.settled();
    for (let i = 1; i <= 4; i++) await publish(gateway, { type: 'delta', symbol: 'A', bids: [['9.99', `${i}`]] });
    await publish(gateway, { type: 'delta', symbol: 'A', asks: [['10.06', '1']] });
    await putInstrument(gateway, 'A', { ...plain, orderCounts: true });
    const books = (await client.settled()).filter((frame) => frame.type === 'book');
    expect(books.map(({ stride, bids, asks }) => (bids.length + asks.length) % stride)).toEqual(books.map(() => 0));
    expect(stream.held.size).toBe(0);
  });
});

describe('watchers', () => {
  test.each(CODECS)(
    'learn of listings, changes and delistings in %s, until they ask without watching',
    async (codec) => {
      const client = await TestClient.connect(gateway, codec);
      client.send({ op: 'instruments', id: 1, watch: true });
      expect(typesOf(await client.settled())).toEqual(['ack', 'instrument']);
      await putInstrument(gateway, 'B', { ...plain, tickSize: '0.25' });
      await putInstrument(gateway, 'B', { ...plain, tickSize: '0.25' });
      await putInstrument(gateway, 'B', { ...plain, priceScale: 4, tickSize: '0.25' });
      await remove('B');
      const b = { type: 'instrument', symbol: 'B', sizeScale: 3, lotSize: 1 };
      expect(await client.settled()).toEqual([
        { ...b, action: 'listed', priceScale: 2, tickSize: 25 },
        { ...b, action: 'changed', priceScale: 4, tickSize: 2_500 },
        { ...b, action: 'delisted', priceScale: 4, tickSize: 2_500 },
      ]);
      client.send({ op: 'instruments', id: 2 });
      expect(typesOf(await client.settled())).toEqual(['ack', 'instrument']);
      await remove('A');
      expect(await client.settled()).toEqual([]);
    },
  );
  test('as many instruments as may be listed are told to a client that reads', async () => {
    for (let i = 0; i < 20_000; i++) {
      gateway.instruments.put({ ...gateway.instruments.get('A')!, symbol: `INSTRUMENT-${String(i).padStart(5, '0')}` });
    }
    const client = await TestClient.connect(gateway);
    client.send({ op: 'instruments', id: 1, watch: true });
    const frames = await client.takeUntil(
      (f) => f.type === 'instrument' && f.symbol === 'INSTRUMENT-19999',
      'the last',
    );
    expect(frames.filter(({ type }) => type === 'instrument')).toHaveLength(20_001);
  });
});
