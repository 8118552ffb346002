// Holds the simulator's model of the scripts against the real ones on a real Redis: the same calls from the same seed give the same
// answers, the same messages and the same keys. What the model has wrong, the simulation would prove of nothing.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KEYS_MAX } from '../../src/bus/bus.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import type { RedisArgument, RedisReply, RedisScript } from '../../src/ports/redis.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';
import { Random } from '../simulation/kernel.ts';
import { unpackAll } from '../simulation/packed.ts';
import { RedisModel } from '../simulation/redis-model.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const CALLS = 400;
/** A stream trims whole nodes only. */
const NODE_ENTRIES = 4;
const TOPICS = ['book:A', 'book:B', 'trade:A', 'status:A'];
const SCALES = ['2.3.0', '', '4.3.1'];
const SERVERS = ['r1', '', 'r2'];
const END = 'end';

/** Calls as publishers and gateways make them, and some that nobody should. */
class Caller {
  /** Calls of `publish` that were made before, to be made again. */
  private readonly earlier: { topic: string; args: RedisArgument[] }[] = [];
  private readonly writer = new ByteWriter();
  private readonly logMax: number;
  private readonly batchMax: number;
  private readonly folds: boolean;
  private readonly renewals: number;
  private keyCount = 0;

  constructor(
    private readonly random: Random,
    private readonly model: RedisModel,
  ) {
    this.logMax = random.pick([8, 64]);
    this.batchMax = random.pick([3, 40, 400]);
    this.folds = random.chance(0.7);
    this.renewals = random.pick([0, 3]);
  }

  next(prefix: string): { script: RedisScript; topic: string; args: RedisArgument[] } {
    const { random } = this;
    const topic = `${prefix}:{${random.pick(TOPICS)}}`;
    const drawn = random.below(100);
    if (drawn < 12 && this.earlier.length > 0) {
      const { topic: same, args } = random.pick(this.earlier.slice(-10));
      const again = [...args];
      again[7] = random.pick(['1', '1', '1', '60000000', '']);
      return { script: 'publish', topic: same, args: again };
    }
    if (drawn < 64) return { script: 'publish', topic, args: this.publish(topic) };
    if (drawn < 76) return { script: 'load', topic, args: this.load(topic) };
    if (drawn < 82 && this.folds) return { script: 'fold', topic, args: this.fold(topic) };
    if (drawn < 82 + this.renewals) return { script: 'renew', topic, args: this.renew(topic) };
    if (drawn < 91) return { script: 'doubt', topic, args: [random.pick(['0', '1'])] };
    return { script: 'lease', topic, args: this.lease(topic) };
  }

