// Holds the Kraken adapter to the exchange's own checksums: real traffic, the documented examples, and literal frames for
// each rule. The oracles are in naive.ts and share no code with the adapter.

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCapture } from '../../src/feeds/capture.ts';
import { type FeedEvent, type Scales, type VenueBook, writeDecimal } from '../../src/feeds/feed.ts';
import { kraken } from '../../src/feeds/kraken.ts';
import { venues } from '../../src/feeds/venues.ts';
import type { InstrumentDefinition } from '../../src/market/instrument.ts';
import type { BookDelta, BookSnapshot } from '../../src/market/update.ts';
import { capturePath, krakenCapture, recordingFile } from './captures.ts';
import { NaiveBook, NaiveKrakenBook } from './naive.ts';
import { krakenRecording } from './recording.ts';

type UpdateEvent = FeedEvent & { kind: 'update' };

/** What a listener holds after the events: books, scales, and how often the venue's checksum was that of the book. */
class Listener {
  readonly books = new Map<string, NaiveBook>();
  readonly definitions = new Map<string, InstrumentDefinition>();
  readonly written = new Map<string, Scales>();
  readonly counts = { snapshots: 0, deltas: 0, trades: 0, checked: 0, matched: 0, resyncs: 0 };

  hear(events: readonly FeedEvent[]): void {
    for (const event of events) {
      if (event.kind === 'resync') this.counts.resyncs++;
      else if (event.kind === 'update') this.hearUpdate(event);
      else {
        this.definitions.set(event.definition.symbol, event.definition);
        this.written.set(event.definition.symbol, event.written ?? event.definition);
      }
    }
  }

  /** The best levels, in the venue's notation. */
  book(symbol: string, levels = Number.POSITIVE_INFINITY): VenueBook {
    const { priceScale, sizeScale } = this.definitions.get(symbol)!;
    const written = this.written.get(symbol)!;
    const side = (name: 'bids' | 'asks') =>
      this.books
        .get(symbol)!
        .sorted(name)
        .slice(0, levels)
        .map(([price, size]): [string, string] => [
          writeDecimal(price, priceScale, written.priceScale),
          writeDecimal(size, sizeScale, written.sizeScale),
        ]);
    return { bids: side('bids'), asks: side('asks') };
  }

  private hearUpdate({ symbol, update, checksum }: UpdateEvent): void {
    if (!this.definitions.has(symbol)) throw new Error(`${symbol} was not announced`);
    if (update.kind === 'trade') this.counts.trades++;
    if (update.kind !== 'snapshot' && update.kind !== 'delta') return;
    this.counts[update.kind === 'snapshot' ? 'snapshots' : 'deltas']++;
    if (!this.books.has(symbol)) this.books.set(symbol, new NaiveBook());
    this.books.get(symbol)!.apply(update);
    if (checksum === null) return;
    this.counts.checked++;
    if (kraken.checksum!(this.book(symbol, 10), this.written.get(symbol)!) === checksum) this.counts.matched++;
  }
}

function send(session: ReturnType<typeof kraken.open>, message: unknown): FeedEvent[] {
  return session.read(typeof message === 'string' ? message : JSON.stringify(message));
}

function onlyUpdate(events: readonly FeedEvent[]): UpdateEvent {
  const updates = events.filter((event): event is UpdateEvent => event.kind === 'update');
  expect(updates).toHaveLength(1);
  return updates[0]!;
}

function bookOf(event: UpdateEvent): BookDelta | BookSnapshot {
  return event.update as BookDelta | BookSnapshot;
}

function wrong(checksum: string | number): string {
  return String((Number(checksum) + 1) % 2 ** 32);
}

/** The worked example of Kraken's guide "Book checksum (WebSocket v2)". */
const documented = `{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[
  {"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},{"price":45282.1,"qty":0.10000000},
  {"price":45281.0,"qty":0.10000000},{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},
  {"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},{"price":45277.3,"qty":1.54602737},
  {"price":45276.6,"qty":0.15445238}],"asks":[
  {"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},{"price":45286.6,"qty":1.54571109},
  {"price":45289.6,"qty":1.54560911},{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},
  {"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},{"price":45297.5,"qty":0.09945542},
  {"price":45299.5,"qty":0.18772827}],"checksum":3310070434}]}`;

