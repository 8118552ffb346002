// Owns what the page knows of the market: the listed symbols, the subscriptions to those that are shown, and the chosen book.
// The page feeds it instruments; the panels read it when they draw. Invariant: it subscribes to what is shown and to what is
// chosen, nothing else, and keeps a bounded past of each.

import type {
  BookSubscription,
  Client,
  Depth,
  InstrumentEvent,
  QuoteSubscription,
  Trade,
  TradeSubscription,
} from '../client/index.ts';
import { TRADES_MAX } from './tape-panel.ts';

/** Samples of a sparkline: one a second, so a minute. */
const SAMPLES_MAX = 60;
/** The list is for the eye; the book that is looked at is as fast as it goes, and the last that a bad link slows down. */
const LIST_INTERVAL_MS = 250;
const LIST_PRIORITY = 2;
const CHOSEN_PRIORITY = 7;
const BOOK_PRIORITY = 9;

/** One symbol as the page knows it. Prices are mantissas. */
export interface Listing {
  readonly symbol: string;
  priceScale: number;
  /** Newest last. */
  readonly trades: Trade[];
  /** First and newest price that the page saw traded. */
  firstPrice: number | null;
  lastPrice: number | null;
  /** Middle of the quote, once a second, newest last. */
  readonly samples: number[];
  feed: { readonly quote: QuoteSubscription; readonly trades: TradeSubscription } | null;
}

export class Market {
  /** By symbol, in the order of the symbols. */
  listings: readonly Listing[] = [];
  chosen: Listing | null = null;
  book: BookSubscription | null = null;
  private readonly bySymbol = new Map<string, Listing>();
  private shown: readonly Listing[] = [];
  private depth: Depth = 10;
  private sorts = false;

  constructor(
    private readonly client: Client,
    /** The list of symbols has changed. */
    private readonly changed: () => void,
    /** Another book was subscribed to. */
    private readonly opened: (book: BookSubscription) => void,
  ) {}

  /** Subscriptions that are held now. */
  get lines(): number {
    const all = [...this.bySymbol.values()].flatMap(({ feed }) => (feed === null ? [] : [feed.quote, feed.trades]));
    return [this.book, ...all].filter((each) => each?.closed === false).length;
  }

  /** @returns whether it is news: a symbol that was not known, or that is gone. */
  instrument({ action, symbol, priceScale }: InstrumentEvent): boolean {
    const known = this.bySymbol.get(symbol);
    if (action === 'delisted') return this.delist(symbol);
    if (known !== undefined) {
      // What was seen at another scale means nothing now.
      if (known.priceScale !== priceScale) forget(known, priceScale);
      return false;
    }
    const past = { trades: [], firstPrice: null, lastPrice: null, samples: [] };
    this.bySymbol.set(symbol, { symbol, priceScale, ...past, feed: null });
    this.sortSoon();
    return true;
  }

  /** Chooses the symbol whose book, quote and tape are shown. */
  choose(listing: Listing): void {
    if (listing === this.chosen || this.client.state === 'closed') return;
    const before = this.chosen;
    this.chosen = listing;
    this.book?.close();
    this.book = this.client.book(listing.symbol, { depth: this.depth, interval: 0, priority: BOOK_PRIORITY });
    this.opened(this.book);
    this.subscribe();
    // A refused change leaves all as it was, and the client says so as an event.
    void listing.feed?.trades.set({ interval: 0, priority: CHOSEN_PRIORITY }).catch(() => undefined);
    void before?.feed?.trades.set({ interval: LIST_INTERVAL_MS, priority: LIST_PRIORITY }).catch(() => undefined);
  }

  deepen(depth: Depth): void {
    this.depth = depth;
    void this.book?.set({ depth }).catch(() => undefined);
  }

  /** These are on the screen from now on. */
  show(listings: readonly Listing[]): void {
    this.shown = listings;
    this.subscribe();
  }

  /** Once a second: the sparklines move on. */
  sample(): void {
    for (const { samples, feed } of this.bySymbol.values()) {
      const quote = feed?.quote.current;
      if (quote == null || quote.bidPrice === null || quote.askPrice === null) continue;
      samples.push((quote.bidPrice + quote.askPrice) / 2);
      if (samples.length > SAMPLES_MAX) samples.shift();
    }
  }

  /** A message may list thousands. */
  private sortSoon(): void {
    if (this.sorts) return;
    this.sorts = true;
    queueMicrotask(() => this.sort());
  }

  private sort(): void {
    this.sorts = false;
    this.listings = [...this.bySymbol.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
    this.changed();
  }

  private delist(symbol: string): boolean {
    const gone = this.bySymbol.get(symbol);
    if (gone === undefined) return false;
    this.bySymbol.delete(symbol);
    close(gone);
    if (gone === this.chosen) {
      this.book?.close();
      this.book = null;
      this.chosen = null;
    }
    this.sortSoon();
    return true;
  }

  private subscribe(): void {
    if (this.client.state === 'closed') return;
    const wanted = new Set(this.shown);
    if (this.chosen !== null) wanted.add(this.chosen);
    for (const listing of this.bySymbol.values()) if (!wanted.has(listing)) close(listing);
    for (const listing of wanted) listing.feed ??= this.open(listing);
  }

  private open(listing: Listing): NonNullable<Listing['feed']> {
    const { symbol } = listing;
    const chosen = listing === this.chosen;
    const quote = this.client.quote(symbol, { interval: LIST_INTERVAL_MS, priority: LIST_PRIORITY });
    const trades = this.client.trades(symbol, {
      last: TRADES_MAX,
      interval: chosen ? 0 : LIST_INTERVAL_MS,
      priority: chosen ? CHOSEN_PRIORITY : LIST_PRIORITY,
    });
    // The tape begins anew with what the gateway remembers.
    listing.trades.length = 0;
    trades.on('trade', (trade) => take(listing, trade));
    return { quote, trades };
  }
}

/** Whether it was refused, or taken back, since this client may not have it; of what is listed nothing else ends. */
export function isDenied(subscription: Pick<QuoteSubscription, 'error'> | null | undefined): boolean {
  const code = subscription?.error?.code;
  return code === 'not-entitled' || code === 'ended';
}

function take(listing: Listing, trade: Trade): void {
  listing.trades.push(trade);
  if (listing.trades.length > TRADES_MAX) listing.trades.shift();
  if (trade.kind !== 'trade' || trade.priceScale !== listing.priceScale) return;
  listing.firstPrice ??= trade.price;
  listing.lastPrice = trade.price;
}

function forget(listing: Listing, priceScale: number): void {
  Object.assign(listing, { priceScale, firstPrice: null, lastPrice: null });
  listing.trades.length = 0;
  listing.samples.length = 0;
}

function close(listing: Listing): void {
  listing.feed?.quote.close();
  listing.feed?.trades.close();
  listing.feed = null;
}
