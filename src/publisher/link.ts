// Owns what the two ways to a gateway, WebSocket and HTTP, have in common: the entries that they carry, and where these come
// from. Invariant: an entry that was taken is settled exactly once.

import type { PublishResult } from '../protocol/publishing.ts';
import type { PublishError } from './refusal.ts';

/** An item on its way. */
export interface Entry {
  readonly symbol: string | null;
  /** Whether it is a part of a book: what is lost of one is mended by a snapshot. */
  readonly ofBook: boolean;
  /** The item in MessagePack. */
  readonly bytes: Uint8Array;
  /** With a promise to settle; null for one that nobody waits for. */
  readonly waiter: { resolve(place: Place): void; reject(error: PublishError): void } | null;
}

/** Where an update stands: its number in the epoch of its topic. */
export interface Place {
  readonly epoch: number;
  readonly seq: number;
}

/** `waiting`: there was a connection or an attempt, and the next one is yet to come. */
export type PublisherState = 'connecting' | 'open' | 'waiting' | 'closed';

/** What the publisher is to its link. */
export interface Source {
  /** The next items, in order; empty where there are none. At least one is given, however long it is. */
  take(itemsMax: number, bytesMax: number): Entry[];
  /** How the gateway answered, item by item. */
  answered(entries: readonly Entry[], results: readonly PublishResult[]): void;
  /** None of them was taken, or nobody knows. */
  failed(entries: readonly Entry[], error: PublishError): void;
  /** `error` says why where it is closed, or waiting. */
  changed(state: PublisherState, error: PublishError | null): void;
}

export interface Link {
  /** Sends what there is, as far as may be. */
  pump(): void;
  /** Ends it at once. */
  close(): void;
}

/** What is added to the items of a message, at most. */
export const HEAD_BYTES_MAX = 64;
