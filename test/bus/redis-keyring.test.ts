// Holds the keys that gateways share on a real Redis to their word: the same everywhere, changed in time, known before they sign, and
// those in use put back where Redis has lost them. Time passes for Redis where a test says that the newest key is older.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RedisKeyring } from '../../src/bus/redis-keyring.ts';
import { signingKey } from '../../src/bus/redis-keys.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { TokenKeys, Tokens } from '../../src/sessions/token.ts';
import { startBus, until } from '../redis/bus.ts';
import { startProxy } from '../redis/proxy.ts';
import { redisForTests } from '../redis/server.ts';
import { StillClock } from '../sessions/stores.ts';

let shared: Awaited<ReturnType<typeof redisForTests>>;
let redis: Redis;
beforeAll(async () => {
  shared = await redisForTests();
  redis = new Redis(shared.url);
});
afterAll(async () => {
  redis.disconnect();
  await shared.close();
});

let prefixes = 0;

function newPrefix(): string {
  return `${shared.prefix}${++prefixes}`;
}

describe('the keys that gateways share', () => {
  const CLAIMS = { session: 'a', generation: 1 };
  const DAY_MS = 86_400_000;

  interface Holder {
    readonly tokens: Tokens;
    readonly keyring: RedisKeyring;
    readonly errors: unknown[];
    close(): Promise<void>;
  }

  /** A gateway with keys; it looks when the test says so. */
  async function holder(prefix: string, clock = new StillClock(), url = shared.url): Promise<Holder> {
    const port = new RedisLink({ url, onTrouble: () => {} });
    const errors: unknown[] = [];
    const keys: TokenKeys = new TokenKeys(TokenKeys.random(), () => keyring.seek());
    const keyring: RedisKeyring = new RedisKeyring({
      port,
      clock,
      prefix,
      newKey: () => TokenKeys.random(),
      current: () => keys.currentText,
      onKeys: (text) => keys.rotate(text),
      onError: (error) => errors.push(error),
    });
    const started = await startBus({ url, prefix, port });
    onTestFinished(() => started.close());
    started.bus.invite(keyring);
    await until(() => keyring.known || errors.length > 0);
    return { tokens: new Tokens(keys), keyring, errors, close: () => started.close() };
  }

  /** As if the newest key had been made that long ago. */
  async function age(prefix: string, ms: number): Promise<void> {
    const [seconds] = await redis.time();
    await redis.hset(signingKey(prefix), 'madeMs', Number(seconds) * 1_000 - ms);
  }

  test('are those of the first of them', async () => {
    const prefix = newPrefix();
    const [one, two] = await Promise.all([holder(prefix), holder(prefix)]);
    expect(one.tokens.keys.current).toEqual(two.tokens.keys.current);
    expect(await two.tokens.read(one.tokens.sign(CLAIMS, 'p'), 'p')).toEqual(CLAIMS);
  });

  test('change once a day; a new one is known before it signs, and the last three verify', async () => {
    const prefix = newPrefix();
    const clock = new StillClock();
    const own = await holder(prefix, clock);
    const look = async (): Promise<string> => {
      clock.pass(1_000);
      await own.keyring.seek();
      return own.tokens.keys.current.id;
    };
    const given = [own.tokens.sign(CLAIMS, 'p')];
    const ids = [own.tokens.keys.current.id];
    for (let day = 1; day <= 3; day++) {
      await age(prefix, DAY_MS - 10_000);
      expect(await look()).toBe(ids.at(-1));
      await age(prefix, DAY_MS + 10_000);
      expect(await look()).toBe(ids.at(-1));
      await age(prefix, 600_000);
      ids.push(await look());
      given.push(own.tokens.sign(CLAIMS, 'p'));
    }
    expect(new Set(ids).size).toBe(4);
    const read = await Promise.all(given.map((token) => own.tokens.read(token, 'p')));
    expect(read).toEqual([expect.objectContaining({ code: 'bad-token' }), CLAIMS, CLAIMS, CLAIMS]);
    expect(own.errors).toEqual([]);
  });

  test('are not vouched for without a connection, and asked for with the next', async () => {
    const proxy = await startProxy(Number(new URL(shared.url).port));
    onTestFinished(() => proxy.close());
    const { keyring } = await holder(newPrefix(), new StillClock(), proxy.url);
    proxy.refuse(true);
    proxy.cut();
    await until(() => !keyring.known);
    await keyring.seek();
    expect(keyring.known).toBe(false);
    proxy.refuse(false);
    await until(() => keyring.known);
  });

  test('are learned when a token names one that is not known', async () => {
    const prefix = newPrefix();
    const clock = new StillClock();
    const own = await holder(prefix, clock);
    const foreign = TokenKeys.random();
    await redis.hset(signingKey(prefix), 'keys', `${foreign},${own.tokens.keys.currentText}`);
    const token = new Tokens(new TokenKeys(foreign)).sign(CLAIMS, 'p');
    // It looked a moment ago.
    expect(await own.tokens.read(token, 'p')).toMatchObject({ code: 'bad-token' });
    clock.pass(1_000);
    expect(await own.tokens.read(token, 'p')).toEqual(CLAIMS);
  });

  test('are the same as before where Redis has lost them', async () => {
    const prefix = newPrefix();
    const clock = new StillClock();
    const [one, two] = [await holder(prefix, clock), await holder(prefix, clock)];
    const { id } = one.tokens.keys.current;
    await redis.del(signingKey(prefix));
    clock.pass(1_000);
    await Promise.all([two.keyring.seek(), one.keyring.seek()]);
    expect([one, two].map(({ tokens }) => tokens.keys.current.id)).toEqual([id, id]);
  });

  test('stay as they are where what Redis holds makes no sense', async () => {
    const prefix = newPrefix();
    const clock = new StillClock();
    const own = await holder(prefix, clock);
    const { id } = own.tokens.keys.current;
    await redis.hset(signingKey(prefix), 'keys', 'nonsense');
    clock.pass(1_000);
    await own.keyring.seek();
    expect(own.tokens.keys.current.id).toBe(id);
    expect(own.errors).toHaveLength(1);
    await redis.hset(signingKey(prefix), 'format', '2');
    clock.pass(1_000);
    await own.keyring.seek();
    expect(`${own.errors[1]}`).toContain('other-format');
  });
});
