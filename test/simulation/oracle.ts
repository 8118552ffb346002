// Owns what really happened: for each topic and epoch the whole state at every sequence number, kept in the plainest way.
// The venues and the clients' witnesses ask it. Invariant: independent of src/market: levels are copied and searched one by
// one, checksums come from murmur.ts.

import type { Published } from '../../src/bus/bus.ts';
import type { BookDelta, BookSnapshot, Quote, StatusChange, Trade, Update } from '../../src/market/update.ts';
import { groupedEpoch } from '../../src/topics/grouped-topic.ts';
import { naiveLevelHash } from './murmur.ts';

export interface NaiveLevel {
  readonly price: number;
  readonly size: number;
  readonly count: number;
  /** -1 until it is asked for. */
  hash: number;
}

export class NaiveBook {
  private readonly sums = new Map<number, number>();
  private readonly groupings = new Map<number, NaiveBook>();
  /** The answer that was given last: an update is looked at before it is published, and applied after. */
  private asked: { readonly update: Update; readonly book: NaiveBook } | null = null;

  /** Both sides best first. */
  constructor(
    readonly bids: readonly NaiveLevel[],
    readonly asks: readonly NaiveLevel[],
  ) {}

  /** The book after a delta or a snapshot. */
  after(update: BookDelta | BookSnapshot): NaiveBook {
    if (this.asked?.update === update) return this.asked.book;
    const [bids, asks] = update.kind === 'snapshot' ? [[], []] : [this.bids, this.asks];
    const book = new NaiveBook(changed(bids, update.bids, 1), changed(asks, update.asks, -1));
    this.asked = { update, book };
    return book;
  }

  get crossed(): boolean {
    const [bid] = this.bids;
    const [ask] = this.asks;
    return bid !== undefined && ask !== undefined && bid.price > ask.price;
  }

  /** Of the best `depth` levels; 0: all. */
  checksum(depth: number): number {
    let sum = this.sums.get(depth);
    if (sum === undefined) {
      sum = (sideSum(this.bids, depth, 0) + sideSum(this.asks, depth, 1)) % 0x1_0000_0000;
      this.sums.set(depth, sum);
    }
    return sum;
  }

  /** Levels summed into buckets of `span` mantissas: bids rounded down, asks up. */
  grouped(span: number): NaiveBook {
    let book = this.groupings.get(span);
    if (book === undefined) {
      book = new NaiveBook(bucketed(this.bids, span, Math.floor), bucketed(this.asks, span, Math.ceil));
      this.groupings.set(span, book);
    }
    return book;
  }

  get quote(): Quote {
    const [bid] = this.bids;
    const [ask] = this.asks;
    return {
      kind: 'quote',
      bidPrice: bid === undefined ? null : bid.price,
      bidSize: bid === undefined ? 0 : bid.size,
      askPrice: ask === undefined ? null : ask.price,
      askSize: ask === undefined ? 0 : ask.size,
    };
  }
}

function bucketed(
  levels: readonly NaiveLevel[],
  span: number,
  round: (quotient: number) => number,
): readonly NaiveLevel[] {
  const buckets: NaiveLevel[] = [];
  for (const { price, size, count } of levels) {
    const bucket = round(price / span) * span;
    const last = buckets.at(-1);
    if (last?.price !== bucket) buckets.push({ price: bucket, size, count, hash: -1 });
    else buckets[buckets.length - 1] = { price: bucket, size: last.size + size, count: last.count + count, hash: -1 };
  }
  return buckets;
}

function changed(levels: readonly NaiveLevel[], flat: readonly number[], sign: 1 | -1): NaiveLevel[] {
  const after = levels.slice();
  for (let i = 0; i < flat.length; i += 3) {
    const [price, size, count] = [flat[i]!, flat[i + 1]!, flat[i + 2]!];
    let at = 0;
    while (at < after.length && (after[at]!.price - price) * sign > 0) at += 1;
    const found = at < after.length && after[at]!.price === price ? 1 : 0;
    if (size === 0) after.splice(at, found);
    else after.splice(at, found, { price, size, count, hash: -1 });
  }
  return after;
}

