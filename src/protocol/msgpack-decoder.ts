// Owns the way back from MessagePack bytes to frames, for clients. One decoder per connection: it remembers the topics.
// Invariant: unknown types and trailing elements are skipped; bytes that break the protocol throw DecodeError.

import { DecodeError, type Decoder } from './codec.ts';
import { SCALE_MAX } from './decimal.ts';
import {
  type AckFrame,
  type BookFrame,
  CHANNELS,
  END_REASONS,
  type Frame,
  FrameType,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  MODES,
  type Other,
  PACE_REASONS,
  PACES,
  RESET_REASONS,
  SIDES,
  STATUSES,
  type Stamp,
  type TopicFrame,
  TRADE_KINDS,
  type WelcomeFrame,
} from './frames.ts';
import { ByteReader } from './reader.ts';

/** Of books and topics, which may have one more. */
const BOOK_ELEMENTS = 10;
const TOPIC_ELEMENTS = 10;

/** Elements that each type has at least; fewer is a malformed frame. */
const ELEMENTS_MIN: Readonly<Record<number, number>> = {
  [FrameType.welcome]: 6,
  [FrameType.ack]: 5,
  [FrameType.error]: 5,
  [FrameType.pong]: 3,
  [FrameType.heartbeat]: 4,
  [FrameType.pace]: 5,
  [FrameType.refused]: 5,
  [FrameType.goodbye]: 4,
  [FrameType.token]: 3,
  [FrameType.identity]: 3,
  [FrameType.time]: 2,
  [FrameType.topic]: TOPIC_ELEMENTS,
  [FrameType.book]: BOOK_ELEMENTS,
  [FrameType.quote]: 10,
  [FrameType.trade]: 11,
  [FrameType.status]: 8,
  [FrameType.health]: 4,
  [FrameType.gap]: 5,
  [FrameType.reset]: 4,
  [FrameType.part]: 9,
  [FrameType.end]: 3,
  [FrameType.instrument]: 7,
  [FrameType.healed]: 4,
};

/** Limits of the welcome that may be missing, in their order. */
const LATER_LIMITS = ['stallMsMax', 'silentMs', 'requestsPerSec'] as const;

const NO_TIME = 'a data frame without a time frame before it in the message';

export class MsgpackDecoder implements Decoder {
  private readonly strides = new Map<number, number>();
  private gatewayUs = 0;

  decode(message: Uint8Array): Frame[] {
    const reader = new ByteReader(message);
    const frames: Frame[] = [];
    this.gatewayUs = 0;
    while (!reader.done) {
      const elements = reader.array();
      if (elements === 0) throw new DecodeError('a frame without a type');
      const type = reader.integer();
      const wanted = ELEMENTS_MIN[type];
      if (wanted === undefined) {
        for (let i = 1; i < elements; i++) reader.skip();
        continue;
      }
      if (elements < wanted) throw new DecodeError(`frame ${type} has ${elements} elements, not ${wanted}`);
      frames.push(this.frame(reader, type, elements));
      const more = type === FrameType.book || type === FrameType.topic ? 1 : 0;
      const taken = Math.min(elements, wanted + more);
      for (let i = taken; i < elements; i++) reader.skip();
    }
    return frames;
  }

