// Owns what keeps sessions for those who come back: the interface, and its figures. `src/sessions/session-store.ts` keeps them in this
// process, `src/bus/redis-sessions.ts` for all gateways of a Redis; one contract suite runs on both. Invariant: a session is redeemed
// at most once, with one of its last two tokens, by the principal whose it is.

/** What is kept of a session that was redeemed. */
export interface RedeemedSession {
  /** What the session last said of itself; empty where it never did, or said more than is kept. */
  readonly state: string;
  /** The newest that was known: not necessarily that of the token. */
  readonly generation: number;
}

/**
 * Why there is nothing to come back to. `used`: it was redeemed before. `unknown`: nothing is known of it, no longer or not at all, or
 * it was revoked. `foreign`: it is another principal's. `superseded`: two newer tokens were given since. `expired`: it was over for
 * longer than it is kept.
 */
export type SessionRefusal = 'used' | 'unknown' | 'foreign' | 'superseded' | 'expired';

export interface SessionStoreOptions {
  /** How long a session is kept once its connection is over. */
  readonly lifeMs: number;
  /** How often a session that is connected is renewed: one that is not lives on for this and `lifeMs`. */
  readonly renewMs: number;
  /** Sessions that are kept at once, those connected included; the one that has been over for longest goes first. */
  readonly sessionsMax: number;
  /** A longer state is not kept, UTF-8 bytes: the session comes back without. */
  readonly stateBytesMax: number;
  /** States of sessions that are over, together; the one that has been over for longest goes first. */
  readonly bytesMax: number;
  /**
   * Told that a connected session was redeemed by another connection, or revoked: its own connection is of no use to anybody.
   * At once where it happens in this process, else with the session's next renewal or change.
   */
  readonly onTaken: (session: string) => void;
}

export interface SessionCounters {
  /** Connected now. */
  connected: number;
  /** Over, and kept now; of these the redeemed ones only so that their tokens are refused as used. */
  over: number;
  /** Bytes of states of those that are over. */
  overBytes: number;
  redeemed: number;
  /** Dropped before their time, or never taken, since there were too many. */
  dropped: number;
  /** States that were too long to be kept. */
  oversized: number;
  /** Sessions whose record could not be written; each is written again. */
  failed: number;
}

/** Hashes are SHA-256 in base64url, as `tokenHash` and `principalHash` of src/sessions/token.ts make them. */
export interface SessionStore {
  readonly counters: SessionCounters;
  /** Whether what is said now is kept at once: while it is not, no new token should be given, since nobody else would know it. */
  readonly ready: boolean;
  /**
   * Begins a session, or gives it another token, from now on the newest; generations count up by one. Where the principal is another
   * than before, nobody comes back with an earlier token. Never fails: what can't be
   * written is counted, and written as soon as it can be.
   */
  renew(session: string, generation: number, tokenHash: string, principalHash: string): void;
  /**
   * The state to bring back is another. `state` is called when it is needed, in any turn until `release` has returned: at the end of
   * the connection, or where others share the store, soon, and at most four times a second.
   */
  changed(session: string, state: () => string): void;
  /** The connection is over: the life counts from now. */
  release(session: string): void;
  /** Ends it at once: nobody comes back to it. */
  revoke(session: string): void;
  /** Takes it, at most once for all gateways. @throws RedisFailure (as a rejection) where the store does not answer in time */
  redeem(
    session: string,
    generation: number,
    tokenHash: string,
    principalHash: string,
  ): Promise<RedeemedSession | SessionRefusal>;
}
