// Owns how a client comes back to what it had: gives each connection tokens, tells the store what is to be brought back, and takes
// tokens that others bring. Sessions call it. Invariant: of a session that was redeemed only the one who redeemed it has the rest;
// its own connection, if it is still there, is closed.

import type { Clock } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import type { SessionRefusal, SessionStore } from '../ports/session-store.ts';
import { CloseCode, type Fault, fault } from '../protocol/errors.ts';
import type { Channel, Mode } from '../protocol/frames.ts';
import { readRequest, type SubscribeRequest } from '../protocol/request.ts';
import type { Connection } from './connection.ts';
import { count } from './counters.ts';
import { principalHash, type Tokens, tokenHash } from './token.ts';

/** What comes back: requests as the client made them, and its wishes. */
export interface SavedSession {
  readonly subscriptions: readonly SubscribeRequest[];
  readonly maxBytesPerSec: number;
  readonly topOfBook: boolean;
  readonly watchesInstruments: boolean;
}

export interface ContinuityOptions {
  readonly store: SessionStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly limits: {
    /** How long a token lives after its connection has ended. */
    readonly resumeLifeMs: number;
    /** How long a connection keeps a token before it gets another. */
    readonly resumeRenewMs: number;
  };
  /** From 0 to below 1: spreads renewals. */
  readonly random: () => number;
}

const NOTHING_SAVED: SavedSession = {
  subscriptions: [],
  maxBytesPerSec: 0,
  topOfBook: false,
  watchesInstruments: false,
};

const REFUSALS: Readonly<Record<SessionRefusal, Fault>> = {
  used: fault('used-token'),
  unknown: fault('expired-token'),
  foreign: fault('foreign-token'),
  superseded: fault('expired-token', 'newer ones were given since'),
  expired: fault('expired-token'),
};

export class Continuity {
  /** Tokens that were brought, by what became of them: `resumed`, or the code of the error. */
  readonly outcomes: Record<string, number> = {};
  /** By their sessions. */
  private readonly connections = new Map<string, Connection>();

  constructor(private readonly options: ContinuityOptions) {}

  /** Gives a connection its first token. */
  begin(connection: Connection): void {
    this.connections.set(connection.id, connection);
    // Where nobody else would know it, it comes once somebody does.
    if (this.options.store.ready) this.give(connection);
    else connection.tokenDueMs = 0;
  }

  /** Once a second: gives another token when it is time. */
  tick(connection: Connection, nowMs: number): void {
    if (nowMs < connection.tokenDueMs || !this.options.store.ready) return;
    // One that nobody keeps runs out with nothing.
    if (connection.tokenGeneration === 0 || connection.firstToken === null) this.give(connection);
  }

  /** Somebody else is served on this connection from now on: what was given to the one before is void. */
  changeHands(connection: Connection): void {
    this.give(connection);
  }

  /** Subscriptions or wishes are others. */
  changed(connection: Connection): void {
    const { store } = this.options;
    const { id, firstToken, tokenGeneration, identity } = connection;
    connection.hasLess = false;
    if (tokenGeneration > 0 && firstToken !== null) {
      connection.firstToken = null;
      store.renew(id, tokenGeneration, tokenHash(firstToken), principalHash(identity.principal));
    }
    store.changed(id, () => saved(connection));
  }

  /** The connection is over, but still has its subscriptions. */
  end(connection: Connection): void {
    if (!this.connections.delete(connection.id)) return;
    // A symbol that is delisted has many subscribers: that is not written for each at once.
    if (connection.hasLess) this.changed(connection);
    this.options.store.release(connection.id);
  }

  /** Nobody is to come back to it. */
  revoke(connection: Connection): void {
    if (this.connections.delete(connection.id)) this.options.store.revoke(connection.id);
  }

  /** The session goes on elsewhere. */
  taken(session: string): void {
    this.connections.get(session)?.close(CloseCode.resumed, 'resumed');
  }

  /** What a token brings back, once for all who bring it. Never rejects. */
  async redeem(connection: Connection, token: string): Promise<SavedSession | Fault> {
    const saved = await this.take(connection, token);
    count(this.outcomes, 'code' in saved ? saved.code : 'resumed');
    return saved;
  }

