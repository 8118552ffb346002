// Owns the proof that a sample of Tickwire clients holds exact books: their messages are recorded during the run and
// applied after it, so that the proof costs the measurement nothing. The generator calls it after each drain.
// Invariant: recorded messages are whole, in order, and complete from the connection's first.

import type { LocalBook } from '../../src/client/local-book.ts';
import { ClientStream } from '../../src/client/stream.ts';
import type { Book } from '../../src/market/book.ts';
import { LEVEL_STRIDE } from '../../src/market/update.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';

/** What one client received since it was verified last. */
export interface RecordedClient {
  readonly client: number;
  /** WebSocket messages of one or more frames each. */
  readonly messages: Uint8Array[];
}

export interface BooksVerdict {
  /** Book frames whose checksum agreed with the levels. */
  readonly checked: number;
  readonly problems: readonly string[];
}

/** What the gateway calls the client's connection: its first message says it. */
export function sessionOf({ client, messages }: RecordedClient): string {
  const frames = messages.slice(0, 1).flatMap((message) => msgpackCodec.decoder().decode(message));
  const welcome = frames.find((frame) => frame.type === 'welcome');
  if (welcome === undefined) throw new Error(`client ${client} was not welcomed in its first message`);
  return welcome.session;
}

/** Applies every frame to its client's books, and compares checksums. */
export class BookProof {
  private checked = 0;
  private problems: string[] = [];
  private readonly streams = new Map<number, ClientStream>();

  /** Takes what was recorded, and leaves nothing of it. */
  verify(recorded: readonly RecordedClient[]): BooksVerdict {
    this.checked = 0;
    this.problems = [];
    for (const { client, messages } of recorded) {
      const stream = this.streamOf(client);
      for (const message of messages) stream.receive(message);
      messages.length = 0;
    }
    return { checked: this.checked, problems: this.problems };
  }

  private streamOf(client: number): ClientStream {
    const known = this.streams.get(client);
    if (known !== undefined) return known;
    const stream = new ClientStream(msgpackCodec, () => {}, {
      book: () => {
        this.checked += 1;
      },
      resync: ({ topic }, reason) => this.problems.push(`client ${client}: ${topic.symbol} has a ${reason}`),
    });
    this.streams.set(client, stream);
    return stream;
  }
}

/** Whether the client's book has exactly the best `depth` levels of the gateway's, sizes included. */
export function sameBook(local: Pick<LocalBook, 'bids' | 'asks'>, book: Book, depth: number): boolean {
  const best = { stride: LEVEL_STRIDE, bids: [] as number[], asks: [] as number[] };
  book.top(depth, best);
  return sameSide(local.bids, best.bids, best.stride) && sameSide(local.asks, best.asks, best.stride);
}

/** `held` has its best level last, `flat` in any order. */
function sameSide(held: LocalBook['bids'], flat: readonly number[], stride: number): boolean {
  if (held.length !== flat.length / stride) return false;
  const sizes = new Map(held.map(({ price, size }) => [price, size]));
  for (let at = 0; at < flat.length; at += stride) if (sizes.get(flat[at]!) !== flat[at + 1]!) return false;
  return true;
}
