// Holds live feeds to their word: whatever an exchange or the line does, the topics say `resync` meanwhile, the feed heals
// by itself, and a client on a real socket ends with the exchange's own book. The exchanges are local servers.

import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { binance } from '../../src/feeds/binance.ts';
import { coinbase } from '../../src/feeds/coinbase.ts';
import type { Venue } from '../../src/feeds/feed.ts';
import { kraken } from '../../src/feeds/kraken.ts';
import { LiveFeed } from '../../src/feeds/live.ts';
import type { LiveFeedOptions } from '../../src/feeds/live-options.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { Update } from '../../src/market/update.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import { fault } from '../../src/protocol/errors.ts';
import { startGateway, stopAll } from '../gateway/harness.ts';
import { StreamClient } from '../gateway/streamclient.ts';
import { binanceSpot, coinbaseExchange, type Dialect, krakenV1, krakenV2 } from './dialects.ts';
import { ExchangeServer } from './exchange-server.ts';
import { type Step, tapeOf } from './tapes.ts';
import { VirtualTime } from './virtual.ts';

const TAPES = { kraken: tapeOf('kraken'), coinbase: tapeOf('coinbase'), binance: tapeOf('binance') };

/** What a client saw of one symbol: healths and statuses, in order. */
interface Seen {
  readonly healths: string[];
  readonly statuses: string[];
}

/** Everything that a test needs, from the exchange to the client. */
class Scene {
  readonly seen = new Map<string, Seen>();
  readonly lines: string[] = [];
  /** The bus takes nothing before this resolves. */
  busReady: Promise<void> = Promise.resolve();
  /** `down`: the bus refuses everything; `broken`: it rejects. */
  bus: 'up' | 'down' | 'broken' = 'up';
  /** Updates that were refused so. */
  readonly refused: Update[] = [];
  feed!: LiveFeed;
  client!: StreamClient;
  private readonly over = new AbortController();
  private running: Promise<void> | null = null;

  private constructor(
    readonly exchange: ExchangeServer,
    readonly gateway: Gateway,
    private readonly venue: Venue,
  ) {}

  static async open(
    venue: Venue,
    dialect: Dialect,
    options: Partial<LiveFeedOptions> = {},
    bus: Scene['bus'] = 'up',
  ): Promise<Scene> {
    const exchange = await ExchangeServer.start(dialect, TAPES[venue.name as keyof typeof TAPES]);
    const scene = new Scene(exchange, startGateway(), venue);
    scenes.add(scene);
    scene.bus = bus;
    scene.start(options);
    return scene;
  }

  /** The same, and a client that holds all books. */
  static async settled(venue: Venue, dialect: Dialect, options: Partial<LiveFeedOptions> = {}): Promise<Scene> {
    const scene = await Scene.open(venue, dialect, options);
    await scene.listed();
    await scene.connect();
    for (const symbol of scene.symbols) await scene.equals(symbol);
    return scene;
  }

  get symbols(): readonly string[] {
    return this.exchange.tape.symbols;
  }

  /** Tickwire's symbol. */
  nameOf(symbol: string): string {
    return this.venue.symbolOf(symbol);
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.running;
  }

  /** Waits until the gateway lists all symbols. */
  async listed(): Promise<void> {
    const { instruments } = this.gateway;
    const all = () => this.symbols.every((symbol) => instruments.get(this.nameOf(symbol)) !== undefined);
    await new Promise<void>((resolve) => {
      const unwatch = instruments.watch(check);
      function check(): void {
        if (!all()) return;
        unwatch();
        resolve();
      }
      check();
    });
  }

  async connect(): Promise<void> {
    const names = this.symbols.map((symbol) => this.nameOf(symbol));
    for (const name of names) this.seen.set(name, { healths: [], statuses: [] });
    this.client = await StreamClient.connect(this.gateway, 'msgpack', {
      health: ({ topic }, { status }) => {
        if (topic.channel === 'book') this.seen.get(topic.symbol)!.healths.push(status);
      },
      status: ({ topic }, { seq, status }) => {
        if (seq > 0) this.seen.get(topic.symbol)!.statuses.push(status);
      },
    });
    this.client.stream.subscribe('book', names);
    this.client.stream.subscribe('status', names);
  }

