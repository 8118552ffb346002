// Owns the turn: collects the views that are due, encodes each answer once, joins what is due to each recipient into one
// message and sends it. Called by topics (`due`), grids and sessions (`wake`). Invariant: all answers of a turn are made before
// any byte is sent, so that a recipient that falls behind while sending holds exactly its views' `sentSeq`, or `heldSeq` where nothing was sent to it.

import type { Clock, Timers } from '../ports/clock.ts';
import { SENT, type Socket } from '../ports/socket.ts';
import { FrameType } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { PART_BYTES_MAX } from './chunks.ts';
import { JoinTable, NO_ENTRY } from './join-table.ts';
import { Lanes, messageBytes } from './lanes.ts';
import type { Recipient } from './recipient.ts';
import { DELAY_BOUNDS_S, Spread, TURN_BOUNDS_S } from './spread.ts';
import type { Turn } from './topic.ts';
import type { View } from './view.ts';

/** A cursor whose view shows nothing of what changes is moved on this often, so that it never falls past the horizon. */
const MOVE_ON_INTERVAL_MS = 1_000;
/** Where more than this share of the time would be busy, flushes are held back: fewer, longer messages cost less. */
const HOLD_ABOVE_DEMAND = 0.9;
/** The oldest that an update may get by it: one that came as a flush began waits for that, then the pause, and goes out in the next. */
const HELD_AGE_MAX_MS = 14;
/** Messages of up to this are sent from the buffer's front. */
const FRONT_BYTES = 4_096;
/** The time frame before each answer: array, type, 64-bit time. */
const TIME_FRAME_BYTES = 12;

export interface FlushOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Share of time, from 0 on, that the process would have been busy of late if no flush had been held back. */
  readonly demand: () => number;
}

/** Plain counters; metrics read them when scraped. */
export interface FlushCounters {
  flushes: number;
  holds: number;
  /** What flushes would have taken that holding made needless. */
  sparedMs: number;
  answers: number;
  /** Messages built for a set of answers, and how often such a message served another recipient too. */
  joins: number;
  joinsShared: number;
  messages: number;
  /** Frames in the messages. */
  frames: number;
  /** Times that an answer was sent without being encoded for it. */
  shared: number;
  /** Updates that subscribers got only as part of a later one; those that show nothing in a view are none. */
  merged: number;
  moveOns: number;
  scatters: number;
}

