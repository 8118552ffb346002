// Owns what HTTP tells of an instrument's present state: book, quote, trades, each by what the one who asks may have. The HTTP
// API routes to it. Invariant: nothing is read of a topic that the grant does not hold, nor deeper than it says.

import type { Bus, Entry } from '../bus/bus.ts';
import { Book } from '../market/book.ts';
import { GroupedBook } from '../market/grouping.ts';
import type { Instrument, Instruments } from '../market/instrument.ts';
import type { Quote } from '../market/update.ts';
import type { Clock } from '../ports/clock.ts';
import { formatDecimal } from '../protocol/decimal.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { CHANNELS, DEPTHS, type Depth, GROUP_MAX } from '../protocol/frames.ts';
import type { Allowed, Grant } from '../sessions/grant.ts';
import type { Settings } from '../settings/settings.ts';
import { groupedEpoch } from '../topics/grouped-topic.ts';

export interface ReadingsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly instruments: Instruments;
  readonly settings: Pick<Settings, 'staleAfterMs' | 'sourceDownAfterMs'>;
}

type Outcome = object | Fault;
/** What is told of one symbol, by its name in paths. */
export type Readable = 'instruments' | 'book' | 'quote' | 'trades';

const TRADES_MAX = 1_000;

export class Readings {
  constructor(private readonly options: ReadingsOptions) {}

  /** The instruments of which the grant holds anything. */
  list(grant: Grant): object {
    const shown = this.options.instruments.list().filter(({ symbol }) => isShown(grant, symbol));
    return { instruments: shown.map(instrumentObject) };
  }

  /** What is asked for of a symbol. Who may not have it does not learn whether it is listed. */
  read(what: Readable, symbol: string, query: URLSearchParams, grant: Grant): Outcome | Promise<Outcome> {
    const instrument = this.options.instruments.get(symbol);
    const unknown = fault('unknown-symbol', symbol);
    if (what === 'instruments') {
      if (!isShown(grant, symbol)) return fault('not-entitled', symbol);
      return instrument === undefined ? unknown : instrumentObject(instrument);
    }
    const channel = what === 'trades' ? 'trade' : what;
    const allowed = grant.subscribe(channel, symbol);
    if (allowed === null) return fault('not-entitled', `the ${channel} of ${symbol}`);
    if (instrument === undefined) return unknown;
    if (what === 'book') return this.book(instrument, query, allowed);
    return what === 'quote' ? this.quote(instrument) : this.trades(instrument, query);
  }

  private async book(instrument: Instrument, query: URLSearchParams, allowed: Allowed): Promise<Outcome> {
    const depth = depthOf(query.get('depth'), allowed);
    if (typeof depth !== 'number') return depth;
    const group = groupOf(query.get('group') ?? '0', instrument);
    if (typeof group !== 'number') return group;
    const { epoch, seq, exchangeUs, publishUs, book: state } = await this.options.bus.load('book', instrument.symbol);
    const whole = state === null ? new Book() : Book.load(state);
    const span = group * instrument.tickSize;
    const book = group === 0 ? whole : new GroupedBook(whole, span);
    const levels = { stride: instrument.orderCounts ? 3 : 2, bids: [], asks: [] };
    book.top(depth, levels);
    const ageMs = this.ageMs(seq, publishUs);
    return {
      symbol: instrument.symbol,
      epoch: group === 0 ? epoch : groupedEpoch(epoch, span),
      seq,
      depth,
      group,
      exchangeUs,
      publishUs,
      ageMs,
      status: await this.status(instrument.symbol, ageMs),
      checksum: book.checksum(depth),
      bids: levelRows(levels.bids, levels.stride, instrument),
      asks: levelRows(levels.asks, levels.stride, instrument),
    };
  }

  private async quote({ symbol, quoteSource, priceScale, sizeScale }: Instrument): Promise<object> {
    const state = await this.options.bus.load(quoteSource === 'book' ? 'book' : 'quote', symbol);
    const ageMs = this.ageMs(state.seq, state.publishUs);
    const { bidPrice, bidSize, askPrice, askSize } = quoteSource === 'book' ? topOf(state.book) : asQuote(state.last);
    return {
      symbol,
      epoch: state.epoch,
      seq: state.seq,
      exchangeUs: state.exchangeUs,
      publishUs: state.publishUs,
      ageMs,
      status: await this.status(symbol, ageMs),
      bidPrice: bidPrice === null ? null : formatDecimal(bidPrice, priceScale),
      bidSize: formatDecimal(bidSize, sizeScale),
      askPrice: askPrice === null ? null : formatDecimal(askPrice, priceScale),
      askSize: formatDecimal(askSize, sizeScale),
    };
  }

