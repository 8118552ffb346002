// Owns recordings that stand in for real captures: the synthetic market, told in Kraken's 1.x frames by a make-believe
// server that keeps Kraken's rules of depth and checksum. Any test that needs a capture may call it.

import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { BookDelta, BookSnapshot, Trade } from '../../src/market/update.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import { NaiveBook, NaiveKrakenBook } from './naive.ts';

export interface RecordingOptions {
  readonly seed: number;
  /** Book updates, each with a checksum; snapshots, trades and heartbeats come on top. */
  readonly messages: number;
  /** Subscribed depth, one that Kraken offers. */
  readonly depthLevels?: number;
  /** Index of the book update, from 0, whose checksum is falsified. */
  readonly falsified?: number;
}

const START_US = 1_700_000_000_000_000;
const STEP_US = 12_345;

/** Lines of a capture file. */
export function krakenRecording({ seed, messages, depthLevels = 100, falsified }: RecordingOptions): string[] {
  // Of these only the spread is ever halted, and Kraken has none that is negative.
  const market = new SyntheticMarket({ seed, symbols: syntheticSymbols(5, seed) });
  const pairs = new Map(
    market
      .instruments()
      .filter((definition) => definition.negativePrices !== true)
      .map((definition, index) => [definition.symbol, new RecordedPair(definition, index, depthLevels)]),
  );
  let timeUs = START_US;
  const lines = ['wss://ws.kraken.com <-> 1700000000.0'];
  const say = (message: unknown) => lines.push(`${seconds(timeUs)}0: ${JSON.stringify(message)}`);
  const names = [...pairs.values()].map((pair) => pair.name);
  const subscription = { name: 'book', depth: depthLevels };
  lines.push(
    `wss://ws.kraken.com <- ${seconds(timeUs)}: ${JSON.stringify({ event: 'subscribe', pair: names, subscription })}`,
  );
  say({ connectionID: 1, event: 'systemStatus', status: 'online', version: '1.8.3' });
  for (const pair of pairs.values()) say(pair.acknowledgement());
  for (const event of market.snapshots()) {
    if (event.kind === 'update')
      for (const said of pairs.get(event.symbol)?.tell(event.update, timeUs) ?? []) say(said);
  }
  for (let sent = 0; sent < messages; ) {
    timeUs += STEP_US;
    if (timeUs % 1_000_000 < STEP_US) say({ event: 'heartbeat' });
    for (const event of market.step()) {
      if (event.kind !== 'update' || sent === messages) continue;
      for (const said of pairs.get(event.symbol)?.tell(event.update, timeUs) ?? []) {
        if (!isBookUpdate(said)) say(said);
        else say(sent++ === falsified ? falsify(said) : said);
      }
    }
  }
  return [...lines, ''];
}

function isBookUpdate(message: unknown[]): boolean {
  return String(message.at(-2)).startsWith('book') && !('as' in (message[1] as object));
}

function falsify(message: unknown[]): unknown[] {
  const last = message.at(-3) as { c: string };
  return message.map((part) => (part === last ? { ...last, c: String((Number(last.c) + 1) % 2 ** 32) } : part));
}

function seconds(timeUs: number): string {
  return formatDecimal(timeUs, 6);
}

/** The server's view of one pair, and of what a subscriber of this depth holds. */
class RecordedPair {
  readonly name: string;
  private readonly definition: { priceScale: number; sizeScale: number };
  private readonly channelId: number;
  private readonly depthLevels: number;
  private readonly full = new NaiveBook();
  private readonly held = new NaiveKrakenBook();

  constructor(
    definition: { symbol: string; priceScale: number; sizeScale: number },
    index: number,
    depthLevels: number,
  ) {
    this.name = definition.symbol.replace('-', '/');
    this.definition = definition;
    this.channelId = 100 + index;
    this.depthLevels = depthLevels;
  }

  acknowledgement(): unknown {
    return {
      channelID: this.channelId,
      channelName: this.channel(),
      event: 'subscriptionStatus',
      pair: this.name,
      status: 'subscribed',
      subscription: { depth: this.depthLevels, name: 'book' },
    };
  }

  tell(update: { kind: string }, timeUs: number): unknown[][] {
    if (update.kind === 'trade') return this.trade(update as Trade, timeUs);
    this.full.apply(update as BookSnapshot | BookDelta);
    return this.book(update.kind === 'snapshot', timeUs);
  }

  private trade(trade: Trade, timeUs: number): unknown[][] {
    if (trade.tradeKind !== 'trade') return [];
    const [price, size] = this.texts([trade.price, trade.size]);
    const side = trade.side === 'buy' ? 'b' : 's';
    return [[this.channelId, [[price, size, seconds(timeUs), side, 'm', '']], 'trade', this.name]];
  }

  /** What the subscriber must hear to hold the best levels again; nothing where only deeper ones changed. */
  private book(snapshot: boolean, timeUs: number): unknown[][] {
    const asks = this.changes('asks').map((level) => [...level, seconds(timeUs - 7)]);
    const bids = this.changes('bids').map((level) => [...level, seconds(timeUs - 3)]);
    if (asks.length + bids.length === 0) return [];
    const parts: Record<string, unknown>[] = snapshot
      ? [{ as: asks, bs: bids }]
      : [...(asks.length > 0 ? [{ a: asks }] : []), ...(bids.length > 0 ? [{ b: bids }] : [])];
    const message = [this.channelId, ...parts, this.channel(), this.name];
    this.held.read(message);
    if (!snapshot) parts.at(-1)!.c = String(this.held.checksum());
    return [message];
  }

  private changes(side: 'bids' | 'asks'): string[][] {
    const before = this.held[side];
    const inView = new Map(
      this.full
        .sorted(side)
        .slice(0, this.depthLevels)
        .map((level) => this.texts(level)),
    );
    const exists = new Set(this.full.sorted(side).map((level) => this.texts(level)[0]));
    const gone = [...before.keys()].filter((price) => !exists.has(price));
    const changed = [...inView].filter(([price, size]) => before.get(price) !== size);
    return [...gone.map((price) => [price, formatDecimal(0, this.definition.sizeScale)]), ...changed];
  }

  private texts([price, size]: readonly [number, number]): [string, string] {
    return [formatDecimal(price, this.definition.priceScale), formatDecimal(size, this.definition.sizeScale)];
  }

  private channel(): string {
    return `book-${this.depthLevels}`;
  }
}
