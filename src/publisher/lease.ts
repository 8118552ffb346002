// Owns a publisher's lease of one topic: asks for it, renews it at a third of its life, and tells when it is lost. The publisher makes
// it. Invariant: it is called held only while the gateway can not have given it to anybody else, by this machine's clock.

import { systemClock, systemTimers, type Timer } from '../ports/clock.ts';
import type { Channel } from '../protocol/frames.ts';
import { ask, type HttpLinkOptions } from './http-link.ts';
import { about, type PublishError, publishError } from './refusal.ts';

export interface LeaseOptions {
  /** Of which channel to be the only publisher; default `book`. */
  readonly channel?: Channel | undefined;
  /** How long it holds without being renewed, 100 up to 60,000; default 5,000. So long others wait when this program has died. */
  readonly ttlMs?: number | undefined;
  /** A name for people, up to 64 characters; by default a random one. */
  readonly holder?: string | undefined;
  /** Told once when it is over without having been released; from then on items with its token are refused with `fenced`. */
  readonly onLost?: ((error: PublishError) => void) | undefined;
}

export interface LeaseRequest {
  readonly symbol: string;
  readonly channel: Channel;
  readonly ttlMs: number;
  readonly holder: string;
  readonly onLost: (error: PublishError) => void;
}

type Where = Pick<HttpLinkOptions, 'url' | 'authorization'>;

/** A renewal that failed is tried again so many times before the life of the lease is over. */
const RENEWALS_PER_LIFE = 3;

export class Lease {
  private timer: Timer | null = null;
  /** Until then nobody else can have it: counted from before the question. */
  private untilMs: number;
  private over = false;
  /** Of the last renewal that failed. */
  private why = 'it was not renewed in time';

  private constructor(
    private readonly where: Where,
    private readonly request: LeaseRequest,
    /** Goes with every item that is published under it: `out.delta(symbol, levels, { lease: lease.token })`. */
    readonly token: number,
    askedMs: number,
  ) {
    this.untilMs = askedMs + request.ttlMs;
    this.renewLater();
  }

  /** @throws PublishError with `leased` where another publisher has it. */
  static async take(where: Where, request: LeaseRequest): Promise<Lease> {
    const askedMs = systemClock.nowMs();
    const token = await post(where, request, null);
    if (typeof token !== 'number') throw token;
    return new Lease(where, request, token, askedMs);
  }

  /** Whether items may be published under it. */
  get held(): boolean {
    return !this.over && systemClock.nowMs() < this.untilMs;
  }

  /** Gives it back, so that the next one need not wait. Harmless when it is over. @throws PublishError where the gateway does not answer. */
  async release(): Promise<void> {
    if (this.over) return;
    this.end();
    await this.giveBack(this.token);
  }

  /** Ends it on this side: it runs out by itself. */
  end(): void {
    this.over = true;
    this.timer?.cancel();
  }

  private renewLater(): void {
    const { ttlMs } = this.request;
    const leftMs = this.untilMs - systemClock.nowMs();
    this.timer = systemTimers.after(Math.min(ttlMs / RENEWALS_PER_LIFE, Math.max(0, leftMs)), () => void this.renew());
  }

  private async renew(): Promise<void> {
    if (!this.held) return this.lose(publishError('fenced', this.request.symbol, this.why));
    const askedMs = systemClock.nowMs();
    const patienceMs = Math.min(this.untilMs - askedMs, this.request.ttlMs / RENEWALS_PER_LIFE);
    const answer = await post(this.where, this.request, this.token, patienceMs);
    if (this.over) return;
    if (answer === this.token) {
      this.untilMs = askedMs + this.request.ttlMs;
      return this.renewLater();
    }
    // Another token: it had run out, and others may have published meanwhile.
    if (typeof answer === 'number') {
      this.giveBack(answer).catch(() => {});
      return this.lose(publishError('fenced', this.request.symbol, 'it was not renewed in time'));
    }
    if (answer.code === 'leased' || answer.code === 'fenced') return this.lose(answer);
    this.why = answer.message;
    this.renewLater();
  }

  private lose(error: PublishError): void {
    this.end();
    const { onLost } = this.request;
    queueMicrotask(() => onLost(error));
  }

  private async giveBack(token: number): Promise<void> {
    const { request, where } = this;
    const signal = AbortSignal.timeout(request.ttlMs);
    const answer = await ask(`${addressOf(where, request)}?token=${token}`, {
      method: 'DELETE',
      authorization: where.authorization,
      signal,
    });
    if ('failure' in answer) throw about(answer.failure, request.symbol);
  }
}

/** @param timeoutMs how long to wait for the answer. @returns the token, or why there is none. */
async function post(
  where: Where,
  request: LeaseRequest,
  token: number | null,
  timeoutMs = request.ttlMs,
): Promise<number | PublishError> {
  const { holder, ttlMs, symbol } = request;
  const answer = await ask(addressOf(where, request), {
    method: 'POST',
    authorization: where.authorization,
    contentType: 'application/json',
    body: JSON.stringify({ holder, ttlMs, ...(token !== null && { token }) }),
    signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
  });
  if ('failure' in answer) return about(answer.failure, symbol);
  const { token: given } = answer.body as { token?: unknown };
  if (typeof given === 'number') return given;
  return publishError('unknown-outcome', symbol, 'what answers is no Tickwire gateway');
}

function addressOf({ url }: Where, { channel, symbol }: LeaseRequest): string {
  return `${url}/v1/leases/${channel}/${encodeURIComponent(symbol)}`;
}
