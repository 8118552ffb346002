// Owns the turn: collects the views that are due, encodes each answer once, sends each recipient what is due to it as one message. While
// the process is busy it does not send to all at once but goes round them, and what is due to one waits for its turn: fewer, longer
// messages. Called by topics (`due`), grids and sessions (`wake`). Invariant: all answers of a turn are made before any byte is sent, and an answer is
// due to a member of its view until it is sent to it or withdrawn, so that who leaves a view holds exactly what was sent to it.

import type { Clock, Timers } from '../ports/clock.ts';
import { SENT, type Socket } from '../ports/socket.ts';
import { FrameType } from '../protocol/frames.ts';
import { PART_BYTES_MAX } from './chunks.ts';
import { Lanes, messageBytes } from './lanes.ts';
import { type JoinCounters, Outgoing, type OutgoingAnswer } from './outgoing.ts';
import type { Recipient } from './recipient.ts';
import { Rounds } from './rounds.ts';
import { DELAY_BOUNDS_S, Spread, TURN_BOUNDS_S } from './spread.ts';
import type { Turn } from './topic.ts';
import type { View } from './view.ts';

/** A cursor whose view shows nothing of what changes is moved on this often, so that it never falls past the horizon. */
const MOVE_ON_INTERVAL_MS = 1_000;
/** Where more than this share of the time would be busy, sending goes round: fewer, longer messages cost less. */
const ROUNDS_ABOVE_DEMAND = 0.6;
/** Flushes that are shorter would not get any shorter by it. */
const ROUNDS_FROM_MS = 1;
/** Nor those whose messages are longer, on average; rounds make them longer, and are left where they get as long as the second number. */
const ROUNDS_MESSAGE_BYTES_MAX = 4_096;
const ROUNDS_OVER_MESSAGE_BYTES = 12_288;
/** Between two steps of a round. */
const STEP_MS = 1;
/** No longer at a time: what comes in is not kept waiting. */
const STEP_MS_MAX = 2;
/** So many sends before its turn a socket is touched: its object, which is seldom in a cache, is on its way meanwhile. */
const SENDS_AHEAD = 12;
/** Sends between two looks at the clock. */
const SENDS_UNTIMED = 16;
/** Answers are made so often in a round, and no more: what a lane is due stays short, however long a round takes. */
const ENCODES_PER_ROUND = 8;
/** The time frame before each answer: array, type, 64-bit time. */
const TIME_FRAME_BYTES = 12;

export interface FlushOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Share of time, from 0 on, that the process would have been busy of late had every turn sent all that was due. */
  readonly demand: () => number;
}

