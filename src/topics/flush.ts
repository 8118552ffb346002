// Owns the turn: collects the views that are due, encodes each answer once, joins what is due to each recipient into one
// message and sends it. Called by topics (`due`), grids and sessions (`wake`). Invariant: all answers of a turn are made before
// any byte is sent, so that a recipient that falls behind while sending holds exactly its views' `sentSeq`.

import type { Clock, Timers } from '../ports/clock.ts';
import type { Message } from '../ports/socket.ts';
import { FrameType } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { PART_BYTES_MAX } from './chunks.ts';
import { JoinTable } from './join-table.ts';
import type { Recipient } from './recipient.ts';
import type { Turn } from './topic.ts';
import type { View } from './view.ts';

/** A cursor whose view shows nothing of what changes is moved on this often, so that it never falls past the horizon. */
const MOVE_ON_INTERVAL_MS = 1_000;
/** Above this share of busy time flushes are held back: fewer, longer messages cost less. */
const HOLD_ABOVE_BUSY = 0.75;
const HOLD_MAX_MS = 5;
/** The time frame before each answer: array, type, 64-bit time. */
const TIME_FRAME_BYTES = 12;

export interface FlushOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Share of time that the process was busy of late, 0 to 1. */
  readonly busy: () => number;
}

/** Plain counters; metrics read them when scraped. */
export interface FlushCounters {
  flushes: number;
  holds: number;
  answers: number;
  /** Messages built for a set of answers, and how often such a message served another recipient too. */
  joins: number;
  joinsShared: number;
  messages: number;
  moveOns: number;
  scatters: number;
}

export class Flush implements Turn {
  readonly counters: FlushCounters = {
    flushes: 0,
    holds: 0,
    answers: 0,
    joins: 0,
    joinsShared: 0,
    messages: 0,
    moveOns: 0,
    scatters: 0,
  };
  private readonly writer = new ByteWriter(1 << 20);
  private readonly dueViews: View[] = [];
  private readonly woken = new Set<Recipient>();
  private readonly touched: Recipient[] = [];
  /** Views answered in this turn, by answer number. */
  private readonly answered: View[] = [];
  private readonly joins = new JoinTable();
  /** What `counters.answers` was when the turn began: answers are numbered from there. */
  private firstAnswer = 0;
  /** By answer number: where its time frame begins, where its frames begin and end. */
  private starts: number[] = [];
  private bodies: number[] = [];
  private ends: number[] = [];
  private alone: (Message | null)[] = [];
  private members: number[] = [];
  private readonly grids = new Map<number, Set<View>>();
  private scheduled = false;
  private turnUs = 0;
  private lastFlushMs = 0;
  /** Views whose members were not told of updates that change nothing they show, and since when: the longest resting first. */
  private readonly resting = new Map<View, number>();
  private moveOnAwaited = false;
  private readonly runTurn = (): void => this.run();
  private readonly moveRestingOn = (): void => {
    this.moveOnAwaited = false;
    const nowMs = this.options.clock.nowMs();
    for (const [view, sinceMs] of this.resting) {
      const waitMs = MOVE_ON_INTERVAL_MS - (nowMs - sinceMs);
      // Whole milliseconds: a rest of less than the clock's last digit would never pass.
      if (waitMs > 0) return this.awaitMoveOn(Math.ceil(waitMs));
      this.resting.delete(view);
      // Where the seq has moved on, a view with an interval waits for its tick.
      if (view.intervalMs === 0 || view.topic.seq === view.scannedSeq) this.due(view);
    }
  };

  constructor(private readonly options: FlushOptions) {}

  due(view: View): void {
    if (view.due) return;
    view.due = true;
    this.dueViews.push(view);
    this.schedule();
  }

  /** Pumps the recipient at the end of this turn. */
  wake(recipient: Recipient): void {
    this.woken.add(recipient);
    this.schedule();
  }

