// Owns the taking of what publishers send: items with decimals become updates in mantissas and go to the bus. Called by the HTTP
// endpoint and the publishers' stream, so that both answer alike. Invariant: an item becomes one whole update, or a fault that
// names the field; no number is ever rounded; nothing is published that its publisher may not.

import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Bus, Publication } from '../bus/bus.ts';
import type { Instrument, Instruments } from '../market/instrument.ts';
import type { Update, UpdateChannel } from '../market/update.ts';
import { parseDecimal } from '../protocol/decimal.ts';
import { type ErrorCode, type Fault, fault } from '../protocol/errors.ts';
import { SIDES, STATUSES, TRADE_KINDS } from '../protocol/frames.ts';
import type { PublishResult } from '../protocol/publishing.ts';
import type { Identity } from '../sessions/access.ts';
import { count } from '../sessions/counters.ts';
import { FULL_GRANT, type Grant } from '../sessions/grant.ts';
import type { PublishRate } from './publish-rate.ts';

/**
 * A decimal string, or (MessagePack only) an integer mantissa at the instrument's scale. Other numbers are let through to
 * here, so that they are refused with what should be sent; integers beyond 2^53 come as BigInt.
 */
const number = Type.Union([Type.String({ maxLength: 64 }), Type.Number(), Type.BigInt()]);
const whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const level = Type.Union([Type.Tuple([number, number]), Type.Tuple([number, number, whole])]);
const levels = Type.Array(level);
const common = {
  symbol: Type.String({ maxLength: 64 }),
  exchangeUs: Type.Optional(Type.Union([whole, Type.Null()])),
  key: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  lease: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
};
const nullable = Type.Union([number, Type.Null()]);
const strict = { additionalProperties: false };

const ITEMS = {
  snapshot: Type.Object({ ...common, type: Type.Literal('snapshot'), bids: levels, asks: levels }, strict),
  delta: Type.Object(
    { ...common, type: Type.Literal('delta'), bids: Type.Optional(levels), asks: Type.Optional(levels) },
    strict,
  ),
  quote: Type.Object(
    {
      ...common,
      type: Type.Literal('quote'),
      bidPrice: nullable,
      bidSize: Type.Optional(number),
      askPrice: nullable,
      askSize: Type.Optional(number),
    },
    strict,
  ),
  trade: Type.Object(
    {
      ...common,
      type: Type.Literal('trade'),
      id: Type.Optional(Type.Union([whole, Type.String({ minLength: 1, maxLength: 64 })])),
      kind: Type.Optional(Type.Enum([...TRADE_KINDS])),
      side: Type.Optional(Type.Enum([...SIDES])),
      price: number,
      size: number,
    },
    strict,
  ),
  status: Type.Object(
    {
      ...common,
      type: Type.Literal('status'),
      status: Type.Enum(STATUSES.filter((status) => status !== 'stale' && status !== 'resync')),
      reason: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Null()])),
    },
    strict,
  ),
};

type Item =
  | Static<typeof ITEMS.snapshot>
  | Static<typeof ITEMS.delta>
  | Static<typeof ITEMS.quote>
  | Static<typeof ITEMS.trade>
  | Static<typeof ITEMS.status>;
type Number = Static<typeof number>;

const CHECKS = {
  snapshot: Compile(ITEMS.snapshot),
  delta: Compile(ITEMS.delta),
  quote: Compile(ITEMS.quote),
  trade: Compile(ITEMS.trade),
  status: Compile(ITEMS.status),
};

/** What became of items that publishers sent, whichever way they came. */
export interface PublishCounters {
  taken: number;
  /** By error code. */
  readonly refused: Record<string, number>;
}

export interface Intake {
  readonly bus: Bus;
  readonly instruments: Instruments;
  readonly rate: PublishRate;
  readonly counters: PublishCounters;
  /** Told of every refusal, for counters. */
  readonly onRefusal: (code: string) => void;
}

/**
 * Publishes items, each taken or refused by itself. Every one counts towards the publisher's rate, whether it is taken or not: it
 * takes as long to look at. @returns a result per item, in order.
 */
export async function publishItems(
  items: readonly unknown[],
  mantissas: boolean,
  identity: Identity,
  intake: Intake,
): Promise<PublishResult[]> {
  const { instruments, rate } = intake;
  const granted = rate.take(identity, items.length);
  const read = items.map((item, index) =>
    index < granted
      ? readPublication(item, instruments, mantissas, identity.grant)
      : fault('publish-rate', `at most ${rate.perSec(identity)} a second`),
  );
  const published = await intake.bus.publish(read.filter((each): each is Publication => !('code' in each)));
  let next = 0;
  return read.map((each) => {
    const outcome = 'code' in each ? { refused: each } : published[next++]!;
    if (!('refused' in outcome)) {
      intake.counters.taken += 1;
      return outcome;
    }
    intake.onRefusal(outcome.refused.code);
    count(intake.counters.refused, outcome.refused.code);
    return { error: outcome.refused };
  });
}

