// Owns the vocabulary of the wire: frame numbers, names and shapes. Both codecs, the gateway and every client use it.
// Invariant: v1 only grows; a number or a position that was published is never given another meaning.

/** Version of the protocol; stated in every welcome. */
export const PROTOCOL_VERSION = 'tickwire.v1';

/** What a client offers to be spoken to in MessagePack. */
export const SUBPROTOCOL_MSGPACK = 'tickwire.v1.msgpack';
/** What a client offers to be spoken to in JSON. */
export const SUBPROTOCOL_JSON = 'tickwire.v1.json';
/** All of them. */
export const SUBPROTOCOLS: readonly string[] = [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON];

/** First element of every frame. Below 16: control; from 16 on: data. */
export const FrameType = {
  welcome: 0,
  ack: 1,
  error: 2,
  pong: 3,
  heartbeat: 4,
  pace: 5,
  refused: 6,
  goodbye: 7,
  token: 8,
  identity: 9,
  time: 16,
  topic: 17,
  book: 18,
  quote: 19,
  trade: 20,
  status: 21,
  health: 22,
  gap: 23,
  reset: 24,
  part: 25,
  end: 26,
  instrument: 27,
  healed: 28,
} as const;

/** State channels, whose present state is all that counts, but for `trade`, of which each counts. */
export const CHANNELS = ['book', 'quote', 'trade', 'status'] as const;
/** What is told of an instrument. */
export type Channel = (typeof CHANNELS)[number];

/** `live`: merged as far as the client's interval asks; `raw`: every update in a frame of its own. */
export const MODES = ['live', 'raw'] as const;
/** One of `MODES`. */
export type Mode = (typeof MODES)[number];

/** Depths that can be asked for; 0 stands for the full book. */
export const DEPTHS = [0, 1, 5, 10, 20, 50] as const;
/** One of `DEPTHS`. */
export type Depth = (typeof DEPTHS)[number];

