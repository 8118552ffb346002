// Owns the comparing of what one client holds with what really was. Its witness hands it every frame with a stamp, and every book.
// Invariant: nothing is believed but the oracle: stamps, scales, epochs and levels are compared one by one.

import type { LocalBook } from '../../src/client/local-book.ts';
import type { Held } from '../../src/client/stream.ts';
import type { LadderLevel } from '../../src/market/ladder.ts';
import { type QuoteFrame, type Stamp, topicName } from '../../src/protocol/frames.ts';
import type { History, NaiveBook, NaiveLevel, Oracle } from './oracle.ts';

/** Books longer than this are compared level by level only now and then; their checksum always. */
const ALWAYS_COMPARED_MAX = 200;
const LONG_COMPARED_EVERY = 16;

export class Comparison {
  /** Frames that were checked. */
  checks = 0;
  private longBooks = 0;

  constructor(
    private readonly oracle: Oracle,
    private readonly fail: (what: string) => never,
  ) {}

  /** The history of the frame's epoch, after its stamps were checked; undefined where nothing was ever published. */
  historyOf(held: Held, channel: string | null, frame: Stamp): History | undefined {
    this.checks += 1;
    const { epoch, symbol, group = 0, tickSize } = held.topic;
    const { oracle } = this;
    const history =
      group === 0 ? oracle.history(epoch, frame) : oracle.historyOfBuckets(symbol, epoch, tickSize, frame);
    const stamps = history?.stamps[frame.seq];
    const scales = `${held.topic.priceScale}.${held.topic.sizeScale}`;
    const known = history !== undefined && history.scales !== '' && !oracle.wentBack.has(history.epoch);
    if (known && history.scales !== scales) {
      this.fail(`${nameOf(held)}: scales ${scales} where the numbers are of ${history.scales}`);
    }
    if (history !== undefined && history.symbol !== held.topic.symbol) this.fail(`${nameOf(held)}: a foreign epoch`);
    if (history !== undefined && channel !== null && history.channel !== channel) {
      this.fail(`${nameOf(held)}: an epoch of ${history.channel}`);
    }
    if (stamps === undefined) {
      if (frame.seq > 0) this.fail(`${nameOf(held)}: seq ${frame.seq} was never published`);
    } else if (stamps.exchangeUs !== frame.exchangeUs || stamps.publishUs !== frame.publishUs) {
      this.fail(`${nameOf(held)}: stamps of another update at seq ${frame.seq}`);
    }
    return history;
  }

  compareBook(held: Held, book: LocalBook, naive: NaiveBook, depth: number, always: boolean): void {
    if (book.checksum !== naive.checksum(depth)) this.fail(`${nameOf(held)}: the book differs at seq ${held.seq}`);
    const long = book.bids.length + book.asks.length > ALWAYS_COMPARED_MAX;
    if (long && !always && ++this.longBooks % LONG_COMPARED_EVERY !== 0) return;
    const counts = held.topic.stride === 3;
    if (!sameSide(book.bids, naive.bids, depth, counts) || !sameSide(book.asks, naive.asks, depth, counts)) {
      this.fail(`${nameOf(held)}: the book's levels differ at seq ${held.seq} depth ${depth}`);
    }
  }
}

export function nameOf({ topic }: Held): string {
  return topicName(topic.channel, topic.symbol, topic.group);
}

export function quoteAt(history: History, seq: number): Pick<QuoteFrame, QuoteField> | undefined {
  return history.channel === 'book' ? history.derivedQuote(seq) : history.quotes[seq];
}

type QuoteField = 'bidPrice' | 'bidSize' | 'askPrice' | 'askSize';

export function sameQuote(a: Pick<QuoteFrame, QuoteField>, b: Pick<QuoteFrame, QuoteField>): boolean {
  return a.bidPrice === b.bidPrice && a.bidSize === b.bidSize && a.askPrice === b.askPrice && a.askSize === b.askSize;
}

/** The client's side, best last, against the oracle's, best first. */
function sameSide(held: readonly LadderLevel[], naive: readonly NaiveLevel[], depth: number, counts: boolean): boolean {
  const shown = depth === 0 ? naive.length : Math.min(depth, naive.length);
  if (held.length !== shown) return false;
  for (let i = 0; i < shown; i++) {
    const a = held[shown - 1 - i]!;
    const b = naive[i]!;
    if (a.price !== b.price || a.size !== b.size || a.count !== (counts ? b.count : 0)) return false;
  }
  return true;
}
