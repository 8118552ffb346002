// Owns the table of what became of sessions in simulated runs: attempts to come back and their outcomes, what befell nodes and grants.
// branches.ts puts it below its own. Invariant: every happening is listed, taken or not.

import { HEAL_REASONS } from '../../src/protocol/frames.ts';

export const SESSION_EVENTS = [
  'tokens given',
  'brought a token alone',
  'brought token and cursors',
  'brought a used token',
  'brought an old token',
  "brought another principal's token",
  'brought a changed token',
  'came back with half of it there',
  'races',
  'taken while connected',
  'taken again after a loss',
  'closed by a successor',
  'outcome resumed',
  'outcome bad-token',
  'outcome expired-token',
  'outcome used-token',
  'outcome foreign-token',
  'outcome not-ready',
  'topics brought back',
  'topics refused',
  'nodes died',
  'nodes drained',
  'goodbyes',
  'refused while draining',
  'keys rotated',
  'identities shown later',
  'grants changed',
  'topics revoked',
  'topics refused for want of a grant',
  'books cut to a grant',
] as const;
export type SessionEvent = (typeof SESSION_EVENTS)[number];

/** How a cursor can be answered. */
export const HEALS = [
  'replayed cursor',
  'replayed gap',
  'diffed cursor',
  ...HEAL_REASONS.filter((why) => why !== 'cursor').map((why) => `snapshot ${why}` as const),
] as const;
export type Heal = (typeof HEALS)[number];

export type SessionEvents = Record<SessionEvent | Heal, number>;

export function noSessionEvents(): SessionEvents {
  return Object.fromEntries([...SESSION_EVENTS, ...HEALS].map((event) => [event, 0])) as SessionEvents;
}

export function sessionBranches(events: Readonly<SessionEvents>): [string, number][] {
  return [
    ...SESSION_EVENTS.map((event): [string, number] => [`sessions: ${event}`, events[event]]),
    ...HEALS.map((heal): [string, number] => [`healed: ${heal}`, events[heal]]),
  ];
}
