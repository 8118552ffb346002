// Owns the JSON form of every frame: one object per line, prices and sizes as decimal strings, times in microseconds.
// For people and for wscat; MessagePack is what the SDKs ask for. Invariant: the same stream as MessagePack, field for field.

import { formatDecimal, parseDecimal } from './decimal.ts';
import { DecodeError, type Decoder, type TopicContext } from './codec.ts';
import type { BookFrame, FlatLevels, Frame, PartFrame, QuoteFrame, TopicFrame, TradeFrame } from './frames.ts';
import type { ByteWriter } from './writer.ts';

const PRICE_FIELDS = ['price', 'bidPrice', 'askPrice'];
const SIZE_FIELDS = ['size', 'bidSize', 'askSize'];

export function encodeJson(writer: ByteWriter, frame: Frame, topic?: TopicContext): void {
  writer.text(`${JSON.stringify(plain(frame, topic))}\n`);
}

function plain(frame: Frame, topic: TopicContext | undefined): object {
  switch (frame.type) {
    case 'book':
    case 'part':
      return bookObject(frame, needed(topic));
    case 'quote':
    case 'trade':
      return decimals(frame, needed(topic));
    case 'status':
      return named(frame, needed(topic));
    case 'topic':
    case 'instrument': {
      const { tickSize, lotSize, ...rest } = frame;
      return {
        ...rest,
        tickSize: formatDecimal(tickSize, frame.priceScale),
        lotSize: formatDecimal(lotSize, frame.sizeScale),
      };
    }
    default:
      return frame;
  }
}

function named<F extends object>(frame: F, { channel, symbol }: TopicContext): object {
  const { type, ...rest } = frame as F & { type: string };
  return { type, channel, symbol, ...rest };
}

function bookObject(frame: BookFrame | PartFrame, topic: TopicContext): object {
  const { stride, bids, asks, ...rest } = frame;
  const { parts, ...whole } = { parts: 0, ...rest };
  return named(
    {
      ...whole,
      ...(parts > 0 ? { parts } : {}),
      bids: levelRows(bids, stride, topic),
      asks: levelRows(asks, stride, topic),
    },
    topic,
  );
}

function levelRows(flat: FlatLevels, stride: number, { priceScale, sizeScale }: TopicContext): (string | number)[][] {
  const rows: (string | number)[][] = [];
  for (let i = 0; i < flat.length; i += stride) {
    const row: (string | number)[] = [formatDecimal(flat[i]!, priceScale), formatDecimal(flat[i + 1]!, sizeScale)];
    if (stride === 3) row.push(flat[i + 2]!);
    rows.push(row);
  }
  return rows;
}

function decimals(frame: QuoteFrame | TradeFrame, topic: TopicContext): object {
  const out: Record<string, unknown> = { ...frame };
  for (const field of PRICE_FIELDS) if (typeof out[field] === 'number') out[field] = formatDecimal(out[field], topic.priceScale);
  for (const field of SIZE_FIELDS) if (typeof out[field] === 'number') out[field] = formatDecimal(out[field], topic.sizeScale);
  return named(out, topic);
}

function needed(topic: TopicContext | undefined): TopicContext {
  if (topic === undefined) throw new TypeError('a data frame in JSON needs its topic');
  return topic;
}

