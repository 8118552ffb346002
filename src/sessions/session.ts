// Owns what clients' requests do: carries them out, acknowledges or refuses symbol by symbol, and what follows when instruments, sets
// or entitlements change. The gateway calls it with every message. Invariant: every request gets exactly one ack, pong or error.

import type { InstrumentEvent, Instruments } from '../market/instrument.ts';
import { isSymbol } from '../market/instrument.ts';
import { isPattern, type SymbolSets } from '../market/sets.ts';
import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import {
  type Accepted,
  type Channel,
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
import { PRIORITY_DEFAULT, Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Connection } from './connection.ts';
import type { Continuity, SavedSession } from './continuity.ts';
import { broughtBy, Patterns } from './patterns.ts';
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

type Outcome = Omit<Accepted, 'symbol'> | Fault;

export class Sessions {
  private readonly patterns: Patterns;
  private readonly line: RequestLine;

  constructor(private readonly options: SessionOptions) {
    const { instruments, sets, limits, clock, onRefusal, onError } = options;
    this.line = new RequestLine({
      ...{ clock, limits, onRefusal, onError },
      carryOut: (connection, request) => this.carryOut(connection, request),
      refuse: (connection, refused) => this.refuse(connection, refused),
    });
    this.patterns = new Patterns({
      instruments,
      sets,
      get subscriptionsMax() {
        return limits.subscriptionsMax;
      },
      subscribe: (connection, { request, shape, name }, symbol) => {
        const outcome = this.subscribeTo(connection, request, shape, symbol, name);
        return 'code' in outcome ? outcome : null;
      },
      leave: (connection, subscription) => this.leave(connection, subscription),
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
        this.detach(subscription);
        connection.endFor(subscription, 'revoked');
      } else if (shape !== asked) {
        connection.reshape(subscription, shape);
      }
    }
    this.patterns.refresh(connection);
    this.options.continuity?.changed(connection);
  }

  /** Tells the connections that watch instruments; a new one is brought to those whose patterns describe it. */
  instrumentChanged(connections: Iterable<Connection>, { action, instrument }: InstrumentEvent): void {
    for (const connection of connections) {
      if (connection.watchesInstruments) connection.tell(instrumentFrame(action, instrument));
      if (action === 'listed' && connection.patterns.size > 0) this.patterns.listed(connection, instrument.symbol);
    }
  }

  /** Gives the connections that subscribe to a set what it holds now. */
  setChanged(connections: Iterable<Connection>, name: string): void {
    for (const connection of connections) if (connection.patterns.size > 0) this.patterns.setChanged(connection, name);
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
        return this.unsubscribe(connection, request);
      case 'resync':
        return this.resync(connection, request);
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
    connection.tell({ type: 'ack', id, op, accepted, refused });
    continuity?.changed(connection);
  }

  /** As if the client had asked for all of it again, with the cursors that it brings. Symbols are named by their topics. */
  private restore(
    connection: Connection,
    { subscriptions }: SavedSession,
    cursors: NonNullable<ResumeRequest['cursors']>,
  ): { accepted: Accepted[]; refused: Refused[] } {
    const accepted: Accepted[] = [];
    const refused: Refused[] = [];
    for (const request of subscriptions) {
      const { channel, group } = request;
      const shape = shapeOf(request, connection);
      const own = { ...request, cursor: cursorsOf(cursors, channel, group) };
      for (const symbol of request.symbols) {
        const name = topicName(channel, symbol, group);
        const outcome = 'code' in shape ? shape : this.bringBack(connection, own, shape, symbol);
        if (!('code' in outcome)) accepted.push(acceptedAs(name, outcome));
        // What can't come back is told as far as the answer to a request may be long.
        else if (refused.length < this.options.limits.symbolsPerRequestMax) refused.push({ symbol: name, ...outcome });
      }
    }
    return { accepted, refused };
  }

  private bringBack(connection: Connection, request: SubscribeRequest, shape: ViewShape, symbol: string): Outcome {
    if (isPattern(symbol)) {
      const refused = this.patterns.subscribe(connection, request, shape, symbol);
      const name = topicName(request.channel, symbol, request.group);
      for (const subscription of broughtBy(connection, name)) subscription.healDue = true;
      return refused ?? ofPattern(shape);
    }
    const held = connection.subscriptions.get(topicName(request.channel, symbol, request.group));
    if (held !== undefined) return inForce(held);
    const outcome = this.subscribeTo(connection, request, shape, symbol, null);
    const subscription = connection.subscriptions.get(topicName(request.channel, symbol, request.group));
    if (subscription !== undefined) subscription.healDue = true;
    return outcome;
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
    this.eachSymbol(connection, request, (symbol) => {
      if (!isPattern(symbol)) return this.subscribeTo(connection, request, shape, symbol, null);
      return this.patterns.subscribe(connection, request, shape, symbol) ?? ofPattern(shape);
    });
  }

  private unsubscribe(connection: Connection, request: UnsubscribeRequest): void {
    this.eachSymbol(connection, request, (symbol) => {
      if (!isPattern(symbol)) {
        return this.withHeld(connection, request, symbol, (subscription) => this.leave(connection, subscription));
      }
      const asked = this.patterns.find(connection, request, symbol);
      if ('code' in asked) return asked;
      this.patterns.end(connection, asked);
      return ofPattern(asked.shape);
    });
  }

  private resync(connection: Connection, request: ResyncRequest): void {
    this.eachSymbol(connection, request, (symbol) => {
      if (!isPattern(symbol)) {
        return this.withHeld(connection, request, symbol, (subscription) => this.startOver(subscription));
      }
      const asked = this.patterns.find(connection, request, symbol);
      if ('code' in asked) return asked;
      for (const subscription of broughtBy(connection, asked.name)) this.startOver(subscription);
      return ofPattern(asked.shape);
    });
  }

  /** `pattern`: what brings it; null where the client asks for the symbol itself. */
  private subscribeTo(
    connection: Connection,
    request: SubscribeRequest,
    asked: ViewShape,
    symbol: string,
    pattern: string | null,
  ): Outcome {
    const { topics, limits, flush } = this.options;
    if (!isSymbol(symbol)) return fault('bad-symbol', symbol.slice(0, 48));
    const shape = permitted(request.channel, symbol, asked, connection.identity.grant);
    if ('code' in shape) return shape;
    let subscription = connection.subscriptions.get(topicName(request.channel, symbol, request.group));
    if (subscription === undefined) {
      if (connection.subscriptions.size >= limits.subscriptionsMax) {
        return fault('too-many-subscriptions', `at most ${limits.subscriptionsMax}`);
      }
      const { group = 0 } = request;
      const instrument = this.options.instruments.get(symbol);
      if (instrument !== undefined && !Number.isSafeInteger(instrument.tickSize * group)) {
        return fault('bad-group', `${group} ticks of ${instrument.tickSize} are beyond 2^53`);
      }
      const topic = topics.acquire(request.channel, symbol, group);
      if (topic === undefined) return fault('unknown-symbol', symbol);
      const priority = request.priority ?? PRIORITY_DEFAULT;
      const view = topic.view(connection.paced(request.channel, shape, priority));
      subscription = new Subscription(connection, topic, view, shape, priority);
      topic.add(subscription);
      connection.subscriptions.set(topic.name, subscription);
      subscription.last = request.last ?? 0;
    } else {
      const changesOver = subscription.merging || subscription.asked.mode === 'live';
      subscription.merging = shape.mode === 'raw' && changesOver && subscription.epoch !== 0;
      subscription.priority = request.priority ?? subscription.priority;
      connection.reshape(subscription, shape);
    }
    subscription.pattern = pattern;
    const { cursor: cursors = {} } = request;
    const cursor = Object.hasOwn(cursors, symbol) ? cursors[symbol] : undefined;
    if (cursor !== undefined) this.moveTo(subscription, { depth: shape.depth, ...cursor });
    if (subscription.view.intervalMs > 0) flush.addToGrid(subscription.view);
    if (!subscription.inStep) connection.wake(subscription);
    return inForce(subscription);
  }

  /** The client says what it holds. */
  private moveTo(subscription: Subscription, cursor: { epoch: number; seq: number; depth: number }): void {
    if (subscription.inStep) subscription.view.leave(subscription);
    subscription.epoch = cursor.epoch;
    subscription.seq = cursor.seq;
    subscription.depth = cursor.depth;
    subscription.answer = null;
    subscription.merging = false;
    subscription.healDue = true;
  }

  private startOver(subscription: Subscription): void {
    if (subscription.inStep) subscription.view.leave(subscription);
    subscription.answer = null;
    subscription.resetDue = 'requested';
    subscription.recipient.wake(subscription);
  }

  private leave(connection: Connection, subscription: Subscription): void {
    this.detach(subscription);
    connection.forget(subscription);
  }

  /** The topic no longer knows the subscription. */
  private detach(subscription: Subscription): void {
    subscription.topic.remove(subscription);
    this.options.topics.release(subscription.topic);
  }

  private withHeld(
    connection: Connection,
    request: UnsubscribeRequest | ResyncRequest,
    symbol: string,
    run: (subscription: Subscription) => void,
  ): Outcome {
    const subscription = connection.subscriptions.get(topicName(request.channel, symbol, request.group));
    if (subscription === undefined) return fault('not-subscribed', symbol.slice(0, 48));
    run(subscription);
    return inForce(subscription);
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
    connection.tell({ type: 'ack', id: request.id, op: request.op, accepted, refused });
    this.options.continuity?.changed(connection);
  }

  private refuse(connection: Connection, { id, fault: { code, message, action } }: BadRequest): void {
    connection.tell({ type: 'error', id, code, message, action });
    this.options.onRefusal(code, connection);
  }
}

/** A pattern has no topic of its own: those that it brings are announced one by one. */
function ofPattern({ depth, intervalMs, mode }: ViewShape): Outcome {
  return { topic: 0, depth, intervalMs, mode };
}

/** Written out: what is put together from another object has a shape of its own, and there are thousands of these. */
function acceptedAs(symbol: string, { topic, depth, intervalMs, mode }: Omit<Accepted, 'symbol'>): Accepted {
  return { symbol, topic, depth, intervalMs, mode };
}

/** What is in force of a subscription. */
function inForce({ topic, asked: { depth, intervalMs, mode } }: Subscription): Outcome {
  return { topic: topic.id, depth, intervalMs, mode };
}

/** The cursors for one channel and grouping, by their symbols. */
function cursorsOf(
  cursors: NonNullable<ResumeRequest['cursors']>,
  channel: Channel,
  group?: number,
): NonNullable<SubscribeRequest['cursor']> {
  const prefix = topicName(channel, '', group);
  const own = Object.entries(cursors).filter(([name]) => name.startsWith(prefix));
  // Without a prototype: names are the client's.
  return Object.assign(
    Object.create(null),
    Object.fromEntries(own.map(([name, cursor]) => [name.slice(prefix.length), cursor])),
  );
}

/**
 * Within how long either side finds that the other is gone. The gateway closes who said nothing for four heartbeats, most of them
 * sooner, when it looks the next time; it looks once a second, and may be late by another.
 */
export function silentMsOf(heartbeatMs: number): number {
  return 4 * heartbeatMs + 2_000;
}
