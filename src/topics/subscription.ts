// Owns one client's place in one topic: nothing but a cursor while the client is behind, nothing at all while it is in step.
// The session creates it, views and the send queue move it. Invariant: in step means a member of its view, and then the
// client holds at least `view.sentSeq`; otherwise `seq` is what the client holds, as far as it was sent.

import type { ResetReason } from '../protocol/frames.ts';
import type { Answer } from './answer.ts';
import type { Recipient } from './recipient.ts';
import type { Topic } from './topic.ts';
import type { View, ViewShape } from './view.ts';

export const PRIORITY_DEFAULT = 5;

export class Subscription {
  /** Epoch of `seq`; 0: the client holds nothing. */
  epoch = 0;
  seq = 0;
  /** Levels a side that the client holds; 0: all. */
  depth = 0;
  /** Place among the view's members; -1 while behind. */
  place = -1;
  /** Place among the topic's subscriptions. */
  topicPlace = -1;
  /** How often it was served while it was behind, weighted with its priority. */
  served = 0;
  /** When it was answered last by itself. */
  answeredMs = 0;
  /** The wildcard or set that brought it, as `book:BTC-*`; null where it was asked for by name. */
  pattern: string | null = null;
  /** Events of the past that a first answer brings, where there is no cursor. */
  last = 0;
  /** Frames about the topic that go out before its next data. */
  topicDue = true;
  healthDue: boolean;
  /** The client is to be told how the cursor that it brought is answered. */
  healDue = false;
  /** It was told with the answer under way. */
  healing = false;
  /** Why the client must be told that its state is replaced, where the cursor itself doesn't tell. */
  resetDue: ResetReason | null = null;
  /** The client changed over to raw: the updates until then may come merged. */
  merging = false;
  /** An answer under way, and the chunk that goes next: it is finished before anything else of the topic. */
  answer: Answer | null = null;
  nextChunk = 0;

  constructor(
    readonly recipient: Recipient,
    readonly topic: Topic,
    public view: View,
    /** What the client asked for; `view` may be slower or less deep. */
    public asked: ViewShape = view,
    public priority = PRIORITY_DEFAULT,
  ) {
    this.healthDue = topic.health !== 'live';
  }

  /** Whether it may be answered now: one with an interval waits for its tick, unless there is something to be said first. */
  due(nowMs: number): boolean {
    const { intervalMs, sentSeq, lanes } = this.view;
    if (intervalMs === 0 || this.answer !== null || this.topicDue || this.healthDue || this.healDue) return true;
    if (this.resetDue !== null) return true;
    if (this.epoch !== this.topic.epoch || this.depth !== this.view.depth) return true;
    if (lanes.length > 0 && this.seq < sentSeq) return true;
    return Math.floor(nowMs / intervalMs) > Math.floor(this.answeredMs / intervalMs);
  }

  get inStep(): boolean {
    return this.place >= 0;
  }
}
