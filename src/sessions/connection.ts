// Owns one client's connection: its send queue (a bounded control lane first, then the subscriptions that are behind, in fair
// rotation) and its subscriptions. The gateway feeds it socket events, the flush pumps it, the pulse ticks it. Invariant: while
// the connection is blocked nothing is queued but control frames: what the client misses meanwhile is a cursor.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import { BACKLOGGED, SENT, type Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode } from '../protocol/errors.ts';
import type { Channel, Frame, PaceReason } from '../protocol/frames.ts';
import type { Answer } from '../topics/answer.ts';
import { PART_BYTES_MAX } from '../topics/chunks.ts';
import type { Flush } from '../topics/flush.ts';
import { Recipient } from '../topics/recipient.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { Topics } from '../topics/topics.ts';
import type { ViewShape } from '../topics/view.ts';
import { ControlLane } from './control-lane.ts';
import { type Block, Flow } from './flow.ts';
import { Ladder, REAL_TIME, type Rung, rungsOf } from './ladder.ts';
import { MessageBuilder } from './message.ts';
import { Rotation } from './rotation.ts';
import type { Window } from './window.ts';

export interface ConnectionLimits {
  /** Bytes of control frames that may wait for a client that does not read. */
  readonly controlBytesMax: number;
  /** A link this long without a frame gets a heartbeat; a peer that leaves three pings unanswered is given as long. */
  readonly heartbeatMs: number;
  /** A connection whose oldest unanswered ping is older than this is closed. */
  readonly ageMsMax: number;
  /** Bytes a second that the operator allows each connection; 0: no limit. */
  readonly connectionBytesPerSecMax: number;
}

/** What happened to all connections together; metrics read it. */
export interface ConnectionCounters {
  /** Times that a connection had to stop sending, by what stopped it. */
  blocked: Record<Block, number>;
  resumed: number;
  pumps: number;
  pings: number;
  pongs: number;
  strayPongs: number;
  heartbeats: number;
  paces: number;
  /** Closes from our side, by reason. */
  closed: Record<string, number>;
}

export function connectionCounters(): ConnectionCounters {
  return {
    blocked: { socket: 0, window: 0, budget: 0 },
    resumed: 0,
    pumps: 0,
    pings: 0,
    pongs: 0,
    strayPongs: 0,
    heartbeats: 0,
    paces: 0,
    closed: {},
  };
}

export interface ConnectionOptions {
  readonly id: string;
  readonly socket: Socket;
  readonly codec: Codec;
  readonly flush: Flush;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: ConnectionLimits;
  readonly counters: ConnectionCounters;
  /** Where the peer is, for people. */
  readonly address?: string;
  /** Told once, when the connection ends from our side. */
  readonly onClose?: (connection: Connection, code: number, reason: string) => void;
}

/** At the pace `slower` nothing is sent more often than this. */
export const SLOWER_INTERVAL_MS = 1_000;

export class Connection extends Recipient {
  readonly lane: number;
  readonly codec: Codec;
  readonly id: string;
  readonly address: string;
  readonly subscriptions = new Map<string, Subscription>();
  /** Whether instrument events are wanted. */
  watchesInstruments = false;
  /** Whether the client puts up with books cut to the best level. */
  topAllowed = false;
  rung: Rung = REAL_TIME;
  block: Block | null = null;
  private lastBlock: Block | null = null;
  /** Bytes a second of the last full second. */
  bytesPerSec = 0;
  readonly openedMs: number;
  heardMs: number;
  private state: 'open' | 'closed' = 'open';
  private readonly socket: Socket;
  private readonly flow: Flow;
  private readonly message: MessageBuilder;
  private readonly control = new ControlLane();
  /** Subscriptions that need an answer of their own. */
  private readonly behind = new Rotation();
  private readonly ladder = new Ladder();
  private clientBytesPerSec = 0;
  private budgetTimer: Timer | null = null;
  private blockedAtMs = 0;
  private blockedMs = 0;
  private tickedMs: number;
  private tickedBytes = 0;
  /** Pings do not end a silence: a client can't see them. */
  private tickedFrameBytes = 0;
  private quietSinceMs: number;
  /** What the pump under way found that it must wait for. */
  private wanted: Block | null = null;

  constructor(private readonly options: ConnectionOptions) {
    super();
    const nowMs = options.clock.nowMs();
    this.id = options.id;
    this.address = options.address ?? '';
    this.codec = options.codec;
    this.socket = options.socket;
    this.message = new MessageBuilder(options.codec);
    const { lanes } = options.flush;
    this.lane = lanes.open(this, options.socket);
    this.flow = new Flow(lanes, this.lane, options.socket, options.counters, nowMs);
    this.openedMs = nowMs;
    this.heardMs = nowMs;
    this.tickedMs = nowMs;
    this.quietSinceMs = nowMs;
    this.flow.allow(this.bytesPerSecMax, nowMs);
  }

