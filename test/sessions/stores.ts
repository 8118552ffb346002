// Owns the stores of sessions that tests hold to their word: the one in this process, and those of two gateways on one Redis. Lives
// pass when the test says so. Invariant: what was said is kept, and seen by both, after `settle`.

import { Redis } from 'ioredis';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { RedisSessions } from '../../src/bus/redis-sessions.ts';
import { systemTimers } from '../../src/ports/clock.ts';
import type { SessionStore } from '../../src/ports/session-store.ts';
import { SessionMemory } from '../../src/sessions/session-store.ts';
import { startBus } from '../redis/bus.ts';

export const LIMITS = {
  lifeMs: 300_000,
  renewMs: 60_000,
  sessionsMax: 50,
  stateBytesMax: 1_000,
  bytesMax: 10_000,
};

export interface StoreUnderTest {
  readonly store: SessionStore;
  /** As another gateway has it. */
  readonly other: SessionStore;
  /** What the first one's connections were told. */
  readonly taken: string[];
  settle(): Promise<void>;
  /** Lives are shorter by this. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** A clock that stands still unless it is told. */
export class StillClock {
  private ms = 0;
  nowMs(): number {
    return this.ms;
  }
  nowUs(): number {
    throw new Error('nothing here asks for the wall clock');
  }
  pass(ms: number): void {
    this.ms += ms;
  }
}

export async function memoryStore(): Promise<StoreUnderTest> {
  const clock = new StillClock();
  const taken: string[] = [];
  const store = new SessionMemory({ ...LIMITS, clock, onTaken: (session) => taken.push(session) });
  return {
    store,
    other: store,
    taken,
    settle: async () => {},
    pass: async (ms) => clock.pass(ms),
    close: async () => {},
  };
}

export interface RedisNode {
  readonly store: RedisSessions;
  readonly taken: string[];
  readonly errors: unknown[];
  close(): Promise<void>;
}

/** The sessions of one gateway, connected. */
export async function redisNode(
  url: string,
  prefix: string,
  clock = new StillClock(),
  limits = LIMITS,
): Promise<RedisNode> {
  const [taken, errors]: [string[], unknown[]] = [[], []];
  const port = new RedisLink({ url, onTrouble: () => {} });
  const store = new RedisSessions({
    ...limits,
    port,
    clock,
    timers: systemTimers,
    prefix,
    onTaken: (session) => taken.push(session),
    onError: (error) => errors.push(error),
  });
  const started = await startBus({ url, prefix, port });
  started.bus.invite(store);
  return { store, taken, errors, close: () => started.close() };
}

export async function redisStores(url: string, prefix: string): Promise<StoreUnderTest> {
  const clock = new StillClock();
  const [one, other] = await Promise.all([redisNode(url, prefix, clock), redisNode(url, prefix, clock)]);
  const redis = new Redis(url);
  return {
    store: one.store,
    other: other.store,
    taken: one.taken,
    settle: async () => {
      await one.store.settle();
      await other.store.settle();
    },
    pass: async (ms) => {
      await one.store.settle();
      clock.pass(ms);
      for (const key of await redis.keys(`${prefix}:{session:*`)) {
        const leftMs = await redis.pttl(key);
        await redis.pexpire(key, leftMs - ms);
      }
    },
    close: async () => {
      redis.disconnect();
      await Promise.all([one.close(), other.close()]);
    },
  };
}
