// Owns the places of clients in topics: takes them for symbols, wildcards and sets, gives them back, moves their cursors to what a client
// brings. Sessions call it, symbol by symbol. Invariant: a place is known to its topic and its connection, or to neither.

import type { Instruments } from '../market/instrument.ts';
import { isSymbol } from '../market/instrument.ts';
import { isPattern, type SymbolSets } from '../market/sets.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { type Accepted, type Channel, topicName } from '../protocol/frames.ts';
import type { ResyncRequest, SubscribeRequest, UnsubscribeRequest } from '../protocol/request.ts';
import type { Flush } from '../topics/flush.ts';
import { PRIORITY_DEFAULT, Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Connection } from './connection.ts';
import { broughtBy, Patterns } from './patterns.ts';
import { permitted } from './shapes.ts';

export interface PlacesOptions {
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly topics: Topics;
  readonly flush: Flush;
  readonly limits: { readonly subscriptionsMax: number };
  /** Told of a listing that a pattern had no room for. */
  readonly onRefused: (connection: Connection, refused: Fault) => void;
}

/** What is in force from now on, or why it is not. */
export type Outcome = Omit<Accepted, 'symbol'> | Fault;
/** By symbols, or by the names of topics; the names are the client's. */
export type Cursors = NonNullable<SubscribeRequest['cursor']>;
type Cursor = Cursors[string];

/** What is asked for of one symbol. */
interface Asked {
  readonly request: SubscribeRequest;
  readonly shape: ViewShape;
  /** What brings it; null where the client asks for the symbol itself. */
  readonly pattern: string | null;
  /** What the client holds; undefined: nothing. */
  readonly cursor: Cursor | undefined;
}

/** What a session had. */
interface Lost {
  readonly request: SubscribeRequest;
  /** Or a pattern. */
  readonly symbol: string;
  readonly name: string;
}

export class Places {
  private readonly patterns: Patterns;

  constructor(private readonly options: PlacesOptions) {
    const { instruments, sets, limits, onRefused } = options;
    this.patterns = new Patterns({
      ...{ instruments, sets, onRefused },
      get subscriptionsMax() {
        return limits.subscriptionsMax;
      },
      subscribe: (connection, { request, shape, name }, symbol) => {
        const asked = { request, shape, pattern: name, cursor: cursorAt(request.cursor, symbol) };
        const subscription = this.take(connection, symbol, asked);
        return 'code' in subscription ? subscription : null;
      },
      leave: (connection, subscription) => this.give(connection, subscription),
    });
  }

  /** `symbol`: or a wildcard or set; so in all of these. */
  subscribe(connection: Connection, request: SubscribeRequest, shape: ViewShape, symbol: string): Outcome {
    if (isPattern(symbol)) return this.patterns.subscribe(connection, request, shape, symbol) ?? ofPattern(shape);
    const asked = { request, shape, pattern: null, cursor: cursorAt(request.cursor, symbol) };
    const subscription = this.take(connection, symbol, asked);
    return 'code' in subscription ? subscription : inForce(subscription);
  }

  leave(connection: Connection, request: UnsubscribeRequest, symbol: string): Outcome {
    if (!isPattern(symbol)) {
      return withHeld(connection, request, symbol, (subscription) => this.give(connection, subscription));
    }
    const asked = this.patterns.find(connection, request, symbol);
    if ('code' in asked) return asked;
    this.patterns.end(connection, asked);
    return ofPattern(asked.shape);
  }

  startOver(connection: Connection, request: ResyncRequest, symbol: string): Outcome {
    if (!isPattern(symbol)) return withHeld(connection, request, symbol, startOver);
    const asked = this.patterns.find(connection, request, symbol);
    if ('code' in asked) return asked;
    for (const subscription of broughtBy(connection, asked.name)) startOver(subscription);
    return ofPattern(asked.shape);
  }

