// Owns what clients' requests do: reads each message, carries out its requests, acknowledges or refuses symbol by symbol.
// The gateway calls it with every message. Invariant: every request gets exactly one ack, pong or error, in order.

import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import { isSymbol } from '../market/instrument.ts';
import { isPattern, type SymbolSets } from '../market/sets.ts';
import type { Clock } from '../ports/clock.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import {
  type Accepted,
  type InstrumentAction,
  type InstrumentFrame,
  type Mode,
  PROTOCOL_VERSION,
  type Refused,
  roundIntervalMs,
  topicName,
} from '../protocol/frames.ts';
import {
  type BadRequest,
  type DemoRequest,
  type Request,
  type ResyncRequest,
  readMessage,
  readRequest,
  type SubscribeRequest,
  type UnsubscribeRequest,
} from '../protocol/request.ts';
import type { Flush } from '../topics/flush.ts';
import { PRIORITY_DEFAULT, Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Connection } from './connection.ts';
import { broughtBy, Patterns } from './patterns.ts';

export interface SessionLimits {
  readonly requestBytesMax: number;
  readonly symbolsPerRequestMax: number;
  readonly subscriptionsMax: number;
  readonly heartbeatMs: number;
  readonly ageMsMax: number;
  /** How long a client may stall its own connection; 0: not at all. */
  readonly stallMsMax: number;
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
}

type Outcome = Omit<Accepted, 'symbol'> | Fault;

export class Sessions {
  private readonly patterns: Patterns;

  constructor(private readonly options: SessionOptions) {
    const { instruments, sets, limits } = options;
    this.patterns = new Patterns({
      instruments,
      sets,
      subscriptionsMax: limits.subscriptionsMax,
      subscribe: (connection, { request, shape, name }, symbol) => {
        const outcome = this.subscribeTo(connection, request, shape, symbol, name);
        return 'code' in outcome ? outcome : null;
      },
      leave: (connection, subscription) => this.leave(connection, subscription),
      onRefused: (connection, refused) => this.refuse(connection, { id: null, fault: refused }),
    });
  }

  welcome(connection: Connection): void {
    const { clock, limits, server } = this.options;
    connection.tell({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      server,
      session: connection.id,
      timeUs: clock.nowUs(),
      limits: {
        requestBytes: limits.requestBytesMax,
        symbolsPerRequest: limits.symbolsPerRequestMax,
        subscriptions: limits.subscriptionsMax,
        heartbeatMs: limits.heartbeatMs,
        ageMsMax: limits.ageMsMax,
        ...(limits.stallMsMax === 0 ? {} : { stallMsMax: limits.stallMsMax }),
      },
    });
  }

  /** One WebSocket message from the client; `binary` as the socket says, which must fit the codec. */
  receive(connection: Connection, message: Uint8Array, binary: boolean): void {
    connection.heard();
    if (message.length > this.options.limits.requestBytesMax) {
      return this.refuse(connection, { id: null, fault: fault('too-large', `${message.length} bytes`) });
    }
    if (binary !== connection.codec.binary) {
      const wanted = connection.codec.binary ? 'binary' : 'text';
      return this.refuse(connection, {
        id: null,
        fault: fault('bad-frame', `${connection.codec.name} takes ${wanted} messages`),
      });
    }
    const values = readMessage(message, binary);
    if (!Array.isArray(values)) return this.refuse(connection, { id: null, fault: values });
    for (const value of values) {
      if (connection.closed) return;
      const request = readRequest(value);
      if ('fault' in request) this.refuse(connection, request);
      else this.carryOut(connection, request);
    }
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

  private carryOut(connection: Connection, request: Request): void {
    switch (request.op) {
      case 'subscribe':
        return this.subscribe(connection, request);
      case 'unsubscribe':
        return this.unsubscribe(connection, request);
      case 'resync':
        return this.resync(connection, request);
      case 'instruments':
        connection.watchesInstruments = request.watch ?? false;
        connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
        return connection.enumerate(this.listed());
      case 'limit':
        connection.limit(request);
        return connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
      case 'demo':
        return this.stall(connection, request);
      case 'ping':
        return connection.tell({ type: 'pong', id: request.id, timeUs: this.options.clock.nowUs() });
    }
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
    shape: ViewShape,
    symbol: string,
    pattern: string | null,
  ): Outcome {
    const { topics, limits, flush } = this.options;
    if (!isSymbol(symbol)) return fault('bad-symbol', symbol.slice(0, 48));
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
    return { topic: subscription.topic.id, depth: shape.depth, intervalMs: shape.intervalMs, mode: shape.mode };
  }

  /** The client says what it holds. */
  private moveTo(subscription: Subscription, cursor: { epoch: number; seq: number; depth: number }): void {
    if (subscription.inStep) subscription.view.leave(subscription);
    subscription.epoch = cursor.epoch;
    subscription.seq = cursor.seq;
    subscription.depth = cursor.depth;
    subscription.answer = null;
    subscription.merging = false;
  }

  private startOver(subscription: Subscription): void {
    if (subscription.inStep) subscription.view.leave(subscription);
    subscription.answer = null;
    subscription.resetDue = 'requested';
    subscription.recipient.wake(subscription);
  }

  private leave(connection: Connection, subscription: Subscription): void {
    subscription.topic.remove(subscription);
    connection.forget(subscription);
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
    const { topic, asked } = subscription;
    return { topic: topic.id, depth: asked.depth, intervalMs: asked.intervalMs, mode: asked.mode };
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
      } else accepted.push({ symbol, ...outcome });
    }
    connection.tell({ type: 'ack', id: request.id, op: request.op, accepted, refused });
  }

  private refuse(connection: Connection, { id, fault: { code, message, action } }: BadRequest): void {
    connection.tell({ type: 'error', id, code, message, action });
    this.options.onRefusal(code, connection);
  }
}

function instrumentFrame(
  action: InstrumentAction,
  { symbol, priceScale, sizeScale, tickSize, lotSize }: Instrument,
): InstrumentFrame {
  return { type: 'instrument', action, symbol, priceScale, sizeScale, tickSize, lotSize };
}

/** A pattern has no topic of its own: those that it brings are announced one by one. */
function ofPattern({ depth, intervalMs, mode }: ViewShape): Outcome {
  return { topic: 0, depth, intervalMs, mode };
}

/** What the request asks for, or why that can't be. */
function shapeOf(request: SubscribeRequest, { codec }: Connection): ViewShape | Fault {
  const mode: Mode = request.mode ?? 'live';
  const depth = request.depth ?? 0;
  const intervalMs = roundIntervalMs(request.interval ?? 0);
  if (request.channel !== 'book' && depth !== 0) return fault('bad-depth', `${request.channel} has no depth`);
  const { group = 0 } = request;
  if (group > 0 && request.channel !== 'book') return fault('bad-group', `${request.channel} has no levels`);
  if (group > 0 && mode === 'raw') return fault('bad-group', 'raw books are not grouped');
  if (mode === 'raw' && depth !== 0) return fault('bad-depth', 'raw books are full');
  if (mode === 'raw' && intervalMs !== 0) return fault('bad-mode', 'raw takes no interval');
  if (request.last !== undefined && request.channel !== 'trade') return fault('bad-request', 'last is for trades');
  return { depth, intervalMs, mode, codec };
}
