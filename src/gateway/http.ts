// Owns the HTTP endpoints of the public port: instruments, books, quotes, trades, time, publishing.
// The gateway routes requests here. Invariant: every answer is JSON, and every error one of the catalogue, with its status.

import Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { Bus, Entry } from '../bus/bus.ts';
import { Book } from '../market/book.ts';
import { GroupedBook } from '../market/grouping.ts';
import {
  defineInstrument,
  type Instrument,
  type InstrumentDefinition,
  type Instruments,
  isSymbol,
} from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import type { Quote } from '../market/update.ts';
import type { Clock } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import { formatDecimal, parseDecimal } from '../protocol/decimal.ts';
import { ERRORS, type Fault, fault } from '../protocol/errors.ts';
import { DEPTHS, GROUP_MAX } from '../protocol/frames.ts';
import { unpackAll } from '../protocol/unpack.ts';
import type { Settings } from '../settings/settings.ts';
import { groupedEpoch } from '../topics/grouped-topic.ts';
import { giveLeaseBack, takeLease } from './lease-routes.ts';
import { publishItems } from './publication.ts';
import { deleteSet, getSet, putSet } from './set-routes.ts';
import { mayPublish } from './trust.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export interface HttpOptions {
  readonly bus: Bus;
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly onRefusal: (code: string) => void;
  readonly onError: (error: unknown) => void;
}

const INSTRUMENT_BODY = Compile(
  Type.Object(
    {
      symbol: Type.Optional(Type.String()),
      priceScale: Type.Integer(),
      sizeScale: Type.Integer(),
      tickSize: Type.Optional(Type.String()),
      lotSize: Type.Optional(Type.String()),
      negativePrices: Type.Optional(Type.Boolean()),
      orderCounts: Type.Optional(Type.Boolean()),
      quoteSource: Type.Optional(Type.Enum(['book', 'published'])),
    },
    { additionalProperties: false },
  ),
);

/** Routes of one instrument. */
const SYMBOL_ROUTES = new Set([
  'GET instruments/:symbol',
  'PUT instruments/:symbol',
  'DELETE instruments/:symbol',
  'GET book/:symbol',
  'GET quote/:symbol',
  'GET trades/:symbol',
]);

export class HttpApi {
  constructor(private readonly options: HttpOptions) {}