  get window(): Window {
    return this.flow.window;
  }

  get closed(): boolean {
    return this.state === 'closed';
  }

  /** Bytes that wait in this process, the socket library's included. */
  get queuedBytes(): number {
    return this.control.bytes + (this.closed ? 0 : this.socket.getBufferedAmount());
  }

  /** Everything ever sent, WebSocket headers included. */
  get sentBytes(): number {
    return this.flow.sentBytes;
  }

  get unansweredBytes(): number {
    return this.closed ? 0 : this.flow.unansweredBytes;
  }

  /** How long the client has been without what is due to it, or the link without an answer. */
  ageMs(nowMs: number): number {
    const lacks = this.block !== null && [...this.subscriptions.values()].some(({ seq, topic }) => seq < topic.seq);
    return Math.max(0, nowMs - Math.min(this.window.oldestPingMs ?? nowMs, lacks ? this.blockedAtMs : nowMs));
  }

  /** Bytes a second that client and operator allow; 0: no limit. */
  get bytesPerSecMax(): number {
    const limits = [this.clientBytesPerSec, this.options.limits.connectionBytesPerSecMax].filter((limit) => limit > 0);
    return limits.length === 0 ? 0 : Math.min(...limits);
  }

  override admit(bytes: number): boolean {
    if (this.closed || this.block !== null) return false;
    const nowMs = this.options.clock.nowMs();
    const block = this.flow.blockFor(0, bytes, nowMs);
    if (block !== null) {
      this.stop(block, nowMs, false);
      return false;
    }
    if (this.flow.pingDueBefore(bytes)) this.taken(this.flow.ping(nowMs), false);
    else this.flow.setLimit(nowMs);
    return !this.closed && this.block === null;
  }

  override strained(result: number): void {
    this.taken(result, true);
  }

  /** What the socket answered. `delivered`: whether the answers of the flush under way have gone out. */
  private taken(result: number, delivered: boolean): void {
    if (result === SENT || this.closed) return;
    if (result === BACKLOGGED) return this.stop('socket', this.options.clock.nowMs(), delivered);
    // What was dropped is lost to a client that believes itself in step: it must come back with its cursors.
    this.over(CloseCode.tooSlow, 'dropped');
  }

  override wake(subscription: Subscription): void {
    if (this.closed) return;
    this.behind.add(subscription);
    if (this.block === null) this.options.flush.wake(this);
  }

  override end(subscription: Subscription): void {
    this.forget(subscription);
    // A client that was not told of the topic yet would not know what ends.
    if (subscription.topicDue) this.tell(subscription.topic.frame);
    this.tell({ type: 'end', topic: subscription.topic.id, reason: 'delisted' });
  }

  /** Queues a control frame; it goes out at the end of this turn, before any data that waits. */
  tell(frame: Frame): void {
    if (this.closed) return;
    const { controlBytesMax } = this.options.limits;
    const bytes = this.control.encode(this.codec, frame);
    // What only waits for the end of the turn goes out now.
    if (this.control.bytes + bytes.length > controlBytesMax) this.sendControl();
    if (this.closed) return;
    if (this.control.bytes > 0 && this.control.bytes + bytes.length > controlBytesMax) {
      return this.close(CloseCode.slowControl, 'slow-control');
    }
    this.control.push(bytes);
    this.options.flush.wake(this);
  }

  /** Sends the frames behind the control frames that wait now, however many they are; another listing ends with this one. */
  enumerate(frames: Iterator<Frame>): void {
    if (this.closed) return;
    this.control.listing = frames;
    this.options.flush.wake(this);
  }

  /** The connection no longer has this subscription; the topic has been left already or ended. */
  forget(subscription: Subscription): void {
    this.behind.delete(subscription);
    this.subscriptions.delete(keyOf(subscription));
  }

  /** The client's wishes as to how it is served; what is left out stays. */
  limit(wishes: { readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }): void {
    const nowMs = this.options.clock.nowMs();
    this.topAllowed = wishes.topOfBook ?? this.topAllowed;
    if (wishes.maxBytesPerSec !== undefined) {
      this.clientBytesPerSec = wishes.maxBytesPerSec;
      this.flow.allow(this.bytesPerSecMax, nowMs);
      if (this.block === 'budget') this.resume(nowMs);
    }
  }

