// Owns the subscribers of a topic that are sent the same bytes: same depth, interval, mode and codec. Their cursor is one.
// The flush advances it. Invariant: every member holds at least `sentSeq` and the view's depth, once it has what is on its way to it;
// between `sentSeq` and `scannedSeq` nothing that this view shows has changed.

import type { Codec } from '../protocol/codec.ts';
import type { Mode } from '../protocol/frames.ts';
import type { Subscription } from './subscription.ts';
import type { Topic } from './topic.ts';

export interface ViewShape {
  readonly depth: number;
  readonly intervalMs: number;
  readonly mode: Mode;
  readonly codec: Codec;
}

export class View implements ViewShape {
  readonly depth: number;
  readonly intervalMs: number;
  readonly mode: Mode;
  readonly codec: Codec;
  sentSeq: number;
  /** While all that is on its way to a recipient is withdrawn: what that one holds; null: it holds `sentSeq`, or the flush is asked. */
  heldSeq: number | null = null;
  scannedSeq: number;
  /** How many updates the topic had when the members were last sent them, or shown to miss nothing by them. */
  shownUpdates: number;
  /** Monotonic; when the members were last sent a frame. */
  sentAtMs = 0;
  /** Whether the next flush answers it. */
  due = false;
  /** Lanes of the members, by place: what the flush walks. */
  readonly lanes: number[] = [];
  /** Subscriptions that have this shape, in step or not. */
  users = 0;
  private readonly members: Subscription[] = [];

  constructor(
    readonly topic: Topic,
    shape: ViewShape,
  ) {
    this.depth = shape.depth;
    this.intervalMs = shape.intervalMs;
    this.mode = shape.mode;
    this.codec = shape.codec;
    this.sentSeq = topic.seq;
    this.scannedSeq = topic.seq;
    this.shownUpdates = topic.updates;
  }

  /** Whether a subscription that was in step lately may wait for the next tick, since it has missed none. */
  readmits({ seq }: Subscription): boolean {
    return this.intervalMs > 0 && (this.members.length === 0 || seq >= this.sentSeq);
  }

  /** The subscription holds `view.sentSeq` or more and shares the view's bytes from now on. */
  join(subscription: Subscription): void {
    if (this.members.length === 0) {
      // Without members the cursor rested; the first one brings it along. That of a derived quote may be ahead of the topic.
      this.sentSeq = Math.min(subscription.seq, this.topic.seq);
      this.scannedSeq = this.sentSeq;
      this.shownUpdates = Math.max(0, this.topic.updates - (this.topic.seq - this.sentSeq));
    }
    subscription.place = this.members.length;
    this.members.push(subscription);
    this.lanes.push(subscription.recipient.lane);
  }

  /** Takes a member out; its own cursor goes on from what it was sent. @returns whether something was still on its way to it, which it does not get. */
  leave(subscription: Subscription): boolean {
    const { members, lanes } = this;
    const last = members.length - 1;
    const moved = members[last]!;
    members[subscription.place] = moved;
    lanes[subscription.place] = lanes[last]!;
    moved.place = subscription.place;
    members.pop();
    lanes.pop();
    subscription.place = -1;
    const heldSeq = this.heldSeq ?? this.topic.turn.withdraw(this, subscription.recipient.lane);
    subscription.seq = Math.max(subscription.seq, heldSeq);
    subscription.depth = this.depth;
    return heldSeq < this.sentSeq;
  }

  /** Takes all members out, and wakes them: each is answered by itself. */
  scatter(): void {
    while (this.members.length > 0) {
      const member = this.members[this.members.length - 1]!;
      this.leave(member);
      member.recipient.wake(member);
    }
  }
}

export function viewKey({ depth, intervalMs, mode, codec }: ViewShape): string {
  return `${depth}/${intervalMs}/${mode}/${codec.name}`;
}
