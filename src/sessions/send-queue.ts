// Owns what waits for one client, and its going: control frames first, within a bound, then a listing, then the subscriptions
// that are behind, in fair rotation, as far as socket, window and budget let it. The connection feeds and pumps it.
// Invariant: while it is blocked nothing is queued but control frames: what the client misses meanwhile is a cursor.

import type { Clock, Timer, Timers } from '../ports/clock.ts';
import { BACKLOGGED, SENT, type Socket } from '../ports/socket.ts';
import { encodeKept } from '../protocol/blocks.ts';
import type { Codec } from '../protocol/codec.ts';
import { jsonCodec } from '../protocol/codecs.ts';
import { CloseCode } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frames.ts';
import type { Answer, AnswerKind } from '../topics/answer.ts';
import { PART_BYTES_MAX } from '../topics/chunks.ts';
import type { Flush } from '../topics/flush.ts';
import type { Recipient } from '../topics/recipient.ts';
import type { Subscription } from '../topics/subscription.ts';
import { ControlLane } from './control-lane.ts';
import { type ConnectionCounters, count } from './counters.ts';
import { type Block, Flow } from './flow.ts';
import { healedBy } from './healing.ts';
import { type MessageBuilder, messageBuilderOf } from './message.ts';
import { Rotation } from './rotation.ts';

/** What send queues need that is the same for all of them. */
export interface SendQueueSite {
  readonly flush: Flush;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: ConnectionCounters;
  readonly limits: {
    /** Bytes of control frames that may wait for a client that does not read. */
    readonly controlBytesMax: number;
  };
}

/** Whose queue it is. */
export interface Served extends Recipient {
  readonly codec: Codec;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** The client can't be served any more. */
  fail(code: number, reason: string): void;
}

/** Answers that bring many updates as one. */
const MERGES: Partial<Record<AnswerKind, boolean>> = {
  difference: true,
  rounded: true,
  deeper: true,
  shallower: true,
};
/** Of a long row of answers a client reads the first ones while the others are made. */
const EARLY_BYTES = 4_096;

export class SendQueue {
  readonly flow: Flow;
  block: Block | null = null;
  /** When it was blocked last. */
  blockedAtMs = 0;
  private lastBlock: Block | null = null;
  private message: MessageBuilder = messageBuilderOf(jsonCodec);
  private readonly control = new ControlLane();
  /** Subscriptions that need an answer of their own. */
  private readonly behind = new Rotation();
  private budgetTimer: Timer | null = null;
  private stallTimer: Timer | null = null;
  /** How long it was blocked, up to the last time that it was asked for, and since then. */
  private countedMs = 0;
  private blockedMs = 0;
  /** What the pump under way found that it must wait for. */
  private wanted: Block | null = null;
  private ended = true;
  private readonly leaveViews = (): void => {
    for (const subscription of this.served.subscriptions.values()) {
      if (!subscription.inStep) continue;
      const missed = subscription.view.leave(subscription);
      if (missed) this.behind.add(subscription);
    }
  };

  constructor(
    private readonly site: SendQueueSite,
    private readonly served: Served,
  ) {
    this.flow = new Flow(site.flush.lanes, site.counters);
  }

  /** Everything is from now on for another client, to whom nothing was sent yet. */
  begin(socket: Socket, nowMs: number): void {
    this.message = messageBuilderOf(this.served.codec);
    this.flow.begin(this.served.lane, socket, nowMs);
    this.block = null;
    this.blockedAtMs = 0;
    this.lastBlock = null;
    this.countedMs = nowMs;
    this.blockedMs = 0;
    this.wanted = null;
    this.ended = false;
  }

  /** Bytes that wait in this process, the socket library's included. */
  get bytes(): number {
    return this.control.bytes + (this.ended ? 0 : this.flow.bufferedBytes);
  }

  /** Whether it is the budget that makes this client slow. */
  get spares(): boolean {
    return this.flow.budgeted && this.lastBlock === 'budget';
  }

  /** How long it was blocked since it was asked last. */
  takeBlockedMs(nowMs: number): number {
    const blockedMs = this.blockedMs + (this.block === null ? 0 : this.blockLastsMs(nowMs));
    this.blockedMs = 0;
    this.countedMs = nowMs;
    return blockedMs;
  }

  /** Bytes a second from now on; 0: no limit. */
  allow(bytesPerSec: number, nowMs: number): void {
    this.flow.allow(bytesPerSec, nowMs);
    if (this.block === 'budget') this.resume(nowMs);
  }

