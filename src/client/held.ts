// Owns the shapes around the stream: what it holds of a topic, what it is asked for, whom it tells.
// The stream fills them, its users read them. Invariant: what is made of them here changes nothing of what is held.

import type {
  AckFrame,
  BookFrame,
  Depth,
  EndFrame,
  ErrorFrame,
  GapFrame,
  GoodbyeFrame,
  HealedFrame,
  HealthFrame,
  HeartbeatFrame,
  IdentityFrame,
  InstrumentFrame,
  Mode,
  PaceFrame,
  PongFrame,
  QuoteFrame,
  RefusedFrame,
  ResetFrame,
  StatusFrame,
  TokenFrame,
  TopicFrame,
  TradeFrame,
  WelcomeFrame,
} from '../protocol/frames.ts';
import type { LocalBook } from './local-book.ts';

/** The optional fields of a subscribe request. */
export interface SubscribeOptions {
  /** Levels a side; 0, the default: all. */
  readonly depth?: Depth;
  /** Milliseconds between updates at least; 0, the default: as they happen. */
  readonly interval?: number;
  readonly mode?: Mode;
  /** Books: ticks that each level sums up; 0, the default: not grouped. */
  readonly group?: number;
  /** 0 to 9; higher goes first when the link is slow. */
  readonly priority?: number;
  /** Trades: how many of the past to begin with. */
  readonly last?: number;
  /** By symbol: where the client stands from an earlier connection. */
  readonly cursor?: Readonly<Record<string, { epoch: number; seq: number; depth?: number }>>;
}

/** One topic as this client holds it. */
export interface Held {
  readonly topic: TopicFrame;
  /** Update that the state is of; 0: none yet. */
  seq: number;
  /** Whether nothing is missing up to `seq`. */
  valid: boolean;
  /** Whether a resync was asked for and its reset has not arrived. */
  awaitsReset: boolean;
  /** Channel `book`. */
  readonly book: LocalBook | null;
  quote: QuoteFrame | null;
  status: StatusFrame | null;
  health: HealthFrame | null;
  /** Update up to which the counters account for what was published; -1: nothing was held in this epoch yet. */
  accountedSeq: number;
  /**
   * Every update published since the first that was held is in exactly one of the first four: it came in a frame of its own or as
   * the newest of several; was merged into one; was named in a gap; was covered by a fresh start. The last three count how the
   * gateway says that it answered cursors.
   */
  readonly counters: {
    delivered: number;
    merged: number;
    gapped: number;
    covered: number;
    resets: number;
    ignored: number;
    resyncs: number;
    replayed: number;
    diffed: number;
    snapshots: number;
  };
}

/** All optional; each is called after the state has been updated. */
export interface StreamHandlers {
  /** The first frame of the connection. */
  welcome?(frame: WelcomeFrame): void;
  /** A request was carried out. */
  ack?(frame: AckFrame): void;
  /** A request was refused, or could not be read. */
  error?(frame: ErrorFrame): void;
  /** The answer to a ping. */
  pong?(frame: PongFrame): void;
  /** The link lives. */
  heartbeat?(frame: HeartbeatFrame): void;
  /** How the connection is served from now on. */
  pace?(frame: PaceFrame): void;
  /** The gateway does not serve this connection, and closes it. */
  refused?(frame: RefusedFrame): void;
  /** The gateway is about to stop. */
  goodbye?(frame: GoodbyeFrame): void;
  /** What brings the session's settings back on the next connection. */
  token?(frame: TokenFrame): void;
  /** Who the gateway takes the client for. */
  identity?(frame: IdentityFrame): void;
  /** A topic was announced, or has changed. */
  topic?(held: Held): void;
  /** A book has moved on. */
  book?(held: Held, book: LocalBook, frame: BookFrame): void;
  /** A quote has moved on. */
  quote?(held: Held, frame: QuoteFrame): void;
  /** A trade came. */
  trade?(held: Held, frame: TradeFrame): void;
  /** A status has moved on. */
  status?(held: Held, frame: StatusFrame): void;
  /** How the gateway sees the topic has changed. */
  health?(held: Held, frame: HealthFrame): void;
  /** Updates are missing. */
  gap?(held: Held, frame: GapFrame): void;
  /** What was held is void. */
  reset?(held: Held, frame: ResetFrame): void;
  /** How a cursor that the client brought was answered; what follows for the topic is that answer. */
  healed?(held: Held, frame: HealedFrame): void;
  /** The subscription is over. */
  end?(held: Held, frame: EndFrame): void;
  /** An instrument, or news of one. */
  instrument?(frame: InstrumentFrame): void;
  /** The client found a hole or a wrong checksum and has asked for a fresh start. */
  resync?(held: Held, reason: 'hole' | 'checksum'): void;
}

/** Where the client stands in a topic; undefined where it has nothing to continue from. */
export function cursorOf({
  topic,
  seq,
  valid,
  book,
}: Held): { epoch: number; seq: number; depth?: number } | undefined {
  if (!valid) return undefined;
  return { epoch: topic.epoch, seq, ...(book === null ? {} : { depth: book.depth }) };
}

/** Only grouped books name their group. */
export function grouping(group: number): { readonly group?: number } {
  return group === 0 ? {} : { group };
}

/** Of a topic of which nothing has come yet. */
export function noCounters(): Held['counters'] {
  const updates = { delivered: 0, merged: 0, gapped: 0, covered: 0 };
  return { ...updates, resets: 0, ignored: 0, resyncs: 0, replayed: 0, diffed: 0, snapshots: 0 };
}
