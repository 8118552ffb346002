// Owns how much may go into one connection's socket, and the going: the lane's count of bytes, window, budget, pings.
// Connections call it. Invariant: every byte handed to the socket is counted once, in the lane, and the flush asks before it
// passes a ping that is due, the window's end or the budget's.

import { SENT, type Socket } from '../ports/socket.ts';
import { CLOSED_SOCKET, type Lanes, messageBytes } from '../topics/lanes.ts';
import { Budget } from './budget.ts';
import { Window } from './window.ts';

/** `socket`: it buffers. `window`: too much is unanswered. `budget`: too much was sent of late. `demo`: the client wants to see it. */
export type Block = 'socket' | 'window' | 'budget' | 'demo';

/** Control frames may pass a full window by this much: enough to say why nothing else comes. */
const CONTROL_RESERVE_BYTES = 4_096;

export class Flow {
  readonly window = new Window();
  /** When the last ping was sent. */
  pingedMs = 0;
  private budget: Budget | null = null;
  private pingBytes = 0;

  private lane = 0;
  private socket: Socket = CLOSED_SOCKET;

  constructor(
    private readonly lanes: Lanes,
    private readonly counters: { pings: number; pingBytes: number },
  ) {}

  /** Everything is from now on about this socket, into which nothing was sent yet. */
  begin(lane: number, socket: Socket, nowMs: number): void {
    this.lane = lane;
    this.socket = socket;
    this.pingedMs = nowMs;
    this.budget = null;
    this.pingBytes = 0;
    this.window.reset();
  }

  /** The socket is gone. */
  end(): void {
    this.socket = CLOSED_SOCKET;
  }

  /** Bytes that the socket has taken and that have not left this process. */
  get bufferedBytes(): number {
    return this.socket.getBufferedAmount();
  }

  /** Everything ever sent, WebSocket headers included. */
  get sentBytes(): number {
    return this.lanes.sentInto(this.lane);
  }

  /** The same without pings, which a client can't see. */
  get frameBytes(): number {
    return this.sentBytes - this.pingBytes;
  }

  get unansweredBytes(): number {
    return this.sentBytes - this.window.answeredBytes;
  }

  /** Bytes a second from now on; 0: no limit. */
  allow(bytesPerSec: number, nowMs: number): void {
    this.budget = bytesPerSec === 0 ? null : new Budget(bytesPerSec, this.sentBytes, nowMs);
    this.setLimit(nowMs);
  }

  get budgeted(): boolean {
    return this.budget !== null;
  }

  budgetWaitMs(nowMs: number): number {
    return this.budget?.waitMs(this.sentBytes, nowMs) ?? 0;
  }

  /**
   * What forbids so many more bytes now, where `pendingBytes` are in a message being built. Something may always be sent when
   * nothing is on its way.
   */
  blockFor(pendingBytes: number, bytes: number, nowMs: number): Block | null {
    const inFlight = this.unansweredBytes + pendingBytes;
    if (inFlight > 0 && inFlight + bytes > this.window.bytes) return 'window';
    return this.budget !== null && this.budget.left(this.sentBytes, nowMs) <= pendingBytes ? 'budget' : null;
  }

  /** Whether a control frame must wait: it has a reserve behind the window, and no budget. */
  blocksControl(pendingBytes: number, bytes: number): boolean {
    const inFlight = this.unansweredBytes + pendingBytes;
    return inFlight > 0 && inFlight + bytes > this.window.bytes + CONTROL_RESERVE_BYTES;
  }

  get pingDue(): boolean {
    return this.sentBytes >= this.window.pingAtBytes || !this.window.begun;
  }

  /** Whether so many more bytes would be better preceded by a ping. */
  pingDueBefore(bytes: number): boolean {
    return this.sentBytes + bytes > this.window.pingAtBytes;
  }

  /** @returns what the socket answered. */
  send(message: Uint8Array, binary: boolean): number {
    const result = this.socket.send(message, binary, false);
    this.lanes.count(this.lane, messageBytes(message.length));
    return result;
  }

  /** @returns what the socket answered. */
  ping(nowMs: number): number {
    const number = String(this.window.nextNumber);
    const bytes = messageBytes(number.length);
    this.lanes.count(this.lane, bytes);
    // Its pong answers for the ping as well: afterwards nothing is on its way.
    this.window.ping(this.sentBytes, nowMs);
    this.pingBytes += bytes;
    this.pingedMs = nowMs;
    this.counters.pings += 1;
    this.counters.pingBytes += bytes;
    const result = this.socket.ping(number);
    this.setLimit(nowMs);
    return result;
  }

  /** A ping, unless one is under way that answers for everything. @returns what the socket answered. */
  ensurePing(nowMs: number): number {
    return this.window.covers(this.sentBytes) ? SENT : this.ping(nowMs);
  }

  /** @returns whether the pong answered for anything. */
  pong(number: number, nowMs: number): boolean {
    const answered = this.window.pong(number, nowMs);
    this.setLimit(nowMs);
    return answered;
  }

  /** Until what count the flush may send without asking. */
  setLimit(nowMs: number): void {
    const { window, budget, sentBytes } = this;
    const budgetAt = budget === null ? Number.POSITIVE_INFINITY : sentBytes + budget.left(sentBytes, nowMs);
    this.lanes.limit(this.lane, Math.min(window.pingAtBytes, window.fullAtBytes, budgetAt));
  }
}