/** As the exchange sent them on 2024-10-03. */
const algo = {
  status:
    '{"channel":"status","data":[{"api_version":"v2","connection_id":14949390454975033707,"system":"online",' +
    '"version":"2.0.8"}],"type":"update"}',
  snapshot: `{"channel":"book","type":"snapshot","data":[{"symbol":"ALGO/USD","bids":[
    {"price":0.12291,"qty":27039.62776299},{"price":0.12290,"qty":8136.33288180},{"price":0.12287,"qty":10984.20817349},
    {"price":0.12283,"qty":28027.05025639},{"price":0.12280,"qty":9705.60000000},{"price":0.12279,"qty":15215.53522714},
    {"price":0.12275,"qty":4067.00000000},{"price":0.12274,"qty":30639.39949109},{"price":0.12268,"qty":2531.96119986},
    {"price":0.12267,"qty":16299.00000000}],"asks":[
    {"price":0.12307,"qty":600.00000000},{"price":0.12308,"qty":4042.11919517},{"price":0.12312,"qty":10284.53891000},
    {"price":0.12314,"qty":16155.08885299},{"price":0.12315,"qty":5186.05778473},{"price":0.12316,"qty":32828.24000000},
    {"price":0.12317,"qty":7751.65718582},{"price":0.12318,"qty":32298.82000000},{"price":0.12319,"qty":1864.66899600},
    {"price":0.12322,"qty":4718.99755630}],"checksum":2375857985}]}`,
  update:
    '{"channel":"book","type":"update","data":[{"symbol":"ALGO/USD","bids":[{"price":0.12275,"qty":6597.51731160}],' +
    '"asks":[],"checksum":1100635717,"timestamp":"2024-10-03T02:46:57.050170Z"}]}',
};

const instrument =
  '{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"USD","precision":4}],"pairs":[' +
  '{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":1e-08,' +
  '"price_precision":1,"cost_precision":5,"tick_size":0.5,"price_increment":0.5,"qty_min":5e-05},' +
  '{"symbol":"MATIC/GBP","base":"MATIC","quote":"GBP","status":"online","qty_precision":8,"qty_increment":1e-08,' +
  '"price_precision":4,"price_increment":0.0001}]}}';

const capture = krakenCapture();

describe('the capture', () => {
  test('gives a book whose checksum is the exchange’s at every update, to the adapter and to a naive book of strings', async () => {
    const session = kraken.open({ verify: false });
    const listener = new Listener();
    const naive = new Map<string, NaiveKrakenBook>();
    let naiveMatched = 0;
    for await (const { text } of readCapture(capture.path)) {
      listener.hear(session.read(text));
      const message = JSON.parse(text);
      if (!Array.isArray(message) || !String(message.at(-2)).startsWith('book')) continue;
      const pair = message.at(-1) as string;
      if (!naive.has(pair)) naive.set(pair, new NaiveKrakenBook());
      const sent = naive.get(pair)!.read(message);
      if (sent !== null && naive.get(pair)!.checksum() === sent) naiveMatched++;
    }
    expect(naiveMatched).toBe(capture.checksums);
    expect(listener.counts).toMatchObject({ checked: capture.checksums, matched: capture.checksums, resyncs: 0 });
    expect(listener.counts.deltas).toBe(capture.checksums);
    expect(listener.counts.snapshots).toBe(naive.size);
    expect(session.counts.ignored).toBe(0);
    for (const [pair, book] of naive) {
      expect(listener.book(kraken.symbolOf(pair))).toEqual({ bids: book.sortedBids(), asks: book.sortedAsks() });
    }
  });

  test('gives as many trades as its trade file names', async () => {
    const path = capturePath('KRAKEN.ws.48.0') ?? recordingFile(krakenRecording({ seed: 2, messages: 300 }));
    const session = kraken.open({ verify: false });
    const listener = new Listener();
    for await (const { text } of readCapture(path)) listener.hear(session.read(text));
    const named = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.includes('],"trade","'));
    const entries = named.map((line) => JSON.parse(line.slice(line.indexOf(': ') + 2))[1].length as number);
    expect(listener.counts.trades).toBe(entries.reduce((sum, count) => sum + count, 0));
    expect(listener.counts.trades).toBeGreaterThan(5);
    expect(session.counts.ignored).toBe(0);
  });
});

