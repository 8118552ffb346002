// Owns the lease of one topic in the in-process bus: who is its only writer, until when. Time is an argument.
// Invariant: tokens only grow, and at most one is good at a time.

import { type Fault, fault } from '../protocol/errors.ts';
import type { Leased, LeaseRequest } from './bus.ts';

export class Tenancy {
  private token = 0;
  private untilMs = Number.NEGATIVE_INFINITY;

  take({ holder, ttlMs, token }: LeaseRequest, nowMs: number): Leased {
    const held = nowMs < this.untilMs;
    if (held && token !== this.token) return { refused: fault('leased', `asked for by ${holder}`) };
    if (!held) this.token += 1;
    this.untilMs = nowMs + ttlMs;
    return { token: this.token, ttlMs };
  }

  release(token: number, nowMs: number): boolean {
    const held = token === this.token && nowMs < this.untilMs;
    if (held) this.untilMs = nowMs;
    return held;
  }

  /** Null where an update under this token, or under none, may be published. */
  check(token: number | undefined, nowMs: number): Fault | null {
    const held = nowMs < this.untilMs;
    if (token === undefined) return held ? fault('leased') : null;
    return held && token === this.token ? null : fault('fenced');
  }
}
