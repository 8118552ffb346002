// Owns a simulated connection between a client and a node: a socket with a small buffer, a limited rate, stalls, latency and
// sudden ends. The node's connection sends into it, the client receives from it, requests and pongs go back through it.
// Invariant: bytes arrive in order, each once, or the link is cut; nobody sends while the socket is backlogged.

import type { Timer } from '../../src/ports/clock.ts';
import { BACKLOGGED, DROPPED, SENT, type Socket } from '../../src/ports/socket.ts';
import { messageBytes } from '../../src/topics/lanes.ts';
import type { Kernel, Random } from './kernel.ts';

export interface LinkOptions {
  readonly latencyMs: number;
  /** Infinity: what is sent leaves at once. */
  readonly bytesPerMs: number;
  /** The kernel takes at most so many bytes of a message at a time. */
  readonly pieceBytes: number;
  /** Share of the pongs that get lost, come late, come twice: each of the three. */
  readonly pongTrouble: number;
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
  /** A pong for the node. */
  pong(number: number): void;
  /** The socket's buffer is empty again, after it was full. */
  drained(): void;
  /** The client learns that the node closed, and with what code; 0: it is just gone. */
  closed(code: number): void;
  /** The node's side is over, whoever ended it. */
  gone(): void;
}

interface Message {
  /** Null: a ping. */
  readonly bytes: Uint8Array | null;
  readonly ping: number;
  /** With its header. */
  readonly wireBytes: number;
  /** How much of it has not left yet. */
  leftBytes: number;
  atMs: number;
}

export class Link implements Socket {
  /** What the fullest moment held. */
  bufferedBytesPeak = 0;
  /** `lost`: the client is gone, and the node has not noticed. */
  private state: 'open' | 'lost' | 'closing' | 'cut' = 'open';
  /** All bytes that the node handed over, and those that the client has. */
  takenBytes = 0;
  arrivedBytes = 0;
  /** Bytes that waited when the node ended it. */
  lostBytes = 0;
  /** Whether it ever kept anything back. */
  everSlow: boolean;
  private stalled = false;
  private pongTrouble: number;
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
    private readonly random: Random,
    private readonly ends: LinkEnds,
  ) {
    this.bytesPerMs = options.bytesPerMs;
    this.pongTrouble = options.pongTrouble;
    this.everSlow = options.bytesPerMs !== Number.POSITIVE_INFINITY || options.pongTrouble > 0;
  }

  send(message: Uint8Array): number {
    if (this.state === 'closing' || this.state === 'cut') return DROPPED;
    if (this.backlogged) throw new Error('a message was sent into a backlogged socket');
    if (message.length === 0) throw new Error('an empty message was sent');
    this.kernel.spend(this.options.sendMs);
    // The bytes are the sender's: they may be something else a moment later.
    const bytes = Buffer.from(message);
    return this.take({ bytes, ping: 0, wireBytes: messageBytes(bytes.length), leftBytes: bytes.length, atMs: 0 });
  }

  ping(payload: string): number {
    if (this.state === 'closing' || this.state === 'cut') return DROPPED;
    if (this.backlogged) throw new Error('a ping was sent into a backlogged socket');
    const wireBytes = messageBytes(payload.length);
    return this.take({ bytes: null, ping: Number(payload), wireBytes, leftBytes: wireBytes, atMs: 0 });
  }

  private take(message: Message): number {
    this.takenBytes += message.wireBytes;
    if (!this.held && this.waiting.length === 0 && this.bytesPerMs === Number.POSITIVE_INFINITY) {
      this.fly(message);
      return SENT;
    }
    this.waiting.push(message);
    this.buffered += message.leftBytes;
    this.bufferedBytesPeak = Math.max(this.bufferedBytesPeak, this.buffered);
    this.leave();
    this.backlogged = this.buffered > this.options.bufferBytesMax;
    return this.backlogged ? BACKLOGGED : SENT;
  }

  end(code: number): void {
    if (this.state !== 'open' && this.state !== 'lost') return;
    this.kernel.after(0, () => this.ends.gone());
    this.finish(code, this.options.latencyMs);
  }

  /** The node is dead; the client notices later. */
  vanish(noticedAfterMs: number): void {
    if (this.state === 'open' || this.state === 'lost') this.finish(0, noticedAfterMs);
  }

  private finish(code: number, heardAfterMs: number): void {
    this.state = this.state === 'open' ? 'closing' : 'cut';
    // What waited is lost with the connection, what is under way arrives before the end does.
    this.lostBytes = this.buffered;
    this.waiting.length = 0;
    this.buffered = 0;
    this.stopLeaving();
    this.kernel.after(heardAfterMs, () => {
      while (this.state === 'closing' && this.flying.length > 0) this.landNext();
      if (this.state !== 'closing') return;
      this.state = 'cut';
      this.ends.closed(code);
    });
  }

  getBufferedAmount(): number {
    return this.buffered;
  }

  /** The client stops reading. */
  stall(): void {
    this.stalled = true;
    this.everSlow = true;
  }

  unstall(): void {
    this.stalled = false;
    this.leave();
  }

  /** From now on everything leaves at once, and every pong comes. */
  free(): void {
    this.pongTrouble = 0;
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
    if (bytesPerMs === Number.POSITIVE_INFINITY) this.leaving = this.kernel.after(0, () => this.left(this.buffered));
    else {
      const bytes = Math.min(next.leftBytes, this.options.pieceBytes);
      this.leaving = this.kernel.after(bytes / bytesPerMs, () => this.left(bytes));
    }
  }

  private stopLeaving(): void {
    this.leaving?.cancel();
    this.leaving = null;
  }

  private left(bytes: number): void {
    this.leaving = null;
    if (this.held) return;
    this.buffered -= bytes;
    for (let left = bytes; left > 0; ) {
      const next = this.waiting[0]!;
      const piece = Math.min(left, next.leftBytes);
      next.leftBytes -= piece;
      left -= piece;
      if (next.leftBytes === 0) this.fly(this.waiting.shift()!);
    }
    if (this.waiting.length > 0) return this.leave();
    if (!this.backlogged) return;
    this.backlogged = false;
    this.ends.drained();
  }

  private fly(message: Message): void {
    message.atMs = this.kernel.nowMs() + this.options.latencyMs;
    this.flying.push(message);
    this.land();
  }

  /** The client answers a ping, or what is between it and the node has trouble with that. */
  private answer(number: number): void {
    const { random, pongTrouble } = this;
    const { latencyMs } = this.options;
    if (random.chance(pongTrouble)) return;
    const lateMs = random.chance(pongTrouble) ? random.between(1, 800) : 0;
    for (let copies = random.chance(pongTrouble) ? 2 : 1; copies > 0; copies--) {
      this.kernel.after(latencyMs + lateMs, () => {
        if (this.state === 'open') this.ends.pong(number);
      });
    }
  }

  private land(): void {
    const next = this.flying[0];
    if (next === undefined || this.landing) return;
    this.landing = true;
    this.kernel.after(next.atMs - this.kernel.nowMs(), () => {
      this.landing = false;
      while (this.flying.length > 0 && this.flying[0]!.atMs <= this.kernel.nowMs()) this.landNext();
      this.land();
    });
  }

  private landNext(): void {
    const { bytes, ping, wireBytes } = this.flying.shift()!;
    this.arrivedBytes += wireBytes;
    if (bytes === null) this.answer(ping);
    else this.ends.arrive(bytes);
  }
}
