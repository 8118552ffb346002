// Owns the sessions of a gateway without Redis: those that are connected, and for a while those that are not. Sessions tell it of
// themselves, and come back from it. Invariant: a state is asked for once, when its connection ends; lives are counted by the
// monotonic clock, so that a wall clock that is set changes nothing.

import { Departed, EXPIRED_KNOWN_MS } from '../bus/departed.ts';
import type { Clock } from '../ports/clock.ts';
import type {
  RedeemedSession,
  SessionCounters,
  SessionRefusal,
  SessionStore,
  SessionStoreOptions,
} from '../ports/session-store.ts';

/** One object for each session, with fields in place: there are as many as connections. */
class Kept {
  former = '';
  state: (() => string) | string = '';
  bytes = 0;
  end: 'used' | 'revoked' | null = null;

  constructor(
    public principal: string,
    public generation: number,
    public token: string,
    public untilMs: number,
  ) {}
}

export interface SessionMemoryOptions extends SessionStoreOptions {
  readonly clock: Clock;
}

export class SessionMemory implements SessionStore {
  readonly ready = true;
  private readonly connected = new Map<string, Kept>();
  private readonly over = new Departed<Kept>();
  private readonly figures = { redeemed: 0, dropped: 0, oversized: 0, failed: 0 };

  constructor(private readonly options: SessionMemoryOptions) {}

  get counters(): SessionCounters {
    const { connected, over, figures } = this;
    return { connected: connected.size, over: over.size, overBytes: over.bytes, ...figures };
  }

  renew(session: string, generation: number, tokenHash: string, principalHash: string): void {
    const { clock, lifeMs, renewMs } = this.options;
    const untilMs = clock.nowMs() + renewMs + lifeMs;
    const kept = this.connected.get(session);
    if (kept !== undefined) {
      if (generation <= kept.generation) return;
      // Another principal: what was given to the one before is void.
      kept.former = generation === kept.generation + 1 && kept.principal === principalHash ? kept.token : '';
      kept.principal = principalHash;
      kept.token = tokenHash;
      kept.generation = generation;
      kept.untilMs = untilMs;
    } else if (generation === 1 && this.over.get(session) === undefined && this.makeRoom()) {
      this.connected.set(session, new Kept(principalHash, generation, tokenHash, untilMs));
    }
  }

  changed(session: string, state: () => string): void {
    const kept = this.connected.get(session);
    if (kept !== undefined) kept.state = state;
  }

  release(session: string): void {
    const kept = this.connected.get(session);
    if (kept === undefined) return;
    this.freeze(kept);
    kept.bytes = Buffer.byteLength(kept.state as string);
    kept.untilMs = this.options.clock.nowMs() + this.options.lifeMs;
    this.depart(session, kept);
  }

  revoke(session: string): void {
    const kept = this.connected.get(session) ?? this.over.get(session);
    if (kept === undefined || kept.end !== null) return;
    this.end(session, kept, 'revoked');
  }

  redeem(
    session: string,
    generation: number,
    tokenHash: string,
    principalHash: string,
  ): Promise<RedeemedSession | SessionRefusal> {
    this.sweep();
    const kept = this.connected.get(session) ?? this.over.get(session);
    if (kept === undefined) return Promise.resolve('unknown');
    const refusal = this.refusalOf(kept, generation, tokenHash, principalHash);
    if (refusal !== null) return Promise.resolve(refusal);
    this.freeze(kept);
    const redeemed = { state: kept.state as string, generation: kept.generation };
    this.figures.redeemed += 1;
    this.end(session, kept, 'used');
    return Promise.resolve(redeemed);
  }

  private refusalOf(kept: Kept, generation: number, tokenHash: string, principalHash: string): SessionRefusal | null {
    if (kept.end === 'revoked') return 'unknown';
    if (kept.principal !== principalHash) return 'foreign';
    if (kept.end === 'used') return 'used';
    if (generation < kept.generation - 1) return 'superseded';
    if (this.options.clock.nowMs() >= kept.untilMs) return 'expired';
    // A newer one than the newest is equal to neither.
    const own = generation === kept.generation ? kept.token : kept.former;
    return own === tokenHash ? null : 'unknown';
  }

  /** What is left is enough to refuse its tokens, and a renewal that comes late. */
  private end(session: string, { principal, generation }: Kept, end: 'used' | 'revoked'): void {
    const wasConnected = this.connected.has(session);
    const left = new Kept(principal, generation, '', this.options.clock.nowMs() + this.options.lifeMs);
    left.end = end;
    this.depart(session, left);
    if (wasConnected) this.options.onTaken(session);
  }

  private depart(session: string, kept: Kept): void {
    this.connected.delete(session);
    this.over.put(session, kept);
    this.sweep();
    while (this.over.bytes > this.options.bytesMax) this.dropOldest();
  }

  private freeze(kept: Kept): void {
    if (typeof kept.state === 'string') return;
    const state = kept.state();
    kept.state = Buffer.byteLength(state) <= this.options.stateBytesMax ? state : '';
    if (kept.state !== state) this.figures.oversized += 1;
  }

  private makeRoom(): boolean {
    if (this.connected.size + this.over.size < this.options.sessionsMax) return true;
    this.sweep();
    if (this.connected.size + this.over.size < this.options.sessionsMax) return true;
    return this.dropOldest();
  }

  private dropOldest(): boolean {
    this.figures.dropped += 1;
    return this.over.dropOldest() !== undefined;
  }

  private sweep(): void {
    this.over.sweep(this.options.clock.nowMs(), EXPIRED_KNOWN_MS);
  }
}
