// Owns reading a Redis server for the doctor: step by step from the name to the password, then what it tells of itself and what
// its user may. The checks of redis judge the reading. Invariant: it takes seconds at most, leaves no key behind, and never tells a password.

import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { RedisQuestions, Refused } from '../bus/redis-link.ts';
import type { Settings } from '../settings/settings.ts';
import { messageOf } from './complaint.ts';

/** For each step. */
const STEP_MS_MAX = 3_000;
/** For all of them: a server that is slow at every question is of no use either. */
const ALL_MS_MAX = 8_000;
const PINGS = 9;
const DEFAULT_PORT = 6_379;

export type Step = 'address' | 'connect' | 'tls' | 'auth';

export interface RedisReading {
  /** host:port */
  readonly place: string;
  /** Null: rediss:// was not asked for. */
  readonly tls: string | null;
  readonly addresses: readonly string[];
  /** Null: it was asked all that follows. */
  readonly stopped: { readonly at: Step; readonly reason: string } | null;
  /** The server wants no password, and was given one. */
  readonly needless: boolean;
  /** Of INFO, by name; empty where it is refused. */
  readonly info: ReadonlyMap<string, string>;
  readonly pingsMs: readonly number[];
  /** By how much its clock is ahead of this one; null: it does not say. */
  readonly aheadMs: number | null;
  /** The line of CONFIG; null: it may not be asked. */
  readonly bufferLimits: string | null;
  /** Null: it may not be asked. */
  readonly gateways: number | null;
  /** Commands and channels that the user may not use. */
  readonly forbidden: readonly string[];
}

type Mutable = { -readonly [Name in keyof RedisReading]: RedisReading[Name] };
export type RedisPlace = Pick<Settings, 'redisUrl' | 'redisPrefix' | 'plainPublish'>;

export async function readRedis(place: RedisPlace, signal: AbortSignal): Promise<RedisReading> {
  const url = new URL(place.redisUrl);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || DEFAULT_PORT;
  const reading: Mutable = {
    place: `${url.hostname}:${port}`,
    tls: null,
    addresses: [],
    stopped: null,
    needless: false,
    info: new Map(),
    pingsMs: [],
    aheadMs: null,
    bufferLimits: null,
    gateways: null,
    forbidden: [],
  };
  let step: Step = 'address';
  let socket: Socket | null = null;
  let link: RedisQuestions | null = null;
  const tooLong = setTimeout(() => {
    socket?.destroy(new Error(`it is too slow to be asked everything within ${ALL_MS_MAX / 1_000} s`));
  }, ALL_MS_MAX);
  try {
    const found = isIP(host) === 0 ? await inTime(lookup(host, { all: true }), 'the name was not resolved') : null;
    reading.addresses = found?.map(({ address }) => address) ?? [host];
    step = 'connect';
    // By its name: where it has several addresses, the one that answers is taken.
    socket = connect({ host, port, autoSelectFamily: true, signal });
    await opened(socket, 'connect');
    if (url.protocol === 'rediss:') {
      step = 'tls';
      const plain = socket;
      const secure = connectTls({ socket: plain, ...(isIP(host) === 0 && { servername: host }) });
      plain.on('close', () => secure.destroy());
      socket = secure;
      await opened(secure, 'secureConnect');
      reading.tls = secure.getProtocol();
    }
    step = 'auth';
    link = new RedisQuestions(socket);
    await inTime(link.open(), 'nothing came back');
    reading.needless = await greet(link, url);
    await examine(link, place, reading);
  } catch (error) {
    reading.stopped = { at: step, reason: messageOf(error).split('\n')[0]! };
  } finally {
    clearTimeout(tooLong);
    link?.close();
    socket?.destroy();
  }
  return reading;
}

/** Says who we are. @returns whether it was not asked for. @throws Error with what the server says against it. */
async function greet(link: RedisQuestions, { username, password, pathname }: URL): Promise<boolean> {
  let needless = false;
  if (password !== '') {
    const words = [username, password].filter((word) => word !== '').map(decodeURIComponent);
    const reply = await ask(link, 'AUTH', ...words);
    needless = reply instanceof Refused && /without any password configured/.test(reply.message);
    if (reply instanceof Refused && !needless) throw new Error(reply.message);
  }
  const database = pathname.slice(1);
  const first = await ask(link, 'PING');
  // A user who may not even PING is told from one who is not let in by the reply.
  if (first instanceof Refused && !/^NOPERM/.test(first.message)) throw new Error(first.message);
  const chosen = database === '' ? null : await ask(link, 'SELECT', database);
  if (chosen instanceof Refused) throw new Error(chosen.message);
  return needless;
}

