// Owns the publishers' WebSocket, /v1/publish/stream: reads their requests, publishes the items, answers, keeps the credits.
// The gateway feeds it socket events. Invariant: what waits for a publisher that does not read is bounded: answers to items by
// its credits, which are given back only while it reads; other answers by their number.

import { randomBytes } from 'node:crypto';
import type { Clock, Timers } from '../ports/clock.ts';
import { BACKLOGGED, DROPPED, type Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode, type Fault, fault } from '../protocol/errors.ts';
import { PROTOCOL_VERSION, SUBPROTOCOLS } from '../protocol/frames.ts';
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
import type { Settings } from '../settings/settings.ts';
import { type Intake, publishItems } from './publication.ts';
import type { StreamHandlers } from './uws.ts';

export interface PublishStreamOptions extends Intake {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: Pick<Settings, 'publishBytesMax' | 'publishItemsMax' | 'publishCreditsMax'>;
  /** Name and version of the server, for the welcome. */
  readonly server: string;
  readonly onError: (error: unknown) => void;
  /** Told when a connection ends from our side. */
  readonly onClose: (session: string, code: number, reason: string) => void;
}

/** Past this many unread bytes of answers no credits are given back until the socket has drained. */
const UNREAD_BYTES_MAX = 65_536;

/** All publishers that are connected. */
export class PublishStream implements StreamHandlers<PublisherSession> {
  /** The oldest first. */
  readonly sessions = new Set<PublisherSession>();

  constructor(private readonly options: PublishStreamOptions) {}

  open(socket: Socket, codec: Codec | null): PublisherSession {
    const session = new PublisherSession(socket, codec, this.options);
    this.sessions.add(session);
    session.greet();
    return session;
  }

  message(session: PublisherSession, message: Uint8Array, binary: boolean): void {
    this.guard(() => session.receive(message, binary));
  }

  drain(session: PublisherSession): void {
    this.guard(() => session.drained());
  }

  /** The library pings by itself. */
  pong(): void {}

  close(session: PublisherSession): void {
    this.sessions.delete(session);
    session.shut();
  }

  stop(): void {
    for (const session of [...this.sessions]) session.end(CloseCode.goingAway, 'the gateway stops; come back');
  }

  /** A mistake of ours in an event of one socket ends nothing else. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.options.onError(error);
    }
  }
}

type Answer = PublisherFrame | Promise<PublisherFrame>;

/** One publisher's connection. */
export class PublisherSession {
  private readonly id = randomBytes(8).toString('hex');
  private readonly binary: boolean;
  private readonly writer = new ByteWriter(1_024);
  private closed = false;
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
    private readonly options: PublishStreamOptions,
  ) {
    this.binary = codec?.binary ?? false;
    this.credits = options.limits.publishCreditsMax;
  }

  /** Answers that wait in this process. */
  get unreadBytes(): number {
    return this.closed ? 0 : this.socket.getBufferedAmount() + this.writer.length;
  }

  greet(): void {
    const { clock, limits, server } = this.options;
    if (this.codec === null) {
      this.write(this.refusal(null, fault('unsupported-protocol', `known: ${SUBPROTOCOLS.join(', ')}`)));
      return this.end(CloseCode.unsupportedProtocol, 'unsupported-protocol');
    }
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
    if (this.closed) return;
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
      if (this.closed) return;
      this.request(value);
    }
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (this.closed) return;
    this.free = Math.min(this.free, this.answers.length);
    if (this.owed > 0) this.write({ type: 'credit', credits: this.takeOwed() });
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
    this.answers.length = 0;
  }

  private request(value: unknown): void {
    const request = readPublisherRequest(value);
    if ('fault' in request) return this.answerFree(this.refusal(request.id, request.fault));
    if (request.op === 'ping') {
      return this.answerFree({ type: 'pong', id: request.id, timeUs: this.options.clock.nowUs() });
    }
    this.publish(request);
  }

  private publish({ id, items }: PublishRequest): void {
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
    const answer = this.published(id, items);
    if (items.length === 0) this.answerFree(answer);
    else this.answer(answer);
  }

  private async published(id: number, items: readonly unknown[]): Promise<PublisherFrame> {
    return { type: 'ack', id, results: await this.results(items), credits: items.length };
  }

  /** What fails within one request is answered as a mistake of ours, and the connection goes on. */
  private async results(items: readonly unknown[]): Promise<PublishResult[]> {
    try {
      return await publishItems(items, this.binary, this.options);
    } catch (error) {
      this.options.onError(error);
      this.options.onRefusal('internal');
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
