// Owns the requests that wait for their answers, and those that wait for a connection. Client and switchboard ask through it.
// Invariant: each is answered or failed exactly once; what was in flight when a connection is lost fails.

import type { AckFrame, ErrorFrame, PongFrame } from '../protocol/frames.ts';
import { ownError, refusalOf, type TickwireError } from './error.ts';
import type { ClientStream } from './stream.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface Answer {
  done(frame: AckFrame | PongFrame): void;
  failed(error: TickwireError): void;
}

const OFFLINE_MAX = 1_000;

export class Requests {
  private stream: ClientStream | null = null;
  private readonly waiting = new Map<number, Answer>();
  private readonly offline: { readonly fields: Fields; readonly answer: Answer }[] = [];

  /** Sends it now, or as soon as there is a connection. */
  ask(fields: Fields, answer: Answer): void {
    if (this.stream !== null) this.send(fields, answer);
    else if (this.offline.length >= OFFLINE_MAX) answer.failed(ownError('too-many-requests'));
    else this.offline.push({ fields, answer });
  }

  /** There is a connection; what waits for it is sent by `catchUp`. */
  open(stream: ClientStream): void {
    this.stream = stream;
  }

  catchUp(): void {
    for (const { fields, answer } of this.offline.splice(0)) this.send(fields, answer);
  }

  answered(frame: AckFrame | PongFrame): void {
    this.taken(frame.id)?.done(frame);
  }

  /** @returns false where the error is of no request that waits. */
  refused(frame: ErrorFrame): boolean {
    const answer = frame.id === null ? undefined : this.taken(frame.id);
    answer?.failed(refusalOf(frame));
    return answer !== undefined;
  }

  /** The connection is lost; with `error` for good. */
  lose(error?: TickwireError): void {
    this.stream = null;
    const lost = [
      ...this.waiting.values(),
      ...(error === undefined ? [] : this.offline.splice(0).map(({ answer }) => answer)),
    ];
    this.waiting.clear();
    for (const answer of lost) answer.failed(error ?? ownError('connection-lost'));
  }

  private send(fields: Fields, answer: Answer): void {
    try {
      this.waiting.set(this.stream!.request(fields), answer);
    } catch (error) {
      // Functions, for example: no request can hold them.
      answer.failed(ownError('bad-option', String((error as Error).message)));
    }
  }

  private taken(id: number): Answer | undefined {
    const answer = this.waiting.get(id);
    this.waiting.delete(id);
    return answer;
  }
}
