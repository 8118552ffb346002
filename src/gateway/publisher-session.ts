// Owns one publisher's connection: reads its requests, publishes the items, answers, keeps the credits. The publishers' stream makes it
// and tells it whose it is. Invariant: what waits for a publisher that does not read is bounded: answers to items by its
// credits, which are given back only while it reads; other answers by their number; and what comes before it is known who it is
// by its length.

import { randomBytes } from 'node:crypto';
import type { Clock, Timer, Timers } from '../ports/clock.ts';
import { BACKLOGGED, DROPPED, type Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode, ERRORS, type Fault, fault } from '../protocol/errors.ts';
import { PROTOCOL_VERSION } from '../protocol/frames.ts';
import {
  encodePublisherFrame,
  type PublisherError,
  type PublisherFrame,
  type PublishRequest,
  type PublishResult,
  readPublisherRequest,
} from '../protocol/publishing.ts';
import { readMessage } from '../protocol/request.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Identity } from '../sessions/access.ts';
import { count } from '../sessions/counters.ts';
import type { Settings } from '../settings/settings.ts';
import { type Intake, publishItems } from './publication.ts';

export interface PublisherSessionOptions extends Intake {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: Pick<Settings, 'publishBytesMax' | 'publishItemsMax' | 'publishCreditsMax' | 'authMs'>;
  /** Name and version of the server, for the welcome. */
  readonly server: string;
  readonly onError: (error: unknown) => void;
  /** Told when a connection ends from our side. */
  readonly onClose: (session: string, code: number, reason: string) => void;
}

/** Past this many unread bytes of answers no credits are given back until the socket has drained. */
const UNREAD_BYTES_MAX = 65_536;
/** What is kept until it is known whose it is: who sends more is not trusted with more. */
const HELD_BYTES_MAX = 16_384;
/** What keeping a message takes beside its bytes: empty ones need room too. */
const HELD_MESSAGE_BYTES = 256;
/** The longest that a timer can wait; further ends are looked at again then. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Answer = PublisherFrame | Promise<PublisherFrame>;

/** One publisher's connection. */
export class PublisherSession {
  /** For the log, and for the publisher's own. */
  readonly id = randomBytes(8).toString('hex');
  private readonly binary: boolean;
  private readonly writer = new ByteWriter(1_024);
  private closed = false;
  /** Whose it is; null until that is known. */
  identity: Identity | null = null;
  /** What came before that. */
  private readonly held: { readonly message: Uint8Array; readonly binary: boolean }[] = [];
  private heldBytes = 0;
  /** Until it must be known who it is, then until the credential runs out. */
  private timer: Timer | null = null;
  /** Set when nothing more is taken: how it is closed when what was taken before is answered. */
  private leaving: { readonly code: number; readonly reason: string } | null = null;
  /** Items that it may send now. */
  credits: number;
  /** Credits that are held back because it does not read. */
  private owed = 0;
  /** Answers in the order of their requests; they wait for those before them. */
  private readonly answers: Answer[] = [];
  private answering = false;
  private flushing = false;
  /** Requests that cost no credit, since the publisher was last seen to read everything. */
  private free = 0;

  constructor(
    private readonly socket: Socket,
    private readonly codec: Codec | null,
    private readonly options: PublisherSessionOptions,
  ) {
    this.binary = codec?.binary ?? false;
    this.credits = options.limits.publishCreditsMax;
    this.timer = options.timers.after(options.limits.authMs, () => {
      this.leave(fault('not-ready', 'it took too long to find out who this is'));
    });
  }

  get codecName(): string {
    return this.codec?.name ?? '';
  }

  /** Nothing more is taken from it. */
  get over(): boolean {
    return this.closed || this.leaving !== null;
  }

  /** Answers that wait in this process. */
  get unreadBytes(): number {
    return this.closed ? 0 : this.socket.getBufferedAmount() + this.writer.length;
  }

