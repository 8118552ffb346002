// Owns how the make-believe exchange speaks: what each venue's requests mean, and its frames, as their public documents show
// them. Shares no code with the adapters that read them.

import type { NaiveKrakenBook } from './naive.ts';
import type { BookStep, TextLevels, TradeStep } from './tapes.ts';

/** What a client's message asks for. */
export interface Asked {
  /** Symbols whose book is to begin, with a snapshot where the venue sends one. */
  readonly begin?: readonly string[];
  readonly end?: readonly string[];
  /** Messages that answer it before anything else. */
  readonly replies?: readonly string[];
}

/** A client's request, in whichever dialect. */
export interface Request {
  readonly method?: string;
  readonly params?: unknown;
  readonly event?: string;
  readonly pair?: readonly string[];
  readonly subscription?: { readonly name: string; readonly depth?: number };
  readonly type?: string;
  readonly product_ids?: readonly string[];
  readonly channels?: readonly string[];
  readonly id?: number;
}

/** One book as the server keeps it. */
export interface ServedBook {
  readonly book: NaiveKrakenBook;
  /** What a subscriber holds who heard what was sent and nothing else. */
  told: NaiveKrakenBook;
  /** Changes so far. */
  updates: number;
  trades: number;
}

/** By the venue's symbols. */
export type Books = ReadonlyMap<string, ServedBook>;

export interface Dialect {
  /** Of the WebSocket endpoint. */
  readonly path: string;
  /** Levels a side that the venue keeps; Infinity: all. */
  readonly depthLevels: number;
  ask(message: Request, books: Books): Asked;
  /** Null where it is had by HTTP. */
  snapshot(symbol: string, served: ServedBook): string | null;
  /** The change that led to `served`. @param checksumError added to the checksum, where there is one. */
  change(step: BookStep, served: ServedBook, checksumError: number): string;
  trade(step: TradeStep, served: ServedBook): string | null;
  /** Null where there is nothing at that address. */
  http(path: string, books: Books): string | null;
}

const DEPTH = 1_000;
const TIME = '2026-01-02T03:04:05.678901Z';

/** A number of JSON, without the zeros that no float would keep. */
function bare(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function decimalsOf(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.split('.')[1]?.length ?? 0));
}

function scalesOf({ book }: ServedBook): { price: number; size: number } {
  const levels = [...book.bids, ...book.asks];
  return { price: decimalsOf(levels.map(([price]) => price)), size: decimalsOf(levels.map(([, size]) => size)) };
}

function v2Book(type: string, symbol: string, sides: { bids: TextLevels; asks: TextLevels }, checksum: number): string {
  const side = (levels: TextLevels) =>
    `[${levels.map(([price, size]) => `{"price":${bare(price)},"qty":${bare(size)}}`).join(',')}]`;
  const body = `"bids":${side(sides.bids)},"asks":${side(sides.asks)},"checksum":${checksum},"timestamp":"${TIME}"`;
  return `{"channel":"book","type":"${type}","data":[{"symbol":"${symbol}",${body}}]}`;
}

function wrong(checksum: number, error: number): number {
  return (checksum + error) % 2 ** 32;
}

