// Owns what `bench:redis` and its two child processes say to each other: one publishes, one follows.
// Publisher: setup -> ready, then run -> ran for each phase. Follower: setup -> ready, then listen, drain -> heard for each phase.
// Invariant: times are microseconds of the clock that clock.ts of this folder makes the same for all.

/** `bus`: RedisBus to RedisBus. `plain`: `PUBLISH` by a bare ioredis to a bare subscriber, messages of the same length. */
export const WAYS = ['bus', 'plain'] as const;
export type Way = (typeof WAYS)[number];

export interface SetupMessage {
  type: 'setup';
  role: 'publisher' | 'follower';
  way: Way;
  url: string;
  prefix: string;
  topics: number;
  seed: number;
  /** Of the shared clock: the wall time at which the machine's monotonic clock began. */
  originUs: number;
}

/** How updates are published: so many a second whatever happens, or the next call when one is answered. */
export type Pace = { readonly updatesPerSec: number } | { readonly callsUnderWay: number };

export interface RunMessage {
  type: 'run';
  pace: Pace;
  /** Updates of one topic in each call. */
  batch: number;
  seconds: number;
}
export interface ListenMessage {
  type: 'listen';
}
export interface DrainMessage {
  type: 'drain';
  /** By topic: what the publisher's last update is. */
  lastSeqs: readonly number[];
}
/** Ends the process, whatever it does. */
export interface EndMessage {
  type: 'end';
}
export type ToNode = SetupMessage | RunMessage | ListenMessage | DrainMessage | EndMessage;

export interface ReadyMessage {
  type: 'ready';
}
export interface RanMessage {
  type: 'ran';
  lastSeqs: readonly number[];
  updates: number;
  cpuUs: number;
  wallUs: number;
  /** How late the schedule's turns were; 0 where there is no schedule. */
  latenessP99Us: number;
  folds: number;
  problems: number;
  problemTexts: readonly string[];
}
export interface LatencyReport {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}
export interface HeardMessage {
  type: 'heard';
  updates: number;
  cpuUs: number;
  latency: LatencyReport;
  /** Updates that came from the log, since no message brought them. */
  repaired: number;
  folds: number;
  problems: number;
  problemTexts: readonly string[];
}
export type FromNode = ReadyMessage | RanMessage | HeardMessage;
