// Owns what clients' requests do: reads each message, carries out its requests, acknowledges or refuses symbol by symbol.
// The gateway calls it with every message. Invariant: every request gets exactly one ack, pong or error, in order.

import type { Instrument, InstrumentEvent, Instruments } from '../market/instrument.ts';
import { isSymbol } from '../market/instrument.ts';
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
} from '../protocol/frames.ts';
import {
  type BadRequest,
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

export interface SessionLimits {
  readonly requestBytesMax: number;
  readonly symbolsPerRequestMax: number;
  readonly subscriptionsMax: number;
  readonly heartbeatMs: number;
  readonly ageMsMax: number;
}

export interface SessionOptions {
  readonly instruments: Instruments;
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
  constructor(private readonly options: SessionOptions) {}

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

  /** Tells the connections that watch instruments. */
  instrumentChanged(connections: Iterable<Connection>, { action, instrument }: InstrumentEvent): void {
    for (const connection of connections) {
      if (connection.watchesInstruments) connection.tell(instrumentFrame(action, instrument));
    }
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
        return this.eachHeld(connection, request, (subscription) => this.leave(connection, subscription));
      case 'resync':
        return this.eachHeld(connection, request, (subscription) => this.startOver(subscription));
      case 'instruments':
        connection.watchesInstruments = request.watch ?? false;
        connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
        return connection.enumerate(this.listed());
      case 'limit':
        connection.limit(request);
        return connection.tell({ type: 'ack', id: request.id, op: request.op, accepted: [], refused: [] });
      case 'ping':
        return connection.tell({ type: 'pong', id: request.id, timeUs: this.options.clock.nowUs() });
    }
  }

  private subscribe(connection: Connection, request: SubscribeRequest): void {
    const shape = shapeOf(request, connection);
    if ('code' in shape) return this.refuse(connection, { id: request.id, fault: shape });
    this.eachSymbol(connection, request, (symbol) => this.subscribeTo(connection, request, shape, symbol));
  }

  private subscribeTo(connection: Connection, request: SubscribeRequest, shape: ViewShape, symbol: string): Outcome {
    const { topics, limits, flush } = this.options;
    if (!isSymbol(symbol)) return fault('bad-symbol', symbol.slice(0, 48));
    let subscription = connection.subscriptions.get(`${request.channel}:${symbol}`);
    if (subscription === undefined) {
      if (connection.subscriptions.size >= limits.subscriptionsMax) {
        return fault('too-many-subscriptions', `at most ${limits.subscriptionsMax}`);
      }
      const topic = topics.acquire(request.channel, symbol);
      if (topic === undefined) return fault('unknown-symbol', symbol);
      const priority = request.priority ?? PRIORITY_DEFAULT;
      const view = topic.view(connection.paced(request.channel, shape, priority));
      subscription = new Subscription(connection, topic, view, shape, priority);
      topic.add(subscription);
      connection.subscriptions.set(`${request.channel}:${symbol}`, subscription);
      subscription.last = request.last ?? 0;
    } else {
      const changesOver = subscription.merging || subscription.asked.mode === 'live';
      subscription.merging = shape.mode === 'raw' && changesOver && subscription.epoch !== 0;
      subscription.priority = request.priority ?? subscription.priority;
      connection.reshape(subscription, shape);
    }
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

  private eachHeld(
    connection: Connection,
    request: UnsubscribeRequest | ResyncRequest,
    run: (subscription: Subscription) => void,
  ): void {
    this.eachSymbol(connection, request, (symbol) => {
      const subscription = connection.subscriptions.get(`${request.channel}:${symbol}`);
      if (subscription === undefined) return fault('not-subscribed', symbol.slice(0, 48));
      run(subscription);
      const { topic, asked } = subscription;
      return { topic: topic.id, depth: asked.depth, intervalMs: asked.intervalMs, mode: asked.mode };
    });
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

/** What the request asks for, or why that can't be. */
function shapeOf(request: SubscribeRequest, { codec }: Connection): ViewShape | Fault {
  const mode: Mode = request.mode ?? 'live';
  const depth = request.depth ?? 0;
  const intervalMs = roundIntervalMs(request.interval ?? 0);
  if (request.channel !== 'book' && depth !== 0) return fault('bad-depth', `${request.channel} has no depth`);
  if (mode === 'raw' && depth !== 0) return fault('bad-depth', 'raw books are full');
  if (mode === 'raw' && intervalMs !== 0) return fault('bad-mode', 'raw takes no interval');
  if (request.last !== undefined && request.channel !== 'trade') return fault('bad-request', 'last is for trades');
  return { depth, intervalMs, mode, codec };
}
