// Owns the doctor's checks of Redis, from its name to what it keeps. The examination runs them where redisUrl is set. Invariant: each
// judges one reading, purely; what could not be read, because an earlier step failed, is skipped and says which.

import type { Settings } from '../settings/settings.ts';
import { type RedisReading, readRedis, type Step } from './doctor-probe.ts';
import {
  advice,
  bytesText,
  type ChecksOf,
  countText,
  failure,
  ok,
  skipped,
  type Verdict,
  warning,
} from './doctor-verdict.ts';

/** Besides keys and channels; proto/redis.md has them with the rest. */
const RIGHTS = '+@connection +@pubsub +@scripting +@read +@write +@transaction +info +time';
const VERSION_MIN = [6, 2] as const;
export const MEMORY_SHARE_MAX = 0.9;
export const LATENCY_MS_GOOD = 5;
export const LATENCY_MS_MAX = 50;
export const CLOCK_MS_GOOD = 100;
export const CLOCK_MS_MAX = 1_000;
/** A busy second's channels, for a gateway that has stood still. */
export const BUFFER_BYTES_MIN = 8 * 2 ** 20;

type Read<Name extends keyof RedisReading> = Pick<RedisReading, Name>;

export function redisChecks(settings: Settings, running: boolean, signal: AbortSignal): ChecksOf<'redis'> {
  let asked: Promise<RedisReading> | null = null;
  const check =
    (judge: (reading: RedisReading) => Verdict, after: Step | null = 'auth') =>
    async (): Promise<Verdict> => {
      if (settings.redisUrl === '') return skipped('No redisUrl is set: one gateway by itself.');
      if (!URL.canParse(settings.redisUrl)) return after === null ? UNREADABLE : cameTo('address');
      asked ??= readRedis(settings, signal);
      const reading = await asked;
      return before(reading, after) ?? judge(reading);
    };
  return {
    'redis.address': check(judgeAddress, null),
    'redis.connect': check(judgeConnect, 'address'),
    'redis.tls': check(judgeTls, 'connect'),
    'redis.auth': check(judgeAuth, 'tls'),
    'redis.version': check(judgeVersion),
    'redis.role': check(judgeRole),
    'redis.cluster': check(judgeCluster),
    'redis.eviction': check(judgeEviction),
    'redis.memory': check(judgeMemory),
    'redis.rights': check((reading) => judgeRights(reading, settings.redisPrefix)),
    'redis.latency': check(judgeLatency),
    'redis.clock': check(judgeClock),
    'redis.buffers': check(judgeBuffers),
    'redis.persistence': check(judgePersistence),
    'redis.gateways': check((reading) => judgeGateways(reading, settings.redisPrefix, running)),
  };
}

/** Not repeated: it may hold a password. */
const UNREADABLE = failure(
  'redisUrl is no address.',
  'Write it as redis://user:password@host:6379, special characters as %XX (REDIS_URL, --redis).',
);
const STEPS: readonly Step[] = ['address', 'connect', 'tls', 'auth'];

/** Null where the reading went further than `after`. */
function before({ stopped }: RedisReading, after: Step | null): Verdict | null {
  if (stopped === null || after === null || STEPS.indexOf(stopped.at) > STEPS.indexOf(after)) return null;
  return cameTo(stopped.at);
}

function cameTo(step: Step): Verdict {
  return skipped(`It came only as far as redis.${step}.`);
}

function stoppedAt(step: Step, { stopped }: Read<'stopped'>): string | null {
  return stopped?.at === step ? stopped.reason : null;
}

export function judgeAddress(reading: Read<'place' | 'addresses' | 'stopped'>): Verdict {
  const reason = stoppedAt('address', reading);
  if (reason === null) return ok(`${reading.place} is ${reading.addresses.join(', ')}.`);
  return failure(
    `The name in ${reading.place} is not known: ${reason}.`,
    'Mend the host in REDIS_URL (--redis), or the resolver: getent hosts <name> shows what it knows.',
  );
}

