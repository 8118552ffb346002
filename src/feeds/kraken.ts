// Owns what Kraken says: WebSocket 1.x and v2, each with its checksum rule. Replay and live feeds open sessions of it.
// Follows a book per pair, cut to the subscribed depth as Kraken's rules demand. A v2 subscriber asks for the
// `instrument` channel too, since the checksum needs its precisions.
// Invariant: each readable message of a followed book is one update, and a book whose checksum fails is followed no further.

import { crc32 } from 'node:zlib';
import type { InstrumentDefinition } from '../market/instrument.ts';
import { isSymbol } from '../market/instrument.ts';
import type { BookSnapshot, Trade, Update } from '../market/update.ts';
import { parseDecimal, rescale, SCALE_MAX, scaleOf } from '../protocol/decimal.ts';
import type { FeedEvent, Venue, VenueBook, VenueSession } from './feed.ts';
import type { BookReading, PrecisionReading, Reading, TextLevel, TextTrade, TradeReading } from './kraken-frames.ts';
import { readFrame } from './kraken-frames.ts';
import { Ladder, type Level } from './ladder.ts';

/** Levels per side that the checksum covers, whatever the subscribed depth. */
const CHECKSUM_LEVELS = 10;
/** The depths that Kraken offers, for v2 books whose subscription was not seen. */
const DEPTHS_OFFERED = [10, 25, 100, 500, 1_000] as const;

interface Scales {
  readonly priceScale: number;
  readonly sizeScale: number;
}

interface Book {
  readonly bids: Ladder;
  readonly asks: Ladder;
}

/** `unseen`: no snapshot yet. `lost`: updates are dropped until the next one. */
type Following =
  | { readonly kind: 'unseen' | 'lost' }
  | { readonly kind: 'live'; readonly book: Book; readonly exchangeUs: number | null };

/** What is known of one pair. */
interface Market {
  readonly symbol: string;
  definition: InstrumentDefinition | null;
  /** The definition has been handed on as an event; from then on so is every change of it. */
  announced: boolean;
  /** The precisions are the venue's word, so that zeros beyond them mean nothing. */
  declared: boolean;
  depthLevels: number | null;
  following: Following;
}

export const kraken: Venue = {
  name: 'kraken',
  open: ({ verify }) => new KrakenSession(verify),
  checksum,
  symbolOf,
};

/** `XBT/USD` is `XBT-USD`; otherwise the venue's own names. */
function symbolOf(pair: string): string {
  return pair.replaceAll('/', '-');
}

/**
 * Kraken's CRC32 of the best 10 asks, then bids: the digits of price and size at these scales, without point and
 * leading zeros. v1 and v2 agree where v1's strings have as many decimals.
 */
function checksum(book: VenueBook, { priceScale, sizeScale }: Scales): number {
  const textOf = ([price, size]: TextLevel) => checksumDigits(price, priceScale) + checksumDigits(size, sizeScale);
  return crc32(topOf(book).map(textOf).join(''));
}

function topOf<T>(book: { readonly asks: readonly T[]; readonly bids: readonly T[] }): T[] {
  return [...book.asks.slice(0, CHECKSUM_LEVELS), ...book.bids.slice(0, CHECKSUM_LEVELS)];
}

function checksumDigits(text: string, scale: number): string {
  const mantissa = parseDecimal(text, scale);
  return typeof mantissa === 'number' ? String(mantissa) : digitsAsSent(text);
}

function digitsAsSent(text: string): string {
  return text.replace('.', '').replace(/^0+/, '');
}

class KrakenSession implements VenueSession {
  readonly counts = { messages: 0, ignored: 0 };
  private readonly verify: boolean;
  private readonly markets = new Map<string, Market>();

  constructor(verify: boolean) {
    this.verify = verify;
  }

  read(message: string): FeedEvent[] {
    this.counts.messages++;
    const events: FeedEvent[] = [];
    let ignored = false;
    for (const reading of readFrame(message)) if (!this.take(reading, events)) ignored = true;
    if (ignored) this.counts.ignored++;
    return events;
  }

  /** Adds what the reading means to `events`. @returns false where it was left out. */
  private take(reading: Reading, events: FeedEvent[]): boolean {
    if (reading.kind === 'unreadable') return this.missed(reading.pair, events);
    const market = this.marketOf(reading.pair);
    if (market === null) return false;
    switch (reading.kind) {
      case 'book':
        return this.takeBook(market, reading, events);
      case 'trades':
        return takeTrades(market, reading, events);
      case 'precision':
        return takePrecision(market, reading, events);
      case 'depth':
        market.depthLevels = reading.depthLevels;
        return true;
    }
  }

  /** A message that can't be read may have changed this pair's book. */
  private missed(pair: string | null, events: FeedEvent[]): false {
    const market = pair === null ? undefined : this.markets.get(pair);
    return market?.following.kind === 'live' ? this.lose(market, 'unreadable book message', events) : false;
  }

