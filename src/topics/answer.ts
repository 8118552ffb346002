// Owns the shape of an answer: what brings one cursor to now, encoded. Topics make them and share them among equal cursors.
// Invariant: an answer never changes once it was handed out.

import type { GapReason, ResetReason } from '../protocol/frames.ts';
import type { Chunk } from './chunks.ts';

/** How a cursor was answered. `current`: it was up to date. The simulator demands that every one of these occurs. */
export const ANSWER_KINDS = [
  'first',
  'current',
  'difference',
  'rounded',
  'deeper',
  'shallower',
  'horizon',
  'epoch',
  'future',
  'requested',
  'ring',
  'gap',
] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

export interface Answer {
  readonly kind: AnswerKind;
  readonly epoch: number;
  /** What the client holds when all chunks have arrived. */
  readonly seq: number;
  readonly chunks: readonly Chunk[];
  /** To be said before the chunks, per client. */
  readonly reset: { readonly seq: number; readonly reason: ResetReason } | null;
  readonly gap: { readonly firstSeq: number; readonly lastSeq: number; readonly reason: GapReason } | null;
}
