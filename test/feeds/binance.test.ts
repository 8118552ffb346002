// Holds the Binance adapter to real traffic, whose best prices by the exchange it must give, to the exchange's document on
// local order books clause by clause, and to never holding a wrong book whatever is lost. The oracle is a pair of plain maps.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binance, snapshotMessage } from '../../src/feeds/binance.ts';
import { readCaptures } from '../../src/feeds/capture.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { venues } from '../../src/feeds/venues.ts';
import { recordingFile } from './captures.ts';
import { Listener, send, trimmedLevels } from './listener.ts';
import { binanceRecording, venueCapture } from './plain-recording.ts';

const E = 1_767_323_045_000;

function depth(U: number, u: number, { b = [], a = [] }: { b?: string[][]; a?: string[][] } = {}): object {
  return { stream: 'btcusdt@depth@100ms', data: { e: 'depthUpdate', E, s: 'BTCUSDT', U, u, b, a } };
}

function snapshot(lastUpdateId: number, bid = '100.10000000'): string {
  const bids = [
    [bid, '3.00000000'],
    ['100.00000000', '0.25000000'],
  ];
  return snapshotMessage('BTCUSDT', JSON.stringify({ lastUpdateId, bids, asks: [['100.20000000', '1.50000000']] }));
}

function trade(t: number, { m = true, e = 'trade' } = {}): object {
  const ids = e === 'trade' ? { t } : { a: t, f: t, l: t };
  return { e, E, s: 'BTCUSDT', ...ids, p: '100.20000000', q: '0.50000000', T: E - 5, m, M: true };
}

function best(u: number, b: string, B: string, a: string, A: string): object {
  return { stream: 'btcusdt@bookTicker', data: { u, s: 'BTCUSDT', b, B, a, A } };
}

const INFO = JSON.stringify({
  timezone: 'UTC',
  symbols: [
    {},
    {
      symbol: 'BTCUSDT',
      status: 'TRADING',
      filters: [
        { filterType: 'PRICE_FILTER', minPrice: '0.01000000', tickSize: '0.01000000' },
        { filterType: 'LOT_SIZE', minQty: '0.00001000', stepSize: '0.00001000' },
      ],
    },
  ],
});

function opened(...messages: (object | string)[]) {
  const session = binance.open({ verify: false });
  for (const message of messages) send(session, message);
  return session;
}

function updates(events: readonly FeedEvent[]): object[] {
  return events.filter((event) => event.kind === 'update').map(({ update }) => update);
}

function resync(reason: string): FeedEvent {
  return { kind: 'resync', symbol: 'BTCUSDT', reason };
}

const capture = venueCapture('binance');

describe('the capture', () => {
  test('gives the best prices that the exchange names for the same update, its trades, and nothing is left out', async () => {
    const session = binance.open({ verify: false });
    const listener = new Listener();
    const lastIds = new Map<string, number>();
    const named = new Map<string, { u: number; prices: string[][] }>();
    const counts = { events: 0, compared: 0, trades: 0 };
    const compare = (symbol: string) => {
      const { u, prices } = named.get(symbol) ?? { u: -1, prices: [] };
      if (u !== lastIds.get(symbol) || !listener.isFollowing(symbol)) return;
      const { bids, asks } = listener.book(symbol);
      expect([bids[0], asks[0]], `${symbol} at ${u}`).toEqual(prices);
      counts.compared++;
    };
    for await (const { text } of readCaptures(capture.paths, binance.messageOf)) {
      listener.hear(session.read(text));
      const { stream = '', data } = JSON.parse(text);
      if (stream.endsWith('bookTicker')) {
        named.set(data.s, {
          u: data.u,
          prices: trimmedLevels([
            [data.b, data.B],
            [data.a, data.A],
          ]),
        });
        compare(data.s);
      } else if (data?.e === 'depthUpdate') {
        lastIds.set(data.s, data.u);
        if (listener.isFollowing(data.s)) counts.events++;
        compare(data.s);
      } else if (/rade$/.test(data?.e ?? '')) counts.trades++;
    }
    expect(listener.resyncs).toEqual([]);
    expect(session.counts.ignored).toBe(0);
    expect(listener.trades).toHaveLength(counts.trades);
    expect(listener.counts.snapshots).toBe(lastIds.size);
    expect(counts.compared).toBeGreaterThan(50);
    if (!capture.real) return;
    expect(listener.counts).toEqual({ snapshots: 4, deltas: 332 });
    expect(listener.definitions.get('COMPUSDT')).toEqual({
      symbol: 'COMPUSDT',
      priceScale: 2,
      sizeScale: 5,
      tickSize: 1,
      lotSize: 1,
    });
  });
});