  /** Whose it is from now on. The first time it is welcomed, and what has come before is looked at. */
  identify(identity: Identity): void {
    if (this.over) return;
    const before = this.identity;
    this.identity = identity;
    if (before === null || before.untilMs !== identity.untilMs) this.endAt(identity.untilMs);
    if (before !== null) return;
    this.greet();
    for (const { message, binary } of this.held.splice(0)) this.receive(message, binary);
  }

  /** By the monotonic clock: when the wall clock is set, nobody's time is over, nor is it longer. */
  private endAt(untilMs: number | null): void {
    this.timer?.cancel();
    this.timer = null;
    if (untilMs === null) return;
    const { clock, timers } = this.options;
    const deadlineMs = clock.nowMs() + untilMs - clock.nowUs() / 1_000;
    const wait = (): void => {
      const leftMs = deadlineMs - clock.nowMs();
      if (leftMs <= 0) return this.leave(fault('expired-credential'));
      this.timer = timers.after(Math.min(leftMs, TIMER_MS_MAX), wait);
    };
    wait();
  }

  private greet(): void {
    const { clock, limits, server } = this.options;
    this.write({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      server,
      session: this.id,
      timeUs: clock.nowUs(),
      credits: this.credits,
      limits: { messageBytes: limits.publishBytesMax, items: limits.publishItemsMax },
    });
  }

  receive(message: Uint8Array, binary: boolean): void {
    const { publishBytesMax } = this.options.limits;
    if (this.over) return;
    if (this.identity === null) return this.hold(message, binary);
    if (message.length > publishBytesMax) {
      const detail = `${message.length} bytes, at most ${publishBytesMax}`;
      return this.answerFree(this.refusal(null, fault('too-large', detail)));
    }
    if (binary !== this.binary) {
      const detail = `${this.codec?.name} takes ${this.binary ? 'binary' : 'text'} messages`;
      return this.answerFree(this.refusal(null, fault('bad-frame', detail)));
    }
    const values = readMessage(message, binary);
    if (!Array.isArray(values)) return this.answerFree(this.refusal(null, values));
    for (const value of values) {
      if (this.over) return;
      this.request(value);
    }
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (this.closed) return;
    this.free = Math.min(this.free, this.answers.length);
    if (this.owed > 0) this.write({ type: 'credit', credits: this.takeOwed() });
  }

  /** Says why it is over, behind the answers to what was taken; from now on nothing is. */
  leave(why: Fault, code = closeCodeOf(why)): void {
    if (this.over) return;
    this.leaving = { code, reason: why.code };
    this.timer?.cancel();
    this.held.length = 0;
    this.answer(this.refusal(null, why));
  }

  /** Closes from our side, behind the answers that are ready. */
  end(code: number, reason: string): void {
    if (this.closed) return;
    this.flush();
    if (this.closed) return;
    this.shut();
    this.options.onClose(this.id, code, reason);
    this.socket.end(code, reason);
  }

  /** The socket is gone. */
  shut(): void {
    this.closed = true;
    this.timer?.cancel();
    this.held.length = 0;
    this.answers.length = 0;
  }

  /** Keeps what comes before it is known who sends it: the bytes are ours only until this returns. */
  private hold(message: Uint8Array, binary: boolean): void {
    this.heldBytes += message.length + HELD_MESSAGE_BYTES;
    if (this.heldBytes > HELD_BYTES_MAX) {
      return this.leave(fault('too-large', `more than ${HELD_BYTES_MAX} bytes before the welcome`), CloseCode.overrun);
    }
    this.held.push({ message: new Uint8Array(message), binary });
  }

  private request(value: unknown): void {
    const request = readPublisherRequest(value);
    if ('fault' in request) return this.answerFree(this.refusal(request.id, request.fault));
    if (request.op === 'ping') {
      return this.answerFree({ type: 'pong', id: request.id, timeUs: this.options.clock.nowUs() });
    }
    if (this.identity !== null) this.publish(request, this.identity);
  }

