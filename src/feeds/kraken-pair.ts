// Owns one pair of a Kraken session: its decimals and its book, cut to the subscribed depth as Kraken's rules demand.
// The session feeds it readings. Decimals are those that the venue writes, unless a number would leave the safe integers
// with all of its zeros (an ask at 99999997.00000000): then they are no more than the digits that matter.
// Invariant: each readable message of a followed book is one update, and a book whose checksum fails is followed no further.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { BookSnapshot } from '../market/update.ts';
import { formatDecimal, parseDecimal, SCALE_MAX, scaleOf } from '../protocol/decimal.ts';
import type { FeedEvent, Scales } from './feed.ts';
import { checksumOfLevels, checksumTextOf } from './kraken-checksum.ts';
import type {
  BookReading,
  PrecisionReading,
  Reading,
  TextLevel,
  TradeReading,
  UnreadableReading,
} from './kraken-frames.ts';
import { Ladder, type Level } from './ladder.ts';
import { mantissaOf, movedExactly, sameScales, significantScaleOf, step, widest } from './scales.ts';

/** The depths that Kraken offers, for v2 books whose subscription was not seen. */
const DEPTHS_OFFERED = [10, 25, 100, 500, 1_000] as const;

interface Book {
  readonly bids: Ladder;
  readonly asks: Ladder;
}

/** `unseen`: no snapshot yet. `lost`: updates are dropped until the next one. */
type Following =
  | { readonly kind: 'unseen' | 'lost' }
  | { readonly kind: 'live'; readonly book: Book; readonly exchangeUs: number | null };

/** How the pair's numbers are held and how the venue writes them. */
interface Notation {
  readonly definition: InstrumentDefinition;
  readonly written: Scales;
}

/** A message's numbers, and the followed book, at the same scales. */
interface Fitted {
  readonly notation: Notation;
  /** In the order of the message. */
  readonly levels: readonly Level[];
  readonly book: Book | null;
}

export class KrakenPair {
  private readonly symbol: string;
  private readonly verify: boolean;
  private notation: Notation | null = null;
  /** The notation has been handed on as an event; from then on so is every change of it. */
  private announced = false;
  /** The written decimals are the instrument channel's word, so that zeros beyond them mean nothing. */
  private declared = false;
  private depthLevels: number | null = null;
  private following: Following = { kind: 'unseen' };

  constructor(symbol: string, verify: boolean) {
    this.symbol = symbol;
    this.verify = verify;
  }

  /** Adds what the reading means to `events`. @returns false where it was left out. */
  take(reading: Exclude<Reading, UnreadableReading>, events: FeedEvent[]): boolean {
    switch (reading.kind) {
      case 'book':
        return this.takeBook(reading, events);
      case 'trades':
        return this.takeTrades(reading, events);
      case 'precision':
        return this.takePrecision(reading, events);
      case 'depth':
        this.depthLevels = reading.depthLevels;
        return true;
    }
  }

  /** The book that is followed, at the announced scales. */
  snapshot(): BookSnapshot | null {
    return this.following.kind === 'live' ? snapshotOf(this.following.book) : null;
  }

  /** A message that could not be read may have changed the book. */
  miss(events: FeedEvent[]): false {
    if (this.following.kind !== 'live') return false;
    return this.lose('unreadable book message', events, { stay: this.verify });
  }

  private takeBook(reading: BookReading, events: FeedEvent[]): boolean {
    if (!reading.snapshot && this.following.kind !== 'live') return this.refuse(events);
    const fitted = this.fit([...reading.asks, ...reading.bids], reading);
    const book = reading.snapshot ? emptyBook() : fitted?.book;
    if (!fitted || !book) {
      return this.lose('number out of range', events, { stay: this.verify && this.following.kind === 'live' });
    }
    fitted.levels.forEach((level, index) => {
      (index < reading.asks.length ? book.asks : book.bids).put(level);
    });
    cut(book, reading.depthLevels ?? this.depthOf(reading));
    const { definition, written } = fitted.notation;
    const { checksum, exchangeUs } = reading;
    const { bids, asks } = book;
    if (!this.verify && checksum !== null && checksum !== checksumOf(book, fitted.notation)) {
      return this.lose('checksum mismatch', events);
    }
    const restated = reading.snapshot || !sameScales(definition, this.notation?.definition);
    this.announce({ definition, written }, events);
    this.following = { kind: 'live', book, exchangeUs };
    const delta = { kind: 'delta', bids: bids.drain(), asks: asks.drain() } as const;
    const update = restated ? snapshotOf(book) : delta;
    events.push({ kind: 'update', symbol: this.symbol, update, exchangeUs, checksum });
    return true;
  }