export const krakenV2: Dialect = {
  path: '/v2',
  depthLevels: DEPTH,
  ask: ({ method, params }, books) => {
    if (method === 'ping') return { replies: ['{"method":"pong"}'] };
    const { channel, symbol = [], depth } = params as { channel: string; symbol?: string[]; depth?: number };
    const done = (result: object) => JSON.stringify({ method, result, success: true, time_in: TIME, time_out: TIME });
    if (channel === 'instrument') {
      const pairs = [...books].map(pairOf).join(',');
      return {
        replies: [
          done({ channel, snapshot: true }),
          `{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[${pairs}]}}`,
        ],
      };
    }
    const unknown = symbol.filter((each) => !books.has(each));
    const refusals = unknown.map((each) =>
      JSON.stringify({ error: `Currency pair not supported ${each}`, method, success: false, symbol: each }),
    );
    const known = symbol.filter((each) => books.has(each));
    if (channel !== 'book') return { replies: [...refusals, ...known.map((each) => done({ channel, symbol: each }))] };
    if (depth !== DEPTH) throw new Error(`a depth of ${depth}, where the tape has ${DEPTH}`);
    const replies = [...refusals, ...known.map((each) => done({ channel, symbol: each, depth }))];
    return method === 'subscribe' ? { begin: known, replies } : { end: known, replies };
  },
  snapshot: (symbol, { book }) =>
    v2Book('snapshot', symbol, { bids: book.sortedBids(), asks: book.sortedAsks() }, book.checksum()),
  change: (step, { book }, error) => v2Book('update', step.symbol, step, wrong(book.checksum(), error)),
  trade: ({ symbol, side, price, size }, { trades }) =>
    `{"channel":"trade","type":"update","data":[{"symbol":"${symbol}","side":"${side}","price":${bare(price)},"qty":${bare(size)},"ord_type":"limit","trade_id":${trades},"timestamp":"${TIME}"}]}`,
  http: () => null,
};

/** What the instrument channel says of a pair. */
function pairOf([symbol, served]: readonly [string, ServedBook]): string {
  const { price, size } = scalesOf(served);
  const increments = `"price_increment":1e-${price},"qty_increment":1e-${size}`;
  return `{"symbol":"${symbol}","status":"online","price_precision":${price},"qty_precision":${size},${increments}}`;
}

export const krakenV1: Dialect = {
  path: '/',
  depthLevels: DEPTH,
  ask: ({ event, pair, subscription }, books) => {
    if (event === 'ping') return { replies: ['{"event":"pong"}'] };
    const { name, depth } = subscription!;
    const pairs = pair!.filter((each) => books.has(each));
    const status = event === 'subscribe' ? 'subscribed' : 'unsubscribed';
    const channelName = name === 'book' ? `book-${depth}` : name;
    const replies = pairs.map((each) =>
      JSON.stringify({ channelID: 7, channelName, event: 'subscriptionStatus', pair: each, status, subscription }),
    );
    if (name !== 'book') return { replies };
    if (depth !== DEPTH) throw new Error(`a depth of ${depth}, where the tape has ${DEPTH}`);
    return event === 'subscribe' ? { begin: pairs, replies } : { end: pairs, replies };
  },
  snapshot: (pair, { book }) => {
    const side = (levels: TextLevels) => levels.map((level) => [...level, '1700000000.123456']);
    return JSON.stringify([7, { as: side(book.sortedAsks()), bs: side(book.sortedBids()) }, `book-${DEPTH}`, pair]);
  },
  change: ({ symbol, bids, asks }, { book }, error) => {
    const side = (levels: TextLevels) => levels.map((level) => [...level, '1700000000.123456']);
    const parts: Record<string, unknown>[] = [];
    if (asks.length > 0) parts.push({ a: side(asks) });
    if (bids.length > 0) parts.push({ b: side(bids) });
    parts.at(-1)!.c = String(wrong(book.checksum(), error));
    return JSON.stringify([7, ...parts, `book-${DEPTH}`, symbol]);
  },
  trade: ({ symbol, side, price, size }) =>
    JSON.stringify([7, [[price, size, '1700000000.123456', side === 'buy' ? 'b' : 's', 'm', '']], 'trade', symbol]),
  http: () => null,
};

function match(type: string, { symbol, side, price, size }: TradeStep, id: number): string {
  const makerSide = side === 'buy' ? 'sell' : 'buy';
  const ids = { trade_id: id, sequence: 1_000 + id, maker_order_id: 'm', taker_order_id: 't' };
  return JSON.stringify({ type, ...ids, side: makerSide, size, price, product_id: symbol, time: TIME });
}

/** Upon a subscription the exchange says its last trade. */
function lastMatch(symbol: string, books: Books): string {
  const { book, trades } = books.get(symbol)!;
  const [[price, size]] = book.sortedAsks() as [[string, string]];
  return match('last_match', { kind: 'trade', symbol, side: 'buy', price, size }, trades);
}

