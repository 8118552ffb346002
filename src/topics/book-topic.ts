// Owns the book channel: a Book, asked for differences at any depth, and followed by what is derived from it. The book is the sequencer's
// own where that lives in this process, else one that follows the bus. Invariant: followers are told of every change, after it.

import type { Entry, TopicState } from '../bus/bus.ts';
import { Book } from '../market/book.ts';
import type { Instrument } from '../market/instrument.ts';
import { LEVEL_STRIDE, type Update } from '../market/update.ts';
import type { BookFrame, FlatLevels } from '../protocol/frames.ts';
import { bookFrame, showsNothing } from './book-frame.ts';
import { StateTopic } from './state-topic.ts';
import type { AnswerCounters, TopicLimits, Turn } from './topic.ts';

/** Told after each change of the book; the derived quote. */
export interface BookFollower {
  /** The book is of this epoch, and not loaded yet. */
  restart(epoch: number): void;
  bookChanged(book: Book, source: BookTopic, nowMs: number): void;
  bookRestarted(book: Book, source: BookTopic, nowMs: number): void;
}

export class BookTopic extends StateTopic {
  book: Book;
  private newest: Update | null = null;
  private readonly followers = new Set<BookFollower>();
  /** The book is the sequencer's: it has every update already, and is not to be written. */
  private isShared = false;

  constructor(
    id: number,
    instrument: Instrument,
    turn: Turn,
    counters: AnswerCounters,
    limits: TopicLimits,
    /** The sequencer's own book of the symbol, where there is one. */
    private readonly ownBook: () => Book | undefined,
  ) {
    super(id, 'book', instrument, turn, counters, limits);
    this.book = this.begun();
  }

  get followed(): boolean {
    return this.followers.size > 0;
  }

  override get crossed(): boolean {
    return this.book.crossed;
  }

  /** @returns the function that ends it. */
  follow(follower: BookFollower, nowMs: number): () => void {
    this.followers.add(follower);
    if (this.ready) follower.bookRestarted(this.book, this, nowMs);
    return () => this.followers.delete(follower);
  }

  /** What is to be loaded where these updates came after the state: the sequencer's own book has them already. */
  presentOf(state: TopicState, later: readonly Entry[]): TopicState {
    const newest = later.at(-1);
    if (newest === undefined || this.ownBook() === undefined || newest.seq <= state.seq) return state;
    const { seq, exchangeUs, publishUs } = newest;
    return { ...state, seq, exchangeUs, publishUs };
  }

  override load(state: TopicState, nowMs: number): void {
    super.load(state, nowMs);
    for (const follower of this.followers) follower.bookRestarted(this.book, this, nowMs);
  }

  override apply(entry: Entry, nowMs: number): void {
    super.apply(entry, nowMs);
    for (const follower of this.followers) follower.bookChanged(this.book, this, nowMs);
  }

  override restart(epoch: number): void {
    super.restart(epoch);
    for (const follower of this.followers) {
      if (this.ready) follower.bookRestarted(this.book, this, this.updatedAtMs);
      else follower.restart(epoch);
    }
  }

  protected override get oldestSeq(): number {
    return this.book.horizonSeq;
  }

  protected override absorbState({ book }: TopicState): void {
    if (book !== null && !this.isShared) this.book = Book.load(book, this.limits.tombstonesMax);
  }

  protected override absorb({ seq, update }: Entry): void {
    this.newest = update;
    if (this.isShared) return;
    if (update.kind === 'delta') this.book.applyDelta(update.bids, update.asks, seq);
    else if (update.kind === 'snapshot') this.book.applySnapshot(update.bids, update.asks, seq);
  }

  protected override clear(): void {
    this.book = this.begun();
  }

  private begun(): Book {
    const own = this.ownBook();
    this.isShared = own !== undefined;
    return own ?? new Book(this.limits.tombstonesMax);
  }

  protected override differenceFrame(fromSeq: number, held: number, depth: number, gatewayUs: number): BookFrame {
    return bookFrame(this, this.book, fromSeq, held, depth, gatewayUs);
  }

  protected override isEmpty(made: BookFrame): boolean {
    return showsNothing(made);
  }

  /** A delta goes out as it came; a snapshot as what it changed. */
  protected override ringFrame(fromSeq: number): BookFrame {
    const { newest, stride } = this;
    if (newest?.kind !== 'delta' || fromSeq === 0) {
      const made = this.differenceFrame(fromSeq < this.oldestSeq ? 0 : fromSeq, 0, 0, 0);
      return { ...made, bids: [...made.bids], asks: [...made.asks] };
    }
    const bids = strided(newest.bids, stride);
    const asks = strided(newest.asks, stride);
    const checksum = this.book.checksum(0);
    const { id: topic, seq, exchangeUs, publishUs } = this;
    // Written out, here as in all frames that are made for each update: spread, one takes seven times as long to make.
    return {
      type: 'book',
      topic,
      fromSeq,
      seq,
      exchangeUs,
      publishUs,
      gatewayUs: 0,
      depth: 0,
      checksum,
      stride,
      bids,
      asks,
      parts: 0,
    };
  }
}

/** An update's levels with as many numbers each as the topic's frames have. */
function strided(flat: FlatLevels, stride: number): FlatLevels {
  if (stride === LEVEL_STRIDE) return flat;
  // As long as it needs to be: a ring keeps a thousand of them, and one that grew by pushing takes more than twice the memory.
  const out = new Array<number>((flat.length / LEVEL_STRIDE) * 2);
  let length = 0;
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) {
    out[length++] = flat[i]!;
    out[length++] = flat[i + 1]!;
  }
  return out;
}
