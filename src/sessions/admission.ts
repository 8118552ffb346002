// Owns who is let in: how many connections in all, from one address and of one principal, and how many a second. The gateway's door
// asks it. Invariant: every place that was taken is given back once; who is told to come back later is told a time at which there
// will be room, if those before keep to theirs.

import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { Tally } from './tally.ts';

export interface AdmissionLimits {
  readonly connectionsMax: number;
  /** Addresses of this machine are not counted: a proxy that is not named in the settings would be all clients. */
  readonly connectionsPerAddressMax: number;
  readonly connectionsPerPrincipalMax: number;
  /** Those that are let in within one second, evenly. */
  readonly connectsPerSecMax: number;
}

export interface AdmissionOptions {
  readonly limits: AdmissionLimits;
  readonly clock: Clock;
  /** From 0 to below 1: spreads those who come back. */
  readonly random: () => number;
}

/** Why somebody is not let in, and when to try again; null: not at all. */
export interface Refusal {
  readonly fault: Fault;
  readonly retryAfterMs: number | null;
}

/** Where there is no room a client tries again about then: others must leave first. */
const FULL_RETRY_MS = 5_000;
/** Another gateway takes its place, or it is back, in about so long. */
const DRAINING_RETRY_MS = 1_000;
/** Nobody is told to wait longer than that for its turn. */
const TURN_MS_MAX = 60_000;
const TURN_MS_MIN = 50;
/** As many may come at once as are let in within this: a page with its tabs, a small crowd. */
const BURST_MS = 1_000;

export class Admission {
  /** Places that are taken. */
  total = 0;
  /** Set while the gateway takes nobody any more. */
  draining = false;
  private readonly ofAddress = new Tally();
  private readonly ofPrincipal = new Tally();
  /** Who may be let in at once. */
  private turns: number;
  /** Who was told to come back, and has not been yet, as far as one can know. */
  private waiting = 0;
  private countedMs: number;

  constructor(private readonly options: AdmissionOptions) {
    this.turns = this.burst;
    this.countedMs = options.clock.nowMs();
  }

  /** Takes a place for a connection from there, or says why there is none. `local`: of this machine. */
  enter(address: string, local: boolean): Refusal | null {
    const { connectionsMax, connectionsPerAddressMax } = this.options.limits;
    if (this.draining) return { fault: fault('draining'), retryAfterMs: this.spread(DRAINING_RETRY_MS) };
    if (this.total >= connectionsMax) return this.full(fault('too-many-connections', `at most ${connectionsMax}`));
    const here = this.ofAddress.of(address);
    if (!local && here >= connectionsPerAddressMax) {
      return this.full(fault('too-many-from-address', `at most ${connectionsPerAddressMax}`));
    }
    if (!this.takeTurn()) return this.later();
    this.total += 1;
    if (!local) this.ofAddress.add(address);
    return null;
  }

  /** Gives the place back. */
  leave(address: string, local: boolean): void {
    this.total -= 1;
    if (!local) this.ofAddress.take(address);
  }

  /** Takes a place of a principal's. `grantedMax`: what its entitlement says, 0 for nothing. */
  join(principal: string, grantedMax: number): Refusal | null {
    const { connectionsPerPrincipalMax } = this.options.limits;
    const max = grantedMax === 0 ? connectionsPerPrincipalMax : grantedMax;
    const here = this.ofPrincipal.of(principal);
    if (here >= max) return this.full(fault('too-many-of-principal', `at most ${max}`));
    this.ofPrincipal.add(principal);
    return null;
  }

  part(principal: string): void {
    this.ofPrincipal.take(principal);
  }

  /** What is counted, for operators and for tests that want it back at zero. */
  get counts(): { readonly total: number; readonly addresses: number; readonly principals: number } {
    return { total: this.total, addresses: this.ofAddress.size, principals: this.ofPrincipal.size };
  }

  private get burst(): number {
    return Math.max(1, (this.options.limits.connectsPerSecMax * BURST_MS) / 1_000);
  }

  private takeTurn(): boolean {
    const { limits, clock } = this.options;
    const nowMs = clock.nowMs();
    const more = ((nowMs - this.countedMs) / 1_000) * limits.connectsPerSecMax;
    this.countedMs = nowMs;
    this.turns = Math.min(this.burst, this.turns + more);
    this.waiting = Math.max(0, this.waiting - more);
    if (this.turns < 1) return false;
    this.turns -= 1;
    return true;
  }

  /** Behind those who were told to come back before. */
  private later(): Refusal {
    const { connectsPerSecMax } = this.options.limits;
    this.waiting += 1;
    const turnMs = Math.min(TURN_MS_MAX, (this.waiting / connectsPerSecMax) * 1_000);
    const detail = `at most ${connectsPerSecMax} a second`;
    // Turns are spread as they are: much more would leave some of them unused.
    const jitterMs = this.options.random() * TURN_MS_MIN;
    return { fault: fault('busy', detail), retryAfterMs: Math.round(Math.max(TURN_MS_MIN, turnMs) + jitterMs) };
  }

  private full(refused: Fault): Refusal {
    return { fault: refused, retryAfterMs: this.spread(FULL_RETRY_MS) };
  }

  private spread(aroundMs: number): number {
    return Math.round(aroundMs * (1 + this.options.random() / 4));
  }
}
