// Owns the MessagePack form of every frame: positional arrays, [type, ...]. proto/frames.md lists the positions.
// Called by the flush and by the send queue. Invariant: times in data frames are lags behind the `time` frame, which
// states the gateway's time; publish = gateway - publishLag, exchange = publish - exchangeLag.

import {
  type AckFrame,
  type BookFrame,
  END_REASONS,
  type Frame,
  FrameType,
  GAP_REASONS,
  GOODBYE_REASONS,
  HEAL_REASONS,
  HEALINGS,
  INSTRUMENT_ACTIONS,
  PACE_REASONS,
  PACES,
  type PartFrame,
  RESET_REASONS,
  SIDES,
  STATUSES,
  type Stamp,
  TRADE_KINDS,
  type WelcomeFrame,
} from './frames.ts';
import type { ByteWriter } from './writer.ts';

export function encodeMsgpack(w: ByteWriter, frame: Frame): void {
  switch (frame.type) {
    case 'book':
      return book(w, frame);
    case 'time':
      head(w, 2, FrameType.time);
      return w.integer(frame.timeUs);
    case 'quote':
      stamp(w, 10, FrameType.quote, frame);
      w.integerOrNil(frame.bidPrice);
      w.integer(frame.bidSize);
      w.integerOrNil(frame.askPrice);
      return w.integer(frame.askSize);
    case 'trade':
      stamp(w, 11, FrameType.trade, frame);
      if (typeof frame.id === 'string') w.string(frame.id);
      else w.integer(frame.id);
      w.integer(numberOf(TRADE_KINDS, frame.kind));
      w.integer(numberOf(SIDES, frame.side));
      w.integer(frame.price);
      return w.integer(frame.size);
    case 'status':
      stamp(w, 8, FrameType.status, frame);
      w.integer(numberOf(STATUSES, frame.status));
      return frame.reason === null ? w.nil() : w.string(frame.reason);
    case 'part':
      return part(w, frame);
    case 'topic':
      head(w, frame.group === undefined ? 10 : 11, FrameType.topic);
      w.integer(frame.topic);
      w.string(frame.channel);
      w.string(frame.symbol);
      w.integer(frame.epoch);
      w.integer(frame.priceScale);
      w.integer(frame.sizeScale);
      w.integer(frame.stride);
      w.integer(frame.tickSize);
      w.integer(frame.lotSize);
      return optional(w, frame.group);
    case 'health':
      head(w, 4, FrameType.health);
      w.integer(frame.topic);
      w.integer(numberOf(STATUSES, frame.status));
      return w.integer(frame.ageMs);
    case 'gap':
      head(w, 5, FrameType.gap);
      w.integer(frame.topic);
      w.integer(frame.firstSeq);
      w.integer(frame.lastSeq);
      return w.integer(numberOf(GAP_REASONS, frame.reason));
    case 'reset':
      head(w, 4, FrameType.reset);
      w.integer(frame.topic);
      w.integer(frame.seq);
      return w.integer(numberOf(RESET_REASONS, frame.reason));
    case 'end':
      head(w, 3, FrameType.end);
      w.integer(frame.topic);
      return w.integer(numberOf(END_REASONS, frame.reason));
    case 'instrument':
      head(w, 7, FrameType.instrument);
      w.integer(numberOf(INSTRUMENT_ACTIONS, frame.action));
      w.string(frame.symbol);
      w.integer(frame.priceScale);
      w.integer(frame.sizeScale);
      w.integer(frame.tickSize);
      return w.integer(frame.lotSize);
    case 'welcome':
      head(w, 6, FrameType.welcome);
      w.string(frame.version);
      w.string(frame.server);
      w.string(frame.session);
      w.integer(frame.timeUs);
      return limits(w, frame.limits);
    case 'ack':
      return ack(w, frame);
    case 'error':
      head(w, 5, FrameType.error);
      w.integerOrNil(frame.id);
      w.string(frame.code);
      w.string(frame.message);
      return w.string(frame.action);
    case 'pong':
      head(w, 3, FrameType.pong);
      w.integer(frame.id);
      return w.integer(frame.timeUs);
    case 'heartbeat':
      head(w, 4, FrameType.heartbeat);
      w.integer(frame.timeUs);
      w.integerOrNil(frame.roundTripMs);
      return w.integer(frame.lagMs);
    case 'pace':
      head(w, 5, FrameType.pace);
      w.integer(numberOf(PACES, frame.pace));
      w.integer(frame.priority);
      w.integer(frame.intervalMs);
      return w.integer(numberOf(PACE_REASONS, frame.reason));
    case 'refused':
      head(w, 5, FrameType.refused);
      w.string(frame.code);
      w.string(frame.message);
      w.string(frame.action);
      return w.integerOrNil(frame.retryAfterMs);
    case 'goodbye':
      head(w, 4, FrameType.goodbye);
      w.integer(numberOf(GOODBYE_REASONS, frame.reason));
      w.integer(frame.reconnectMs);
      return w.integer(frame.closeMs);
    case 'token':
      head(w, 3, FrameType.token);
      w.string(frame.token);
      return w.integer(frame.lifeMs);
    case 'identity':
      head(w, 3, FrameType.identity);
      w.string(frame.principal);
      return w.integerOrNil(frame.untilUs);
    case 'healed':
      head(w, 4, FrameType.healed);
      w.integer(frame.topic);
      w.integer(numberOf(HEALINGS, frame.how));
      return w.integer(numberOf(HEAL_REASONS, frame.why));
  }
}

