// Owns what a delivery touches of every connection, side by side in memory: a flush over hundreds of connections finds it in few
// cache lines, where the connections' own objects would cost a miss each. Connections open a lane, views and the flush use it.
// Invariant: what is due to a lane is in the order in which it was made; a lane that was closed drops what is sent into it until it is opened again.

import { DROPPED, type Socket } from '../ports/socket.ts';
import type { Recipient } from './recipient.ts';

/** Drops what is sent into it. */
export const CLOSED_SOCKET: Socket = {
  send: () => DROPPED,
  ping: () => DROPPED,
  end: () => {},
  getBufferedAmount: () => 0,
};
/** In the place of whoever has left: it wants nothing. */
const NOBODY: Recipient = {
  lane: -1,
  woken: false,
  admit: () => false,
  strained: () => {},
  wake: () => {},
  pump: () => {},
  end: () => {},
};

/** What a message of so many bytes takes on the wire, with its WebSocket header (RFC 6455 section 5.2). */
export function messageBytes(length: number): number {
  return length + (length < 126 ? 2 : length < 65_536 ? 4 : 10);
}

const LANES_MIN = 64;
const DUE_MIN = 16;

export class Lanes {
  readonly sockets: Socket[] = [];
  readonly recipients: Recipient[] = [];
  /** Bytes, headers included, that may be sent into the lane before its recipient is asked: the one number that each send reads and writes. */
  rooms = new Float64Array(LANES_MIN);
  /** How many answers are due to the lane. */
  dueCounts = new Int32Array(LANES_MIN);
  /** Hash of their numbers, in order: lanes of equal sets share one message. */
  dueHashes = new Int32Array(LANES_MIN);
  /** Their numbers, `dueStride` places a lane. */
  due = new Int32Array(LANES_MIN * DUE_MIN);
  dueStride = DUE_MIN;
  /** What the bytes ever sent into the lane may come to before its recipient is asked: so many, less its room, were. */
  private limits = new Float64Array(LANES_MIN);
  private readonly free: number[] = [];
  /** Bytes sent into lanes by those who had them before. */
  private formerBytes = 0;

  /** Bytes ever sent into all lanes, headers and pings included. */
  get sentBytes(): number {
    let bytes = this.formerBytes;
    for (let lane = 0; lane < this.sockets.length; lane++) bytes += this.sentInto(lane);
    return bytes;
  }

  open(recipient: Recipient, socket: Socket): number {
    const lane = this.free.pop() ?? this.sockets.length;
    if (lane >= this.dueCounts.length) this.grow();
    this.sockets[lane] = socket;
    this.recipients[lane] = recipient;
    this.formerBytes += this.sentInto(lane);
    this.rooms[lane] = 0;
    this.limits[lane] = 0;
    return lane;
  }

  /** Bytes ever sent into the lane, headers and pings included, since it was opened. */
  sentInto(lane: number): number {
    return this.limits[lane]! - this.rooms[lane]!;
  }

  /** So many were sent, by another than the flush. */
  count(lane: number, bytes: number): void {
    this.rooms[lane]! -= bytes;
  }

  /** Its recipient is asked before the bytes ever sent into the lane come to more than this. */
  limit(lane: number, bytes: number): void {
    // Whole bytes: what was sent is told from the difference.
    const whole = Math.floor(bytes);
    this.rooms[lane]! += whole - this.limits[lane]!;
    this.limits[lane] = whole;
  }

  /** What a flush under way still sends there is dropped. */
  close(lane: number): void {
    this.sockets[lane] = CLOSED_SOCKET;
    // Not kept for as long as nobody takes its place.
    this.recipients[lane] = NOBODY;
    this.free.push(lane);
  }

  /** One more answer is due to the lane. @returns whether it is the first. */
  mark(lane: number, answer: number): boolean {
    const count = this.dueCounts[lane] as number;
    if (count === this.dueStride) this.widen();
    this.due[lane * this.dueStride + count] = answer;
    this.dueCounts[lane] = count + 1;
    const hash = this.dueHashes[lane] as number;
    this.dueHashes[lane] = Math.imul(hash ^ answer, 0x9e3779b1) ^ (hash >>> 15);
    return count === 0;
  }

  /** Nothing is due to the lane any more; what was stays readable until the next mark. */
  clear(lane: number): void {
    this.dueCounts[lane] = 0;
    this.dueHashes[lane] = 0;
  }

  private grow(): void {
    const { rooms, limits, dueCounts, dueHashes, due } = this;
    const lanes = dueCounts.length * 2;
    this.dueCounts = new Int32Array(lanes);
    this.dueHashes = new Int32Array(lanes);
    this.due = new Int32Array(lanes * this.dueStride);
    this.rooms = new Float64Array(lanes);
    this.limits = new Float64Array(lanes);
    this.rooms.set(rooms);
    this.limits.set(limits);
    this.dueCounts.set(dueCounts);
    this.dueHashes.set(dueHashes);
    this.due.set(due);
  }

  private widen(): void {
    const { due, dueStride } = this;
    const lanes = this.dueCounts.length;
    this.dueStride = dueStride * 2;
    this.due = new Int32Array(lanes * this.dueStride);
    for (let lane = 0; lane < lanes; lane++) {
      this.due.set(due.subarray(lane * dueStride, (lane + 1) * dueStride), lane * this.dueStride);
    }
  }
}