  /** As if the client asked for it again. `cursors`: by the names of topics. */
  bringBack(connection: Connection, { request, symbol, name }: Lost, shape: ViewShape, cursors: Cursors): Outcome {
    if (isPattern(symbol)) {
      const own = { ...request, cursor: cursorsOf(cursors, request.channel, request.group) };
      const refused = this.patterns.subscribe(connection, own, shape, symbol);
      for (const subscription of broughtBy(connection, name)) subscription.healDue = true;
      return refused ?? ofPattern(shape);
    }
    const held = connection.subscriptions.get(name);
    if (held !== undefined) return inForce(held);
    const asked = { request, shape, pattern: null, cursor: cursorAt(cursors, name) };
    const subscription = this.take(connection, symbol, asked);
    if ('code' in subscription) return subscription;
    subscription.healDue = true;
    return inForce(subscription);
  }

  /** A symbol is new: it is brought to those whose patterns describe it. */
  listed(connection: Connection, symbol: string): void {
    this.patterns.listed(connection, symbol);
  }

  setChanged(connection: Connection, set: string): void {
    this.patterns.setChanged(connection, set);
  }

  /** The connection may have other symbols than before. */
  refresh(connection: Connection): void {
    this.patterns.refresh(connection);
  }

  /** The topic no longer knows the subscription; its connection is for the caller. */
  detach(subscription: Subscription): void {
    subscription.topic.remove(subscription);
    this.options.topics.release(subscription.topic);
  }

  private give(connection: Connection, subscription: Subscription): void {
    this.detach(subscription);
    connection.forget(subscription);
  }

  private take(connection: Connection, symbol: string, asked: Asked): Subscription | Fault {
    const { topics, limits, flush } = this.options;
    const { request, pattern, cursor } = asked;
    if (!isSymbol(symbol)) return fault('bad-symbol', symbol.slice(0, 48));
    const shape = permitted(request.channel, symbol, asked.shape, connection.identity.grant);
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
    if (cursor !== undefined) moveTo(subscription, cursor, shape.depth);
    if (subscription.view.intervalMs > 0) flush.addToGrid(subscription.view);
    if (!subscription.inStep) connection.wake(subscription);
    return subscription;
  }
}

/** The client says what it holds: as many levels as it asks for, unless it says so. */
function moveTo(subscription: Subscription, { epoch, seq, depth }: Cursor, askedDepth: number): void {
  if (subscription.inStep) subscription.view.leave(subscription);
  subscription.epoch = epoch;
  subscription.seq = seq;
  subscription.depth = depth ?? askedDepth;
  subscription.answer = null;
  subscription.merging = false;
  subscription.healDue = true;
}

function startOver(subscription: Subscription): void {
  if (subscription.inStep) subscription.view.leave(subscription);
  subscription.answer = null;
  subscription.resetDue = 'requested';
  subscription.recipient.wake(subscription);
}

function withHeld(
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

/** A pattern has no topic of its own: those that it brings are announced one by one. */
function ofPattern({ depth, intervalMs, mode }: ViewShape): Outcome {
  return { topic: 0, depth, intervalMs, mode };
}

/** What is in force of a subscription. */
function inForce({ topic, asked: { depth, intervalMs, mode } }: Subscription): Outcome {
  return { topic: topic.id, depth, intervalMs, mode };
}

/** Names are the client's: what every object has is no cursor. */
function cursorAt(cursors: Cursors | undefined, name: string): Cursor | undefined {
  return cursors !== undefined && Object.hasOwn(cursors, name) ? cursors[name] : undefined;
}

/** The cursors for one channel and grouping, by their symbols. */
function cursorsOf(cursors: Cursors, channel: Channel, group?: number): Cursors {
  const prefix = topicName(channel, '', group);
  const own = Object.entries(cursors).filter(([name]) => name.startsWith(prefix));
  // Without a prototype: names are the client's.
  return Object.assign(
    Object.create(null),
    Object.fromEntries(own.map(([name, cursor]) => [name.slice(prefix.length), cursor])),
  );
}