describe('a recording of the synthetic market', () => {
  test('is followed at the shallowest depth, where whoever does not truncate is wrong', async () => {
    const path = recordingFile(krakenRecording({ seed: 3, messages: 1_500, depthLevels: 10 }));
    const session = kraken.open({ verify: false });
    const listener = new Listener();
    const careless = new Map<string, NaiveKrakenBook>();
    let carelessMatched = 0;
    for await (const { text } of readCapture(path)) {
      listener.hear(session.read(text));
      const message = JSON.parse(text);
      if (!Array.isArray(message) || message.at(-2) !== 'book-10') continue;
      const pair = message.at(-1) as string;
      if (!careless.has(pair)) careless.set(pair, new NaiveKrakenBook());
      const sent = careless.get(pair)!.read(message, { truncating: false });
      if (sent !== null && careless.get(pair)!.checksum() === sent) carelessMatched++;
    }
    expect(listener.counts).toMatchObject({ checked: 1_500, matched: 1_500, resyncs: 0 });
    expect(carelessMatched).toBeLessThan(1_400);
    for (const book of listener.books.values())
      expect(Math.max(book.bids.size, book.asks.size)).toBeLessThanOrEqual(10);
  });

  test('with one falsified checksum has all updates but that one match, when only counting', async () => {
    const path = recordingFile(krakenRecording({ seed: 4, messages: 500, falsified: 250 }));
    const session = kraken.open({ verify: true });
    const listener = new Listener();
    for await (const { text } of readCapture(path)) listener.hear(session.read(text));
    expect(listener.counts).toMatchObject({ checked: 500, matched: 499, resyncs: 0 });
  });

  test('with one falsified checksum loses one symbol only, when following live', async () => {
    const path = recordingFile(krakenRecording({ seed: 4, messages: 500, falsified: 250 }));
    const session = kraken.open({ verify: false });
    const listener = new Listener();
    for await (const { text } of readCapture(path)) listener.hear(session.read(text));
    const { checked, matched, resyncs } = listener.counts;
    expect(resyncs).toBe(1);
    expect(checked).toBe(matched);
    expect(checked).toBeGreaterThan(300);
    expect(checked + session.counts.ignored).toBe(500);
  });
});

