// Holds the whole way at once: a synthetic market goes in, and twenty clients on real sockets, each with a codec, depth,
// interval and mode of its own, hold exactly what a naive oracle holds, with every trade and without a single doubt.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SubscribeOptions } from '../../src/client/stream.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { Trade } from '../../src/market/update.ts';
import type { TradeFrame } from '../../src/protocol/frames.ts';
import { NaiveBook } from '../feeds/naive.ts';
import { list, startGateway, stopAll } from '../gateway/harness.ts';
import { expectExact, StreamClient, topOf } from '../gateway/streamclient.ts';

/** The market, what was published of it, and the books that follow from that. */
class Publishing {
  readonly market = new SyntheticMarket({ seed: 11, symbols: syntheticSymbols(5, 11) });
  readonly symbols = this.market.instruments().map(({ symbol }) => symbol);
  readonly books = new Map(this.symbols.map((symbol) => [symbol, new NaiveBook()]));
  readonly bookSeqs = new Map(this.symbols.map((symbol) => [symbol, 0]));
  readonly trades = new Map<string, Trade[]>(this.symbols.map((symbol) => [symbol, []]));
  updates = 0;

  constructor(private readonly gateway: Gateway) {
    for (const definition of this.market.instruments()) list(gateway, definition);
  }

  async publish(events: readonly FeedEvent[]): Promise<void> {
    const updates = events.filter((event) => event.kind === 'update');
    const published = await this.gateway.bus.publish(updates);
    expect(published.filter((each) => 'refused' in each)).toEqual([]);
    for (const { symbol, update } of updates) {
      this.updates += 1;
      if (update.kind === 'trade') this.trades.get(symbol)!.push(update);
      if (update.kind !== 'delta' && update.kind !== 'snapshot') continue;
      this.books.get(symbol)!.apply(update);
      this.bookSeqs.set(symbol, this.bookSeqs.get(symbol)! + 1);
    }
  }

