// Owns one connection to a venue: its WebSocket, its silence, and the brake where its messages can't be taken as fast.
// A live feed opens one after the other. Invariant: `ended` is told exactly once, and nothing after it.

import { WebSocket } from 'ws';
import type { Clock, Timer, Timers } from '../ports/clock.ts';
import type { LiveRules } from './feed.ts';

export interface LinkOptions {
  readonly rules: LiveRules;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly messageBytesMax: number;
  readonly opened: () => void;
  readonly message: (text: string) => void;
  /** @param reason in words. */
  readonly ended: (reason: string) => void;
}

const HANDSHAKE_MS_MAX = 10_000;

export class LiveLink {
  private readonly socket: WebSocket;
  private heardAtMs: number;
  private pinged = false;
  private watch: Timer | null = null;
  private over = false;

  constructor(private readonly options: LinkOptions) {
    const { rules, clock, messageBytesMax } = options;
    this.heardAtMs = clock.nowMs();
    this.socket = new WebSocket(rules.url, {
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      maxPayload: messageBytesMax,
    });
    this.socket.on('open', () => {
      if (this.over) return;
      this.heard();
      this.listen(rules.silenceMs);
      options.opened();
    });
    this.socket.on('message', (data) => {
      if (this.over) return;
      this.heard();
      options.message(data.toString());
    });
    this.socket.on('ping', () => this.heard());
    this.socket.on('pong', () => this.heard());
    this.socket.on('error', (error) => this.end(error.message));
    this.socket.on('close', (code, reason) => this.end(`closed with ${code} ${reason.toString()}`.trimEnd()));
  }

  /** Nothing is sent before the connection is open, or after it ended. */
  send(messages: readonly string[]): void {
    if (this.over || this.socket.readyState !== WebSocket.OPEN) return;
    for (const message of messages) this.socket.send(message);
  }

  /** The venue waits while its messages can't be taken. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    // What was not read was no silence.
    this.heard();
    this.socket.resume();
  }

  /** Ends it, for this reason. */
  end(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.watch?.cancel();
    this.socket.terminate();
    this.options.ended(reason);
  }

  private heard(): void {
    this.heardAtMs = this.options.clock.nowMs();
    this.pinged = false;
  }

  private listen(delayMs: number): void {
    const { clock, timers, rules } = this.options;
    this.watch = timers.after(delayMs, () => {
      const silentMs = this.socket.isPaused ? 0 : clock.nowMs() - this.heardAtMs;
      if (silentMs >= 2 * rules.silenceMs) return this.end(`nothing was heard for ${Math.round(silentMs)} ms`);
      if (silentMs >= rules.silenceMs && !this.pinged) this.ping();
      this.listen((silentMs >= rules.silenceMs ? 2 : 1) * rules.silenceMs - silentMs);
    });
  }

  private ping(): void {
    this.pinged = true;
    const message = this.options.rules.ping();
    if (message === null) this.socket.ping();
    else this.send([message]);
  }
}
