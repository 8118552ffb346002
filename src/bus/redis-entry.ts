// Owns the bytes of an update in Redis: what publishers hand to the script, and the entries that the script logs and publishes.
// The Redis bus encodes and decodes; proto/redis.md documents the form, proto/vectors/redis.json holds it. Invariant: what
// can't be read whole is refused whole, whoever wrote it.

import type { BookDelta, BookSnapshot, Update } from '../market/update.ts';
import { LEVEL_STRIDE } from '../market/update.ts';
import { DecodeError } from '../protocol/codec.ts';
import { SIDES, STATUSES, TRADE_KINDS } from '../protocol/frames.ts';
import type { ByteReader } from '../protocol/reader.ts';
import type { ByteWriter } from '../protocol/writer.ts';

/** The form of keys and entries; another one is refused. */
export const REDIS_FORMAT = 1;

const DELTA = 0;
const SNAPSHOT = 1;
const QUOTE = 2;
const TRADE = 3;
const STATUS = 4;
const DOUBT = 5;

/** What every entry begins with. Reused from call to call. */
export interface EntryHead {
  format: number;
  epoch: number;
  seq: number;
  publishUs: number;
  nonce: number;
}

/** An update as publishers hand it to the script: `[kind, exchangeUs, ...]`. A copy of its own. */
export function encodeUpdate(writer: ByteWriter, update: Update, exchangeUs: number | null): Uint8Array {
  writer.length = 0;
  switch (update.kind) {
    case 'delta':
    case 'snapshot':
      begin(writer, 4, update.kind === 'delta' ? DELTA : SNAPSHOT, exchangeUs);
      writeLevels(writer, update.bids);
      writeLevels(writer, update.asks);
      break;
    case 'quote':
      begin(writer, 6, QUOTE, exchangeUs);
      writer.integerOrNil(update.bidPrice);
      writer.integer(update.bidSize);
      writer.integerOrNil(update.askPrice);
      writer.integer(update.askSize);
      break;
    case 'trade':
      begin(writer, 7, TRADE, exchangeUs);
      if (typeof update.id === 'string') writer.string(update.id);
      else writer.integerOrNil(update.id);
      writer.integer(TRADE_KINDS.indexOf(update.tradeKind));
      writer.integer(SIDES.indexOf(update.side));
      writer.integer(update.price);
      writer.integer(update.size);
      break;
    case 'status':
      begin(writer, 4, STATUS, exchangeUs);
      writer.integer((STATUSES as readonly string[]).indexOf(update.status));
      if (update.reason === null) writer.nil();
      else writer.string(update.reason);
  }
  return writer.copy();
}

function begin(writer: ByteWriter, elements: number, kind: number, exchangeUs: number | null): void {
  writer.array(elements);
  writer.integer(kind);
  writer.integerOrNil(exchangeUs);
}

function writeLevels(writer: ByteWriter, flat: readonly number[]): void {
  writer.array(flat.length);
  writer.integers(flat, flat.length);
}

/** Reads an entry's head; the reader then stands at its update. @throws DecodeError */
export function readHead(reader: ByteReader, head: EntryHead): void {
  const elements = reader.array();
  head.format = reader.integer();
  if (head.format !== REDIS_FORMAT) return;
  if (elements !== 5) throw new DecodeError(`an entry's head has 5 elements, not ${elements}`);
  head.epoch = reader.integer();
  head.seq = reader.integer();
  head.publishUs = reader.integer();
  head.nonce = reader.integer();
}

/** What stands behind the head; a number of doubt is no update: it has no place in the sequence. */
export type EntryBody = { readonly update: Update; readonly exchangeUs: number | null } | { readonly doubted: boolean };

/** Reads what stands behind a head. @throws DecodeError */
export function readBody(reader: ByteReader): EntryBody {
  const elements = reader.array();
  const kind = reader.integer();
  if (kind === DOUBT) return { doubted: reader.integer() === 1 };
  const exchangeUs = reader.integerOrNil();
  const update = readUpdate(reader, kind);
  if (elements !== ELEMENTS[kind]) throw new DecodeError(`update ${kind} has ${elements} elements`);
  return { update, exchangeUs };
}

const ELEMENTS: readonly number[] = [4, 4, 6, 7, 4];

function readUpdate(reader: ByteReader, kind: number): Update {
  switch (kind) {
    case DELTA:
    case SNAPSHOT: {
      const bids = readLevels(reader);
      const asks = readLevels(reader);
      return { kind: kind === DELTA ? 'delta' : 'snapshot', bids, asks } satisfies BookDelta | BookSnapshot;
    }
    case QUOTE: {
      const bidPrice = reader.integerOrNil();
      const bidSize = reader.integer();
      const askPrice = reader.integerOrNil();
      return { kind: 'quote', bidPrice, bidSize, askPrice, askSize: reader.integer() };
    }
    case TRADE: {
      const id = reader.nil() ? null : reader.integerOrString();
      const tradeKind = named(TRADE_KINDS, reader.integer());
      const side = named(SIDES, reader.integer());
      const price = reader.integer();
      return { kind: 'trade', id, tradeKind, side, price, size: reader.integer() };
    }
    case STATUS: {
      const status = named(STATUSES, reader.integer());
      return { kind: 'status', status, reason: reader.nil() ? null : reader.string() };
    }
  }
  throw new DecodeError(`there is no update of kind ${kind}`);
}

function named<T>(names: readonly T[], index: number): T {
  const name = names[index];
  if (name === undefined) throw new DecodeError(`there are ${names.length} names, not ${index}`);
  return name;
}

function readLevels(reader: ByteReader): number[] {
  const count = reader.array();
  if (count % LEVEL_STRIDE !== 0)
    throw new DecodeError(`levels have ${LEVEL_STRIDE} numbers each, not ${count} in all`);
  const flat: number[] = [];
  for (let i = 0; i < count; i++) flat.push(reader.integer());
  return flat;
}
