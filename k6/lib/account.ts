// Owns what an audit keeps: the kinds of faults, the counts, one topic's account. The audit fills them, users and tests read them.
// Invariant: what is made of them here changes nothing of what is held.

import type { LocalBook } from '../../src/client/local-book.ts';
import type { ChannelFrame, TopicFrame } from '../../src/protocol/frames.ts';

/**
 * `hole`: updates are missing that no gap names; `repeat`: an update that was there came again; `checksum`: a level is not what was
 * published; `epoch`: what was held is void and nobody said so; `stranger`: data of a topic that was left; `unreadable`: no message of
 * the protocol; `unanswered`: a subscription without a first state; `silence`: nothing at all for longer than the welcome promised.
 */
export const FAULTS = [
  'hole',
  'repeat',
  'checksum',
  'epoch',
  'stranger',
  'unreadable',
  'unanswered',
  'silence',
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Where a user stands in a topic, as requests bring it. */
export interface Cursor {
  readonly epoch: number;
  readonly seq: number;
  readonly depth?: number;
}

/** What has happened on a connection; all of them only grow. */
export interface AuditCounts {
  /** Data frames that were applied. */
  deliveries: number;
  /** Updates that came merged into later ones. */
  merged: number;
  /** Frames that told what was held already, as the protocol allows where users join each other. */
  overlaps: number;
  /** Gaps that were announced, and the updates that they name. */
  gaps: number;
  gapped: number;
  resets: number;
}

export interface AuditOptions {
  /** Whether books are kept and compared with their checksums; sequences are checked anyway. */
  readonly checksums: boolean;
  /** Told of each delivery. */
  readonly delivered?: (frame: ChannelFrame) => void;
  /** Told of each fault, with what it is about. */
  readonly faulted?: (kind: FaultKind, about: string) => void;
}

/** One topic, as a user holds it. */
export interface Account {
  topic: TopicFrame;
  readonly book: LocalBook | null;
  /** Of the frame before, and in which message it came. */
  fromSeq: number;
  message: number;
  /** Messages with news since it was answered last. */
  newsMessages: number;
  seq: number;
  depth: number;
  /** Nothing is missing up to `seq`. */
  valid: boolean;
  /** What was held is of another epoch: a reset must say so before any data. */
  resetDue: boolean;
  /** A fault was counted; what comes before the reset is of no use. */
  broken: boolean;
}

/** Of a topic of which nothing has come yet. */
export const FRESH = { fromSeq: 0, message: 0, newsMessages: 0, seq: 0, depth: 0, valid: false, broken: false };

export function noCounts(): AuditCounts {
  return { deliveries: 0, merged: 0, overlaps: 0, gaps: 0, gapped: 0, resets: 0 };
}

export function noFaults(): Record<FaultKind, number> {
  return Object.fromEntries(FAULTS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
}