  private frame(r: ByteReader, type: number, elements: number): Frame {
    switch (type) {
      case FrameType.book:
        return this.book(r, elements);
      case FrameType.time:
        this.gatewayUs = r.integer();
        return { type: 'time', timeUs: this.gatewayUs };
      case FrameType.quote:
        return {
          type: 'quote',
          ...this.stamp(r),
          bidPrice: r.integerOrNil(),
          bidSize: r.integer(),
          askPrice: r.integerOrNil(),
          askSize: r.integer(),
        };
      case FrameType.trade:
        return {
          type: 'trade',
          ...this.stamp(r),
          id: r.integerOrString(),
          kind: named(TRADE_KINDS, r.integer()),
          side: named(SIDES, r.integer()),
          price: r.integer(),
          size: r.integer(),
        };
      case FrameType.status:
        return {
          type: 'status',
          ...this.stamp(r),
          status: growing(STATUSES, r.integer()),
          reason: r.nil() ? null : r.string(),
        };
      case FrameType.part: {
        const topic = r.integer();
        const seq = r.integer();
        const fromSeq = fromSeqOf(seq, r.integer());
        const depth = r.integer();
        const index = r.integer();
        const count = r.integer();
        const stride = this.stride(topic);
        const bids = levels(r, stride);
        return { type: 'part', topic, fromSeq, seq, depth, index, count, stride, bids, asks: levels(r, stride) };
      }
      case FrameType.topic:
        return this.topic(r, elements);
      case FrameType.health:
        return { type: 'health', topic: r.integer(), status: growing(STATUSES, r.integer()), ageMs: r.integer() };
      case FrameType.gap:
        return {
          type: 'gap',
          topic: r.integer(),
          firstSeq: r.integer(),
          lastSeq: r.integer(),
          reason: growing(GAP_REASONS, r.integer()),
        };
      case FrameType.reset:
        return { type: 'reset', topic: r.integer(), seq: r.integer(), reason: growing(RESET_REASONS, r.integer()) };
      case FrameType.end:
        return { type: 'end', topic: r.integer(), reason: growing(END_REASONS, r.integer()) };
      case FrameType.instrument:
        return {
          type: 'instrument',
          action: named(INSTRUMENT_ACTIONS, r.integer()),
          symbol: r.string(),
          priceScale: scale(r),
          sizeScale: scale(r),
          tickSize: r.integer(),
          lotSize: r.integer(),
        };
      case FrameType.welcome: {
        const welcome = {
          type: 'welcome' as const,
          version: r.string(),
          server: r.string(),
          session: r.string(),
          timeUs: r.integer(),
        };
        const fields = r.array();
        if (fields < 5) throw new DecodeError('the limits in the welcome are incomplete');
        const limits: WelcomeFrame['limits'] = {
          requestBytes: r.integer(),
          symbolsPerRequest: r.integer(),
          subscriptions: r.integer(),
          heartbeatMs: r.integer(),
          ageMsMax: r.integer(),
        };
        LATER_LIMITS.forEach((name, i) => {
          const limit = fields > 5 + i ? r.naturalOrSkip() : undefined;
          if (limit !== undefined) limits[name] = limit;
        });
        for (let i = 5 + LATER_LIMITS.length; i < fields; i++) r.skip();
        return { ...welcome, limits };
      }
      case FrameType.heartbeat:
        return { type: 'heartbeat', timeUs: r.integer(), roundTripMs: r.integerOrNil(), lagMs: r.integer() };
      case FrameType.pace:
        return {
          type: 'pace',
          pace: growing(PACES, r.integer()),
          priority: r.integer(),
          intervalMs: r.integer(),
          reason: growing(PACE_REASONS, r.integer()),
        };
      case FrameType.refused:
        return {
          type: 'refused',
          code: r.string(),
          message: r.string(),
          action: r.string(),
          retryAfterMs: r.integerOrNil(),
        };
      case FrameType.goodbye:
        return {
          type: 'goodbye',
          reason: growing(GOODBYE_REASONS, r.integer()),
          reconnectMs: r.integer(),
          closeMs: r.integer(),
        };
      case FrameType.token:
        return { type: 'token', token: r.string(), lifeMs: r.integer() };
      case FrameType.identity:
        return { type: 'identity', principal: r.string(), untilUs: r.integerOrNil() };
      case FrameType.healed:
        return {
          type: 'healed',
          topic: r.integer(),
          how: growing(HEALINGS, r.integer()),
          why: growing(HEAL_REASONS, r.integer()),
        };
      case FrameType.ack:
        return ack(r);
      case FrameType.error:
        return { type: 'error', id: r.integerOrNil(), code: r.string(), message: r.string(), action: r.string() };
      default:
        return { type: 'pong', id: r.integer(), timeUs: r.integer() };
    }
  }

  /** The frame that nearly all are: without intermediate objects. */
  private book(r: ByteReader, elements: number): BookFrame {
    const { gatewayUs } = this;
    if (gatewayUs === 0) throw new DecodeError(NO_TIME);
    const topic = r.integer();
    const seq = r.integer();
    const fromSeq = fromSeqOf(seq, r.integer());
    const publishUs = earlier(gatewayUs, r.integer());
    const lagUs = r.integerOrNil();
    const stride = this.stride(topic);
    return {
      type: 'book',
      topic,
      fromSeq,
      seq,
      exchangeUs: lagUs === null ? null : earlier(publishUs, lagUs),
      publishUs,
      gatewayUs,
      depth: r.integer(),
      checksum: r.integer(),
      stride,
      bids: levels(r, stride),
      asks: levels(r, stride),
      parts: elements > 10 ? r.integer() : 0,
    };
  }

