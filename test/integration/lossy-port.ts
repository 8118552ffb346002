// Owns a connection to Redis that loses messages of its channels, and alters them where a test plants a fault. The nodes proof gives
// it to one of its gateways. Invariant: calls go through whole, so that whatever is lost can be looked up.

import type { RedisListener, RedisPort } from '../../src/ports/redis.ts';
import type { Random } from './seeded.ts';

export interface Losses {
  /** Messages of channels that came in. */
  heard: number;
  dropped: number;
}

export interface LossyOptions {
  readonly port: RedisPort;
  readonly random: Random;
  /** Of a thousand messages. */
  readonly lostOfThousand: number;
  /** What becomes of a message that is not lost; the bytes are the caller's only until it returns. */
  readonly altered: (channel: string, bytes: Uint8Array) => Uint8Array;
}

export class LossyPort implements RedisPort {
  readonly losses: Losses = { heard: 0, dropped: 0 };

  constructor(private readonly options: LossyOptions) {}

  open(listener: RedisListener): void {
    const { port, random, lostOfThousand, altered } = this.options;
    const { losses } = this;
    port.open({
      up: (identity) => listener.up(identity),
      down: (reason) => listener.down(reason),
      channelsUp: () => listener.channelsUp(),
      channelsDown: (reason) => listener.channelsDown(reason),
      subscribed: (channel) => listener.subscribed(channel),
      message: (channel, bytes) => {
        losses.heard += 1;
        if (random.below(1_000) < lostOfThousand) losses.dropped += 1;
        else listener.message(channel, altered(channel, bytes));
      },
    });
  }

  call(...call: Parameters<RedisPort['call']>): ReturnType<RedisPort['call']> {
    return this.options.port.call(...call);
  }

  range(...range: Parameters<RedisPort['range']>): ReturnType<RedisPort['range']> {
    return this.options.port.range(...range);
  }

  publish(channel: string, bytes: Uint8Array): ReturnType<RedisPort['publish']> {
    return this.options.port.publish(channel, bytes);
  }

  identify(): ReturnType<RedisPort['identify']> {
    return this.options.port.identify();
  }

  subscribe(channels: readonly string[]): void {
    this.options.port.subscribe(channels);
  }

  unsubscribe(channels: readonly string[]): void {
    this.options.port.unsubscribe(channels);
  }

  resetChannels(reason: string): void {
    this.options.port.resetChannels(reason);
  }

  resetCalls(reason: string): void {
    this.options.port.resetCalls(reason);
  }

  close(): void {
    this.options.port.close();
  }
}
