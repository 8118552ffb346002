// Owns the second hand of the connections: heartbeats, silent and hopeless peers, paces. The gateway starts it.
// Invariant: every open connection is ticked once a second, however many there are, and none answers for what this process missed.

import type { Clock, Timers } from '../ports/clock.ts';
import type { Connection } from './connection.ts';

const TICK_MS = 1_000;
/** A tick that is later says that this process stood still. */
const LATE_MS = 250;

export interface PulseOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connections: ReadonlySet<Connection>;
  /** Told of each after it was ticked. */
  readonly onTick?: (connection: Connection, nowMs: number) => void;
}

/** Runs until the timers are stopped. */
export function beginPulse(options: PulseOptions): void {
  const { clock, timers, connections, onTick } = options;
  const beganMs = clock.nowMs();
  timers.after(TICK_MS, () => {
    const nowMs = clock.nowMs();
    const nowUs = clock.nowUs();
    const tookMs = nowMs - beganMs;
    // Timers run before what came meanwhile is read, and it may still be on its way where the whole machine stood still.
    const unreadMs = tookMs > TICK_MS + LATE_MS ? tookMs : 0;
    // Ticking may close a connection, which takes it out of the set.
    for (const connection of [...connections]) {
      connection.tick(nowMs, nowUs, unreadMs);
      if (!connection.closed) onTick?.(connection, nowMs);
    }
    beginPulse(options);
  });
}

const DIGITS_MAX = 10;

/** The number in the payload of a pong; 0, which no ping has, where it is none of ours. */
export function pingNumber(payload: ArrayBuffer): number {
  if (payload.byteLength === 0 || payload.byteLength > DIGITS_MAX) return 0;
  let number = 0;
  for (const byte of new Uint8Array(payload)) {
    if (byte < 0x30 || byte > 0x39) return 0;
    number = number * 10 + byte - 0x30;
  }
  return number;
}
