// Owns at which pace one connection is served, and what that makes of what its subscriptions asked for. Connections ask it.
// Invariant: nothing is reduced where every update counts: raw views, trades.

import type { Channel, PaceFrame, PaceReason } from '../protocol/frames.ts';
import type { Subscription } from '../topics/subscription.ts';
import type { ViewShape } from '../topics/view.ts';
import { Ladder, REAL_TIME, type Rung, rungsOf } from './ladder.ts';

/** At the pace `slower` nothing is sent more often than this. */
export const SLOWER_INTERVAL_MS = 1_000;

export class Pacing {
  rung: Rung = REAL_TIME;
  /** Whether the client puts up with books cut to the best level. */
  topAllowed = false;
  private readonly ladder = new Ladder();

  /** A second has passed, a share of which nothing could be sent. @returns whether the pace is another. */
  tick(blockedShare: number, subscriptions: Iterable<Subscription>): boolean {
    if (this.ladder.atTop && blockedShare === 0) return false;
    const priorities: number[] = [];
    for (const { priority, topic } of subscriptions) if (topic.channel !== 'trade') priorities.push(priority);
    const rung = this.ladder.tick(blockedShare, rungsOf(priorities, this.topAllowed));
    if (rung === null) return false;
    this.rung = rung;
    return true;
  }

  frame(reason: PaceReason): PaceFrame {
    const { pace, priority } = this.rung;
    const intervalMs = pace === 'slower' || pace === 'top' ? SLOWER_INTERVAL_MS : 0;
    return { type: 'pace', pace, priority, intervalMs, reason };
  }

  /** What a subscription gets at the present pace, of what it asked for. */
  shape(channel: Channel, asked: ViewShape, priority: number): ViewShape {
    const { pace, priority: upTo } = this.rung;
    if (pace === 'real-time' || pace === 'conflated' || asked.mode === 'raw' || channel === 'trade') return asked;
    const top = pace === 'top' && priority <= upTo && channel === 'book';
    if (pace === 'slower' && priority > upTo) return asked;
    return { ...asked, depth: top ? 1 : asked.depth, intervalMs: Math.max(asked.intervalMs, SLOWER_INTERVAL_MS) };
  }
}