  /** Waits until the client's book is the exchange's. */
  async equals(symbol: string): Promise<void> {
    const name = this.nameOf(symbol);
    await this.client
      .until(() => this.booksAt(symbol) === null, `the exchange's book of ${name}`)
      .catch((error) => {
        expect(this.booksAt(symbol)?.client).toEqual(this.booksAt(symbol)?.exchange);
        throw error;
      });
    const { valid, counters, book } = this.client.held('book', name);
    expect({ valid, resyncs: counters.resyncs, badChecksums: book!.counters.badChecksums }).toEqual({
      valid: true,
      resyncs: 0,
      badChecksums: 0,
    });
  }

  /** Waits for words of the gateway on a symbol, the last ones. */
  async says(what: keyof Seen, symbol: string, ...words: readonly string[]): Promise<void> {
    const said = this.seen.get(this.nameOf(symbol))![what];
    const last = () => JSON.stringify(said.slice(-words.length)) === JSON.stringify(words);
    await this.client.until(last, `${what} ${words} of ${symbol}`);
  }

  private start(options: Partial<LiveFeedOptions>): void {
    const { instruments, bus } = this.gateway;
    const publish: typeof bus.publish = async (publications) => {
      await this.busReady;
      if (this.bus === 'up') return bus.publish(publications);
      this.refused.push(...publications.map(({ update }) => update));
      if (this.bus === 'broken') throw new Error('the bus broke');
      return publications.map(() => ({ refused: fault('bus-down') }));
    };
    this.feed = new LiveFeed({
      venue: this.venue,
      venueSymbols: this.symbols,
      prefix: '',
      url: this.exchange.url,
      target: { instruments, bus: { publish, doubt: bus.doubt.bind(bus) } },
      log: { writes: () => true, tell: (event) => void this.lines.push(event) },
      clock: systemClock,
      timers: systemTimers,
      random: () => 0,
      ...options,
    });
    this.running = this.feed.run(this.over.signal);
  }

  /** Both sides as text, best first, without zeros at the end; null where they are the same. */
  private booksAt(symbol: string): { client: string; exchange: string } | null {
    const held = this.client.stream.find('book', this.nameOf(symbol));
    const { book } = this.exchange.books.get(symbol)!;
    const bare = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
    const exchange = [book.sortedBids(), book.sortedAsks()].map((side) =>
      side.map(([price, size]) => `${bare(price)} ${bare(size)}`).join('\n'),
    );
    const client = [held?.book?.bids ?? [], held?.book?.asks ?? []].map((side) =>
      side
        .map(({ price, size }) => {
          const { priceScale, sizeScale } = held!.topic;
          return `${bare(formatDecimal(price, priceScale))} ${bare(formatDecimal(size, sizeScale))}`;
        })
        .reverse()
        .join('\n'),
    );
    const texts = { client: client.join('\n-\n'), exchange: exchange.join('\n-\n') };
    return texts.client === texts.exchange ? null : texts;
  }
}

const scenes = new Set<Scene>();
beforeEach(() => scenes.clear());
afterEach(async () => {
  for (const scene of scenes) await scene.stop();
  await ExchangeServer.stopAll();
  stopAll();
});