describe('documents', () => {
  test('that were had by HTTP become messages: snapshots by the symbol in their address, and the listing', () => {
    const body = '{"lastUpdateId":1,"bids":[],"asks":[]}';
    const message = '{"stream":"btcusdt@snapshot","data":{"lastUpdateId":1,"bids":[],"asks":[]}}';
    expect(binance.messageOf!('https://api.binance.us/api/v3/depth?symbol=BTCUSDT&limit=1000', body)).toBe(message);
    expect(binance.messageOf!('http://127.0.0.1:1/api/v3/depth?limit=5000&symbol=BTCUSDT', body)).toBe(message);
    expect(binance.messageOf!('https://api.binance.com/api/v3/exchangeInfo?symbols=x', INFO)).toBe(INFO);
    expect(binance.messageOf!('https://api.binance.com/api/v3/time', '{}')).toBeNull();
  });

  test('of the listing declare scales, tick and lot; without it all decimals that are written count', () => {
    const session = opened(INFO);
    expect(send(session, snapshot(5))[0]).toEqual({
      kind: 'instrument',
      definition: { symbol: 'BTCUSDT', priceScale: 2, sizeScale: 5, tickSize: 1, lotSize: 1 },
    });
    expect(session.counts).toEqual({ messages: 2, ignored: 0 });
    expect(send(opened(), snapshot(5))[0]).toMatchObject({ definition: { priceScale: 8, sizeScale: 8 } });
  });
});

describe('a local book', () => {
  test('waits for its snapshot; events that end within it are dropped, the others follow it', () => {
    const session = opened(
      INFO,
      depth(1, 3),
      depth(4, 6, { b: [['100.10', '9']] }),
      depth(7, 7, { b: [['100.11', '1']] }),
    );
    const events = send(session, snapshot(4));
    expect(updates(events)).toEqual([
      { kind: 'snapshot', bids: [10_010, 300_000, 0, 10_000, 25_000, 0], asks: [10_020, 150_000, 0] },
      { kind: 'delta', bids: [10_010, 900_000, 0], asks: [] },
      { kind: 'delta', bids: [10_011, 100_000, 0], asks: [] },
    ]);
    expect(events.at(-1)).toMatchObject({ exchangeUs: E * 1_000, checksum: null });
  });

  test('takes a snapshot that is older than its first event for useless, and goes on waiting', () => {
    const session = opened(depth(10, 12), depth(13, 13));
    expect(send(session, snapshot(8))).toEqual([resync('the snapshot ends at 8, events begin at 10')]);
    expect(updates(send(session, snapshot(9)))).toHaveLength(3);
  });

  test('has each event begin where the last one ended; a hole loses it, and the event after the hole is kept', () => {
    const session = opened(snapshot(5), depth(6, 8));
    expect(send(session, depth(10, 11, { b: [['100.11', '1']] }))).toEqual([resync('updates 9 to 9 were missed')]);
    expect(send(session, depth(12, 12))).toEqual([]);
    expect(updates(send(session, snapshot(9)))).toHaveLength(3);
    expect(updates(send(session, depth(13, 13)))).toHaveLength(1);
  });

  test('passes over an event that it has, and a snapshot that is older than itself', () => {
    const session = opened(snapshot(5), depth(6, 8));
    for (const old of [depth(6, 8), depth(2, 3), snapshot(7), snapshot(8)]) expect(send(session, old)).toEqual([]);
    expect(updates(send(session, snapshot(20, '100.15')))).toMatchObject([{ kind: 'snapshot' }]);
    expect(send(session, depth(9, 20))).toEqual([]);
    expect(updates(send(session, depth(19, 21)))).toHaveLength(1);
    expect(session.counts.ignored).toBe(0);
  });

  test('removes at zero, also what it does not hold, and has an update for an event that changes nothing', () => {
    const session = opened(snapshot(5));
    const event = depth(6, 6, {
      b: [
        ['100.10', '0.00000000'],
        ['5.00', '0'],
      ],
      a: [['100.20', '1.5']],
    });
    expect(updates(send(session, event))).toEqual([{ kind: 'delta', bids: [10_010_000_000, 0, 0], asks: [] }]);
    expect(updates(send(session, depth(7, 7)))).toEqual([{ kind: 'delta', bids: [], asks: [] }]);
  });

  test('keeps no more than a bound of early events, and asks for a newer snapshot than the dropped ones', () => {
    const session = opened();
    for (let u = 1; u <= 1_200; u++) send(session, depth(u, u));
    expect(send(session, snapshot(100))).toEqual([resync('the snapshot ends at 100, events begin at 201')]);
    expect(updates(send(session, snapshot(200)))).toHaveLength(1_001);
    const long = opened();
    const levels = Array.from({ length: 30_000 }, (_, index) => [`${index + 1}`, '1']);
    for (let u = 1; u <= 5; u++) send(long, depth(u, u, { b: levels }));
    expect(send(long, snapshot(1))).toEqual([resync('the snapshot ends at 1, events begin at 3')]);
  });

  test('is held against the best prices that the exchange names for the same update, before or after it', () => {
    const right = ['100.10000000', '3', '100.20', '1.5'] as const;
    const session = opened(snapshot(5), best(4, '1', '1', '2', '1'), best(5, ...right));
    expect(send(session, best(6, '100.10', '4.00', '100.20', '1.5'))).toEqual([]);
    expect(updates(send(session, depth(6, 6, { b: [['100.10', '4']] })))).toHaveLength(1);
    expect(send(session, best(6, ...right))).toEqual([resync('the best prices at 6 are others')]);
    send(session, best(9, '100.10', '2.00', '100.20', '1.5'));
    expect(send(session, snapshot(9)).at(-1)).toEqual(resync('the best prices at 9 are others'));
    const empty = snapshotMessage('BTCUSDT', '{"lastUpdateId":1,"bids":[],"asks":[["2","1"]]}');
    expect(send(opened(empty), best(1, '0.00000000', '0.00000000', '2.00', '1'))).toEqual([]);
  });

  test.each([
    ['prices that are none', depth(6, 6, { b: [['x', '1']] }), 'unreadable depth event'],
    ['ids that are none', depth(6, 5), 'unreadable depth event'],
    ['an id beyond 2^53', depth(6, 2 ** 53), 'unreadable depth event'],
    ['a price of zero', depth(6, 6, { b: [['0', '1']] }), 'number out of range'],
  ])('is lost over an event with %s', (_, bad, reason) => {
    const session = opened(snapshot(5));
    expect(send(session, bad)).toEqual([resync(reason)]);
    expect(session.counts).toEqual({ messages: 2, ignored: 1 });
    expect(send(session, depth(7, 7))).toEqual([]);
  });
});