export class Flush implements Turn {
  readonly counters: FlushCounters = {
    flushes: 0,
    holds: 0,
    sparedMs: 0,
    answers: 0,
    joins: 0,
    joinsShared: 0,
    messages: 0,
    frames: 0,
    shared: 0,
    merged: 0,
    moveOns: 0,
    scatters: 0,
  };
  /** Seconds that flushes took. */
  readonly durations = new Spread(TURN_BOUNDS_S);
  /**
   * Seconds from the bus taking an answer's newest update until all of its flush was handed to sockets, for each that it was sent to.
   * What waits on purpose is left out: views with an interval, and frames that only move a cursor on.
   */
  readonly delays = new Spread(DELAY_BOUNDS_S);
  private readonly writer = new ByteWriter(1 << 20);
  readonly lanes = new Lanes();
  /** The first `dueViewCount`; lists that are refilled every turn are not emptied, which would give up their memory each time. */
  private readonly dueViews: View[] = [];
  private dueViewCount = 0;
  /** The first `wokenCount`, in the order in which they were woken. */
  private woken: (Recipient | null)[] = [];
  private wokenCount = 0;
  /** The list of the turn before, used again. */
  private pumped: (Recipient | null)[] = [];
  /** Lanes to which something is due, the first `touchedCount`. */
  private readonly touched: number[] = [];
  private touchedCount = 0;
  /** Views answered in this turn, by answer number, the first `answeredCount`. */
  private readonly answered: View[] = [];
  private answeredCount = 0;
  private readonly joins = new JoinTable(this.lanes);
  /** What `counters.answers` was when the turn began: answers are numbered from there. */
  private firstAnswer = 0;
  /** By answer number: where its time frame begins, where its frames begin and end. */
  private starts: number[] = [];
  private bodies: number[] = [];
  private ends: number[] = [];
  private alone: (Uint8Array | null)[] = [];
  /** Views of the buffer's front, by length; made when they are first needed, of the buffer that `fronted` is. */
  private readonly fronts = new Array<Uint8Array | null>(FRONT_BYTES + 1).fill(null);
  private fronted: Uint8Array | null = null;
  /** By answer number, for the counters: lanes that it is sent to, its frames, what it merges, when its newest update was published (0: it waited). */
  private readonly receivers: number[] = [];
  private readonly frameCounts: number[] = [];
  private readonly mergedCounts: number[] = [];
  private readonly publishedUs: number[] = [];
  private readonly grids = new Map<number, Set<View>>();
  /** The end of this turn is awaited. */
  private scheduled = false;
  /** A held flush is to come. */
  private held = false;
  private turnUs = 0;
  private lastFlushMs = 0;
  /** When it ended. */
  private flushedMs = 0;
  /** Views whose members were not told of updates that change nothing they show, and since when: the longest resting first. */
  private readonly resting = new Map<View, number>();
  private moveOnAwaited = false;
  private readonly endTurn = (): void => {
    // A held flush has run meanwhile.
    if (!this.scheduled) return;
    if (this.held) {
      this.scheduled = false;
      this.counters.sparedMs += this.lastFlushMs;
    } else if (this.lastFlushMs >= 1 && this.options.demand() > HOLD_ABOVE_DEMAND) this.hold();
    else this.run();
  };
  private readonly runHeld = (): void => {
    this.held = false;
    this.scheduled = true;
    this.run();
  };
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
    this.schedule();
    if (view.due) return;
    view.due = true;
    this.dueViews[this.dueViewCount++] = view;
  }

  /** Pumps the recipient at the end of this turn. */
  wake(recipient: Recipient): void {
    this.schedule();
    if (recipient.woken) return;
    recipient.woken = true;
    this.woken[this.wokenCount++] = recipient;
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
    this.options.timers.soon(this.endTurn);
  }

  /** From the end of the last flush on, for as long as that took, if nothing gets too old by it. */
  private hold(): void {
    const { lastFlushMs } = this;
    const pauseMs = Math.min(lastFlushMs, HELD_AGE_MAX_MS - 2 * lastFlushMs);
    const waitMs = this.flushedMs + pauseMs - this.options.clock.nowMs();
    if (waitMs < 1) return this.run();
    this.scheduled = false;
    this.held = true;
    this.counters.holds += 1;
    this.options.timers.after(waitMs, this.runHeld);
  }

  private run(): void {
    const beganMs = this.options.clock.nowMs();
    this.turnUs = this.options.clock.nowUs();
    this.encodeDue(beganMs);
    this.deliver();
    this.scheduled = false;
    this.pumpWoken();
    this.counters.flushes += 1;
    this.flushedMs = this.options.clock.nowMs();
    this.lastFlushMs = this.flushedMs - beganMs;
    this.durations.add(this.lastFlushMs / 1_000, 1);
  }

  private encodeDue(nowMs: number): void {
    this.writer.length = FRONT_BYTES;
    for (let i = 0; i < this.dueViewCount; i++) {
      const view = this.dueViews[i]!;
      view.due = false;
      if (view.lanes.length > 0) this.encode(view, nowMs);
    }
    this.dueViewCount = 0;
  }

  private encode(view: View, nowMs: number): void {
    const { writer } = this;
    const { topic } = view;
    const start = writer.length;
    if (view.codec.relativeTimes) this.writeTime();
    const body = writer.length;
    const framesBefore = topic.counters.frames;
    const updates = topic.updates - view.shownUpdates;
    let waited = view.intervalMs > 0;
    view.shownUpdates = topic.updates;
    if (!topic.writeShared(writer, view, this.turnUs)) {
      view.scannedSeq = topic.seq;
      if (!this.moveOnDue(view, nowMs)) {
        writer.length = start;
        return;
      }
      topic.writeEmpty(writer, view, this.turnUs);
      waited = true;
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
    const answer = this.number(start, body);
    const frames = topic.counters.frames - framesBefore;
    this.frameCounts[answer] = view.codec.relativeTimes ? frames + 1 : frames;
    this.mergedCounts[answer] = Math.max(0, updates - frames);
    this.publishedUs[answer] = waited ? 0 : topic.publishUs;
    this.answered[this.answeredCount++] = view;
  }

  /** Whether the view's members must be told that they are up to date; if not yet, they are in a second at most. */
  private moveOnDue(view: View, nowMs: number): boolean {
    if (view.scannedSeq === view.sentSeq || view.lanes.length === 0) return false;
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

  /** Registers the answer that was just written. @returns its number. */
  private number(start: number, body: number): number {
    const answer = this.counters.answers++ - this.firstAnswer;
    this.starts[answer] = start;
    this.bodies[answer] = body;
    this.ends[answer] = this.writer.length;
    this.alone[answer] = null;
    return answer;
  }

  private deliver(): void {
    const count = this.answeredCount;
    if (count === 1) this.deliverOne(this.answered[0] as View);
    else if (count > 1) {
      for (let answer = 0; answer < count; answer++) this.mark((this.answered[answer] as View).lanes, answer);
      this.deliverMarked();
    }
    for (let answer = 0; answer < count; answer++) {
      const view = this.answered[answer] as View;
      view.heldSeq = view.sentSeq;
    }
    if (count > 0) this.tally(count);
    this.answeredCount = 0;
    this.firstAnswer = this.counters.answers;
  }

  /** Counts the turn's answers, once for all who took them. */
  private tally(count: number): void {
    const { counters, delays, receivers, frameCounts, mergedCounts, publishedUs } = this;
    const nowUs = this.options.clock.nowUs();
    for (let answer = 0; answer < count; answer++) {
      const taken = receivers[answer] as number;
      if (taken === 0) continue;
      counters.shared += taken - 1;
      counters.frames += taken * frameCounts[answer]!;
      counters.merged += taken * mergedCounts[answer]!;
      if (publishedUs[answer]! > 0) delays.add((nowUs - publishedUs[answer]!) / 1_000_000, taken);
    }
  }

  /** The turn's only answer: each lane is touched once. Backwards, since one that falls behind leaves the list. */
  private deliverOne(view: View): void {
    const { lanes } = view;
    const { sockets, sent, limits } = this.lanes;
    const { binary } = view.codec;
    const message = this.single(0);
    const bytes = messageBytes(message.length);
    this.receivers[0] = lanes.length;
    this.counters.messages += lanes.length;
    for (let i = lanes.length - 1; i >= 0; i--) {
      const lane = lanes[i] as number;
      if (sent[lane]! + bytes > limits[lane]! && !this.admit(lane, bytes)) {
        this.receivers[0]! -= 1;
        continue;
      }
      sent[lane]! += bytes;
      const result = (sockets[lane] as Socket).send(message, binary, false);
      if (result !== SENT) (this.lanes.recipients[lane] as Recipient).strained(result);
    }
  }

  private mark(lanes: readonly number[], answer: number): void {
    this.receivers[answer] = lanes.length;
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[i] as number;
      if (this.lanes.mark(lane, answer)) this.touched[this.touchedCount++] = lane;
    }
  }

  private deliverMarked(): void {
    const { lanes, touched } = this;
    const { sockets, sent, limits } = lanes;
    const count = this.touchedCount;
    let timesSpared = 0;
    this.touchedCount = 0;
    this.joins.clear();
    for (let i = 0; i < count; i++) {
      const lane = touched[i] as number;
      const first = lanes.due[lane * lanes.dueStride] as number;
      const dueCount = lanes.dueCounts[lane] as number;
      const message = dueCount === 1 ? this.single(first) : this.joined(lane);
      lanes.clear(lane);
      const bytes = messageBytes(message.length);
      if (sent[lane]! + bytes > limits[lane]! && !this.admit(lane, bytes)) {
        this.passOver(lane, dueCount);
        continue;
      }
      sent[lane]! += bytes;
      const { codec } = this.answered[first]!;
      if (codec.relativeTimes) timesSpared += dueCount - 1;
      const result = (sockets[lane] as Socket).send(message, codec.binary, false);
      if (result !== SENT) (lanes.recipients[lane] as Recipient).strained(result);
    }
    this.counters.messages += count;
    // Joined, answers share one time frame.
    this.counters.frames -= timesSpared;
  }

  /** What was due to the lane was not sent. */
  private passOver(lane: number, dueCount: number): void {
    const { due, dueStride } = this.lanes;
    const first = lane * dueStride;
    for (let i = first; i < first + dueCount; i++) this.receivers[due[i]!]! -= 1;
  }

  /** The lane's limit is in the way: its recipient pings, or refuses and leaves its views. */
  private admit(lane: number, bytes: number): boolean {
    const admitted = (this.lanes.recipients[lane] as Recipient).admit(bytes);
    if (!admitted) this.counters.messages -= 1;
    return admitted;
  }

  private single(answer: number): Uint8Array {
    const made = this.alone[answer];
    if (made != null) return made;
    const message = this.writer.bytes.subarray(this.starts[answer], this.ends[answer]);
    this.alone[answer] = message;
    return message;
  }

  /** One message of all that is due to the lane; the same for all whose due answers are the same. */
  private joined(lane: number): Uint8Array {
    const { joins, writer } = this;
    const entry = joins.enter(lane);
    if (entry !== NO_ENTRY && joins.ends[entry]! > 0) {
      this.counters.joinsShared += 1;
      joins.messages[entry] ??= writer.bytes.subarray(joins.starts[entry], joins.ends[entry]);
      return joins.messages[entry];
    }
    const bytes = this.joinedBytes(lane);
    writer.reserve(bytes);
    const start = writer.length;
    this.join(lane, start);
    writer.length += bytes;
    if (entry !== NO_ENTRY) {
      joins.starts[entry] = start;
      joins.ends[entry] = writer.length;
    }
    this.counters.joins += 1;
    return this.front(start, bytes);
  }

  /** The first answer brings its time frame, which counts for the others as well. */
  private joinedBytes(lane: number): number {
    const { starts, bodies, ends } = this;
    const { due, dueCounts, dueStride } = this.lanes;
    const first = lane * dueStride;
    let bytes = bodies[due[first]!]! - starts[due[first]!]!;
    for (let i = first; i < first + dueCounts[lane]!; i++) bytes += ends[due[i]!]! - bodies[due[i]!]!;
    return bytes;
  }

  /** Copies what is due to the lane to that place. */
  private join(lane: number, start: number): void {
    const { starts, bodies, ends } = this;
    const { bytes } = this.writer;
    const { due, dueCounts, dueStride } = this.lanes;
    const first = lane * dueStride;
    let at = start;
    for (let i = first; i < first + dueCounts[lane]!; i++) {
      const answer = due[i] as number;
      const from = (i === first ? starts : bodies)[answer] as number;
      const end = ends[answer] as number;
      bytes.copyWithin(at, from, end);
      at += end - from;
    }
  }

  /** The message that begins at `start`, at the buffer's front until the next: most are due to one lane only, and a new view takes longer than a copy. */
  private front(start: number, bytes: number): Uint8Array {
    const { fronts } = this;
    const buffer = this.writer.bytes;
    if (bytes > FRONT_BYTES) return buffer.subarray(start, start + bytes);
    if (this.fronted !== buffer) {
      this.fronted = buffer;
      fronts.fill(null);
    }
    buffer.copyWithin(0, start, start + bytes);
    fronts[bytes] ??= buffer.subarray(0, bytes);
    return fronts[bytes];
  }

  private pumpWoken(): void {
    if (this.wokenCount === 0) return;
    const { woken, wokenCount } = this;
    const { clock } = this.options;
    const nowUs = clock.nowUs();
    const nowMs = clock.nowMs();
    // Who is woken from here on is pumped in the next turn.
    this.woken = this.pumped;
    this.wokenCount = 0;
    this.pumped = woken;
    for (let i = 0; i < wokenCount; i++) (woken[i] as Recipient).woken = false;
    for (let i = 0; i < wokenCount; i++) {
      const recipient = woken[i] as Recipient;
      // None is held on to that may be over by the next turn.
      woken[i] = null;
      recipient.pump(nowUs, nowMs);
    }
  }
}