  /** What a subscription gets at the present pace, of what it asked for. */
  paced(channel: Channel, asked: ViewShape, priority: number): ViewShape {
    const { pace, priority: upTo } = this.rung;
    // Where every update counts nothing can be left out.
    if (pace === 'real-time' || pace === 'conflated' || asked.mode === 'raw' || channel === 'trade') return asked;
    const top = pace === 'top' && priority <= upTo && channel === 'book';
    if (pace === 'slower' && priority > upTo) return asked;
    return { ...asked, depth: top ? 1 : asked.depth, intervalMs: Math.max(asked.intervalMs, SLOWER_INTERVAL_MS) };
  }

  override pump(nowUs: number, nowMs: number): void {
    if (this.closed || this.block === 'socket') return;
    this.options.counters.pumps += 1;
    this.message.begin();
    this.pumpControl(nowMs);
    if (this.free) this.pumpListing(nowMs);
    if (this.free) this.pumpBehind(nowUs, nowMs);
    this.sendMessage(nowMs);
    if (this.free) this.settleAll();
    else if (this.wanted !== null && this.block === null && !this.closed) this.stop(this.wanted, nowMs, true);
    this.wanted = null;
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (!this.closed && this.block === 'socket') this.resume(this.options.clock.nowMs());
  }

  /** A pong has come, with what its ping carried. */
  pong(number: number): void {
    if (this.closed) return;
    const nowMs = this.options.clock.nowMs();
    const { counters } = this.options;
    this.heardMs = nowMs;
    counters.pongs += 1;
    if (!this.flow.pong(number, nowMs)) counters.strayPongs += 1;
    else if (this.block === 'window' && this.unansweredBytes < this.window.bytes) this.resume(nowMs);
    else if (this.control.bytes > 0) this.options.flush.wake(this);
  }

  /** Anything else was received. */
  heard(): void {
    this.heardMs = this.options.clock.nowMs();
  }

  /** Once a second: heartbeat, silent and hopeless peers, pace. */
  tick(nowMs: number, nowUs: number): void {
    if (this.closed) return;
    const { heartbeatMs, ageMsMax } = this.options.limits;
    const { window, sentBytes } = this;
    const spanMs = Math.max(1, nowMs - this.tickedMs);
    this.bytesPerSec = Math.round(((sentBytes - this.tickedBytes) / spanMs) * 1_000);
    if (this.flow.frameBytes !== this.tickedFrameBytes) this.quietSinceMs = nowMs;
    this.tickedFrameBytes = this.flow.frameBytes;
    const blockedMs = this.blockedMs + (this.block === null ? 0 : nowMs - Math.max(this.blockedAtMs, this.tickedMs));
    this.blockedMs = 0;
    this.tickedMs = nowMs;
    this.tickedBytes = sentBytes;
    // A slow link may need longer for what is on its way: twice as long as it is sure to take is given.
    const patienceMs = Math.max(heartbeatMs, 2 * window.transitMs(this.unansweredBytes));
    if (window.silentMs(3, nowMs) >= patienceMs && nowMs - this.heardMs >= heartbeatMs) {
      return this.close(CloseCode.silent, 'silent');
    }
    if (nowMs - (window.oldestPingMs ?? nowMs) > ageMsMax) return this.close(CloseCode.tooSlow, 'too-slow');
    if (nowMs - this.quietSinceMs >= heartbeatMs) this.beat(nowMs, nowUs);
    if (nowMs - this.flow.pingedMs >= heartbeatMs && this.block !== 'socket') this.taken(this.flow.ping(nowMs), true);
    this.changePace(blockedMs / spanMs);
  }

  /** Closes from our side. What is in the control lane is sent first where the socket still takes it. */
  close(code: number, reason: string): void {
    this.sendControl();
    this.over(code, reason);
  }

  /** The socket is gone: leaves all topics. */
  shut(): void {
    if (this.closed) return;
    this.options.flush.lanes.close(this.lane);
    this.state = 'closed';
    this.control.clear();
    this.behind.clear();
    this.budgetTimer?.cancel();
    for (const subscription of this.subscriptions.values()) {
      subscription.topic.remove(subscription);
      this.options.topics.release(subscription.topic);
    }
    this.subscriptions.clear();
  }

  /** Whether it is the budget that makes this connection slow. */
  private get spares(): boolean {
    return this.flow.budgeted && this.lastBlock === 'budget';
  }

  private get free(): boolean {
    return this.state === 'open' && this.block === null && this.wanted === null;
  }