export function judgeConnect(reading: Read<'place' | 'stopped'>): Verdict {
  const reason = stoppedAt('connect', reading);
  if (reason === null) return ok(`${reading.place} accepts connections.`);
  return failure(
    `Nothing can be reached at ${reading.place}: ${reason}.`,
    'Start Redis, or mend host and port in REDIS_URL (--redis); `bind` in redis.conf and firewalls keep connections out too.',
  );
}

export function judgeTls(reading: Read<'place' | 'stopped' | 'tls'>): Verdict {
  const reason = stoppedAt('tls', reading);
  if (reason !== null) {
    return failure(
      `No TLS comes about with ${reading.place}: ${reason}.`,
      'Use redis:// where the server speaks no TLS; name the authority of its certificate in NODE_EXTRA_CA_CERTS, and its name as the certificate has it.',
    );
  }
  return reading.tls === null
    ? skipped('redisUrl is redis://, without TLS.')
    : ok(`It speaks ${reading.tls} with a certificate that is trusted.`);
}

export function judgeAuth(reading: Read<'stopped' | 'needless'>): Verdict {
  const reason = stoppedAt('auth', reading);
  if (reason === null && !reading.needless) return ok('It lets us in.');
  if (reason === null) {
    return warning(
      'It asks for no password, and is given one: anybody who reaches it may change everything.',
      'Set `requirepass` or users in redis.conf, or leave the password out of REDIS_URL.',
    );
  }
  const refused = /^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(reason);
  return failure(
    refused ? `It does not let us in: ${reason}.` : `It accepts connections, and does not work: ${reason}.`,
    refused
      ? 'Put user and password into REDIS_URL, redis://user:password@host:6379, special characters as %XX.'
      : 'Look into its log; LOADING passes by itself, and a server that answers nothing has to be restarted.',
  );
}

type Info = Read<'info'>;

function fieldOf({ info }: Info, name: string): string | null {
  return info.get(name)?.trim() ?? null;
}

export function judgeVersion(reading: Info): Verdict {
  const valkey = fieldOf(reading, 'valkey_version');
  const version = valkey ?? fieldOf(reading, 'redis_version');
  if (version === null) return untold('its version');
  const name = `It is ${valkey === null ? 'Redis' : 'Valkey'} ${version}`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1]);
  return old
    ? failure(`${name}, older than ${VERSION_MIN.join('.')}.`, 'Use Redis 6.2 or later, or Valkey.')
    : ok(`${name}.`);
}

export function judgeRole(reading: Info): Verdict {
  const role = fieldOf(reading, 'role');
  if (role === null) return untold('its role');
  if (role === 'master') return ok('It is a primary and takes writes.');
  const primary = `${fieldOf(reading, 'master_host')}:${fieldOf(reading, 'master_port')}`;
  return failure('It is a replica, which takes no writes.', `Name its primary in REDIS_URL (--redis): ${primary}.`);
}

export function judgeCluster(reading: Info): Verdict {
  const enabled = fieldOf(reading, 'cluster_enabled');
  if (enabled === null) return untold('whether it is a cluster');
  return enabled === '0'
    ? ok('It is no cluster.')
    : failure(
        'It is a node of a Redis Cluster, which the gateway does not know.',
        'Use a single server with replicas (cluster-enabled no).',
      );
}

export function judgeEviction(reading: Info): Verdict {
  const policy = fieldOf(reading, 'maxmemory_policy');
  if (policy === null) return untold('maxmemory-policy');
  const found = `maxmemory-policy is ${policy}`;
  if (policy === 'noeviction') return ok(`${found}.`);
  const remedy = 'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.';
  if (fieldOf(reading, 'maxmemory') === '0')
    return warning(`${found}; without maxmemory nothing is evicted so far.`, remedy);
  return failure(
    `${found}: when its memory is full it drops books and sessions, and every client begins anew.`,
    remedy,
  );
}