  private async trades({ symbol, priceScale, sizeScale }: Instrument, query: URLSearchParams): Promise<Outcome> {
    const last = Number(query.get('last') ?? '50');
    if (!Number.isInteger(last) || last < 1 || last > TRADES_MAX)
      return fault('bad-request', `last is 1 to ${TRADES_MAX}`);
    const { epoch, seq, recent } = await this.options.bus.load('trade', symbol);
    const trades = recent.slice(-last).map((entry) => tradeObject(entry, priceScale, sizeScale));
    return { symbol, epoch, seq, trades };
  }

  /** What was published of the instrument; where that is `live`, but nothing has come for long, `stale` or `source-down`. */
  private async status(symbol: string, ageMs: number | null): Promise<string> {
    const { last } = await this.options.bus.load('status', symbol);
    const published = last?.kind === 'status' ? last.status : 'live';
    const { staleAfterMs, sourceDownAfterMs } = this.options.settings;
    if (published !== 'live' || ageMs === null || ageMs <= staleAfterMs) return published;
    return ageMs > sourceDownAfterMs ? 'source-down' : 'stale';
  }

  /** Null before the first update. */
  private ageMs(seq: number, publishUs: number): number | null {
    return seq === 0 ? null : Math.max(0, Math.round((this.options.clock.nowUs() - publishUs) / 1_000));
  }
}

/** Who may have or publish anything of an instrument, or define it, may see how it is defined. */
function isShown(grant: Grant, symbol: string): boolean {
  if (grant.defines) return true;
  return CHANNELS.some((channel) => grant.subscribe(channel, symbol) !== null || grant.publish(channel, symbol));
}

export function instrumentObject({ tickSize, lotSize, ...rest }: Instrument): object {
  return {
    ...rest,
    tickSize: formatDecimal(tickSize, rest.priceScale),
    lotSize: formatDecimal(lotSize, rest.sizeScale),
  };
}

/** The depth that is asked for; where none is, as deep as is allowed. What is too deep is not cut: nobody would notice. */
function depthOf(asked: string | null, allowed: Allowed): Depth | Fault {
  const max = allowed.raw ? 0 : allowed.depth;
  if (asked === null) return max;
  const depth = DEPTHS.find((each) => String(each) === asked);
  if (depth === undefined) return fault('bad-depth', asked.slice(0, 20));
  const tooDeep = max !== 0 && (depth === 0 || depth > max);
  return tooDeep ? fault('not-entitled', `at most ${max} levels a side`) : depth;
}

/** Ticks that a level is to sum up, 0 for none, or what is wrong with them. */
function groupOf(asked: string, { tickSize }: Instrument): number | Fault {
  const group = /^\d{1,7}$/.test(asked) ? Number(asked) : Number.NaN;
  const fits = group <= GROUP_MAX && Number.isSafeInteger(group * tickSize);
  return fits ? group : fault('bad-group', asked.slice(0, 20));
}

function tradeObject({ seq, update, exchangeUs, publishUs }: Entry, priceScale: number, sizeScale: number): object {
  if (update.kind !== 'trade') return {};
  const { id, tradeKind: kind, side, price, size } = update;
  const decimals = { price: formatDecimal(price, priceScale), size: formatDecimal(size, sizeScale) };
  return { seq, id: id ?? seq, kind, side, ...decimals, exchangeUs, publishUs };
}

function levelRows(
  flat: readonly number[],
  stride: number,
  { priceScale, sizeScale }: Instrument,
): (string | number)[][] {
  const rows: (string | number)[][] = [];
  for (let i = 0; i < flat.length; i += stride) {
    const row = [formatDecimal(flat[i]!, priceScale), formatDecimal(flat[i + 1]!, sizeScale)];
    rows.push(stride === 3 ? [...row, flat[i + 2]!] : row);
  }
  return rows;
}

function topOf(state: Parameters<typeof Book.load>[0] | null): Quote {
  const { bestBid, bestAsk } = state === null ? new Book() : Book.load(state);
  return {
    kind: 'quote',
    bidPrice: bestBid?.price ?? null,
    bidSize: bestBid?.size ?? 0,
    askPrice: bestAsk?.price ?? null,
    askSize: bestAsk?.size ?? 0,
  };
}

function asQuote(last: { kind: string } | null): Quote {
  if (last?.kind === 'quote') return last as Quote;
  return { kind: 'quote', bidPrice: null, bidSize: 0, askPrice: null, askSize: 0 };
}
