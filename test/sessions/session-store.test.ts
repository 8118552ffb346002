// Holds what every store of sessions must do: take a session once, from its owner, with one of its last two tokens, as it last was;
// within its life, and within bounds. It runs on the one in this process and on two gateways' of one real Redis.

import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { SessionStore } from '../../src/ports/session-store.ts';
import { principalHash, tokenHash } from '../../src/sessions/token.ts';
import { redisForTests } from '../redis/server.ts';
import { LIMITS, memoryStore, redisStores, type StoreUnderTest } from './stores.ts';

let redis: Awaited<ReturnType<typeof redisForTests>>;
beforeAll(async () => {
  redis = await redisForTests();
});
afterAll(() => redis.close());

const ALICE = principalHash('key:alice');
const BOB = principalHash('key:bob');
const { lifeMs, renewMs, sessionsMax, stateBytesMax, bytesMax } = LIMITS;
let count = 0;

/** A session of Alice's, with a token for each generation. */
class Session {
  readonly name = `session-${++count}`;
  state = '{"a":1}';
  /** How often it was asked for its state. */
  asked = 0;

  constructor(
    readonly under: StoreUnderTest,
    private readonly store: SessionStore = under.store,
  ) {}

  token(generation: number): string {
    return tokenHash(`${this.name} ${generation}`);
  }

  renew(generation = 1, principal = ALICE): this {
    this.store.renew(this.name, generation, this.token(generation), principal);
    return this;
  }

  become(state: string): this {
    this.state = state;
    this.store.changed(this.name, () => {
      this.asked += 1;
      return this.state;
    });
    return this;
  }

  async end(): Promise<this> {
    this.store.release(this.name);
    await this.under.settle();
    return this;
  }

  redeem(generation = 1, from = this.store, principal = ALICE): ReturnType<SessionStore['redeem']> {
    return from.redeem(this.name, generation, this.token(generation), principal);
  }
}

