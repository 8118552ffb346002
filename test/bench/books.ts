// Owns the proof that a sample of Tickwire clients holds exact books: their messages are recorded during the run and
// applied after it, so that the proof costs the measurement nothing. The generator calls it once, after the drain.
// Invariant: recorded messages are whole, in order, and complete from the connection's first.

import { ClientStream } from '../../src/client/stream.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';

/** Everything that one client received. */
export interface RecordedClient {
  readonly client: number;
  /** WebSocket messages of one or more frames each. */
  readonly messages: readonly Uint8Array[];
}

export interface BooksVerdict {
  /** Book frames whose checksum agreed with the levels. */
  readonly checked: number;
  readonly problems: readonly string[];
}

export type VerifyBooks = (recorded: readonly RecordedClient[]) => BooksVerdict;

/** Applies every recorded frame and compares checksums. */
export const verifyBooks: VerifyBooks = (recorded) => {
  let checked = 0;
  const problems: string[] = [];
  for (const { client, messages } of recorded) {
    const stream = new ClientStream(msgpackCodec, () => {}, {
      book: () => {
        checked += 1;
      },
      resync: ({ topic }, reason) => problems.push(`client ${client}: ${topic.symbol} has a ${reason}`),
    });
    for (const message of messages) stream.receive(message);
  }
  return { checked, problems };
};
