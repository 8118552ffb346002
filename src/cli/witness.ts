// Owns the comparison of one verification pass: what was published, with the exchange's checksums or with what an oracle
// makes of its messages, against what the client holds. The pass tells it of both sides. Invariant: every state that the
// client held is compared with what the exchange said for precisely that update, and no state is compared twice.

import type { LocalBook } from '../client/local-book.ts';
import type { Held } from '../client/stream.ts';
import { type Scales, type Venue, type VenueBook, writeDecimal } from '../feeds/feed.ts';
import type { FeedUpdate, Ingested } from '../feeds/ingest.ts';
import type { LadderLevel } from '../market/ladder.ts';
import type { Trade } from '../market/update.ts';
import type { TradeFrame } from '../protocol/frames.ts';
import type { Oracle } from './verify-oracle.ts';

/** Levels a side that are written for a checksum: no venue's covers more than 25. */
const CHECKSUM_LEVELS = 50;
/** Mismatches that are told one by one. */
const DETAILS_MAX = 5;

/** What states are held against: the checksum rule of an exchange that sends checksums, or an oracle. */
export type Standard = NonNullable<Venue['checksum']> | Oracle;

/** What the exchange vouches for at one update. */
interface Vouched {
  readonly checksum: number;
  readonly written: Scales;
}

/** One symbol's book on both sides. */
interface BookRecord {
  epoch: number;
  /** The newest update, and the newest one that changed anything: live mode need not show the others. */
  seq: number;
  changedSeq: number;
  heldSeq: number;
  /** By seq, of this epoch; oldest first. States that the client has passed are gone. */
  readonly vouched: Map<number, Vouched>;
}

interface PublishedTrade {
  readonly epoch: number;
  readonly seq: number;
  readonly trade: Trade;
}

export interface Tally {
  /** States held by the client that the exchange, or the oracle, vouches for. */
  checked: number;
  mismatches: number;
  tradesPublished: number;
  /** Each the one that was due. */
  tradesReceived: number;
}

export class Witness {
  readonly tally: Tally = { checked: 0, mismatches: 0, tradesPublished: 0, tradesReceived: 0 };
  /** What must not happen, by name. */
  readonly trouble: Record<string, number> = {};
  readonly details: string[] = [];
  private readonly writtenBySymbol = new Map<string, Scales>();
  private readonly books = new Map<string, BookRecord>();
  private readonly trades = new Map<string, PublishedTrade[]>();

  constructor(
    private readonly standard: Standard,
    /** Whether the client gets every state of a book, or merged ones. */
    private readonly everyState: boolean,
  ) {}

  /** From now on the venue writes the symbol's numbers like this. */
  writes(symbol: string, written: Scales): void {
    this.writtenBySymbol.set(symbol, written);
  }

  published({ event, published }: Ingested): void {
    if ('refused' in published) return;
    if (event.update.kind === 'trade') {
      this.tally.tradesPublished += 1;
      this.pending(event.symbol).push({ ...published, trade: event.update });
    } else if (event.update.kind === 'delta' || event.update.kind === 'snapshot') this.publishedBook(event, published);
  }

  /** The client's book moved on. */
  holds({ topic: { symbol, epoch, priceScale, sizeScale } }: Held, book: LocalBook): void {
    // Before the first update of an epoch the book is empty, and nobody vouches for that.
    if (book.seq === 0) return;
    const record = this.books.get(symbol);
    if (record === undefined || record.epoch !== epoch || book.seq > record.seq || book.seq <= record.heldSeq) {
      return this.troubled('states that were never published', `${symbol} seq ${book.seq}`);
    }
    record.heldSeq = book.seq;
    const scales = { priceScale, sizeScale };
    const { standard } = this;
    const wrong =
      typeof standard === 'function'
        ? judge(standard, passTo(record.vouched, book.seq), book, scales)
        : standard.judge(symbol, { epoch, seq: book.seq }, book, scales);
    if (wrong === undefined) return;
    this.tally.checked += 1;
    if (wrong === null) return;
    this.tally.mismatches += 1;
    this.detail(`${symbol} seq ${book.seq}: ${wrong}`);
  }

