// Owns the quote channel, published or derived from the book: the registry feeds it or lets it follow the book, and may
// change from one to the other. A derived quote carries the book's epoch and seq. Invariant: `seq` is an update at which the quote became what it is, so that every node tells the same.

import type { Entry, TopicState } from '../bus/bus.ts';
import type { Book } from '../market/book.ts';
import type { Quote } from '../market/update.ts';
import type { QuoteFrame } from '../protocol/frames.ts';
import type { BookFollower, BookTopic } from './book-topic.ts';
import { StateTopic } from './state-topic.ts';

const NO_QUOTE: Quote = { kind: 'quote', bidPrice: null, bidSize: 0, askPrice: null, askSize: 0 };

export class QuoteTopic extends StateTopic implements BookFollower {
  private quote: Quote = NO_QUOTE;
  /** Update up to which the book was followed; 0 where the quote is published. */
  private bookSeq = 0;

  /** A cursor may come from a node that loaded the book after the quote's last change. */
  override get headSeq(): number {
    return Math.max(this.seq, this.bookSeq);
  }

  bookRestarted(book: Book, source: BookTopic, nowMs: number): void {
    this.restart(source.epoch);
    this.ready = true;
    this.takeStamps(source, nowMs);
    this.bookSeq = source.seq;
    this.quote = quoteOf(book);
  }

  bookChanged(book: Book, source: BookTopic, nowMs: number): void {
    this.bookSeq = source.seq;
    this.updatedAtMs = nowMs;
    if (holds(this.quote, book)) return;
    const fromSeq = this.seq;
    this.seq = source.seq;
    this.quote = quoteOf(book);
    this.advanced(fromSeq, source.exchangeUs, source.publishUs, nowMs);
  }

  protected override get oldestSeq(): number {
    return 0;
  }

  protected override absorbState({ last }: TopicState): void {
    if (last?.kind === 'quote') this.quote = last;
  }

  protected override absorb({ update }: Entry): void {
    if (update.kind === 'quote') this.quote = update;
  }

  protected override clear(): void {
    this.quote = NO_QUOTE;
    this.bookSeq = 0;
  }

  protected override differenceFrame(fromSeq: number, _held: number, _depth: number, gatewayUs: number): QuoteFrame {
    const { bidPrice, bidSize, askPrice, askSize } = this.quote;
    const { id: topic, seq, exchangeUs, publishUs } = this;
    return {
      type: 'quote',
      topic,
      fromSeq,
      seq,
      exchangeUs,
      publishUs,
      gatewayUs,
      bidPrice,
      bidSize,
      askPrice,
      askSize,
    };
  }

  protected override isEmpty(): boolean {
    return false;
  }

  protected override ringFrame(fromSeq: number): QuoteFrame {
    return this.differenceFrame(fromSeq, 0, 0, 0);
  }
}

function quoteOf({ bestBid, bestAsk }: Book): Quote {
  return {
    kind: 'quote',
    bidPrice: bestBid?.price ?? null,
    bidSize: bestBid?.size ?? 0,
    askPrice: bestAsk?.price ?? null,
    askSize: bestAsk?.size ?? 0,
  };
}

function holds(quote: Quote, { bestBid, bestAsk }: Book): boolean {
  return (
    quote.bidPrice === (bestBid?.price ?? null) &&
    quote.bidSize === (bestBid?.size ?? 0) &&
    quote.askPrice === (bestAsk?.price ?? null) &&
    quote.askSize === (bestAsk?.size ?? 0)
  );
}
