// Owns the table of what happened in runs on a simulated Redis: which branches the Redis bus took, what befell the server. branches.ts
// puts it below its own. Invariant: every branch is listed, also where a run had no Redis.

import type { RedisBusCounters } from '../../src/bus/redis.ts';
import { RESTARTS, type ServerCounters } from './redis.ts';

const FOLLOWERS = ['entries', 'duplicates', 'holes', 'repaired', 'losses', 'conflicts', 'epochs', 'checks'] as const;
const PUBLISHING = ['calls', 'updates', 'down', 'retries'] as const;
const WATCH = ['canaries', 'unheard', 'unanswered'] as const;
const BUS = ['folds', 'ups', 'channelsUps'] as const;
const SERVER = [
  'flushes',
  'memoryRefusals',
  'messagesLost',
  'messagesDoubled',
  'messagesSwapped',
  'callCuts',
  'channelCuts',
  'callSilences',
  'channelSilences',
  'channelsLingered',
] as const;

/** What the market on Redis did and saw by itself. */
export const REDIS_EVENTS = [
  'runs',
  'floods',
  'leases',
  'doubts',
  'calls past the bus',
  'updates sent again by key',
  'answers that leave it open',
  'split epochs',
  'news that came late',
] as const;
export type RedisEvent = (typeof REDIS_EVENTS)[number];

export function noRedisEvents(): Record<RedisEvent, number> {
  return Object.fromEntries(REDIS_EVENTS.map((event) => [event, 0])) as Record<RedisEvent, number>;
}

export function redisBranches(
  buses: readonly RedisBusCounters[],
  server: ServerCounters,
  refusals: ReadonlyMap<string, number>,
  events: Readonly<Record<RedisEvent, number>>,
): [string, number][] {
  const sum = (countOf: (counters: RedisBusCounters) => number): number =>
    buses.reduce((total, counters) => total + countOf(counters), 0);
  return [
    ...FOLLOWERS.map((name): [string, number] => [`redis followers: ${name}`, sum(({ followers }) => followers[name])]),
    ...PUBLISHING.map((name): [string, number] => [
      `redis publishing: ${name}`,
      sum(({ publishing }) => publishing[name]),
    ]),
    ...WATCH.map((name): [string, number] => [`redis watch: ${name}`, sum(({ watch }) => watch[name])]),
    ...BUS.map((name): [string, number] => [`redis bus: ${name}`, sum((counters) => counters[name])]),
    ...REDIS_REFUSALS.map((code): [string, number] => [`redis refused: ${code}`, refusals.get(code) ?? 0]),
    ...RESTARTS.map((kind): [string, number] => [`redis restarts: ${kind}`, server.restarts[kind]]),
    ...SERVER.map((name): [string, number] => [`redis server: ${name}`, server[name]]),
    ...REDIS_EVENTS.map((event): [string, number] => [`redis simulation: ${event}`, events[event]]),
  ];
}

/** Refusals that the state of the bus decides. */
export const REDIS_REFUSALS = [
  'bus-down',
  'needs-snapshot',
  'stale-instrument',
  'crossed',
  'fenced',
  'leased',
] as const;