  /** That many updates at least, a burst in each turn of the event loop. */
  async run(updates: number): Promise<void> {
    const until = this.updates + updates;
    while (this.updates < until) {
      for (let i = 0; i < 12; i++) await this.publish(this.market.step(1_700_000_000_000_000 + this.updates));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

let gateway: Gateway;
let publishing: Publishing;
beforeEach(async () => {
  gateway = startGateway();
  publishing = new Publishing(gateway);
  await publishing.publish(publishing.market.snapshots());
});
afterEach(stopAll);

const DEPTHS = [0, 1, 5, 10, 20, 50] as const;
const INTERVALS = [0, 0, 10, 20, 50, 100, 250];

/** Twenty of them: every depth and interval in both codecs, and four of every update. */
const SHAPES: readonly { codec: 'json' | 'msgpack'; options: SubscribeOptions }[] = Array.from(
  { length: 20 },
  (_, i) => {
    const codec = i % 2 === 0 ? 'msgpack' : 'json';
    if (i % 5 === 4) return { codec, options: { mode: 'raw' } };
    return { codec, options: { depth: DEPTHS[i % DEPTHS.length]!, interval: INTERVALS[i % INTERVALS.length]! } };
  },
);

describe('twenty clients of a synthetic market', () => {
  test('hold its books, quotes and trades exactly, and were never in doubt', { timeout: 120_000 }, async () => {
    const { symbols } = publishing;
    const clients = await Promise.all(
      SHAPES.map(async ({ codec, options }) => {
        const trades = new Map<string, TradeFrame[]>(symbols.map((symbol) => [symbol, []]));
        const client = await StreamClient.connect(gateway, codec, {
          trade: (held, frame) => trades.get(held.topic.symbol)!.push(frame),
        });
        const { depth: _, ...others } = options;
        client.stream.subscribe('book', symbols, options);
        client.stream.subscribe('quote', symbols, options.mode === 'raw' ? {} : others);
        client.stream.subscribe('trade', symbols, others);
        // Only a subscription that has begun owes every trade.
        const begun = (symbol: string) => client.stream.find('trade', symbol)?.counters.resets === 1;
        await client.until(() => symbols.every(begun), 'the begin of all trades');
        return { client, trades, options };
      }),
    );
    const startSeqs = new Map(publishing.bookSeqs);

    for (let round = 0; round < 3; round++) {
      await publishing.run(1_400);
      for (const { client, trades, options } of clients) {
        for (const symbol of symbols) {
          const seq = publishing.bookSeqs.get(symbol)!;
          await client.reaches('book', symbol, seq);
          const held = client.held('book', symbol);
          expectExact(held, publishing.books.get(symbol)!, seq);
          expect(held.book!.depth).toBe(options.depth ?? 0);
          await expectQuote(client, symbol);
          await client.reaches('trade', symbol, publishing.trades.get(symbol)!.length);
          expectTrades(trades.get(symbol)!, publishing.trades.get(symbol)!);
          if (options.mode !== 'raw') continue;
          const after = seq - startSeqs.get(symbol)!;
          expect(held.counters).toMatchObject({ delivered: after, merged: 0 });
        }
      }
    }
    expect(publishing.updates).toBeGreaterThan(4_000);
    const { flush } = gateway;
    expect(flush.counters.joinsShared + flush.counters.joins).toBeGreaterThan(0);
  });

  async function expectQuote(client: StreamClient, symbol: string): Promise<void> {
    const { bids, asks } = topOf(publishing.books.get(symbol)!, 1);
    const wanted = { bidPrice: bids[0]![0], bidSize: bids[0]![1], askPrice: asks[0]![0], askSize: asks[0]![1] };
    const holds = () => {
      const { quote } = client.held('quote', symbol);
      return quote !== null && Object.entries(wanted).every(([name, value]) => quote[name as 'bidSize'] === value);
    };
    await client.until(holds, `the quote of ${symbol}`);
    expect(client.held('quote', symbol).counters).toMatchObject({ resyncs: 0, resets: 0, gapped: 0 });
  }

  function expectTrades(came: readonly TradeFrame[], published: readonly Trade[]): void {
    expect(came.map(({ seq }) => seq)).toEqual(came.map((_, i) => i + 1));
    const said = came.map(({ id, kind, side, price, size }) => [id, kind, side, price, size]);
    const meant = published.map(({ id, tradeKind, side, price, size }) => [id, tradeKind, side, price, size]);
    expect(JSON.stringify(said)).toBe(JSON.stringify(meant));
  }
});

describe('coming back', () => {
  test('a client that brings what it holds gets the difference alone, on another codec too', async () => {
    const symbol = publishing.symbols[0]!;
    const first = await StreamClient.connect(gateway);
    first.stream.subscribe('book', [symbol], { depth: 10 });
    await first.reaches('book', symbol, 1);
    const cursor = { [symbol]: first.stream.cursor('book', symbol)! };
    first.client.end();
    await publishing.run(200);

    const second = await StreamClient.connect(gateway, 'json');
    second.stream.carry(first.stream);
    second.stream.subscribe('book', [symbol], { depth: 10, cursor });
    const seq = publishing.bookSeqs.get(symbol)!;
    const frames = await second.client.settled();
    expectExact(second.held('book', symbol), publishing.books.get(symbol)!, seq);
    expect(frames.filter(({ type }) => type === 'book')).toMatchObject([{ fromSeq: 1, seq }]);
  });
  test('a latecomer asks for trades of the past', async () => {
    await publishing.run(400);
    const symbol = publishing.symbols.find((each) => publishing.trades.get(each)!.length >= 5)!;
    const published = publishing.trades.get(symbol)!;
    const client = await StreamClient.connect(gateway);
    client.stream.subscribe('trade', [symbol], { last: 3 });
    const trades = (await client.client.settled()).filter((frame) => frame.type === 'trade');
    expect(trades.map(({ price }) => price)).toEqual(published.slice(-3).map(({ price }) => price));
  });
});