/** Plain counters; metrics read them when scraped. */
export interface FlushCounters extends JoinCounters {
  flushes: number;
  /** Flushes of which a part waits for its lanes' turn. */
  holds: number;
  answers: number;
  messages: number;
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
   * Seconds from the bus taking an answer's newest update until it was handed to the last socket that it goes to, with all of the flush
   * or the step that this was in; for each that it was sent to. What waits on purpose is left out: views with an interval, and frames
   * that only move a cursor on.
   */
  readonly delays = new Spread(DELAY_BOUNDS_S);
  readonly lanes = new Lanes();
  readonly outgoing = new Outgoing(this.lanes, this.counters);
  readonly rounds = new Rounds();
  /** The first `dueViewCount`; lists that are refilled every turn are not emptied, which would give up their memory each time. */
  private readonly dueViews: View[] = [];
  private dueViewCount = 0;
  /** The first `wokenCount`, in the order in which they were woken. */
  private woken: (Recipient | null)[] = [];
  private wokenCount = 0;
  /** The list of the turn before, used again. */
  private pumped: (Recipient | null)[] = [];
  /** Lanes to which something came to be due in this turn, the first `touchedCount`. */
  private readonly touched: number[] = [];
  private touchedCount = 0;
  private readonly grids = new Map<number, Set<View>>();
  /** The end of this turn is awaited. */
  private scheduled = false;
  /** Sending goes round. */
  private goesRound = false;
  /** The next step of the round is awaited. */
  private stepAwaited = false;
  /** Lanes that had been passed when answers were made last. */
  private encodedAt = 0;
  /** Messages that were handed to sockets, their bytes, and how long they were on average in the last flush that had any. */
  private handed = 0;
  private handedBytes = 0;
  private usualBytes = 0;
  private turnUs = 0;
  /** Views whose members were not told of updates that change nothing they show, and since when: the longest resting first. */
  private readonly resting = new Map<View, number>();
  private moveOnAwaited = false;
  private readonly endTurn = (): void => this.run();
  private readonly step = (): void => {
    this.stepAwaited = false;
    // Otherwise the end of this turn takes it.
    if (!this.scheduled && this.outgoing.count > 0) this.run();
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

  /** The lane's recipient leaves the view: what it was not sent is not due to it any more. */
  withdraw(view: View, lane: number): number {
    const { lanes, outgoing } = this;
    const count = lanes.dueCounts[lane] as number;
    let heldSeq = view.sentSeq;
    if (count === 0) return heldSeq;
    const first = lane * lanes.dueStride;
    lanes.clear(lane);
    for (let i = first; i < first + count; i++) {
      const number = lanes.due[i] as number;
      const answer = outgoing.at(number);
      if (answer.view !== view) {
        // To where it was or before that.
        lanes.mark(lane, number);
        continue;
      }
      answer.receivers -= 1;
      heldSeq = Math.min(heldSeq, answer.heldSeq);
    }
    return heldSeq;
  }

  /** The same for all views of the lane's recipient, which leaves them in `leave`: each answer is looked at once, not once for each view. */
  withdrawAll(lane: number, leave: () => void): void {
    const { lanes, outgoing } = this;
    const first = lane * lanes.dueStride;
    const end = first + lanes.dueCounts[lane]!;
    lanes.clear(lane);
    for (let i = end - 1; i >= first; i--) {
      const answer = outgoing.at(lanes.due[i]!);
      answer.receivers -= 1;
      answer.view!.heldSeq = answer.heldSeq;
    }
    leave();
    for (let i = first; i < end; i++) outgoing.at(lanes.due[i]!).view!.heldSeq = null;
  }

  private run(): void {
    const { clock } = this.options;
    const beganMs = clock.nowMs();
    this.turnUs = clock.nowUs();
    this.goesRound = this.shouldGoRound();
    const fresh = this.outgoing.next;
    this.handed = 0;
    this.handedBytes = 0;
    if (!this.goesRound || this.outgoing.count === 0 || this.isEncodingDue()) this.encodeDue(beganMs);
    if (this.goesRound) this.goRound(fresh, beganMs);
    else this.deliver(fresh);
    this.scheduled = false;
    // Left for later, when all that was on its way has come.
    if (this.dueViewCount > 0 && this.outgoing.count === 0) this.schedule();
    this.pumpWoken();
    this.counters.flushes += 1;
    const tookMs = clock.nowMs() - beganMs;
    if (!this.goesRound && this.outgoing.next > fresh) this.rounds.sendMs = tookMs;
    if (this.handed > 0) this.usualBytes = this.handedBytes / this.handed;
    this.durations.add(tookMs / 1_000, 1);
  }

  /** Once sending goes round, it does so for as long as sending to all each turn would take too much. */
  private shouldGoRound(): boolean {
    if (!this.goesRound && this.rounds.sendMs < ROUNDS_FROM_MS) return false;
    if (this.usualBytes > (this.goesRound ? ROUNDS_OVER_MESSAGE_BYTES : ROUNDS_MESSAGE_BYTES_MAX)) return false;
    const should = this.options.demand() > ROUNDS_ABOVE_DEMAND;
    if (should && !this.goesRound) this.rounds.begin(this.options.clock.nowMs());
    return should;
  }

  private isEncodingDue(): boolean {
    return (this.rounds.passed - this.encodedAt) * ENCODES_PER_ROUND >= this.lanes.sockets.length;
  }

  private encodeDue(nowMs: number): void {
    this.encodedAt = this.rounds.passed;
    for (let i = 0; i < this.dueViewCount; i++) {
      const view = this.dueViews[i]!;
      view.due = false;
      if (view.lanes.length > 0) this.encode(view, nowMs);
    }
    this.dueViewCount = 0;
  }

  private encode(view: View, nowMs: number): void {
    const { writer } = this.outgoing;
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
    const answer = this.outgoing.add();
    const frames = topic.counters.frames - framesBefore;
    answer.view = view;
    answer.start = start;
    answer.body = body;
    answer.end = writer.length;
    answer.turnUs = this.turnUs;
    answer.heldSeq = view.sentSeq;
    answer.frames = view.codec.relativeTimes ? frames + 1 : frames;
    answer.merged = Math.max(0, updates - frames);
    answer.publishedUs = waited ? 0 : topic.publishUs;
    answer.receivers = view.lanes.length;
    answer.passed = this.rounds.passed;
    answer.message = null;
    view.sentSeq = topic.seq;
    view.scannedSeq = topic.seq;
    view.sentAtMs = nowMs;
    if (this.resting.size > 0) this.resting.delete(view);
    this.counters.answers += 1;
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
    const { writer } = this.outgoing;
    writer.reserve(TIME_FRAME_BYTES);
    writer.array(2);
    writer.integer(FrameType.time);
    writer.integer(this.turnUs);
  }

  /** Sends all that is due now; answers from `fresh` on were made in this turn. */
  private deliver(fresh: number): void {
    const { outgoing } = this;
    if (outgoing.count === 0) return;
    if (outgoing.count === 1 && outgoing.first === fresh) this.deliverOne(outgoing.at(fresh));
    else {
      this.mark(fresh);
      outgoing.beginJoins();
      // What waited when sending went round may be due to any lane.
      if (outgoing.first < fresh) this.sendToAll();
      else this.sendToTouched();
      outgoing.endJoins();
    }
    this.touchedCount = 0;
    this.release(outgoing.next);
  }

  /** Sends to the lanes that the round has come to by now. */
  private goRound(fresh: number, nowMs: number): void {
    const { outgoing, rounds, lanes } = this;
    const laneCount = lanes.sockets.length;
    rounds.want(Math.min(this.mark(fresh), laneCount));
    this.touchedCount = 0;
    if (outgoing.count === 0) return;
    const dueLanes = rounds.due(nowMs, laneCount);
    const passed = this.passLanes(dueLanes, nowMs);
    let before = outgoing.first;
    while (before < outgoing.next && rounds.passed - outgoing.at(before).passed >= laneCount) before += 1;
    this.release(before);
    if (outgoing.count === 0) return;
    this.counters.holds += 1;
    if (this.stepAwaited) return;
    this.stepAwaited = true;
    if (passed < dueLanes) this.options.timers.soon(this.step);
    else this.options.timers.after(STEP_MS, this.step);
  }

  /** @returns how many were passed: fewer where sending to them takes long. */
  private passLanes(dueLanes: number, nowMs: number): number {
    const { outgoing, rounds, lanes } = this;
    const { clock } = this.options;
    const laneCount = lanes.sockets.length;
    let passed = 0;
    let sends = 0;
    let tookMs = 0;
    outgoing.beginJoins();
    while (passed < dueLanes && tookMs < STEP_MS_MAX) {
      const lane = rounds.pass(laneCount);
      passed += 1;
      if (lanes.dueCounts[lane] === 0) continue;
      this.sendTo(lane);
      sends += 1;
      if (sends % SENDS_UNTIMED === 0) tookMs = clock.nowMs() - nowMs;
    }
    outgoing.endJoins();
    rounds.went(passed, sends, clock.nowMs() - nowMs, laneCount);
    return passed;
  }

  /** Answers before this number have come to all to whom they were due. */
  private release(before: number): void {
    this.tally(before);
    this.outgoing.release(before);
  }

  /** Counts them, each once for all who took it. */
  private tally(before: number): void {
    const { counters, delays, outgoing } = this;
    const nowUs = this.options.clock.nowUs();
    for (let number = outgoing.first; number < before; number++) {
      const { receivers, frames, merged, publishedUs } = outgoing.at(number);
      if (receivers === 0) continue;
      counters.shared += receivers - 1;
      counters.frames += receivers * frames;
      counters.merged += receivers * merged;
      if (publishedUs > 0) delays.add((nowUs - publishedUs) / 1_000_000, receivers);
    }
  }

  /** The only answer there is: each lane is touched once. Backwards, since one that falls behind leaves the list. */
  private deliverOne(answer: OutgoingAnswer): void {
    const { lanes, codec } = answer.view!;
    const { sockets, rooms } = this.lanes;
    const { binary } = codec;
    const message = this.outgoing.lone(answer);
    const bytes = messageBytes(message.length);
    this.handed = lanes.length;
    this.handedBytes = lanes.length * bytes;
    for (let i = lanes.length - 1; i >= 0; i--) {
      const lane = lanes[i] as number;
      if (i >= SENDS_AHEAD) touch(sockets[lanes[i - SENDS_AHEAD] as number] as Socket);
      if (rooms[lane]! < bytes) {
        // It may leave the view, and then must not have been sent this.
        this.lanes.mark(lane, this.outgoing.first);
        const admitted = (this.lanes.recipients[lane] as Recipient).admit(bytes);
        this.lanes.clear(lane);
        if (!admitted) continue;
      }
      rooms[lane]! -= bytes;
      const result = (sockets[lane] as Socket).send(message, binary, false);
      if (result !== SENT) (this.lanes.recipients[lane] as Recipient).strained(result);
    }
    this.counters.messages += answer.receivers;
  }

  /** Makes the answers from `fresh` on due to the members of their views. @returns how many answers are due to how many, in sum. */
  private mark(fresh: number): number {
    const { lanes, outgoing } = this;
    let marks = 0;
    for (let number = fresh; number < outgoing.next; number++) {
      const members = outgoing.at(number).view!.lanes;
      marks += members.length;
      for (let i = 0; i < members.length; i++) {
        const lane = members[i] as number;
        if (lanes.mark(lane, number)) this.touched[this.touchedCount++] = lane;
      }
    }
    return marks;
  }

  private sendToTouched(): void {
    for (let i = 0; i < this.touchedCount; i++) this.sendTo(this.touched[i]!);
  }

  private sendToAll(): void {
    for (let lane = 0; lane < this.lanes.sockets.length; lane++) this.sendTo(lane);
  }

  /** Sends the lane what is due to it, or its recipient leaves its views. */
  private sendTo(lane: number): void {
    const { lanes, outgoing } = this;
    const { rooms } = lanes;
    const dueCount = lanes.dueCounts[lane] as number;
    if (dueCount === 0) return;
    const first = outgoing.at(lanes.due[lane * lanes.dueStride]!);
    const message = dueCount === 1 ? outgoing.single(first) : outgoing.joined(lane);
    const bytes = messageBytes(message.length);
    const admitted = rooms[lane]! >= bytes || (lanes.recipients[lane] as Recipient).admit(bytes);
    lanes.clear(lane);
    if (!admitted) return;
    rooms[lane]! -= bytes;
    this.handed += 1;
    this.handedBytes += bytes;
    this.counters.messages += 1;
    const result = (lanes.sockets[lane] as Socket).send(message, first.view!.codec.binary, false);
    if (result !== SENT) (lanes.recipients[lane] as Recipient).strained(result);
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

/** Has the processor look at the object, which it does not wait for. */
function touch(socket: Socket): void {
  if (socket.send === undefined) throw new Error('a lane without a socket');
}
