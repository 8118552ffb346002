// Holds the simulator's model of the scripts for sessions against the real ones on a real Redis: the same calls from the same seed give
// the same answers and leave the same records, also without memory. Time passes where the test says so: lives are shortened.

import { Redis } from 'ioredis';
import { unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { type RedisArgument, RedisFailure, type RedisReply, type RedisScript } from '../../src/ports/redis.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';
import { Random } from './kernel.ts';
import { OutOfMemory, RedisModel } from './redis-model.ts';

const SEEDS = [1, 2, 3, 4, 5];
const CALLS = 400;
const SESSIONS = ['s0', 's1', 's2', 's3'];
const PRINCIPALS = ['ann', 'ann', 'ann', 'bob'];
/** No sum of what passes comes near a sum of lives: what the real calls take makes no difference. */
const PASS_MS = 310_000;
const KNOWN_MS = 500_000;
const USED_MS = 2_000_000;
const LIVES_MS = [1_000_000, 1_000_000, 3_000_000, 0, -1_000_000];
const REFUSALS = ['unknown', 'foreign', 'used', 'superseded', 'expired'];

interface Call {
  readonly script: RedisScript;
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
}

function writing(random: Random, prefix: string): Call {
  const sessions = SESSIONS.filter(() => random.chance(0.5));
  const records = sessions.flatMap((session): RedisArgument[] => {
    const generation = random.between(1, 6);
    const life = random.pick(LIVES_MS);
    const state = random.pick(['', '-', `state ${random.below(100)}`]);
    const tokens = [`token ${session} ${generation}`, `token ${session} ${generation - 1}`];
    return [life, generation, ...tokens, random.pick(PRINCIPALS), state];
  });
  return { script: 'session', keys: sessions.map((each) => `${prefix}${each}`), args: [1, KNOWN_MS, ...records] };
}

function redeeming(random: Random, prefix: string): Call {
  const [session, generation] = [random.pick(SESSIONS), random.between(1, 6)];
  const token = `token ${session} ${random.chance(0.9) ? generation : 1}`;
  const args = [1, generation, token, random.pick(PRINCIPALS), USED_MS, KNOWN_MS];
  return { script: 'session-redeem', keys: [`${prefix}${session}`], args };
}

function plain(reply: RedisReply | undefined): unknown {
  if (Array.isArray(reply)) return reply.map((each) => plain(each as RedisReply));
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : reply;
}

describe('the model of the scripts for sessions', () => {
  let server: RedisServer;
  let redis: Redis;
  let link: RedisLink;
  const seen = new Set<string>();

  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    link = new RedisLink({ url: server.url, onTrouble: () => {} });
    await new Promise<void>((resolve) => {
      const nothing = (): void => {};
      link.open({
        ...{ down: nothing, channelsUp: nothing, channelsDown: nothing, subscribed: nothing, message: nothing },
        up: () => resolve(),
      });
    });
  });

  afterAll(async () => {
    link.close();
    redis.disconnect();
    await server.close();
  });

  async function record(key: string): Promise<unknown> {
    const bytes = await redis.getBuffer(key);
    return bytes === null ? undefined : unpack(bytes);
  }

  function recordOfModel(model: RedisModel, key: string): unknown {
    const held = model.sessions.find(key);
    if (held === undefined) return undefined;
    const { generation, principal, end, token, former, state } = held;
    return end === 0 ? [1, generation, principal, end, token, former, state] : [1, generation, principal, end];
  }

  async function shorten(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const leftMs = await redis.pttl(key);
      if (leftMs > 0) await redis.pexpire(key, leftMs - PASS_MS);
    }
  }

  async function bothDo(model: RedisModel, { script, keys, args }: Call): Promise<[unknown, unknown]> {
    const real = await link.call(script, keys, args).then(plain, (error: unknown) => {
      if (!(error instanceof RedisFailure)) throw error;
      return 'no memory';
    });
    try {
      return [real, plain(model.run(script, keys, args))];
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      return [real, 'no memory'];
    }
  }

  test.each(SEEDS)('answers and keeps what Redis does, seed %i', async (seed) => {
    const random = new Random(seed);
    const prefix = `seed${seed}:`;
    const keys = SESSIONS.map((each) => `${prefix}${each}`);
    let nowMs = 1_000_000_000;
    const nothing = (): void => {};
    const model = new RedisModel({ published: nothing, sequenced: nothing, began: nothing }, () => nowMs * 1_000);
    for (let i = 0; i < CALLS; i++) {
      if (random.chance(0.15)) {
        nowMs += PASS_MS;
        await shorten(keys);
      }
      if (random.chance(0.05)) {
        model.full = !model.full;
        await redis.config('SET', 'maxmemory', model.full ? '1' : '0');
      }
      const call = random.chance(0.5) ? writing(random, prefix) : redeeming(random, prefix);
      if (call.keys.length === 0) continue;
      const [real, modelled] = await bothDo(model, call);
      expect(modelled, `call ${i}: ${JSON.stringify(call)}`).toEqual(real);
      const [first] = Array.isArray(real) ? real : [real];
      seen.add(typeof first === 'string' ? first : call.script);
      for (const key of keys) expect(recordOfModel(model, key), `call ${i}, ${key}`).toEqual(await record(key));
    }
    await redis.config('SET', 'maxmemory', '0');
  });

  test('has seen every answer', () => {
    expect([...seen].sort()).toEqual([...REFUSALS, 'no memory', 'session', 'session-redeem'].sort());
  });
});
