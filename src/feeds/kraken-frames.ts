// Owns the grammar of Kraken's public frames: arrays and events of WebSocket 1.x, objects of v2. The adapter calls it.
// Knows no book and no state. Invariant: decimals stay text from the wire to here; nothing passes through a float.

import { parse } from 'lossless-json';
import { SCALE_MAX } from '../protocol/decimal.ts';
import type { AggressorSide } from '../protocol/frames.ts';
import { rfc3339ToUs, secondsToUs } from './timestamp.ts';

/** Plain decimals: digits and at most one point. */
export type TextLevel = readonly [price: string, size: string];

export interface BookReading {
  readonly kind: 'book';
  readonly pair: string;
  readonly snapshot: boolean;
  /** The subscribed depth, where the frame names it (v1 does). */
  readonly depthLevels: number | null;
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
  readonly checksum: number | null;
  /** Newest time in the frame. */
  readonly exchangeUs: number | null;
  /** v1: the checksum is over the texts as sent. v2: over the numbers at the instrument's precisions. */
  readonly checksumAsSent: boolean;
}
export interface TradeReading {
  readonly kind: 'trades';
  readonly pair: string;
  readonly trades: readonly TextTrade[];
}
export interface TextTrade {
  readonly id: number | string | null;
  readonly side: AggressorSide;
  readonly price: string;
  readonly size: string;
  readonly exchangeUs: number | null;
}
/** What v2's instrument channel says of a pair. */
export interface PrecisionReading {
  readonly kind: 'precision';
  readonly pair: string;
  readonly priceScale: number;
  readonly sizeScale: number;
  readonly priceIncrement: string | null;
  readonly sizeIncrement: string | null;
}
/** v2 names the depth in the answer to the subscription only. */
export interface DepthReading {
  readonly kind: 'depth';
  readonly pair: string;
  readonly depthLevels: number;
}
/** Malformed, or of a channel that is not read. `pair` is set where a change of its book may have been in it. */
export interface UnreadableReading {
  readonly kind: 'unreadable';
  readonly pair: string | null;
}
export type Reading = BookReading | TradeReading | PrecisionReading | DepthReading | UnreadableReading;

type Fields = Readonly<Record<string, unknown>>;

const DECIMAL = /^(\d{1,20})(?:\.(\d{1,20}))?(?:[eE]([+-]?\d{1,2}))?$/;
const BOOK_CHANNEL = /^book-([1-9]\d{0,4})$/;
const CHECKSUM_MAX = 0xffff_ffff;

/** Events of v1 that are understood and change no market. */
const QUIET_EVENTS: ReadonlySet<unknown> = new Set(['heartbeat', 'systemStatus', 'subscriptionStatus', 'pong']);
/** Likewise, channels of v2. */
const QUIET_CHANNELS: ReadonlySet<unknown> = new Set(['heartbeat', 'status']);
const QUIET_METHODS: ReadonlySet<unknown> = new Set(['subscribe', 'unsubscribe', 'pong']);

/** What a frame says, in order; nothing for heartbeats, acknowledgements and the like. Never throws. */
export function readFrame(text: string): Reading[] {
  const message = parseFrame(text);
  if (Array.isArray(message)) return [readArray(message)];
  return isFields(message) ? readObject(message) : [unreadable(null)];
}

/** v1 sends its decimals as strings and arrays around them; only v2's bare numbers need the lossless parser. */
function parseFrame(text: string): unknown {
  try {
    return text.startsWith('[') ? JSON.parse(text) : parse(text, null, (digits) => digits);
  } catch {
    return null;
  }
}

function readArray(message: readonly unknown[]): Reading {
  const [channel, pair] = message.slice(-2);
  if (typeof channel !== 'string' || typeof pair !== 'string') return unreadable(null);
  const payloads = message.slice(1, -2);
  const depth = BOOK_CHANNEL.exec(channel);
  if (depth !== null) return readBookArray(pair, Number(depth[1]), payloads);
  return channel === 'trade' ? readTradeArray(pair, payloads[0]) : unreadable(null);
}