  private async take({ id, identity: { principal } }: Connection, token: string): Promise<SavedSession | Fault> {
    const { tokens, store } = this.options;
    const claims = await tokens.read(token, principal);
    if ('code' in claims) return claims;
    if (claims.session === id) return fault('bad-token', 'it is of this very connection');
    try {
      const redeemed = await store.redeem(
        claims.session,
        claims.generation,
        tokenHash(token),
        principalHash(principal),
      );
      return typeof redeemed === 'string' ? REFUSALS[redeemed] : read(redeemed.state);
    } catch (error) {
      if (error instanceof RedisFailure)
        return fault('not-ready', 'Redis does not answer; the token may still be good');
      throw error;
    }
  }

  private give(connection: Connection): void {
    const { store, tokens, clock, limits, random } = this.options;
    const { id: session, identity } = connection;
    const isKept = connection.tokenGeneration > 0 && connection.firstToken === null;
    if (isKept || connection.tokenGeneration === 0) connection.tokenGeneration += 1;
    connection.tokenDueMs = clock.nowMs() + limits.resumeRenewMs * (1 - random() / 4);
    const token = tokens.sign({ session, generation: connection.tokenGeneration }, identity.principal);
    // Nothing is kept of a session before there is something to bring back: most connects of a crowd end before that.
    if (isKept) store.renew(session, connection.tokenGeneration, tokenHash(token), principalHash(identity.principal));
    else connection.firstToken = token;
    connection.tell({ type: 'token', token, lifeMs: limits.resumeLifeMs });
    // It had to wait for its token, and has asked for something meanwhile.
    if (!isKept && connection.subscriptions.size + connection.patterns.size > 0) this.changed(connection);
  }
}

/** What a saved request asks for; what is undefined is not written. */
interface SavedRequest {
  readonly channel: Channel;
  readonly group: number | undefined;
  readonly depth: number | undefined;
  readonly interval: number | undefined;
  readonly mode: Mode | undefined;
  readonly priority: number | undefined;
  readonly symbols: string[];
}

/** One request for all that have the same wishes: short, and it is read as any request. */
function saved({ subscriptions, patterns, wishes, watchesInstruments }: Connection): string {
  const requests = new Map<string, SavedRequest>();
  const add = (symbol: string, request: Omit<SavedRequest, 'symbols'>): void => {
    const { channel, group, depth, interval, mode, priority } = request;
    const key = `${channel} ${group} ${depth} ${interval} ${mode} ${priority}`;
    const known = requests.get(key);
    if (known !== undefined) known.symbols.push(symbol);
    else requests.set(key, { channel, group, depth, interval, mode, priority, symbols: [symbol] });
  };
  for (const { pattern, request } of patterns.values()) {
    const { channel, group, depth, interval, mode, priority } = request;
    add(pattern, { channel, group, depth, interval, mode, priority });
  }
  for (const { topic, asked, priority, pattern } of subscriptions.values()) {
    if (pattern !== null) continue;
    const { channel, symbol } = topic;
    add(symbol, {
      channel,
      group: topic.group || undefined,
      depth: asked.depth || undefined,
      interval: asked.intervalMs || undefined,
      mode: asked.mode === 'live' ? undefined : asked.mode,
      priority,
    });
  }
  const { maxBytesPerSec, topOfBook } = wishes;
  return JSON.stringify({ maxBytesPerSec, topOfBook, watchesInstruments, subscriptions: [...requests.values()] });
}

/** What does not read as what this version writes is left out: an older gateway may have written less, a newer one more. */
function read(state: string): SavedSession {
  if (state === '') return NOTHING_SAVED;
  const { subscriptions, maxBytesPerSec, topOfBook, watchesInstruments } = JSON.parse(state) as Partial<SavedSession>;
  const requests = Array.isArray(subscriptions) ? subscriptions : [];
  return {
    subscriptions: requests.flatMap((fields: object) => {
      const request = readRequest({ ...fields, op: 'subscribe', id: 0 });
      return 'op' in request && request.op === 'subscribe' ? [request] : [];
    }),
    maxBytesPerSec: Number.isSafeInteger(maxBytesPerSec) ? maxBytesPerSec! : 0,
    topOfBook: topOfBook === true,
    watchesInstruments: watchesInstruments === true,
  };
}
