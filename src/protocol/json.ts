// Owns the JSON form of every frame: one object per line, prices and sizes as decimal strings, times in microseconds.
// For people and for wscat; MessagePack is what the SDKs ask for. One table of fields drives both ways.
// Invariant: the same stream as MessagePack, field for field; bytes that break the protocol throw DecodeError.

import { DecodeError, type Decoder, type TopicContext } from './codec.ts';
import { formatDecimal, parseDecimal, SCALE_MAX } from './decimal.ts';
import {
  type Accepted,
  CHANNELS,
  END_REASONS,
  type FlatLevels,
  type Frame,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  MODES,
  PACE_REASONS,
  PACES,
  RESET_REASONS,
  type Refused,
  SIDES,
  STATUSES,
  TRADE_KINDS,
  type WelcomeFrame,
} from './frames.ts';
import type { ByteWriter } from './writer.ts';

/** What a field needs to know of its topic: digits after the point, numbers per level. */
type Scales = Pick<TopicContext, 'priceScale' | 'sizeScale' | 'stride'>;

/** One field's way to JSON and back. What `write` leaves undefined is not on the wire. */
interface Field {
  write(value: unknown, scales: Scales): unknown;
  read(value: unknown, scales: Scales): unknown;
}
type FieldsOf<F> = { readonly [K in Exclude<keyof F, 'type'>]: Field };

const asIs = (value: unknown): unknown => value;

const integer: Field = { write: asIs, read: (value) => wanted(Number.isSafeInteger(value), value, 'integer') };
const text: Field = { write: asIs, read: (value) => wanted(typeof value === 'string', value, 'string') };
const tradeId: Field = {
  write: asIs,
  read: (value) => (typeof value === 'string' ? value : integer.read(value, NONE)),
};
const price: Field = decimal((scales) => scales.priceScale);
const size: Field = decimal((scales) => scales.sizeScale);

function decimal(scaleOf: (scales: Scales) => number): Field {
  return {
    write: (value, scales) => formatDecimal(value as number, scaleOf(scales)),
    read: (value, scales) => mantissa(value, scaleOf(scales)),
  };
}

function orNull(field: Field): Field {
  return {
    write: (value, scales) => (value === null ? null : field.write(value, scales)),
    read: (value, scales) => (value === null ? null : field.read(value, scales)),
  };
}

/** A field that may be missing. */
function optional(field: Field): Field {
  return {
    write: asIs,
    read: (value, scales) => (value === undefined ? undefined : field.read(value, scales)),
  };
}

/** One of a list of names. In a list that may grow within v1, a name that is not known yet reads as `other`. */
function oneOf(names: readonly string[], list: 'fixed' | 'growing'): Field {
  return {
    write: (value) => {
      if (!names.includes(value as string)) throw new TypeError(`${String(value)} has no name on the wire`);
      return value;
    },
    read: (value) => {
      const known = names.includes(value as string);
      if (known || list === 'fixed') return wanted(known, value, `one of ${names.join(', ')}`);
      text.read(value, NONE);
      return 'other';
    },
  };
}

/** An object within a frame. */
function nested<T extends object>(fields: FieldsOf<T>): Field {
  const entries = Object.entries<Field>(fields);
  return {
    write: (value, scales) => written(value as Record<string, unknown>, entries, {}, scales),
    read: (value, scales) => fieldsRead(objectOf(value), entries, {}, scales),
  };
}

function listOf(field: Field): Field {
  return {
    write: (value, scales) => (value as unknown[]).map((each) => field.write(each, scales)),
    read: (value, scales) =>
      (wanted(Array.isArray(value), value, 'list') as unknown[]).map((each) => field.read(each, scales)),
  };
}

const scale: Field = {
  write: asIs,
  read: (value) =>
    wanted(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= SCALE_MAX, value, 'scale'),
};
const strideOfTopic: Field = { write: asIs, read: (value) => wanted(value === 2 || value === 3, value, 'stride') };
/** Books have their topic's stride; it is not repeated. */
const strideOfBook: Field = { write: () => undefined, read: (_, scales) => scales.stride };
const parts: Field = {
  write: (value) => (value === 0 ? undefined : value),
  read: (value) => (value === undefined ? 0 : integer.read(value, NONE)),
};
const levels: Field = {
  write: (value, scales) => levelRows(value as FlatLevels, scales),
  read: (value, scales) => flatLevels(value, scales),
};

