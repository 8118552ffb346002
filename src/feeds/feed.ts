// Owns the border between venues and Tickwire: what an adapter says, in the venue's words made uniform.
// A venue is one file that implements `Venue`; nothing here knows the gateway. Invariant: one message of the venue that
// changes a book is one update, so that every state that the venue vouches for is a state of ours.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { BookSnapshot, Update } from '../market/update.ts';
import { formatDecimal } from '../protocol/decimal.ts';

/** Digits after the point. */
export interface Scales {
  readonly priceScale: number;
  readonly sizeScale: number;
}

/** What one message of the venue means. Several events of one message come in the order in which they apply. */
export type FeedEvent =
  | {
      readonly kind: 'instrument';
      readonly definition: InstrumentDefinition;
      /**
       * The decimals that the venue writes, where it has a notation of its own. They differ from the definition's when a
       * number of the venue would be beyond 2^53 with all of its zeros. The venue's checksum is over this notation.
       */
      readonly written?: Scales;
    }
  | {
      readonly kind: 'update';
      readonly symbol: string;
      readonly update: Update;
      /** The venue's own time, microseconds since 1970; null where it gives none. */
      readonly exchangeUs: number | null;
      /** The venue's checksum of the book after this update, where it sends one. */
      readonly checksum: number | null;
    }
  /** The adapter's own book disagrees with the venue's checksum or sequence. A live connector subscribes again. */
  | { readonly kind: 'resync'; readonly symbol: string; readonly reason: string };

/** One book as the venue's checksum rule wants it: decimal strings, best first. */
export interface VenueBook {
  readonly bids: readonly (readonly [price: string, size: string])[];
  readonly asks: readonly (readonly [price: string, size: string])[];
}

/** One connection's worth of adapter state. */
export interface VenueSession {
  /** Reads one text message. Throws only on a bug: what it cannot read it counts in `ignored`. */
  read(message: string): FeedEvent[];
  /**
   * What was told of a symbol's book could not be used: the next snapshot begins it anew, however old it is. Absent where
   * every snapshot of the venue does that anyway.
   */
  forget?(symbol: string): void;
  /**
   * The present book of one of Tickwire's symbols, with all changes that were handed out; null where none is followed, or where it can't be
   * published as it is.
   */
  book(symbol: string): BookSnapshot | null;
  readonly counts: { messages: number; ignored: number };
}

/** What a session must have read before a book means anything to it. A document is read with `messageOf`. */
export type LivePrelude =
  | { readonly kind: 'document'; readonly url: string }
  | { readonly kind: 'message'; readonly message: string; isAnswer(message: string): boolean };

/** How a live connector talks to one endpoint of a venue. Symbols are the venue's own. */
export interface LiveRules {
  /** WebSocket address. */
  readonly url: string;
  /** Asked first; nothing is subscribed to before it was answered. Null where the books stand alone. */
  prelude(venueSymbols: readonly string[]): LivePrelude | null;
  /** Messages that begin these books and their trades. */
  subscribe(venueSymbols: readonly string[]): readonly string[];
  /** Messages that make the venue state one book anew; null where only a snapshot or a new connection does. */
  resubscribe(venueSymbol: string): readonly string[] | null;
  /** Where a book's snapshot is had by HTTP, once the stream runs; read with `messageOf`. Null where the stream brings it. */
  snapshotUrl(venueSymbol: string): string | null;
  /** What the venue complains of in a message that meant no event; null where it does not. */
  complaint(message: string): string | null;
  /** After this long without a sign of the venue it is pinged, after twice that the connection is dead. */
  readonly silenceMs: number;
  /** The ping; null: a WebSocket ping. */
  ping(): string | null;
}

export interface Live {
  /** How the venue writes its symbols, and one of them for who mistook it. */
  readonly symbolForm: { readonly pattern: RegExp; readonly example: string };
  /** @param url another endpoint than the venue's own; null: that one. */
  rules(url: string | null): LiveRules;
}

export interface Venue {
  readonly name: string;
  /** A fresh session; `verify` makes it go on after a mismatch (counting is the caller's), where a live feed resyncs. */
  open(options: { readonly verify: boolean }): VenueSession;
  /** The venue's checksum of a book (its best levels at least) at the written scales, or null where the venue has none. */
  checksum: ((book: VenueBook, written: Scales) => number) | null;
  /** Tickwire's symbol for the venue's. */
  symbolOf(venueSymbol: string): string;
  /**
   * The session's message that the body of a document makes which was had by HTTP from `url`; null for those that say
   * nothing of a market. Absent where all that matters comes through the socket.
   */
  messageOf?(url: string, body: string): string | null;
  /** Null where the venue is known from captures only. */
  readonly live: Live | null;
}

/** The decimal string of a mantissa at `scale`, with as many digits as the venue writes. */
export function writeDecimal(mantissa: number, scale: number, writtenScale: number): string {
  const text = formatDecimal(mantissa, scale);
  if (writtenScale <= scale) return text;
  return `${text}${scale === 0 ? '.' : ''}${'0'.repeat(writtenScale - scale)}`;
}
