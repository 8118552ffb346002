// Owns what the orchestrator and its child processes say to each other over IPC.
// A subject: setup -> ready, start -> windowStart, windowEnd. The generator: connect -> connected, measure, drain -> audited.
// Invariant: all times are absolute microseconds of clock.ts; a child whose channel closes exits.

import type { SchedulePlan } from './schedule.ts';

export const SUBJECTS = ['raw', 'tickwire', 'tickwire-raw'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

/** What a process had used up, and a subject had published, at one moment. */
export interface UsageSample {
  atUs: number;
  /** User and system time of all threads. */
  cpuUs: number;
  published: number;
}

export interface SetupMessage {
  type: 'setup';
  workload: string;
  clientsExpected: number;
  seed: number;
}
export interface StartMessage extends SchedulePlan {
  type: 'start';
}
export type ToSubject = SetupMessage | StartMessage;

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
}
export type FromSubject = ReadyMessage | WindowStartMessage | WindowEndMessage;

export interface ConnectMessage {
  type: 'connect';
  subject: SubjectName;
  workload: string;
  clients: number;
  seed: number;
  port: number;
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
}
export interface LatencySummary {
  count: number;
  p50Us: number;
  p99Us: number;
  maxUs: number;
}
export interface AuditedMessage {
  type: 'audited';
  /** Updates delivered within the window, whenever they were intended. */
  windowDeliveries: number;
  deliveries: number;
  frames: number;
  /** Frames that told a client nothing new. */
  repeats: number;
  bytes: number;
  reads: number;
  /** Of updates intended within the window, whenever they arrived; once per update, and once per frame. */
  updateLatency: LatencySummary;
  frameLatency: LatencySummary;
  generatorCpuShare: number;
  drainMs: number;
  problems: number;
  /** The first few, in words. */
  problemTexts: string[];
  booksChecked: number;
}
export type FromGenerator = ConnectedMessage | AuditedMessage;
