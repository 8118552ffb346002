// Owns the end of a gateway that is told to stop: sends its clients elsewhere, each at another time, and waits until they have gone.
// The gateway begins it. Invariant: every client is told before it is closed, and closed when it was told that it would be.

import type { Clock, Timers } from '../ports/clock.ts';
import { CloseCode } from '../protocol/errors.ts';
import type { Connection } from '../sessions/connection.ts';

export interface DrainOptions {
  readonly connections: ReadonlySet<Connection>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Over how long clients are sent elsewhere. */
  readonly drainMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** What a client has to connect elsewhere before its old connection is closed. */
const MOVE_MS = 2_000;
const STEP_MS = 50;
const GOING = 'the gateway stops; come back';

export class Drain {
  readonly startedMs: number;
  /** Connections that there were. */
  readonly total: number;
  /** Resolves when all clients have gone. */
  readonly done: Promise<void>;
  private readonly closing: { readonly connection: Connection; readonly generation: number; readonly atMs: number }[] =
    [];
  private finish: () => void = () => {};

  constructor(private readonly options: DrainOptions) {
    const { connections, clock, drainMs } = options;
    this.startedMs = clock.nowMs();
    this.total = connections.size;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    const moveMs = Math.min(MOVE_MS, drainMs);
    let place = 0;
    for (const connection of shuffled([...connections], options.random)) {
      const reconnectMs = Math.floor((drainMs * place) / this.total);
      place += 1;
      connection.tell({ type: 'goodbye', reason: 'drain', reconnectMs, closeMs: reconnectMs + moveMs });
      this.closing.push({ connection, generation: connection.generation, atMs: this.startedMs + reconnectMs + moveMs });
    }
    // The goodbyes go out at the end of this turn.
    options.timers.soon(() => this.step(0));
  }

  private step(from: number): void {
    const { connections, clock, timers } = this.options;
    const nowMs = clock.nowMs();
    let next = from;
    while (next < this.closing.length && this.closing[next]!.atMs <= nowMs) {
      const { connection, generation } = this.closing[next]!;
      if (connection.generation === generation) connection.close(CloseCode.goingAway, GOING);
      next += 1;
    }
    if (connections.size === 0 || next === this.closing.length) return this.finish();
    timers.after(STEP_MS, () => this.step(next));
  }
}

/** Fisher and Yates, in place: who came first is not sent away first. */
export function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