export const coinbaseExchange: Dialect = {
  path: '/',
  depthLevels: Number.POSITIVE_INFINITY,
  ask: ({ type, product_ids, channels }, books) => {
    const named = channels!;
    const products = product_ids!.filter((each) => books.has(each));
    const replies = [
      JSON.stringify({ type: 'subscriptions', channels: named.map((name) => ({ name, product_ids: products })) }),
    ];
    const last =
      named.includes('matches') && type === 'subscribe' ? products.map((each) => lastMatch(each, books)) : [];
    replies.push(...last);
    if (!named.includes('level2_batch')) return { replies };
    return type === 'subscribe' ? { begin: products, replies } : { end: products, replies };
  },
  snapshot: (product_id, { book }) =>
    JSON.stringify({ type: 'snapshot', product_id, bids: book.sortedBids(), asks: book.sortedAsks(), time: TIME }),
  change: ({ symbol, bids, asks }) => {
    const changes = [
      ...bids.map(([price, size]) => ['buy', price, size]),
      ...asks.map(([price, size]) => ['sell', price, size]),
    ];
    return JSON.stringify({ type: 'l2update', product_id: symbol, changes, time: TIME });
  },
  trade: (step, { trades }) => match('match', step, trades),
  http: (path, books) => {
    if (path !== '/products') return null;
    const products = [...books].map(([id, served]) => {
      const { price, size } = scalesOf(served);
      return { id, quote_increment: (10 ** -price).toFixed(price), base_increment: (10 ** -size).toFixed(size) };
    });
    return JSON.stringify(products);
  },
};

export const binanceSpot: Dialect = {
  path: '/stream',
  depthLevels: Number.POSITIVE_INFINITY,
  ask: ({ method, params, id }, books) => {
    const names = (params as string[]).filter((stream) => stream.endsWith('@depth@100ms'));
    const begin = [...books.keys()].filter((symbol) => names.includes(`${symbol.toLowerCase()}@depth@100ms`));
    const replies = [JSON.stringify({ result: null, id })];
    return method === 'SUBSCRIBE' ? { begin, replies } : { end: begin, replies };
  },
  snapshot: () => null,
  change: ({ symbol, bids, asks }, { updates }) => {
    const data = { e: 'depthUpdate', E: 1_700_000_000_000, s: symbol, U: updates * 2 - 1, u: updates * 2 };
    return JSON.stringify({ stream: `${symbol.toLowerCase()}@depth@100ms`, data: { ...data, b: bids, a: asks } });
  },
  trade: ({ symbol, side, price, size }, { trades }) => {
    const data = { e: 'trade', E: 1_700_000_000_000, s: symbol, t: trades, p: price, q: size };
    return JSON.stringify({
      stream: `${symbol.toLowerCase()}@trade`,
      data: { ...data, T: 1_700_000_000_000, m: side === 'sell', M: true },
    });
  },
  http: (path, books) => {
    const { pathname, searchParams } = new URL(path, 'http://localhost');
    if (pathname === '/api/v3/exchangeInfo') {
      const symbols = (JSON.parse(searchParams.get('symbols')!) as string[]).map((symbol) => {
        const { price, size } = scalesOf(books.get(symbol)!);
        const filters = [
          { filterType: 'PRICE_FILTER', tickSize: (10 ** -price).toFixed(price) },
          { filterType: 'LOT_SIZE', stepSize: (10 ** -size).toFixed(size) },
        ];
        return { symbol, filters };
      });
      return JSON.stringify({ timezone: 'UTC', symbols });
    }
    const served = books.get(searchParams.get('symbol') ?? '');
    if (pathname !== '/api/v3/depth' || served === undefined) return null;
    const { book, updates } = served;
    return JSON.stringify({ lastUpdateId: updates * 2, bids: book.sortedBids(), asks: book.sortedAsks() });
  },
};
