// Owns a real connection to Redis that loses messages of its channels, and alters them where a test plants a fault. The nodes proof
// gives it to one of its gateways. Invariant: calls go through whole, so that whatever is lost can be looked up.

import { encodeUpdate, readBody, readHead } from '../../src/bus/redis-entry.ts';
import { RedisLink, type RedisLinkOptions } from '../../src/bus/redis-link.ts';
import type { RedisListener } from '../../src/ports/redis.ts';
import { ByteReader } from '../../src/protocol/reader.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
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

/** How the messages of topics begin; those of the registry and the canaries don't. */
const ENTRY_HEAD = 0x95;

/** Makes one size in one change of a book larger, once; all other messages stay as they are. */
export function oneSizeLarger(): (bytes: Uint8Array) => Uint8Array {
  let planted = false;
  const writer = new ByteWriter();
  return (bytes) => {
    if (planted || bytes[0] !== ENTRY_HEAD) return bytes;
    const reader = new ByteReader(bytes);
    readHead(reader, { format: 0, epoch: 0, seq: 0, publishUs: 0, nonce: 0 });
    if (reader.done) return bytes;
    const head = bytes.slice(0, reader.at);
    const body = readBody(reader);
    if (!('update' in body) || body.update.kind !== 'delta') return bytes;
    const { bids, asks } = body.update;
    if (!(bids[1]! > 0)) return bytes;
    planted = true;
    const flipped = bids.map((number, i) => (i === 1 ? number + 1 : number));
    const update = encodeUpdate(writer, { kind: 'delta', bids: flipped, asks }, body.exchangeUs);
    return Buffer.concat([head, update]);
  };
}