  async handle(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.route(request);
    } catch (error) {
      // Expected while Redis is away; the log tells of that by itself.
      if (error instanceof RedisFailure) return this.refuse(fault('bus-down', error.message.slice(0, 80)));
      this.options.onError(error);
      return this.refuse(fault('internal'));
    }
  }

  refuse(refused: Fault): HttpResponse {
    this.options.onRefusal(refused.code);
    return json({ error: refused }, ERRORS[refused.code].http);
  }

  private route(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const [, version, resource, symbol, more, ...rest] = request.path.split('/');
    if (version === 'v1' && resource === 'leases' && more !== undefined && rest.length === 0) {
      if (request.method === 'POST') return this.lease(request, symbol!, more);
      if (request.method === 'DELETE') return this.release(request, symbol!, more);
    }
    const key = `${request.method} ${resource}${symbol === undefined ? '' : '/:symbol'}`;
    if (version !== 'v1' || more !== undefined) return this.refuse(fault('not-found', request.path.slice(0, 100)));
    switch (key) {
      case 'GET time':
        return json({ timeUs: this.options.clock.nowUs() });
      case 'GET instruments':
        return json({ instruments: this.options.instruments.list().map(instrumentObject) });
      case 'GET sets':
        return json({ sets: this.options.sets.list().map(({ name, symbols }) => ({ name, symbols })) });
      case 'GET sets/:symbol':
        return this.answer(getSet(this.options.sets, symbol!));
      case 'PUT sets/:symbol':
        return this.putSet(request, symbol!);
      case 'DELETE sets/:symbol':
        return this.deleteSet(request, symbol!);
      case 'POST publish':
        return this.publish(request);
    }
    if (symbol === undefined || !SYMBOL_ROUTES.has(key))
      return this.refuse(fault('not-found', request.path.slice(0, 100)));
    if (!isSymbol(symbol)) return this.refuse(fault('bad-symbol', symbol.slice(0, 48)));
    if (key === 'PUT instruments/:symbol') return this.putInstrument(request, symbol);
    const instrument = this.options.instruments.get(symbol);
    if (instrument === undefined) return this.refuse(fault('unknown-symbol', symbol));
    switch (key) {
      case 'GET instruments/:symbol':
        return json(instrumentObject(instrument));
      case 'DELETE instruments/:symbol':
        return this.deleteInstrument(request, symbol);
      case 'GET book/:symbol':
        return this.book(request, instrument);
      case 'GET quote/:symbol':
        return this.quote(instrument);
      default:
        return this.trades(request, instrument);
    }
  }

  private async book({ query }: HttpRequest, instrument: Instrument): Promise<HttpResponse> {
    const asked = query.get('depth') ?? '0';
    const depth = DEPTHS.find((each) => String(each) === asked);
    if (depth === undefined) return this.refuse(fault('bad-depth', asked.slice(0, 20)));
    const group = groupOf(query.get('group') ?? '0', instrument);
    if (typeof group !== 'number') return this.refuse(group);
    const { epoch, seq, exchangeUs, publishUs, book: state } = await this.options.bus.load('book', instrument.symbol);
    const whole = state === null ? new Book() : Book.load(state);
    const span = group * instrument.tickSize;
    const book = group === 0 ? whole : new GroupedBook(whole, span);
    const levels = { stride: instrument.orderCounts ? 3 : 2, bids: [], asks: [] };
    book.top(depth, levels);
    const ageMs = this.ageMs(seq, publishUs);
    return json({
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
    });
  }

  private async quote(instrument: Instrument): Promise<HttpResponse> {
    const { symbol, quoteSource, priceScale, sizeScale } = instrument;
    const state = await this.options.bus.load(quoteSource === 'book' ? 'book' : 'quote', symbol);
    const ageMs = this.ageMs(state.seq, state.publishUs);
    const { bidPrice, bidSize, askPrice, askSize } = quoteSource === 'book' ? topOf(state.book) : asQuote(state.last);
    return json({
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
    });
  }

  private async trades({ query }: HttpRequest, { symbol, priceScale, sizeScale }: Instrument): Promise<HttpResponse> {
    const last = Number(query.get('last') ?? '50');
    if (!Number.isInteger(last) || last < 1 || last > 1_000)
      return this.refuse(fault('bad-request', 'last is 1 to 1000'));
    const { epoch, seq, recent } = await this.options.bus.load('trade', symbol);
    const trades = recent.slice(-last).map((entry) => tradeObject(entry, priceScale, sizeScale));
    return json({ symbol, epoch, seq, trades });
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

  private async publish(request: HttpRequest): Promise<HttpResponse> {
    const { settings } = this.options;
    const msgpack = isMsgpack(request);
    const body = await this.written(request, msgpack);
    if ('refused' in body) return this.refuse(body.refused);
    const items = Array.isArray(body.value) ? body.value : [body.value];
    if (items.length > settings.publishItemsMax) {
      return this.refuse(fault('too-large', `${items.length} items, at most ${settings.publishItemsMax}`));
    }
    const results = await publishItems(items, msgpack, this.options);
    if (Array.isArray(body.value)) return json({ results });
    const result = results[0]!;
    return json(result, 'error' in result ? ERRORS[result.error.code].http : 200);
  }

  /** The body of a request that writes; it is received only from those who may. */
  private async written(request: HttpRequest, msgpack: boolean): Promise<{ value: unknown } | { refused: Fault }> {
    const { publishToken, publishBytesMax } = this.options.settings;
    if (!mayPublish(request, publishToken)) return { refused: fault('unauthorized') };
    const body = await request.body();
    if (body === null) return { refused: fault('too-large', `at most ${publishBytesMax} bytes`) };
    return readBody(body, msgpack);
  }

  private answer(answer: object | Fault): HttpResponse {
    return 'code' in answer ? this.refuse(answer) : json(answer);
  }

  private async putSet(request: HttpRequest, name: string): Promise<HttpResponse> {
    const body = await this.written(request, isMsgpack(request));
    return 'refused' in body ? this.refuse(body.refused) : this.answer(putSet(this.options.sets, name, body.value));
  }

  private deleteSet(request: HttpRequest, name: string): HttpResponse {
    if (!mayPublish(request, this.options.settings.publishToken)) return this.refuse(fault('unauthorized'));
    return this.answer(deleteSet(this.options.sets, name));
  }

  private async lease(request: HttpRequest, channel: string, symbol: string): Promise<HttpResponse> {
    const body = await this.written(request, isMsgpack(request));
    if ('refused' in body) return this.refuse(body.refused);
    return this.answer(await takeLease(this.options.bus, channel, symbol, body.value));
  }

  private async release(request: HttpRequest, channel: string, symbol: string): Promise<HttpResponse> {
    if (!mayPublish(request, this.options.settings.publishToken)) return this.refuse(fault('unauthorized'));
    return this.answer(await giveLeaseBack(this.options.bus, channel, symbol, request.query.get('token')));
  }

  private async putInstrument(request: HttpRequest, symbol: string): Promise<HttpResponse> {
    const { instruments, settings } = this.options;
    const body = await this.written(request, isMsgpack(request));
    if ('refused' in body) return this.refuse(body.refused);
    const instrument = readInstrument(body.value, symbol);
    if (typeof instrument === 'string') return this.refuse(fault('bad-instrument', instrument));
    const before = instruments.get(symbol);
    if (before !== undefined && before.quoteSource !== instrument.quoteSource) {
      return this.refuse(fault('bad-instrument', 'quoteSource stays while it is listed: DELETE it first'));
    }
    if (before === undefined && instruments.list().length >= settings.instrumentsMax) {
      return this.refuse(fault('bad-instrument', `at most ${settings.instrumentsMax} are listed`));
    }
    instruments.put(instrument);
    return json(instrumentObject(instrument));
  }

  private deleteInstrument(request: HttpRequest, symbol: string): HttpResponse {
    if (!mayPublish(request, this.options.settings.publishToken)) return this.refuse(fault('unauthorized'));
    this.options.instruments.delist(symbol);
    return json({ symbol, delisted: true });
  }
}

