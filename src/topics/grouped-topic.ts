// Owns a grouped book, `book@N:SYMBOL`: the levels of a book topic, summed into buckets of N ticks. It follows the book and keeps
// no levels of its own. Invariant: its epoch follows from the book's and from the width of the buckets, so that every node
// tells the same and a cursor of other buckets is answered by a fresh start; its seq is the book's.

import type { Book } from '../market/book.ts';
import { GroupedBook } from '../market/grouping.ts';
import type { Instrument } from '../market/instrument.ts';
import type { BookFrame } from '../protocol/frames.ts';
import { bookFrame, showsNothing } from './book-frame.ts';
import type { BookFollower, BookTopic } from './book-topic.ts';
import { StateTopic } from './state-topic.ts';

export class GroupedTopic extends StateTopic implements BookFollower {
  private book: GroupedBook | null = null;
  private source: { readonly book: Book; readonly topic: BookTopic } | null = null;

  bookRestarted(book: Book, topic: BookTopic, nowMs: number): void {
    this.source = { book, topic };
    this.restart(groupedEpoch(topic.epoch, this.span));
    this.book = new GroupedBook(book, this.span);
    this.ready = true;
    this.takeStamps(topic, nowMs);
  }

  bookChanged(_book: Book, topic: BookTopic, nowMs: number): void {
    const fromSeq = this.seq;
    this.seq = topic.seq;
    this.advanced(fromSeq, topic.exchangeUs, topic.publishUs, nowMs);
  }

  override redefine(instrument: Instrument): void {
    const { span } = this;
    super.redefine(instrument);
    // Other ticks make other buckets.
    if (this.span !== span && this.source !== null) {
      this.bookRestarted(this.source.book, this.source.topic, this.updatedAtMs);
    }
  }

  protected override get oldestSeq(): number {
    return this.book?.horizonSeq ?? 0;
  }

  private get span(): number {
    return this.group * this.instrument.tickSize;
  }

  /** Never called: it is not fed by the bus. */
  protected override absorbState(): void {}
  protected override absorb(): void {}

  protected override clear(): void {
    this.book = null;
  }

  protected override differenceFrame(fromSeq: number, held: number, depth: number, gatewayUs: number): BookFrame {
    return bookFrame(this, this.book!, fromSeq, held, depth, gatewayUs);
  }

  protected override isEmpty(made: BookFrame): boolean {
    return showsNothing(made);
  }

  protected override ringFrame(fromSeq: number): BookFrame {
    const made = this.differenceFrame(fromSeq, 0, 0, 0);
    return { ...made, bids: [...made.bids], asks: [...made.asks] };
  }
}

const HALF = 2 ** 24;

/** An epoch of 48 bits that is another for other epochs and other buckets, but never 0; 0 stays 0: there is none yet. */
export function groupedEpoch(epoch: number, span: number): number {
  if (epoch === 0) return 0;
  let high = Math.floor(epoch / HALF) ^ Math.floor(span / HALF);
  let low = (epoch % HALF) ^ (span % HALF);
  for (let round = 0; round < 4; round++) {
    high = (high ^ mixed(low + round)) & (HALF - 1);
    low = (low ^ mixed(high + round)) & (HALF - 1);
  }
  return high * HALF + low || 1;
}

function mixed(value: number): number {
  const once = Math.imul(value ^ (value >>> 13), 0x5bd1e995);
  return (once ^ (once >>> 15)) >>> 0;
}
