// Owns the states that users of the client see, made from what the stream holds. The lines make one per change that is looked at.
// Invariant: a state never changes once it was given out.

import type { LadderLevel } from '../market/ladder.ts';
import type {
  AggressorSide,
  BookFrame,
  QuoteFrame,
  Stamp,
  Status,
  StatusFrame,
  TradeFrame,
  TradeKind,
} from '../protocol/frames.ts';
import type { Held } from './stream.ts';

/** What every state and trade says. Times are microseconds since 1970. Prices and sizes are integers: value = mantissa / 10^scale. */
export interface Described {
  readonly symbol: string;
  /** Number of the update within its topic. */
  readonly seq: number;
  /** By the exchange's clock; null where the source has no time. */
  readonly exchangeUs: number | null;
  /** When the update got its number. */
  readonly publishUs: number;
  /** When the gateway made the frame. */
  readonly gatewayUs: number;
  /** When it arrived, by this machine's clock. */
  readonly receivedUs: number;
  readonly priceScale: number;
  readonly sizeScale: number;
}

/** How the gateway sees a topic, and the age of its last update then; null as long as it has not said anything. */
export type Health = { readonly status: Status; readonly ageMs: number } | null;

/** A price with the total size of the orders there. */
export interface Level {
  readonly price: number;
  readonly size: number;
  /** Number of orders, where the source has it. */
  readonly orders?: number;
}

/** A book at one update. */
export interface BookState extends Described {
  /** Best first. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  /** Levels a side that are held at most; 0: all. */
  readonly depth: number;
  /** Of the levels held, as proto/frames.md defines it; it was compared with the gateway's. */
  readonly checksum: number;
  readonly health: Health;
}

/** The best bid and the best offer. */
export interface QuoteState extends Described {
  /** Null: there is no bid. */
  readonly bidPrice: number | null;
  readonly bidSize: number;
  /** Null: there is no offer. */
  readonly askPrice: number | null;
  readonly askSize: number;
  readonly health: Health;
}

/** What is known of the market itself. */
export interface StatusState extends Described {
  readonly status: Status;
  readonly reason: string | null;
  readonly health: Health;
}

/** One trade, or news of an earlier one. */
export interface Trade extends Described {
  /** The exchange's. */
  readonly id: number | string;
  /** A `correction` carries the id of an earlier trade with its new price and size; a `bust` voids that trade. */
  readonly kind: TradeKind;
  /** Of the aggressor. */
  readonly side: AggressorSide;
  readonly price: number;
  readonly size: number;
}

export function bookState(held: Held, frame: BookFrame, receivedUs: number): BookState {
  const book = held.book!;
  const counted = held.topic.stride === 3;
  return {
    ...described(held, frame, receivedUs),
    bids: bestFirst(book.bids, counted),
    asks: bestFirst(book.asks, counted),
    depth: book.depth,
    checksum: book.checksum,
    health: healthOf(held),
  };
}

export function quoteState(held: Held, frame: QuoteFrame, receivedUs: number): QuoteState {
  const { bidPrice, bidSize, askPrice, askSize } = frame;
  return { ...described(held, frame, receivedUs), bidPrice, bidSize, askPrice, askSize, health: healthOf(held) };
}

export function statusState(held: Held, frame: StatusFrame, receivedUs: number): StatusState {
  const { status, reason } = frame;
  return { ...described(held, frame, receivedUs), status, reason, health: healthOf(held) };
}

export function tradeOf(held: Held, frame: TradeFrame, receivedUs: number): Trade {
  const { id, kind, side, price, size } = frame;
  return { ...described(held, frame, receivedUs), id, kind, side, price, size };
}

function described({ topic }: Held, frame: Stamp, receivedUs: number): Described {
  const { symbol, priceScale, sizeScale } = topic;
  const { seq, exchangeUs, publishUs, gatewayUs } = frame;
  return { symbol, seq, exchangeUs, publishUs, gatewayUs, receivedUs, priceScale, sizeScale };
}

function healthOf({ health }: Held): Health {
  return health === null ? null : { status: health.status, ageMs: health.ageMs };
}

function bestFirst(levels: readonly LadderLevel[], counted: boolean): Level[] {
  const out: Level[] = [];
  for (let i = levels.length - 1; i >= 0; i--) {
    const { price, size, count } = levels[i]!;
    out.push(counted ? { price, size, orders: count } : { price, size });
  }
  return out;
}