  private stamp(r: ByteReader): Stamp {
    if (this.gatewayUs === 0) throw new DecodeError(NO_TIME);
    const topic = r.integer();
    this.stride(topic);
    const seq = r.integer();
    const fromSeq = fromSeqOf(seq, r.integer());
    const publishUs = earlier(this.gatewayUs, r.integer());
    const lagUs = r.integerOrNil();
    const exchangeUs = lagUs === null ? null : earlier(publishUs, lagUs);
    return { topic, fromSeq, seq, exchangeUs, publishUs, gatewayUs: this.gatewayUs };
  }

  private stride(topic: number): number {
    const stride = this.strides.get(topic);
    if (stride === undefined) throw new DecodeError(`topic ${topic} was not announced`);
    return stride;
  }

  private topic(r: ByteReader, elements: number): TopicFrame {
    const frame: TopicFrame = {
      type: 'topic',
      topic: r.integer(),
      channel: known(CHANNELS, r.string()),
      symbol: r.string(),
      epoch: r.integer(),
      priceScale: scale(r),
      sizeScale: scale(r),
      stride: r.integer(),
      tickSize: r.integer(),
      lotSize: r.integer(),
    };
    const group = elements > TOPIC_ELEMENTS ? r.naturalOrSkip() : undefined;
    if (group !== undefined) frame.group = group;
    if (frame.stride !== 2 && frame.stride !== 3) throw new DecodeError(`a stride of ${frame.stride}`);
    this.strides.set(frame.topic, frame.stride);
    return frame;
  }
}

function fromSeqOf(seq: number, span: number): number {
  if (span < 0 || span > seq) throw new DecodeError(`a span of ${span} at seq ${seq}`);
  return seq - span;
}

function earlier(timeUs: number, lagUs: number): number {
  const us = timeUs - lagUs;
  if (!Number.isSafeInteger(us)) throw new DecodeError('a time beyond 2^53');
  return us;
}

function scale(r: ByteReader): number {
  const digits = r.integer();
  if (digits < 0 || digits > SCALE_MAX) throw new DecodeError(`a scale of ${digits}`);
  return digits;
}

function ack(r: ByteReader): AckFrame {
  const frame: AckFrame = { type: 'ack', id: r.integer(), op: r.string(), accepted: [], refused: [] };
  for (let left = r.array(); left > 0; left--) {
    const fields = atLeast(r, 5);
    frame.accepted.push({
      symbol: r.string(),
      topic: r.integer(),
      depth: r.integer(),
      intervalMs: r.integer(),
      mode: known(MODES, r.string()),
    });
    for (let i = 5; i < fields; i++) r.skip();
  }
  for (let left = r.array(); left > 0; left--) {
    const fields = atLeast(r, 4);
    frame.refused.push({ symbol: r.string(), code: r.string(), message: r.string(), action: r.string() });
    for (let i = 4; i < fields; i++) r.skip();
  }
  return frame;
}

function atLeast(r: ByteReader, wanted: number): number {
  const fields = r.array();
  if (fields < wanted) throw new DecodeError(`an entry of ${fields} elements, not ${wanted}`);
  return fields;
}

function levels(r: ByteReader, stride: number): number[] {
  const count = r.array();
  if (count % stride !== 0) throw new DecodeError(`${count} numbers are no whole levels of ${stride}`);
  const flat = new Array<number>(count);
  for (let i = 0; i < count; i++) flat[i] = r.integer();
  return flat;
}

/** As `named`, for the lists that may grow within v1. */
function growing<T extends string>(names: readonly T[], index: number): T | Other {
  return names[index] ?? 'other';
}

function named<T extends string>(names: readonly T[], index: number): T {
  const name = names[index];
  if (name === undefined) throw new DecodeError(`no meaning is known for number ${index} (${names.join(', ')})`);
  return name;
}

function known<T extends string>(names: readonly T[], text: string): T {
  const name = names.find((each) => each === text);
  if (name === undefined) throw new DecodeError(`${text} is none of ${names.join(', ')}`);
  return name;
}
