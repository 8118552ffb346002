// Owns a second, slow way to write the wire: BigInt arithmetic, no line shared with src/protocol's encoders.
// Called by the vectors' maker only. Invariant: what it writes follows proto/frames.md, not the code under test.

import type { Frame, TopicFrame } from '../../src/protocol/frames.ts';

export type Value = null | boolean | bigint | number | string | readonly Value[] | { readonly [key: string]: Value };

/** Bytes that go into a message as they are: what no encoder of ours would write. */
export class Raw {
  constructor(readonly bytes: readonly number[]) {}
}

const utf8 = new TextEncoder();

/** MessagePack in its shortest form. */
export function pack(value: Value | Raw): number[] {
  if (value instanceof Raw) return [...value.bytes];
  if (value === null) return [0xc0];
  if (typeof value === 'boolean') return [value ? 0xc3 : 0xc2];
  if (typeof value === 'bigint' || typeof value === 'number') return packInteger(BigInt(value));
  if (typeof value === 'string') {
    const bytes = utf8.encode(value);
    const head = header(bytes.length, 0xa0, 32, [
      [0xd9, 1],
      [0xda, 2],
      [0xdb, 4],
    ]);
    return [...head, ...bytes];
  }
  if (Array.isArray(value))
    return [
      ...header(value.length, 0x90, 16, [
        [0xdc, 2],
        [0xdd, 4],
      ]),
      ...value.flatMap(pack),
    ];
  const entries = Object.entries(value);
  const head = header(entries.length, 0x80, 16, [
    [0xde, 2],
    [0xdf, 4],
  ]);
  return [...head, ...entries.flatMap(([key, member]) => [...pack(key), ...pack(member)])];
}

type Forms = readonly (readonly [head: number, width: number])[];

function header(count: number, short: number, shortEnd: number, forms: Forms): number[] {
  if (count < shortEnd) return [short | count];
  const [head, width] = forms.find(([, bytes]) => BigInt(count) < 1n << BigInt(8 * bytes))!;
  return [head, ...bigEndian(BigInt(count), width)];
}

function packInteger(value: bigint): number[] {
  if (value >= 0n) {
    if (value < 128n) return [Number(value)];
    const forms: Forms = [
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
      [0xcf, 8],
    ];
    const [head, width] = forms.find(([, bytes]) => value < 1n << BigInt(8 * bytes))!;
    return [head, ...bigEndian(value, width)];
  }
  if (value >= -32n) return [Number(256n + value)];
  const forms: Forms = [
    [0xd0, 1],
    [0xd1, 2],
    [0xd2, 4],
    [0xd3, 8],
  ];
  const [head, width] = forms.find(([, bytes]) => value >= -(1n << BigInt(8 * bytes - 1)))!;
  return [head, ...bigEndian(BigInt.asUintN(8 * width, value), width)];
}

export function bigEndian(value: bigint, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * (width - 1 - i))) & 0xffn));
}

export function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

const MASK = 0xffff_ffffn;

/** MurmurHash3 x86 32-bit of 16 bytes: price and size as 64-bit little-endian integers; the seed is 0 for bids, 1 for asks. */
export function levelHash(side: 0 | 1, price: number, size: number): number {
  const words = [price, size].flatMap((number) => {
    const bits = BigInt.asUintN(64, BigInt(number));
    return [bits & MASK, bits >> 32n];
  });
  let hash = BigInt(side);
  for (const word of words) {
    const mixed = (rotated((word * 0xcc9e2d51n) & MASK, 15n) * 0x1b873593n) & MASK;
    hash = (rotated(hash ^ mixed, 13n) * 5n + 0xe6546b64n) & MASK;
  }
  hash ^= 16n;
  hash = ((hash ^ (hash >> 16n)) * 0x85ebca6bn) & MASK;
  hash = ((hash ^ (hash >> 13n)) * 0xc2b2ae35n) & MASK;
  return Number(hash ^ (hash >> 16n));
}

function rotated(word: bigint, by: bigint): bigint {
  return ((word << by) | (word >> (32n - by))) & MASK;
}

export type Level = readonly [price: number, size: number, count?: number];

/** Sum of the hashes of all levels held, modulo 2^32. */
export function checksum(bids: readonly Level[], asks: readonly Level[]): number {
  let sum = 0n;
  for (const [price, size] of bids) sum += BigInt(levelHash(0, price, size));
  for (const [price, size] of asks) sum += BigInt(levelHash(1, price, size));
  return Number(sum & MASK);
}

/** Decimal string with exactly `scale` digits after the point. */
export function decimal(mantissa: number, scale: number): string {
  const value = BigInt(mantissa);
  const unit = 10n ** BigInt(scale);
  const size = value < 0n ? -value : value;
  const fraction = scale === 0 ? '' : `.${(size % unit).toString().padStart(scale, '0')}`;
  return `${value < 0n ? '-' : ''}${size / unit}${fraction}`;
}

