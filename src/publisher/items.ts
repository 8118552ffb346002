// Owns what publishers hand in, and its way onto the wire: mantissas are unwrapped and the item becomes MessagePack.
// The publisher calls it for each item. Invariant: an item that is encoded can't spoil the message that it travels in.

import { fault } from '../protocol/errors.ts';
import type { AggressorSide, TradeKind } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { type PublishError, publishError, refusedBy } from './refusal.ts';

/**
 * A price or a size: a decimal string, `'65000.5'`, or the integer mantissa at the instrument's scale. Never a plain number:
 * it would not say which of the two it is.
 */
export type Decimal = string | { readonly mantissa: number };

/** Price, size (0 removes the level) and, where the instrument has them, the count of orders. */
export type Level = readonly [price: Decimal, size: Decimal] | readonly [price: Decimal, size: Decimal, orders: number];

export interface Stamps {
  /** The exchange's time, microseconds since 1970. */
  readonly exchangeUs?: number | null | undefined;
  /**
   * An idempotency key of 1 to 64 characters: of items with the same key on the same topic only the first is applied, and all are answered with its
   * place, as long as it is among the newest 1,024 keys of the topic. With one, what ended as `unknown-outcome` may be published again.
   */
  readonly key?: string | undefined;
  /** The token of the lease under which it is published. */
  readonly lease?: number | undefined;
}
interface Common extends Stamps {
  readonly symbol: string;
}

export interface Sides {
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}
export interface BidAndAsk {
  /** Null: nobody bids. */
  readonly bidPrice: Decimal | null;
  readonly bidSize?: Decimal | undefined;
  /** Null: nobody offers. */
  readonly askPrice: Decimal | null;
  readonly askSize?: Decimal | undefined;
}
export interface Execution {
  /** The exchange's id; without one the sequence number stands for it. */
  readonly id?: number | string | undefined;
  /** Who took liquidity; `unknown` where nothing is said. */
  readonly side?: AggressorSide | undefined;
  readonly price: Decimal;
  readonly size: Decimal;
}
export type PublishedStatus = 'live' | 'crossed' | 'halted' | 'source-down';

/** An item as of `POST /v1/publish`. */
export type PublishItem = Common &
  (
    | ({ readonly type: 'snapshot' } & Sides)
    | ({ readonly type: 'delta' } & Partial<Sides>)
    | ({ readonly type: 'quote' } & BidAndAsk)
    | ({ readonly type: 'trade'; readonly kind?: TradeKind | undefined } & Execution)
    | { readonly type: 'status'; readonly status: PublishedStatus; readonly reason?: string | null | undefined }
  );

/** More fields than any item has, and deeper than any level is. */
const FIELDS_MAX = 32;
const NESTING_MAX = 4;

const PRICES = new Set(['price', 'bidPrice', 'askPrice']);
const SIZES = new Set(['size', 'bidSize', 'askSize']);
const LEVELS = new Set(['bids', 'asks']);

const writer = new ByteWriter();

/** The item in MessagePack; an error where it can't be what any gateway takes. The gateway judges the rest. */
export function encodeItem(item: PublishItem): Uint8Array | PublishError {
  const symbol = symbolOf(item);
  try {
    writer.length = 0;
    writer.value(wireItem(item));
    return writer.copy();
  } catch (error) {
    if (error instanceof Unfit) return refusedBy(fault(error.code, error.message), symbol);
    return publishError('bad-request', symbol, error instanceof Error ? error.message : String(error));
  }
}

/** The symbol of an item that may be anything. */
export function symbolOf(item: unknown): string | null {
  const symbol = typeof item === 'object' && item !== null ? (item as { symbol?: unknown }).symbol : undefined;
  return typeof symbol === 'string' ? symbol : null;
}

/** Whether an item, which may be anything, is of a book. */
export function isOfBook(item: unknown): boolean {
  const type = typeof item === 'object' && item !== null ? (item as { type?: unknown }).type : undefined;
  return type === 'snapshot' || type === 'delta';
}

/** What is wrong with a value, inside of `encodeItem`. */
class Unfit extends Error {
  constructor(
    readonly code: 'bad-request' | 'bad-price' | 'bad-size' | 'out-of-range',
    detail: string,
  ) {
    super(detail);
  }
}

function wireItem(item: unknown): object {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw new Unfit('bad-request', 'an item is an object');
  // What is undefined is not said.
  const fields = Object.entries(item).filter(([, value]) => value !== undefined);
  if (fields.length > FIELDS_MAX) throw new Unfit('bad-request', `${fields.length} fields`);
  return Object.fromEntries(fields.map(([name, value]) => [name, wireField(name, value)]));
}

function wireField(name: string, value: unknown): unknown {
  if (PRICES.has(name)) return wireNumber(value, 'bad-price');
  if (SIZES.has(name)) return wireNumber(value, 'bad-size');
  if (LEVELS.has(name) && Array.isArray(value)) return value.map(wireLevel);
  return checked(value, 1);
}

function wireLevel(level: unknown): unknown {
  if (!Array.isArray(level)) return checked(level, 2);
  const [price, size, ...rest] = level as unknown[];
  const numbers = level.length < 2 ? level : [wireNumber(price, 'bad-price'), wireNumber(size, 'bad-size'), ...rest];
  return checked(numbers, 2);
}

function wireNumber(value: unknown, code: 'bad-price' | 'bad-size'): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') {
    throw new Unfit(code, `${value}: a decimal is a string, "${value}", or { mantissa: ... }`);
  }
  if (typeof value !== 'object' || value === null) return value;
  const { mantissa } = value as { mantissa?: unknown };
  if (Number.isSafeInteger(mantissa)) return mantissa;
  throw new Unfit(
    Number.isInteger(mantissa) ? 'out-of-range' : code,
    `a mantissa is an integer, not ${shown(mantissa)}`,
  );
}

function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 40);
}

/** Lets only through what a message can carry; the gateway refuses a message as a whole that nests too deep. */
function checked(value: unknown, nesting: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (nesting >= NESTING_MAX) throw new Unfit('bad-request', 'values are nested too deep');
  const members = Object.values(value);
  if (!Array.isArray(value) && members.length > FIELDS_MAX) throw new Unfit('bad-request', `${members.length} fields`);
  for (const member of members) checked(member, nesting + 1);
  return value;
}