/** One or two objects: `as` and `bs` are a snapshot's sides, `a` and `b` an update's; `c` is in the last one. */
function readBookArray(pair: string, depthLevels: number, payloads: readonly unknown[]): Reading {
  if (!payloads.every(isFields)) return unreadable(pair);
  const asks = gather(payloads, ['as', 'a']);
  const bids = gather(payloads, ['bs', 'b']);
  return bookReading(
    { pair, snapshot: payloads.some((fields) => 'as' in fields || 'bs' in fields), depthLevels, checksumAsSent: true },
    { asks, bids, checksum: gather(payloads, ['c'])?.at(-1), exchangeUs: newestUs(asks, newestUs(bids, null)) },
    levelOfArray,
  );
}

/** The lists of these names, joined; undefined where there is none. */
function gather(payloads: readonly Fields[], names: readonly string[]): unknown[] | undefined {
  const found = payloads.flatMap((fields) => names.filter((name) => name in fields).map((name) => fields[name]));
  return found.length === 0 ? undefined : found.flat();
}

function levelOfArray(entry: unknown): TextLevel | null {
  return Array.isArray(entry) ? textLevel(entry[0], entry[1]) : null;
}

function newestUs(entries: readonly unknown[] = [], floorUs: number | null): number | null {
  let newest = floorUs;
  for (const entry of entries) {
    const timeUs = Array.isArray(entry) && typeof entry[2] === 'string' ? secondsToUs(entry[2]) : null;
    if (timeUs !== null && (newest === null || timeUs > newest)) newest = timeUs;
  }
  return newest;
}

function readTradeArray(pair: string, entries: unknown): Reading {
  const trades = all(entries, tradeOfArray);
  return trades === null ? unreadable(null) : { kind: 'trades', pair, trades };
}

function tradeOfArray(entry: unknown): TextTrade | null {
  if (!Array.isArray(entry)) return null;
  const [price, size, time, side] = entry;
  return textTrade(textLevel(price, size), {
    id: null,
    side: side === 'b' ? 'buy' : side === 's' ? 'sell' : 'unknown',
    exchangeUs: typeof time === 'string' ? secondsToUs(time) : null,
  });
}

function readObject(message: Fields): Reading[] {
  if (message.event !== undefined) return QUIET_EVENTS.has(message.event) ? [] : [unreadable(null)];
  if (message.method !== undefined) return readAnswer(message);
  const { channel, data } = message;
  if (QUIET_CHANNELS.has(channel)) return [];
  if (channel === 'instrument') return readEntries(isFields(data) ? data.pairs : null, readPrecision);
  if (channel === 'trade') return readEntries(data, readTradeObject);
  if (channel === 'book') return readEntries(data, (entry) => readBookObject(entry, message.type));
  return [unreadable(null)];
}

function readAnswer({ method, result }: Fields): Reading[] {
  if (!QUIET_METHODS.has(method)) return [unreadable(null)];
  if (method !== 'subscribe' || !isFields(result) || result.channel !== 'book') return [];
  const { symbol, depth } = result;
  const depthLevels = typeof depth === 'string' ? Number(depth) : 0;
  if (typeof symbol !== 'string' || !Number.isSafeInteger(depthLevels) || depthLevels < 1) return [unreadable(null)];
  return [{ kind: 'depth', pair: symbol, depthLevels }];
}

function readEntries(entries: unknown, read: (entry: Fields) => Reading): Reading[] {
  if (!Array.isArray(entries)) return [unreadable(null)];
  return entries.map((entry) => (isFields(entry) ? read(entry) : unreadable(null)));
}

function readBookObject(entry: Fields, type: unknown): Reading {
  const { symbol, asks, bids, checksum, timestamp } = entry;
  if (typeof symbol !== 'string') return unreadable(null);
  if (type !== 'snapshot' && type !== 'update') return unreadable(symbol);
  return bookReading(
    { pair: symbol, snapshot: type === 'snapshot', depthLevels: null, checksumAsSent: false },
    { asks, bids, checksum, exchangeUs: typeof timestamp === 'string' ? rfc3339ToUs(timestamp) : null },
    levelOfObject,
  );
}

function levelOfObject(entry: unknown): TextLevel | null {
  return isFields(entry) ? textLevel(entry.price, entry.qty) : null;
}

