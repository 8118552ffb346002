// Owns the figures of what a session that can be come back to costs in memory, in both stores: connected, renewed, with a state that
// can be asked for. Run by `npm run bench:sessions-heap` (needs --expose-gc). Invariant: nothing but what a store keeps is made between
// the two readings of a figure.

import { RedisSessions } from '../../src/bus/redis-sessions.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import type { SessionStore, SessionStoreOptions } from '../../src/ports/session-store.ts';
import { SessionMemory } from '../../src/sessions/session-store.ts';
import { principalHash, TokenKeys, Tokens, tokenHash } from '../../src/sessions/token.ts';

const SESSIONS = 15_000;
const BYTES_MAX = 700;
const LIMITS: SessionStoreOptions = {
  lifeMs: 300_000,
  renewMs: 60_000,
  sessionsMax: 50_000,
  stateBytesMax: 65_536,
  bytesMax: 67_108_864,
  onTaken: () => {},
};
/** Takes all, as a Redis that is there: what waits for one that is not there is another figure. */
const port = { call: async (_: string, keys: readonly string[]) => keys.map(() => 1) };
const clocks = { clock: systemClock, timers: systemTimers };
const tokens = new Tokens(new TokenKeys(TokenKeys.random()));

async function main(): Promise<void> {
  const memory = await measured('in this process', () => new SessionMemory({ ...LIMITS, ...clocks }));
  const redis = await measured('on Redis', () => {
    const store = new RedisSessions({
      ...LIMITS,
      ...clocks,
      port,
      prefix: 'p',
      onError: (error) => console.error(error),
    });
    store.up({ replicationId: 'r', version: '7.0.0', writable: true });
    return store;
  });
  const failed = [memory, redis].some((bytes) => bytes > BYTES_MAX);
  if (failed) console.log(`FAILED: a session takes over ${BYTES_MAX} bytes`);
  process.exit(failed ? 1 : 0);
}

async function measured(where: string, make: () => SessionStore & { settle?(): Promise<void> }): Promise<number> {
  const connections = Array.from({ length: SESSIONS }, (_, i) => ({ session: `session-${i}-of-${where.length}`, i }));
  const store = make();
  const beforeBytes = memoryBytes();
  for (const generation of [1, 2]) {
    for (const { session, i } of connections) {
      const token = tokens.sign({ session: `session-${i}`, generation }, `key:${i}`);
      store.renew(session, generation, tokenHash(token), principalHash(`key:${i}`));
    }
  }
  for (const connection of connections) store.changed(connection.session, () => JSON.stringify(connection));
  await store.settle?.();
  const bytes = (memoryBytes() - beforeBytes) / SESSIONS;
  console.log(`${SESSIONS} connected sessions ${where}: ${bytes.toFixed(0)} bytes each`);
  const { connected } = store.counters;
  if (connected !== SESSIONS) throw new Error(`${connected} sessions are kept`);
  return bytes;
}

/** Heap, and what buffers take beside it. */
function memoryBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

void main();
