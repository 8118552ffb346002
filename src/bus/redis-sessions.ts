// Owns the sessions of all gateways of a Redis: what this one's say of themselves is written there in batches, and whoever comes back
// is taken from there, on any gateway. Sessions call it, the bus lends it the connection. Invariant: what could not be written is
// written again, from what is known then, never from what was; a state is in Redis a quarter of a second after it changed.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import {
  type RedisArgument,
  RedisFailure,
  type RedisIdentity,
  type RedisPort,
  type RedisReply,
} from '../ports/redis.ts';
import type {
  RedeemedSession,
  SessionCounters,
  SessionRefusal,
  SessionStore,
  SessionStoreOptions,
} from '../ports/session-store.ts';
import { Departed, type Departure, EXPIRED_KNOWN_MS } from './departed.ts';
import type { RedisGuest } from './redis.ts';
import { REDIS_FORMAT } from './redis-entry.ts';
import { sessionKey } from './redis-keys.ts';
import { integerOf, listOf, refusalOf, textOf } from './redis-state.ts';

export interface RedisSessionsOptions extends SessionStoreOptions {
  readonly port: Pick<RedisPort, 'call'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly prefix: string;
  /** Told of what no connection explains: a Redis that refuses. */
  readonly onError: (error: unknown) => void;
}

export interface RedisSessionCounters extends SessionCounters {
  /** Calls that wrote, and the records in them. */
  calls: number;
  written: number;
}

const CHANGED_MS = 250;
/** Records in one call: bounds how long it keeps Redis, and this process, from all else. */
const RECORDS_AT_ONCE = 64;
const BYTES_AT_ONCE = 262_144;
/** A Redis that refuses to write is left alone for so long. */
const REFUSED_MS = 5_000;
/** Who comes back is told sooner than a dead connection is noticed. */
const REDEEM_MS_MAX = 2_000;
const REFUSALS: readonly string[] = ['used', 'unknown', 'foreign', 'superseded', 'expired'] satisfies SessionRefusal[];

/** What is known here of a session, until it is over and Redis knows. */
class Known {
  former = '';
  state: (() => string) | string | null = null;
  /** Counts the states; `written` is the one that Redis has. */
  changes = 0;
  written = 0;
  bytes = 0;
  /** Redis has a record of it. */
  recorded = false;

  constructor(
    public principal: string,
    public generation: number,
    public token: string,
  ) {}
}

/** What is to be said of it: that it goes on, is over, is not kept any longer, must not come back. */
interface Write {
  readonly known: Known;
  readonly what: 'held' | 'over' | 'dropped' | 'revoked';
}

interface Sent extends Write {
  readonly session: string;
  /** The state that went with it; null: none did. */
  readonly change: number | null;
}