export function judgeMemory(reading: Info): Verdict {
  const [used, most] = [fieldOf(reading, 'used_memory'), fieldOf(reading, 'maxmemory')];
  if (used === null || most === null) return untold('its memory');
  const found = `It uses ${bytesText(Number(used))}`;
  if (most === '0') return ok(`${found}; maxmemory is not set.`);
  const of = `${found} of ${bytesText(Number(most))}`;
  return Number(used) <= Number(most) * MEMORY_SHARE_MAX
    ? ok(`${of}.`)
    : warning(
        `${of}: when it is full, publishers are refused.`,
        'Raise maxmemory, or see with `redis-cli --bigkeys` what else lies there.',
      );
}

export function judgeRights({ forbidden }: Read<'forbidden'>, prefix: string): Verdict {
  if (forbidden.length === 0) return ok(`The user may all that the gateway does under ${prefix}.`);
  return failure(
    `The user may not ${forbidden.join(', ')}.`,
    `ACL SETUSER <user> ~${prefix}:* &${prefix}:* &${prefix}:in:* ${RIGHTS} gives it what is needed (proto/redis.md).`,
  );
}

export function judgeLatency({ pingsMs }: Read<'pingsMs'>): Verdict {
  const medianMs = [...pingsMs].sort((a, b) => a - b)[Math.floor(pingsMs.length / 2)] ?? 0;
  const found = `PING takes ${medianMs.toFixed(2)} ms (median of ${pingsMs.length})`;
  const remedy =
    'Put Redis next to the gateways; `redis-cli --latency` and SLOWLOG GET tell whether it is the network or the server.';
  if (medianMs > LATENCY_MS_MAX) return warning(`${found}: every update is late by that.`, remedy);
  return medianMs > LATENCY_MS_GOOD ? advice(`${found}, which every update waits for.`, remedy) : ok(`${found}.`);
}

export function judgeClock({ aheadMs }: Read<'aheadMs'>): Verdict {
  if (aheadMs === null) return untold('the time');
  const offMs = Math.abs(Math.round(aheadMs));
  const found = `Its clock is ${countText(offMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  const remedy = 'Have both kept by NTP: timedatectl set-ntp true.';
  if (offMs > CLOCK_MS_MAX) return warning(`${found}: ages of updates and of sessions are wrong by that.`, remedy);
  return offMs > CLOCK_MS_GOOD ? advice(`${found}.`, remedy) : ok(`${found}.`);
}

export function judgeBuffers({ bufferLimits }: Read<'bufferLimits'>): Verdict {
  const [, hard, soft, seconds] = /(?:^| )pubsub (\d+) (\d+) (\d+)/.exec(bufferLimits ?? '') ?? [];
  if (hard === undefined) return untold('client-output-buffer-limit');
  const found = `client-output-buffer-limit pubsub is ${hard} ${soft} ${seconds}`;
  const least = Math.min(...[Number(hard), Number(soft)].map((bytes) => bytes || Number.POSITIVE_INFINITY));
  return least >= BUFFER_BYTES_MIN
    ? ok(`${found}.`)
    : warning(
        `${found}: a gateway that stands still for a moment is cut off.`,
        'CONFIG SET client-output-buffer-limit "pubsub 33554432 8388608 60"',
      );
}

/** Whatever it is, clients are exact: what was lost begins anew. */
export function judgePersistence(reading: Info): Verdict {
  const aof = fieldOf(reading, 'aof_enabled');
  if (aof === null) return untold('its persistence');
  if (aof === '1') return ok('It writes a log (appendonly yes): little is lost with a restart.');
  return ok('It writes no log (appendonly no): after a restart books begin anew, and clients are told so.');
}

export function judgeGateways({ gateways }: Read<'gateways'>, prefix: string, running: boolean): Verdict {
  if (gateways === null) return untold('its channels (PUBSUB CHANNELS)');
  const found = gateways === 1 ? `1 gateway is under ${prefix}.` : `${gateways} gateways are under ${prefix}.`;
  if (!running || gateways > 0) return ok(found);
  return failure(
    found,
    'A gateway that runs is not connected: compare its REDIS_URL and TICKWIRE_REDIS_PREFIX with these.',
  );
}

function untold(what: string): Verdict {
  return skipped(`It does not tell ${what}.`);
}
