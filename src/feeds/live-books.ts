// Owns what a live feed holds of each of its books: lost, arriving or live, and what its topics and its status say of it.
// The feed tells it of events, results and lost connections. Invariant: from the moment a book is lost until its snapshot
// was published, its topics say `resync` and no change of it is let through.

import type { Status } from '../protocol/frames.ts';
import type { FeedEvent } from './feed.ts';
import type { FeedUpdate } from './ingest.ts';

export interface LiveBooksOptions {
  /** The venue's symbols, by Tickwire's. */
  readonly venueSymbols: ReadonlyMap<string, string>;
  /** Put before the symbols of events. */
  readonly prefix: string;
  readonly doubt: (symbol: string, doubted: boolean) => void;
  /** Publishes on the status channel. */
  readonly say: (symbol: string, status: Status, reason: string | null) => void;
}

interface LiveBook {
  /** `arriving`: a snapshot is on its way to the bus. */
  state: 'lost' | 'arriving' | 'live';
  /** The snapshot that is arriving. */
  snapshot: FeedUpdate | null;
  /** Whether it was listed: nothing can be said of it before. */
  listed: boolean;
  /** Whether its status is `source-down`. */
  down: boolean;
}

export class LiveBooks {
  private readonly books = new Map<string, LiveBook>();

  constructor(private readonly options: LiveBooksOptions) {
    for (const symbol of options.venueSymbols.keys()) {
      this.books.set(symbol, { state: 'lost', snapshot: null, listed: false, down: false });
    }
  }

  /** The event under Tickwire's name; null where it is not to be published. */
  admit(event: FeedEvent): FeedEvent | null {
    const named = renamed(event, this.options.prefix);
    // A venue may tell of more than was asked for: it is not to be listed.
    const book = this.books.get(symbolOf(named));
    if (book === undefined) return null;
    if (named.kind === 'instrument') book.listed = true;
    if (named.kind !== 'update') return named;
    if (named.update.kind === 'delta' && book.state === 'lost') return null;
    if (named.update.kind === 'snapshot' && book.state !== 'live') {
      book.state = 'arriving';
      book.snapshot = named;
    }
    return named;
  }

  /** An update was published. @returns whether the book is live again with it. */
  arrived(event: FeedUpdate): boolean {
    const book = this.books.get(event.symbol);
    if (book === undefined || book.snapshot !== event) return false;
    this.revive(event.symbol, book);
    return true;
  }

  /** The whole book was published, of itself: the snapshot that was arriving is in it. @returns whether it is live again. */
  restated(symbol: string): boolean {
    const book = this.books.get(symbol);
    if (book?.state !== 'arriving') return false;
    this.revive(symbol, book);
    return true;
  }

  isLost(symbol: string): boolean {
    return this.books.get(symbol)?.state === 'lost';
  }

  /** The book is not the venue's any more. @returns whether that is news. */
  lose(symbol: string): boolean {
    const book = this.books.get(symbol);
    if (book === undefined) return false;
    const news = book.state !== 'lost';
    book.state = 'lost';
    book.snapshot = null;
    this.options.doubt(symbol, true);
    return news;
  }

  private revive(symbol: string, book: LiveBook): void {
    book.state = 'live';
    book.snapshot = null;
    this.options.doubt(symbol, false);
    if (book.down) this.options.say(symbol, 'live', null);
    book.down = false;
  }

  loseAll(): void {
    for (const symbol of this.books.keys()) this.lose(symbol);
  }

  /** The source has been gone for long: the status of what is lost says so. @returns of how many that is news. */
  sourceDown(reason: string): number {
    let news = 0;
    for (const [symbol, book] of this.books) {
      if (book.state === 'live' || !book.listed || book.down) continue;
      book.down = true;
      news += 1;
      this.options.say(symbol, 'source-down', reason);
    }
    return news;
  }

  /** Nobody feeds them any more, and nothing is known of them. */
  release(): void {
    for (const symbol of this.books.keys()) this.options.doubt(symbol, false);
  }
}

function renamed(event: FeedEvent, prefix: string): FeedEvent {
  if (prefix === '') return event;
  if (event.kind !== 'instrument') return { ...event, symbol: prefix + event.symbol };
  return { ...event, definition: { ...event.definition, symbol: prefix + event.definition.symbol } };
}

function symbolOf(event: FeedEvent): string {
  return event.kind === 'instrument' ? event.definition.symbol : event.symbol;
}
