// Owns the names in Redis: the keys and the channel of a topic, the keys of sessions. The Redis bus and its tools ask it;
// proto/redis.md documents them. Invariant: all keys of a topic share a hash tag, so that they lie on one node of a cluster; the topic's first key is its channel.

import type { UpdateChannel } from '../market/update.ts';

export interface TopicKeys {
  readonly channel: UpdateChannel;
  /** The hash of the topic's head, and the channel of its messages. */
  readonly topic: string;
  /** In the order in which scripts take them: topic, log, base, keys. */
  readonly all: readonly string[];
  readonly log: string;
}

/** The record of a session. */
export function sessionKey(prefix: string, session: string): string {
  return `${prefix}:{session:${session}}`;
}

/** The hash of the keys that sign tokens. */
export function signingKey(prefix: string): string {
  return `${prefix}:{session-keys}`;
}

export function topicKeys(prefix: string, channel: UpdateChannel, symbol: string): TopicKeys {
  const topic = `${prefix}:{${channel}:${symbol}}`;
  const log = `${topic}:log`;
  return { channel, topic, log, all: [topic, log, `${topic}:base`, `${topic}:keys`] };
}
