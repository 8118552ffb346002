// Owns a simulated connection between a client and a node: a socket with a small buffer, a limited rate, stalls, latency and
// sudden ends. The node's connection sends into it, the client receives from it, requests go back through it.
// Invariant: bytes arrive in order, each once, or the link is cut; nobody sends while the socket is backlogged.

import type { Timer } from '../../src/ports/clock.ts';
import { BACKLOGGED, DROPPED, SENT, type Socket } from '../../src/ports/socket.ts';
import type { Kernel } from './kernel.ts';

export interface LinkOptions {
  readonly latencyMs: number;
  /** Infinity: what is sent leaves at once. */
  readonly bytesPerMs: number;
  /** What may wait in the socket before it is backlogged. */
  readonly bufferBytesMax: number;
  /** What a send costs the node, in time. */
  readonly sendMs: number;
}

export interface LinkEnds {
  /** A message for the client. */
  arrive(message: Uint8Array): void;
  /** A message for the node. */
  request(message: Uint8Array): void;
  /** The socket's buffer is empty again, after it was full. */
  drained(): void;
  /** The client learns that the node closed. */
  closed(): void;
  /** The node's side is over, whoever ended it. */
  gone(): void;
}

interface Message {
  readonly bytes: Uint8Array;
  atMs: number;
}

export class Link implements Socket {
  /** What the fullest moment held. */
  bufferedBytesPeak = 0;
  /** `lost`: the client is gone, and the node has not noticed. */
  private state: 'open' | 'lost' | 'closing' | 'cut' = 'open';
  private stalled = false;
  private backlogged = false;
  private buffered = 0;
  private readonly waiting: Message[] = [];
  private leaving: Timer | null = null;
  private readonly flying: Message[] = [];
  private landing = false;
  private bytesPerMs: number;

  constructor(
    private readonly kernel: Kernel,
    private readonly options: LinkOptions,
    private readonly ends: LinkEnds,
  ) {
    this.bytesPerMs = options.bytesPerMs;
  }

  send(message: Uint8Array): number {
    if (this.state === 'closing' || this.state === 'cut') return DROPPED;
    if (this.backlogged) throw new Error('a message was sent into a backlogged socket');
    if (message.length === 0) throw new Error('an empty message was sent');
    this.kernel.spend(this.options.sendMs);
    // The bytes are the sender's: they may be something else a moment later.
    const bytes = Buffer.from(message);
    if (!this.held && this.waiting.length === 0 && this.bytesPerMs === Number.POSITIVE_INFINITY) {
      this.fly(bytes);
      return SENT;
    }
    this.waiting.push({ bytes, atMs: 0 });
    this.buffered += bytes.length;
    this.bufferedBytesPeak = Math.max(this.bufferedBytesPeak, this.buffered);
    this.leave();
    this.backlogged = this.buffered > this.options.bufferBytesMax;
    return this.backlogged ? BACKLOGGED : SENT;
  }

  end(): void {
    if (this.state !== 'open' && this.state !== 'lost') return;
    const heard = this.state === 'open';
    this.state = heard ? 'closing' : 'cut';
    // What waited is lost with the connection, what is under way arrives before the end does.
    this.waiting.length = 0;
    this.buffered = 0;
    this.stopLeaving();
    this.kernel.after(0, () => this.ends.gone());
    this.kernel.after(this.options.latencyMs, () => {
      if (this.state !== 'closing') return;
      this.state = 'cut';
      this.ends.closed();
    });
  }

  getBufferedAmount(): number {
    return this.buffered;
  }

  /** The client stops reading. */
  stall(): void {
    this.stalled = true;
  }

  unstall(): void {
    this.stalled = false;
    this.leave();
  }

  /** From now on everything leaves at once. */
  free(): void {
    this.bytesPerMs = Number.POSITIVE_INFINITY;
    this.stopLeaving();
    this.unstall();
  }

  /** The client sends a message. */
  request(message: Uint8Array): void {
    this.kernel.after(this.options.latencyMs, () => {
      if (this.state === 'open') this.ends.request(message);
    });
  }

  /** The client is gone; the node notices later. What was under way is lost. */
  cut(noticedAfterMs: number): void {
    this.flying.length = 0;
    if (this.state === 'closing') this.state = 'cut';
    if (this.state !== 'open') return;
    this.state = 'lost';
    this.stopLeaving();
    this.kernel.after(noticedAfterMs, () => {
      if (this.state !== 'lost') return;
      this.state = 'cut';
      this.ends.gone();
    });
  }

  /** Whether nothing leaves the buffer. */
  private get held(): boolean {
    return this.stalled || this.state !== 'open';
  }

  private leave(): void {
    const next = this.waiting[0];
    if (next === undefined || this.held || this.leaving !== null) return;
    const { bytesPerMs } = this;
    // At no limit it still takes an event: the drain event never comes within the call that unstalls.
    const [delayMs, count] =
      bytesPerMs === Number.POSITIVE_INFINITY ? [0, this.waiting.length] : [next.bytes.length / bytesPerMs, 1];
    this.leaving = this.kernel.after(delayMs, () => this.left(count));
  }

  private stopLeaving(): void {
    this.leaving?.cancel();
    this.leaving = null;
  }

  private left(count: number): void {
    this.leaving = null;
    if (this.held) return;
    for (const { bytes } of this.waiting.splice(0, count)) {
      this.buffered -= bytes.length;
      this.fly(bytes);
    }
    if (this.waiting.length > 0) return this.leave();
    if (!this.backlogged) return;
    this.backlogged = false;
    this.ends.drained();
  }

  private fly(bytes: Uint8Array): void {
    this.flying.push({ bytes, atMs: this.kernel.nowMs() + this.options.latencyMs });
    this.land();
  }

  private land(): void {
    const next = this.flying[0];
    if (next === undefined || this.landing) return;
    this.landing = true;
    this.kernel.after(next.atMs - this.kernel.nowMs(), () => {
      this.landing = false;
      while (this.flying.length > 0 && this.flying[0]!.atMs <= this.kernel.nowMs()) {
        this.ends.arrive(this.flying.shift()!.bytes);
      }
      this.land();
    });
  }
}