/** How each venue shows that something is missing. */
const VENUES: readonly {
  readonly name: string;
  readonly venue: Venue;
  readonly dialect: Dialect;
  /** Coinbase numbers its trades, not its changes of a book. */
  readonly missed: Step['kind'];
  readonly byChecksum: boolean;
  /** What the venue is asked by after that. */
  readonly heal: RegExp;
}[] = [
  {
    name: 'Kraken v2',
    venue: kraken,
    dialect: krakenV2,
    missed: 'book',
    byChecksum: true,
    heal: /"subscribe".*"book"/,
  },
  {
    name: 'Kraken 1.x',
    venue: kraken,
    dialect: krakenV1,
    missed: 'book',
    byChecksum: true,
    heal: /"subscribe".*"book"/,
  },
  {
    name: 'Coinbase',
    venue: coinbase,
    dialect: coinbaseExchange,
    missed: 'trade',
    byChecksum: false,
    heal: /"subscribe".*"level2_batch"/,
  },
  {
    name: 'Binance',
    venue: binance,
    dialect: binanceSpot,
    missed: 'book',
    byChecksum: false,
    heal: /GET \/api\/v3\/depth/,
  },
];

/** Steps of which every symbol has some, of either kind. */
const STEPS = 100;

describe.each(VENUES)('a live feed of $name', ({ venue, dialect, missed, byChecksum, heal }) => {
  test("brings the exchange's books to a client, change by change", async () => {
    const scene = await Scene.settled(venue, dialect);
    scene.exchange.play(STEPS);
    for (const symbol of scene.symbols) await scene.equals(symbol);
    for (const { healths } of scene.seen.values()) expect(healths).toEqual([]);
    expect(scene.feed.counts).toMatchObject({ connects: 1, disconnects: 0, resyncs: 0, asks: 0, complaints: 0 });
    expect(scene.feed.ingest.refused()).toEqual({});
  });

  test('says resync while a message is missing, and heals that book alone', async () => {
    const scene = await Scene.settled(venue, dialect);
    scene.exchange.play(10);
    scene.exchange.hold();
    const asked = scene.exchange.asked(heal);
    const symbol = scene.exchange.playGap(missed, byChecksum);
    await asked;
    await scene.says('healths', symbol, 'resync');
    scene.exchange.play(STEPS);
    scene.exchange.release();
    await scene.says('healths', symbol, 'resync', 'live');
    scene.exchange.play(10);
    for (const each of scene.symbols) await scene.equals(each);
    for (const each of scene.symbols) {
      if (each !== symbol) expect(scene.seen.get(scene.nameOf(each))!.healths).toEqual([]);
    }
    expect(scene.feed.counts).toMatchObject({ connects: 1, disconnects: 0, resyncs: 1, asks: 1 });
  });

  test('holds the right book when a message comes twice', async () => {
    const scene = await Scene.settled(venue, dialect);
    for (let round = 0; round < 5; round++) scene.exchange.playBroken('duplicate', 'book');
    scene.exchange.play(STEPS);
    for (const symbol of scene.symbols) await scene.equals(symbol);
  });

  test('has a book anew of which the gateway refused a change, and publishes none of it meanwhile', async () => {
    const scene = await Scene.settled(venue, dialect, { limits: { asksPerMinMax: 10_000 } });
    const [symbol = '', other = ''] = scene.symbols;
    const { instruments } = scene.gateway;
    const listed = instruments.get(scene.nameOf(symbol))!;
    const tradesBefore = scene.feed.ingest.counts.get(listed.symbol)!.trades;
    scene.exchange.hold();
    instruments.put({ ...listed, tickSize: Number.MAX_SAFE_INTEGER });
    scene.exchange.play(STEPS);
    await scene.says('healths', symbol, 'resync');
    await scene.equals(other);
    // Trades go on to be refused; of the book it is the first change alone.
    const { refused, trades } = scene.feed.ingest.counts.get(listed.symbol)!;
    expect(refused).toEqual({ 'off-tick': 1 + trades - tradesBefore });
    instruments.put(listed);
    await scene.client.client.settled();
    const { seq } = scene.client.held('book', listed.symbol);
    scene.exchange.play(STEPS);
    // What came for the one came for the other before.
    await scene.equals(other);
    await scene.client.client.settled();
    expect(scene.client.held('book', listed.symbol).seq).toBe(seq);
    scene.exchange.release();
    await scene.says('healths', symbol, 'resync', 'live');
    await scene.equals(symbol);
    expect(scene.feed.counts).toMatchObject({ connects: 1, disconnects: 0 });
  });

  test.each(['down', 'broken'] as const)('brings its books by itself to a bus that was %s', async (how) => {
    const scene = await Scene.settled(venue, dialect);
    scene.bus = how;
    scene.exchange.play(STEPS);
    await vi.waitUntil(() => scene.refused.some(({ kind }) => kind === 'delta'));
    scene.exchange.play(10);
    scene.bus = 'up';
    for (const symbol of scene.symbols) await scene.equals(symbol);
    scene.exchange.play(STEPS);
    for (const symbol of scene.symbols) await scene.equals(symbol);
    // The venue was not asked for anything, and the feed never doubted what it holds.
    expect(scene.feed.counts).toMatchObject({ connects: 1, disconnects: 0, resyncs: 0, asks: 0 });
    expect(scene.lines).not.toContain('feed.failed');
    for (const { healths } of scene.seen.values()) expect(healths).toEqual([]);
  });

  test('brings books to a bus that was gone when they came', async () => {
    const scene = await Scene.open(venue, dialect, {}, 'down');
    await scene.listed();
    await vi.waitUntil(() => scene.refused.filter(({ kind }) => kind === 'snapshot').length >= scene.symbols.length);
    await scene.connect();
    scene.bus = 'up';
    for (const symbol of scene.symbols) await scene.equals(symbol);
    for (const symbol of scene.symbols) await scene.says('healths', symbol, 'resync', 'live');
    scene.exchange.play(STEPS);
    for (const symbol of scene.symbols) await scene.equals(symbol);
    expect(scene.feed.counts).toMatchObject({ connects: 1, disconnects: 0, resyncs: 0, asks: 0 });
  });

  test('says resync from a broken connection until each book is there again', async () => {
    const scene = await Scene.settled(venue, dialect);
    scene.exchange.play(10);
    scene.exchange.hold();
    const back = once(scene.exchange.events, 'connection');
    scene.exchange.cut();
    scene.exchange.play(STEPS);
    for (const symbol of scene.symbols) await scene.says('healths', symbol, 'resync');
    await back;
    scene.exchange.release();
    for (const symbol of scene.symbols) await scene.says('healths', symbol, 'resync', 'live');
    scene.exchange.play(10);
    for (const symbol of scene.symbols) await scene.equals(symbol);
    expect(scene.feed.counts).toMatchObject({ connects: 2, disconnects: 1, resyncs: 0 });
    for (const { statuses } of scene.seen.values()) expect(statuses).toEqual([]);
  });
});