describe('partial depth', () => {
  const partial = (lastUpdateId: number, bids: string[][], asks: string[][]) => ({
    stream: 'btcusdt@depth5@100ms',
    data: { lastUpdateId, bids, asks },
  });

  test('states the best levels again and again, of which the differences are told', () => {
    const session = opened(INFO);
    const first = partial(
      3,
      [
        ['100.10', '1'],
        ['100.00', '2'],
      ],
      [['100.20', '1']],
    );
    expect(updates(send(session, first))).toMatchObject([{ kind: 'snapshot' }]);
    const second = partial(
      5,
      [
        ['100.15', '1'],
        ['100.10', '1'],
      ],
      [['100.20', '4']],
    );
    expect(updates(send(session, second))).toEqual([
      { kind: 'delta', bids: [10_015, 100_000, 0, 10_000, 0, 0], asks: [10_020, 400_000, 0] },
    ]);
    expect(send(session, first)).toEqual([]);
    expect(session.counts.ignored).toBe(0);
  });

  test('gives way to a diff stream, and is not read beside one', () => {
    const session = opened(partial(3, [['100.10', '1']], [['100.20', '1']]));
    expect(send(session, depth(4, 5))).toEqual([resync('a diff stream replaces the partial one')]);
    expect(send(session, partial(6, [['100.10', '1']], []))).toEqual([]);
    expect(updates(send(session, snapshot(4)))).toHaveLength(2);
  });
});

describe('trades', () => {
  test('name by the maker who began them, and come raw or in an envelope', () => {
    const session = opened(snapshot(5));
    expect(send(session, trade(1, { m: true }))).toMatchObject([
      {
        update: { kind: 'trade', id: 1, tradeKind: 'trade', side: 'sell', price: 10_020_000_000, size: 50_000_000 },
        exchangeUs: (E - 5) * 1_000,
      },
    ]);
    const enveloped = { stream: 'btcusdt@trade', data: { ...trade(2, { m: false }), T: 1_767_323_045_000_123 } };
    expect(send(session, enveloped)).toMatchObject([{ update: { side: 'buy' }, exchangeUs: 1_767_323_045_000_123 }]);
  });

  test('are told once where both of their streams come, and a hole in their ids loses the book', () => {
    const session = opened(snapshot(5), trade(7, { e: 'aggTrade' }));
    expect(send(session, trade(99))).toEqual([]);
    expect(send(session, trade(7, { e: 'aggTrade' }))).toEqual([]);
    expect(send(session, trade(9, { e: 'aggTrade' }))[0]).toEqual(resync('trades before 9 were missed'));
    expect(session.counts.ignored).toBe(0);
  });
});

