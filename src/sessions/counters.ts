// Owns what happened to all connections together, as plain counters. Connections count, metrics and the admin port read.

import type { Block } from './flow.ts';

export interface ConnectionCounters {
  /** Times that a connection had to stop sending, by what stopped it. */
  blocked: Record<Block, number>;
  resumed: number;
  pumps: number;
  pings: number;
  /** Bytes of the pings, with their headers. */
  pingBytes: number;
  pongs: number;
  strayPongs: number;
  heartbeats: number;
  paces: number;
  /** Connections that were let in. */
  admitted: number;
  /** Messages that connections sent outside of flushes, and the frames in them. */
  messages: number;
  frames: number;
  /** Updates that clients who were behind got only as part of a later one, by their numbers. */
  merged: number;
  /** Gaps announced to clients. */
  gaps: number;
  /** Topics that clients had to begin anew, by reason; a first answer is none. */
  resets: Record<string, number>;
  /** Cursors that clients came back with, by how they were brought up to date. */
  healed: Record<string, number>;
  /** Closes from our side, by reason. */
  closed: Record<string, number>;
}

/** One more of a name. */
export function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

export function connectionCounters(): ConnectionCounters {
  return {
    blocked: { socket: 0, window: 0, budget: 0, demo: 0 },
    resumed: 0,
    pumps: 0,
    pings: 0,
    pingBytes: 0,
    pongs: 0,
    strayPongs: 0,
    heartbeats: 0,
    paces: 0,
    admitted: 0,
    messages: 0,
    frames: 0,
    merged: 0,
    gaps: 0,
    resets: {},
    healed: {},
    closed: {},
  };
}