  private sendControl(): void {
    if (this.closed || this.block === 'socket') return;
    const nowMs = this.options.clock.nowMs();
    this.message.begin();
    this.pumpControl(nowMs);
    this.sendMessage(nowMs);
  }

  private pumpControl(nowMs: number): void {
    for (let frame = this.control.first; frame !== undefined; frame = this.control.first) {
      if (this.flow.blocksControl(this.message.length, frame.length)) {
        // No data passes a control frame: what comes free is for it.
        this.wanted = 'window';
        return;
      }
      this.control.shift();
      this.message.append(frame);
      if (this.message.length >= PART_BYTES_MAX) this.sendMessage(nowMs);
      if (this.closed || this.block === 'socket') return;
    }
  }

  private pumpListing(nowMs: number): void {
    const { control } = this;
    while (control.listing !== null && this.free) {
      this.wanted = this.blockFor(0, nowMs);
      if (this.wanted !== null) return;
      const next = control.listing.next();
      if (next.done === true) control.listing = null;
      else this.message.write(next.value);
      if (this.message.length >= PART_BYTES_MAX) this.sendMessage(nowMs);
    }
  }

  private pumpBehind(nowUs: number, nowMs: number): void {
    const queue = this.behind.inOrder();
    for (let i = 0; i < queue.length && this.free; i++) {
      if (this.bringUp(queue[i]!, nowUs, nowMs)) this.behind.again(queue, i);
    }
  }

  /** Puts the next piece of what a subscription lacks into the message. @returns whether there is more of it. */
  private bringUp(subscription: Subscription, nowUs: number, nowMs: number): boolean {
    const { topic } = subscription;
    if (!topic.ready || !subscription.due(nowMs)) return false;
    this.wanted = this.blockFor(0, nowMs);
    if (this.wanted !== null) return false;
    if (subscription.answer !== null && subscription.answer.epoch !== topic.epoch) subscription.answer = null;
    if (subscription.answer === null && !this.beginAnswer(subscription, nowUs, nowMs)) return false;
    const { answer } = subscription;
    if (answer === null) return false;
    const chunk = answer.chunks[subscription.nextChunk];
    if (chunk !== undefined) {
      this.wanted = this.blockFor(chunk.bytes.length, nowMs);
      if (this.wanted !== null) {
        // By the time that there is room, the answer is another; parts of which some were sent go on as they are.
        if (subscription.nextChunk === 0) subscription.answer = null;
        return false;
      }
      if (this.message.length > 0 && this.message.length + chunk.bytes.length > PART_BYTES_MAX) {
        this.sendMessage(nowMs);
        if (!this.free) return false;
      }
      this.message.chunk(chunk);
      this.behind.charge(subscription);
      subscription.nextChunk += 1;
      // Should the rest be abandoned, the next answer begins here.
      if (answer.epoch === subscription.epoch) subscription.seq = Math.max(subscription.seq, chunk.seq);
      if (subscription.nextChunk < answer.chunks.length) return true;
    }
    this.finishAnswer(subscription, answer, nowMs);
    return false;
  }

  /** Asks the topic and says what comes before its data. @returns false where nothing is left to send. */
  private beginAnswer(subscription: Subscription, nowUs: number, nowMs: number): boolean {
    const { topic } = subscription;
    if (subscription.topicDue) this.message.write(topic.frame);
    if (subscription.healthDue) {
      const ageMs = Math.round(nowMs - topic.updatedAtMs);
      this.message.write({ type: 'health', topic: topic.id, status: topic.health, ageMs });
    }
    subscription.topicDue = false;
    subscription.healthDue = false;
    if (subscription.inStep) {
      this.behind.delete(subscription);
      return false;
    }
    const answer = topic.answer(subscription, nowUs);
    if (answer.gap !== null) {
      const reason = this.spares && answer.gap.reason === 'ring' ? 'budget' : answer.gap.reason;
      this.message.write({ type: 'gap', topic: topic.id, ...answer.gap, reason });
      subscription.seq = answer.gap.lastSeq;
    }
    if (answer.reset !== null) {
      this.message.write({ type: 'reset', topic: topic.id, ...answer.reset });
      // Said once: should the answer be abandoned, the next one begins from nothing (or, for events, from here).
      subscription.epoch = topic.channel === 'trade' ? answer.epoch : 0;
      subscription.seq = answer.reset.seq;
    }
    subscription.answer = answer;
    subscription.nextChunk = 0;
    subscription.resetDue = null;
    return true;
  }

  private finishAnswer(subscription: Subscription, { epoch, seq }: Answer, nowMs: number): void {
    subscription.seq = epoch === subscription.epoch ? Math.max(seq, subscription.seq) : seq;
    subscription.epoch = epoch;
    subscription.depth = subscription.view.depth;
    subscription.answer = null;
    subscription.merging = false;
    subscription.answeredMs = nowMs;
  }

