// Owns the venue Coinbase: the WebSocket feed of its Exchange. Books come from `level2` or `level2_batch`, trades from
// `matches`, steps from `status` or GET /products. An l2update has no sequence number: what tells that something was missed are
// the ids of trades, `heartbeat` and the times of updates. Invariant: every message is read or counted as ignored, none throws.

import { isSymbol } from '../market/instrument.ts';
import type { BookSnapshot } from '../market/update.ts';
import { coinbaseLive } from './coinbase-live.ts';
import type { FeedEvent, Venue, VenueSession } from './feed.ts';
import { type BookWord, FollowedBook, type Increments } from './followed-book.ts';
import type { TextLevel } from './scales.ts';
import { type Fields, isCount, isDecimal, isFields, parseJson, readLevels } from './text-frames.ts';
import { rfc3339ToUs } from './timestamp.ts';

export const coinbase: Venue = {
  name: 'coinbase',
  open: () => new CoinbaseSession(),
  checksum: null,
  symbolOf: (product) => product,
  live: coinbaseLive,
  messageOf: (url, body) => (PRODUCTS_URL.test(url) ? body : null),
};

const PRODUCTS_URL = /\/products$/;
/** Far more than the exchange lists. */
const PRODUCTS_MAX = 20_000;
const UNREADABLE = 'unreadable book message';
/** Understood, and no news of a market: the book tells more than a ticker's best prices. */
const QUIET_TYPES: ReadonlySet<unknown> = new Set(['subscriptions', 'ticker']);

class CoinbaseSession implements VenueSession {
  readonly counts = { messages: 0, ignored: 0 };
  private readonly products = new Map<string, CoinbaseProduct>();

  read(text: string): FeedEvent[] {
    this.counts.messages++;
    const events: FeedEvent[] = [];
    if (!this.take(parseJson(text), events)) this.counts.ignored++;
    return events;
  }

  book(symbol: string): BookSnapshot | null {
    return this.products.get(symbol)?.snapshot() ?? null;
  }

  /** Adds what the message means to `events`. @returns false where it was left out. */
  private take(message: unknown, events: FeedEvent[]): boolean {
    if (Array.isArray(message)) return this.declare(message);
    if (!isFields(message) || typeof message.type !== 'string') return this.miss(events);
    if (QUIET_TYPES.has(message.type)) return true;
    switch (message.type) {
      case 'status':
        return Array.isArray(message.products) && this.declare(message.products);
      case 'snapshot':
      case 'l2update': {
        const product = this.productOf(message.product_id);
        return product === null ? this.miss(events) : product.takeBook(message, events);
      }
      case 'match':
      case 'last_match':
        return this.productOf(message.product_id)?.takeMatch(message, events) ?? false;
      case 'heartbeat':
        return this.productOf(message.product_id)?.takeHeartbeat(message, events) ?? false;
      default:
        return false;
    }
  }

  /** Nobody knows whose change was in it, and no number would show that one is missing: no book is sure any more. */
  private miss(events: FeedEvent[]): false {
    for (const product of this.products.values()) product.miss(events);
    return false;
  }

  /** @returns false where there was no product in it. A product is announced with its first update. */
  private declare(entries: readonly unknown[]): boolean {
    let read = false;
    for (const entry of entries) {
      if (!isFields(entry)) continue;
      const { quote_increment: price, base_increment: size } = entry;
      if (!isDecimal(price) && !isDecimal(size)) continue;
      const increments: Increments = { price: isDecimal(price) ? price : null, size: isDecimal(size) ? size : null };
      const product = this.productOf(entry.id);
      product?.declare(increments);
      read ||= product !== null;
    }
    return read;
  }

  private productOf(id: unknown): CoinbaseProduct | null {
    if (typeof id !== 'string') return null;
    const known = this.products.get(id);
    if (known !== undefined) return known;
    if (!isSymbol(id) || this.products.size >= PRODUCTS_MAX) return null;
    const product = new CoinbaseProduct(id);
    this.products.set(id, product);
    return product;
  }
}