async function examine(link: RedisQuestions, place: RedisPlace, reading: Mutable): Promise<void> {
  const info = await ask(link, 'INFO');
  reading.info = typeof info === 'string' ? fieldsOf(info) : new Map();
  const forbidden = info instanceof Refused ? ['INFO'] : [];
  const pingsMs: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sinceMs = performance.now();
    await ask(link, 'PING');
    pingsMs.push(performance.now() - sinceMs);
  }
  reading.pingsMs = pingsMs;
  reading.aheadMs = await clockAhead(link);
  const limits = await ask(link, 'CONFIG', 'GET', 'client-output-buffer-limit');
  reading.bufferLimits = Array.isArray(limits) && typeof limits[1] === 'string' ? limits[1] : null;
  const canaries = await ask(link, 'PUBSUB', 'CHANNELS', `${globOf(place.redisPrefix)}:canary:*`);
  reading.gateways = Array.isArray(canaries) ? canaries.length : null;
  reading.forbidden = [...forbidden, ...(await forbiddenTo(link, place))];
}

async function clockAhead(link: RedisQuestions): Promise<number | null> {
  const beforeMs = Date.now();
  const time = await ask(link, 'TIME');
  if (!Array.isArray(time)) return null;
  const theirsMs = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
  return theirsMs - (beforeMs + Date.now()) / 2;
}

/** Tries each command of our scripts on a key that is gone when the script ends. What is no matter of rights is not told. */
const TRIAL = `
local key, refused = KEYS[1], {}
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then refused[#refused + 1] = (...) .. ' ' .. reply.err end
end
try('TIME')
try('SET', key, '1', 'PX', '1000') try('GET', key) try('PTTL', key) try('DEL', key)
try('HSET', key, 'a', '1') try('HMGET', key, 'a') try('HGET', key, 'a') try('HGETALL', key) try('HLEN', key)
try('HEXISTS', key, 'a') try('HINCRBY', key, 'a', '1') try('EXPIRE', key, '10') try('PERSIST', key)
try('HDEL', key, 'a') try('DEL', key)
try('XADD', key, '1-0', 'a', '1') try('XREVRANGE', key, '+', '-') try('DEL', key)
try('ZADD', key, '1', 'a') try('ZCARD', key) try('ZSCORE', key, 'a') try('ZRANGE', key, '0', '-1')
try('ZRANGEBYSCORE', key, '0', '1') try('ZREMRANGEBYRANK', key, '5', '6') try('ZPOPMIN', key) try('ZREM', key, 'a')
try('DEL', key) try('PUBLISH', key, '')
return refused
`;

/** In the words of a server's different versions. */
const FORBIDDEN = /NOPERM|no permissions|can't run this command|can't access|not allowed to|ACL failure/i;

async function forbiddenTo(link: RedisQuestions, { redisPrefix: prefix, plainPublish }: RedisPlace): Promise<string[]> {
  const forbidden: string[] = [];
  const key = `${prefix}:{doctor:${randomUUID()}}`;
  const tell = (name: string, reply: unknown): void => {
    if (reply instanceof Refused && FORBIDDEN.test(reply.message)) forbidden.push(name);
  };
  const hash = await ask(link, 'SCRIPT', 'LOAD', TRIAL);
  tell('SCRIPT LOAD', hash);
  if (typeof hash === 'string') {
    const refused = await ask(link, 'EVALSHA', hash, 1, key);
    tell('EVALSHA', refused);
    for (const each of Array.isArray(refused) ? refused : []) {
      if (FORBIDDEN.test(String(each))) forbidden.push(String(each).split(' ')[0]!);
    }
  }
  tell('XRANGE', await ask(link, 'XRANGE', key, '-', '+', 'COUNT', 1));
  tell('PUBLISH', await ask(link, 'PUBLISH', key, ''));
  tell(`SUBSCRIBE ${prefix}:*`, await ask(link, 'SUBSCRIBE', key));
  await ask(link, 'UNSUBSCRIBE', key);
  const pattern = `${prefix}:in:*`;
  if (plainPublish === 1) tell(`PSUBSCRIBE ${pattern}`, await ask(link, 'PSUBSCRIBE', pattern));
  return [...new Set(forbidden)];
}

function ask(link: RedisQuestions, command: string, ...words: readonly (string | number)[]): Promise<unknown> {
  return inTime(link.ask(command, ...words), `${command} was not answered`);
}

async function opened(socket: Socket, event: string): Promise<void> {
  await inTime(once(socket, event), 'nothing came back');
}

/** @throws Error when it takes too long. */
async function inTime<T>(doing: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${STEP_MS_MAX / 1_000} s`)), STEP_MS_MAX);
  });
  try {
    return await Promise.race([doing, late]);
  } finally {
    clearTimeout(timer);
  }
}

function fieldsOf(info: string): Map<string, string> {
  const lines = info.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** For a prefix with a character that patterns know. */
function globOf(prefix: string): string {
  return prefix.replace(/[[\]*?\\^-]/g, '\\$&');
}