function sideSum(levels: readonly NaiveLevel[], depth: number, side: 0 | 1): number {
  const shown = depth === 0 ? levels.length : Math.min(depth, levels.length);
  let sum = 0;
  for (let i = 0; i < shown; i++) {
    const level = levels[i]!;
    if (level.hash < 0) level.hash = naiveLevelHash(side, level.price, level.size);
    sum += level.hash;
  }
  return sum % 0x1_0000_0000;
}

export const EMPTY_BOOK = new NaiveBook([], []);
export const NO_QUOTE = EMPTY_BOOK.quote;
export const LIVE: StatusChange = { kind: 'status', status: 'live', reason: null };

export type UpdateChannel = 'book' | 'quote' | 'trade' | 'status';

export function channelOf({ kind }: Update): UpdateChannel {
  return kind === 'delta' || kind === 'snapshot' ? 'book' : kind;
}

export interface Stamps {
  readonly exchangeUs: number | null;
  readonly publishUs: number;
}

/** One epoch of one topic. Index is the sequence number. */
export class History {
  readonly stamps: Stamps[] = [{ exchangeUs: null, publishUs: 0 }];
  readonly books: NaiveBook[] = [EMPTY_BOOK];
  readonly quotes: Quote[] = [NO_QUOTE];
  readonly statuses: StatusChange[] = [LIVE];
  readonly trades: (Trade | null)[] = [null];

  constructor(
    readonly channel: UpdateChannel,
    readonly symbol: string,
    readonly epoch: number,
  ) {}

  get newestSeq(): number {
    return this.stamps.length - 1;
  }

  get newestBook(): NaiveBook {
    return this.books[this.books.length - 1]!;
  }

  push(update: Update, stamps: Stamps): void {
    this.stamps.push(stamps);
    if (update.kind === 'quote') this.quotes.push(update);
    else if (update.kind === 'status') this.statuses.push(update);
    else if (update.kind === 'trade') this.trades.push(update);
    else this.books.push(this.newestBook.after(update));
  }

  /** The quote that a follower of the book tells at an update. */
  derivedQuote(seq: number): Quote | undefined {
    return this.books[seq]?.quote;
  }
}

export class Oracle {
  private readonly byEpoch = new Map<number, History>();
  private readonly current = new Map<string, History>();

  /** The present epoch of a topic, once something was published in it. */
  now(channel: UpdateChannel, symbol: string): History | undefined {
    return this.current.get(`${channel}:${symbol}`);
  }

  /** Any epoch that there was; undefined where nothing was published in it, or where there was none such. */
  history(epoch: number): History | undefined {
    return this.byEpoch.get(epoch);
  }

  /** The epoch of a symbol's book whose buckets of `span` have this epoch. */
  historyOfBuckets(symbol: string, epoch: number, span: number): History | undefined {
    for (const history of this.byEpoch.values()) {
      const fits = history.symbol === symbol && history.channel === 'book';
      if (fits && groupedEpoch(history.epoch, span) === epoch) return history;
    }
    return undefined;
  }

  /** The bus took an update. @throws Error where its epoch or number is not the one that must follow. */
  record(symbol: string, update: Update, published: Published, stamps: Stamps): void {
    if ('refused' in published) throw new Error('a refusal is no record');
    const channel = channelOf(update);
    const key = `${channel}:${symbol}`;
    const { epoch, seq } = published;
    let history = this.current.get(key);
    if (history === undefined) {
      if (this.byEpoch.has(epoch)) throw new Error(`${key}: epoch ${epoch} began twice`);
      history = new History(channel, symbol, epoch);
      this.byEpoch.set(epoch, history);
      this.current.set(key, history);
    }
    if (history.epoch !== epoch) throw new Error(`${key}: epoch ${epoch} where ${history.epoch} goes on`);
    if (history.newestSeq + 1 !== seq) throw new Error(`${key}: seq ${seq} after ${history.newestSeq}`);
    history.push(update, stamps);
  }

  /** All topics of the symbol begin anew. */
  renew(symbol: string): void {
    for (const channel of ['book', 'quote', 'trade', 'status']) this.current.delete(`${channel}:${symbol}`);
  }
}