class CoinbaseProduct {
  private readonly book: FollowedBook;
  private updatedUs: number | null = null;
  private lastTradeId: number | null = null;
  /** The newest trade as of the last heartbeat: due by the next one. */
  private promisedTradeId = 0;

  constructor(symbol: string) {
    this.book = new FollowedBook(symbol);
  }

  snapshot(): BookSnapshot | null {
    return this.book.snapshot();
  }

  declare(increments: Increments): void {
    this.book.declare(increments);
  }

  takeBook(message: Fields, events: FeedEvent[]): boolean {
    const exchangeUs = timeOf(message);
    if (message.type === 'snapshot') {
      const bids = readLevels(message.bids);
      const asks = readLevels(message.asks);
      if (bids === null || asks === null) return this.book.loseOnce(UNREADABLE, events);
      // When a snapshot was made up is not when its last update was.
      this.updatedUs = null;
      return this.book.state({ bids, asks, exchangeUs }, events);
    }
    if (!this.book.live) return this.book.loseOnce('update before a snapshot', events);
    const word = wordOf(message.changes, exchangeUs);
    if (word === null) return this.book.lose(UNREADABLE, events);
    // Sizes are absolute, so that an update told twice does no harm; an older one after a newer one would.
    if (exchangeUs !== null && exchangeUs < (this.updatedUs ?? 0))
      return this.book.lose('updates out of order', events);
    this.updatedUs = exchangeUs ?? this.updatedUs;
    return this.book.change(word, events);
  }

  takeMatch(message: Fields, events: FeedEvent[]): boolean {
    const { type, trade_id: id, side: makerSide, price, size } = message;
    const side = makerSide === 'sell' ? 'buy' : makerSide === 'buy' ? 'sell' : null;
    if (!isCount(id) || side === null || !isDecimal(price) || !isDecimal(size)) return false;
    const { lastTradeId } = this;
    // Where trades went on before the subscription: those after it follow this one.
    if (type === 'last_match') this.lastTradeId = id;
    if (type === 'last_match' || (lastTradeId !== null && id <= lastTradeId)) return true;
    if (lastTradeId !== null && id > lastTradeId + 1) this.book.lose(missed(lastTradeId + 1, id - 1), events);
    this.lastTradeId = id;
    return this.book.trade({ id, side, price, size, exchangeUs: timeOf(message) }, events);
  }

  /** Trades may overtake the heartbeat that names them, and be overtaken: they have time until the next one. */
  takeHeartbeat({ last_trade_id: id }: Fields, events: FeedEvent[]): boolean {
    if (!isCount(id)) return false;
    const { lastTradeId, promisedTradeId } = this;
    if (lastTradeId === null) return true;
    if (promisedTradeId > lastTradeId) {
      this.lastTradeId = promisedTradeId;
      this.book.lose(missed(lastTradeId + 1, promisedTradeId), events);
    }
    this.promisedTradeId = id;
    return true;
  }

  /** A message that nobody could read may have changed the book. */
  miss(events: FeedEvent[]): void {
    if (this.book.live) this.book.lose('unreadable message', events);
  }
}

function timeOf({ time }: Fields): number | null {
  return typeof time === 'string' ? rfc3339ToUs(time) : null;
}

/** Changes are side, price and new size. */
function wordOf(changes: unknown, exchangeUs: number | null): BookWord | null {
  if (!Array.isArray(changes)) return null;
  const bids: TextLevel[] = [];
  const asks: TextLevel[] = [];
  for (const change of changes) {
    if (!Array.isArray(change)) return null;
    const [side, price, size] = change as unknown[];
    if ((side !== 'buy' && side !== 'sell') || !isDecimal(price) || !isDecimal(size)) return null;
    (side === 'buy' ? bids : asks).push([price, size]);
  }
  return { bids, asks, exchangeUs };
}

function missed(first: number, last: number): string {
  return first === last ? `trade ${first} was missed` : `trades ${first} to ${last} were missed`;
}
