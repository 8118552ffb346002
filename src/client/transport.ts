// Owns one WebSocket, of a browser or of Node, and the pace of what is sent on it. A link has one.
// Invariant: it closes exactly once, and nothing is heard of it afterwards; no more goes out in any second than the gateway takes.

import { ownError } from './error.ts';

/** What the client needs of a WebSocket: those of browsers, of Node and of the package ws have it. */
export interface WebSocketLike {
  binaryType: string;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  /** Sends one message. */
  send(data: Uint8Array | string): void;
  /** Begins the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Only in the package ws: ends the connection at once. */
  terminate?(): void;
}

/** A constructor of such a WebSocket. `protocols` are the subprotocols to offer, the credential maybe among them. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** How long a peer may take to answer a close; and to accept a connection and say its welcome. */
const CLOSE_MS_MAX = 1_000;
const CONNECT_MS_MAX = 10_000;

export interface TransportHandlers {
  /** It can send. */
  opened(): void;
  /** Text comes as text, everything else as bytes. */
  message(data: Uint8Array | string): void;
  /** `code` is 1006 where the peer said nothing. */
  closed(code: number, reason: string): void;
}

export class Transport {
  /** Messages that may be sent within any second; the others wait. */
  perSecMax = Number.POSITIVE_INFINITY;
  private readonly socket: WebSocketLike;
  private readonly connectTimer: ReturnType<typeof setTimeout>;
  private trouble = '';
  private readonly queue: (Uint8Array | string)[] = [];
  /** When those of the last second were sent. */
  private readonly sentMs: number[] = [];
  private sendTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    Socket: WebSocketConstructor,
    url: string,
    protocols: string[],
    private readonly handlers: TransportHandlers,
  ) {
    const socket = new Socket(url, protocols);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.connectTimer = setTimeout(() => this.drop('no welcome came'), CONNECT_MS_MAX);
    socket.onopen = () => handlers.opened();
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      clearTimeout(this.connectTimer);
      handlers.message(typeof data === 'string' ? data : new Uint8Array(data));
    };
    socket.onerror = ({ message }: { message?: string }) => {
      this.trouble = message ?? '';
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.detach();
      handlers.closed(code, reason === '' ? this.trouble : reason);
    };
  }

  send(message: Uint8Array | string): void {
    this.queue.push(message);
    if (this.sendTimer === undefined) this.sendDue();
  }

  /** Says goodbye; `closed` is not called. */
  close(): void {
    const { socket } = this;
    this.detach();
    const timer = setTimeout(() => socket.terminate?.(), CLOSE_MS_MAX);
    socket.onclose = () => clearTimeout(timer);
    socket.close(1000);
  }

  /** Gives up on a peer that does not answer. */
  drop(reason: string): void {
    this.detach();
    this.socket.close();
    this.socket.terminate?.();
    this.handlers.closed(1006, reason);
  }

  private sendDue(): void {
    const { queue, sentMs } = this;
    const nowMs = performance.now();
    while (sentMs[0]! <= nowMs - 1_000) sentMs.shift();
    while (queue.length > 0 && sentMs.length < this.perSecMax) {
      this.socket.send(queue.shift()!);
      sentMs.push(performance.now());
    }
    this.sendTimer = undefined;
    if (queue.length > 0) this.sendTimer = setTimeout(() => this.sendDue(), sentMs[0]! + 1_000 - nowMs);
  }

  private detach(): void {
    clearTimeout(this.connectTimer);
    clearTimeout(this.sendTimer);
    // The package ws throws errors that nobody hears; closing before the connection stands is one.
    this.socket.onerror = () => {};
    this.socket.onopen = null;
    this.socket.onmessage = null;
    this.socket.onclose = null;
  }
}

/** @throws TickwireError `no-websocket` */
export function defaultWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as unknown as { WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) throw ownError('no-websocket');
  return WebSocket;
}