function numberOf(names: readonly string[], name: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new TypeError(`${name} has no number on the wire`);
  return index;
}

function stamp(w: ByteWriter, elements: number, type: number, frame: Stamp): void {
  w.array(elements);
  w.integer(type);
  w.integer(frame.topic);
  w.integer(frame.seq);
  w.integer(frame.seq - frame.fromSeq);
  w.integer(frame.gatewayUs - frame.publishUs);
  w.integerOrNil(frame.exchangeUs === null ? null : frame.publishUs - frame.exchangeUs);
}

function book(w: ByteWriter, frame: BookFrame): void {
  stamp(w, frame.parts > 0 ? 11 : 10, FrameType.book, frame);
  w.integer(frame.depth);
  w.integer(frame.checksum);
  levels(w, frame.bids);
  levels(w, frame.asks);
  if (frame.parts > 0) w.integer(frame.parts);
}

function part(w: ByteWriter, frame: PartFrame): void {
  head(w, 9, FrameType.part);
  w.integer(frame.topic);
  w.integer(frame.seq);
  w.integer(frame.seq - frame.fromSeq);
  w.integer(frame.depth);
  w.integer(frame.index);
  w.integer(frame.count);
  levels(w, frame.bids);
  levels(w, frame.asks);
}

/** Those at the end may be missing: nil stands for one that others follow. */
function limits(w: ByteWriter, all: WelcomeFrame['limits']): void {
  const { stallMsMax, silentMs, requestsPerSec } = all;
  // Those at the end that are not said are left out.
  const count = requestsPerSec !== undefined ? 8 : silentMs !== undefined ? 7 : stallMsMax !== undefined ? 6 : 5;
  w.array(count);
  w.integer(all.requestBytes);
  w.integer(all.symbolsPerRequest);
  w.integer(all.subscriptions);
  w.integer(all.heartbeatMs);
  w.integer(all.ageMsMax);
  if (count > 5) w.integerOrNil(stallMsMax ?? null);
  if (count > 6) w.integerOrNil(silentMs ?? null);
  if (count > 7) w.integerOrNil(requestsPerSec ?? null);
}

/** What every frame begins with: how many elements it has, and the number of its type. */
function head(w: ByteWriter, elements: number, type: number): void {
  w.array(elements);
  w.integer(type);
}

/** A last element that is left out where there is none. */
function optional(w: ByteWriter, value: number | undefined): void {
  if (value !== undefined) w.integer(value);
}

function levels(w: ByteWriter, flat: readonly number[]): void {
  w.array(flat.length);
  w.integers(flat, flat.length);
}

function ack(w: ByteWriter, frame: AckFrame): void {
  head(w, 5, FrameType.ack);
  w.integer(frame.id);
  w.string(frame.op);
  w.array(frame.accepted.length);
  for (const { symbol, topic, depth, intervalMs, mode } of frame.accepted) {
    w.array(5);
    w.string(symbol);
    w.integer(topic);
    w.integer(depth);
    w.integer(intervalMs);
    w.string(mode);
  }
  w.array(frame.refused.length);
  for (const { symbol, code, message, action } of frame.refused) {
    w.array(4);
    w.string(symbol);
    w.string(code);
    w.string(message);
    w.string(action);
  }
}
