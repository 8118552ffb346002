// Owns the walk over all connections at a scrape: how many are at which pace, how far behind, what holds them back. The metrics take
// one. Invariant: it never holds the event loop for longer than a slice, and looks at no more than were there when it began.

import type { Clock } from '../ports/clock.ts';
import type { Connection } from '../sessions/connection.ts';
import type { Block } from '../sessions/flow.ts';
import { Quantiles } from './quantiles.ts';

const SLICE_MS = 1;
const LOOKS_PER_CLOCK = 32;

export interface PaceCensus {
  readonly agesMs: Quantiles;
  readonly windowBytes: Quantiles;
}

export interface Census {
  readonly paces: ReadonlyMap<string, PaceCensus>;
  readonly blocked: ReadonlyMap<Block, number>;
  readonly queuedBytes: number;
  readonly subscriptions: number;
}

/** What of a connection is looked at. */
export type Counted = Pick<Connection, 'rung' | 'block' | 'window' | 'queuedBytes' | 'subscriptions' | 'ageMs'>;

/** @param breathe lets the event loop turn, between slices. */
export async function takeCensus(
  connections: ReadonlySet<Counted>,
  clock: Pick<Clock, 'nowMs'>,
  paceNames: readonly string[],
  breathe: () => Promise<void> = nextTurn,
): Promise<Census> {
  const paces = new Map(paceNames.map((name) => [name, { agesMs: new Quantiles(), windowBytes: new Quantiles() }]));
  const blocked = new Map<Block, number>();
  let queuedBytes = 0;
  let subscriptions = 0;
  let left = connections.size;
  let nowMs = clock.nowMs();
  let sliceMs = performance.now();
  for (const connection of connections) {
    if (left-- === 0) break;
    const pace = paces.get(connection.rung.pace);
    pace?.agesMs.add(connection.ageMs(nowMs));
    pace?.windowBytes.add(connection.window.bytes);
    const { block } = connection;
    if (block !== null) blocked.set(block, (blocked.get(block) ?? 0) + 1);
    queuedBytes += connection.queuedBytes;
    subscriptions += connection.subscriptions.size;
    if (left % LOOKS_PER_CLOCK !== 0) continue;
    if (performance.now() - sliceMs < SLICE_MS) continue;
    await breathe();
    nowMs = clock.nowMs();
    sliceMs = performance.now();
  }
  return { paces, blocked, queuedBytes, subscriptions };
}

/** Resolves when the event loop has turned. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