  /** Whether the flush may send so many more bytes, where its limit is in the way. If not, the client is behind. */
  admit(bytes: number): boolean {
    if (this.ended || this.block !== null) return false;
    const nowMs = this.site.clock.nowMs();
    const block = this.flow.blockFor(0, bytes, nowMs);
    if (block !== null) {
      this.stop(block, nowMs);
      return false;
    }
    // The ping goes out when all have been sent to: its pong answers for this message too, and a peer that answers in between costs the others time.
    if (this.flow.pingDueBefore(bytes)) this.wake();
    else this.flow.setLimit(nowMs);
    return true;
  }

  /** What the socket answered. */
  taken(result: number): void {
    if (result === SENT || this.ended) return;
    if (result === BACKLOGGED) return this.stop('socket', this.site.clock.nowMs());
    // What was dropped is lost to a client that believes itself in step: it must come back with its cursors.
    this.served.fail(CloseCode.tooSlow, 'dropped');
  }

  /** The subscription needs an answer of its own. */
  add(subscription: Subscription): void {
    this.behind.add(subscription);
    if (this.block === null) this.wake();
  }

  delete(subscription: Subscription): void {
    this.behind.delete(subscription);
  }

  /** Queues a control frame; it goes out at the end of this turn, before any data that waits. */
  tell(frame: Frame): void {
    const { controlBytesMax } = this.site.limits;
    const bytes = encodeKept(this.served.codec, frame);
    // What only waits for the end of the turn goes out now.
    if (this.control.bytes + bytes.length > controlBytesMax) this.sendControl();
    if (this.ended) return;
    if (this.control.bytes > 0 && this.control.bytes + bytes.length > controlBytesMax) {
      return this.served.fail(CloseCode.slowControl, 'slow-control');
    }
    // What waits for long does not hold on to what others were told.
    this.control.push(this.block === null ? bytes : bytes.slice());
    this.wake();
  }

  /** Sends the frames behind the control frames that wait now, however many they are; another listing ends with this one. */
  enumerate(frames: Iterator<Frame>): void {
    this.control.listing = frames;
    this.wake();
  }

  /** Sends what waits, as far as that goes. */
  pump(nowUs: number, nowMs: number): void {
    if (this.ended || this.mute) return;
    this.site.counters.pumps += 1;
    this.message.begin();
    this.pumpControl(nowMs);
    if (this.free) this.pumpListing(nowMs);
    if (this.free) this.pumpBehind(nowUs, nowMs);
    this.sendMessage(nowMs);
    if (this.flow.pingDueBefore(0)) this.ping(nowMs);
    if (this.free) this.settleAll();
    else if (this.wanted !== null && this.block === null && !this.ended) this.stop(this.wanted, nowMs);
    this.wanted = null;
  }

  /** Sends the control frames that wait, where the socket still takes them. */
  sendControl(): void {
    if (this.ended || this.mute) return;
    const nowMs = this.site.clock.nowMs();
    this.message.begin();
    this.pumpControl(nowMs);
    this.sendMessage(nowMs);
  }

  /** The socket took everything that it had buffered. */
  drained(): void {
    if (this.block === 'socket') this.resume(this.site.clock.nowMs());
  }

  /** A pong has come, with what its ping carried. @returns whether it answered for anything. */
  pong(number: number, nowMs: number): boolean {
    const answered = this.flow.pong(number, nowMs);
    if (!answered) return false;
    if (this.block === 'window' && this.flow.unansweredBytes < this.flow.window.bytes) this.resume(nowMs);
    else if (this.control.bytes > 0) this.wake();
    return true;
  }

  /** Nothing is sent for so long, as if the link had stalled; 0 ends it. A socket that stalls by itself is left to it. */
  stall(forMs: number): void {
    this.sendControl();
    this.stallTimer?.cancel();
    this.stallTimer = null;
    if (this.ended || this.block === 'socket') return;
    const { clock, timers } = this.site;
    if (forMs === 0) {
      if (this.block === 'demo') this.resume(clock.nowMs());
      return;
    }
    this.stop('demo', clock.nowMs());
    this.stallTimer = timers.after(forMs, () => {
      this.stallTimer = null;
      if (!this.ended && this.block === 'demo') this.resume(clock.nowMs());
    });
  }

  /** A ping, where the socket still takes it. */
  ping(nowMs: number): void {
    if (!this.ended && this.block !== 'socket') this.taken(this.flow.ping(nowMs));
  }

  /** The socket is gone. */
  end(): void {
    this.ended = true;
    this.control.clear();
    this.behind.clear();
    this.budgetTimer?.cancel();
    this.stallTimer?.cancel();
    this.budgetTimer = null;
    this.stallTimer = null;
    this.flow.end();
  }

  /** Whether not even control frames go out. */
  private get mute(): boolean {
    return this.block === 'socket' || this.block === 'demo';
  }

  private wake(): void {
    this.site.flush.wake(this.served);
  }