  private marketOf(pair: string): Market | null {
    const known = this.markets.get(pair);
    if (known !== undefined) return known;
    const symbol = symbolOf(pair);
    if (!isSymbol(symbol)) return null;
    const market: Market = {
      symbol,
      definition: null,
      announced: false,
      declared: false,
      depthLevels: null,
      following: { kind: 'unseen' },
    };
    this.markets.set(pair, market);
    return market;
  }

  private takeBook(market: Market, reading: BookReading, events: FeedEvent[]): boolean {
    const { following } = market;
    if (!reading.snapshot && following.kind === 'lost') return false;
    if (!reading.snapshot && following.kind === 'unseen') return lose(market, 'update before a snapshot', events);
    const definition = fitted(market, [...reading.asks, ...reading.bids]);
    const book = reading.snapshot || definition === null ? emptyBook() : bookAt(market, definition);
    if (definition === null || book === null || !put(book, reading, definition)) {
      return this.lose(market, 'unreadable book message', events);
    }
    cut(book, reading.depthLevels ?? depthOf(market, reading));
    if (reading.checksum !== null && !this.verify && crcOf(book) !== reading.checksum) {
      return lose(market, 'checksum mismatch', events);
    }
    const restated = reading.snapshot || !sameScales(market.definition, definition);
    announce(market, definition, events);
    market.following = { kind: 'live', book, exchangeUs: reading.exchangeUs };
    const delta = { kind: 'delta', bids: book.bids.drain(), asks: book.asks.drain() } as const;
    const update: Update = restated ? snapshotOf(book) : delta;
    const { exchangeUs } = reading;
    events.push({ kind: 'update', symbol: market.symbol, update, exchangeUs, checksum: reading.checksum });
    return true;
  }

  /** Says that the book has to be had anew; it is followed no further, except where the caller counts the mismatches. */
  private lose(market: Market, reason: string, events: FeedEvent[]): false {
    if (!this.verify || market.following.kind !== 'live') return lose(market, reason, events);
    events.push({ kind: 'resync', symbol: market.symbol, reason });
    return false;
  }
}

function lose(market: Market, reason: string, events: FeedEvent[]): false {
  market.following = { kind: 'lost' };
  events.push({ kind: 'resync', symbol: market.symbol, reason });
  return false;
}

function takeTrades(market: Market, { trades }: TradeReading, events: FeedEvent[]): boolean {
  const definition = fitted(
    market,
    trades.map((trade) => [trade.price, trade.size]),
  );
  if (definition === null) return false;
  const updates: Trade[] = [];
  for (const trade of trades) {
    const update = tradeOf(trade, definition);
    if (update === null) return false;
    updates.push(update);
  }
  if (!moveTo(market, definition, events)) return false;
  updates.forEach((update, index) => {
    const { exchangeUs } = trades[index]!;
    events.push({ kind: 'update', symbol: market.symbol, update, exchangeUs, checksum: null });
  });
  return true;
}

function tradeOf({ id, side, price, size }: TextTrade, scales: Scales): Trade | null {
  const level = levelOf([price, size], scales, false);
  if (level === null || level.size === 0) return null;
  return { kind: 'trade', id, tradeKind: 'trade', side, price: level.price, size: level.size };
}

/** Pairs are announced with their first update, lest all that Kraken lists be listed here. */
function takePrecision(market: Market, reading: PrecisionReading, events: FeedEvent[]): boolean {
  const definition: InstrumentDefinition = {
    symbol: market.symbol,
    priceScale: reading.priceScale,
    sizeScale: reading.sizeScale,
    ...named('tickSize', mantissaOf(reading.priceIncrement, reading.priceScale)),
    ...named('lotSize', mantissaOf(reading.sizeIncrement, reading.sizeScale)),
  };
  market.declared = true;
  if (!market.announced) {
    market.definition = definition;
    return true;
  }
  if (!moveTo(market, definition, events)) {
    lose(market, 'precision below the digits of the book', events);
    announce(market, definition, events);
  }
  return true;
}

function named<K extends string>(name: K, value: number): { [key in K]?: number } {
  return value < 1 ? {} : ({ [name]: value } as { [key in K]: number });
}

/** 0 where the text is not a multiple of the scale's step. */
function mantissaOf(text: string | null, scale: number): number {
  const mantissa = text === null ? 0 : parseDecimal(text, scale);
  return typeof mantissa === 'number' ? mantissa : 0;
}

/** Moves to the definition, and the followed book with it. @returns false, and changes nothing, where that can't be exact. */
function moveTo(market: Market, definition: InstrumentDefinition, events: FeedEvent[]): boolean {
  const { following } = market;
  if (following.kind !== 'live' || sameScales(market.definition, definition)) {
    announce(market, definition, events);
    return true;
  }
  const book = bookAt(market, definition);
  if (book === null) return false;
  announce(market, definition, events);
  market.following = { ...following, book };
  const { exchangeUs } = following;
  events.push({ kind: 'update', symbol: market.symbol, update: snapshotOf(book), exchangeUs, checksum: null });
  return true;
}