/** Names whose place in the list is their number on the wire, as proto/frames.md has them. */
const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  status: ['live', 'crossed', 'halted', 'source-down', 'stale', 'resync'],
  side: ['unknown', 'buy', 'sell'],
  kind: ['trade', 'correction', 'bust'],
  reset: ['subscribed', 'requested', 'horizon', 'epoch', 'future', 'gap', 'mode'],
  gap: ['ring', 'budget', 'bus'],
  end: ['delisted', 'revoked', 'unsubscribed'],
  pace: ['real-time', 'conflated', 'slower', 'top'],
  cause: ['link', 'budget'],
  goodbye: ['drain'],
  how: ['replayed', 'diffed', 'snapshot'],
  why: ['cursor', 'none', 'horizon', 'epoch', 'future', 'gap', 'requested'],
  action: ['listed', 'changed', 'delisted'],
};

function numberOf(list: string, name: string): number {
  const number = NUMBERS[list]!.indexOf(name);
  if (number < 0) throw new RangeError(`${name} is not in the list ${list}`);
  return number;
}

/** The elements of a frame's MessagePack array. */
export function positions(frame: Frame): Value[] {
  switch (frame.type) {
    case 'welcome': {
      const { requestBytes, symbolsPerRequest, subscriptions, heartbeatMs, ageMsMax } = frame.limits;
      const { stallMsMax, silentMs, requestsPerSec } = frame.limits;
      const first = [requestBytes, symbolsPerRequest, subscriptions, heartbeatMs, ageMsMax];
      const limits = [...first, ...upToTheLastGiven([stallMsMax, silentMs, requestsPerSec])];
      return [0, frame.version, frame.server, frame.session, frame.timeUs, limits];
    }
    case 'ack': {
      const accepted = frame.accepted.map((a) => [a.symbol, a.topic, a.depth, a.intervalMs, a.mode]);
      const refused = frame.refused.map((r) => [r.symbol, r.code, r.message, r.action]);
      return [1, frame.id, frame.op, accepted, refused];
    }
    case 'error':
      return [2, frame.id, frame.code, frame.message, frame.action];
    case 'pong':
      return [3, frame.id, frame.timeUs];
    case 'heartbeat':
      return [4, frame.timeUs, frame.roundTripMs, frame.lagMs];
    case 'pace': {
      const { pace, priority, intervalMs, reason } = frame;
      return [5, numberOf('pace', pace), priority, intervalMs, numberOf('cause', reason)];
    }
    case 'refused':
      return [6, frame.code, frame.message, frame.action, frame.retryAfterMs];
    case 'goodbye':
      return [7, numberOf('goodbye', frame.reason), frame.reconnectMs, frame.closeMs];
    case 'token':
      return [8, frame.token, frame.lifeMs];
    case 'identity':
      return [9, frame.principal, frame.untilUs];
    case 'time':
      return [16, frame.timeUs];
    case 'topic': {
      const { topic, channel, symbol, epoch, priceScale, sizeScale, stride, tickSize, lotSize, group } = frame;
      const scales = [priceScale, sizeScale, stride, tickSize, lotSize];
      return [17, topic, channel, symbol, epoch, ...scales, ...given(group)];
    }
    case 'book': {
      const elements = [18, ...stamp(frame), frame.depth, frame.checksum, frame.bids, frame.asks];
      return frame.parts === 0 ? elements : [...elements, frame.parts];
    }
    case 'quote':
      return [19, ...stamp(frame), frame.bidPrice, frame.bidSize, frame.askPrice, frame.askSize];
    case 'trade': {
      const kind = numberOf('kind', frame.kind);
      return [20, ...stamp(frame), frame.id, kind, numberOf('side', frame.side), frame.price, frame.size];
    }
    case 'status':
      return [21, ...stamp(frame), numberOf('status', frame.status), frame.reason];
    case 'health':
      return [22, frame.topic, numberOf('status', frame.status), frame.ageMs];
    case 'gap':
      return [23, frame.topic, frame.firstSeq, frame.lastSeq, numberOf('gap', frame.reason)];
    case 'reset':
      return [24, frame.topic, frame.seq, numberOf('reset', frame.reason)];
    case 'part': {
      const { topic, seq, fromSeq, depth, index, count, bids, asks } = frame;
      return [25, topic, seq, span(seq, fromSeq), depth, index, count, bids, asks];
    }
    case 'end':
      return [26, frame.topic, numberOf('end', frame.reason)];
    case 'instrument': {
      const { symbol, priceScale, sizeScale, tickSize, lotSize } = frame;
      return [27, numberOf('action', frame.action), symbol, priceScale, sizeScale, tickSize, lotSize];
    }
    case 'healed':
      return [28, frame.topic, numberOf('how', frame.how), numberOf('why', frame.why)];
  }
}

