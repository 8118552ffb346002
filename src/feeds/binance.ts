// Owns the venue Binance (spot, Binance.US too): diff and partial depth, `trade`, `aggTrade` and `bookTicker` streams, raw or
// combined, snapshots from GET /api/v3/depth, steps from GET /api/v3/exchangeInfo. Replay and live feeds open sessions of it.
// Invariant: every message is read or counted as ignored, and none throws.

import { isSymbol } from '../market/instrument.ts';
import type { BookSnapshot } from '../market/update.ts';
import { binanceLive } from './binance-live.ts';
import { BinanceSymbol } from './binance-symbol.ts';
import type { FeedEvent, Venue, VenueSession } from './feed.ts';
import { type Fields, isDecimal, isFields, parseJson } from './text-frames.ts';

export const binance: Venue = {
  name: 'binance',
  open: () => new BinanceSession(),
  checksum: null,
  symbolOf: (symbol) => symbol.toUpperCase(),
  live: binanceLive,
  messageOf(url, body) {
    if (EXCHANGE_INFO_URL.test(url)) return body;
    const symbol = DEPTH_URL.exec(url)?.[1];
    return symbol === undefined ? null : snapshotMessage(symbol, body);
  },
};

const EXCHANGE_INFO_URL = /\/exchangeInfo(?:\?|$)/;
const DEPTH_URL = /\/depth\?(?:\S*&)?symbol=([A-Z0-9]+)(?:&|$)/;
/** Of a stream that a book is stated in: the whole of it by HTTP, or its best levels again and again. */
const BOOK_STREAM = /^([a-z0-9]+)@(?:(snapshot)|depth(?:5|10|20)(?:@\d+ms)?)$/;
/** Far more than the exchange lists. */
const SYMBOLS_MAX = 20_000;
/** Understood, and no news of a market. */
const QUIET_EVENTS: ReadonlySet<unknown> = new Set(['kline', '24hrTicker', '24hrMiniTicker', 'avgPrice']);

/** The body of a depth snapshot does not name its symbol: as if it came in a combined stream of its own. */
export function snapshotMessage(symbol: string, body: string): string {
  return `{"stream":"${symbol.toLowerCase()}@snapshot","data":${body}}`;
}

class BinanceSession implements VenueSession {
  readonly counts = { messages: 0, ignored: 0 };
  private readonly symbols = new Map<string, BinanceSymbol>();

  read(text: string): FeedEvent[] {
    this.counts.messages++;
    const events: FeedEvent[] = [];
    if (!this.take(parseJson(text), events)) this.counts.ignored++;
    return events;
  }

  forget(symbol: string): void {
    this.symbols.get(symbol)?.forget();
  }

  book(symbol: string): BookSnapshot | null {
    return this.symbols.get(symbol)?.snapshot() ?? null;
  }

  /** Adds what the message means to `events`. @returns false where it was left out. */
  private take(message: unknown, events: FeedEvent[]): boolean {
    if (!isFields(message)) return false;
    if (typeof message.stream === 'string') return this.takeStream(message.stream, message.data, events);
    if (Array.isArray(message.symbols)) return this.declare(message.symbols);
    // The answer to a subscription.
    if (message.result === null) return true;
    return this.takeEvent(message, events);
  }

  private takeStream(stream: string, data: unknown, events: FeedEvent[]): boolean {
    if (!isFields(data)) return false;
    const [, name, snapshot] = BOOK_STREAM.exec(stream) ?? [];
    if (name === undefined) return this.takeEvent(data, events);
    const symbol = this.symbolOf(name.toUpperCase());
    if (symbol === null) return false;
    return snapshot === undefined ? symbol.takePartial(data, events) : symbol.takeSnapshot(data, events);
  }

  private takeEvent(data: Fields, events: FeedEvent[]): boolean {
    if (QUIET_EVENTS.has(data.e)) return true;
    const symbol = this.symbolOf(data.s);
    if (symbol === null) return false;
    switch (data.e) {
      case 'depthUpdate':
        return symbol.takeDepth(data, events);
      case 'trade':
      case 'aggTrade':
        return symbol.takeTrade(data, events);
      case undefined:
      case 'bookTicker':
        return symbol.takeBest(data, events);
      default:
        return false;
    }
  }

  /** @returns false where there was no symbol in it. A symbol is announced with its first update. */
  private declare(entries: readonly unknown[]): boolean {
    let read = false;
    for (const entry of entries) {
      if (!isFields(entry) || !Array.isArray(entry.filters)) continue;
      const symbol = this.symbolOf(entry.symbol);
      symbol?.declare({
        price: stepOf(entry.filters, 'PRICE_FILTER', 'tickSize'),
        size: stepOf(entry.filters, 'LOT_SIZE', 'stepSize'),
      });
      read ||= symbol !== null;
    }
    return read;
  }

  private symbolOf(name: unknown): BinanceSymbol | null {
    if (typeof name !== 'string') return null;
    const known = this.symbols.get(name);
    if (known !== undefined) return known;
    if (!isSymbol(name) || this.symbols.size >= SYMBOLS_MAX) return null;
    const symbol = new BinanceSymbol(name);
    this.symbols.set(name, symbol);
    return symbol;
  }
}

function stepOf(filters: readonly unknown[], filterType: string, name: string): string | null {
  const filter = filters.filter(isFields).find((fields) => fields.filterType === filterType);
  const step = filter?.[name];
  return isDecimal(step) ? step : null;
}