function announce(market: Market, definition: InstrumentDefinition, events: FeedEvent[]): void {
  if (market.announced && market.definition !== null && sameDefinition(market.definition, definition)) return;
  market.definition = definition;
  market.announced = true;
  events.push({ kind: 'instrument', definition });
}

function sameScales(a: Scales | null, b: Scales): boolean {
  return a !== null && a.priceScale === b.priceScale && a.sizeScale === b.sizeScale;
}

function sameDefinition(a: InstrumentDefinition, b: InstrumentDefinition): boolean {
  return sameScales(a, b) && a.tickSize === b.tickSize && a.lotSize === b.lotSize;
}

/** The market's definition, at finer scales where these numbers have more decimals than it; null beyond all scales. */
function fitted(market: Market, levels: readonly TextLevel[]): InstrumentDefinition | null {
  const { definition, declared, symbol } = market;
  const decimalsOf = declared ? significantScaleOf : scaleOf;
  let priceScale = definition?.priceScale ?? 0;
  let sizeScale = definition?.sizeScale ?? 0;
  for (const [price, size] of levels) {
    priceScale = Math.max(priceScale, decimalsOf(price));
    sizeScale = Math.max(sizeScale, decimalsOf(size));
  }
  if (priceScale > SCALE_MAX || sizeScale > SCALE_MAX) return null;
  if (definition === null) return { symbol, priceScale, sizeScale };
  if (sameScales(definition, { priceScale, sizeScale })) return definition;
  return {
    symbol,
    priceScale,
    sizeScale,
    ...named('tickSize', rescale(definition.tickSize ?? 0, definition.priceScale, priceScale) ?? 0),
    ...named('lotSize', rescale(definition.lotSize ?? 0, definition.sizeScale, sizeScale) ?? 0),
  };
}

function significantScaleOf(text: string): number {
  return text.includes('.') ? scaleOf(text.replace(/0+$/, '')) : 0;
}

function emptyBook(): Book {
  return { bids: new Ladder('bid'), asks: new Ladder('ask') };
}

/** The followed book at other scales; null where there is none, or where it would not be exact. */
function bookAt({ following, definition }: Market, scales: Scales): Book | null {
  if (following.kind !== 'live' || definition === null) return null;
  if (sameScales(definition, scales)) return following.book;
  const move = (level: Level): Level | null => {
    const price = movedExactly(level.price, definition.priceScale, scales.priceScale);
    const size = movedExactly(level.size, definition.sizeScale, scales.sizeScale);
    return price === null || size === null ? null : { ...level, price, size };
  };
  const bids = following.book.bids.moved(move);
  const asks = following.book.asks.moved(move);
  return bids === null || asks === null ? null : { bids, asks };
}

function movedExactly(mantissa: number, fromScale: number, toScale: number): number | null {
  if (toScale >= fromScale) return rescale(mantissa, fromScale, toScale);
  const step = 10 ** (fromScale - toScale);
  return mantissa % step === 0 ? mantissa / step : null;
}

/** Puts all levels of the message, the last word on a price winning. @returns false, and changes nothing, if one is not exact. */
function put(book: Book, reading: BookReading, scales: Scales): boolean {
  const asks = reading.asks.map((level) => levelOf(level, scales, reading.checksumAsSent));
  const bids = reading.bids.map((level) => levelOf(level, scales, reading.checksumAsSent));
  if (!asks.every((level) => level !== null) || !bids.every((level) => level !== null)) return false;
  for (const level of asks) book.asks.put(level);
  for (const level of bids) book.bids.put(level);
  return true;
}

function levelOf([priceText, sizeText]: TextLevel, scales: Scales, checksumAsSent: boolean): Level | null {
  const price = parseDecimal(priceText, scales.priceScale);
  const size = parseDecimal(sizeText, scales.sizeScale);
  if (typeof price !== 'number' || typeof size !== 'number' || price <= 0 || size < 0) return null;
  const checksumText = checksumAsSent ? digitsAsSent(priceText) + digitsAsSent(sizeText) : null;
  return { price, size, orders: 0, checksumText };
}

/** Kraken sends no removal for a level that falls out of the depth: whoever follows it has to remove it. */
function cut(book: Book, depthLevels: number): void {
  book.bids.cut(depthLevels);
  book.asks.cut(depthLevels);
}

/** The subscribed depth; where nobody said it, the least one on offer that the snapshots fitted into. */
function depthOf(market: Market, { snapshot, asks, bids }: BookReading): number {
  const longest = Math.max(asks.length, bids.length, 1);
  if (snapshot && longest > (market.depthLevels ?? 0)) {
    market.depthLevels = DEPTHS_OFFERED.find((depth) => longest <= depth) ?? longest;
  }
  return market.depthLevels ?? longest;
}

function snapshotOf(book: Book): BookSnapshot {
  return { kind: 'snapshot', bids: book.bids.flat(), asks: book.asks.flat() };
}

function crcOf({ bids, asks }: Book): number {
  const top = topOf({ bids: bids.levels, asks: asks.levels });
  return crc32(top.map((level) => level.checksumText ?? `${level.price}${level.size}`).join(''));
}
