// Owns how a topic's state comes out of Redis: the base that somebody folded, and the log that goes on from it. The Redis bus loads
// and folds with it. Invariant: a book that was folded equals the replay of all its entries, last changes and tombstones included.

import { Book, type BookState } from '../market/book.ts';
import type { RedisReply } from '../ports/redis.ts';
import { DecodeError } from '../protocol/codec.ts';
import { ByteReader } from '../protocol/reader.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Entry } from './bus.ts';
import { type EntryHead, REDIS_FORMAT, readBody, readHead } from './redis-entry.ts';

/** An entry of the log, with the nonce that tells it from another of the same number. */
export interface LoggedEntry extends Entry {
  readonly nonce: number;
}

const LISTS = ['bids', 'asks', 'goneBids', 'goneAsks'] as const;

export function encodeBase(state: BookState): Uint8Array {
  const writer = new ByteWriter();
  writer.array(3 + LISTS.length);
  writer.integer(REDIS_FORMAT);
  writer.integer(state.seq);
  writer.integer(state.horizonSeq);
  for (const list of LISTS) {
    writer.array(state[list].length);
    writer.integers(state[list], state[list].length);
  }
  return writer.copy();
}

/** @throws DecodeError */
function decodeBase(bytes: Uint8Array): BookState {
  const reader = new ByteReader(bytes);
  const elements = reader.array();
  if (elements !== 3 + LISTS.length || reader.integer() !== REDIS_FORMAT)
    throw new DecodeError('a base of another format');
  const seq = reader.integer();
  const horizonSeq = reader.integer();
  const [bids, asks, goneBids, goneAsks] = LISTS.map(() => {
    const flat: number[] = [];
    for (let left = reader.array(); left > 0; left--) flat.push(reader.integer());
    return flat;
  }) as [number[], number[], number[], number[]];
  return { seq, horizonSeq, bids, asks, goneBids, goneAsks };
}

/** The book that a base and the entries after it make. @throws DecodeError */
export function bookOf(
  { baseSeq, horizonSeq, base }: { baseSeq: number; horizonSeq: number; base: Uint8Array },
  entries: readonly LoggedEntry[],
  tombstonesMax: number,
): Book {
  const bare = { seq: baseSeq, horizonSeq, bids: [], asks: [], goneBids: [], goneAsks: [] };
  const book = Book.load(base.length === 0 ? bare : decodeBase(base), tombstonesMax);
  applyAll(book, entries);
  return book;
}

/** Entries that are read or applied without letting anything else have its turn: some tenths of a millisecond. */
export const ENTRIES_AT_ONCE = 32;

/** The same, for those who are in no hurry: `breathe` is awaited now and then. @throws DecodeError */
export async function bookInTurns(
  stored: Parameters<typeof bookOf>[0],
  entries: readonly LoggedEntry[],
  tombstonesMax: number,
  breathe: () => Promise<void>,
): Promise<Book> {
  const book = bookOf(stored, [], tombstonesMax);
  for (let at = 0; at < entries.length; at += ENTRIES_AT_ONCE) {
    await breathe();
    applyAll(book, entries.slice(at, at + ENTRIES_AT_ONCE));
  }
  await breathe();
  return book;
}

function applyAll(book: Book, entries: readonly LoggedEntry[]): void {
  for (const { seq, update } of entries) {
    if (seq !== book.seq + 1) throw new DecodeError(`the log goes on from ${book.seq} with ${seq}`);
    if (update.kind === 'snapshot') book.applySnapshot(update.bids, update.asks, seq);
    else if (update.kind === 'delta') book.applyDelta(update.bids, update.asks, seq);
  }
}

/** Entries as XRANGE gives them. @throws DecodeError */
export function entriesOf(reply: RedisReply | undefined): LoggedEntry[] {
  return listOf(reply).map((each) => {
    const [, fields] = listOf(each);
    return readEntry(bytesOf(listOf(fields)[1]));
  });
}

/** One entry in full. @throws DecodeError */
export function readEntry(bytes: Uint8Array): LoggedEntry {
  const reader = new ByteReader(bytes);
  const head: EntryHead = { format: 0, epoch: 0, seq: 0, publishUs: 0, nonce: 0 };
  readHead(reader, head);
  if (head.format !== REDIS_FORMAT) throw new DecodeError(`an entry of format ${head.format}`);
  const body = readBody(reader);
  if ('doubted' in body) throw new DecodeError('no update');
  const { epoch, seq, publishUs, nonce } = head;
  return { epoch, seq, publishUs, nonce, update: body.update, exchangeUs: body.exchangeUs };
}

export function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (!Array.isArray(reply)) throw new DecodeError('Redis answered no list');
  return reply as readonly RedisReply[];
}

export function integerOf(reply: RedisReply | undefined): number {
  if (typeof reply !== 'number') throw new DecodeError('Redis answered no integer');
  return reply;
}

export function bytesOf(reply: RedisReply | undefined): Uint8Array {
  if (!(reply instanceof Uint8Array)) throw new DecodeError('Redis answered no text');
  return reply;
}

const utf8 = new TextDecoder();

/** A script's refusal, which stands first in its answer; null where the answer begins with a number. */
export function refusalOf(reply: RedisReply): string | null {
  const [first] = listOf(reply);
  return first instanceof Uint8Array ? utf8.decode(first) : null;
}

export function textOf(reply: RedisReply | undefined): string {
  return utf8.decode(bytesOf(reply));
}
