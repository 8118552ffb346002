// Owns the baseline of `bench:redis`: a bare ioredis that publishes ready bytes, and a bare subscriber that reads three numbers of
// them. The child process makes one of them. Invariant: messages have the form and, to three bytes, the length of the bus's own.

import { Redis } from 'ioredis';
import { encodeUpdate, REDIS_FORMAT } from '../../../src/bus/redis-entry.ts';
import { topicKeys } from '../../../src/bus/redis-keys.ts';
import { ByteWriter } from '../../../src/protocol/writer.ts';
import { someDeltas, symbolOf } from './books.ts';
import type { FollowingEnd, PublishingEnd } from './ends.ts';
import { type Hearing, Problems } from './hearing.ts';
import type { SetupMessage } from './messages.ts';

/** Stand in for numbers that are written over, in eight bytes and in four. */
const WIDE = 2 ** 48;
const NARROW = 2 ** 31;
/** Where they stand: epoch, seq, publishUs and nonce make the head; array, kind and exchangeUs begin the body. */
const SEQ_AT = 12;
const TOPIC_AT = 30;
const SENT_AT = 37;
const WIDE_MARK = 0xcf;
const NARROW_MARK = 0xce;

const CHANNELS_AT_ONCE = 500;

function templates(seed: number): Buffer[] {
  const writer = new ByteWriter();
  return someDeltas(seed).map((delta) => {
    writer.length = 0;
    writer.array(5);
    for (const number of [REDIS_FORMAT, WIDE, NARROW, WIDE, WIDE]) writer.integer(number);
    const template = Buffer.concat([writer.copy(), encodeUpdate(writer, delta, WIDE)]);
    if (template[SEQ_AT - 1] !== NARROW_MARK || template[SENT_AT - 1] !== WIDE_MARK)
      throw new Error('the form of entries has changed: see plain.ts');
    return template;
  });
}

function channelsOf({ prefix, topics }: SetupMessage): string[] {
  return Array.from({ length: topics }, (_, topic) => topicKeys(prefix, 'book', symbolOf(topic)).topic);
}

async function connected({ url }: SetupMessage): Promise<Redis> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
  await redis.connect();
  return redis;
}

export class PlainPublisher implements PublishingEnd {
  readonly lastSeqs: number[];
  readonly problems = new Problems();
  updates = 0;
  private readonly channels: readonly string[];
  private readonly templates: readonly Buffer[];

  private constructor(
    private readonly redis: Redis,
    setup: SetupMessage,
  ) {
    this.channels = channelsOf(setup);
    this.templates = templates(setup.seed);
    this.lastSeqs = this.channels.map(() => 0);
  }

  static async start(setup: SetupMessage): Promise<PlainPublisher> {
    return new PlainPublisher(await connected(setup), setup);
  }

  folds(): number {
    return 0;
  }

  async publish(topic: number, count: number, sentUs: number): Promise<void> {
    const channel = this.channels[topic]!;
    if (count === 1) {
      this.count(await this.redis.publish(channel, this.next(topic, sentUs)));
      return;
    }
    const pipeline = this.redis.pipeline();
    for (let i = 0; i < count; i++) pipeline.publish(channel, this.next(topic, sentUs));
    for (const [error, receivers] of (await pipeline.exec()) ?? []) this.count(error ?? receivers);
  }

  async settle(): Promise<void> {}

  private next(topic: number, sentUs: number): Buffer {
    const seq = ++this.lastSeqs[topic]!;
    const bytes = Buffer.from(this.templates[(topic * 37 + seq) % this.templates.length]!);
    bytes.writeUInt32BE(seq, SEQ_AT);
    bytes.writeUInt32BE(topic, TOPIC_AT);
    bytes.writeUInt32BE(Math.floor(sentUs / 2 ** 32), SENT_AT);
    bytes.writeUInt32BE(sentUs % 2 ** 32, SENT_AT + 4);
    return bytes;
  }

  private count(receivers: unknown): void {
    if (receivers === 1) this.updates += 1;
    else this.problems.add(`PUBLISH answered ${String(receivers)}`);
  }
}

export class PlainFollower implements FollowingEnd {
  static async start(setup: SetupMessage, hearing: Hearing, nowUs: () => number): Promise<PlainFollower> {
    const redis = await connected(setup);
    redis.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => {
      const sentUs = bytes.readUInt32BE(SENT_AT) * 2 ** 32 + bytes.readUInt32BE(SENT_AT + 4);
      hearing.heard(bytes.readUInt32BE(TOPIC_AT), bytes.readUInt32BE(SEQ_AT), sentUs, nowUs());
    });
    const channels = channelsOf(setup);
    for (let first = 0; first < channels.length; first += CHANNELS_AT_ONCE)
      await redis.subscribe(...channels.slice(first, first + CHANNELS_AT_ONCE));
    return new PlainFollower();
  }

  repaired(): number {
    return 0;
  }

  folds(): number {
    return 0;
  }
}