  private get free(): boolean {
    return !this.ended && this.block === null && this.wanted === null;
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
      if (this.ended || this.block === 'socket') return;
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
      if (this.message.length >= EARLY_BYTES) this.sendMessage(nowMs);
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
        if (subscription.nextChunk === 0) this.abandon(subscription, answer);
        return false;
      }
      if (this.message.length > 0 && this.message.length + chunk.bytes.length > PART_BYTES_MAX) {
        this.sendMessage(nowMs);
        if (!this.free) return false;
      }
      if (subscription.nextChunk === 0) this.countMerged(subscription, answer);
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
    if (subscription.healDue) {
      const healed = healedBy(answer, subscription);
      count(this.site.counters.healed, healed.how);
      this.message.write(healed);
    }
    subscription.healing = subscription.healDue;
    subscription.healDue = false;
    if (answer.gap !== null) {
      const reason = this.spares && answer.gap.reason === 'ring' ? 'budget' : answer.gap.reason;
      const { firstSeq, lastSeq } = answer.gap;
      this.message.write({ type: 'gap', topic: topic.id, firstSeq, lastSeq, reason });
      this.site.counters.gaps += 1;
      subscription.seq = answer.gap.lastSeq;
    }
    if (answer.reset !== null) {
      const { seq, reason } = answer.reset;
      this.message.write({ type: 'reset', topic: topic.id, seq, reason });
      if (answer.kind !== 'first') count(this.site.counters.resets, reason);
      // Said once: should the answer be abandoned, the next one begins from nothing (or, for events, from here).
      subscription.epoch = topic.channel === 'trade' ? answer.epoch : 0;
      subscription.seq = answer.reset.seq;
    }
    subscription.answer = answer;
    subscription.nextChunk = 0;
    subscription.resetDue = null;
    return true;
  }

  private countMerged({ epoch, seq }: Subscription, answer: Answer): void {
    if (epoch === answer.epoch && MERGES[answer.kind]) this.site.counters.merged += Math.max(0, answer.seq - seq - 1);
  }

  /** It may be another one next time, and then the client is told anew how it is healed, unless it was begun already. */
  private abandon(subscription: Subscription, { reset, gap }: Answer): void {
    subscription.answer = null;
    subscription.healDue = subscription.healing && reset === null && gap === null;
    subscription.healing = false;
  }

  private finishAnswer(subscription: Subscription, { epoch, seq }: Answer, nowMs: number): void {
    subscription.seq = epoch === subscription.epoch ? Math.max(seq, subscription.seq) : seq;
    subscription.epoch = epoch;
    subscription.depth = subscription.view.depth;
    subscription.answer = null;
    subscription.healing = false;
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
    if (lags || subscription.topicDue || subscription.healthDue) return this.wake();
    this.behind.delete(subscription);
    view.join(subscription);
    if (topic.seq > seq && view.intervalMs === 0) this.site.flush.due(view);
  }

  private sendMessage(nowMs: number): void {
    if (this.message.length === 0) return;
    this.site.counters.messages += 1;
    this.site.counters.frames += this.message.frames;
    this.taken(this.flow.send(this.message.take(), this.served.codec.binary));
    if (this.flow.pingDue) this.ping(nowMs);
  }

  private blockFor(bytes: number, nowMs: number): Block | null {
    return this.flow.blockFor(this.message.length, bytes, nowMs);
  }

  /** No more is sent until the block is gone. */
  private stop(block: Block, nowMs: number): void {
    if (this.block === null) {
      this.blockedAtMs = nowMs;
      this.site.counters.blocked[block] += 1;
    }
    this.block = block;
    this.lastBlock = block;
    this.site.flush.withdrawAll(this.served.lane, this.leaveViews);
    if (block === 'window') {
      this.flow.window.fill();
      this.taken(this.flow.ensurePing(nowMs));
    }
    if (block === 'budget') this.awaitBudget(nowMs);
  }

  private resume(nowMs: number): void {
    this.blockedMs += this.blockLastsMs(nowMs);
    this.block = null;
    this.site.counters.resumed += 1;
    this.flow.setLimit(nowMs);
    for (const subscription of this.served.subscriptions.values()) {
      if (subscription.inStep || this.behind.has(subscription)) continue;
      if (subscription.view.readmits(subscription)) subscription.view.join(subscription);
      else this.behind.add(subscription);
    }
    this.wake();
  }

  /** How long the present block has lasted, as far as that was not counted yet. */
  private blockLastsMs(nowMs: number): number {
    return nowMs - Math.max(this.blockedAtMs, this.countedMs);
  }

  private awaitBudget(nowMs: number): void {
    this.budgetTimer?.cancel();
    this.budgetTimer = this.site.timers.after(this.flow.budgetWaitMs(nowMs), () => {
      this.budgetTimer = null;
      if (!this.ended && this.block === 'budget') this.resume(this.site.clock.nowMs());
    });
  }
}
