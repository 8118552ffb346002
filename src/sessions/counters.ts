// Owns what happened to all connections together, as plain counters. Connections count, metrics and the admin port read.

import type { Block } from './flow.ts';

export interface ConnectionCounters {
  /** Times that a connection had to stop sending, by what stopped it. */
  blocked: Record<Block, number>;
  resumed: number;
  pumps: number;
  pings: number;
  pongs: number;
  strayPongs: number;
  heartbeats: number;
  paces: number;
  /** Closes from our side, by reason. */
  closed: Record<string, number>;
}

export function connectionCounters(): ConnectionCounters {
  return {
    blocked: { socket: 0, window: 0, budget: 0, demo: 0 },
    resumed: 0,
    pumps: 0,
    pings: 0,
    pongs: 0,
    strayPongs: 0,
    heartbeats: 0,
    paces: 0,
    closed: {},
  };
}
