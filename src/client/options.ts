// Owns the shapes of what users give to a client and of what it counts. The client takes and gives them.
// Invariant: types alone; nothing here exists at run time.

import type { Channel } from '../protocol/frames.ts';
import type { Backoff } from './endpoints.ts';
import type { Held } from './held.ts';
import type { Credential } from './session.ts';
import type { WebSocketConstructor } from './transport.ts';

/** How to connect; all of it is optional. */
export interface ClientOptions {
  /** Default `msgpack`; `json` is for looking at the wire, in Node only. */
  readonly codec?: 'msgpack' | 'json';
  readonly reconnect?: Backoff;
  /**
   * Who the client is: an API key or a JWT. A function is asked before each connection, and again before what it gave runs out; where
   * it fails, that is an `error` event, and it is asked again later. Default: none, the client is anonymous.
   */
  readonly credential?: Credential;
  /** Default: the global one; in Node that of the package ws. */
  readonly WebSocket?: WebSocketConstructor;
  /** Numbers from 0 to below 1 for the delays; default Math.random. */
  readonly random?: () => number;
}

/** Requests that are not subscriptions, as in proto/frames.md. */
export type Request =
  | { readonly op: 'instruments'; readonly watch?: boolean }
  | { readonly op: 'limit'; readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }
  | { readonly op: 'resync'; readonly channel: Channel; readonly symbols: readonly string[]; readonly group?: number }
  | { readonly op: 'demo'; readonly stallMs: number }
  | { readonly op: 'ping' };

/** What happened on this client since it was made; all of them only grow. What became of updates is summed over all subscriptions. */
export interface ClientCounters extends Readonly<Record<keyof Held['counters'], number>> {
  /** Connections that stood after the first one. */
  readonly reconnects: number;
  readonly messages: number;
  readonly bytes: number;
  /** Gap events. */
  readonly gaps: number;
  /** Trades that were dropped because their loop was too slow. */
  readonly overflowed: number;
}
