// Owns what the admin port has beside the metrics: health, readiness, counters, connections, draining, the log level. The gateway
// adds these to its port. Invariant: whatever is asked for, the answer says either it or what would do.

import { LOG_LEVELS } from '../ports/log-events.ts';
import { fault } from '../protocol/errors.ts';
import { type AdminView, answerConnections, CONNECTIONS_PATH, DRAIN_PATH } from './admin.ts';
import { ADMIN_BODY_BYTES_MAX, ADMIN_PATH, type AdminAnswer, type AdminRoute, json } from './admin-port.ts';
import { type EventLog, isLogLevel } from './log.ts';
import type { Readiness } from './readiness.ts';
import type { HttpRequest } from './uws.ts';

const LOG_LEVEL_PATH = `${ADMIN_PATH}/log-level`;
const FOR_MS_MIN = 1_000;
const FOR_MS_MAX = 86_400_000;

/** What the gateway tells of itself, and does when it is asked. */
export interface AdminScene {
  readonly log: EventLog;
  readiness(): Readiness;
  /** All plain counters. */
  stats(): object;
  view(): AdminView;
  /** Sends the clients elsewhere, and ends. */
  beginDrain(): void;
  /** Null while nobody has asked for it. */
  draining(): { readonly total: number; readonly left: number } | null;
}

export function adminRoutes(scene: AdminScene): readonly AdminRoute[] {
  const connections = ({ path, query }: HttpRequest): AdminAnswer => {
    const answer = answerConnections(path, query, scene.view());
    return 'code' in answer ? answer : json(answer);
  };
  const draining = (): AdminAnswer => {
    const state = scene.draining();
    return state === null ? fault('not-found', `no drain is under way; POST ${DRAIN_PATH} begins one`) : json(state);
  };
  return [
    {
      ...{ method: 'GET', path: '/healthz', open: true },
      about: 'whether the process lives: 200 while its event loop turns',
      answer: () => json({ status: 'ok' }),
    },
    {
      ...{ method: 'GET', path: '/readyz', open: true },
      about: 'whether clients should be sent here: 200, or 503 with the reasons',
      answer: () => {
        const readiness = scene.readiness();
        return json(readiness.ready ? { ready: true } : readiness, readiness.ready ? 200 : 503);
      },
    },
    {
      ...{ method: 'GET', path: `${ADMIN_PATH}/stats` },
      about: 'plain counters',
      answer: () => json(scene.stats()),
    },
    {
      ...{ method: 'GET', path: CONNECTIONS_PATH },
      about: 'connections, those that wait longest first; ?limit=',
      answer: connections,
    },
    {
      ...{ method: 'GET', path: `${CONNECTIONS_PATH}/:id` },
      about: 'one connection, and why it is slow',
      answer: connections,
    },
    { ...{ method: 'GET', path: DRAIN_PATH }, about: 'how far a drain is', answer: draining },
    {
      ...{ method: 'POST', path: DRAIN_PATH },
      about: 'sends the clients elsewhere, and ends the gateway',
      answer: () => {
        scene.beginDrain();
        return draining();
      },
    },
    { ...{ method: 'GET', path: LOG_LEVEL_PATH }, about: 'how much is logged', answer: () => json(scene.log.level) },
    {
      ...{ method: 'PUT', path: LOG_LEVEL_PATH },
      about: 'logs more or less: {"level":"debug"}, with "forMs" for a time only',
      answer: (request) => changeLevel(request, scene.log),
    },
  ];
}

async function changeLevel(request: HttpRequest, log: EventLog): Promise<AdminAnswer> {
  const body = await request.body();
  if (body === null) return fault('too-large', `at most ${ADMIN_BODY_BYTES_MAX} bytes`);
  const { level, forMs = null, ...rest } = objectIn(body);
  const [stranger] = Object.keys(rest);
  if (stranger !== undefined) return fault('bad-request', `${shown(stranger)} is not level or forMs`);
  if (!isLogLevel(level)) return fault('bad-request', `level is ${shown(level)}, not one of ${LOG_LEVELS.join(', ')}`);
  if (forMs !== null && !isSpan(forMs)) {
    return fault('bad-request', `forMs is ${shown(forMs)}, not a whole number from ${FOR_MS_MIN} to ${FOR_MS_MAX}`);
  }
  log.override(level, forMs);
  return json(log.level);
}

/** Empty for what is no JSON object. */
function objectIn(body: Uint8Array): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

function isSpan(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= FOR_MS_MIN && (value as number) <= FOR_MS_MAX;
}

function shown(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, 40);
}
