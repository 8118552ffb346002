// Owns what clients' requests do: carries them out, acknowledges or refuses symbol by symbol, and what follows when instruments, sets
// or entitlements change. The gateway calls it with every message. Invariant: every request gets exactly one ack, pong or error.

import type { InstrumentEvent, Instruments } from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import {
  type Accepted,
  type InstrumentFrame,
  PROTOCOL_VERSION,
  type Refused,
  topicName,
  type WelcomeFrame,
} from '../protocol/frames.ts';
import type {
  AuthRequest,
  BadRequest,
  DemoRequest,
  Request,
  ResumeRequest,
  ResyncRequest,
  SubscribeRequest,
  UnsubscribeRequest,
} from '../protocol/request.ts';
import type { Flush } from '../topics/flush.ts';
import type { Topics } from '../topics/topics.ts';
import type { Connection } from './connection.ts';
import type { Continuity, SavedSession } from './continuity.ts';
import { type Cursors, type Outcome, Places } from './places.ts';
import { RequestLine } from './request-line.ts';
import { instrumentFrame, permitted, shapeOf } from './shapes.ts';

export interface SessionLimits {
  readonly requestBytesMax: number;
  readonly symbolsPerRequestMax: number;
  readonly subscriptionsMax: number;
  readonly heartbeatMs: number;
  readonly ageMsMax: number;
  /** How long a client may stall its own connection; 0: not at all. */
  readonly stallMsMax: number;
  readonly requestsPerSecMax: number;
}

export interface SessionOptions {
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly topics: Topics;
  readonly flush: Flush;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** Name and version of the server, for the welcome. */
  readonly server: string;
  /** Told of every refusal, for logs and metrics. */
  readonly onRefusal: (code: string, connection: Connection) => void;
  /** Brings sessions back; absent where they don't outlive their connections. */
  readonly continuity?: Continuity;
  /** Takes a credential on an open connection; absent where nobody has one. @returns why not, or null. Never rejects. */
  readonly authenticate?: (connection: Connection, credential: string) => Promise<Fault | null>;
  readonly onError?: (error: unknown) => void;
}

export class Sessions {
  private readonly places: Places;
  private readonly line: RequestLine;

  constructor(private readonly options: SessionOptions) {
    const { instruments, sets, topics, flush, limits, clock, onRefusal, onError } = options;
    this.line = new RequestLine({
      ...{ clock, limits, onRefusal, onError },
      carryOut: (connection, request) => this.carryOut(connection, request),
      refuse: (connection, refused) => this.refuse(connection, refused),
    });
    this.places = new Places({
      ...{ instruments, sets, topics, flush, limits },
      onRefused: (connection, refused) => this.refuse(connection, { id: null, fault: refused }),
    });
  }

  /** As every welcome states them, as they are at the moment. */
  private get statedLimits(): WelcomeFrame['limits'] {
    const { limits } = this.options;
    const { stallMsMax } = limits;
    const stated = {
      requestBytes: limits.requestBytesMax,
      symbolsPerRequest: limits.symbolsPerRequestMax,
      subscriptions: limits.subscriptionsMax,
      heartbeatMs: limits.heartbeatMs,
      ageMsMax: limits.ageMsMax,
      silentMs: silentMsOf(limits.heartbeatMs),
      requestsPerSec: limits.requestsPerSecMax,
    };
    return stallMsMax === 0 ? stated : { ...stated, stallMsMax };
  }

  welcome(connection: Connection): void {
    const { clock, server, continuity } = this.options;
    connection.tell({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      server,
      session: connection.id,
      timeUs: clock.nowUs(),
      limits: this.statedLimits,
    });
    this.introduce(connection);
    continuity?.begin(connection);
  }

  /** One WebSocket message from the client; `binary` as the socket says, which must fit the codec. */
  receive(connection: Connection, message: Uint8Array, binary: boolean): void {
    this.line.receive(connection, message, binary);
  }

  /** Whatever else costs as much as a request. */
  charge(connection: Connection): void {
    this.line.charge(connection);
  }