describe('other messages', () => {
  test('are understood or counted as ignored', () => {
    const session = opened(snapshot(5));
    const quiet = [
      { result: null, id: 1 },
      { stream: 'btcusdt@kline_1m', data: { e: 'kline', s: 'BTCUSDT' } },
    ];
    for (const message of quiet) expect(send(session, message)).toEqual([]);
    expect(session.counts.ignored).toBe(0);
    const left = [
      '',
      '[]',
      '7',
      {},
      { e: 'new', s: 'BTCUSDT' },
      { error: { code: 3, msg: 'x' }, id: 1 },
      { stream: 'x' },
    ];
    for (const message of left) expect(send(session, message)).toEqual([]);
    expect(session.counts.ignored).toBe(left.length);
    expect(updates(send(session, depth(6, 6)))).toHaveLength(1);
  });

  test('are those of a venue in the registry, without a checksum', () => {
    expect(venues.get('binance')).toBe(binance);
    expect([binance.checksum, binance.symbolOf('btcusdt')]).toEqual([null, 'BTCUSDT']);
  });
});

describe('any disorder', () => {
  const { lines, truths } = binanceRecording({ seed: 6, messages: 60 });
  const messages: Promise<string[]> = (async () => {
    const texts: string[] = [];
    for await (const { text } of readCaptures([recordingFile(lines)], binance.messageOf)) texts.push(text);
    return texts;
  })();

  test('of messages that are left out, told twice or moved leads to a resync, never to a book that was not the exchange’s', async () => {
    const recorded = await messages;
    const states = new Map(
      [...truths].map(([symbol, truth]) => [
        symbol,
        new Map(
          [...truth.states].map(([id, { bids, asks }]) => [
            id,
            JSON.stringify({ bids: trimmedLevels(bids), asks: trimmedLevels(asks) }),
          ]),
        ),
      ]),
    );
    const change = fc.record({ kind: fc.constantFrom('drop', 'twice', 'move'), at: fc.nat(), to: fc.nat() });
    let lost = 0;
    let checked = 0;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const disordered = [...recorded];
        for (const { kind, at, to } of changes) {
          const index = at % disordered.length;
          if (kind === 'twice') disordered.splice(to % disordered.length, 0, disordered[index]!);
          else {
            const [taken] = disordered.splice(index, 1);
            if (kind === 'move') disordered.splice(to % disordered.length, 0, taken!);
          }
        }
        const session = binance.open({ verify: false });
        const listener = new Listener();
        for (const text of disordered) {
          const events = session.read(text);
          listener.hear(events);
          const last = events.findLast((event) => event.kind === 'update' && event.update.kind !== 'trade');
          if (last?.kind !== 'update' || !listener.isFollowing(last.symbol)) continue;
          const { data } = JSON.parse(text);
          const book = JSON.stringify(listener.book(last.symbol));
          if (data.u !== undefined) expect(book).toBe(states.get(last.symbol)!.get(data.u));
          else expect([...states.get(last.symbol)!.values()]).toContain(book);
          checked++;
        }
        lost += listener.resyncs.length;
        expect(session.counts.ignored).toBeLessThanOrEqual(disordered.length);
      }),
      { numRuns: 100 },
    );
    expect(lost).toBeGreaterThan(50);
    expect(checked).toBeGreaterThan(500);
  });

  test('of damaged messages never throws, and a listener can apply what comes', async () => {
    const recorded = await messages;
    const part = fc.oneof(
      fc.constantFrom('', '[', '"', '0', '-', 'null', '9'.repeat(30), '"U"'),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(), to: fc.nat(), part }), { maxLength: 12 }), (damages) => {
        const damaged = [...recorded];
        for (const { at, to, part } of damages) {
          const index = at % damaged.length;
          const text = damaged[index]!;
          const place = to % (text.length + 1);
          damaged[index] = text.slice(0, place) + part + text.slice(place + part.length);
        }
        const session = binance.open({ verify: false });
        const listener = new Listener();
        for (const text of damaged) listener.hear(session.read(text));
        expect(session.counts.messages).toBe(damaged.length);
      }),
      { numRuns: 100 },
    );
  });
});
