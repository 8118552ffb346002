// Owns what the orchestrator and its child processes say to each other over IPC.
// A subject: setup -> ready, perhaps watch, then for each window start -> windowStart, windowEnd.
// The generator: connect -> connected, then for each window measure, drain -> audited.
// Invariant: all times are absolute microseconds of clock.ts; a child whose channel closes exits.

import type { SchedulePlan } from './schedule.ts';
import type { WatchReport } from './watch.ts';
import type { Workload } from './workloads.ts';

/** `raw-pings`: the baseline, but its clients are pinged, and so answer, as often as Tickwire's. */
export const USUAL_SUBJECTS = ['raw', 'raw-pings', 'tickwire', 'tickwire-raw'] as const;
/** `sends`: the baseline's frames, joined and sent by hand, once a turn, as many milliseconds after the last sweep, or in rounds. */
/** `sends-least`: the same, with one book and one encoding for each update. */
/** `tickwire-before`: the gateway of another checkout, which `--before` names. */
/** `-turns`: the gateway, taking turns in one process with what it is compared to, which tells machines apart from code. */
export const SUBJECTS = [
  ...USUAL_SUBJECTS,
  'sends',
  'sends-5ms',
  'sends-10ms',
  'sends-rounds',
  'sends-least',
  'tickwire-before',
  'tickwire-turns',
  'tickwire-raw-turns',
] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** It shares its CPU and its clients with others: only what it says itself means anything. */
export function takesTurns(subject: SubjectName): boolean {
  return subject.endsWith('-turns');
}

/** uWebSockets.js alone, without Tickwire's frames. */
export function isBaseline(subject: SubjectName): boolean {
  return !subject.startsWith('tickwire');
}

/** What a process had used up, and a subject had published, at one moment. */
export interface UsageSample {
  atUs: number;
  /** User and system time of all threads. */
  cpuUs: number;
  published: number;
}

export interface SetupMessage {
  type: 'setup';
  subject: SubjectName;
  workload: Workload;
  clientsExpected: number;
  seed: number;
}
export interface StartMessage extends SchedulePlan {
  type: 'start';
}
/** Clients that will stop reading when the window begins; none: only the queues are watched. */
export interface WatchMessage {
  type: 'watch';
  clients: readonly number[];
  /** Of the same clients, what Tickwire's welcome says; empty for the baseline. */
  sessions: readonly string[];
}
export type ToSubject = SetupMessage | WatchMessage | StartMessage;

export interface ReadyMessage {
  type: 'ready';
  port: number;
  clockOffsetUs: number;
}
export interface WindowStartMessage extends UsageSample {
  type: 'windowStart';
}
export interface WindowEndMessage extends UsageSample {
  type: 'windowEnd';
  /** The last sequence number of each topic, by the workload's topic number; 0 where nothing was published. */
  lastSeqs: number[];
  /** How late the schedule's turns were. */
  latenessP50Us: number;
  latenessP99Us: number;
  /** From the first connection on. */
  pings: PingCounts;
  /** Null where nothing was to be watched. */
  watched: WatchReport | null;
  /** What else the subject has to say. */
  lines: string[];
}
export interface PingCounts {
  sent: number;
  answered: number;
}
export type FromSubject = ReadyMessage | WindowStartMessage | WindowEndMessage;

export interface ConnectMessage {
  type: 'connect';
  subject: SubjectName;
  workload: Workload;
  clients: number;
  /** Those that stop reading when the window begins. */
  stalled: readonly number[];
  seed: number;
  port: number;
  /** It looks for what has come, instead of being woken for it. */
  looks: boolean;
  /** Its kernel may delay acknowledgements once a client has answered. */
  delayedAcks: boolean;
}
export interface MeasureMessage extends SchedulePlan {
  type: 'measure';
}
export interface DrainMessage {
  type: 'drain';
  lastSeqs: number[];
}
export type ToGenerator = ConnectMessage | MeasureMessage | DrainMessage;

export interface ConnectedMessage {
  type: 'connected';
  clockOffsetUs: number;
  /** Of the clients in `stalled`, in that order; empty for the baseline. */
  stalledSessions: string[];
}
export interface LatencySummary {
  count: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
}
export interface AuditedMessage {
  type: 'audited';
  /** Updates delivered within the window, whenever they were intended. All other counts are of everything since the audit before. */
  windowDeliveries: number;
  deliveries: number;
  frames: number;
  /** Frames that told a client nothing new. */
  repeats: number;
  bytes: number;
  /** Those of the measured window. */
  windowBytes: number;
  reads: number;
  /** Of updates intended within the window, whenever they arrived; once per update, and once per frame. */
  updateLatency: LatencySummary;
  frameLatency: LatencySummary;
  /** Of updates intended within the window's first second. */
  firstSecondLatency: LatencySummary;
  /** WebSocket bytes that each of the clients in `stalled` read before it stopped. */
  stalledReadBytes: number[];
  generatorCpuShare: number;
  drainMs: number;
  problems: number;
  /** The first few, in words. */
  problemTexts: string[];
  booksChecked: number;
}
export type FromGenerator = ConnectedMessage | AuditedMessage;
