// Owns the settings of the bus that gateways share: Redis, and what is published there plainly. settings.ts spreads them into its table.
// Invariant: its address is secret: it may hold a password.

import type { Setting } from './setting.ts';

export const BUS_SETTINGS = {
  redisUrl: {
    env: 'REDIS_URL',
    default: '',
    pattern: /^(rediss?:\/\/[^\s]+)?$/,
    unfit: 'is not redis://host:port or rediss://host:port',
    secret: true,
    flag: '--redis',
    about:
      'Redis to share topics with other gateways: redis://host:6379, rediss:// for TLS. Empty: everything stays in this process.',
  },
  redisPrefix: {
    env: 'TICKWIRE_REDIS_PREFIX',
    default: 'tickwire',
    pattern: /^[A-Za-z0-9._:-]{1,64}$/,
    unfit: 'is not 1 to 64 of A-Za-z0-9._:-',
    about:
      'What the names of all keys and channels in Redis begin with: gateways that share a Redis share it, others differ.',
  },
  plainPublish: {
    env: 'TICKWIRE_PLAIN_PUBLISH',
    default: 1,
    min: 0,
    max: 1,
    about:
      'Whether this gateway offers to take what services publish with a plain PUBLISH on Redis; one of those that offer it does. 0: no.',
  },
  publishRetryMs: {
    env: 'TICKWIRE_PUBLISH_RETRY_MS',
    default: 1_000,
    min: 0,
    max: 10_000,
    about:
      'How long an update whose answer was lost with the connection to Redis waits for the next one; after that it is refused: old ticks are never replayed.',
  },
} as const satisfies Record<string, Setting>;
