// Owns who the client is to its gateways: the credential, how it is renewed, and the token that continues the session.
// The client asks it before each connection and hands it what gateways say. Invariant: a credential is in no error and no event.

import type { IdentityFrame } from '../protocol/frames.ts';
import { ownError, type TickwireError } from './error.ts';
import { type Timer, timer } from './timer.ts';

/** An API key or a JWT; or what gives one, a fresh one each time. */
export type Credential = string | (() => string | Promise<string>);

/** Who the gateway takes the client for. */
export interface Identity {
  readonly principal: string;
  /** Until when by the gateway's clock, microseconds since 1970; null: for as long as the connection. */
  readonly untilUs: number | null;
}

/** What the session asks of its client. */
export interface SessionDesk {
  /** Sends the credential on the open connection. Rejects where it is refused, or the connection is lost. */
  authenticate(credential: string): Promise<unknown>;
  failed(error: TickwireError): void;
}

/** A fresh credential is asked for when so much of the time has passed, but at least so long before the end. */
const RENEW_SHARE = 0.8;
const RENEW_EARLY_MS = 5_000;
const RENEW_MS_MIN = 1_000;

export class Session {
  /** Null: anonymous, or not connected. */
  identity: Identity | null = null;
  /** Of the connection before, good once. */
  token: string | null = null;
  private renewTimer: Timer;

  constructor(
    private readonly source: Credential | undefined,
    private readonly desk: SessionDesk,
  ) {}

  /** Whether a credential that has expired can be replaced. */
  get renews(): boolean {
    return typeof this.source === 'function';
  }

  /** Null where there is none. Rejects with a TickwireError `no-credential`. */
  async credential(): Promise<string | null> {
    const { source } = this;
    if (source === undefined) return null;
    let credential: unknown = source;
    try {
      if (typeof source === 'function') credential = await source();
    } catch (error) {
      throw ownError('no-credential', String(error));
    }
    if (typeof credential !== 'string' || credential === '') throw ownError('no-credential', 'not a text');
    return credential;
  }

  /** @param msUntil tells how long it is until a time of the gateway's clock. */
  identified({ principal, untilUs }: IdentityFrame, msUntil: (timeUs: number) => number): void {
    const identity = { principal, untilUs };
    this.lose();
    this.identity = identity;
    if (untilUs !== null && this.renews) this.renewLater(identity, () => msUntil(untilUs));
  }

  /** The connection is lost. */
  lose(): void {
    this.identity = null;
    clearTimeout(this.renewTimer);
  }

  private renewLater(identity: Identity, leftMs: () => number): void {
    const left = leftMs();
    const inMs = Math.max(RENEW_MS_MIN, Math.min(left * RENEW_SHARE, left - RENEW_EARLY_MS));
    this.renewTimer = timer(inMs, () => {
      this.renew(identity).catch((error: TickwireError) => {
        // Meanwhile the connection was lost: the next one brings its own.
        if (this.identity !== identity) return;
        this.desk.failed(error);
        this.renewLater(identity, leftMs);
      });
    });
  }

  /** What the gateway says of the new credential is another identity, which is renewed in its turn. */
  private async renew(identity: Identity): Promise<void> {
    const credential = await this.credential();
    if (this.identity === identity) await this.desk.authenticate(credential!);
  }
}