function given(value: number | undefined): Value[] {
  return value === undefined ? [] : [value];
}

/** nil where one that others follow is left out; nothing behind the last. */
function upToTheLastGiven(values: readonly (number | undefined)[]): Value[] {
  const count = 1 + values.findLastIndex((value) => value !== undefined);
  return values.slice(0, count).map((value) => value ?? null);
}

type Stamped = Extract<Frame, { gatewayUs: number }>;

function stamp({ topic, seq, fromSeq, exchangeUs, publishUs, gatewayUs }: Stamped): Value[] {
  const publishLag = BigInt(gatewayUs) - BigInt(publishUs);
  const exchangeLag = exchangeUs === null ? null : BigInt(publishUs) - BigInt(exchangeUs);
  return [topic, seq, span(seq, fromSeq), publishLag, exchangeLag];
}

function span(seq: number, fromSeq: number): bigint {
  return BigInt(seq) - BigInt(fromSeq);
}

/** One line of JSON per frame; `time` frames have none. */
export function jsonText(frames: readonly Frame[], topics: readonly TopicFrame[]): string {
  const known = new Map(topics.map((topic) => [topic.topic, topic]));
  let text = '';
  for (const frame of frames) {
    if (frame.type === 'time') continue;
    if (frame.type === 'topic') known.set(frame.topic, frame);
    text += `${JSON.stringify(jsonObject(frame, known))}\n`;
  }
  return text;
}

function jsonObject(frame: Frame, topics: ReadonlyMap<number, TopicFrame>): object {
  switch (frame.type) {
    case 'topic': {
      const { type, topic, channel, symbol, epoch, priceScale, sizeScale, stride } = frame;
      const steps = { tickSize: decimal(frame.tickSize, priceScale), lotSize: decimal(frame.lotSize, sizeScale) };
      const group = frame.group === undefined ? {} : { group: frame.group };
      return { type, topic, channel, symbol, epoch, priceScale, sizeScale, stride, ...steps, ...group };
    }
    case 'instrument': {
      const { type, action, symbol, priceScale, sizeScale } = frame;
      const steps = { tickSize: decimal(frame.tickSize, priceScale), lotSize: decimal(frame.lotSize, sizeScale) };
      return { type, action, symbol, priceScale, sizeScale, ...steps };
    }
    case 'book':
    case 'part':
    case 'quote':
    case 'trade':
    case 'status': {
      const topic = topics.get(frame.topic);
      if (topic === undefined) throw new RangeError(`the vector does not announce topic ${frame.topic}`);
      return { type: frame.type, channel: topic.channel, symbol: topic.symbol, ...dataFields(frame, topic) };
    }
    default:
      return frame;
  }
}

function dataFields(frame: Stamped | Extract<Frame, { type: 'part' }>, scales: TopicFrame): object {
  const { topic, fromSeq, seq } = frame;
  const price = (mantissa: number | null) => (mantissa === null ? null : decimal(mantissa, scales.priceScale));
  const size = (mantissa: number) => decimal(mantissa, scales.sizeScale);
  const levels = (flat: readonly number[]) =>
    Array.from({ length: flat.length / scales.stride }, (_, i) => {
      const [first = 0, second = 0, ...count] = flat.slice(i * scales.stride, (i + 1) * scales.stride);
      return [price(first), size(second), ...count];
    });
  if (frame.type === 'part') {
    const { depth, index, count, bids, asks } = frame;
    return { topic, fromSeq, seq, depth, index, count, bids: levels(bids), asks: levels(asks) };
  }
  const { exchangeUs, publishUs, gatewayUs } = frame;
  const head = { topic, fromSeq, seq, exchangeUs, publishUs, gatewayUs };
  switch (frame.type) {
    case 'book': {
      const { depth, checksum, parts, bids, asks } = frame;
      return { ...head, depth, checksum, ...(parts === 0 ? {} : { parts }), bids: levels(bids), asks: levels(asks) };
    }
    case 'quote': {
      const bid = { bidPrice: price(frame.bidPrice), bidSize: size(frame.bidSize) };
      return { ...head, ...bid, askPrice: price(frame.askPrice), askSize: size(frame.askSize) };
    }
    case 'trade': {
      const { id, kind, side } = frame;
      return { ...head, id, kind, side, price: price(frame.price), size: size(frame.size) };
    }
    case 'status':
      return { ...head, status: frame.status, reason: frame.reason };
  }
}
