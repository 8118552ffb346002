// Owns a real connection to Redis that loses messages of its channels, and alters them where a test plants a fault. The nodes proof
// gives it to one of its gateways. Invariant: calls go through whole, so that whatever is lost can be looked up.

import { RedisLink, type RedisLinkOptions } from '../../src/bus/redis-link.ts';
import type { RedisListener } from '../../src/ports/redis.ts';
import type { Random } from './seeded.ts';

export interface LossyOptions {
  readonly random: Random;
  /** Of a thousand messages. */
  readonly lostOfThousand: number;
  /** What becomes of a message that is not lost; the bytes are the caller's only until it returns. */
  readonly altered: (bytes: Uint8Array) => Uint8Array;
}

export class LossyLink extends RedisLink {
  /** Messages of channels that came in. */
  heard = 0;
  dropped = 0;

  constructor(
    options: RedisLinkOptions,
    private readonly losses: LossyOptions,
  ) {
    super(options);
  }

  override open(listener: RedisListener): void {
    const { random, lostOfThousand, altered } = this.losses;
    super.open({
      up: (identity) => listener.up(identity),
      down: (reason) => listener.down(reason),
      channelsUp: () => listener.channelsUp(),
      channelsDown: (reason) => listener.channelsDown(reason),
      subscribed: (channel) => listener.subscribed(channel),
      message: (channel, bytes) => {
        this.heard += 1;
        if (random.below(1_000) < lostOfThousand) this.dropped += 1;
        else listener.message(channel, altered(bytes));
      },
    });
  }
}