describe('frames of WebSocket 1.x', () => {
  const asks = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => [`${n === 10 ? 101 : 100}.${n % 10}0`, '1.000', '1.5']);
  const bids = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => [`99.${n}0`, '2.000', '1.25']);
  const snapshot = [7, { as: asks, bs: bids }, 'book-10', 'XBT/USD'];

  /** The message with the checksum that it has after `before`. */
  function signed(before: readonly unknown[][], message: unknown[]): unknown[] {
    const naive = new NaiveKrakenBook();
    for (const earlier of [...before, message]) naive.read(earlier);
    const parts = message.slice(1, -2) as object[];
    const last = { ...parts.at(-1), c: String(naive.checksum()) };
    return [message[0], ...parts.slice(0, -1), last, ...message.slice(-2)];
  }

  test('begin with the instrument, whose decimals are the snapshot’s', () => {
    const events = send(kraken.open({ verify: false }), snapshot);
    expect(events[0]).toEqual({
      kind: 'instrument',
      definition: { symbol: 'XBT-USD', priceScale: 2, sizeScale: 3 },
      written: { priceScale: 2, sizeScale: 3 },
    });
    const update = onlyUpdate(events);
    expect(update.update.kind).toBe('snapshot');
    expect(bookOf(update).asks.slice(0, 6)).toEqual([10_010, 1_000, 0, 10_020, 1_000, 0]);
    expect(bookOf(update).bids.slice(0, 6)).toEqual([9_990, 2_000, 0, 9_980, 2_000, 0]);
    expect(update).toMatchObject({ symbol: 'XBT-USD', exchangeUs: 1_500_000, checksum: null });
  });

  test('remove the level that an insertion pushes out of the depth in the same delta', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const message = signed([snapshot], [7, { b: [['99.95', '0.500', '2.000001']] }, 'book-10', 'XBT/USD']);
    const update = onlyUpdate(send(session, message));
    expect(update.update).toEqual({ kind: 'delta', bids: [9_995, 500, 0, 9_900, 0, 0], asks: [] });
    expect(update.exchangeUs).toBe(2_000_001);
    expect(String(update.checksum)).toBe((message[1] as { c: string }).c);
  });

  test('say nothing of a level beyond the depth, of an unknown removal and of an unchanged size, but are an update', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const beyond = [7, { b: [['98.00', '0.500', '2.0'], ['97.00', '0.000', '2.0'], bids[0]] }, 'book-10', 'XBT/USD'];
    const update = onlyUpdate(send(session, signed([snapshot], beyond)));
    expect(update.update).toEqual({ kind: 'delta', bids: [], asks: [] });
  });

  test('may name a price twice, where the last word counts', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const levels = [
      ['99.95', '0.500', '2.0'],
      ['99.95', '0.000', '2.0'],
      ['99.90', '7.000', '2.0'],
      ['99.90', '8.000', '2.0'],
    ];
    const update = onlyUpdate(send(session, signed([snapshot], [7, { b: levels }, 'book-10', 'XBT/USD'])));
    expect(update.update).toEqual({ kind: 'delta', bids: [9_990, 8_000, 0], asks: [] });
  });

  test('may hold two books in one array, which are one update with one checksum', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const both = [7, { a: [['99.90', '3.000', '2.0']] }, { b: [['99.90', '0.000', '3.0']] }, 'book-10', 'XBT/USD'];
    const update = onlyUpdate(send(session, signed([snapshot], both)));
    expect(update.update).toEqual({ kind: 'delta', bids: [9_990, 0, 0], asks: [9_990, 3_000, 0, 10_100, 0, 0] });
    expect(update.exchangeUs).toBe(3_000_000);
    expect(update.checksum).not.toBeNull();
  });

  test('with more decimals change the instrument and are a whole snapshot at the new scale', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const finer = signed([snapshot], [7, { a: [['100.055', '1.000', '2.0']] }, 'book-10', 'XBT/USD']);
    const events = send(session, finer);
    expect(events[0]).toMatchObject({ kind: 'instrument', definition: { priceScale: 3 }, written: { priceScale: 3 } });
    const update = onlyUpdate(events);
    expect(update.update.kind).toBe('snapshot');
    expect(bookOf(update).asks.slice(0, 6)).toEqual([100_055, 1_000, 0, 100_100, 1_000, 0]);
    expect(bookOf(update).bids.slice(0, 3)).toEqual([99_900, 2_000, 0]);
    const next = signed([snapshot, finer], [7, { a: [['100.055', '0.000', '2.5']] }, 'book-10', 'XBT/USD']);
    expect(onlyUpdate(send(session, next)).update).toEqual({ kind: 'delta', bids: [], asks: [100_055, 0, 0] });
  });

  test('whose trade has more decimals restate the book before it', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const events = send(session, [8, [['100.100', '0.2500', '3.000004', 's', 'l', '']], 'trade', 'XBT/USD']);
    expect(events.map((event) => event.kind)).toEqual(['instrument', 'update', 'update']);
    expect(events[1]).toMatchObject({ update: { kind: 'snapshot' }, checksum: null, exchangeUs: 1_500_000 });
    expect(events[2]).toEqual({
      kind: 'update',
      symbol: 'XBT-USD',
      update: { kind: 'trade', id: null, tradeKind: 'trade', side: 'sell', price: 100_100, size: 2_500 },
      exchangeUs: 3_000_004,
      checksum: null,
    });
  });

  test('tell of trades one by one, with their own times', () => {
    const frame =
      '[993,[["354.04000000","0.28245396","1618678150.826417","s","m",""],' +
      '["353.81000000","1.71754604","1618678150.827816","b","m",""]],"trade","XMR/USD"]';
    const [instrument, first, second] = send(kraken.open({ verify: false }), frame);
    expect(instrument).toMatchObject({ kind: 'instrument', definition: { priceScale: 8, sizeScale: 8 } });
    expect(first).toMatchObject({ exchangeUs: 1_618_678_150_826_417, update: { side: 'sell', price: 35_404_000_000 } });
    expect(second).toMatchObject({ exchangeUs: 1_618_678_150_827_816, update: { side: 'buy', size: 171_754_604 } });
  });

  test('with a wrong checksum end the book until its next snapshot', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const good = signed([snapshot], [7, { b: [['99.95', '0.500', '2.0']] }, 'book-10', 'XBT/USD']);
    const { b, c } = good[1] as { b: unknown; c: string };
    expect(send(session, [7, { b, c: wrong(c) }, 'book-10', 'XBT/USD'])).toEqual([
      { kind: 'resync', symbol: 'XBT-USD', reason: 'checksum mismatch' },
    ]);
    expect(send(session, good)).toEqual([]);
    expect(onlyUpdate(send(session, snapshot)).update.kind).toBe('snapshot');
    expect(onlyUpdate(send(session, good)).update.kind).toBe('delta');
  });

  test('with a wrong checksum are updates all the same when the caller counts', () => {
    const session = kraken.open({ verify: true });
    send(session, snapshot);
    const update = onlyUpdate(send(session, [7, { b: [['99.95', '0.500', '2.0']], c: '12' }, 'book-10', 'XBT/USD']));
    expect(update).toMatchObject({ checksum: 12, update: { kind: 'delta', bids: [9_995, 500, 0, 9_900, 0, 0] } });
  });

  test('with a number that would leave the safe integers are held with fewer zeros, and written with all of them', () => {
    const deep = ['99999997.00000000', '0.10000000', '1.0'];
    const book = [7, { as: [['354.80000000', '1.40000000', '1.0'], deep], bs: [['354.16000000', '1.40', '1.0']] }];
    const opening = [...book, 'book-10', 'XMR/USD'];
    const session = kraken.open({ verify: false });
    const listener = new Listener();
    const events = send(session, opening);
    expect(events[0]).toMatchObject({
      definition: { priceScale: 2, sizeScale: 8 },
      written: { priceScale: 8, sizeScale: 8 },
    });
    listener.hear(events);
    const update = signed([opening], [7, { b: [['354.17000000', '2.00000001', '2.0']] }, 'book-10', 'XMR/USD']);
    const next = send(session, update);
    expect(next).toMatchObject([{ kind: 'update', update: { kind: 'delta', bids: [35_417, 200_000_001, 0] } }]);
    const finer = signed([opening, update], [7, { b: [['354.17500000', '1.00000000', '2.0']] }, 'book-10', 'XMR/USD']);
    const last = send(session, finer);
    expect(last[0]).toMatchObject({ kind: 'instrument', definition: { priceScale: 3 }, written: { priceScale: 8 } });
    listener.hear([...next, ...last]);
    expect(listener.book('XMR-USD').asks).toEqual([['354.80000000', '1.40000000'], deep.slice(0, 2)]);
    expect(listener.book('XMR-USD').bids[0]).toEqual(['354.17500000', '1.00000000']);
    expect(listener.counts.resyncs).toBe(0);
  });

  test('that outgrow the scales later make them coarser, as far as all numbers stay exact', () => {
    const session = kraken.open({ verify: false });
    send(session, snapshot);
    const wall = signed([snapshot], [7, { b: [['99.95', '9007199254740992.000', '2.0']] }, 'book-10', 'XBT/USD']);
    expect(send(session, wall)).toEqual([{ kind: 'resync', symbol: 'XBT-USD', reason: 'number out of range' }]);
    send(session, snapshot);
    const smaller = signed([snapshot], [7, { b: [['99.95', '9007199254740991.000', '2.0']] }, 'book-10', 'XBT/USD']);
    const events = send(session, smaller);
    expect(events[0]).toMatchObject({ definition: { priceScale: 2, sizeScale: 0 }, written: { sizeScale: 3 } });
    expect(bookOf(onlyUpdate(events)).bids.slice(0, 6)).toEqual([9_995, Number.MAX_SAFE_INTEGER, 0, 9_990, 2, 0]);
  });

  test('that can’t be read end the book, because a change may have been in them', () => {
    const unreadable = 'unreadable book message';
    for (const [bad, reason] of [
      [[7, { b: [['99.95', 'x', '2.0']], c: '12' }, 'book-10', 'XBT/USD'], unreadable],
      [[7, { b: [['99.95', '-1.0', '2.0']], c: '12' }, 'book-10', 'XBT/USD'], unreadable],
      [[7, { b: [['99.95', '1.0', '2.0']], c: '4294967296' }, 'book-10', 'XBT/USD'], unreadable],
      [[7, 'book', 'book-10', 'XBT/USD'], unreadable],
      [[7, 'book-10', 'XBT/USD'], unreadable],
      [[7, { b: [['0.00', '1.0', '2.0']], c: '12' }, 'book-10', 'XBT/USD'], 'number out of range'],
      [[7, { b: [['99.0000000000000001', '1.0', '2.0']], c: '12' }, 'book-10', 'XBT/USD'], 'number out of range'],
    ] as const) {
      for (const verify of [false, true]) {
        const session = kraken.open({ verify });
        send(session, snapshot);
        const message = JSON.stringify(bad);
        expect(send(session, bad), message).toEqual([{ kind: 'resync', symbol: 'XBT-USD', reason }]);
        expect(session.counts, message).toEqual({ messages: 2, ignored: 1 });
        expect(send(session, [7, { b: [], c: '12' }, 'book-10', 'XBT/USD'])).toHaveLength(verify ? 1 : 0);
      }
    }
  });

  test('for a book without a snapshot ask for one, once', () => {
    const session = kraken.open({ verify: false });
    const early = [7, { b: [['99.95', '1.000', '2.0']], c: '12' }, 'book-10', 'XBT/USD'];
    expect(send(session, early)).toEqual([{ kind: 'resync', symbol: 'XBT-USD', reason: 'update before a snapshot' }]);
    expect(send(session, early)).toEqual([]);
    expect(session.counts).toEqual({ messages: 2, ignored: 2 });
  });

  test('count what is not read, and nothing else, as ignored', () => {
    const session = kraken.open({ verify: false });
    send(session, { event: 'heartbeat' });
    send(session, { connectionID: 17843232920108168701n.toString(), event: 'systemStatus', status: 'online' });
    send(session, { channelID: 1, channelName: 'book-10', event: 'subscriptionStatus', pair: 'XBT/USD' });
    expect(session.counts).toEqual({ messages: 3, ignored: 0 });
    const ticker = [1, { a: ['1.0', 1, '1.0'], b: ['0.9', 1, '1.0'], c: ['1.0', '2.0'] }, 'ticker', 'XBT/USD'];
    for (const message of [ticker, '', 'null', '7', '[]', '[1,2,3]', '{}', '{"event":"error"}', '{"channel":"ohlc"}']) {
      expect(send(session, message)).toEqual([]);
    }
    expect(session.counts).toEqual({ messages: 12, ignored: 9 });
  });
});