const NONE: Scales = { priceScale: 0, sizeScale: 0, stride: 2 };
const RANGE = { topic: integer, fromSeq: integer, seq: integer };
const STAMP = { ...RANGE, exchangeUs: orNull(integer), publishUs: integer, gatewayUs: integer };
const LEVELS = { stride: strideOfBook, bids: levels, asks: levels };
const SCALES = { priceScale: scale, sizeScale: scale };

/** The fields of each frame in their order on the wire. */
const FIELDS: { readonly [T in Frame['type']]: FieldsOf<Extract<Frame, { type: T }>> } = {
  welcome: {
    version: text,
    server: text,
    session: text,
    timeUs: integer,
    limits: nested<WelcomeFrame['limits']>({
      requestBytes: integer,
      symbolsPerRequest: integer,
      subscriptions: integer,
      heartbeatMs: integer,
      ageMsMax: integer,
      stallMsMax: optional(integer),
      silentMs: optional(integer),
      requestsPerSec: optional(integer),
    }),
  },
  ack: {
    id: integer,
    op: text,
    accepted: listOf(
      nested<Accepted>({
        symbol: text,
        topic: integer,
        depth: integer,
        intervalMs: integer,
        mode: oneOf(MODES, 'fixed'),
      }),
    ),
    refused: listOf(nested<Refused>({ symbol: text, code: text, message: text, action: text })),
  },
  error: { id: orNull(integer), code: text, message: text, action: text },
  pong: { id: integer, timeUs: integer },
  heartbeat: { timeUs: integer, roundTripMs: orNull(integer), lagMs: integer },
  pace: {
    pace: oneOf(PACES, 'growing'),
    priority: integer,
    intervalMs: integer,
    reason: oneOf(PACE_REASONS, 'growing'),
  },
  refused: { code: text, message: text, action: text, retryAfterMs: orNull(integer) },
  goodbye: { reason: oneOf(GOODBYE_REASONS, 'growing'), reconnectMs: integer, closeMs: integer },
  token: { token: text, lifeMs: integer },
  identity: { principal: text, untilUs: orNull(integer) },
  time: { timeUs: integer },
  topic: {
    topic: integer,
    channel: oneOf(CHANNELS, 'fixed'),
    symbol: text,
    epoch: integer,
    ...SCALES,
    stride: strideOfTopic,
    tickSize: price,
    lotSize: size,
    group: optional(integer),
  },
  book: { ...STAMP, depth: integer, checksum: integer, parts, ...LEVELS },
  part: { ...RANGE, depth: integer, index: integer, count: integer, ...LEVELS },
  quote: { ...STAMP, bidPrice: orNull(price), bidSize: size, askPrice: orNull(price), askSize: size },
  trade: { ...STAMP, id: tradeId, kind: oneOf(TRADE_KINDS, 'fixed'), side: oneOf(SIDES, 'fixed'), price, size },
  status: { ...STAMP, status: oneOf(STATUSES, 'growing'), reason: orNull(text) },
  health: { topic: integer, status: oneOf(STATUSES, 'growing'), ageMs: integer },
  gap: { topic: integer, firstSeq: integer, lastSeq: integer, reason: oneOf(GAP_REASONS, 'growing') },
  reset: { topic: integer, seq: integer, reason: oneOf(RESET_REASONS, 'growing') },
  end: { topic: integer, reason: oneOf(END_REASONS, 'growing') },
  instrument: {
    action: oneOf(INSTRUMENT_ACTIONS, 'fixed'),
    symbol: text,
    ...SCALES,
    tickSize: price,
    lotSize: size,
  },
  healed: { topic: integer, how: oneOf(HEALINGS, 'growing'), why: oneOf(HEAL_REASONS, 'growing') },
};

const ENTRIES = new Map<string, [string, Field][]>(
  Object.entries(FIELDS).map(([type, fields]) => [type, Object.entries<Field>(fields)]),
);

/** Frames whose numbers can't be read without their topic, and which name it for people. */
const DATA = new Set<string>(['book', 'part', 'quote', 'trade', 'status']);

export function encodeJson(writer: ByteWriter, frame: Frame, topic?: TopicContext): void {
  const out: Record<string, unknown> = { type: frame.type };
  let scales: Scales = NONE;
  if (frame.type === 'topic' || frame.type === 'instrument') scales = { stride: 2, ...frame };
  else if (DATA.has(frame.type)) {
    if (topic === undefined) throw new TypeError('a data frame in JSON needs its topic');
    scales = topic;
    out.channel = topic.channel;
    out.symbol = topic.symbol;
  }
  written(frame as unknown as Record<string, unknown>, ENTRIES.get(frame.type)!, out, scales);
  writer.text(`${JSON.stringify(out)}\n`);
}