  private publish(topic: string): RedisArgument[] {
    const { random } = this;
    const held = this.model.topics.get(topic);
    const token = random.chance(0.8) ? this.tokenOf(topic) : random.pick(['', '1', '2', '99']);
    const expected = random.chance(0.85) ? '' : `${(held?.seq ?? 0) + random.pick([0, 0, 0, 1])}`;
    const args: RedisArgument[] = [
      this.id(),
      this.id(),
      this.server(topic),
      this.scales(topic),
      token,
      expected,
      this.logMax,
      '',
    ];
    for (let left = random.between(1, random.chance(0.3) ? this.batchMax : 2); left > 0; left--) {
      const form = random.chance(0.05) ? FORMS[/{(\w+):/.exec(topic)![1]!] : undefined;
      args.push(this.key(), form ?? this.packed(this.update(topic)));
    }
    if (random.chance(0.05)) args[args.length - 1] = random.pick(FLAWED);
    this.earlier.push({ topic, args });
    return args;
  }

  private key(): string {
    const { random } = this;
    if (this.batchMax > 3 && random.chance(0.9)) return `k${this.keyCount++}`;
    return random.chance(0.7) ? '' : `k${random.below(30)}`;
  }

  /** The token of who holds the lease. */
  private tokenOf(topic: string): string {
    const held = this.model.topics.get(topic);
    return (held?.leasedUntilMs ?? 0) > Date.now() ? `${held!.token}` : '';
  }

  private update(topic: string): unknown[] {
    const { random } = this;
    const exchangeUs = random.chance(0.3) ? null : 1_700_000_000_000_000 + random.bits();
    if (topic.includes('{trade:')) {
      return [3, exchangeUs, random.pick([null, 'a', 77, 'é']), random.below(3), random.below(3), -5, 2 ** 40];
    }
    if (topic.includes('{status:')) return [4, exchangeUs, random.below(4), random.pick([null, 'halted'])];
    const levels = (): number[] => {
      const counts = Array.from({ length: random.below(4) }, () => [random.between(-9, 2 ** 31), random.bits(), 0]);
      return counts.flat();
    };
    return [random.chance(0.08) ? 1 : 0, exchangeUs, levels(), levels()];
  }

  private server(topic: string): string {
    const held = this.model.topics.get(topic)?.replication ?? 'r1';
    return this.random.chance(0.95) ? held : this.random.pick(SERVERS);
  }

  private scales(topic: string): string {
    const held = this.model.topics.get(topic)?.scales ?? '2.3.0';
    return this.random.chance(0.95) && held !== '-' ? held : this.random.pick(SCALES);
  }

  private load(topic: string): RedisArgument[] {
    const what = this.random.pick(['head', 'book', 'recent']);
    return [this.id(), this.server(topic), this.scales(topic), what, 5];
  }

  private fold(topic: string): RedisArgument[] {
    const { random } = this;
    const held = this.model.topics.get(topic);
    const epoch = random.chance(0.9) ? (held?.epoch ?? 5) : this.id();
    const seq = random.between(held?.base ?? 0, (held?.seq ?? 0) + 1);
    return [epoch, seq, Buffer.alloc(random.below(300), 7)];
  }

  private renew(topic: string): RedisArgument[] {
    const { random } = this;
    const expected = random.pick(['', this.model.topics.get(topic)?.epoch ?? 4, 1]);
    return [expected, this.id(), this.server(topic), random.pick([...SCALES, '-'])];
  }

  private lease(topic: string): RedisArgument[] {
    const { random } = this;
    const token = random.pick(['', this.model.topics.get(topic)?.token ?? '', '7']);
    return [random.pick(['take', 'take', 'release']), token, random.pick([0, 60_000])];
  }

  private id(): number {
    return 1 + this.random.bits() * 0x1_0000 + this.random.below(0x1_0000);
  }

  private packed(update: unknown[]): Uint8Array {
    this.writer.length = 0;
    this.writer.value(update);
    return this.writer.copy();
  }
}

/** Updates that are none: half a value, no array, no such kind, levels that are no levels, texts too long. */
const FLAWED: readonly Uint8Array[] = [
  '',
  '94',
  '07',
  '9405c09090',
  '94ffc09090',
  '94a161c09090',
  '9400c0910190',
  '9400c0930105ff90',
  '9400c09301cb40040000000000000090',
  '9400c093a161010190',
  '9400a1619090',
  '9602c001ff0101',
  '9703c0c301010101',
  '9703c0c003010101',
  '9404c00405',
  '9404c0c0c0',
  // Numbers past 2^53, an element too many, sizes below nothing, levels that are a map, texts that are no UTF-8.
  '9400cf00200000000000009090',
  '9400c093cf0020000000000000010090',
  '9500c0909001',
  '9703c0c0000001ff',
  '9602c001ff0101',
  '9400c083a16101a16202a1630390',
  '9703c0a18000000101',
  '9703c0a2c08000000101',
  '9404c000a3eda080',
].map((hex) => Buffer.from(hex, 'hex'));

/** By channel an update with floats, with integers that are wider than they need be, or a name that is not ASCII. */
const FORMS: Readonly<Record<string, Uint8Array>> = {
  book: Buffer.from(
    '9401cb431828906079000093cf0000000000000064cb401400000000000000dc0003d30000000000000065cd000700',
    'hex',
  ),
  trade: Buffer.from('9703d300060a24181e4000d902c3a9d00001d3fffffffffffffffbcb4008000000000000', 'hex'),
  status: Buffer.from('9404c001da0003e282ac', 'hex'),
};

const WANTED = [
  'publish done',
  'publish done needs-snapshot',
  'publish bad-update',
  'publish other-replication',
  'publish other-scales',
  'publish leased',
  'publish unsure',
  'publish fenced',
  'publish moved',
  'load done',
  'load other-replication',
  'load other-scales',
  'fold done',
  'renew done',
  'doubt done',
  'lease done',
  'lease leased',
  'a fold is asked for',
  'a snapshot became the base',
  'all keys are taken',
];

/** The refusals in an answer. */
function namesOf(answer: unknown): string[] {
  const [first, ...others] = answer as unknown[];
  if (typeof first === 'string') return [first];
  return others.includes('needs-snapshot') ? ['done', 'needs-snapshot'] : ['done'];
}

function plain(reply: RedisReply | undefined): unknown {
  if (Array.isArray(reply)) return reply.map((each) => plain(each as RedisReply));
  return reply instanceof Uint8Array ? Buffer.from(reply).toString('latin1') : reply;
}

/** The time of a message without a place in the sequence is the server's own. */
function timeless(bytes: Uint8Array): string {
  const values = unpackAll(bytes)!;
  const head = values[0] as number[];
  if (head[4] === 0) head[3] = 0;
  return JSON.stringify(values, (_, value) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value));
}

