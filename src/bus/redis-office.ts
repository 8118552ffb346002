// Owns something that one process at a time does, of all that share a Redis: running the demo market, following a venue. The gateway
// asks for it. Invariant: this process counts its time from before it asked, and for less long than Redis does, so that it has
// stopped before another begins.

import type { Clock } from '../ports/clock.ts';
import { RedisFailure, type RedisPort } from '../ports/redis.ts';
import type { RedisGuest } from './redis.ts';
import { REDIS_FORMAT } from './redis-entry.ts';
import { integerOf, listOf, refusalOf } from './redis-state.ts';

export interface OfficeOptions {
  readonly port: Pick<RedisPort, 'call'>;
  readonly clock: Clock;
  readonly prefix: string;
  readonly name: string;
  readonly onBegin: () => void;
  readonly onEnd: () => void;
  readonly onError: (error: unknown) => void;
}

/** How long it is given for in Redis, and how long it is believed here. */
const LIFE_MS = 3_000;
const BELIEVED_MS = 2_000;
const RENEW_MS = 800;

export class RedisOffice implements RedisGuest {
  readonly channels: readonly string[] = [];
  private readonly key: string;
  private token = '';
  private untilMs = Number.NEGATIVE_INFINITY;
  private askedMs = Number.NEGATIVE_INFINITY;
  private holds = false;
  private asking = false;
  private isUp = false;
  private closed = false;

  constructor(private readonly options: OfficeOptions) {
    this.key = `${options.prefix}:{office:${options.name}}`;
  }

  up(): void {
    this.isUp = true;
    void this.ask();
  }

  down(): void {
    this.isUp = false;
  }

  subscribed(): void {}
  message(): void {}

  pulse(): void {
    const nowMs = this.options.clock.nowMs();
    if (this.holds && nowMs >= this.untilMs) this.end();
    if (nowMs - this.askedMs >= RENEW_MS) void this.ask();
  }

  /** Gives it back and never asks for it again. */
  close(): void {
    this.closed = true;
    if (this.holds) void this.call('release').catch(() => {});
    this.end();
  }

  private async ask(): Promise<void> {
    if (this.closed || this.asking || !this.isUp) return;
    this.asking = true;
    const { clock, onError } = this.options;
    this.askedMs = clock.nowMs();
    const { askedMs } = this;
    try {
      this.answered(await this.call('take'), askedMs);
    } catch (error) {
      if (!(error instanceof RedisFailure) || error.outcome === 'refused') onError(error);
    }
    this.asking = false;
  }

  private answered(token: number | null, askedMs: number): void {
    if (token === null) return this.end();
    const had = this.token === `${token}`;
    this.token = `${token}`;
    if (this.closed) return void this.call('release').catch(() => {});
    // Another had it meanwhile.
    if (!had) this.end();
    this.untilMs = askedMs + BELIEVED_MS;
    if (this.holds || this.options.clock.nowMs() >= this.untilMs) return;
    this.holds = true;
    this.options.onBegin();
  }

  /** @returns the fencing token; null: another process has the office. */
  private async call(what: 'take' | 'release'): Promise<number | null> {
    const reply = await this.options.port.call('lease', [this.key], [REDIS_FORMAT, what, this.token, LIFE_MS]);
    const refusal = refusalOf(reply);
    if (refusal === 'leased') return null;
    if (refusal !== null) throw new Error(`${this.options.name}: ${refusal}`);
    return integerOf(listOf(reply)[0]);
  }

  private end(): void {
    if (!this.holds) return;
    this.holds = false;
    this.options.onEnd();
  }
}
