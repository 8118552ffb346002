// Owns the HTTP endpoints of the public port: instruments, books, quotes, trades, sets, leases, time, publishing.
// The gateway routes requests here. Invariant: every answer is JSON, and every error one of the catalogue, with its status; nothing
// is told or written that the one who asks may not have or do.

import Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { Bus } from '../bus/bus.ts';
import {
  defineInstrument,
  type Instrument,
  type InstrumentDefinition,
  type Instruments,
  isSymbol,
} from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import type { Clock } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import { parseDecimal } from '../protocol/decimal.ts';
import { ERRORS, type Fault, fault } from '../protocol/errors.ts';
import { unpackAll } from '../protocol/unpack.ts';
import type { Identity } from '../sessions/access.ts';
import type { Grant } from '../sessions/grant.ts';
import type { Settings } from '../settings/settings.ts';
import { giveLeaseBack, type LeaseTopic, leaseTopicOf, takeLease } from './lease-routes.ts';
import { type Intake, publishItems } from './publication.ts';
import { instrumentObject, type Readable, Readings } from './readings.ts';
import { deleteSet, getSet, putSet } from './set-routes.ts';
import { type Asked, denial, type Trust } from './trust.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export interface HttpOptions extends Intake {
  readonly bus: Bus;
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly trust: Trust;
  readonly onError: (error: unknown) => void;
}

type Outcome = object | Fault;
/** Why somebody may not do what he asks for; null: he may. */
type Permit = (identity: Identity) => Fault | null;

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

/** What is told of one symbol. */
const READABLE: readonly string[] = ['instruments', 'book', 'quote', 'trades'] satisfies Readable[];

/** Of bodies at once that are received before it is known whose they are: of somebody's who may be nobody, memory is not free. */
const UNKNOWN_BYTES_MAX = 67_108_864;

export class HttpApi {
  private readonly readings: Readings;
  private unknownBytes = 0;

