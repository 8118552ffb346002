// Owns a command's connection to a gateway: a WebSocket that feeds a ClientStream. `watch` and the verification open one.
// Invariant: once open it ends exactly once, and `ended` says why in words.

import { WebSocket } from 'ws';
import { ClientStream, type StreamHandlers } from '../client/stream.ts';
import { msgpackCodec } from '../protocol/codecs.ts';
import { SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
import { Complaint, messageOf } from './complaint.ts';

const HANDSHAKE_MS_MAX = 10_000;

export class Link {
  readonly stream: ClientStream;
  /** Resolves with the reason when the connection is gone, whoever ended it. */
  readonly ended: Promise<string>;

  private constructor(
    private readonly socket: WebSocket,
    handlers: StreamHandlers,
  ) {
    this.stream = new ClientStream(msgpackCodec, (message) => this.socket.send(message), handlers);
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
  static open(url: string, handlers: StreamHandlers): Promise<Link> {
    const options = { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS_MAX };
    const socket = new WebSocket(url, [SUBPROTOCOL_MSGPACK], options);
    const link = new Link(socket, handlers);
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(link));
      socket.once('error', (error) => reject(unreachable(url, error)));
    });
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