describe('frames of v2', () => {
  test('have the checksum of Kraken’s worked example', () => {
    const session = kraken.open({ verify: false });
    const events = send(session, documented);
    expect(events[0]).toMatchObject({ definition: { symbol: 'BTC-USD', priceScale: 1, sizeScale: 8 } });
    const update = onlyUpdate(events);
    expect(update).toMatchObject({ checksum: 3_310_070_434, exchangeUs: null, update: { kind: 'snapshot' } });
    expect(bookOf(update).bids.slice(0, 3)).toEqual([452_835, 10_000_000, 0]);
    expect(send(kraken.open({ verify: false }), documented.replace('3310070434', '3310070435'))).toEqual([
      { kind: 'resync', symbol: 'BTC-USD', reason: 'checksum mismatch' },
    ]);
  });

  test('have the checksums that the exchange sent, for a snapshot and the update after it', () => {
    const session = kraken.open({ verify: false });
    expect(send(session, algo.status)).toEqual([]);
    send(session, algo.snapshot);
    const update = onlyUpdate(send(session, algo.update));
    expect(update).toEqual({
      kind: 'update',
      symbol: 'ALGO-USD',
      update: { kind: 'delta', bids: [12_275, 659_751_731_160, 0], asks: [] },
      exchangeUs: 1_727_923_617_050_170,
      checksum: 1_100_635_717,
    });
    expect(session.counts).toEqual({ messages: 3, ignored: 0 });
  });

  test('take scales, tick and lot from the instrument channel, and announce a pair with its first update', () => {
    const session = kraken.open({ verify: false });
    expect(send(session, instrument)).toEqual([]);
    const events = send(session, documented);
    expect(events[0]).toEqual({
      kind: 'instrument',
      definition: { symbol: 'BTC-USD', priceScale: 1, sizeScale: 8, tickSize: 5, lotSize: 1 },
      written: { priceScale: 1, sizeScale: 8 },
    });
    expect(events).toHaveLength(2);
    expect(session.counts.ignored).toBe(0);
  });

  test('are checked at the precisions of the instrument, even where zeros are left out', () => {
    const session = kraken.open({ verify: false });
    send(session, instrument);
    const shortened = documented.replace(/(\.\d*?)0+([,}])/g, '$1$2').replace(/\.([,}])/g, '$1');
    expect(shortened).toContain('"price":45281,');
    expect(shortened).toContain('"qty":0.1}');
    expect(onlyUpdate(send(session, shortened)).checksum).toBe(3_310_070_434);
  });

  test('restate the book when the instrument changes its precisions, as far as that is exact', () => {
    const session = kraken.open({ verify: false });
    send(session, documented);
    const finer = instrument.replace('"price_precision":1', '"price_precision":2');
    const events = send(session, finer);
    expect(events[0]).toMatchObject({ kind: 'instrument', definition: { priceScale: 2, tickSize: 50 } });
    expect(bookOf(onlyUpdate(events)).bids.slice(0, 3)).toEqual([4_528_350, 10_000_000, 0]);
    expect(send(session, finer)).toEqual([]);
    expect(send(session, instrument).map((event) => event.kind)).toEqual(['instrument', 'update']);
    const [coarser] = send(session, instrument.replace('"price_precision":1', '"price_precision":0'));
    expect(coarser).toMatchObject({ kind: 'instrument', definition: { priceScale: 1 }, written: { priceScale: 0 } });
  });

  test('tell of trades with their ids', () => {
    const frame =
      '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":59121.8,"qty":0.00022946,' +
      '"ord_type":"market","trade_id":72823289,"timestamp":"2024-08-12T19:38:30.575191Z"},{"symbol":"BTC/USD",' +
      '"side":"buy","price":59121.9,"qty":0.5,"ord_type":"limit","trade_id":9007199254740993,' +
      '"timestamp":"2024-08-12T19:38:30.575192Z"}]}';
    const events = send(kraken.open({ verify: false }), frame).filter((event) => event.kind === 'update');
    expect(events).toMatchObject([
      {
        symbol: 'BTC-USD',
        update: { kind: 'trade', id: 72_823_289, tradeKind: 'trade', side: 'sell', price: 591_218, size: 22_946 },
        exchangeUs: 1_723_491_510_575_191,
      },
      { update: { id: '9007199254740993', side: 'buy', size: 50_000_000 }, exchangeUs: 1_723_491_510_575_192 },
    ]);
  });

  test('are cut to the depth of the subscription’s acknowledgement, else to that of the snapshot', () => {
    const insertion =
      '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":45283.6,"qty":1.00000000}],"asks":[]}]}';
    const inferred = kraken.open({ verify: true });
    send(inferred, documented);
    expect(bookOf(onlyUpdate(send(inferred, insertion))).bids).toEqual([452_836, 100_000_000, 0, 452_766, 0, 0]);
    const acknowledged = kraken.open({ verify: true });
    const ack = { method: 'subscribe', result: { channel: 'book', depth: 25, symbol: 'BTC/USD' }, success: true };
    expect(send(acknowledged, ack)).toEqual([]);
    send(acknowledged, documented);
    expect(bookOf(onlyUpdate(send(acknowledged, insertion))).bids).toEqual([452_836, 100_000_000, 0]);
    expect(acknowledged.counts.ignored).toBe(0);
  });

  test('remove by a quantity of zero, and may carry several symbols', () => {
    const session = kraken.open({ verify: true });
    send(session, documented);
    send(session, algo.snapshot);
    const frame =
      '{"channel":"book","type":"update","data":[' +
      '{"symbol":"BTC/USD","bids":[],"asks":[{"price":45285.2,"qty":0}],"checksum":1,"timestamp":"2023-10-06T17:35:55Z"},' +
      '{"symbol":"ALGO/USD","bids":[{"price":0.12291,"qty":0.00000000}],"asks":[],"checksum":2}]}';
    expect(send(session, frame)).toMatchObject([
      { symbol: 'BTC-USD', update: { kind: 'delta', asks: [452_852, 0, 0] }, exchangeUs: 1_696_613_755_000_000 },
      { symbol: 'ALGO-USD', update: { kind: 'delta', bids: [12_291, 0, 0] }, exchangeUs: null },
    ]);
  });

  test('end the book where an update can’t be read, and leave the others alone', () => {
    const session = kraken.open({ verify: false });
    send(session, documented);
    const bad = '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":true,"qty":1}]},{}]}';
    expect(send(session, bad)).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason: 'unreadable book message' }]);
    expect(session.counts.ignored).toBe(1);
  });
});

