// Owns the words for how a cursor was answered. The send queue says them before the answer.
// Invariant: `snapshot` is said where what the client holds is replaced, and only there.

import { HEAL_REASONS, type HealedFrame, type Healing, type HealReason } from '../protocol/frames.ts';
import type { Answer } from '../topics/answer.ts';
import type { Subscription } from '../topics/subscription.ts';

/** The frame that says so; to be made before the answer is begun. */
export function healedBy(answer: Answer, subscription: Subscription): HealedFrame {
  const { topic, view, resetDue } = subscription;
  const everyUpdate = topic.channel === 'trade' || view.mode === 'raw';
  switch (answer.kind) {
    case 'first':
      return frame(subscription, 'snapshot', 'none');
    case 'horizon':
    case 'epoch':
    case 'future':
      return frame(subscription, 'snapshot', answer.kind);
    case 'requested':
      return frame(subscription, 'snapshot', HEAL_REASONS.find((each) => each === resetDue) ?? 'requested');
    case 'gap':
      return frame(subscription, topic.channel === 'trade' ? 'replayed' : 'snapshot', 'gap');
    default:
      return frame(subscription, everyUpdate && answer.kind !== 'difference' ? 'replayed' : 'diffed', 'cursor');
  }
}

function frame({ topic }: Subscription, how: Healing, why: HealReason): HealedFrame {
  return { type: 'healed', topic: topic.id, how, why };
}