describe('the model of the scripts', () => {
  let server: RedisServer;
  let redis: Redis;
  let link: RedisLink;
  const heard: string[] = [];
  const subscribed = new Set<string>();
  const seen = new Map<string, number>();
  const count = (kind: string): void => void seen.set(kind, (seen.get(kind) ?? 0) + 1);
  let wake = (): void => {};

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  beforeAll(async () => {
    const config = { 'stream-node-max-entries': `${NODE_ENTRIES}`, 'stream-node-max-bytes': '0' };
    server = await startRedis({ config });
    redis = new Redis(server.url);
    link = new RedisLink({ url: server.url, onTrouble: () => {} });
    let parts = 0;
    link.open({
      up: () => {
        parts += 1;
        wake();
      },
      down: () => {},
      channelsUp: () => {
        parts += 1;
        wake();
      },
      channelsDown: () => {},
      subscribed: (channel) => {
        subscribed.add(channel);
        wake();
      },
      message: (channel, bytes) => {
        heard.push(channel === END ? END : `${channel} ${timeless(bytes)}`);
        wake();
      },
    });
    await until(() => parts === 2);
  });

  afterAll(async () => {
    link.close();
    redis.disconnect();
    await server.close();
  });

  /** What the server holds of a topic, in the model's words; times are strings of microseconds. */
  async function heldBy(topic: string): Promise<unknown> {
    const hash = await redis.hgetall(topic);
    if (Object.keys(hash).length === 0) return undefined;
    const number = (name: string): number => Number(hash[name] ?? 0);
    const log = (await redis.callBuffer('XRANGE', `${topic}:log`, '-', '+')) as [Buffer, Buffer[]][];
    const keys = await redis.zrange(`${topic}:keys`, '0', '-1', 'WITHSCORES');
    return {
      epoch: hash.epoch === undefined ? null : number('epoch'),
      seq: number('seq'),
      nonce: number('nonce'),
      whole: hash.whole === '1',
      replication: hash.replication ?? '',
      scales: hash.scales ?? '',
      token: hash.token === undefined ? null : number('token'),
      leasedUntilMs: hash.leasedUntilMs === undefined ? null : number('leasedUntilMs'),
      doubted: hash.doubted === '1',
      base: number('base'),
      baseBytes: number('baseBytes'),
      foldAskedSeq: number('foldAskedSeq'),
      horizon: number('horizon'),
      publishUs: number('publishUs'),
      exchangeUs: (hash.exchangeUs ?? '') === '' ? null : number('exchangeUs'),
      baseState: (await redis.getBuffer(`${topic}:base`))?.toString('hex') ?? null,
      log: log.map(([id, fields]) => `${id} ${fields[1]!.toString('hex')}`),
      keys: Object.fromEntries(keys.flatMap((key, i) => (i % 2 === 0 ? [[key, Number(keys[i + 1])]] : []))),
    };
  }

  function heldByModel(model: RedisModel, topic: string): unknown {
    const held = model.topics.get(topic);
    if (held === undefined) return undefined;
    const { baseState, log, keys } = held;
    return {
      ...held,
      baseState: baseState === null ? null : Buffer.from(baseState).toString('hex'),
      log: log.map(({ seq, bytes }) => `${seq}-0 ${Buffer.from(bytes).toString('hex')}`),
      keys: Object.fromEntries(keys),
    };
  }

  /** When the server did what it has just answered, as far as that can be seen. */
  async function timeOf(
    script: RedisScript,
    topic: string,
    args: readonly RedisArgument[],
    reply: unknown,
    us: number,
  ) {
    const [publishUs, leasedUntilMs] = await redis.hmget(topic, 'publishUs', 'leasedUntilMs');
    const answer = reply as (number | string)[];
    if (script === 'publish' && Number(publishUs) > us) return Number(publishUs);
    if (script === 'lease' && answer[0] === 'leased') return (Number(leasedUntilMs) - Number(answer[1])) * 1_000;
    if (script === 'lease' && args[0] === 'take') return (Number(leasedUntilMs) - Number(args[2])) * 1_000;
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1_000_000 + Number(micros);
  }

  test.each(SEEDS)('answers, logs and publishes what the scripts do: seed %i', async (seed) => {
    const prefix = `seed-${seed}`;
    const said: string[] = [];
    let nowUs = 0;
    const published = (channel: string, bytes: Uint8Array): void => void said.push(`${channel} ${timeless(bytes)}`);
    const model = new RedisModel({ published, sequenced: () => {}, began: () => {} }, () => nowUs, NODE_ENTRIES);
    const caller = new Caller(new Random(seed), model);
    const topics = TOPICS.map((topic) => `${prefix}:{${topic}}`);
    link.subscribe([...topics, END]);
    await until(() => [...topics, END].every((channel) => subscribed.has(channel)));
    for (let i = 0; i < CALLS; i++) {
      const { script, topic, args } = caller.next(prefix);
      const keys = [topic, `${topic}:log`, `${topic}:base`, `${topic}:keys`];
      const found = plain(await link.call(script, keys, [1, ...args]));
      nowUs = await timeOf(script, topic, args, found, model.topics.get(topic)?.publishUs ?? 0);
      const what = `call ${i}: ${script} ${topic} ${JSON.stringify(args)}`;
      const wanted = plain(model.run(script, keys, [1, ...args]));
      expect(wanted, what).toEqual(found);
      expect(heldByModel(model, topic), what).toEqual(await heldBy(topic));
      count(`${script} ${namesOf(found).join(' ')}`);
      const held = model.topics.get(topic);
      if (script === 'publish' && (found as unknown[])[1] === 1) count('a fold is asked for');
      if ((held?.horizon ?? 0) > 0) count('a snapshot became the base');
      if (held?.keys.size === KEYS_MAX) count('all keys are taken');
    }
    await link.publish(END, new Uint8Array(0));
    await until(() => heard.includes(END));
    expect(heard.filter((each) => each !== END && each.startsWith(prefix))).toEqual(said);
    heard.length = 0;
  });

  test('was held against every answer that there is', () => {
    for (const kind of WANTED) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(0);
  });

  test('knows what the server answers to a form that is not its own', async () => {
    const model = new RedisModel({ published: () => {}, sequenced: () => {}, began: () => {} }, () => 0);
    for (const script of ['publish', 'load', 'fold', 'renew', 'doubt', 'lease'] as const) {
      const keys = ['{book:X}', '{book:X}:log', '{book:X}:base', '{book:X}:keys'];
      expect(plain(model.run(script, keys, [2]))).toEqual(plain(await link.call(script, keys, [2])));
    }
  });
});
