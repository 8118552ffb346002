// Owns the table of what happened in simulated runs: which branches the code under test took, how often.
// The simulation fills one per run, the tests and the command add them up. Invariant: every branch is listed, taken or not.

import { PACES } from '../../src/protocol/frames.ts';
import { ANSWER_KINDS } from '../../src/topics/answer.ts';
import type { SimulatedNode } from './node.ts';
import { serverCounters } from './redis.ts';
import { noRedisEvents, redisBranches } from './redis-branches.ts';
import { noSessionEvents, type SessionEvents, sessionBranches } from './session-branches.ts';

const FLUSH = ['flushes', 'holds', 'answers', 'joins', 'joinsShared', 'moveOns', 'scatters'] as const;
const CONNECTION = ['resumed', 'pumps', 'pings', 'pongs', 'strayPongs', 'heartbeats', 'paces'] as const;
const BLOCKS = ['socket', 'window', 'budget'] as const;
const CLOSES = ['slow-control', 'silent', 'too-slow'] as const;
const TOPICS = ['encodings', 'shared', 'parts'] as const;

/** What the simulation itself did and saw. */
export const EVENTS = [
  'updates published',
  'publications refused',
  'bursts',
  'epochs renewed',
  'delisted',
  'listed again',
  'tick changes',
  'link stalls',
  'reconnects to the same node',
  'reconnects to the other node',
  'cursors from the future',
  'foreign cursors',
  'changes of shape',
  'grouped subscriptions',
  'resync requests',
  'frames checked',
  'frames ignored',
  'updates merged',
  'updates in gaps',
  'limits',
] as const;
export type SimulatedEvent = (typeof EVENTS)[number] | `pace ${(typeof PACES)[number]}`;

export function noEvents(): Record<SimulatedEvent, number> {
  const names = [...EVENTS, ...PACES.map((pace) => `pace ${pace}`)];
  return Object.fromEntries(names.map((event) => [event, 0])) as Record<SimulatedEvent, number>;
}

export type Branches = Map<string, number>;

/** The table of a run. */
export function branchesOf(
  nodes: readonly SimulatedNode[],
  events: Readonly<Record<SimulatedEvent, number>>,
  redis: readonly [string, number][],
  sessions: Readonly<SessionEvents>,
): Branches {
  const sum = (countOf: (node: SimulatedNode) => number): number =>
    nodes.reduce((total, node) => total + countOf(node), 0);
  return new Map([
    ...ANSWER_KINDS.map((kind) => [`answer: ${kind}`, sum(({ topics }) => topics.counters.byKind[kind])] as const),
    ...TOPICS.map((name) => [`topics: ${name}`, sum(({ topics }) => topics.counters[name])] as const),
    ...FLUSH.map((name) => [`flush: ${name}`, sum(({ flush }) => flush.counters[name])] as const),
    ...CONNECTION.map((name) => [`connections: ${name}`, sum(({ counters }) => counters[name])] as const),
    ...BLOCKS.map((block) => [`blocked by: ${block}`, sum(({ counters }) => counters.blocked[block])] as const),
    ...CLOSES.map((reason) => [`closed: ${reason}`, sum(({ counters }) => counters.closed[reason] ?? 0)] as const),
    ...PACES.map((pace) => [`pace: ${pace}`, events[`pace ${pace}`]] as const),
    ...EVENTS.map((event) => [`simulation: ${event}`, events[event]] as const),
    ...redis,
    ...sessionBranches(sessions),
  ]);
}

/** Those of a run without Redis. */
export function noRedisBranches(): [string, number][] {
  return redisBranches([], serverCounters(), new Map(), noRedisEvents());
}

export function noBranches(): Branches {
  return branchesOf([], noEvents(), noRedisBranches(), noSessionEvents());
}

export function addAll(total: Branches, run: ReadonlyMap<string, number>): void {
  for (const [name, count] of run) total.set(name, (total.get(name) ?? 0) + count);
}

export function tableOf(branches: Branches): string {
  const width = Math.max(...[...branches.keys()].map((name) => name.length));
  return [...branches].map(([name, count]) => `${name.padEnd(width)} ${String(count).padStart(12)}`).join('\n');
}