export class RedisSessions implements SessionStore, RedisGuest {
  readonly channels: readonly string[] = [];
  private readonly connected = new Map<string, Known>();
  private readonly over = new Departed<Departure>();
  private readonly writes = new Map<string, Write>();
  private readonly unsaid = new Set<string>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly figures = { redeemed: 0, dropped: 0, oversized: 0, failed: 0, calls: 0, written: 0 };
  private isUp = false;
  private replicationId = '';
  private scheduled = false;
  private saying: Timer | null = null;
  private refusedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RedisSessionsOptions) {}

  get counters(): RedisSessionCounters {
    const { connected, over, figures } = this;
    return { connected: connected.size, over: over.size, overBytes: over.bytes, ...figures };
  }

  get ready(): boolean {
    return this.isUp && this.options.clock.nowMs() >= this.refusedUntilMs;
  }

  up({ replicationId }: RedisIdentity): void {
    this.isUp = true;
    // Another server may lack what was written: all is written once more.
    if (this.replicationId !== '' && this.replicationId !== replicationId) {
      for (const [session, known] of this.connected) this.rewrite(session, known);
    }
    this.replicationId = replicationId;
    this.schedule();
  }

  down(): void {
    this.isUp = false;
  }

  subscribed(): void {}
  message(): void {}

  pulse(): void {
    this.over.sweep(this.options.clock.nowMs(), EXPIRED_KNOWN_MS);
    this.schedule();
  }

  renew(session: string, generation: number, tokenHash: string, principalHash: string): void {
    const known = this.connected.get(session);
    if (known !== undefined) {
      if (generation <= known.generation) return;
      // Another principal: what was given to the one before is void.
      known.former = generation === known.generation + 1 && known.principal === principalHash ? known.token : '';
      known.principal = principalHash;
      known.token = tokenHash;
      known.generation = generation;
      this.write(session, { known, what: 'held' });
    } else if (generation === 1 && this.over.get(session) === undefined && this.makeRoom()) {
      const begun = new Known(principalHash, generation, tokenHash);
      this.connected.set(session, begun);
      this.write(session, { known: begun, what: 'held' });
    }
  }

  changed(session: string, state: () => string): void {
    const known = this.connected.get(session);
    if (known === undefined) return;
    known.state = state;
    known.changes += 1;
    this.unsaid.add(session);
    this.saying ??= this.options.timers.after(CHANGED_MS, () => this.say());
  }

  release(session: string): void {
    const known = this.connected.get(session);
    if (known === undefined) return;
    this.connected.delete(session);
    // Who is asked later has nothing left to tell.
    known.state = known.changes === known.written ? null : this.stateOf(known);
    this.over.put(session, { untilMs: this.options.clock.nowMs() + this.options.lifeMs, bytes: known.bytes });
    this.write(session, { known, what: 'over' });
    while (this.over.bytes > this.options.bytesMax) this.dropOldest();
  }

  revoke(session: string): void {
    const known = this.connected.get(session);
    this.over.delete(session);
    this.write(session, { known: known ?? new Known('', 1, ''), what: 'revoked' });
    if (known !== undefined) this.taken(session);
  }

  async redeem(
    session: string,
    generation: number,
    tokenHash: string,
    principalHash: string,
  ): Promise<RedeemedSession | SessionRefusal> {
    const known = this.connected.get(session);
    if (known !== undefined && known.changes !== known.written) this.write(session, { known, what: 'held' });
    const write = this.writes.get(session);
    // Before it, on the same connection.
    if (write !== undefined && this.ready) this.send([[session, write]]);
    const { prefix, lifeMs, renewMs, port } = this.options;
    // Its own connection may be silent until its next renewal: by then it must still be known that it was taken.
    const usedMs = lifeMs + renewMs + EXPIRED_KNOWN_MS;
    const args = [REDIS_FORMAT, generation, tokenHash, principalHash, usedMs, EXPIRED_KNOWN_MS];
    const reply = await this.inTime(port.call('session-redeem', [sessionKey(prefix, session)], args));
    const refusal = refusalOf(reply);
    if (refusal !== null) {
      if (REFUSALS.includes(refusal)) return refusal as SessionRefusal;
      throw new RedisFailure('refused', `the session's record: ${refusal}`);
    }
    const [newest, state] = listOf(reply);
    this.figures.redeemed += 1;
    this.over.delete(session);
    this.writes.delete(session);
    if (this.connected.has(session)) this.taken(session);
    return { state: textOf(state), generation: integerOf(newest) };
  }

  /** Sends what waits, and resolves when all was answered, or has failed. */
  async settle(): Promise<void> {
    this.saying?.cancel();
    this.say();
    while (this.isWriting) this.send(this.writes);
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  private get isWriting(): boolean {
    return this.ready && this.writes.size > 0;
  }

  private say(): void {
    this.saying = null;
    for (const session of this.unsaid) {
      const known = this.connected.get(session);
      // Unless it went along with a renewal.
      if (known !== undefined && known.changes !== known.written) this.write(session, { known, what: 'held' });
    }
    this.unsaid.clear();
  }

  private write(session: string, write: Write): void {
    this.writes.set(session, write);
    this.schedule();
  }

  private rewrite(session: string, known: Known): void {
    if (known.state !== null) known.written = -1;
    this.write(session, { known, what: 'held' });
  }

  private schedule(): void {
    if (this.scheduled || !this.isWriting) return;
    this.scheduled = true;
    this.options.timers.soon(() => {
      this.scheduled = false;
      if (this.isWriting) this.send(this.writes);
      this.schedule();
    });
  }

  /** As many of these, which are among those that wait, as go into one call. */
  private send(waiting: Iterable<readonly [string, Write]>): void {
    const { port, prefix } = this.options;
    const args: RedisArgument[] = [REDIS_FORMAT, EXPIRED_KNOWN_MS];
    const sent: Sent[] = [];
    let bytes = 0;
    for (const [session, { known, what }] of waiting) {
      this.writes.delete(session);
      const isKept = what === 'held' || what === 'over';
      const change = isKept && known.changes !== known.written ? known.changes : null;
      const { generation, token, former, principal } = known;
      const state = change === null ? '' : this.stateOf(known) || '-';
      args.push(this.lifeOf(session, what), generation, token, former, principal, state);
      sent.push({ session, known, what, change });
      bytes += state.length;
      if (sent.length >= RECORDS_AT_ONCE || bytes >= BYTES_AT_ONCE) break;
    }
    const keys = sent.map(({ session }) => sessionKey(prefix, session));
    this.figures.calls += 1;
    const call = port
      .call('session', keys, args)
      .then((reply) => this.answered(sent, reply))
      .catch((error: unknown) => this.failed(sent, error))
      .finally(() => this.underWay.delete(call));
    this.underWay.add(call);
  }

  private lifeOf(session: string, what: Write['what']): number {
    const { clock, lifeMs, renewMs } = this.options;
    if (what === 'held') return lifeMs + renewMs;
    if (what === 'dropped') return 0;
    if (what === 'revoked') return -lifeMs;
    // What is left where Redis was away meanwhile.
    return Math.max(1, Math.ceil((this.over.get(session)?.untilMs ?? 0) - clock.nowMs()));
  }

  private answered(sent: readonly Sent[], reply: RedisReply): void {
    const refusal = refusalOf(reply);
    if (refusal !== null) throw new RedisFailure('refused', `records of sessions: ${refusal}`);
    const answers = listOf(reply);
    this.figures.written += sent.length;
    for (const [i, { session, known, change }] of sent.entries()) {
      const answer = integerOf(answers[i]);
      known.recorded = true;
      if (change !== null) known.written = change;
      if (this.connected.get(session) !== known) continue;
      if (answer === 0) this.taken(session);
      // It was lost, and what of it had been written with it.
      else if (answer === 2 && change === null && known.state !== null) this.rewrite(session, known);
    }
  }

  private failed(sent: readonly Sent[], error: unknown): void {
    this.figures.failed += sent.length;
    for (const { session, known, what } of sent) {
      const isPast = what === 'held' && this.connected.get(session) !== known;
      if (!isPast && !this.writes.has(session)) this.writes.set(session, { known, what });
    }
    if (error instanceof RedisFailure && error.outcome !== 'refused') return;
    this.refusedUntilMs = this.options.clock.nowMs() + REFUSED_MS;
    this.options.onError(error);
  }

  /** Its connection is of no use any more. */
  private taken(session: string): void {
    this.connected.delete(session);
    if (this.writes.get(session)?.what === 'held') this.writes.delete(session);
    this.options.onTaken(session);
  }

  private stateOf(known: Known): string {
    if (typeof known.state !== 'function') return known.state ?? '';
    const state = known.state();
    known.bytes = Buffer.byteLength(state);
    if (known.bytes <= this.options.stateBytesMax) return state;
    this.figures.oversized += 1;
    known.bytes = 0;
    return '';
  }

  private makeRoom(): boolean {
    this.over.sweep(this.options.clock.nowMs(), EXPIRED_KNOWN_MS);
    return this.connected.size + this.over.size < this.options.sessionsMax || this.dropOldest();
  }

  private dropOldest(): boolean {
    this.figures.dropped += 1;
    const session = this.over.dropOldest();
    if (session === undefined) return false;
    const waiting = this.writes.get(session);
    // What Redis never heard of need not be taken back: while it is away they would pile up.
    if (waiting !== undefined && !waiting.known.recorded) this.writes.delete(session);
    else this.write(session, { known: new Known('', 1, ''), what: 'dropped' });
    return true;
  }

  private inTime(call: Promise<RedisReply>): Promise<RedisReply> {
    return new Promise((resolve, reject) => {
      const late = this.options.timers.after(REDEEM_MS_MAX, () =>
        reject(new RedisFailure('unknown', `Redis did not answer within ${REDEEM_MS_MAX} ms`)),
      );
      call.then(resolve, reject).finally(() => late.cancel());
    });
  }
}
