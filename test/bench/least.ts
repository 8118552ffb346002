// Owns what no gateway can do without, whatever it checks or counts: a book that takes the update in, and an encoding of what it changed.
// The subjects that measure it do it for each update. Invariant: nothing is checked, and nobody is sent what is made here.

import { Book } from '../../src/market/book.ts';
import type { TopicContext } from '../../src/protocol/codec.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { bookFrame } from '../../src/topics/book-frame.ts';
import { firstBook, type PreparedUpdate } from './updates.ts';

export class Least {
  private readonly books: Book[];
  private readonly contexts: TopicContext[];
  private readonly seqs: number[];
  private readonly writer = new ByteWriter(1 << 16);
  private readonly source = { id: 0, seq: 0, exchangeUs: 0, publishUs: 0, stride: 2 };

  /** @param symbols one book each. */
  constructor(symbols: readonly string[]) {
    this.contexts = symbols.map((symbol) => ({ channel: 'book', symbol, priceScale: 2, sizeScale: 4, stride: 2 }));
    this.books = symbols.map((_, topic) => {
      const { bids, asks } = firstBook(topic);
      const book = new Book();
      book.applySnapshot(bids, asks, 1);
      return book;
    });
    this.seqs = symbols.map(() => 1);
  }

  take({ topic, delta }: PreparedUpdate, intendedUs: number): void {
    const { source, writer } = this;
    const book = this.books[topic]!;
    const seq = ++this.seqs[topic]!;
    book.applyDelta(delta.bids, delta.asks, seq);
    source.id = topic;
    source.seq = seq;
    source.exchangeUs = intendedUs;
    source.publishUs = intendedUs;
    writer.length = 0;
    msgpackCodec.encode(writer, { type: 'time', timeUs: intendedUs });
    msgpackCodec.encode(writer, bookFrame(source, book, seq - 1, 0, 0, intendedUs), this.contexts[topic]);
  }
}
