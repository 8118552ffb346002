// Owns what must be left in a gateway when all its clients have gone: nothing. The tests of session faults ask it at their ends.
// Invariant: it looks into the maps themselves, not at figures that somebody counts.

import { expect } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { SessionCounters, SessionStore } from '../../src/ports/session-store.ts';
import { Connection } from '../../src/sessions/connection.ts';

/** What is kept for each client, or each subscription, by its place. */
export function kept(gateway: Gateway): Record<string, number> {
  const { clients, flush, topics } = gateway;
  const { total, addresses, principals } = clients.admission.counts;
  const sequencers: object = inside(gateway.bus, 'sequencers') ?? {};
  const listeners = Object.values(sequencers).flatMap((ofChannel: Map<string, { listeners: Set<unknown> }>) =>
    [...ofChannel.values()].map((each) => each.listeners.size),
  );
  const grids = [...inside<Map<number, Set<unknown>>>(flush, 'grids')!.values()];
  return {
    connections: clients.connections.size,
    ...{ total, addresses, principals },
    sessions: inside<Map<string, unknown>>(inside(clients, 'continuity')!, 'connections')!.size,
    sessionsConnected: sessionCounters(gateway).connected,
    lanes: flush.lanes.recipients.filter((each) => each instanceof Connection).length,
    topics: topics.size,
    listeners: listeners.reduce((sum, size) => sum + size, 0),
    woken: inside<(object | null)[]>(flush, 'woken')!.filter((each) => each !== null).length,
    resting: inside<Map<unknown, unknown>>(flush, 'resting')!.size,
    gridViews: grids.reduce((sum, { size }) => sum + size, 0),
    spareSubscriptions: spare(gateway).reduce(
      (sum, { subscriptions, patterns }) => sum + subscriptions.size + patterns.size,
      0,
    ),
    spareQueues: spare(gateway).reduce((sum, each) => sum + each.queuedBytes + (each.heldSeqs?.size ?? 0), 0),
  };
}

/** Connections that serve nobody at present. */
function spare(gateway: Gateway): Connection[] {
  return inside<Connection[]>(inside(gateway.clients, 'pool')!, 'spare')!;
}

export function sessionCounters({ clients }: Gateway): SessionCounters {
  return inside<{ store: SessionStore }>(clients, 'options')!.store.counters;
}

/** Waits until nothing is left of any client; topics take their grace time. */
export async function expectClean(gateway: Gateway): Promise<void> {
  const nothing = Object.fromEntries(Object.keys(kept(gateway)).map((name) => [name, 0]));
  await expect.poll(() => kept(gateway), { timeout: 30_000 }).toEqual(nothing);
  const answer = await fetch(`${gateway.adminUrl}/v1/admin/stats`);
  expect(await answer.json()).toMatchObject({
    connections: 0,
    topics: 0,
    admission: { total: 0, addresses: 0, principals: 0 },
  });
}

/** A private part. */
function inside<T extends object>(owner: object, name: string): T | undefined {
  return Reflect.get(owner, name) as T | undefined;
}
