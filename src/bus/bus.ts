// Owns the contract between publishers and topics. Two implementations, in this process and on Redis, share one test suite.
// Invariant: an accepted update has exactly one sequence number in its epoch, and every subscriber sees the epoch's updates
// in that order, each once.

import type { Book, BookState } from '../market/book.ts';
import type { Quote, StatusChange, Update, UpdateChannel } from '../market/update.ts';
import type { Fault } from '../protocol/errors.ts';

/** What a publisher hands in. */
export interface Publication {
  readonly symbol: string;
  readonly update: Update;
  /** The exchange's time, microseconds since 1970; null where unknown. */
  readonly exchangeUs: number | null;
  /** Idempotency key: the same key again on the same topic answers the first one's place, as long as it is among the newest `KEYS_MAX`. */
  readonly key?: string;
  /** Fencing token of the lease under which it is published. */
  readonly lease?: number;
}

/** Idempotency keys that a topic remembers. */
export const KEYS_MAX = 1_024;

/** Who wants to be a topic's only writer, and for how long unless it asks again. */
export interface LeaseRequest {
  readonly holder: string;
  readonly ttlMs: number;
  /** The token held, to hold it for longer. */
  readonly token?: number;
}

/** A lease: its token grows with every holder, so that one who was overtaken is told apart. */
export type Leased = { readonly token: number; readonly ttlMs: number } | { readonly refused: Fault };

/** Where an update went, or why it was refused; then nothing of it was applied. */
export type Published = { readonly epoch: number; readonly seq: number } | { readonly refused: Fault };

/** A sequenced update. */
export interface Entry {
  readonly epoch: number;
  readonly seq: number;
  readonly update: Update;
  readonly exchangeUs: number | null;
  /** When the bus took it in, microseconds since 1970. */
  readonly publishUs: number;
}

/** The present state of one topic, enough for a node that knows nothing of it. */
export interface TopicState {
  readonly epoch: number;
  readonly seq: number;
  readonly exchangeUs: number | null;
  readonly publishUs: number;
  /** Channel `book`. */
  readonly book: BookState | null;
  /** Channels `quote` and `status`. */
  readonly last: Quote | StatusChange | null;
  /** Channel `trade`: the newest entries that the log holds, oldest first. */
  readonly recent: readonly Entry[];
}

export interface BusListener {
  /** The next update of the epoch. */
  entry(entry: Entry): void;
  /** The sequence starts anew: what was known of the topic is void. */
  epoch(epoch: number): void;
  /** Updates were lost and the log no longer holds them: the state has to be loaded anew. */
  lost(): void;
  /** Whether it is in doubt that everything sequenced arrives here, or that the source has the market's book. */
  doubt(doubted: boolean): void;
}

export interface Bus {
  /**
   * Sequences updates in the order given; the answers stand in the same order. Within one process they are there at once, and
   * nobody pays for a promise; `await` takes both.
   */
  publish(publications: readonly Publication[]): Published[] | Promise<Published[]>;
  /** Calls the listener for everything sequenced from now on. @returns the function that ends it. */
  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void;
  /** Entries of the present epoch after `fromSeq`, as far as they are still held; oldest first. */
  log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]>;
  /** The present state; for a topic that nobody published yet: seq 0. */
  load(channel: UpdateChannel, symbol: string): Promise<TopicState>;
  /**
   * The sequencer's own book of a symbol that is subscribed to, where it lives in this process, to be read and never written. It has each
   * update before the listeners hear of that, and is another one from the moment at which they hear of another epoch.
   */
  ownBook?(symbol: string): Book | undefined;
  /**
   * Makes the caller the only writer of a topic, or goes on being so: others are refused with `leased`, one who was overtaken
   * with `fenced`. Only under a lease is a book refused that would be crossed.
   */
  lease(channel: UpdateChannel, symbol: string, request: LeaseRequest): Promise<Leased>;
  /** @returns whether the lease was still held. */
  release(channel: UpdateChannel, symbol: string, token: number): Promise<boolean>;
  /** Says whether a symbol's source has lost its book: listeners of book and quotes are told until it has it again. */
  doubt(symbol: string, doubted: boolean): void;
}