/** Intervals in milliseconds; a request is rounded up to one of these. 0: as it happens. */
export const INTERVALS_MS = [0, 10, 20, 50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const;

/** Rounds a wanted interval up to the shared grid; above the longest it is the longest. */
export function roundIntervalMs(wantedMs: number): number {
  for (const intervalMs of INTERVALS_MS) if (wantedMs <= intervalMs) return intervalMs;
  return 60_000;
}

/** What a client reads where a later v1 gateway gives a reason or a status that it does not know yet. Never sent. */
export type Other = 'other';

/** Index is the number on the wire. The first four are sequenced (`status` channel), all of them occur in `health`. */
export const STATUSES = ['live', 'crossed', 'halted', 'source-down', 'stale', 'resync'] as const;
/** What is known of a market or of a topic; one of `STATUSES`. */
export type Status = (typeof STATUSES)[number] | Other;

/** Index is the number on the wire. Aggressor of a trade. */
export const SIDES = ['unknown', 'buy', 'sell'] as const;
/** One of `SIDES`. */
export type AggressorSide = (typeof SIDES)[number];

/** Index is the number on the wire. A correction carries the trade's new price and size, a bust voids it. */
export const TRADE_KINDS = ['trade', 'correction', 'bust'] as const;
/** One of `TRADE_KINDS`. */
export type TradeKind = (typeof TRADE_KINDS)[number];

/** Index is the number on the wire. Why a client's state was replaced, or where an event channel begins. */
export const RESET_REASONS = ['subscribed', 'requested', 'horizon', 'epoch', 'future', 'gap', 'mode'] as const;
/** One of `RESET_REASONS`. */
export type ResetReason = (typeof RESET_REASONS)[number] | Other;

/** Index is the number on the wire. Why sequence numbers are missing. */
export const GAP_REASONS = ['ring', 'budget', 'bus'] as const;
/** One of `GAP_REASONS`. */
export type GapReason = (typeof GAP_REASONS)[number] | Other;

/** Index is the number on the wire. Why a subscription ended without being asked to. */
export const END_REASONS = ['delisted', 'revoked', 'unsubscribed'] as const;
/** One of `END_REASONS`. */
export type EndReason = (typeof END_REASONS)[number] | Other;

/**
 * Index is the number on the wire. How a connection is served: as its subscriptions ask; as fast as the link or the budget
 * allows; no subscription more often than `intervalMs`; books cut to the best level as well.
 */
export const PACES = ['real-time', 'conflated', 'slower', 'top'] as const;
/** One of `PACES`. */
export type Pace = (typeof PACES)[number] | Other;

/** Index is the number on the wire. What makes a connection slow. */
export const PACE_REASONS = ['link', 'budget'] as const;
/** One of `PACE_REASONS`. */
export type PaceReason = (typeof PACE_REASONS)[number] | Other;

/** Index is the number on the wire. Why a gateway says goodbye. */
export const GOODBYE_REASONS = ['drain'] as const;
/** One of `GOODBYE_REASONS`. */
export type GoodbyeReason = (typeof GOODBYE_REASONS)[number] | Other;

/**
 * Index is the number on the wire. How a cursor was answered: with every update after it; with the difference from it; with a fresh
 * start.
 */
export const HEALINGS = ['replayed', 'diffed', 'snapshot'] as const;
/** One of `HEALINGS`. */
export type Healing = (typeof HEALINGS)[number] | Other;

/**
 * Index is the number on the wire. Why it was answered so: it continues from the `cursor`; there was `none`; else what was in the way,
 * as in `RESET_REASONS`.
 */
export const HEAL_REASONS = ['cursor', 'none', 'horizon', 'epoch', 'future', 'gap', 'requested'] as const;
/** One of `HEAL_REASONS`. */
export type HealReason = (typeof HEAL_REASONS)[number] | Other;

/** Index is the number on the wire. */
export const INSTRUMENT_ACTIONS = ['listed', 'changed', 'delisted'] as const;
/** One of `INSTRUMENT_ACTIONS`. */
export type InstrumentAction = (typeof INSTRUMENT_ACTIONS)[number];

/**
 * Price levels of one side, best first, flat: price mantissa, size mantissa and, where the topic has order counts,
 * the count. `stride` (2 or 3) tells which; size 0 removes the level.
 */
export type FlatLevels = readonly number[];

/** What every data frame carries. Times are microseconds since 1970; `exchangeUs` is null where the source has none. */
export interface Stamp {
  topic: number;
  /** Exclusive lower end of the range; 0 means that the frame replaces whatever the client holds. */
  fromSeq: number;
  seq: number;
  exchangeUs: number | null;
  publishUs: number;
  gatewayUs: number;
}

/** The first frame of a connection. */
export interface WelcomeFrame {
  type: 'welcome';
  version: string;
  server: string;
  session: string;
  timeUs: number;
  limits: {
    requestBytes: number;
    symbolsPerRequest: number;
    subscriptions: number;
    /** A link without frames for this long gets a heartbeat. */
    heartbeatMs: number;
    /** A connection on which a ping has waited for its pong this long is closed. */
    ageMsMax: number;
    /** How long a client may stall its own connection, to see it heal; absent: not at all. */
    stallMsMax?: number;
    /** Either side finds within this that the other is gone; absent in gateways that don't know `lagMs` and `held` of a ping. */
    silentMs?: number;
    /** Requests a second that are carried out; a while's worth at once. Absent: as many as come. */
    requestsPerSec?: number;
  };
}
/** One symbol of a request as it was granted: what is in force now. */
export interface Accepted {
  symbol: string;
  topic: number;
  depth: number;
  intervalMs: number;
  mode: Mode;
}
/** One symbol of a request that was refused, and why. */
export interface Refused {
  symbol: string;
  code: string;
  message: string;
  action: string;
}
/** The answer to a request, before all that follows from it. */
export interface AckFrame {
  type: 'ack';
  id: number;
  op: string;
  accepted: Accepted[];
  refused: Refused[];
}
/** A request that was refused as a whole, or a message that could not be read. */
export interface ErrorFrame {
  type: 'error';
  /** The request's id, or null where it could not be read. */
  id: number | null;
  code: string;
  message: string;
  action: string;
}
/** The answer to a ping, with the gateway's time. */
export interface PongFrame {
  type: 'pong';
  id: number;
  timeUs: number;
}
/** Sent on a link without frames: it lives. */
export interface HeartbeatFrame {
  type: 'heartbeat';
  timeUs: number;
  /** The gateway's last measured round trip; null before the first. */
  roundTripMs: number | null;
  /** How far the client is behind what is due to it, as the gateway knows. */
  lagMs: number;
}
/** How the connection is served from now on. */
export interface PaceFrame {
  type: 'pace';
  pace: Pace;
  /** Subscriptions of this priority and below are served so, those above at the pace before. */
  priority: number;
  /** Least time between two answers of a subscription; 0: what it asked for. */
  intervalMs: number;
  reason: PaceReason;
}
/** The connection is not served, and is closed after this. */
export interface RefusedFrame {
  type: 'refused';
  code: string;
  message: string;
  action: string;
  /** When to try again, milliseconds from now; null: not before the client was mended. */
  retryAfterMs: number | null;
}
/** The gateway is about to stop. */
export interface GoodbyeFrame {
  type: 'goodbye';
  reason: GoodbyeReason;
  /** When to connect to another gateway, milliseconds from now: another time for each client. */
  reconnectMs: number;
  /** When this connection is closed at the latest, milliseconds from now. */
  closeMs: number;
}
/** What brings subscriptions and settings back on a later connection, to whichever gateway. It replaces the one before. */
export interface TokenFrame {
  type: 'token';
  token: string;
  /** It lives for this long after the connection has ended. */
  lifeMs: number;
}
/** Who the gateway takes the client for; sent to those that said who they are. */
export interface IdentityFrame {
  type: 'identity';
  principal: string;
  /** Until when, microseconds since 1970; null: for as long as the connection. */
  untilUs: number | null;
}
/** The base of the times in the data frames that follow in the same message. */
export interface TimeFrame {
  type: 'time';
  timeUs: number;
}
/** Gives a topic id its meaning. */
export interface TopicFrame {
  type: 'topic';
  topic: number;
  channel: Channel;
  symbol: string;
  epoch: number;
  priceScale: number;
  sizeScale: number;
  /** Numbers per level in book frames: 2, or 3 where the source has order counts. */
  stride: number;
  tickSize: number;
  lotSize: number;
  /** Ticks of the instrument that each level of a grouped book sums up; `tickSize` is then that of the levels. */
  group?: number;
}
export interface BookFrame extends Stamp {
  type: 'book';
  depth: number;
  checksum: number;
  stride: number;
  bids: FlatLevels;
  asks: FlatLevels;
  /** Number of `part` frames that came before and belong to this answer. */
  parts: number;
}
/** A piece of a long book; the book frame after it completes the answer. */
export interface PartFrame {
  type: 'part';
  topic: number;
  fromSeq: number;
  seq: number;
  depth: number;
  index: number;
  count: number;
  stride: number;
  bids: FlatLevels;
  asks: FlatLevels;
}
export interface QuoteFrame extends Stamp {
  type: 'quote';
  /** Null where that side of the book is empty. */
  bidPrice: number | null;
  bidSize: number;
  askPrice: number | null;
  askSize: number;
}
export interface TradeFrame extends Stamp {
  type: 'trade';
  id: number | string;
  kind: TradeKind;
  side: AggressorSide;
  price: number;
  size: number;
}
export interface StatusFrame extends Stamp {
  type: 'status';
  status: Status;
  reason: string | null;
}
/** Ticks of the instrument that a level of a grouped book sums up at most. */
export const GROUP_MAX = 1_000_000;

/** The name of a topic: `book:BTC-USD`, grouped `book@10:BTC-USD`. */
export function topicName(channel: Channel, symbol: string, group = 0): string {
  return `${channel}${group === 0 ? '' : `@${group}`}:${symbol}`;
}

/** What carries a channel's data. */
export type ChannelFrame = BookFrame | QuoteFrame | TradeFrame | StatusFrame;
/** How this gateway sees a topic; not sequenced. */
export interface HealthFrame {
  type: 'health';
  topic: number;
  status: Status;
  /** Milliseconds since the topic's last update. */
  ageMs: number;
}
/** Updates that this client does not get. */
export interface GapFrame {
  type: 'gap';
  topic: number;
  /** First and last sequence number that this client does not get. */
  firstSeq: number;
  lastSeq: number;
  reason: GapReason;
}
/** What the client holds of the topic is void. */
export interface ResetFrame {
  type: 'reset';
  topic: number;
  /** The client holds nothing of the topic older than this; what follows continues from here. */
  seq: number;
  reason: ResetReason;
}
/** The subscription is over without the client having asked for it. */
export interface EndFrame {
  type: 'end';
  topic: number;
  reason: EndReason;
}
/** How a cursor that the client brought, or that a token brought back, was answered. */
export interface HealedFrame {
  type: 'healed';
  topic: number;
  how: Healing;
  why: HealReason;
}
/** An instrument, or news of one. */
export interface InstrumentFrame {
  type: 'instrument';
  action: InstrumentAction;
  symbol: string;
  priceScale: number;
  sizeScale: number;
  tickSize: number;
  lotSize: number;
}

/** Whatever the gateway sends. */
export type Frame =
  | WelcomeFrame
  | AckFrame
  | ErrorFrame
  | PongFrame
  | HeartbeatFrame
  | PaceFrame
  | RefusedFrame
  | GoodbyeFrame
  | TokenFrame
  | IdentityFrame
  | TimeFrame
  | TopicFrame
  | BookFrame
  | PartFrame
  | QuoteFrame
  | TradeFrame
  | StatusFrame
  | HealthFrame
  | GapFrame
  | ResetFrame
  | EndFrame
  | InstrumentFrame
  | HealedFrame;