  /** An update that there is no book for. */
  private refuse(events: FeedEvent[]): false {
    return this.following.kind === 'lost' ? false : this.lose('update before a snapshot', events);
  }

  /** Says that the book must be had anew, and drops it; it may `stay` where the caller only counts. */
  private lose(reason: string, events: FeedEvent[], { stay = false } = {}): false {
    if (!stay) this.following = { kind: 'lost' };
    events.push({ kind: 'resync', symbol: this.symbol, reason });
    return false;
  }

  private takeTrades({ trades }: TradeReading, events: FeedEvent[]): boolean {
    const fitted = this.fit(trades.map(({ price, size }) => [price, size]));
    if (fitted === null || fitted.levels.some((level) => level.size === 0)) return false;
    this.moveTo(fitted.notation, fitted.book, events);
    trades.forEach(({ id, side, exchangeUs }, index) => {
      const { price, size } = fitted.levels[index]!;
      const update = { kind: 'trade', id, tradeKind: 'trade', side, price, size } as const;
      events.push({ kind: 'update', symbol: this.symbol, update, exchangeUs, checksum: null });
    });
    return true;
  }

  /** A pair is announced with its first update, lest all that Kraken lists be listed here. */
  private takePrecision(reading: PrecisionReading, events: FeedEvent[]): boolean {
    const written = { priceScale: reading.priceScale, sizeScale: reading.sizeScale };
    const unfit = this.following.kind === 'live' && this.bookAt(written) === null;
    const scales = unfit ? this.leastFor([]) : written;
    const definition = {
      symbol: this.symbol,
      ...scales,
      ...step('tickSize', mantissaOf(reading.priceIncrement, scales.priceScale)),
      ...step('lotSize', mantissaOf(reading.sizeIncrement, scales.sizeScale)),
    };
    this.declared = true;
    if (this.announced) this.moveTo({ definition, written }, this.bookAt(scales), events);
    else this.notation = { definition, written };
    return true;
  }

  /** Scales at which these numbers, and the followed book unless a snapshot replaces it, are exact; null if there are none. */
  private fit(texts: readonly TextLevel[], { snapshot = false, checksumAsSent = false } = {}): Fitted | null {
    const written = this.writtenWith(texts);
    const wanted = this.wantedFor(texts, written);
    const at = (scales: Scales) => this.fitAt(texts, { scales, written, snapshot, checksumAsSent });
    const fitted = at(wanted);
    if (fitted !== null) return fitted;
    const least = this.leastFor(texts, snapshot);
    return (
      at({ ...wanted, priceScale: least.priceScale }) ?? at({ ...wanted, sizeScale: least.sizeScale }) ?? at(least)
    );
  }

  private fitAt(
    texts: readonly TextLevel[],
    options: { scales: Scales; written: Scales; snapshot: boolean; checksumAsSent: boolean },
  ): Fitted | null {
    const { scales, written, snapshot, checksumAsSent } = options;
    if (scales.priceScale > SCALE_MAX || scales.sizeScale > SCALE_MAX) return null;
    const levels = texts.map((text) => levelOf(text, scales, checksumAsSent)).filter((level) => level !== null);
    if (levels.length < texts.length) return null;
    const book = snapshot ? null : this.bookAt(scales);
    if (book === null && !snapshot && this.following.kind === 'live') return null;
    return { notation: { definition: this.definitionAt(scales), written }, levels, book };
  }

  /** The venue's decimals: declared, or the most that any number has shown. */
  private writtenWith(texts: readonly TextLevel[]): Scales {
    const known = this.notation?.written ?? { priceScale: 0, sizeScale: 0 };
    return this.declared ? known : widest(texts, scaleOf, known);
  }

  /** As written when that is news, else as before with room for the digits that matter. */
  private wantedFor(texts: readonly TextLevel[], written: Scales): Scales {
    if (this.notation === null || !sameScales(written, this.notation.written)) return written;
    return widest(texts, significantScaleOf, this.notation.definition);
  }

