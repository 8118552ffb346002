// Owns the contract between publishers and topics. Two implementations, in this process and on Redis, share one test suite.
// Invariant: an accepted update has exactly one sequence number in its epoch, and every subscriber sees the epoch's updates
// in that order, each once.

import type { BookState } from '../market/book.ts';
import type { Quote, StatusChange, Update, UpdateChannel } from '../market/update.ts';
import type { Fault } from '../protocol/errors.ts';

/** What a publisher hands in. */
export interface Publication {
  readonly symbol: string;
  readonly update: Update;
  /** The exchange's time, microseconds since 1970; null where unknown. */
  readonly exchangeUs: number | null;
}

/** Where an update went, or why it was refused; then nothing of it was applied. */
export type Published = { readonly epoch: number; readonly seq: number } | { readonly refused: Fault };

/** A sequenced update. */
export interface Entry {
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
}

export interface Bus {
  /** Sequences updates in the order given; the answers stand in the same order. */
  publish(publications: readonly Publication[]): Promise<Published[]>;
  /** Calls the listener for everything sequenced from now on. @returns the function that ends it. */
  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void;
  /** Entries of the present epoch after `fromSeq`, as far as they are still held; oldest first. */
  log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]>;
  /** The present state; for a topic that nobody published yet: seq 0. */
  load(channel: UpdateChannel, symbol: string): Promise<TopicState>;
}