  /** Gives the connection to whom it is served from now on what it may; what it may no longer ends. */
  entitled(connection: Connection): void {
    const { grant } = connection.identity;
    for (const subscription of [...connection.subscriptions.values()]) {
      const { topic, asked } = subscription;
      const shape = permitted(topic.channel, topic.symbol, asked, grant);
      if ('code' in shape) {
        this.places.detach(subscription);
        connection.endFor(subscription, 'revoked');
      } else if (shape !== asked) {
        connection.reshape(subscription, shape);
      }
    }
    this.places.refresh(connection);
    this.options.continuity?.changed(connection);
  }

  /** Tells the connections that watch instruments; a new one is brought to those whose patterns describe it. */
  instrumentChanged(connections: Iterable<Connection>, { action, instrument }: InstrumentEvent): void {
    for (const connection of connections) {
      if (connection.watchesInstruments) connection.tell(instrumentFrame(action, instrument));
      if (action === 'listed' && connection.patterns.size > 0) this.places.listed(connection, instrument.symbol);
    }
  }

  /** Gives the connections that subscribe to a set what it holds now. */
  setChanged(connections: Iterable<Connection>, name: string): void {
    for (const connection of connections) if (connection.patterns.size > 0) this.places.setChanged(connection, name);
  }

  /** Each is looked up when its frame is made: one that was delisted meanwhile is passed over. */
  private *listed(): Generator<InstrumentFrame> {
    const { instruments } = this.options;
    for (const { symbol } of instruments.list()) {
      const instrument = instruments.get(symbol);
      if (instrument !== undefined) yield instrumentFrame('listed', instrument);
    }
  }

  private carryOut(connection: Connection, request: Request): Promise<void> | undefined {
    switch (request.op) {
      case 'auth':
        return this.authenticate(connection, request);
      case 'resume':
        return this.resume(connection, request);
      default:
        this.carryOutNow(connection, request);
        return undefined;
    }
  }

  private carryOutNow(connection: Connection, request: Exclude<Request, AuthRequest | ResumeRequest>): void {
    switch (request.op) {
      case 'subscribe':
        return this.subscribe(connection, request);
      case 'unsubscribe':
        return this.eachSymbol(connection, request, (symbol) => this.places.leave(connection, request, symbol));
      case 'resync':
        return this.eachSymbol(connection, request, (symbol) => this.places.startOver(connection, request, symbol));
      case 'instruments':
        connection.watchesInstruments = request.watch ?? false;
        this.options.continuity?.changed(connection);
        connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
        return connection.enumerate(this.listed());
      case 'limit':
        connection.limit(request);
        this.options.continuity?.changed(connection);
        return connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
      case 'demo':
        return this.stall(connection, request);
      case 'ping':
        connection.report(request.lagMs, request.held ?? []);
        return connection.tell({ type: 'pong', id: request.id, timeUs: this.options.clock.nowUs() });
    }
  }

  /** Tells who said who they are that this was understood. */
  private introduce(connection: Connection): void {
    const { principal, via, untilMs } = connection.identity;
    if (via === 'anonymous' || via === 'local') return;
    connection.tell({ type: 'identity', principal, untilUs: untilMs === null ? null : Math.round(untilMs * 1_000) });
  }

  private async authenticate(connection: Connection, { id, op, credential }: AuthRequest): Promise<void> {
    const { generation } = connection;
    const refused = (await this.options.authenticate?.(connection, credential)) ?? null;
    if (connection.generation !== generation) return;
    if (this.options.authenticate === undefined) return this.refuse(connection, { id, fault: fault('bad-credential') });
    if (refused !== null) return this.refuse(connection, { id, fault: refused });
    connection.tell({ type: 'ack', id, op, accepted: [], refused: [] });
    this.introduce(connection);
  }

  private async resume(connection: Connection, request: ResumeRequest): Promise<void> {
    const { continuity, limits } = this.options;
    const { generation } = connection;
    const { id, op, token, subscriptions = true, cursors = {} } = request;
    const brought = Object.keys(cursors).length;
    if (brought > limits.symbolsPerRequestMax) {
      const detail = `${brought} cursors, at most ${limits.symbolsPerRequestMax}`;
      return this.refuse(connection, { id, fault: fault('too-many-symbols', detail) });
    }
    const saved = (await continuity?.redeem(connection, token)) ?? fault('bad-token', 'nothing is kept here');
    if (connection.generation !== generation) return;
    if ('code' in saved) return this.refuse(connection, { id, fault: saved });
    connection.limit(saved);
    connection.watchesInstruments ||= saved.watchesInstruments;
    const { accepted, refused } = subscriptions
      ? this.restore(connection, saved, cursors)
      : { accepted: [], refused: [] };
    continuity?.changed(connection);
    connection.tell({ type: 'ack', id, op, accepted, refused });
  }

