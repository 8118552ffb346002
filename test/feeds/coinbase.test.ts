// Holds the Coinbase adapter to real traffic, to literal frames for each rule of the exchange's documents, and to surviving
// whatever comes. The oracle here is a pair of plain maps.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCaptures } from '../../src/feeds/capture.ts';
import { coinbase } from '../../src/feeds/coinbase.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { venues } from '../../src/feeds/venues.ts';
import { Listener, send, trimmed, trimmedLevels } from './listener.ts';
import { coinbaseRecording, sorted, venueCapture } from './plain-recording.ts';

const TIME = '2026-01-02T03:04:05.000001Z';
const LATER = '2026-01-02T03:04:05.000002Z';
const SNAPSHOT = {
  type: 'snapshot',
  product_id: 'BTC-USD',
  bids: [
    ['100.10', '3.00'],
    ['100.00', '0.25'],
  ],
  asks: [
    ['100.20', '1.50'],
    ['100.30', '2.00'],
  ],
};

function l2update(...changes: string[][]): object {
  return { type: 'l2update', product_id: 'BTC-USD', changes, time: TIME };
}

function match(trade_id: number, { type = 'match', side = 'sell', price = '100.20', size = '0.50' } = {}): object {
  return { type, trade_id, side, size, price, product_id: 'BTC-USD', sequence: 50 + trade_id, time: TIME };
}

function opened(...messages: object[]) {
  const session = coinbase.open({ verify: false });
  for (const message of messages) send(session, message);
  return session;
}

function updates(events: readonly FeedEvent[]): object[] {
  return events.filter((event) => event.kind === 'update').map(({ update }) => update);
}

const capture = venueCapture('coinbase');

describe('the capture', () => {
  test('gives the books that plain maps of its messages give, and its trades, and nothing is left out', async () => {
    const session = coinbase.open({ verify: false });
    const listener = new Listener();
    const naive = new Map<string, { buy: Map<string, string>; sell: Map<string, string> }>();
    const counts = { updates: 0, matches: 0 };
    const compare = (symbol: string) => {
      const { buy, sell } = naive.get(symbol)!;
      expect(listener.book(symbol)).toEqual({ bids: sorted(buy, -1), asks: sorted(sell, 1) });
    };
    for await (const { text } of readCaptures(capture.paths, coinbase.messageOf)) {
      listener.hear(session.read(text));
      const message = JSON.parse(text);
      if (message.type === 'snapshot') {
        const side = (levels: [string, string][]) => new Map(trimmedLevels(levels) as [string, string][]);
        naive.set(message.product_id, { buy: side(message.bids), sell: side(message.asks) });
      } else if (message.type === 'l2update') {
        const book = naive.get(message.product_id)!;
        for (const [side, price, size] of message.changes as ['buy' | 'sell', string, string][]) {
          if (Number(size) === 0) book[side].delete(trimmed(price));
          else book[side].set(trimmed(price), trimmed(size));
        }
        if (++counts.updates % 50 === 0) compare(message.product_id);
      } else if (message.type === 'match') counts.matches++;
    }
    for (const symbol of naive.keys()) compare(symbol);
    expect(listener.counts).toEqual({ snapshots: naive.size, deltas: counts.updates });
    expect(listener.trades).toHaveLength(counts.matches);
    expect(counts.matches).toBeGreaterThan(20);
    expect(listener.resyncs).toEqual([]);
    expect(session.counts.ignored).toBe(0);
    if (!capture.real) return;
    expect(counts.updates).toBe(9_719);
    const steps = [listener.definitions.get('SKL-USD'), listener.definitions.get('DASH-BTC')];
    expect(steps).toEqual([
      { symbol: 'SKL-USD', priceScale: 4, sizeScale: 1, tickSize: 1, lotSize: 1 },
      { symbol: 'DASH-BTC', priceScale: 8, sizeScale: 3, tickSize: 1, lotSize: 1 },
    ]);
  });
});

