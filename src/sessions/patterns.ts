// Owns subscriptions to wildcards and named sets: which symbols they bring, now and when one is listed or a set changes.
// Sessions call it. Invariant: a symbol that was asked for by name is never touched; of several patterns that describe a symbol
// the one that brought it keeps it, and when that ends another takes it over.

import type { Instruments } from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import { topicName } from '../protocol/frames.ts';
import type { ResyncRequest, SubscribeRequest, UnsubscribeRequest } from '../protocol/request.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { ViewShape } from '../topics/view.ts';
import type { Connection } from './connection.ts';

/** What was asked for, for all symbols that the pattern describes. */
export interface PatternSubscription {
  readonly name: string;
  readonly pattern: string;
  readonly request: SubscribeRequest;
  readonly shape: ViewShape;
}

export interface PatternsOptions {
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly subscriptionsMax: number;
  /** Subscribes to one symbol. @returns why not, or null. */
  readonly subscribe: (connection: Connection, asked: PatternSubscription, symbol: string) => Fault | null;
  /** Ends a subscription. */
  readonly leave: (connection: Connection, subscription: Subscription) => void;
  /** Told of a listing that there was no room for. */
  readonly onRefused: (connection: Connection, refused: Fault) => void;
}

export class Patterns {
  constructor(private readonly options: PatternsOptions) {}

  /** Subscribes to all that the pattern describes, now and later. @returns why not, or null. */
  subscribe(connection: Connection, request: SubscribeRequest, shape: ViewShape, pattern: string): Fault | null {
    const { sets, subscriptionsMax } = this.options;
    if (!sets.knows(pattern)) return unknown(pattern);
    const name = topicName(request.channel, pattern, request.group);
    const asked = { name, pattern, request, shape };
    const symbols = this.symbolsOf(pattern).filter((symbol) => mayTake(connection, asked, symbol));
    const news = symbols.filter((symbol) => !connection.subscriptions.has(topicNameOf(request, symbol))).length;
    if (connection.subscriptions.size + news > subscriptionsMax || this.isFull(connection, name)) {
      return fault('too-many-subscriptions', `${pattern} brings ${news}, at most ${subscriptionsMax} in all`);
    }
    for (const symbol of symbols) this.options.subscribe(connection, asked, symbol);
    // Cursors are of this moment: what is listed later begins anew.
    const { cursor: _, ...lasting } = request;
    connection.follow({ ...asked, request: lasting });
    return null;
  }

  /** What the connection asked for under that pattern, or that it did not. */
  find(
    connection: Connection,
    { channel, group }: UnsubscribeRequest | ResyncRequest,
    pattern: string,
  ): PatternSubscription | Fault {
    return connection.patterns.get(topicName(channel, pattern, group)) ?? fault('not-subscribed', pattern.slice(0, 48));
  }

  /** Ends the pattern and what it brought. */
  end(connection: Connection, { name }: PatternSubscription): void {
    connection.unfollow(name);
    for (const subscription of broughtBy(connection, name)) this.release(connection, subscription);
  }

  /** A symbol is new. */
  listed(connection: Connection, symbol: string): void {
    for (const asked of connection.patterns.values()) {
      if (this.options.sets.matches(asked.pattern, symbol)) this.take(connection, asked, symbol);
    }
  }

  /** A set is another, or is no more: then the subscription to it brings nothing until it is there again. */
  setChanged(connection: Connection, set: string): void {
    const { sets } = this.options;
    for (const asked of connection.patterns.values()) {
      if (asked.pattern !== `@${set}`) continue;
      for (const subscription of broughtBy(connection, asked.name)) {
        if (!sets.matches(asked.pattern, subscription.topic.symbol)) this.release(connection, subscription);
      }
      for (const symbol of this.symbolsOf(asked.pattern)) this.take(connection, asked, symbol);
    }
  }

  /** The connection may have other symbols than before. */
  refresh(connection: Connection): void {
    for (const asked of connection.patterns.values()) {
      for (const symbol of this.symbolsOf(asked.pattern)) this.take(connection, asked, symbol);
    }
  }

  private take(connection: Connection, asked: PatternSubscription, symbol: string): void {
    if (connection.closed || connection.subscriptions.has(topicNameOf(asked.request, symbol))) return;
    const refused = this.options.subscribe(connection, asked, symbol);
    // What it may not have is left out without a word, as if it were not there.
    if (refused !== null && refused.code !== 'not-entitled') this.options.onRefused(connection, refused);
  }

  /** Another pattern takes the subscription over, or it ends and the client is told. */
  private release(connection: Connection, subscription: Subscription): void {
    const { channel, symbol, group } = subscription.topic;
    for (const other of connection.patterns.values()) {
      if (other.name === subscription.pattern || other.request.channel !== channel) continue;
      if ((other.request.group ?? 0) !== group || !this.options.sets.matches(other.pattern, symbol)) continue;
      this.options.subscribe(connection, other, symbol);
      return;
    }
    const announced = !subscription.topicDue;
    this.options.leave(connection, subscription);
    if (announced) connection.tell({ type: 'end', topic: subscription.topic.id, reason: 'unsubscribed' });
  }

  private symbolsOf(pattern: string): string[] {
    const { instruments, sets } = this.options;
    const symbols = instruments.list().map(({ symbol }) => symbol);
    return symbols.filter((symbol) => sets.matches(pattern, symbol));
  }

  private isFull(connection: Connection, name: string): boolean {
    return !connection.patterns.has(name) && connection.patterns.size >= this.options.subscriptionsMax;
  }
}

function unknown(pattern: string): Fault {
  return fault(pattern.startsWith('@') ? 'unknown-set' : 'bad-symbol', pattern.slice(0, 48));
}

function mayTake(connection: Connection, asked: PatternSubscription, symbol: string): boolean {
  const held = connection.subscriptions.get(topicNameOf(asked.request, symbol));
  return held === undefined || held.pattern === asked.name;
}

/** The subscriptions of a connection that a pattern of this name brought. */
export function broughtBy(connection: Connection, name: string): Subscription[] {
  return [...connection.subscriptions.values()].filter(({ pattern }) => pattern === name);
}

function topicNameOf({ channel, group }: SubscribeRequest, symbol: string): string {
  return topicName(channel, symbol, group);
}