describe('the venue', () => {
  test('gives the checksum of Kraken’s worked example of 1.x, and the same for both versions', () => {
    const prices = {
      asks: [
        '0.05005',
        '0.05010',
        '0.05015',
        '0.05020',
        '0.05025',
        '0.05030',
        '0.05035',
        '0.05040',
        '0.05045',
        '0.05050',
      ],
      bids: [
        '0.05000',
        '0.04995',
        '0.04990',
        '0.04980',
        '0.04975',
        '0.04970',
        '0.04965',
        '0.04960',
        '0.04955',
        '0.04950',
      ],
    };
    const scales = { priceScale: 5, sizeScale: 8 };
    const at = (size: string, deeper: string): VenueBook => ({
      asks: [...prices.asks.map((price): [string, string] => [price, size]), [deeper, size]],
      bids: [...prices.bids.map((price): [string, string] => [price, size]), ['0.00001', size]],
    });
    expect(kraken.checksum!(at('0.00000500', '0.06000'), scales)).toBe(974_947_235);
    expect(kraken.checksum!(at('0.000005', '0.06'), scales)).toBe(974_947_235);
    expect(kraken.checksum!({ bids: [], asks: [] }, scales)).toBe(0);
  });

  test('is in the registry under its name', () => {
    expect(venues.get('kraken')).toBe(kraken);
    expect([...venues].every(([name, venue]) => name === venue.name)).toBe(true);
    expect(kraken.symbolOf('XBT/USD')).toBe('XBT-USD');
  });
});