/**
 * The instrument that a JSON object defines, or what is wrong with it. Tick and lot are decimal strings.
 * Also reads instrument files.
 */
export function readInstrument(value: unknown, symbol: string): Instrument | string {
  if (!INSTRUMENT_BODY.Check(value)) {
    const [first] = INSTRUMENT_BODY.Errors(value);
    return `${first?.instancePath.slice(1) || 'body'}: ${first?.message ?? 'not as documented'}`;
  }
  const { tickSize, lotSize, ...rest } = value as Omit<InstrumentDefinition, 'tickSize' | 'lotSize'> & {
    tickSize?: string;
    lotSize?: string;
  };
  if (rest.symbol !== undefined && rest.symbol !== symbol) return `symbol is ${rest.symbol}, not ${symbol}`;
  const tick = tickSize === undefined ? 1 : parseDecimal(tickSize, rest.priceScale);
  const lot = lotSize === undefined ? 1 : parseDecimal(lotSize, rest.sizeScale);
  if (typeof tick === 'string') return `tickSize ${tickSize}: ${tick} at scale ${rest.priceScale}`;
  if (typeof lot === 'string') return `lotSize ${lotSize}: ${lot} at scale ${rest.sizeScale}`;
  return defineInstrument({ ...rest, symbol, tickSize: tick, lotSize: lot });
}

/** Ticks that a level is to sum up, 0 for none, or what is wrong with them. */
function groupOf(asked: string, { tickSize }: Instrument): number | Fault {
  const group = /^\d{1,7}$/.test(asked) ? Number(asked) : Number.NaN;
  const fits = group <= GROUP_MAX && Number.isSafeInteger(group * tickSize);
  return fits ? group : fault('bad-group', asked.slice(0, 20));
}

function instrumentObject({ tickSize, lotSize, ...rest }: Instrument): object {
  return {
    ...rest,
    tickSize: formatDecimal(tickSize, rest.priceScale),
    lotSize: formatDecimal(lotSize, rest.sizeScale),
  };
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

function isMsgpack({ headers }: HttpRequest): boolean {
  return /^application\/(x-)?(vnd\.)?msgpack/.test(headers.get('content-type') ?? '');
}

function readBody(body: Uint8Array, msgpack: boolean): { value: unknown } | { refused: Fault } {
  try {
    if (!msgpack) return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) };
    const values = unpackAll(body);
    return { value: values.length === 1 ? values[0] : values };
  } catch (error) {
    return { refused: fault('bad-frame', error instanceof Error ? error.message.slice(0, 100) : 'unreadable') };
  }
}

function json(value: object, status = 200): HttpResponse {
  return { status, body: `${JSON.stringify(value)}\n` };
}