describe.each(['in this process', 'on Redis'])('a store of sessions %s', (where) => {
  let under: StoreUnderTest;
  let prefixes = 0;
  beforeEach(async () => {
    const made = where === 'on Redis' ? redisStores(redis.url, `${redis.prefix}${++prefixes}`) : memoryStore();
    under = await made;
    onTestFinished(() => under.close());
  });
  const begun = (): Session => new Session(under).renew();

  test('gives a session back as it last was, once', async () => {
    const session = await begun().become('{"a":1}').become('{"b":[2]}').end();
    expect(await session.redeem()).toEqual({ state: '{"b":[2]}', generation: 1 });
    expect(await session.redeem()).toBe('used');
    expect(await session.redeem(1, under.other)).toBe('used');
  });

  test('gives back the text of a state as it was', async () => {
    const state = JSON.stringify({ text: 'ß 漢 🙂 \u0000 "\\' });
    const session = await begun().become(state).end();
    expect(await session.redeem(1, under.other)).toEqual({ state, generation: 1 });
  });

  test('gives back one that never said anything without a state', async () => {
    const session = await begun().end();
    expect(await session.redeem()).toEqual({ state: '', generation: 1 });
  });

  test('lets one of many win who come at the same time, on any gateway', async () => {
    const sessions = Array.from({ length: 40 }, () => begun());
    await Promise.all(sessions.map((session) => session.end()));
    for (const session of sessions) {
      const both = [under.store, under.other];
      const outcomes = await Promise.all(Array.from({ length: 10 }, (_, i) => session.redeem(1, both[i % 2])));
      expect(outcomes.filter((each) => typeof each === 'object')).toHaveLength(1);
      expect(outcomes.filter((each) => each === 'used')).toHaveLength(9);
    }
    expect(under.store.counters.redeemed + (under.store === under.other ? 0 : under.other.counters.redeemed)).toBe(40);
  });

  test('takes the last token but one as well, since the last may not have arrived; either kills both', async () => {
    const [one, other] = [begun(), begun()];
    for (const session of [one, other]) await session.renew(2).renew(3).end();
    expect(await one.redeem(2)).toMatchObject({ generation: 3 });
    expect(await one.redeem(3)).toBe('used');
    expect(await other.redeem(3)).toMatchObject({ generation: 3 });
    expect(await other.redeem(2)).toBe('used');
  });

  test('refuses tokens older than that, and leaves the session to the others', async () => {
    const session = await begun().renew(2).renew(3).renew(4).end();
    expect(await session.redeem(2)).toBe('superseded');
    expect(await session.redeem(1)).toBe('superseded');
    expect(await session.redeem(3)).toMatchObject({ generation: 4 });
  });

  test('refuses another principal, and leaves the session to its own', async () => {
    const session = await begun().end();
    expect(await session.redeem(1, under.other, BOB)).toBe('foreign');
    expect(await session.redeem()).toMatchObject({ generation: 1 });
    expect(await session.redeem(1, under.other, BOB)).toBe('foreign');
  });

  test('that is somebody else from one token to the next is for that one alone, with that token alone', async () => {
    const session = await begun().renew(2, BOB).end();
    expect(await session.redeem(1)).toBe('foreign');
    expect(await session.redeem(2)).toBe('foreign');
    expect(await session.redeem(1, under.other, BOB)).not.toMatchObject({ generation: 2 });
    expect(await session.redeem(2, under.other, BOB)).toMatchObject({ generation: 2 });
  });

  test('knows nothing of other tokens, of those that are yet to come, of other sessions', async () => {
    const session = await begun().renew(2).end();
    expect(await under.store.redeem(session.name, 2, session.token(1), ALICE)).toBe('unknown');
    expect(await under.store.redeem(session.name, 1, session.token(2), ALICE)).toBe('unknown');
    expect(await session.redeem(3)).toBe('unknown');
    expect(await new Session(under).redeem()).toBe('unknown');
    expect(await session.redeem(2)).toMatchObject({ generation: 2 });
  });

  test('keeps a session for its life after the end of its connection, and then says so for a while', async () => {
    const [early, late, later] = [begun(), begun(), begun()];
    for (const session of [early, late, later]) await session.end();
    await under.pass(lifeMs - 10_000);
    expect(await early.redeem()).toMatchObject({ generation: 1 });
    await under.pass(10_000);
    expect(await late.redeem()).toBe('expired');
    await under.pass(60_000);
    expect(await later.redeem()).toBe('unknown');
  });

  test('keeps one that is connected for its life after the next renewal was due; the end shortens that', async () => {
    const [alive, silent, ended] = [begun(), begun(), begun()];
    await under.settle();
    await under.pass(renewMs);
    alive.renew(2);
    await ended.end();
    await under.pass(lifeMs);
    expect(await silent.redeem(1, under.other)).toBe('expired');
    expect(await ended.redeem(1, under.other)).toBe('expired');
    await under.pass(renewMs - 10_000);
    expect(await alive.redeem(2, under.other)).toMatchObject({ generation: 2 });
  });

  test('knows that a session was used for as long as its tokens would be good', async () => {
    const session = await begun().end();
    await session.redeem();
    await under.pass(lifeMs - 10_000);
    expect(await session.redeem()).toBe('used');
  });

  test('gives away one that is still connected, with its present state, and says so to its connection', async () => {
    const session = begun().become('{"old":1}');
    await under.settle();
    session.become('{"new":1}');
    expect(await session.redeem()).toEqual({ state: '{"new":1}', generation: 1 });
    expect(under.taken).toEqual([session.name]);
    session.renew(2).become('{"late":1}');
    await session.end();
    expect(await session.redeem(2)).toBe('used');
    expect(under.taken).toEqual([session.name]);
    expect(under.store.counters).toMatchObject({ connected: 0, failed: 0 });
  });

  test('does not let the late renewal of one that was redeemed elsewhere bring it back', async () => {
    const session = begun().become('{"a":1}');
    await under.settle();
    expect(await session.redeem(1, under.other)).toMatchObject({ state: '{"a":1}' });
    session.renew(2);
    await under.settle();
    expect(under.taken).toEqual([session.name]);
    expect(await session.redeem(2, under.other)).toBe('used');
    expect(under.store.counters.connected).toBe(0);
  });

  test('lets nobody come back to one that was revoked, connected or over', async () => {
    const [connected, over] = [begun(), begun()];
    await over.end();
    for (const { name } of [connected, over]) under.store.revoke(name);
    connected.renew(2);
    await connected.end();
    expect(under.taken).toEqual([connected.name]);
    for (const session of [connected, over]) {
      expect(await session.redeem(1, under.other)).toBe('unknown');
      expect(await session.redeem(2, under.other)).toBe('unknown');
      expect(await session.redeem(1, under.other, BOB)).toBe('unknown');
    }
    expect(under.store.counters.connected).toBe(0);
  });

  test('asks for a state when the connection has ended, and not before unless others need it', async () => {
    const session = begun();
    for (let i = 0; i < 100; i++) session.become(`{"i":${i}}`);
    expect(session.asked).toBe(0);
    under.store.release(session.name);
    // What its connection comes to afterwards is not its state.
    session.state = '{"after":1}';
    await under.settle();
    expect(await session.redeem(1, under.other)).toEqual({ state: '{"i":99}', generation: 1 });
    expect(session.asked).toBe(1);
  });

  test('does not keep a state that is too long, but the session, and a shorter state after it', async () => {
    const [long, shortened] = [begun(), begun()];
    for (const session of [long, shortened]) session.become('x'.repeat(stateBytesMax));
    await under.settle();
    // Bytes, not characters.
    for (const session of [long, shortened]) session.become('ü'.repeat(stateBytesMax / 2 + 1));
    await under.settle();
    await long.end();
    await shortened.become('{}').end();
    expect(await long.redeem(1, under.other)).toEqual({ state: '', generation: 1 });
    expect(await shortened.redeem(1, under.other)).toEqual({ state: '{}', generation: 1 });
    expect(under.store.counters.oversized).toBeGreaterThanOrEqual(1);
  });

  test('drops the session that has been over for longest where there are too many, and none that is connected', async () => {
    const connected = begun();
    const others = Array.from({ length: sessionsMax - 1 }, () => begun());
    for (const session of others) await session.end();
    begun();
    await under.settle();
    const [first, second] = others;
    expect(await first!.redeem(1, under.other)).toBe('unknown');
    expect(await second!.redeem(1, under.other)).toMatchObject({ generation: 1 });
    expect(await connected.redeem(1, under.other)).toMatchObject({ generation: 1 });
    expect(under.store.counters).toMatchObject({ dropped: 1 });
  });

  test('does not keep more sessions than that where all are connected', async () => {
    for (let i = 0; i < sessionsMax; i++) begun();
    const tooMany = begun().become('{}');
    await tooMany.end();
    expect(await tooMany.redeem()).toBe('unknown');
    expect(under.store.counters).toMatchObject({ connected: sessionsMax, over: 0, dropped: 1 });
  });

  test('drops those that have been over for longest where their states take too much', async () => {
    const state = 'x'.repeat(stateBytesMax);
    const fitting = Math.floor(bytesMax / stateBytesMax);
    const sessions = Array.from({ length: fitting + 2 }, () => begun().become(state));
    for (const session of sessions) await session.end();
    expect(under.store.counters).toMatchObject({ over: fitting, overBytes: fitting * stateBytesMax, dropped: 2 });
    await under.settle();
    expect(await sessions[1]!.redeem(1, under.other)).toBe('unknown');
    expect(await sessions[2]!.redeem(1, under.other)).toEqual({ state, generation: 1 });
  });

  test('holds nothing of ten thousand sessions that came and went', async () => {
    for (let i = 0; i < 10_000; i++) {
      const session = begun().become('{}');
      under.store.release(session.name);
    }
    await under.settle();
    expect(under.store.counters).toMatchObject({ connected: 0, over: sessionsMax });
    await under.pass(lifeMs + 60_000);
    begun();
    expect(under.store.counters).toMatchObject({ connected: 1, over: 0, overBytes: 0 });
  });

  test('passes over what makes no sense: a token given again, and what becomes of sessions that are not there', async () => {
    const session = begun().renew(2);
    under.store.renew(session.name, 2, session.token(9), BOB);
    under.store.renew(session.name, 1, session.token(9), BOB);
    const stranger = new Session(under).become('{}');
    under.store.release(stranger.name);
    stranger.renew(5);
    await session.end();
    under.store.release(session.name);
    await under.settle();
    session.renew(1);
    expect(under.store.counters).toMatchObject({ connected: 0, over: 1 });
    expect(await session.redeem(2)).toEqual({ state: '', generation: 2 });
    session.renew(1);
    await under.settle();
    expect(await session.redeem(1)).toBe('used');
    expect(under.store.counters.connected).toBe(0);
    expect(await stranger.redeem(5)).toBe('unknown');
    expect(stranger.asked).toBe(0);
  });
});