function readTradeObject(entry: Fields): Reading {
  const { symbol, price, qty, side, trade_id: id, timestamp } = entry;
  const trade = textTrade(textLevel(price, qty), {
    id: typeof id === 'string' ? readTradeId(id) : null,
    side: side === 'buy' || side === 'sell' ? side : 'unknown',
    exchangeUs: typeof timestamp === 'string' ? rfc3339ToUs(timestamp) : null,
  });
  if (typeof symbol !== 'string' || trade === null) return unreadable(null);
  return { kind: 'trades', pair: symbol, trades: [trade] };
}

function readTradeId(digits: string): number | string {
  const id = Number(digits);
  return Number.isSafeInteger(id) && String(id) === digits ? id : digits;
}

function readPrecision(entry: Fields): Reading {
  const { symbol, price_precision, qty_precision, price_increment, qty_increment } = entry;
  const priceScale = readScale(price_precision);
  const sizeScale = readScale(qty_precision);
  if (typeof symbol !== 'string' || priceScale === null || sizeScale === null) return unreadable(null);
  return {
    kind: 'precision',
    pair: symbol,
    priceScale,
    sizeScale,
    priceIncrement: plainDecimal(price_increment),
    sizeIncrement: plainDecimal(qty_increment),
  };
}

function readScale(digits: unknown): number | null {
  const scale = typeof digits === 'string' && /^\d{1,2}$/.test(digits) ? Number(digits) : SCALE_MAX + 1;
  return scale <= SCALE_MAX ? scale : null;
}

type BookHead = Pick<BookReading, 'pair' | 'snapshot' | 'depthLevels' | 'checksumAsSent'>;
interface BookBody {
  readonly asks: unknown;
  readonly bids: unknown;
  readonly checksum: unknown;
  readonly exchangeUs: number | null;
}

/** A side that is not named is empty, but one of them must be; everything in them must be readable. */
function bookReading(head: BookHead, body: BookBody, levelOf: (entry: unknown) => TextLevel | null): Reading {
  const asks = all(body.asks ?? [], levelOf);
  const bids = all(body.bids ?? [], levelOf);
  const checksum = body.checksum === undefined ? null : readChecksum(body.checksum);
  const sidesMissing = body.asks === undefined && body.bids === undefined;
  if (asks === null || bids === null || checksum === undefined || sidesMissing) return unreadable(head.pair);
  return { kind: 'book', ...head, asks, bids, checksum, exchangeUs: body.exchangeUs };
}

function readChecksum(digits: unknown): number | undefined {
  const checksum = typeof digits === 'string' && /^\d{1,10}$/.test(digits) ? Number(digits) : CHECKSUM_MAX + 1;
  return checksum <= CHECKSUM_MAX ? checksum : undefined;
}

function textLevel(price: unknown, size: unknown): TextLevel | null {
  const priceText = plainDecimal(price);
  const sizeText = plainDecimal(size);
  return priceText === null || sizeText === null ? null : [priceText, sizeText];
}

function textTrade(level: TextLevel | null, rest: Omit<TextTrade, 'price' | 'size'>): TextTrade | null {
  return level === null ? null : { ...rest, price: level[0], size: level[1] };
}

/** The decimal without an exponent ("1e-08" is "0.00000001"); null where the text is not one, or has a sign. */
function plainDecimal(text: unknown): string | null {
  const match = typeof text === 'string' ? DECIMAL.exec(text) : null;
  if (match === null) return null;
  const [plain, whole = '', fraction = '', exponentDigits] = match;
  if (exponentDigits === undefined) return plain;
  const exponent = Number(exponentDigits);
  const digits = '0'.repeat(Math.max(0, -exponent)) + whole + fraction.padEnd(Math.max(0, exponent), '0');
  const point = Math.max(0, -exponent) + whole.length + exponent;
  const decimals = digits.slice(point);
  return `${digits.slice(0, point).replace(/^0+(?=\d)/, '')}${decimals === '' ? '' : `.${decimals}`}`;
}

/** Every entry read, or null if there is one that can't be. */
function all<T>(entries: unknown, read: (entry: unknown) => T | null): T[] | null {
  if (!Array.isArray(entries)) return null;
  const results: T[] = [];
  for (const entry of entries) {
    const result = read(entry);
    if (result === null) return null;
    results.push(result);
  }
  return results;
}

function unreadable(pair: string | null): UnreadableReading {
  return { kind: 'unreadable', pair };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
