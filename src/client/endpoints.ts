// Owns where to connect and when to try again. The client asks it after every loss and every failed attempt.
// Invariant: a delay is random between 0 and a bound that doubles with each attempt, so that clients don't come back together; no
// address is tried before the time that its gateway has named.

import { ownError } from './error.ts';

/** How long to wait before coming back: a random time below a bound that doubles. */
export interface Backoff {
  /** Bound of the first delay, milliseconds; it doubles with each attempt. Default 250. */
  readonly minMs?: number;
  /** The bound grows no further, milliseconds. Default 10,000. */
  readonly maxMs?: number;
}

export class Endpoints {
  private readonly urls: readonly string[];
  private readonly minMs: number;
  private readonly maxMs: number;
  /** By address: when it may be tried again. */
  private readonly notBeforeMs: number[];
  private index = 0;
  private attempts = 0;

  /** @throws TickwireError `bad-option` */
  constructor(
    urls: string | readonly string[],
    { minMs = 250, maxMs = 10_000 }: Backoff,
    private readonly random: () => number,
  ) {
    this.urls = typeof urls === 'string' ? [urls] : [...urls];
    if (this.urls.length === 0) throw ownError('bad-option', 'no address given');
    for (const url of this.urls) {
      if (!/^wss?:\/\/./.test(url)) throw ownError('bad-option', `${url} does not begin with ws:// or wss://`);
    }
    if (!(minMs >= 0 && maxMs >= minMs)) throw ownError('bad-option', 'reconnect: 0 <= minMs <= maxMs');
    this.minMs = minMs;
    this.maxMs = maxMs;
    this.notBeforeMs = this.urls.map(() => 0);
  }

  get current(): string {
    return this.urls[this.index]!;
  }

  /** Turns to the next address. @returns milliseconds to wait before it is tried. */
  advance(): number {
    return this.next(this.random() * this.bound(this.attempts++));
  }

  /** As `advance`, but the first time after a connection that lasted there is nothing to wait for. */
  hurry(): number {
    if (this.attempts > 0) return this.advance();
    this.attempts = 1;
    return this.next(0);
  }

  /**
   * As `advance`, where a gateway says when to come back: to itself, so that the other addresses are tried at once (`elsewhere`), or to
   * any.
   */
  defer(retryAfterMs: number, elsewhere: boolean): number {
    const untilMs = performance.now() + retryAfterMs + this.random() * this.bound(this.attempts++);
    if (elsewhere) this.notBeforeMs[this.index] = untilMs;
    else this.notBeforeMs.fill(untilMs);
    return this.next(0);
  }

  /** The connection lasted: what comes next is a new trouble. */
  lasted(): void {
    this.attempts = 0;
  }

  /** A delay for asking again after so many refusals. */
  retryMs(attempts: number): number {
    return this.random() * this.bound(attempts);
  }

  private next(waitMs: number): number {
    this.index = (this.index + 1) % this.urls.length;
    return Math.max(waitMs, this.notBeforeMs[this.index]! - performance.now());
  }

  private bound(attempts: number): number {
    return Math.min(this.maxMs, this.minMs * 2 ** Math.min(attempts, 30));
  }
}