  /** Answers the view at each tick of its interval from now on; all views of an interval share the ticks. */
  addToGrid(view: View): void {
    let views = this.grids.get(view.intervalMs);
    if (views === undefined) {
      views = new Set();
      this.grids.set(view.intervalMs, views);
    }
    if (views.has(view)) return;
    views.add(view);
    if (views.size === 1) this.nextTick(view.intervalMs, views, 0);
  }

  /** Ticks are multiples of the interval. Timers may run a moment early: the tick that was meant does not come twice. */
  private nextTick(intervalMs: number, views: Set<View>, lastMs: number): void {
    const nowMs = this.options.clock.nowMs();
    const tickMs = (Math.floor(Math.max(nowMs, lastMs) / intervalMs) + 1) * intervalMs;
    this.options.timers.after(tickMs - nowMs, () => {
      for (const view of views) {
        if (view.users === 0) views.delete(view);
        else if (view.topic.seq > view.scannedSeq) this.due(view);
      }
      if (views.size > 0) this.nextTick(intervalMs, views, tickMs);
    });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (this.lastFlushMs >= 1 && this.options.busy() > HOLD_ABOVE_BUSY) {
      this.counters.holds += 1;
      this.options.timers.after(Math.min(this.lastFlushMs, HOLD_MAX_MS), this.runTurn);
    } else this.options.timers.soon(this.runTurn);
  }

  private run(): void {
    const beganMs = this.options.clock.nowMs();
    this.turnUs = this.options.clock.nowUs();
    this.encodeDue(beganMs);
    this.deliver();
    this.scheduled = false;
    this.pumpWoken();
    this.counters.flushes += 1;
    this.lastFlushMs = this.options.clock.nowMs() - beganMs;
  }

  private encodeDue(nowMs: number): void {
    this.writer.length = 0;
    for (let i = 0; i < this.dueViews.length; i++) {
      const view = this.dueViews[i]!;
      view.due = false;
      if (view.recipients.length > 0) this.encode(view, nowMs);
    }
    this.dueViews.length = 0;
  }

  private encode(view: View, nowMs: number): void {
    const { writer } = this;
    const { topic } = view;
    const start = writer.length;
    if (view.codec.relativeTimes) this.writeTime();
    const body = writer.length;
    if (!topic.writeShared(writer, view, this.turnUs)) {
      view.scannedSeq = topic.seq;
      if (!this.moveOnDue(view, nowMs)) {
        writer.length = start;
        return;
      }
      topic.writeEmpty(writer, view, this.turnUs);
      this.counters.moveOns += 1;
    }
    if (writer.length - body > PART_BYTES_MAX) {
      // Too long for one message: each member is sent the parts, which they share.
      writer.length = start;
      this.counters.scatters += 1;
      return view.scatter();
    }
    view.sentSeq = topic.seq;
    view.scannedSeq = topic.seq;
    view.sentAtMs = nowMs;
    if (this.resting.size > 0) this.resting.delete(view);
    this.number(start, body, view.recipients.length);
    this.answered.push(view);
  }

  /** Whether the view's members must be told that they are up to date; if not yet, they are in a second at most. */
  private moveOnDue(view: View, nowMs: number): boolean {
    if (view.scannedSeq === view.sentSeq || view.recipients.length === 0) return false;
    if (nowMs - view.sentAtMs >= MOVE_ON_INTERVAL_MS) return true;
    if (!this.resting.has(view)) this.resting.set(view, nowMs);
    this.awaitMoveOn(MOVE_ON_INTERVAL_MS);
    return false;
  }

  private awaitMoveOn(waitMs: number): void {
    if (this.moveOnAwaited) return;
    this.moveOnAwaited = true;
    this.options.timers.after(waitMs, this.moveRestingOn);
  }

  private writeTime(): void {
    const { writer } = this;
    writer.reserve(TIME_FRAME_BYTES);
    writer.array(2);
    writer.integer(FrameType.time);
    writer.integer(this.turnUs);
  }