  /** As if the client had asked for all of it again, with the cursors that it brings. Symbols are named by their topics. */
  private restore(
    connection: Connection,
    { subscriptions }: SavedSession,
    cursors: Cursors,
  ): { accepted: Accepted[]; refused: Refused[] } {
    const accepted: Accepted[] = [];
    const refused: Refused[] = [];
    for (const request of subscriptions) {
      const { channel, group } = request;
      const shape = shapeOf(request, connection);
      for (const symbol of request.symbols) {
        const name = topicName(channel, symbol, group);
        const lost = { request, symbol, name };
        const outcome = 'code' in shape ? shape : this.places.bringBack(connection, lost, shape, cursors);
        if (!('code' in outcome)) accepted.push(acceptedAs(name, outcome));
        // What can't come back is told as far as the answer to a request may be long.
        else if (refused.length < this.options.limits.symbolsPerRequestMax) refused.push({ symbol: name, ...outcome });
      }
    }
    return { accepted, refused };
  }

  private stall(connection: Connection, { id, op, stallMs }: DemoRequest): void {
    const { stallMsMax } = this.options.limits;
    if (stallMsMax === 0 || stallMs > stallMsMax) {
      const detail = stallMsMax === 0 ? undefined : `at most ${stallMsMax} ms`;
      return this.refuse(connection, { id, fault: fault('no-demo', detail) });
    }
    // The answer goes out first: a stalled connection is sent nothing.
    connection.tell({ type: 'ack', id, op, accepted: [], refused: [] });
    connection.stall(stallMs);
  }

  private subscribe(connection: Connection, request: SubscribeRequest): void {
    const shape = shapeOf(request, connection);
    if ('code' in shape) return this.refuse(connection, { id: request.id, fault: shape });
    this.eachSymbol(connection, request, (symbol) => this.places.subscribe(connection, request, shape, symbol));
  }

  /** Acknowledges first in the queue, since the frames that follow from it come at the end of the turn. */
  private eachSymbol(
    connection: Connection,
    request: SubscribeRequest | UnsubscribeRequest | ResyncRequest,
    run: (symbol: string) => Outcome,
  ): void {
    const { symbolsPerRequestMax } = this.options.limits;
    if (request.symbols.length > symbolsPerRequestMax) {
      const detail = `${request.symbols.length} symbols, at most ${symbolsPerRequestMax}`;
      return this.refuse(connection, { id: request.id, fault: fault('too-many-symbols', detail) });
    }
    const accepted: Accepted[] = [];
    const refused: Refused[] = [];
    for (const symbol of request.symbols) {
      const outcome = run(symbol);
      if ('code' in outcome) {
        refused.push({ symbol, ...outcome });
        this.options.onRefusal(outcome.code, connection);
      } else accepted.push(acceptedAs(symbol, outcome));
    }
    // Before the answer: a client for whom there is no room for it is closed, and comes back to what it has.
    this.options.continuity?.changed(connection);
    connection.tell({ type: 'ack', id: request.id, op: request.op, accepted, refused });
  }

  private refuse(connection: Connection, { id, fault: { code, message, action } }: BadRequest): void {
    connection.tell({ type: 'error', id, code, message, action });
    this.options.onRefusal(code, connection);
  }
}

/** Written out: what is put together from another object has a shape of its own, and there are thousands of these. */
function acceptedAs(symbol: string, { topic, depth, intervalMs, mode }: Omit<Accepted, 'symbol'>): Accepted {
  return { symbol, topic, depth, intervalMs, mode };
}

/**
 * Within how long either side finds that the other is gone. The gateway closes who said nothing for four heartbeats, most of them
 * sooner, when it looks the next time; it looks once a second, and may be late by another.
 */
export function silentMsOf(heartbeatMs: number): number {
  return 4 * heartbeatMs + 2_000;
}
