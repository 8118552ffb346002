// Owns random frames for the property tests of both codecs. Called by roundtrip.test.ts and decoder.test.ts.
// Invariant: every frame is one that a gateway may send, at any width of its numbers.

import fc from 'fast-check';
import {
  type BookFrame,
  CHANNELS,
  END_REASONS,
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
  SIDES,
  STATUSES,
  type TopicFrame,
  TRADE_KINDS,
  type WelcomeFrame,
} from '../../src/protocol/frames.ts';

const MAX = Number.MAX_SAFE_INTEGER;

/** Integers from 0 up, of every width alike. */
const natural = fc
  .tuple(fc.maxSafeNat(), fc.integer({ min: 0, max: 52 }))
  .map(([value, shift]) => Math.trunc(value / 2 ** shift));
const integer = fc.tuple(natural, fc.boolean()).map(([value, negative]) => (negative && value > 0 ? -value : value));
const text = fc.string({ unit: 'binary', maxLength: 60 });
const textOrNull = fc.option(text);
const scale = fc.integer({ min: 0, max: 15 });
/** Times of this and the next century, so that their differences stay within the safe integers. */
const timeUs = fc.integer({ min: 1, max: 4_000_000_000_000_000 });

const range = fc.tuple(natural, natural).map(([a, b]) => ({ fromSeq: Math.min(a, b), seq: Math.max(a, b) }));
const scales = fc.record({ priceScale: scale, sizeScale: scale, tickSize: natural, lotSize: natural });

/** A field that is there or not. */
function maybe<K extends string>(name: K): fc.Arbitrary<{ [N in K]?: number }> {
  return fc.option(natural).map((value) => (value === null ? {} : { [name]: value }) as { [N in K]?: number });
}

/** A topic of each id, so that data frames can name it. */
const topicFrame: fc.Arbitrary<TopicFrame> = fc
  .tuple(
    scales,
    fc.record({
      topic: natural,
      channel: fc.constantFrom(...CHANNELS),
      symbol: text,
      epoch: natural,
      stride: fc.constantFrom(2, 3),
    }),
    maybe('group'),
  )
  .map(([numbers, rest, group]) => ({ type: 'topic', ...rest, ...numbers, ...group }));

function levels(stride: number, maxLength = 20): fc.Arbitrary<number[]> {
  const level = fc.tuple(integer, natural, natural).map((numbers) => numbers.slice(0, stride));
  return fc.array(level, { maxLength }).map((each) => each.flat());
}

function stamp(topic: TopicFrame, gatewayUs: number) {
  return fc
    .tuple(range, fc.record({ exchangeUs: fc.option(timeUs), publishUs: timeUs }))
    .map(([of, times]) => ({ topic: topic.topic, ...of, ...times, gatewayUs }));
}

function bookFrame(topic: TopicFrame, gatewayUs: number, maxLevels = 20): fc.Arbitrary<BookFrame> {
  const rest = fc.record({
    depth: natural,
    checksum: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    bids: levels(topic.stride, maxLevels),
    asks: levels(topic.stride, maxLevels),
    parts: fc.oneof(fc.constant(0), natural),
  });
  return fc
    .tuple(stamp(topic, gatewayUs), rest)
    .map(([of, more]) => ({ type: 'book', stride: topic.stride, ...of, ...more }));
}

/** Data frames of a topic under one `time` frame. */
function dataFrame(topic: TopicFrame, gatewayUs: number): fc.Arbitrary<Frame> {
  const of = stamp(topic, gatewayUs);
  const quote = fc.record({
    bidPrice: fc.option(integer),
    bidSize: natural,
    askPrice: fc.option(integer),
    askSize: natural,
  });
  const trade = fc.record({
    id: fc.oneof(natural, text),
    kind: fc.constantFrom(...TRADE_KINDS),
    side: fc.constantFrom(...SIDES),
    price: integer,
    size: natural,
  });
  const part = fc.record({
    depth: natural,
    index: natural,
    count: natural,
    bids: levels(topic.stride),
    asks: levels(topic.stride),
  });
  return fc.oneof(
    bookFrame(topic, gatewayUs),
    fc.tuple(of, quote).map(([a, b]): Frame => ({ type: 'quote', ...a, ...b })),
    fc.tuple(of, trade).map(([a, b]): Frame => ({ type: 'trade', ...a, ...b })),
    fc
      .tuple(of, fc.record({ status: fc.constantFrom(...STATUSES), reason: textOrNull }))
      .map(([a, b]): Frame => ({ type: 'status', ...a, ...b })),
    fc
      .tuple(range, part)
      .map(([a, b]): Frame => ({ type: 'part', topic: topic.topic, stride: topic.stride, ...a, ...b })),
  );
}

