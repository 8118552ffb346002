// Owns what the Redis bus needs of a server: scripts run whole, channels, and word of when it is there. `src/bus/redis-link.ts`
// is the real one, on ioredis; the simulator has its own. Invariant: what a call answers was done; a call that fails says
// whether it may have been done all the same.

/** A reply of the server: integers, texts, bytes, null, and lists of these. Texts come as bytes. */
export type RedisReply = number | Uint8Array | null | readonly RedisReply[];
export type RedisArgument = string | number | Uint8Array;

/** The scripts that the bus knows, by name; their texts stand in `proto/redis/`. */
export type RedisScript = 'publish' | 'load' | 'fold' | 'renew' | 'doubt' | 'lease' | 'list' | 'taker' | SessionScript;
type SessionScript = 'session' | 'session-redeem' | 'session-keys';

/**
 * Why a call has no answer. `unsent`: nothing was done, there is no connection. `unknown`: it was sent, and no answer came: it may
 * have been done. `refused`: the server answered with an error, nothing was done; `message` is its text, `OOM ...` for example.
 */
export class RedisFailure extends Error {
  override readonly name = 'RedisFailure';
  constructor(
    readonly outcome: 'unsent' | 'unknown' | 'refused',
    message: string,
  ) {
    super(message);
  }
}

/** Who the server is. A promoted replica, or a restarted server, has another `replicationId`. */
export interface RedisIdentity {
  readonly replicationId: string;
  readonly version: string;
  /** A replica takes no writes. */
  readonly writable: boolean;
}

/** Told of what comes in. */
export interface RedisListener {
  /** Calls are taken from now on. `identity` was asked for on this very connection. */
  up(identity: RedisIdentity): void;
  /** Calls fail from now on; those under way have failed before. */
  down(reason: string): void;
  /** Channels can be subscribed to from now on; none is yet, whatever was before. */
  channelsUp(): void;
  /** Messages may be lost from now on. */
  channelsDown(reason: string): void;
  /** The server confirms: what is published to the channel from now on arrives. */
  subscribed(channel: string): void;
  /** The bytes are the listener's only until it returns. */
  message(channel: string, bytes: Uint8Array): void;
}

export interface RedisPort {
  /** Starts to connect, and keeps on connecting until `close`. */
  open(listener: RedisListener): void;
  /** Runs a script; calls are done in the order in which they are made. @throws RedisFailure (as a rejection) */
  call(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply>;
  /** Entries of a stream, by the first and the last id. @throws RedisFailure (as a rejection) */
  range(key: string, first: string, last: string, countMax: number): Promise<RedisReply>;
  /** Publishes plainly. @throws RedisFailure (as a rejection) */
  publish(channel: string, bytes: Uint8Array): Promise<RedisReply>;
  /** Asks again who the server is. @throws RedisFailure (as a rejection) */
  identify(): Promise<RedisIdentity>;
  /** No effect while channels are down. */
  subscribe(channels: readonly string[]): void;
  unsubscribe(channels: readonly string[]): void;
  /**
   * Subscribes to all channels that match; no effect while channels are down. Their messages come under their own names, and
   * `subscribed` is told the pattern.
   */
  subscribePattern(pattern: string): void;
  unsubscribePattern(pattern: string): void;
  /** Messages stopped coming though the connection stands: drops it and connects again. */
  resetChannels(reason: string): void;
  /** Calls stay unanswered though the connection stands: drops it and connects again. */
  resetCalls(reason: string): void;
  close(): void;
}