describe.each([
  ['v2', krakenV2],
  ['1.x', krakenV1],
] as const)('a live feed of Kraken %s', (_, dialect) => {
  test('has a book anew whose checksum is wrong', async () => {
    const scene = await Scene.settled(kraken, dialect);
    scene.exchange.hold();
    const symbol = scene.exchange.playBroken('checksum', 'book');
    await scene.says('healths', symbol, 'resync');
    scene.exchange.play(STEPS);
    scene.exchange.release();
    await scene.says('healths', symbol, 'resync', 'live');
    for (const each of scene.symbols) await scene.equals(each);
    expect(scene.feed.counts).toMatchObject({ connects: 1, resyncs: 1, asks: 1 });
  });
});

describe('a live feed', () => {
  test('says source-down where the venue stays away, and live when it is back', async () => {
    const limits = { backoffMinMs: 5, backoffMaxMs: 20, downAfterMs: 30 };
    const scene = await Scene.settled(kraken, krakenV2, { limits, random: Math.random });
    await scene.exchange.stop();
    for (const symbol of scene.symbols) await scene.says('statuses', symbol, 'source-down');
    scene.exchange.play(STEPS);
    await scene.exchange.listen();
    for (const symbol of scene.symbols) {
      await scene.says('statuses', symbol, 'source-down', 'live');
      await scene.says('healths', symbol, 'resync', 'live');
      await scene.equals(symbol);
    }
    expect(scene.feed.counts.sourceDowns).toBe(scene.symbols.length);
  });

  test('says resync of a quote too, but not of trades, also to those who come meanwhile', async () => {
    const scene = await Scene.settled(kraken, krakenV2);
    const [symbol = ''] = scene.symbols;
    const name = scene.nameOf(symbol);
    scene.exchange.hold();
    scene.exchange.cut();
    await scene.says('healths', symbol, 'resync');
    const healths = { book: '', quote: '', trade: '' };
    const late = await StreamClient.connect(scene.gateway, 'json', {
      health: ({ topic }, { status }) => {
        healths[topic.channel as 'book'] = status;
      },
    });
    for (const channel of ['book', 'quote', 'trade'] as const) late.stream.subscribe(channel, [name]);
    // At once, not with the next look at all healths.
    await late.client.settled();
    expect(healths).toEqual({ book: 'resync', quote: 'resync', trade: '' });
    scene.exchange.release();
    await late.until(() => healths.book === 'live' && healths.quote === 'live', 'both live again');
    expect(healths.trade).toBe('');
  });

  test('makes the venue wait for a slow bus, and goes on where it was', async () => {
    const scene = await Scene.settled(kraken, krakenV2, { limits: { waitingMessagesMax: 10 } });
    let open = (): void => {};
    scene.busReady = new Promise((resolve) => {
      open = resolve;
    });
    const paused = vi.spyOn(WebSocket.prototype, 'pause');
    scene.exchange.play(STEPS);
    await vi.waitUntil(() => paused.mock.contexts.some((socket) => (socket as WebSocket).isPaused));
    paused.mockRestore();
    open();
    for (const symbol of scene.symbols) await scene.equals(symbol);
    expect(scene.feed.counts).toMatchObject({ connects: 1, resyncs: 0 });
  });

  test('pings a venue that fell silent, and gives the connection up when it stays so', async () => {
    const time = new VirtualTime();
    const scene = await Scene.open(kraken, krakenV2, { clock: time, timers: time });
    await scene.listed();
    scene.exchange.mute = true;
    const pinged = scene.exchange.asked(/"ping"/);
    const closed = once(scene.exchange.events, 'close');
    await time.advance(10_000);
    await pinged;
    scene.exchange.mute = false;
    const back = once(scene.exchange.events, 'connection');
    await time.advance(10_000);
    await Promise.all([closed, back]);
    expect(scene.exchange.connections).toBe(2);
  });

  test('names a symbol that the venue does not have, and serves the others', async () => {
    const [symbol = ''] = TAPES.kraken.symbols;
    const scene = await Scene.open(kraken, krakenV2, { venueSymbols: ['NO/SUCH', symbol] });
    await new Promise<void>((resolve) => {
      scene.gateway.instruments.watch(({ instrument }) => {
        if (instrument.symbol === scene.nameOf(symbol)) resolve();
      });
    });
    expect(scene.gateway.instruments.list()).toHaveLength(1);
    expect(scene.lines).toContain('feed.complaint');
  });

  test('lists nothing that was not asked for, and survives what nobody understands', async () => {
    const [symbol = '', other = ''] = TAPES.kraken.symbols;
    const scene = await Scene.open(kraken, krakenV2, { venueSymbols: [symbol], prefix: 'kraken.' });
    await new Promise((resolve) => scene.gateway.instruments.watch(resolve));
    for (const text of ['', 'null', '[', '{"channel":"book"}', '[1,2,3]', '"x"', '\0']) scene.exchange.say(text);
    scene.exchange.say(krakenV2.snapshot(other, scene.exchange.books.get(other)!)!);
    scene.exchange.cut();
    await once(scene.exchange.events, 'connection');
    expect(scene.gateway.instruments.list().map((each) => each.symbol)).toEqual([`kraken.${scene.nameOf(symbol)}`]);
  });
});