const accepted = fc.record({
  symbol: text,
  topic: natural,
  depth: natural,
  intervalMs: natural,
  mode: fc.constantFrom(...MODES),
});
const refused = fc.record({ symbol: text, code: text, message: text, action: text });
const limits = fc
  .tuple(
    fc.record({
      requestBytes: natural,
      symbolsPerRequest: natural,
      subscriptions: natural,
      heartbeatMs: natural,
      ageMsMax: natural,
    }),
    maybe('stallMsMax'),
    maybe('silentMs'),
    maybe('requestsPerSec'),
  )
  .map(([fixed, ...later]) => Object.assign({}, fixed, ...later) as WelcomeFrame['limits']);

const controlFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('welcome' as const), version: text, server: text, session: text, timeUs, limits }),
  fc.record({
    type: fc.constant('ack' as const),
    id: natural,
    op: text,
    accepted: fc.array(accepted, { maxLength: 18 }),
    refused: fc.array(refused, { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('error' as const), id: fc.option(natural), code: text, message: text, action: text }),
  fc.record({ type: fc.constant('pong' as const), id: natural, timeUs }),
  fc.record({ type: fc.constant('heartbeat' as const), timeUs, roundTripMs: fc.option(natural), lagMs: natural }),
  fc.record({
    type: fc.constant('pace' as const),
    pace: fc.constantFrom(...PACES),
    priority: natural,
    intervalMs: natural,
    reason: fc.constantFrom(...PACE_REASONS),
  }),
  fc.record({
    type: fc.constant('refused' as const),
    code: text,
    message: text,
    action: text,
    retryAfterMs: fc.option(natural),
  }),
  fc.record({
    type: fc.constant('goodbye' as const),
    reason: fc.constantFrom(...GOODBYE_REASONS),
    reconnectMs: natural,
    closeMs: natural,
  }),
  fc.record({ type: fc.constant('token' as const), token: text, lifeMs: natural }),
  fc.record({ type: fc.constant('identity' as const), principal: text, untilUs: fc.option(timeUs) }),
  fc.record({
    type: fc.constant('healed' as const),
    topic: natural,
    how: fc.constantFrom(...HEALINGS),
    why: fc.constantFrom(...HEAL_REASONS),
  }),
  fc.record({
    type: fc.constant('health' as const),
    topic: natural,
    status: fc.constantFrom(...STATUSES),
    ageMs: natural,
  }),
  fc.record({
    type: fc.constant('gap' as const),
    topic: natural,
    firstSeq: natural,
    lastSeq: natural,
    reason: fc.constantFrom(...GAP_REASONS),
  }),
  fc.record({
    type: fc.constant('reset' as const),
    topic: natural,
    seq: natural,
    reason: fc.constantFrom(...RESET_REASONS),
  }),
  fc.record({ type: fc.constant('end' as const), topic: natural, reason: fc.constantFrom(...END_REASONS) }),
  fc
    .tuple(scales, fc.record({ action: fc.constantFrom(...INSTRUMENT_ACTIONS), symbol: text }))
    .map(([numbers, rest]): Frame => ({ type: 'instrument', ...rest, ...numbers })),
);

/** A message: a topic, a time, and any frames of the topic and of none; JSON has all of them but the time. */
export interface RandomMessage {
  readonly topic: TopicFrame;
  readonly frames: readonly Frame[];
}

export const message: fc.Arbitrary<RandomMessage> = fc.tuple(topicFrame, timeUs).chain(([topic, gatewayUs]) =>
  fc.array(fc.oneof(controlFrame, dataFrame(topic, gatewayUs)), { maxLength: 6 }).map((frames) => ({
    topic,
    frames: [topic, { type: 'time', timeUs: gatewayUs } as const, ...frames],
  })),
);

/** A difference of three levels with everything in it, below the bounds at which its numbers get wider. */
export const threeLevels: fc.Arbitrary<BookFrame> = fc
  .record({
    topic: fc.integer({ min: 0, max: 65_535 }),
    seq: fc.integer({ min: 127, max: 2 ** 32 - 1 }),
    merged: fc.integer({ min: 1, max: 127 }),
    publishLag: fc.integer({ min: 0, max: 65_000 }),
    exchangeLag: fc.option(fc.integer({ min: 0, max: 3_600_000_000 })),
    depth: fc.constantFrom(0, 1, 5, 10, 20, 50),
    checksum: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    levels: fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 127 }),
      ),
      { minLength: 3, maxLength: 3 },
    ),
    bids: fc.integer({ min: 0, max: 3 }),
    gatewayUs: fc.integer({ min: 1_700_000_000_000_000, max: MAX }),
  })
  .map(({ topic, seq, merged, publishLag, exchangeLag, depth, checksum, levels, bids, gatewayUs }) => {
    const publishUs = gatewayUs - publishLag;
    return {
      type: 'book',
      topic,
      fromSeq: seq - merged,
      seq,
      exchangeUs: exchangeLag === null ? null : publishUs - exchangeLag,
      publishUs,
      gatewayUs,
      depth,
      checksum,
      stride: 3,
      bids: levels.slice(0, bids).flat(),
      asks: levels.slice(bids).flat(),
      parts: 0,
    };
  });