  /** Room for the digits that matter, and for nothing else. */
  private leastFor(texts: readonly TextLevel[], snapshot = false): Scales {
    const least = widest(texts, significantScaleOf, { priceScale: 0, sizeScale: 0 });
    if (snapshot || this.following.kind !== 'live' || this.notation === null) return least;
    const { bids, asks } = this.following.book;
    const { priceScale, sizeScale } = this.notation.definition;
    const held = [...bids.levels, ...asks.levels].map(
      ({ price, size }): TextLevel => [formatDecimal(price, priceScale), formatDecimal(size, sizeScale)],
    );
    return widest(held, significantScaleOf, least);
  }

  private definitionAt(scales: Scales): InstrumentDefinition {
    const definition = this.notation?.definition;
    if (definition === undefined) return { symbol: this.symbol, ...scales };
    if (sameScales(definition, scales)) return definition;
    const { priceScale, sizeScale, tickSize = 0, lotSize = 0 } = definition;
    return {
      symbol: this.symbol,
      priceScale: scales.priceScale,
      sizeScale: scales.sizeScale,
      ...step('tickSize', movedExactly(tickSize, priceScale, scales.priceScale) ?? 0),
      ...step('lotSize', movedExactly(lotSize, sizeScale, scales.sizeScale) ?? 0),
    };
  }

  /** The followed book at other scales; null where there is none, or where it would not be exact. */
  private bookAt(scales: Scales): Book | null {
    if (this.following.kind !== 'live' || this.notation === null) return null;
    const { definition } = this.notation;
    if (sameScales(definition, scales)) return this.following.book;
    const move = (level: Level): Level | null => {
      const price = movedExactly(level.price, definition.priceScale, scales.priceScale);
      const size = movedExactly(level.size, definition.sizeScale, scales.sizeScale);
      return price === null || size === null ? null : { ...level, price, size };
    };
    const bids = this.following.book.bids.moved(move);
    const asks = this.following.book.asks.moved(move);
    return bids === null || asks === null ? null : { bids, asks };
  }

  /** Moves to other scales between book messages; a followed book is then stated anew. */
  private moveTo(notation: Notation, book: Book | null, events: FeedEvent[]): void {
    const restated = !sameScales(notation.definition, this.notation?.definition);
    this.announce(notation, events);
    if (book === null || this.following.kind !== 'live' || !restated) return;
    const { exchangeUs } = this.following;
    this.following = { kind: 'live', book, exchangeUs };
    events.push({ kind: 'update', symbol: this.symbol, update: snapshotOf(book), exchangeUs, checksum: null });
  }

  private announce(notation: Notation, events: FeedEvent[]): void {
    if (this.announced && sameNotation(this.notation, notation)) return;
    this.notation = notation;
    this.announced = true;
    events.push({ kind: 'instrument', ...notation });
  }

  /** The subscribed depth; where nobody said it, the least one on offer that the snapshots fitted into. */
  private depthOf({ snapshot, asks, bids }: BookReading): number {
    const longest = Math.max(asks.length, bids.length, 1);
    if (snapshot && longest > (this.depthLevels ?? 0)) {
      this.depthLevels = DEPTHS_OFFERED.find((depth) => longest <= depth) ?? longest;
    }
    return this.depthLevels ?? longest;
  }
}

function emptyBook(): Book {
  return { bids: new Ladder('bid'), asks: new Ladder('ask') };
}

function snapshotOf({ bids, asks }: Book): BookSnapshot {
  return { kind: 'snapshot', bids: bids.flat(), asks: asks.flat() };
}

function checksumOf({ bids, asks }: Book, { definition, written }: Notation): number {
  return checksumOfLevels({ bids: bids.levels, asks: asks.levels }, definition, written);
}

/** Kraken sends no removal for a level that falls out of the depth: whoever follows it has to remove it. */
function cut({ bids, asks }: Book, depthLevels: number): void {
  bids.cut(depthLevels);
  asks.cut(depthLevels);
}

function levelOf([priceText, sizeText]: TextLevel, scales: Scales, checksumAsSent: boolean): Level | null {
  const price = parseDecimal(priceText, scales.priceScale);
  const size = parseDecimal(sizeText, scales.sizeScale);
  if (typeof price !== 'number' || typeof size !== 'number' || price <= 0 || size < 0) return null;
  return { price, size, orders: 0, checksumText: checksumAsSent ? checksumTextOf(priceText, sizeText) : null };
}

function sameNotation(a: Notation | null, b: Notation): boolean {
  return (
    sameScales(b.definition, a?.definition) &&
    sameScales(b.written, a?.written) &&
    a?.definition.tickSize === b.definition.tickSize &&
    a?.definition.lotSize === b.definition.lotSize
  );
}
