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
  /** What its numbers mean, price scale before size scale; empty until it is known. */
  scales = '';
  /** The history of which this one has the beginning, and how much of it. */
  private shared: History | null = null;
  private sharedSeq = 0;

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

  /** What is left of it where only the updates up to `seq` are. */
  upTo(seq: number): History {
    const left = new History(this.channel, this.symbol, this.epoch);
    left.shared = this;
    left.sharedSeq = seq;
    for (const name of ['stamps', 'books', 'quotes', 'statuses', 'trades'] as const) {
      const [from, to]: [unknown[], unknown[]] = [this[name], left[name]];
      to.splice(0, to.length, ...from.slice(0, seq + 1));
    }
    return left;
  }

  /** Whether the update that stood at `seq` in `other` stands here as well. */
  holds(other: History, seq: number): boolean {
    if (other === this) return true;
    return this.shared !== null && seq <= this.sharedSeq && this.shared.holds(other, seq);
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

/** An update by its number and its times. */
export interface Place extends Stamps {
  readonly seq: number;
}

/** The one in which the update stands; the first where none has it. */
function branchOf(
  branches: readonly History[] | undefined,
  { seq, exchangeUs, publishUs }: Place,
): History | undefined {
  if (branches === undefined || branches.length === 1) return branches?.[0];
  const found = branches.find(({ stamps }) => {
    return stamps[seq]?.exchangeUs === exchangeUs && stamps[seq]?.publishUs === publishUs;
  });
  return found ?? branches[0];
}

export class Oracle {
  /** More than one where a server went back and the epoch went on otherwise. */
  private readonly byEpoch = new Map<number, History[]>();
  private readonly current = new Map<string, History>();
  /** Epochs of which a server has forgotten some: also what scales they were of, where nobody had said so before. */
  readonly wentBack = new Set<number>();

  /** The present epoch of a topic, once something was published in it. */
  now(channel: UpdateChannel, symbol: string): History | undefined {
    return this.current.get(`${channel}:${symbol}`);
  }

  /** Any epoch that there was, as it was for an update; undefined where nothing was published in it, or where there was none such. */
  history(epoch: number, at: Place): History | undefined {
    return branchOf(this.byEpoch.get(epoch), at);
  }

  /** The epoch of a symbol's book whose buckets of `span` have this epoch. */
  historyOfBuckets(symbol: string, epoch: number, span: number, at: Place): History | undefined {
    return branchOf(this.branchesOfBuckets(symbol, epoch, span), at);
  }

  private branchesOfBuckets(symbol: string, epoch: number, span: number): readonly History[] | undefined {
    return [...this.byEpoch.values()].find(([history]) => {
      const fits = history!.symbol === symbol && history!.channel === 'book';
      return fits && groupedEpoch(history!.epoch, span) === epoch;
    });
  }

  /** Epochs that were not the same for everybody. */
  get splits(): number {
    return [...this.byEpoch.values()].filter((branches) => branches.length > 1).length;
  }

  /** Whether a topic's epoch was not the same for everybody. `span` 0: it is not grouped. */
  isSplit(symbol: string, epoch: number, span: number): boolean {
    const branches = span === 0 ? this.byEpoch.get(epoch) : this.branchesOfBuckets(symbol, epoch, span);
    return (branches?.length ?? 0) > 1;
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
      this.byEpoch.set(epoch, [history]);
      this.current.set(key, history);
    }
    if (history.epoch !== epoch) throw new Error(`${key}: epoch ${epoch} where ${history.epoch} goes on`);
    if (history.newestSeq + 1 !== seq) throw new Error(`${key}: seq ${seq} after ${history.newestSeq}`);
    const branches = this.byEpoch.get(epoch)!;
    if (!branches.includes(history)) branches.push(history);
    history.push(update, stamps);
  }

  /** The server has gone back to what it held of a topic at `seq` of an epoch. */
  goBack(channel: UpdateChannel, symbol: string, epoch: number, at: Place): void {
    const { seq } = at;
    this.wentBack.add(epoch);
    const history = branchOf(this.byEpoch.get(epoch), at);
    if (history === undefined) this.end(channel, symbol);
    else this.current.set(`${channel}:${symbol}`, history.newestSeq === seq ? history : history.upTo(seq));
  }

  /** A topic begins anew. */
  end(channel: UpdateChannel, symbol: string): void {
    this.current.delete(`${channel}:${symbol}`);
  }

  /** All topics of the symbol begin anew. */
  renew(symbol: string): void {
    for (const channel of ['book', 'quote', 'trade', 'status'] as const) this.end(channel, symbol);
  }
}
