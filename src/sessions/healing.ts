// Owns the words for how a cursor was answered. The send queue says them before the answer.
// Invariant: `snapshot` is said where what the client holds is replaced, and only there.

import { HEAL_REASONS, type Healing, type HealReason } from '../protocol/frames.ts';
import type { Answer } from '../topics/answer.ts';
import type { Subscription } from '../topics/subscription.ts';

/** To be asked before the answer is begun. */
export function healedBy(answer: Answer, { topic, view, resetDue }: Subscription): { how: Healing; why: HealReason } {
  const everyUpdate = topic.channel === 'trade' || view.mode === 'raw';
  switch (answer.kind) {
    case 'first':
      return { how: 'snapshot', why: 'none' };
    case 'horizon':
    case 'epoch':
    case 'future':
      return { how: 'snapshot', why: answer.kind };
    case 'requested':
      return { how: 'snapshot', why: HEAL_REASONS.find((each) => each === resetDue) ?? 'requested' };
    case 'gap':
      return { how: topic.channel === 'trade' ? 'replayed' : 'snapshot', why: 'gap' };
    default:
      return { how: everyUpdate && answer.kind !== 'difference' ? 'replayed' : 'diffed', why: 'cursor' };
  }
}
