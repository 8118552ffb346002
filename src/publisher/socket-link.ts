// Owns publishing over the gateway's WebSocket, /v1/publish/stream: credits, the order of answers, silence, coming back.
// The publisher uses it. Invariant: it never sends more items than it has credits for; what was sent is answered, or ends as
// unknown with its connection, and is never sent again.

import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { systemClock, systemTimers, type Timer } from '../ports/clock.ts';
import { CloseCode, type Fault } from '../protocol/errors.ts';
import { SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
import type { PublisherFrame } from '../protocol/publishing.ts';
import { unpackAll } from '../protocol/unpack.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Authorization } from './credential.ts';
import { type Entry, HEAD_BYTES_MAX, type Link, type Source } from './link.ts';
import { type PublishError, publishError, refusedBy } from './refusal.ts';

export interface SocketLinkOptions {
  readonly url: string;
  readonly authorization: Authorization;
  readonly batchItemsMax: number;
  /** After so long without a sign of life the connection is given up. */
  readonly silenceMs: number;
  /** Bounds of the pauses between attempts; null: one connection, and no other. */
  readonly reconnect: { readonly minMs: number; readonly maxMs: number } | null;
  readonly random: () => number;
  readonly source: Source;
}

interface Request {
  readonly id: number;
  readonly entries: readonly Entry[];
}

/** From here on a close code says that coming back does not help. */
const FINAL_CLOSE_CODE = 4_500;
/** What answers a message that can't be read, and so has no id; other errors without one are about the connection, which ends. */
const UNREAD: ReadonlySet<string> = new Set(['bad-frame', 'bad-request', 'unknown-op', 'too-large']);
/** How long a gateway may take to say goodbye. */
const GOODBYE_MS_MAX = 1_000;
/** A refused handshake has a body of some hundred bytes. */
const REFUSAL_BYTES_MAX = 65_536;

export class SocketLink implements Link {
  private readonly writer = new ByteWriter();
  private socket: WebSocket | null = null;
  /** Null until the welcome of a connection. */
  private welcome: Extract<PublisherFrame, { type: 'welcome' }> | null = null;
  private credits = 0;
  /** Why the gateway ends the connection, where it has said so. */
  private refusal: PublishError | null = null;
  /** In the order of sending, which is that of the answers. */
  private readonly unanswered: Request[] = [];
  private nextId = 1;
  private attempt = 0;
  private heardMs = 0;
  private openedMs = 0;
  private retry: Timer | null = null;
  private watch: Timer | null = null;
  private closed = false;

  constructor(private readonly options: SocketLinkOptions) {
    this.connect();
  }

  pump(): void {
    if (this.welcome === null) return;
    const { messageBytes, items } = this.welcome.limits;
    for (;;) {
      const itemsMax = Math.min(this.credits, items, this.options.batchItemsMax);
      const entries = itemsMax < 1 ? [] : this.options.source.take(itemsMax, messageBytes - HEAD_BYTES_MAX);
      if (entries.length === 0) return;
      if (entries[0]!.bytes.length > messageBytes - HEAD_BYTES_MAX) {
        this.options.source.failed(entries, publishError('too-large', null, `at most ${messageBytes} bytes`));
      } else this.send(entries);
    }
  }

  close(): void {
    const { socket } = this;
    this.finish(null);
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    const timer = systemTimers.after(GOODBYE_MS_MAX, () => socket.terminate());
    socket.once('close', () => timer.cancel());
    socket.close(1_000);
  }

  private connect(): void {
    const { authorization, source } = this.options;
    this.refusal = null;
    source.changed('connecting', null);
    authorization.headers().then(
      (headers) => this.dial(headers),
      (error: Error) => this.lost(null, error.message),
    );
  }

  private dial(headers: Readonly<Record<string, string>>): void {
    const { url, silenceMs } = this.options;
    if (this.closed) return;
    const options = { headers, handshakeTimeout: silenceMs, perMessageDeflate: false };
    const socket = new WebSocket(url, [SUBPROTOCOL_MSGPACK], options);
    this.socket = socket;
    let why = 'the connection was lost';
    socket.on('open', () => this.watchSilence(socket));
    socket.on('ping', () => this.heard());
    socket.on('message', (message: Buffer, binary) => {
      this.heard();
      try {
        if (binary) for (const frame of unpackAll(message)) this.receive(frame as PublisherFrame);
      } catch (error) {
        why = `what came can't be read: ${error instanceof Error ? error.message : String(error)}`;
        socket.terminate();
      }
    });
    socket.on('error', (error) => {
      why = error.message || (error as NodeJS.ErrnoException).code || why;
    });
    socket.on('unexpected-response', (request, response: IncomingMessage) => {
      void refusalOf(response).then((refused) => {
        request.destroy();
        if (refused.final) this.finish(refused.error);
        else this.lost(socket, refused.error.message);
      });
    });
    socket.on('close', (code, reason) => {
      const said = code === 1006 ? why : `close code ${code}${reason.length > 0 ? `: ${reason.toString()}` : ''}`;
      if (this.isFinal(code)) this.finish(this.refusal ?? finalError(code, said));
      else this.lost(socket, this.refusal?.message ?? said);
    });
  }

  /** Whether coming back does not help: not with the same credential either, when that has run out. */
  private isFinal(code: number): boolean {
    if (code === CloseCode.expired) return !this.options.authorization.isRenewable;
    return code >= FINAL_CLOSE_CODE && code < 5_000;
  }

  private heard(): void {
    this.heardMs = systemClock.nowMs();
  }

  private send(entries: readonly Entry[]): void {
    const { writer } = this;
    const id = this.nextId++;
    writer.length = 0;
    writer.value({ op: 'publish', id, items: [] });
    // The items are encoded already: they take the place of the empty list, which is one byte.
    writer.length -= 1;
    writer.array(entries.length);
    for (const { bytes } of entries) writer.append(bytes);
    this.credits -= entries.length;
    this.unanswered.push({ id, entries });
    this.socket?.send(writer.copy());
  }

  private receive(frame: PublisherFrame): void {
    const { source } = this.options;
    switch (frame.type) {
      case 'welcome':
        this.welcome = frame;
        this.credits = frame.credits;
        this.openedMs = this.heardMs;
        source.changed('open', null);
        break;
      case 'ack': {
        const request = this.take(frame.id);
        this.credits += frame.credits;
        if (request === undefined || request.entries.length !== frame.results.length)
          throw new Error('an ack of nothing');
        source.answered(request.entries, frame.results);
        break;
      }
      case 'credit':
        this.credits += frame.credits;
        break;
      case 'error': {
        if (frame.id === null && !UNREAD.has(frame.code)) {
          this.refusal = refusedBy(frame as Fault, null);
          // What would be sent now is not taken.
          this.credits = 0;
          break;
        }
        const request = this.take(frame.id);
        if (request === undefined) break;
        // It was refused as a whole, and cost nothing.
        this.credits += request.entries.length;
        source.failed(request.entries, refusedBy(frame as Fault, null));
      }
    }
    this.pump();
  }

  /** The request that an answer is to: the oldest. Answers to pings, and to what was never asked, are to none. */
  private take(id: number | null): Request | undefined {
    return id === null || this.unanswered[0]?.id === id ? this.unanswered.shift() : undefined;
  }

  /** Asks for a sign of life, and gives the connection up where none came since. */
  private watchSilence(socket: WebSocket): void {
    const { silenceMs } = this.options;
    this.heard();
    const look = (): void => {
      if (systemClock.nowMs() - this.heardMs >= silenceMs) return socket.terminate();
      this.writer.length = 0;
      this.writer.value({ op: 'ping', id: this.nextId++ });
      socket.send(this.writer.copy());
      this.watch = systemTimers.after(silenceMs / 2, look);
    };
    this.watch = systemTimers.after(silenceMs / 2, look);
  }

  /** A connection, or the attempt at one, is over; there may be another. */
  private lost(socket: WebSocket | null, why: string): void {
    if (this.closed || this.socket !== socket) return;
    const { reconnect, random, silenceMs, source } = this.options;
    const error = publishError('not-connected', null, why);
    if (reconnect === null) return this.finish(this.refusal ?? error);
    // A connection that lasted begins the pauses anew.
    if (this.welcome !== null && systemClock.nowMs() - this.openedMs > silenceMs) this.attempt = 0;
    this.socket = null;
    this.drop(why);
    const pauseMs = random() * Math.min(reconnect.maxMs, reconnect.minMs * 2 ** this.attempt);
    this.attempt += 1;
    source.changed('waiting', error);
    this.retry = systemTimers.after(pauseMs, () => this.connect());
  }

  /** It ends for good, and `error` says why; null: it was asked to. */
  private finish(error: PublishError | null): void {
    if (this.closed) return;
    this.closed = true;
    this.retry?.cancel();
    this.drop(error?.message ?? 'it was closed');
    this.options.source.changed('closed', error);
  }

  /** What was sent and not answered may have been published, or not. */
  private drop(why: string): void {
    this.watch?.cancel();
    this.welcome = null;
    this.credits = 0;
    const requests = this.unanswered.splice(0);
    for (const { entries } of requests) this.options.source.failed(entries, publishError('unknown-outcome', null, why));
  }
}

function finalError(code: number, said: string): PublishError {
  return publishError(code === CloseCode.unsupportedProtocol ? 'unsupported-protocol' : 'bad-frame', null, said);
}

/** What a handshake was answered with; final where another attempt would be answered the same. */
async function refusalOf(response: IncomingMessage): Promise<{ error: PublishError; final: boolean }> {
  const { statusCode = 0 } = response;
  const final = statusCode >= 400 && statusCode < 500;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > REFUSAL_BYTES_MAX) break;
      chunks.push(chunk);
    }
    const { error } = JSON.parse(Buffer.concat(chunks).toString()) as { error: Fault };
    if (typeof error.code === 'string') return { error: refusedBy(error, null), final };
  } catch {
    // Whatever answers there speaks otherwise; the status says enough.
  }
  return { error: publishError('not-connected', null, `HTTP ${statusCode}: is it a Tickwire gateway?`), final };
}