  /** Registers the answer that was just written. */
  private number(start: number, body: number, members: number): void {
    const answer = this.counters.answers++ - this.firstAnswer;
    this.starts[answer] = start;
    this.bodies[answer] = body;
    this.ends[answer] = this.writer.length;
    this.members[answer] = members;
    this.alone[answer] = null;
  }

  private mark(recipients: readonly Recipient[], answer: number): void {
    const { touched } = this;
    for (let i = 0; i < recipients.length; i++) {
      const recipient = recipients[i] as Recipient;
      if (recipient.dueCount === 0) touched.push(recipient);
      recipient.due[recipient.dueCount++] = answer;
      recipient.dueHash = Math.imul(recipient.dueHash ^ answer, 0x9e3779b1) ^ (recipient.dueHash >>> 15);
    }
  }

  private deliver(): void {
    const { answered } = this;
    if (answered.length === 1) this.deliverOne((answered[0] as View).recipients);
    else {
      for (let answer = 0; answer < answered.length; answer++) this.mark((answered[answer] as View).recipients, answer);
      this.deliverMarked();
    }
    answered.length = 0;
    this.firstAnswer = this.counters.answers;
  }

  /** The turn's only answer: each recipient is touched once. Backwards, since one that falls behind leaves the list. */
  private deliverOne(recipients: readonly Recipient[]): void {
    this.counters.messages += recipients.length;
    for (let i = recipients.length - 1; i >= 0; i--) (recipients[i] as Recipient).transmit(this.single(0));
  }

  private deliverMarked(): void {
    const { touched } = this;
    this.joins.clear();
    for (let i = 0; i < touched.length; i++) {
      const recipient = touched[i] as Recipient;
      const message = recipient.dueCount === 1 ? this.single(recipient.due[0] as number) : this.joined(recipient);
      recipient.dueCount = 0;
      recipient.dueHash = 0;
      recipient.transmit(message);
    }
    this.counters.messages += touched.length;
    touched.length = 0;
  }

  private single(answer: number): Message {
    const made = this.alone[answer];
    if (made != null) return made;
    const { bytes } = this.writer;
    const start = this.starts[answer] as number;
    const end = this.ends[answer] as number;
    // A copy for itself pays for its making from the third send on.
    const message =
      this.members[answer]! > 2 ? (bytes.buffer as ArrayBuffer).slice(start, end) : bytes.subarray(start, end);
    this.alone[answer] = message;
    return message;
  }

  /** One message of all that is due to the recipient; the same for all whose due answers are the same. */
  private joined(recipient: Recipient): Message {
    const entry = this.joins.find(recipient);
    if (entry >= 0) {
      this.counters.joinsShared += 1;
      return this.joins.share(entry);
    }
    const { writer } = this;
    const { due, dueCount } = recipient;
    // The first answer brings its time frame, which counts for the others as well.
    let bytes = 0;
    for (let i = 0; i < dueCount; i++) bytes += this.ends[due[i]!]! - (i === 0 ? this.starts : this.bodies)[due[i]!]!;
    writer.reserve(bytes);
    const start = writer.length;
    for (let i = 0; i < dueCount; i++) {
      const answer = due[i] as number;
      const from = (i === 0 ? this.starts : this.bodies)[answer] as number;
      writer.bytes.copyWithin(writer.length, from, this.ends[answer]);
      writer.length += (this.ends[answer] as number) - from;
    }
    const message = writer.bytes.subarray(start, writer.length);
    this.joins.add(recipient, message);
    this.counters.joins += 1;
    return message;
  }

  private pumpWoken(): void {
    if (this.woken.size === 0) return;
    const { clock } = this.options;
    const nowUs = clock.nowUs();
    const nowMs = clock.nowMs();
    const woken = [...this.woken];
    this.woken.clear();
    for (const recipient of woken) recipient.pump(nowUs, nowMs);
  }
}