describe('frames', () => {
  test('begin with the instrument, whose decimals are the snapshot’s where nobody declared steps', () => {
    expect(send(coinbase.open({ verify: false }), SNAPSHOT)).toEqual([
      { kind: 'instrument', definition: { symbol: 'BTC-USD', priceScale: 2, sizeScale: 2 } },
      {
        kind: 'update',
        symbol: 'BTC-USD',
        update: {
          kind: 'snapshot',
          bids: [10_010, 300, 0, 10_000, 25, 0],
          asks: [10_020, 150, 0, 10_030, 200, 0],
        },
        exchangeUs: null,
        checksum: null,
      },
    ]);
  });

  test('of the status channel, or of GET /products, declare scales, tick and lot, and announce nothing by themselves', () => {
    const products = [{ id: 'BTC-USD', quote_increment: '0.05', base_increment: '0.00000001', status: 'online' }, {}];
    const url = 'https://api.exchange.coinbase.com/products';
    const body = coinbase.messageOf!(url, JSON.stringify(products))!;
    expect(coinbase.messageOf!('https://api.exchange.coinbase.com/time', '{}')).toBeNull();
    for (const message of [{ type: 'status', products, currencies: [] }, body]) {
      const session = coinbase.open({ verify: false });
      expect(send(session, message)).toEqual([]);
      const [instrument, update] = send(session, SNAPSHOT);
      expect(instrument).toMatchObject({ definition: { priceScale: 2, sizeScale: 8, tickSize: 5, lotSize: 1 } });
      expect(update).toMatchObject({ update: { bids: [10_010, 300_000_000, 0, 10_000, 25_000_000, 0] } });
      expect(session.counts).toEqual({ messages: 2, ignored: 0 });
    }
  });

  test('that do not keep to the declared steps end these, not the book', () => {
    const products = [{ id: 'BTC-USD', quote_increment: '0.10', base_increment: '0.01' }];
    const session = opened({ type: 'status', products }, SNAPSHOT);
    const events = send(session, l2update(['buy', '100.15', '0.5']));
    expect(events[0]).toEqual({
      kind: 'instrument',
      definition: { symbol: 'BTC-USD', priceScale: 2, sizeScale: 2, lotSize: 1 },
    });
    expect(updates(events)).toMatchObject([{ kind: 'snapshot', bids: [10_015, 50, 0, 10_010, 300, 0, 10_000, 25, 0] }]);
    expect(send(session, l2update(['buy', '100.15', '0.125']))[0]).toEqual({
      kind: 'instrument',
      definition: { symbol: 'BTC-USD', priceScale: 2, sizeScale: 3 },
    });
  });

  test('change absolute sizes, remove at zero, and are one update whatever they pass through', () => {
    const session = opened(SNAPSHOT);
    const through = l2update(
      ['buy', '100.20', '4.00'],
      ['sell', '100.20', '0.00'],
      ['buy', '99.00', '0'],
      ['sell', '100.30', '2'],
    );
    expect(send(session, through)).toEqual([
      {
        kind: 'update',
        symbol: 'BTC-USD',
        update: { kind: 'delta', bids: [10_020, 400, 0], asks: [10_020, 0, 0] },
        exchangeUs: 1_767_323_045_000_001,
        checksum: null,
      },
    ]);
  });

  test('that leave the book crossed are told together with the one that ends it, and lose it where none does', () => {
    const session = opened(SNAPSHOT);
    expect(send(session, l2update(['buy', '100.25', '1.00']))).toEqual([]);
    expect(updates(send(session, l2update(['sell', '100.20', '0'])))).toEqual([
      { kind: 'delta', bids: [10_025, 100, 0], asks: [10_020, 0, 0] },
    ]);
    const events: FeedEvent[] = [];
    for (let count = 0; count < 200; count++)
      events.push(...send(session, l2update(['buy', '101.00', `${count + 1}`])));
    expect(events).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason: 'crossed' }]);
    const crossed = { ...SNAPSHOT, bids: [['100.25', '1.00']] };
    expect(updates(send(session, crossed))).toEqual([]);
    expect(updates(send(session, l2update(['sell', '100.20', '0'])))).toEqual([
      { kind: 'snapshot', bids: [10_025, 100, 0], asks: [10_030, 200, 0] },
    ]);
  });

  test('with more digits than the scales hold begin these anew, with the whole book', () => {
    const session = opened(SNAPSHOT);
    const events = send(session, l2update(['sell', '100.105', '1']));
    expect(events[0]).toEqual({ kind: 'instrument', definition: { symbol: 'BTC-USD', priceScale: 3, sizeScale: 2 } });
    expect(updates(events)).toEqual([
      {
        kind: 'snapshot',
        bids: [100_100, 300, 0, 100_000, 25, 0],
        asks: [100_105, 100, 0, 100_200, 150, 0, 100_300, 200, 0],
      },
    ]);
    const traded = send(session, match(1, { size: '0.0005' }));
    expect(traded.map(({ kind }) => kind)).toEqual(['instrument', 'update', 'update']);
    expect(updates(traded)).toMatchObject([
      { kind: 'snapshot', bids: [100_100, 30_000, 0, 100_000, 2_500, 0] },
      { size: 5 },
    ]);
  });

  test('with a number beyond 2^53 are held at coarser scales, as far as all numbers stay exact', () => {
    const wide = opened({ ...SNAPSHOT, bids: [['100.10', '3.00']], asks: [['100.20', '1.00']] });
    const events = send(wide, l2update(['sell', '100.20', '9007199254740991']));
    expect(events[0]).toMatchObject({ definition: { sizeScale: 0 } });
    expect(send(wide, l2update(['sell', '100.20', '9007199254740992.5']))).toEqual([
      { kind: 'resync', symbol: 'BTC-USD', reason: 'number out of range' },
    ]);
  });

  test('of trades name the maker’s side, and the aggressor’s is the other one', () => {
    const session = opened(SNAPSHOT);
    expect(send(session, match(7, { side: 'sell' }))).toMatchObject([
      {
        update: { kind: 'trade', id: 7, tradeKind: 'trade', side: 'buy', price: 10_020, size: 50 },
        exchangeUs: 1_767_323_045_000_001,
      },
    ]);
    expect(send(session, match(8, { side: 'buy' }))).toMatchObject([{ update: { side: 'sell' } }]);
  });

  test('of the last trade before the subscription say where the ids go on, and are not published again', () => {
    const session = opened(SNAPSHOT);
    expect(send(session, match(7, { type: 'last_match' }))).toEqual([]);
    expect(updates(send(session, match(8)))).toHaveLength(1);
    expect(send(session, match(8, { type: 'last_match' }))).toEqual([]);
    expect(updates(send(session, match(9)))).toHaveLength(1);
    expect(session.counts.ignored).toBe(0);
  });

  test('that tell a trade twice are read once; a hole in the ids loses the book, and the trade is published', () => {
    const session = opened(SNAPSHOT, match(7));
    expect(send(session, match(7))).toEqual([]);
    expect(send(session, match(6))).toEqual([]);
    const events = send(session, match(10));
    expect(events[0]).toEqual({ kind: 'resync', symbol: 'BTC-USD', reason: 'trades 8 to 9 were missed' });
    expect(updates(events)).toMatchObject([{ id: 10 }]);
    expect(send(session, l2update(['buy', '100.10', '1']))).toEqual([]);
    expect(updates(send(session, SNAPSHOT))).toMatchObject([{ kind: 'snapshot' }]);
  });

  test('of the heartbeat give a trade time until the next heartbeat', () => {
    const heartbeat = (last_trade_id: number) => ({
      type: 'heartbeat',
      sequence: 9,
      last_trade_id,
      product_id: 'BTC-USD',
    });
    const session = opened(SNAPSHOT, heartbeat(5), match(7));
    expect(send(session, heartbeat(8))).toEqual([]);
    send(session, match(8));
    expect(send(session, heartbeat(9))).toEqual([]);
    expect(send(session, heartbeat(9))).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason: 'trade 9 was missed' }]);
    expect(send(session, heartbeat(9))).toEqual([]);
    expect(session.counts.ignored).toBe(0);
  });

  test('that are older than the last update of the book lose it, because sizes are absolute', () => {
    const session = opened(SNAPSHOT, { ...l2update(['buy', '100.10', '1']), time: LATER });
    const reason = 'updates out of order';
    expect(send(session, l2update(['buy', '100.10', '2']))).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason }]);
    // The time of a snapshot is when it was made up, not that of its last update.
    send(session, { ...SNAPSHOT, time: LATER });
    expect(updates(send(session, l2update(['buy', '100.10', '2'])))).toHaveLength(1);
  });

  test('of a book without a snapshot ask for one, once', () => {
    const session = opened();
    const update = l2update(['buy', '100.10', '1']);
    const reason = 'update before a snapshot';
    expect(send(session, update)).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason }]);
    expect(send(session, update)).toEqual([]);
    expect(session.counts).toEqual({ messages: 2, ignored: 2 });
  });

  test.each([
    ['a size that is none', l2update(['buy', '100.10', '-1']), 'unreadable book message'],
    ['a side that is none', l2update(['bid', '100.10', '1']), 'unreadable book message'],
    ['no changes', { type: 'l2update', product_id: 'BTC-USD' }, 'unreadable book message'],
    ['levels that are none', { ...SNAPSHOT, bids: {} }, 'unreadable book message'],
    ['a price of zero', l2update(['buy', '0.00', '1']), 'number out of range'],
    ['no product', { type: 'l2update', changes: [] }, 'unreadable message'],
    ['half of a message', '{"type":"l2update","product_id":"BTC-USD","chan', 'unreadable message'],
    ['no object', '7', 'unreadable message'],
  ])('with %s lose the book, because a change may have been in them', (_, bad, reason) => {
    const session = opened(SNAPSHOT);
    expect(send(session, bad)).toEqual([{ kind: 'resync', symbol: 'BTC-USD', reason }]);
    expect(session.counts).toEqual({ messages: 2, ignored: 1 });
    expect(send(session, l2update(['buy', '100.10', '1']))).toEqual([]);
  });

  test('that are not of a market are understood or counted as ignored, and leave the books alone', () => {
    const session = opened(SNAPSHOT);
    const quiet = [
      { type: 'subscriptions', channels: [] },
      { type: 'ticker', product_id: 'BTC-USD', best_bid: '1' },
    ];
    for (const message of quiet) expect(send(session, message)).toEqual([]);
    expect(session.counts.ignored).toBe(0);
    const left = [
      { type: 'error', message: 'Failed to subscribe' },
      { type: 'new' },
      match(-1),
      { type: 'status' },
      [],
    ];
    for (const message of left) expect(send(session, message)).toEqual([]);
    expect(session.counts.ignored).toBe(left.length);
    expect(updates(send(session, l2update(['buy', '100.10', '1'])))).toHaveLength(1);
  });
});