describe('garbage', () => {
  const recorded = krakenRecording({ seed: 5, messages: 40, depthLevels: 10 })
    .filter((line) => /^\d/.test(line))
    .map((line) => line.slice(line.indexOf(': ') + 2))
    .concat(instrument, documented, algo.snapshot, algo.update, instrument);

  test('of any JSON never throws, and leaves nothing half said', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.string()), { maxLength: 5 }), fc.boolean(), (messages, verify) => {
        const session = kraken.open({ verify });
        for (const message of messages) session.read(message);
        expect(session.counts.messages).toBe(messages.length);
      }),
      { numRuns: 500 },
    );
  });

  test('in the place of any part of a real frame never throws, and a listener can still apply every update', () => {
    const part = fc.oneof(
      fc.constantFrom(
        '',
        '[',
        ']',
        '{',
        '}',
        '"',
        ',',
        '0',
        '-',
        '1e-400',
        '9'.repeat(30),
        'null',
        '"as"',
        '"c"',
        'book-1',
      ),
      fc.string({ maxLength: 4 }),
    );
    const damage = fc.record({ message: fc.nat(), at: fc.nat(), length: fc.nat({ max: 12 }), part });
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 12 }), fc.boolean(), (damages, verify) => {
        const messages = [...recorded];
        for (const { message, at, length, part } of damages) {
          const index = message % messages.length;
          const text = messages[index]!;
          const from = at % (text.length + 1);
          messages[index] = text.slice(0, from) + part + text.slice(from + length);
        }
        const session = kraken.open({ verify });
        const listener = new Listener();
        for (const message of messages) listener.hear(session.read(message));
        expect(session.counts.messages).toBe(messages.length);
      }),
      { numRuns: 300 },
    );
  });
});
