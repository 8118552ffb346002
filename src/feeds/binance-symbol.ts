// Owns one symbol of a Binance session: how depth events and a snapshot become a book, by the exchange's document "How to
// manage a local order book correctly". The session feeds it messages. Invariant: an event is applied only to the book that
// ends where it begins; where there is no such book, events wait for a snapshot.

import type { BookSnapshot } from '../market/update.ts';
import type { FeedEvent } from './feed.ts';
import { type BookWord, FollowedBook, type Increments } from './followed-book.ts';
import { type Fields, isCount, isDecimal, readLevels } from './text-frames.ts';

/** A depth event: the updates of the book from `first` to `last`. */
interface DepthEvent extends BookWord {
  readonly first: number;
  readonly last: number;
}
interface Statement extends BookWord {
  readonly last: number;
}
interface Best {
  readonly last: number;
  readonly bid: readonly [price: string, size: string];
  readonly ask: readonly [price: string, size: string];
}

/** Where the book comes from: whichever of the two was seen first; a diff stream is preferred. */
type Source = 'none' | 'diff' | 'partial';

/** More than a minute of a snapshot's delay at ten events a second; the oldest ones give way. */
const KEPT_EVENTS_MAX = 1_000;
/** Many times what a busy minute changes; bounds the memory that events of any length can take. */
const KEPT_LEVELS_MAX = 100_000;
/** Times of today's streams are milliseconds, or microseconds where that was asked for. */
const MICROSECONDS_MIN = 100_000_000_000_000;

export class BinanceSymbol {
  private readonly book: FollowedBook;
  private source: Source = 'none';
  /** The book's last update. */
  private last = 0;
  /** What came while there was no book, in order. */
  private kept: DepthEvent[] = [];
  private keptLevels = 0;
  private best: Best | null = null;
  /** `trade` and `aggTrade` tell of the same trades: the one that was seen first is read. */
  private tradeStream: 'trade' | 'aggTrade' | null = null;
  private lastTradeId: number | null = null;

  constructor(symbol: string) {
    this.book = new FollowedBook(symbol);
  }

  snapshot(): BookSnapshot | null {
    return this.book.snapshot();
  }

  declare(increments: Increments): void {
    this.book.declare(increments);
  }

  takeDepth(data: Fields, events: FeedEvent[]): boolean {
    // Whoever sends differences means the whole book: the best levels that were followed so far are not a part of it.
    if (this.source === 'partial') this.book.lose('a diff stream replaces the partial one', events);
    this.source = 'diff';
    const event = depthEventOf(data);
    if (event === null) return this.lose('unreadable depth event', events);
    if (this.book.live) return this.apply(event, events);
    this.keep(event);
    return true;
  }

  /** The whole book as of its `lastUpdateId`. One that is older than the book that is followed says nothing new. */
  takeSnapshot(data: Fields, events: FeedEvent[]): boolean {
    const statement = statementOf(data);
    if (statement === null) return false;
    if (this.book.live && this.source === 'diff' && statement.last <= this.last) return true;
    this.source = 'diff';
    const [next] = this.kept.filter(({ last }) => last > statement.last);
    if (next !== undefined && next.first > statement.last + 1) {
      return this.book.lose(`the snapshot ends at ${statement.last}, events begin at ${next.first}`, events);
    }
    const { kept } = this;
    this.dropKept();
    this.last = statement.last;
    if (!this.book.state(statement, events)) return false;
    for (const event of kept) {
      if (this.book.live) this.apply(event, events);
      else this.keep(event);
    }
    if (this.book.live) this.checkBest(events);
    return true;
  }

  /** The best levels, as a whole. */
  takePartial(data: Fields, events: FeedEvent[]): boolean {
    if (this.source === 'diff') return true;
    const statement = statementOf(data);
    if (statement === null) return this.book.loseOnce('unreadable depth', events);
    this.source = 'partial';
    if (this.book.live && statement.last <= this.last) return true;
    this.last = statement.last;
    return this.book.restate(statement, events);
  }

  /** The best prices as of an update: the exchange's own word against which the book is checked when it stands there. */
  takeBest({ u: last, b, B, a, A }: Fields, events: FeedEvent[]): boolean {
    if (!isCount(last) || !isDecimal(b) || !isDecimal(B) || !isDecimal(a) || !isDecimal(A)) return false;
    this.best = { last, bid: [b, B], ask: [a, A] };
    this.checkBest(events);
    return true;
  }

  takeTrade(data: Fields, events: FeedEvent[]): boolean {
    const stream = data.e === 'trade' ? 'trade' : 'aggTrade';
    const id = stream === 'trade' ? data.t : data.a;
    const { p: price, q: size, m: buyerIsMaker } = data;
    if (!isCount(id) || !isDecimal(price) || !isDecimal(size) || typeof buyerIsMaker !== 'boolean') return false;
    this.tradeStream ??= stream;
    if (stream !== this.tradeStream) return true;
    const { lastTradeId } = this;
    if (lastTradeId !== null && id <= lastTradeId) return true;
    if (lastTradeId !== null && id > lastTradeId + 1) this.lose(`trades before ${id} were missed`, events);
    this.lastTradeId = id;
    const exchangeUs = timeOf(data.T) ?? timeOf(data.E);
    return this.book.trade({ id, side: buyerIsMaker ? 'sell' : 'buy', price, size, exchangeUs }, events);
  }

  /** The book is of no use to whom it was told: events wait for a snapshot again. */
  forget(): void {
    this.lose('', []);
  }

  private apply(event: DepthEvent, events: FeedEvent[]): boolean {
    if (event.last <= this.last) return true;
    if (event.first > this.last + 1) {
      this.lose(`updates ${this.last + 1} to ${event.first - 1} were missed`, events);
      this.keep(event);
      return false;
    }
    this.last = event.last;
    if (!this.book.change(event, events)) return false;
    this.checkBest(events);
    return true;
  }

  private checkBest(events: FeedEvent[]): void {
    if (this.best === null || this.source !== 'diff' || this.best.last !== this.last || !this.book.live) return;
    const { bid, ask } = this.best;
    if (!this.book.isBest(bid, ask)) this.lose(`the best prices at ${this.last} are others`, events);
  }

  private lose(reason: string, events: FeedEvent[]): false {
    this.dropKept();
    return this.book.lose(reason, events);
  }

  private keep(event: DepthEvent): void {
    this.kept.push(event);
    this.keptLevels += event.bids.length + event.asks.length;
    while (this.kept.length > KEPT_EVENTS_MAX || this.keptLevels > KEPT_LEVELS_MAX) {
      const { bids, asks } = this.kept.shift()!;
      this.keptLevels -= bids.length + asks.length;
    }
  }

  private dropKept(): void {
    this.kept = [];
    this.keptLevels = 0;
  }
}

function depthEventOf({ U: first, u: last, b, a, E }: Fields): DepthEvent | null {
  const bids = readLevels(b);
  const asks = readLevels(a);
  if (!isCount(first) || !isCount(last) || first > last || bids === null || asks === null) return null;
  return { first, last, bids, asks, exchangeUs: timeOf(E) };
}

function statementOf({ lastUpdateId: last, bids: bidList, asks: askList }: Fields): Statement | null {
  const bids = readLevels(bidList);
  const asks = readLevels(askList);
  return !isCount(last) || bids === null || asks === null ? null : { last, bids, asks, exchangeUs: null };
}

function timeOf(time: unknown): number | null {
  if (!isCount(time)) return null;
  return time >= MICROSECONDS_MIN ? time : time * 1_000;
}