  constructor(private readonly options: HttpOptions) {
    this.readings = new Readings(options);
  }

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
      if (request.method === 'POST' || request.method === 'DELETE') return this.lease(request, symbol!, more);
    }
    const key = `${request.method} ${resource}${symbol === undefined ? '' : '/:symbol'}`;
    if (version !== 'v1' || more !== undefined) return this.refuse(fault('not-found', request.path.slice(0, 100)));
    const { clock, sets } = this.options;
    const { readings } = this;
    switch (key) {
      case 'GET time':
        return json({ timeUs: clock.nowUs() });
      case 'GET instruments':
        return this.told(request, (grant) => readings.list(grant));
      case 'GET sets':
        return this.told(request, () => ({ sets: sets.list().map(({ name, symbols }) => ({ name, symbols })) }));
      case 'GET sets/:symbol':
        return this.told(request, () => getSet(sets, symbol!));
      case 'PUT sets/:symbol':
        return this.written(request, DEFINES, (body) => putSet(sets, symbol!, body));
      case 'DELETE sets/:symbol':
        return this.done(request, DEFINES, () => deleteSet(sets, symbol!));
      case 'POST publish':
        return this.publish(request);
    }
    const changes = key === 'PUT instruments/:symbol' || key === 'DELETE instruments/:symbol';
    if (symbol === undefined || !(changes || (request.method === 'GET' && READABLE.includes(resource!))))
      return this.refuse(fault('not-found', request.path.slice(0, 100)));
    if (!isSymbol(symbol)) return this.refuse(fault('bad-symbol', symbol.slice(0, 48)));
    if (!changes)
      return this.told(request, (grant) => readings.read(resource as Readable, symbol, request.query, grant));
    if (request.method === 'PUT') return this.written(request, DEFINES, (body) => this.putInstrument(symbol, body));
    return this.done(request, DEFINES, () => this.delist(symbol));
  }

  /** Answers whoever asks with what he may have. */
  private async told(request: HttpRequest, tell: (grant: Grant) => Outcome | Promise<Outcome>): Promise<HttpResponse> {
    const identity = await this.options.trust.reader(request);
    return this.answer('code' in identity ? identity : await tell(identity.grant));
  }

  /** Does what a request without a body asks for, where it may. */
  private async done(
    request: HttpRequest,
    permit: Permit,
    act: () => Outcome | Promise<Outcome>,
  ): Promise<HttpResponse> {
    const identity = await this.permitted(request, permit);
    return this.answer('code' in identity ? identity : await act());
  }

  /** The same of one with a body. */
  private async written(
    request: HttpRequest,
    permit: Permit,
    write: (body: unknown) => Outcome | Promise<Outcome>,
  ): Promise<HttpResponse> {
    const body = await this.received(request, permit);
    return this.answer('code' in body ? body : await write(body.value));
  }

  /** The body of a request, and whose it is. Of those who are known not to be allowed it is not received. */
  private async received(
    request: HttpRequest,
    permit: Permit,
  ): Promise<{ value: unknown; identity: Identity } | Fault> {
    const permitted = this.permitted(request, permit);
    if (!(permitted instanceof Promise) && 'code' in permitted) return permitted;
    const bytes = bodyBytesOf(request, this.options.settings.publishBytesMax);
    if (this.unknownBytes + bytes > UNKNOWN_BYTES_MAX) {
      return fault('not-ready', 'too many wait until it is known who they are');
    }
    this.unknownBytes += bytes;
    // Before the first wait: what comes until it is asked for is lost.
    const receiving = request.body();
    const identity = await permitted;
    this.unknownBytes -= bytes;
    if ('code' in identity) return identity;
    const body = await receiving;
    if (body === null) return fault('too-large', `at most ${this.options.settings.publishBytesMax} bytes`);
    const read = readBody(body, isMsgpack(request));
    return 'refused' in read ? read.refused : { ...read, identity };
  }

  private permitted(request: HttpRequest, permit: Permit): Asked {
    const judge = (known: Identity | Fault): Identity | Fault => ('code' in known ? known : (permit(known) ?? known));
    const asked = this.options.trust.writer(request);
    return asked instanceof Promise ? asked.then(judge) : judge(asked);
  }

  private answer(outcome: Outcome): HttpResponse {
    return 'code' in outcome ? this.refuse(outcome) : json(outcome);
  }

  private async publish(request: HttpRequest): Promise<HttpResponse> {
    const { publishItemsMax } = this.options.settings;
    const body = await this.received(request, PUBLISHES);
    if ('code' in body) return this.refuse(body);
    const { value, identity } = body;
    const items = Array.isArray(value) ? value : [value];
    if (items.length > publishItemsMax) {
      return this.refuse(fault('too-large', `${items.length} items, at most ${publishItemsMax}`));
    }
    const results = await publishItems(items, isMsgpack(request), identity, this.options);
    if (Array.isArray(value)) return json({ results });
    const result = results[0]!;
    return json(result, 'error' in result ? ERRORS[result.error.code].http : 200);
  }

  private lease(request: HttpRequest, channel: string, symbol: string): Promise<HttpResponse> {
    const { bus } = this.options;
    const topic = leaseTopicOf(channel, symbol);
    // Who may not lease it is told so, and what is wrong with its name only who may write at all.
    const permit: Permit = (identity) => ('code' in topic ? topic : mayLease(identity, topic));
    const whose = topic as LeaseTopic;
    if (request.method === 'POST') return this.written(request, permit, (body) => takeLease(bus, whose, body));
    return this.done(request, permit, () => giveLeaseBack(bus, whose, request.query.get('token')));
  }

  private putInstrument(symbol: string, body: unknown): Outcome {
    const { instruments, settings } = this.options;
    const instrument = readInstrument(body, symbol);
    if (typeof instrument === 'string') return fault('bad-instrument', instrument);
    const before = instruments.get(symbol);
    if (before !== undefined && before.quoteSource !== instrument.quoteSource) {
      return fault('bad-instrument', 'quoteSource stays while it is listed: DELETE it first');
    }
    if (before === undefined && instruments.list().length >= settings.instrumentsMax) {
      return fault('bad-instrument', `at most ${settings.instrumentsMax} are listed`);
    }
    instruments.put(instrument);
    return instrumentObject(instrument);
  }

  private delist(symbol: string): Outcome {
    const { instruments } = this.options;
    if (instruments.get(symbol) === undefined) return fault('unknown-symbol', symbol);
    instruments.delist(symbol);
    return { symbol, delisted: true };
  }
}

const DEFINES: Permit = (identity) =>
  identity.grant.defines ? null : denial(identity, 'defining instruments and sets');
const PUBLISHES: Permit = (identity) => (identity.grant.publishes ? null : denial(identity, 'publishing'));

function mayLease(identity: Identity, { channel, symbol }: LeaseTopic): Fault | null {
  if (identity.grant.publish(channel, symbol)) return null;
  return denial(identity, `publishing the ${channel} of ${symbol}`);
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

/** How long a body is, at most: what is longer is not kept. */
function bodyBytesOf({ headers }: HttpRequest, bytesMax: number): number {
  const announced = headers.get('content-length') ?? '';
  return /^\d{1,15}$/.test(announced) ? Math.min(bytesMax, Number(announced)) : bytesMax;
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