/** Which channel an item is published on. */
const CHANNEL_OF: Readonly<Record<keyof typeof ITEMS, UpdateChannel>> = {
  snapshot: 'book',
  delta: 'book',
  quote: 'quote',
  trade: 'trade',
  status: 'status',
};

/**
 * @param mantissas whether integers are taken as mantissas (MessagePack); in JSON prices and sizes must be strings, since
 * a number there is as likely meant as a price.
 * @param grant the publisher's; whoever writes to Redis itself may write everything there.
 */
export function readPublication(
  value: unknown,
  instruments: Instruments,
  mantissas: boolean,
  grant: Pick<Grant, 'publish'> = FULL_GRANT,
): Publication | Fault {
  const item = checkItem(value);
  if ('code' in item) return item;
  const channel = CHANNEL_OF[item.type];
  // Before it is looked up: who may not publish it need not learn what is listed.
  if (!grant.publish(channel, item.symbol)) return fault('not-entitled', `publishing the ${channel} of ${item.symbol}`);
  const instrument = instruments.get(item.symbol);
  if (instrument === undefined) return fault('unknown-symbol', item.symbol);
  const update = updateOf(item, new NumberReader(instrument, mantissas));
  if ('code' in update) return update;
  const { symbol, exchangeUs = null, key, lease } = item;
  const publication = { symbol, update, exchangeUs };
  if (key === undefined && lease === undefined) return publication;
  return { ...publication, ...(key !== undefined && { key }), ...(lease !== undefined && { lease }) };
}

function checkItem(value: unknown): Item | Fault {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fault('bad-request', 'an item is an object');
  const { type } = value as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(CHECKS, type)) {
    return fault('bad-request', `type is one of ${Object.keys(CHECKS).join(', ')}`);
  }
  const check = CHECKS[type as keyof typeof CHECKS];
  if (check.Check(value)) return value as Item;
  const [first] = check.Errors(value);
  return fault('bad-request', `${first?.instancePath.slice(1) || type}: ${first?.message ?? 'not as documented'}`);
}

/** Reads the decimals of one item; remembers the first that is wrong. */
class NumberReader {
  bad: Fault | null = null;

  constructor(
    private readonly instrument: Instrument,
    private readonly mantissas: boolean,
  ) {}

  price(value: Number): number {
    return this.read(value, this.instrument.priceScale, 'bad-price', 'off-tick');
  }

  size(value: Number): number {
    return this.read(value, this.instrument.sizeScale, 'bad-size', 'off-lot');
  }

  nullablePrice(value: Number | null): number | null {
    return value === null ? null : this.price(value);
  }

  levels(rows: Static<typeof levels>): number[] {
    const flat: number[] = [];
    for (const [price, size, orders] of rows) flat.push(this.price(price), this.size(size), orders ?? 0);
    return flat;
  }

  private read(value: Number, scale: number, syntax: ErrorCode, precision: ErrorCode): number {
    if (typeof value === 'bigint') return this.fail(fault('out-of-range', String(value)));
    if (typeof value === 'number') {
      if (!this.mantissas) return this.fail(fault(syntax, `${value}: in JSON a decimal is a string, "${value}"`));
      return Number.isInteger(value) ? value : this.fail(fault(syntax, `${value}: a mantissa is an integer`));
    }
    const mantissa = parseDecimal(value, scale);
    if (typeof mantissa === 'number') return mantissa;
    const shown = `${value.slice(0, 40)} at scale ${scale}`;
    if (mantissa === 'range') return this.fail(fault('out-of-range', shown));
    return this.fail(fault(mantissa === 'precision' ? precision : syntax, shown));
  }

  private fail(bad: Fault): number {
    this.bad ??= bad;
    return 0;
  }
}

function updateOf(item: Item, read: NumberReader): Update | Fault {
  const update = convert(item, read);
  return read.bad ?? update;
}

function convert(item: Item, read: NumberReader): Update {
  switch (item.type) {
    case 'snapshot':
      return { kind: 'snapshot', bids: read.levels(item.bids), asks: read.levels(item.asks) };
    case 'delta':
      return { kind: 'delta', bids: read.levels(item.bids ?? []), asks: read.levels(item.asks ?? []) };
    case 'quote':
      return {
        kind: 'quote',
        bidPrice: read.nullablePrice(item.bidPrice),
        bidSize: read.size(item.bidSize ?? '0'),
        askPrice: read.nullablePrice(item.askPrice),
        askSize: read.size(item.askSize ?? '0'),
      };
    case 'trade':
      return {
        kind: 'trade',
        id: item.id ?? null,
        tradeKind: item.kind ?? 'trade',
        side: item.side ?? 'unknown',
        price: read.price(item.price),
        size: read.size(item.size),
      };
    case 'status':
      return { kind: 'status', status: item.status, reason: item.reason ?? null };
  }
}
