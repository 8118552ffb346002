// Owns the values that labels can have, and the words for those that the data plane writes as sentences. The readers of metrics take
// them from here, a test holds scrapes against them. Invariant: whatever clients send, no label gets a value that is not known or bounded.

import { logCounters } from '../ports/log-counters.ts';
import { ERRORS } from '../protocol/errors.ts';
import { HEALINGS, PACES, RESET_REASONS } from '../protocol/frames.ts';
import type { Block } from '../sessions/flow.ts';

const STREAMS = ['subscribe', 'publish'] as const;
export const CODES: readonly string[] = Object.keys(ERRORS);
export const OUTCOMES = ['resumed', 'bad-token', 'expired-token', 'foreign-token', 'used-token', 'not-ready'] as const;
export const BLOCKS = ['socket', 'window', 'budget', 'demo'] as const satisfies Block[];
export const QUANTILES = [0.5, 0.99, 1] as const;
/** A first answer to trades states one as well, but nothing begins anew. */
export const RESETS = RESET_REASONS.filter((reason) => reason !== 'subscribed');
/** Beside the codes of errors. */
const CLOSE_WORDS = ['silent', 'too-slow', 'slow-control', 'dropped', 'flood', 'overrun', 'resumed'];
const GOING_AWAY = 'going-away';
const OTHER = 'other';
/** Those that are told from the start. */
export const CLOSES: readonly string[] = [...CLOSE_WORDS, GOING_AWAY];

/** The label of a reason to close. */
export function closeLabel(reason: string): string {
  if (CLOSE_WORDS.includes(reason) || CODES.includes(reason)) return reason;
  return reason.startsWith('the gateway stops') ? GOING_AWAY : OTHER;
}

/** Of each label of a metric that has few values: all of them. Absent: bounded in number, not in value. */
export const LABEL_VALUES: Readonly<Record<string, readonly string[]>> = {
  stream: STREAMS,
  code: CODES,
  reason: [...CLOSES, OTHER, ...CODES, ...RESETS],
  how: HEALINGS,
  outcome: OUTCOMES,
  pace: PACES,
  by: BLOCKS,
  level: Object.keys(logCounters.lines),
  quantile: QUANTILES.map(String),
};
