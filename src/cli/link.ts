// Owns a command's connection to a gateway: a WebSocket that feeds a ClientStream. `watch`, `record` and the verification open
// one. Invariant: once open it ends exactly once, and `ended` says why in words; where the gateway says when to come again, it is
// not asked before.

import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { ClientStream, type StreamHandlers } from '../client/stream.ts';
import { msgpackCodec } from '../protocol/codecs.ts';
import { type RefusedFrame, SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
import { Complaint, messageOf } from './complaint.ts';
import { type Credential, headersOf, refusalSentence, shownOf } from './credential.ts';
import { aborted } from './interrupt.ts';

const HANDSHAKE_MS_MAX = 10_000;
/** From the handshake to the welcome. */
const WELCOME_MS_MAX = 20_000;
/** Bounds of a wait that a gateway asks for. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 600_000;

/** The gateway answers, and does not serve whoever asks, whenever that is tried again. */
export class TurnedAway extends Complaint {}

export interface Arrival {
  readonly credential: Credential;
  /** Ends the waiting, too. */
  readonly signal: AbortSignal;
  /** Told of each wait, in a sentence. */
  readonly waiting: (sentence: string) => void;
}

export class Link {
  readonly stream: ClientStream;
  /** Resolves with the reason when the connection is gone, whoever ended it. */
  readonly ended: Promise<string>;
  /** Why the gateway does not serve it, at first or any more. */
  refusal: RefusedFrame | null = null;
  private readonly welcomed: Promise<true>;

  private constructor(
    private readonly socket: WebSocket,
    handlers: StreamHandlers,
  ) {
    let welcome: (yes: true) => void = () => {};
    this.welcomed = new Promise((resolve) => {
      welcome = resolve;
    });
    this.stream = new ClientStream(msgpackCodec, (message) => this.socket.send(message), {
      ...handlers,
      welcome: (frame) => {
        handlers.welcome?.(frame);
        welcome(true);
      },
      refused: (frame) => {
        this.refusal = frame;
      },
    });
    this.ended = new Promise((resolve) => {
      socket.on('message', (message: Buffer) => {
        try {
          this.stream.receive(message);
        } catch (error) {
          resolve(`what came can't be used: ${messageOf(error)}`);
          socket.terminate();
        }
      });
      socket.on('error', (error) => resolve(error.message));
      socket.on('close', (code, reason) => resolve(closing(code, reason.toString())));
    });
  }

  /** @throws Complaint where there is no gateway. */
  static open(url: string, handlers: StreamHandlers, shown?: string): Promise<Link> {
    const options = { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS_MAX, headers: headersOf(shown) };
    const socket = new WebSocket(url, [SUBPROTOCOL_MSGPACK], options);
    const link = new Link(socket, handlers);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(link));
      socket.once('error', (error) => reject(unreachable(url, error)));
    });
  }

  /**
   * Opens a connection that the gateway serves, and waits for one where it says when. Null: the signal came first.
   * @throws Complaint where there is no gateway. @throws TurnedAway where it does not serve whoever asks.
   */
  static async arrive(url: string, handlers: StreamHandlers, arrival: Arrival): Promise<Link | null> {
    const { credential, signal, waiting } = arrival;
    while (!signal.aborted) {
      const shown = shownOf(credential);
      const link = await Link.open(url, handlers, shown);
      // A gateway that wants to know who asks waits for a first message; any other than that shows that it never comes.
      if (shown === undefined) link.stream.ping();
      const outcome = await Promise.race([link.welcomed, link.ended, link.overdue(), aborted(signal)]);
      if (outcome === true && !signal.aborted) return link;
      link.close();
      if (signal.aborted) break;
      const { refusal } = link;
      if (refusal === null) throw new Complaint(`the connection to ${url} was lost: ${outcome}`);
      const { code, retryAfterMs } = refusal;
      // To show the same again would not help, however soon that may be.
      const stale = code === 'expired-credential' && shownOf(credential) === shown;
      if (retryAfterMs === null || stale) throw new TurnedAway(refusalSentence(refusal));
      const waitMs = Math.min(Math.max(retryAfterMs, RETRY_MS_MIN), RETRY_MS_MAX);
      waiting(`${code}: ${refusal.message} Trying again in ${(waitMs / 1_000).toFixed(1)} s.`);
      await delay(waitMs, null, { signal }).catch(() => null);
    }
    return null;
  }

  /** The peer is left waiting while nobody can take what it sends. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.close();
    this.socket.terminate();
  }

  /** Resolves where no welcome has come in time. */
  private async overdue(): Promise<string> {
    const over = new AbortController();
    const end = (): void => over.abort();
    void this.welcomed.then(end);
    void this.ended.then(end);
    await delay(WELCOME_MS_MAX, null, { signal: over.signal }).catch(() => null);
    return 'no welcome came';
  }
}

/** What to say where a gateway can't be reached, over WebSocket or HTTP. */
export function unreachable(url: string, error: unknown): Complaint {
  const hint = 'Start one with `tickwire serve --demo`, or say where it is with --url (TICKWIRE_URL).';
  return new Complaint(`no gateway answers at ${url}: ${whyUnreachable(error)}. ${hint}`);
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ETIMEDOUT: 'nothing came back',
  EHOSTUNREACH: 'the host can not be reached',
  TimeoutError: 'nothing came back',
};

function whyUnreachable(error: unknown): string {
  const { code, name, cause } = error as { code?: string; name?: string; cause?: unknown };
  const known = WORDS[code ?? ''] ?? WORDS[name ?? ''];
  if (known !== undefined) return known;
  const [, status] = /Unexpected server response: (\d+)/.exec(messageOf(error)) ?? [];
  if (status !== undefined) return `it answers like another kind of server (HTTP ${status})`;
  return cause === undefined ? messageOf(error) : whyUnreachable(cause);
}

function closing(code: number, reason: string): string {
  if (code === 1006) return 'it broke off';
  return reason === '' ? `close code ${code}` : `close code ${code}: ${reason}`;
}
