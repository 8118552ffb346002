// Owns the books of those who are a topic's only writer: under a lease a book that would be crossed is refused. Publishing asks it.
// Invariant: a book held here is the topic's at its seq, since nobody else may write; the script compares the seq, and where it
// is another the book is loaded anew.

import { Book } from '../market/book.ts';
import { fault } from '../protocol/errors.ts';
import type { Publication, Published } from './bus.ts';
import type { TopicKeys } from './redis-keys.ts';
import type { RedisScripts } from './redis-scripts.ts';
import { bookOf } from './redis-state.ts';

interface Held {
  readonly token: number;
  readonly book: Book;
}

type Send = (publications: readonly Publication[], expectedSeq: number) => Promise<readonly Published[]>;

export class RedisLeases {
  private readonly books = new Map<string, Held>();
  /** The last call of each topic: the next waits for it. */
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly scripts: RedisScripts,
    private readonly tombstonesMax: number,
  ) {}

  forget(topic: string): void {
    this.books.delete(topic);
  }

  /** Sends what does not cross the book, one call of a topic after the other. */
  inTurn(
    keys: TopicKeys,
    token: number,
    publications: readonly Publication[],
    send: Send,
  ): Promise<readonly Published[]> {
    const before = this.turns.get(keys.topic) ?? Promise.resolve();
    const turn = before.then(() => this.check(keys, token, publications, send));
    const over: Promise<void> = turn.then(
      () => this.leave(keys.topic, over),
      () => this.leave(keys.topic, over),
    );
    this.turns.set(keys.topic, over);
    return turn;
  }

  private leave(topic: string, over: Promise<unknown>): void {
    if (this.turns.get(topic) === over) this.turns.delete(topic);
  }

  private async check(
    keys: TopicKeys,
    token: number,
    publications: readonly Publication[],
    send: Send,
  ): Promise<readonly Published[]> {
    const book = await this.book(keys, token);
    if (book === null) return send(publications, -1);
    const expectedSeq = book.seq;
    const crossing = publications.map(({ update }) => {
      if (update.kind !== 'snapshot' && update.kind !== 'delta') return false;
      const subject = update.kind === 'snapshot' ? new Book() : book;
      // Before the first snapshot deltas are refused anyway.
      if (update.kind === 'delta' && book.seq === 0) return false;
      if (subject.wouldCross(update.bids, update.asks)) return true;
      if (update.kind === 'snapshot') book.applySnapshot(update.bids, update.asks, book.seq + 1);
      else book.applyDelta(update.bids, update.asks, book.seq + 1);
      return false;
    });
    const chosen = publications.filter((_, i) => !crossing[i]);
    const answers = chosen.length === 0 ? [] : await send(chosen, expectedSeq);
    // Whatever went otherwise than was thought, or had been there before: the next call begins with the topic's own book.
    if (answers.some((answer) => 'refused' in answer) || lastSeq(answers, expectedSeq) !== book.seq)
      this.forget(keys.topic);
    let next = 0;
    return crossing.map((crosses) => (crosses ? { refused: fault('crossed') } : answers[next++]!));
  }

  /** The topic's present book; null where it can't be had: the call will say why. */
  private async book(keys: TopicKeys, token: number): Promise<Book | null> {
    const held = this.books.get(keys.topic);
    if (held?.token === token) return held.book;
    try {
      const stored = await this.scripts.book(keys, '');
      const book = bookOf(stored, stored.entries, this.tombstonesMax);
      this.books.set(keys.topic, { token, book });
      return book;
    } catch {
      return null;
    }
  }
}

function lastSeq(answers: readonly Published[], before: number): number {
  const last = answers.at(-1);
  return last === undefined || 'refused' in last ? before : last.seq;
}