  /** The client was handed a trade. */
  receives({ topic: { symbol, epoch } }: Held, frame: TradeFrame): void {
    const due = this.pending(symbol).shift();
    const { seq, id, kind, side, price, size } = frame;
    const { trade } = due ?? {};
    const same =
      due?.epoch === epoch &&
      due.seq === seq &&
      trade?.tradeKind === kind &&
      (trade.id ?? seq) === id &&
      trade.side === side &&
      trade.price === price &&
      trade.size === size;
    if (same) this.tally.tradesReceived += 1;
    else this.troubled('trades that were not the next one', `${symbol} seq ${seq}, due was ${due?.seq ?? 'none'}`);
  }

  troubled(what: string, detail: string): void {
    this.trouble[what] = (this.trouble[what] ?? 0) + 1;
    this.detail(`${what}: ${detail}`);
  }

  /** Updates under way of which the client must see each one. */
  get outstanding(): number {
    let count = 0;
    for (const pending of this.trades.values()) count += pending.length;
    if (this.everyState) for (const { seq, heldSeq } of this.books.values()) count += seq - heldSeq;
    return count;
  }

  /** What the client has yet to be brought, in words; empty when it holds all that was published. */
  lacking(): string[] {
    const lacks: string[] = [];
    for (const [symbol, { seq, changedSeq, heldSeq }] of this.books) {
      if (heldSeq < (this.everyState ? seq : changedSeq)) lacks.push(`book ${symbol} at ${heldSeq} of ${seq}`);
    }
    for (const [symbol, pending] of this.trades) {
      if (pending.length > 0) lacks.push(`${pending.length} trades of ${symbol}`);
    }
    return lacks;
  }

  /** A whole book as the exchange writes it. */
  written({ topic: { symbol, priceScale, sizeScale } }: Held, book: LocalBook): VenueBook {
    const scales = { priceScale, sizeScale };
    return writtenBook(book, scales, this.writtenBySymbol.get(symbol) ?? scales, Number.POSITIVE_INFINITY);
  }

  private publishedBook({ symbol, update, checksum }: FeedUpdate, at: { epoch: number; seq: number }): void {
    let record = this.books.get(symbol);
    if (record?.epoch !== at.epoch) {
      record = { ...at, changedSeq: 0, heldSeq: 0, vouched: new Map() };
      this.books.set(symbol, record);
    }
    record.seq = at.seq;
    if (update.kind === 'snapshot' || (update.kind === 'delta' && update.bids.length + update.asks.length > 0)) {
      record.changedSeq = at.seq;
    }
    const written = this.writtenBySymbol.get(symbol);
    if (checksum !== null && written !== undefined) record.vouched.set(at.seq, { checksum, written });
  }

  private pending(symbol: string): PublishedTrade[] {
    let pending = this.trades.get(symbol);
    if (pending === undefined) {
      pending = [];
      this.trades.set(symbol, pending);
    }
    return pending;
  }

  private detail(text: string): void {
    if (this.details.length < DETAILS_MAX) this.details.push(text);
  }
}

/** Drops all states up to `seq`. @returns what was vouched for at `seq`, if anything. */
function passTo(vouched: Map<number, Vouched>, seq: number): Vouched | null {
  const found = vouched.get(seq) ?? null;
  for (const passed of vouched.keys()) {
    if (passed > seq) break;
    vouched.delete(passed);
  }
  return found;
}

/** What is wrong with the book, null if nothing, undefined where nobody vouches for its state. */
function judge(
  checksumOf: NonNullable<Venue['checksum']>,
  vouched: Vouched | null,
  book: LocalBook,
  scales: Scales,
): string | null | undefined {
  if (vouched === null) return undefined;
  const { checksum, written } = vouched;
  const found = checksumOf(writtenBook(book, scales, written, CHECKSUM_LEVELS), written);
  return found === checksum ? null : `the exchange's checksum is ${checksum}, the client's book gives ${found}`;
}

function writtenBook(book: LocalBook, scales: Scales, written: Scales, levelsMax: number): VenueBook {
  const write = ({ price, size }: LadderLevel) =>
    [
      writeDecimal(price, scales.priceScale, written.priceScale),
      writeDecimal(size, scales.sizeScale, written.sizeScale),
    ] as const;
  return { bids: bestFirst(book.bids, levelsMax).map(write), asks: bestFirst(book.asks, levelsMax).map(write) };
}

/** The client keeps its levels with the best last. */
export function bestFirst<T>(levels: readonly T[], levelsMax: number): T[] {
  return levels.slice(Math.max(0, levels.length - levelsMax)).reverse();
}