describe('the venue', () => {
  test('is in the registry, has no checksum and keeps its names', () => {
    expect(venues.get('coinbase')).toBe(coinbase);
    expect([coinbase.checksum, coinbase.symbolOf('BTC-USD')]).toEqual([null, 'BTC-USD']);
  });
});

describe('any disorder', () => {
  const recorded = coinbaseRecording({ seed: 5, messages: 60 })
    .filter((line) => /^\d/.test(line))
    .map((line) => line.slice(line.indexOf(': ') + 2));

  test('of messages that are left out, told twice, moved or damaged never throws, and a listener can apply what comes', () => {
    const damage = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom('drop', 'twice', 'move', 'cut', 'replace'),
      to: fc.nat(),
      part: fc.oneof(
        fc.constantFrom('', '[', '"', '0', '-', 'null', '9'.repeat(30), '1e9'),
        fc.string({ maxLength: 4 }),
      ),
    });
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 20 }), (damages) => {
        const messages = [...recorded];
        for (const { at, kind, to, part } of damages) {
          const index = at % messages.length;
          const text = messages[index]!;
          const place = to % (text.length + 1);
          if (kind === 'drop') messages.splice(index, 1);
          if (kind === 'twice') messages.splice(index, 0, text);
          if (kind === 'move') messages.splice(to % messages.length, 0, ...messages.splice(index, 1));
          if (kind === 'cut') messages[index] = text.slice(0, place);
          if (kind === 'replace') messages[index] = text.slice(0, place) + part + text.slice(place + part.length);
        }
        const session = coinbase.open({ verify: false });
        const listener = new Listener();
        for (const message of messages) listener.hear(session.read(message));
        expect(session.counts.messages).toBe(messages.length);
      }),
      { numRuns: 150 },
    );
  });

  test('that brings an update late loses the book instead of undoing newer updates', () => {
    const truths = new Map<string, string>();
    const play = (messages: readonly string[], check: (text: string, book: string) => void): void => {
      const session = coinbase.open({ verify: false });
      const listener = new Listener();
      for (const text of messages) {
        listener.hear(session.read(text));
        const { type, product_id: symbol } = JSON.parse(text);
        if (type === 'l2update' && listener.isFollowing(symbol)) check(text, JSON.stringify(listener.book(symbol)));
      }
    };
    play(recorded, (text, book) => truths.set(text, book));
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (from, distance) => {
        const messages = [...recorded];
        const at = from % messages.length;
        const [late] = messages.splice(at, 1);
        messages.splice(at + (distance % (recorded.length - at)), 0, late!);
        play(messages, (text, book) => {
          if (text === late) expect(book).toBe(truths.get(text));
        });
      }),
      { numRuns: 50 },
    );
  });
});