/** Fields that each type has; a frame without one of them is malformed. */
const STAMP = ['topic', 'fromSeq', 'seq', 'exchangeUs', 'publishUs', 'gatewayUs'];
const FIELDS: Readonly<Record<Frame['type'], readonly string[]>> = {
  welcome: ['version', 'server', 'session', 'timeUs', 'limits'],
  ack: ['id', 'op', 'accepted', 'refused'],
  error: ['id', 'code', 'message', 'action'],
  pong: ['id', 'timeUs'],
  time: ['timeUs'],
  topic: ['topic', 'channel', 'symbol', 'epoch', 'priceScale', 'sizeScale', 'stride', 'tickSize', 'lotSize'],
  book: [...STAMP, 'depth', 'checksum', 'bids', 'asks'],
  part: ['topic', 'fromSeq', 'seq', 'depth', 'index', 'count', 'bids', 'asks'],
  quote: [...STAMP, 'bidPrice', 'bidSize', 'askPrice', 'askSize'],
  trade: [...STAMP, 'id', 'kind', 'side', 'price', 'size'],
  status: [...STAMP, 'status', 'reason'],
  health: ['topic', 'status', 'ageMs'],
  gap: ['topic', 'firstSeq', 'lastSeq', 'reason'],
  reset: ['topic', 'seq', 'reason'],
  end: ['topic', 'reason'],
  instrument: ['action', 'symbol', 'priceScale', 'sizeScale', 'tickSize', 'lotSize'],
};

export class JsonDecoder implements Decoder {
  private readonly topics = new Map<number, TopicFrame>();
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true });

  decode(message: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (const line of this.lines(message)) {
      const object = parsed(line);
      const type = object['type'];
      if (typeof type !== 'string') throw new DecodeError('a frame without a type');
      if (!Object.hasOwn(FIELDS, type)) continue;
      const missing = FIELDS[type as Frame['type']].find((field) => object[field] === undefined);
      if (missing !== undefined) throw new DecodeError(`a ${type} frame without ${missing}`);
      frames.push(this.frame(object, type as Frame['type']));
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
  private frame(object: Record<string, unknown>, type: Frame['type']): Frame {
    const frame: Record<string, unknown> = { type };
    for (const field of FIELDS[type]) frame[field] = object[field];
    if (type === 'topic' || type === 'instrument') {
      frame['tickSize'] = mantissa(object['tickSize'], Number(object['priceScale']));
      frame['lotSize'] = mantissa(object['lotSize'], Number(object['sizeScale']));
      if (type === 'topic') this.topics.set(Number(object['topic']), frame as unknown as TopicFrame);
      return frame as unknown as Frame;
    }
    if (type === 'book' || type === 'part' || type === 'quote' || type === 'trade') this.numbers(frame, object, type);
    return frame as unknown as Frame;
  }

  private numbers(frame: Record<string, unknown>, object: Record<string, unknown>, type: Frame['type']): void {
    const topic = this.topics.get(Number(object['topic']));
    if (topic === undefined) throw new DecodeError(`topic ${String(object['topic'])} was not announced`);
    if (type === 'book' || type === 'part') {
      frame['stride'] = topic.stride;
      if (type === 'book') frame['parts'] = object['parts'] ?? 0;
      frame['bids'] = flatLevels(object['bids'], topic);
      frame['asks'] = flatLevels(object['asks'], topic);
      return;
    }
    for (const field of PRICE_FIELDS) if (field in frame && frame[field] !== null) frame[field] = mantissa(frame[field], topic.priceScale);
    for (const field of SIZE_FIELDS) if (field in frame) frame[field] = mantissa(frame[field], topic.sizeScale);
  }
}

function parsed(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new DecodeError('a line that is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError('a line that is no object');
  return value as Record<string, unknown>;
}

function flatLevels(rows: unknown, { stride, priceScale, sizeScale }: TopicFrame): number[] {
  if (!Array.isArray(rows)) throw new DecodeError('levels that are no list');
  const flat: number[] = [];
  for (const row of rows) {
    if (!Array.isArray(row) || row.length < stride) throw new DecodeError(`a level that is not ${stride} values`);
    flat.push(mantissa(row[0], priceScale), mantissa(row[1], sizeScale));
    if (stride === 3) flat.push(Number(row[2]));
  }
  return flat;
}

function mantissa(text: unknown, scale: number): number {
  const value = typeof text === 'string' ? parseDecimal(text, scale) : 'syntax';
  if (typeof value === 'string') throw new DecodeError(`${String(text)} is no decimal with ${scale} digits (${value})`);
  return value;
}
