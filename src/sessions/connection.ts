// Owns one client's connection: its send queue (a bounded control lane first, then the subscriptions that are behind, by
// priority) and its subscriptions. The gateway feeds it socket events, the flush pumps it. Invariant: while the socket is
// backlogged nothing is sent and nothing is queued but control frames: what the client misses meanwhile is a cursor.

import { BACKLOGGED, SENT, type Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import type { Answer } from '../topics/answer.ts';
import { PART_BYTES_MAX } from '../topics/chunks.ts';
import type { Flush } from '../topics/flush.ts';
import { Recipient } from '../topics/recipient.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';

export interface ConnectionLimits {
  /** Bytes of control frames that may wait for a client that does not read. */
  readonly controlBytesMax: number;
}

/** What happened to all connections together; metrics read it. */
export interface ConnectionCounters {
  stalls: number;
  drains: number;
  pumps: number;
  slowControlCloses: number;
}

export interface ConnectionOptions {
  readonly id: string;
  readonly socket: Socket;
  readonly codec: Codec;
  readonly flush: Flush;
  readonly topics: Topics;
  readonly limits: ConnectionLimits;
  readonly counters: ConnectionCounters;
}

/** All pumps run one after the other, so they build their messages in one place. */
const message = new ByteWriter(4 * PART_BYTES_MAX);
const controlFrame = new ByteWriter();

export class Connection extends Recipient {
  readonly lane: number;
  private state: 'open' | 'backlogged' | 'closed' = 'open';
  private readonly socket: Socket;
  private readonly binary: boolean;
  readonly codec: Codec;
  readonly id: string;
  readonly subscriptions = new Map<string, Subscription>();
  /** Whether instrument events are wanted. */
  watchesInstruments = false;
  private control: Uint8Array[] = [];
  private controlBytes = 0;
  /** A long answer, whose frames are made when the socket takes them. */
  private listing: Iterator<Frame> | null = null;
  /** Subscriptions that need an answer of their own, in the order in which they fell behind. */
  private readonly behind = new Set<Subscription>();
  /** The time base that the message being built has stated; 0: none yet. */
  private baseUs = 0;

  constructor(private readonly options: ConnectionOptions) {
    super();
    this.id = options.id;
    this.codec = options.codec;
    this.socket = options.socket;
    this.binary = options.codec.binary;
    this.lane = options.flush.lanes.open(this, options.socket);
  }

  get closed(): boolean {
    return this.state === 'closed';
  }

  get backlogged(): boolean {
    return this.state === 'backlogged';
  }

  /** Bytes that wait in this process, the socket library's included. */
  get queuedBytes(): number {
    return this.controlBytes + (this.state === 'closed' ? 0 : this.socket.getBufferedAmount());
  }

  override strained(result: number): void {
    if (this.state === 'closed') return;
    if (result !== BACKLOGGED) {
      // What was dropped is lost to a client that believes itself in step: it must come back with its cursors.
      this.shut();
      return this.socket.end(CloseCode.slowControl, 'dropped');
    }
    this.state = 'backlogged';
    this.options.counters.stalls += 1;
    for (const subscription of this.subscriptions.values()) {
      if (subscription.inStep) subscription.view.leave(subscription);
    }
  }

  override wake(subscription: Subscription): void {
    if (this.state === 'closed') return;
    this.behind.add(subscription);
    if (this.state === 'open') this.options.flush.wake(this);
  }

  override end(subscription: Subscription): void {
    this.forget(subscription);
    // A client that was not told of the topic yet would not know what ends.
    if (subscription.topicDue) this.tell(subscription.topic.frame);
    this.tell({ type: 'end', topic: subscription.topic.id, reason: 'delisted' });
  }

  /** Queues a control frame; it goes out at the end of this turn, before any data that waits. */
  tell(frame: Frame): void {
    if (this.state === 'closed') return;
    controlFrame.length = 0;
    this.codec.encode(controlFrame, frame);
    const { controlBytesMax } = this.options.limits;
    // What only waits for the end of the turn goes out now.
    if (this.controlBytes + controlFrame.length > controlBytesMax) this.sendControl();
    if (this.closed) return;
    if (this.controlBytes > 0 && this.controlBytes + controlFrame.length > controlBytesMax) {
      this.options.counters.slowControlCloses += 1;
      return this.close(CloseCode.slowControl, 'slow-control');
    }
    this.controlBytes += controlFrame.length;
    this.control.push(controlFrame.copy());
    if (this.state === 'open') this.options.flush.wake(this);
  }

  /** Sends the frames behind the control frames that wait now, however many they are; another listing ends with this one. */
  enumerate(frames: Iterator<Frame>): void {
    if (this.state === 'closed') return;
    this.listing = frames;
    if (this.state === 'open') this.options.flush.wake(this);
  }

  /** The connection no longer has this subscription; the topic has been left already or ended. */
  forget(subscription: Subscription): void {
    this.behind.delete(subscription);
    this.subscriptions.delete(keyOf(subscription));
  }

  override pump(nowUs: number, nowMs: number): void {
    if (this.state !== 'open') return;
    this.options.counters.pumps += 1;
    message.length = 0;
    this.baseUs = 0;
    this.pumpControl();
    this.pumpListing();
    for (const subscription of this.byPriority()) {
      if (this.state !== 'open') return;
      this.bringUp(subscription, nowUs, nowMs);
    }
    this.sendMessage();
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (this.state !== 'backlogged') return;
    this.state = 'open';
    this.options.counters.drains += 1;
    for (const subscription of this.subscriptions.values()) {
      const { view } = subscription;
      if (!this.behind.has(subscription) && view.readmits(subscription)) view.join(subscription);
      else this.behind.add(subscription);
    }
    this.options.flush.wake(this);
  }

  /** Closes from our side. What is in the control lane is sent first where the socket still takes it. */
  close(code: number, reason: string): void {
    this.sendControl();
    if (this.state === 'closed') return;
    this.shut();
    this.socket.end(code, reason);
  }

  /** The socket is gone: leaves all topics. */
  shut(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.options.flush.lanes.close(this.lane);
    this.control = [];
    this.controlBytes = 0;
    this.listing = null;
    this.behind.clear();
    for (const subscription of this.subscriptions.values()) {
      subscription.topic.remove(subscription);
      this.options.topics.release(subscription.topic);
    }
    this.subscriptions.clear();
  }

  private sendControl(): void {
    if (this.state !== 'open') return;
    message.length = 0;
    this.pumpControl();
    this.sendMessage();
  }

  private pumpControl(): void {
    let sent = 0;
    for (; sent < this.control.length && this.state === 'open'; sent++) {
      const frame = this.control[sent]!;
      message.append(frame);
      this.controlBytes -= frame.length;
      if (message.length >= PART_BYTES_MAX) this.sendMessage();
    }
    this.control.splice(0, sent);
  }

  private pumpListing(): void {
    while (this.listing !== null && this.state === 'open') {
      const next = this.listing.next();
      if (next.done === true) this.listing = null;
      else this.write(next.value);
      if (message.length >= PART_BYTES_MAX) this.sendMessage();
    }
  }

  private byPriority(): Subscription[] {
    const waiting = [...this.behind];
    return waiting.length < 2 ? waiting : waiting.sort((a, b) => b.priority - a.priority);
  }

  /** Puts what a subscription lacks into the message; it is in step afterwards unless the socket stops taking. */
  private bringUp(subscription: Subscription, nowUs: number, nowMs: number): void {
    const { topic } = subscription;
    if (!topic.ready) return;
    if (subscription.answer !== null && subscription.answer.epoch !== topic.epoch) subscription.answer = null;
    if (subscription.answer === null && !this.beginAnswer(subscription, nowUs, nowMs)) return;
    const { answer } = subscription;
    if (answer === null) return;
    while (subscription.nextChunk < answer.chunks.length) {
      const chunk = answer.chunks[subscription.nextChunk]!;
      if (message.length > 0 && message.length + chunk.bytes.length > PART_BYTES_MAX) {
        this.sendMessage();
        if (this.state !== 'open') return;
      }
      this.setBase(chunk.gatewayUs);
      message.append(chunk.bytes);
      subscription.nextChunk += 1;
    }
    this.finishAnswer(subscription, answer);
  }

  /** Asks the topic and says what comes before its data. @returns false where nothing is left to send. */
  private beginAnswer(subscription: Subscription, nowUs: number, nowMs: number): boolean {
    const { topic } = subscription;
    if (subscription.topicDue) this.write(topic.frame);
    if (subscription.healthDue) {
      const ageMs = Math.round(nowMs - topic.updatedAtMs);
      this.write({ type: 'health', topic: topic.id, status: topic.health, ageMs });
    }
    subscription.topicDue = false;
    subscription.healthDue = false;
    if (subscription.inStep) {
      this.behind.delete(subscription);
      return false;
    }
    const answer = topic.answer(subscription, nowUs);
    if (answer.gap !== null) {
      this.write({ type: 'gap', topic: topic.id, ...answer.gap });
      subscription.seq = answer.gap.lastSeq;
    }
    if (answer.reset !== null) {
      this.write({ type: 'reset', topic: topic.id, ...answer.reset });
      // Said once: should the answer be abandoned, the next one begins from nothing (or, for events, from here).
      subscription.epoch = topic.channel === 'trade' ? answer.epoch : 0;
      subscription.seq = answer.reset.seq;
    }
    subscription.answer = answer;
    subscription.nextChunk = 0;
    subscription.resetDue = null;
    return true;
  }

  private finishAnswer(subscription: Subscription, { epoch, seq }: Answer): void {
    subscription.seq = epoch === subscription.epoch ? Math.max(seq, subscription.seq) : seq;
    subscription.epoch = epoch;
    subscription.depth = subscription.view.depth;
    subscription.answer = null;
    subscription.merging = false;
    this.settle(subscription);
  }

  /** In step, if what the client holds is what the view's members hold and nothing else is to be said first. */
  private settle(subscription: Subscription): void {
    const { topic, view, seq } = subscription;
    const lags = view.lanes.length > 0 && seq < view.sentSeq;
    if (lags || subscription.topicDue || subscription.healthDue) return this.options.flush.wake(this);
    this.behind.delete(subscription);
    view.join(subscription);
    if (topic.seq > seq && view.intervalMs === 0) this.options.flush.due(view);
  }

  private write(frame: Frame): void {
    this.codec.encode(message, frame);
  }

  private setBase(gatewayUs: number): void {
    if (!this.codec.relativeTimes || this.baseUs === gatewayUs) return;
    this.baseUs = gatewayUs;
    this.write({ type: 'time', timeUs: gatewayUs });
  }

  private sendMessage(): void {
    if (message.length === 0) return;
    const bytes = message.bytes.subarray(0, message.length);
    message.length = 0;
    this.baseUs = 0;
    const result = this.socket.send(bytes, this.binary, false);
    if (result !== SENT) this.strained(result);
  }
}

function keyOf({ topic }: Subscription): string {
  return `${topic.channel}:${topic.symbol}`;
}