  /** Everything due was sent: from now on the flush serves these subscriptions. */
  private settleAll(): void {
    for (const subscription of this.behind.inOrder()) {
      if (subscription.topic.ready && subscription.answer === null) this.settle(subscription);
    }
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

  private sendMessage(nowMs: number): void {
    if (this.message.length === 0) return;
    this.taken(this.flow.send(this.message.take(), this.codec.binary), true);
    if (!this.closed && this.block !== 'socket' && this.flow.pingDue) this.taken(this.flow.ping(nowMs), true);
  }

  private blockFor(bytes: number, nowMs: number): Block | null {
    return this.flow.blockFor(this.message.length, bytes, nowMs);
  }

  /** No more is sent until the block is gone. `delivered`: whether the answers of the flush under way have gone out. */
  private stop(block: Block, nowMs: number, delivered: boolean): void {
    if (this.block === null) {
      this.blockedAtMs = nowMs;
      this.options.counters.blocked[block] += 1;
    }
    this.block = block;
    this.lastBlock = block;
    for (const subscription of this.subscriptions.values()) {
      if (!subscription.inStep) continue;
      const missed = subscription.view.leave(subscription, delivered);
      if (missed) this.behind.add(subscription);
    }
    if (block === 'window') {
      this.window.fill();
      this.taken(this.flow.ensurePing(nowMs), true);
    }
    if (block === 'budget') this.awaitBudget(nowMs);
  }

  private resume(nowMs: number): void {
    this.blockedMs += nowMs - Math.max(this.blockedAtMs, this.tickedMs);
    this.block = null;
    this.options.counters.resumed += 1;
    this.flow.setLimit(nowMs);
    for (const subscription of this.subscriptions.values()) {
      if (subscription.inStep || this.behind.has(subscription)) continue;
      if (subscription.view.readmits(subscription)) subscription.view.join(subscription);
      else this.behind.add(subscription);
    }
    this.options.flush.wake(this);
  }

  private awaitBudget(nowMs: number): void {
    this.budgetTimer?.cancel();
    this.budgetTimer = this.options.timers.after(this.flow.budgetWaitMs(nowMs), () => {
      this.budgetTimer = null;
      if (!this.closed && this.block === 'budget') this.resume(this.options.clock.nowMs());
    });
  }

  private beat(nowMs: number, nowUs: number): void {
    this.quietSinceMs = nowMs;
    this.options.counters.heartbeats += 1;
    const roundTripMs = this.window.roundTripMs === null ? null : Math.round(this.window.roundTripMs);
    this.tell({ type: 'heartbeat', timeUs: nowUs, roundTripMs, lagMs: Math.round(this.ageMs(nowMs)) });
  }

  private changePace(blockedShare: number): void {
    if (this.ladder.atTop && blockedShare === 0) return;
    const priorities: number[] = [];
    for (const { priority, topic } of this.subscriptions.values())
      if (topic.channel !== 'trade') priorities.push(priority);
    const rung = this.ladder.tick(blockedShare, rungsOf(priorities, this.topAllowed));
    if (rung === null) return;
    this.rung = rung;
    this.options.counters.paces += 1;
    const reason: PaceReason = this.spares ? 'budget' : 'link';
    const intervalMs = rung.pace === 'slower' || rung.pace === 'top' ? SLOWER_INTERVAL_MS : 0;
    this.tell({ type: 'pace', pace: rung.pace, priority: rung.priority, intervalMs, reason });
    for (const subscription of this.subscriptions.values()) this.reshape(subscription, subscription.asked);
  }

  /** Gives a subscription what it asked for, as far as the present pace allows. */
  reshape(subscription: Subscription, asked: ViewShape): void {
    subscription.asked = asked;
    const shape = this.paced(subscription.topic.channel, asked, subscription.priority);
    const { view } = subscription;
    subscription.topic.reshape(subscription, shape);
    if (shape.intervalMs > 0) this.options.flush.addToGrid(subscription.view);
    if (subscription.view !== view) this.wake(subscription);
  }

  private over(code: number, reason: string): void {
    if (this.closed) return;
    const { counters, onClose } = this.options;
    counters.closed[reason] = (counters.closed[reason] ?? 0) + 1;
    onClose?.(this, code, reason);
    this.shut();
    this.socket.end(code, reason);
  }
}

function keyOf({ topic }: Subscription): string {
  return `${topic.channel}:${topic.symbol}`;
}