type Entries = readonly (readonly [string, Field])[];

function written(
  from: Record<string, unknown>,
  entries: Entries,
  out: Record<string, unknown>,
  scales: Scales,
): object {
  for (const [name, field] of entries) out[name] = field.write(from[name], scales);
  return out;
}

function fieldsRead(
  from: Record<string, unknown>,
  entries: Entries,
  out: Record<string, unknown>,
  scales: Scales,
): object {
  for (const [name, field] of entries) {
    const value = field.read(from[name], scales);
    if (value !== undefined) out[name] = value;
  }
  return out;
}

export class JsonDecoder implements Decoder {
  private readonly topics = new Map<number, Scales>();
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true });

  decode(message: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (const line of this.lines(message)) {
      const object = parsed(line);
      const type = object.type;
      if (typeof type !== 'string') throw new DecodeError('a frame without a type');
      const entries = ENTRIES.get(type);
      if (entries !== undefined) frames.push(this.frame(object, type, entries));
    }
    return frames;
  }

  private lines(message: Uint8Array): string[] {
    try {
      return this.utf8
        .decode(message)
        .split('\n')
        .filter((line) => line !== '');
    } catch {
      throw new DecodeError('the message is not UTF-8');
    }
  }

  /** The object with decimals back as mantissas; fields of a later version and those that only people need are left out. */
  private frame(object: Record<string, unknown>, type: string, entries: Entries): Frame {
    try {
      const frame = fieldsRead(object, entries, { type }, this.scales(object, type)) as Frame;
      if (frame.type === 'topic') this.topics.set(frame.topic, frame);
      if ('fromSeq' in frame && (frame.fromSeq < 0 || frame.fromSeq > frame.seq)) {
        throw new DecodeError(`a range from ${frame.fromSeq} to ${frame.seq}`);
      }
      return frame;
    } catch (error) {
      throw error instanceof DecodeError ? new DecodeError(`${type}: ${error.message}`) : error;
    }
  }

  private scales(object: Record<string, unknown>, type: string): Scales {
    if (type === 'topic' || type === 'instrument') {
      return fieldsRead(object, Object.entries(SCALES), { stride: 2 }, NONE) as Scales;
    }
    if (!DATA.has(type)) return NONE;
    const id = integer.read(object.topic, NONE) as number;
    const scales = this.topics.get(id);
    if (scales === undefined) throw new DecodeError(`topic ${id} was not announced`);
    return scales;
  }
}

function parsed(line: string): Record<string, unknown> {
  try {
    return objectOf(JSON.parse(line));
  } catch (error) {
    throw error instanceof DecodeError ? error : new DecodeError('a line that is not JSON');
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return wanted(isObject, value, 'object') as Record<string, unknown>;
}

function wanted(isIt: boolean, value: unknown, what: string): unknown {
  if (!isIt)
    throw new DecodeError(`${value === undefined ? 'a field is missing' : `${typeof value} found`}, wanted: ${what}`);
  return value;
}

function levelRows(flat: FlatLevels, { priceScale, sizeScale, stride }: Scales): (string | number)[][] {
  const rows: (string | number)[][] = [];
  for (let i = 0; i < flat.length; i += stride) {
    const row: (string | number)[] = [formatDecimal(flat[i]!, priceScale), formatDecimal(flat[i + 1]!, sizeScale)];
    if (stride === 3) row.push(flat[i + 2]!);
    rows.push(row);
  }
  return rows;
}

function flatLevels(rows: unknown, { priceScale, sizeScale, stride }: Scales): number[] {
  const flat: number[] = [];
  for (const row of wanted(Array.isArray(rows), rows, 'list') as unknown[]) {
    if (!Array.isArray(row) || row.length < stride) throw new DecodeError(`a level that is not ${stride} values`);
    flat.push(mantissa(row[0], priceScale), mantissa(row[1], sizeScale));
    if (stride === 3) flat.push(integer.read(row[2], NONE) as number);
  }
  return flat;
}

function mantissa(value: unknown, scale: number): number {
  const read = typeof value === 'string' ? parseDecimal(value, scale) : 'syntax';
  if (typeof read === 'string') throw new DecodeError(`${shown(value)} is no decimal with ${scale} digits (${read})`);
  return read;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 32) : typeof value;
}
