// Owns a simulated connection between a client and a node: a socket with a small buffer, a limited rate, stalls, latency and
// sudden ends. The node's connection sends into it, the client receives from it, requests go back through it.
// Invariant: bytes arrive in order, each once, or the link is cut; nobody sends while the socket is backlogged.

import type { SendResult, Socket } from '../../src/ports/socket.ts';
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
  closed(code: number): void;
  /** The node learns that the client is gone. */
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
  private leaving = false;
  private readonly flying: Message[] = [];
  private landing = false;

  constructor(
    private readonly kernel: Kernel,
    private readonly options: LinkOptions,
    private readonly ends: LinkEnds,
  ) {}

  send(message: Uint8Array): SendResult {
    if (this.state === 'closing' || this.state === 'cut') return 'closed';
    if (this.backlogged) throw new Error('a message was sent into a backlogged socket');
    if (message.length === 0) throw new Error('an empty message was sent');
    this.kernel.spend(this.options.sendMs);
    // The bytes are the sender's: they may be something else a moment later.
    const bytes = message.slice();
    if (!this.held && this.waiting.length === 0 && this.options.bytesPerMs === Number.POSITIVE_INFINITY) {
      this.fly(bytes);
      return 'sent';
    }
    this.waiting.push({ bytes, atMs: 0 });
    this.buffered += bytes.length;
    this.bufferedBytesPeak = Math.max(this.bufferedBytesPeak, this.buffered);
    this.leave();
    this.backlogged = this.buffered > this.options.bufferBytesMax;
    return this.backlogged ? 'backlogged' : 'sent';
  }

  close(code: number): void {
    if (this.state === 'lost') this.state = 'cut';
    if (this.state !== 'open') return;
    this.state = 'closing';
    // What waited is lost with the connection, what is under way arrives before the end does.
    this.waiting.length = 0;
    this.buffered = 0;
    this.kernel.after(this.options.latencyMs, () => {
      if (this.state === 'cut') return;
      this.state = 'cut';
      this.ends.closed(code);
    });
  }

  bufferedBytes(): number {
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

  /** The client sends a message. */
  request(message: Uint8Array): void {
    this.kernel.after(this.options.latencyMs, () => {
      if (this.state === 'open') this.ends.request(message);
    });
  }

  /** The client is gone; the node notices later. What was under way is lost. */
  cut(noticedAfterMs: number): void {
    if (this.state === 'closing') this.state = 'cut';
    if (this.state !== 'open') return;
    this.state = 'lost';
    this.flying.length = 0;
    this.kernel.after(noticedAfterMs, () => {
      if (this.state === 'cut') return;
      this.state = 'cut';
      this.ends.gone();
    });
  }

  /** Whether nothing leaves the buffer. */
  private get held(): boolean {
    return this.stalled || this.state === 'lost';
  }

  private leave(): void {
    const next = this.waiting[0];
    if (next === undefined || this.held || this.leaving) return;
    const { bytesPerMs } = this.options;
    if (bytesPerMs === Number.POSITIVE_INFINITY) {
      // One event later: the drain event never comes within the call that unstalls.
      this.leaving = true;
      this.kernel.after(0, () => this.left(this.waiting.length));
    } else {
      this.leaving = true;
      this.kernel.after(next.bytes.length / bytesPerMs, () => this.left(1));
    }
  }

  private left(count: number): void {
    this.leaving = false;
    if (this.held || this.state !== 'open') return;
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