  private publish({ id, items }: PublishRequest, identity: Identity): void {
    const { publishItemsMax } = this.options.limits;
    if (items.length > publishItemsMax) {
      return this.answerFree(this.refusal(id, fault('too-large', `${items.length} items, at most ${publishItemsMax}`)));
    }
    if (items.length > this.credits) {
      // Behind the answers to what it was allowed to send, as far as those are ready.
      this.write(this.refusal(id, fault('overrun', `${items.length} items, ${this.credits} credits`)));
      return this.end(CloseCode.overrun, 'overrun');
    }
    this.credits -= items.length;
    const answer = this.published(id, items, identity);
    if (items.length === 0) this.answerFree(answer);
    else this.answer(answer);
  }

  private async published(id: number, items: readonly unknown[], identity: Identity): Promise<PublisherFrame> {
    return { type: 'ack', id, results: await this.results(items, identity), credits: items.length };
  }

  /** What fails within one request is answered as a mistake of ours, and the connection goes on. */
  private async results(items: readonly unknown[], identity: Identity): Promise<PublishResult[]> {
    try {
      return await publishItems(items, this.binary, identity, this.options);
    } catch (error) {
      this.options.onError(error);
      this.options.onRefusal('internal');
      for (let i = 0; i < items.length; i++) count(this.options.counters.refused, 'internal');
      return items.map(() => ({ error: fault('internal') }));
    }
  }

  private refusal(id: number | null, { code, message, action }: Fault): PublisherError {
    this.options.onRefusal(code);
    return { type: 'error', id, code, message, action };
  }

  /** Requests without items are as many as there may be items. */
  private answerFree(answer: Answer): void {
    this.free += 1;
    if (this.free > this.options.limits.publishCreditsMax) {
      this.options.onRefusal('slow-control');
      return this.end(CloseCode.slowControl, 'slow-control');
    }
    this.answer(answer);
  }

  private answer(answer: Answer): void {
    this.answers.push(answer);
    if (!this.answering) this.answerAll().catch(this.options.onError);
  }

  private async answerAll(): Promise<void> {
    this.answering = true;
    try {
      for (let next = this.answers.shift(); next !== undefined; next = this.answers.shift()) {
        const frame = next instanceof Promise ? await next : next;
        if (!this.closed) this.write(frame.type === 'ack' ? this.credited(frame) : frame);
      }
    } finally {
      this.answering = false;
    }
    if (this.leaving !== null) this.end(this.leaving.code, this.leaving.reason);
  }

  /** The ack with the credits that it really brings: none while the publisher does not read. */
  private credited(ack: Extract<PublisherFrame, { type: 'ack' }>): PublisherFrame {
    this.owed += ack.credits;
    return { ...ack, credits: this.unreadBytes <= UNREAD_BYTES_MAX ? this.takeOwed() : 0 };
  }

  private takeOwed(): number {
    const { owed } = this;
    this.credits += owed;
    this.owed = 0;
    return owed;
  }

  /** Frames of one turn go out as one message. */
  private write(frame: PublisherFrame): void {
    encodePublisherFrame(this.writer, frame, this.binary);
    if (this.flushing) return;
    this.flushing = true;
    this.options.timers.soon(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private flush(): void {
    const { socket, writer } = this;
    if (this.closed || writer.length === 0) return;
    const taken = socket.send(writer.bytes.subarray(0, writer.length), this.binary, false);
    writer.length = 0;
    if (taken === DROPPED) {
      this.shut();
      this.options.onClose(this.id, CloseCode.slowControl, 'slow-control');
      return socket.end(CloseCode.slowControl, 'slow-control');
    }
    // Without a backlog there is no drain to come.
    if (taken !== BACKLOGGED && socket.getBufferedAmount() === 0) this.drained();
  }
}

/** Below 4500 where it may go better later. */
function closeCodeOf({ code }: Fault): number {
  if (code === 'expired-credential') return CloseCode.expired;
  const { http } = ERRORS[code];
  return http === 429 || http >= 500 ? CloseCode.refused : CloseCode.unauthorized;
}
