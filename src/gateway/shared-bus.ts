// Owns the choice of the bus: this process's own, or the one on Redis with the registry of instruments and sets that all gateways
// there share. The gateway makes, starts and stops it. Invariant: what a Redis URL holds is never logged; the log tells of a
// trouble once, however often it is met.

import type { Bus } from '../bus/bus.ts';
import { MemoryBus } from '../bus/memory.ts';
import { RedisBus } from '../bus/redis.ts';
import { RedisKeyring } from '../bus/redis-keyring.ts';
import { RedisLink, type RedisLinkOptions } from '../bus/redis-link.ts';
import { RedisOffice } from '../bus/redis-office.ts';
import { RedisSessions } from '../bus/redis-sessions.ts';
import { Registry } from '../bus/registry.ts';
import type { Instruments } from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import { systemClock, type Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import type { RedisPort } from '../ports/redis.ts';
import type { SessionStore, SessionStoreOptions } from '../ports/session-store.ts';
import { SessionMemory } from '../sessions/session-store.ts';
import { TokenKeys, Tokens } from '../sessions/token.ts';
import type { Settings } from '../settings/settings.ts';
import { Intake } from './intake.ts';
import type { OpenOffice } from './office.ts';

export interface SharedBusOptions {
  readonly settings: Settings;
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly timers: Timers;
  readonly log: Log;
  readonly newEpoch: () => number;
  /** Told of every refusal of what is published plainly, for counters. */
  readonly onRefusal: (code: string) => void;
  /** Makes the connections to Redis; without it, those of ioredis. */
  readonly makePort?: MakePort | undefined;
}

export type MakePort = (options: RedisLinkOptions) => RedisPort;

/** What the bus has done for this process so far. */
export interface BusFigures {
  readonly up: boolean;
  /** Entries that it delivered. */
  readonly entries: number;
  /** Gaps that were closed from the log, and topics that were loaded anew since the log could not. */
  readonly repairs: number;
  readonly reloads: number;
  /** Times that Redis was connected to. */
  readonly connects: number;
  /** How long the last canary took through Redis and back; null: there was none. */
  readonly canaryMs: number | null;
  /** Items that came by a plain PUBLISH and were taken. */
  readonly plainItems: number;
}

/** The bus with what keeps it alive. */
export interface SharedBus {
  readonly bus: Bus;
  /** Resolves once it is known what other gateways have listed, or after a while without knowing. */
  readonly ready: Promise<void>;
  /** Which bus it is, and whether it is there, for people. */
  note(): string;
  /** Null where everything works; else what does not. */
  trouble(): string | null;
  counters(): object;
  figures(): BusFigures;
  /** Where sessions are kept for those who come back, and what signs their tokens. To be asked for once. */
  sessions(onTaken: (session: string) => void): { readonly store: SessionStore; readonly tokens: Tokens };
  /** Asks for what one gateway at a time does, of all that share the bus. */
  office(name: string): OpenOffice;
  start(): void;
  /** Resolves when what sessions leave behind is kept, or can't be. */
  settle(): Promise<void>;
  stop(): void;
}

export function chooseBus(options: SharedBusOptions): SharedBus {
  return options.settings.redisUrl === '' ? inProcess(options) : onRedis(options);
}

function inProcess({ settings, instruments, newEpoch }: SharedBusOptions): SharedBus {
  const { logEntriesMax, tombstonesMax } = settings;
  const bus = new MemoryBus({ clock: systemClock, instruments, newEpoch, logEntriesMax, tombstonesMax });
  return {
    bus,
    ready: Promise.resolve(),
    note: () => 'in this process',
    trouble: () => null,
    counters: () => ({ entries: bus.entries }),
    figures: () => ({ ...NO_REDIS, entries: bus.entries }),
    sessions: (onTaken) => ({
      store: new SessionMemory(storeOptions(settings, { clock: systemClock, onTaken })),
      tokens: new Tokens(new TokenKeys(settings.resumeKeys || TokenKeys.random())),
    }),
    office: () => always,
    start: () => {},
    settle: () => Promise.resolve(),
    stop: () => {},
  };
}

function onRedis(options: SharedBusOptions): SharedBus {
  const { settings, instruments, sets, timers, log, newEpoch, makePort } = options;
  const { redisUrl: url, redisPrefix: prefix, logEntriesMax, tombstonesMax, publishRetryMs } = settings;
  const warnOnce = onceInAWhile((reason) => log.tell('bus.trouble', { reason }));
  const linkOptions = { url, onTrouble: warnOnce };
  const port = makePort?.(linkOptions) ?? new RedisLink(linkOptions);
  const onError = (error: unknown): void => warnOnce(error instanceof Error ? error.message : String(error));
  const bus = new RedisBus({
    port,
    clock: systemClock,
    timers,
    instruments,
    newEpoch,
    prefix,
    logEntriesMax,
    tombstonesMax,
    publishRetryMs,
    onError,
    instrumentNews: {
      isForeign: () => registry.isApplying,
      settle: () => {
        registry.check();
        return registry.idle();
      },
    },
  });
  const registry: Registry = new Registry({
    port,
    prefix,
    instruments,
    sets,
    get instrumentsMax() {
      return settings.instrumentsMax;
    },
    timers,
    readyMaxMs: READY_MS_MAX,
    onError,
  });
  bus.invite({
    channels: registry.channels,
    up: (identity) => {
      log.tell('bus.up', { version: identity.version });
      registry.up(identity);
    },
    down: () => {
      log.tell('bus.down', {});
      registry.down();
    },
    subscribed: (channel) => registry.subscribed(channel),
    message: (channel, bytes) => void registry.message(channel, bytes),
    pulse: () => registry.check(),
  });
  const intake =
    settings.plainPublish === 0
      ? null
      : new Intake({
          bus,
          port,
          clock: systemClock,
          instruments,
          prefix,
          ready: registry.ready,
          limits: settings,
          onRefusal: options.onRefusal,
          onRefused: (symbol, { code, message }) => log.tell('intake.refused', { symbol, code, reason: message }),
          onError,
        });
  if (intake !== null) bus.invite(intake);
  let store: RedisSessions | null = null;
  /** Those of the setting, or the ones that all gateways share in Redis. */
  const tokenKeys = (): TokenKeys => {
    if (settings.resumeKeys !== '') return new TokenKeys(settings.resumeKeys);
    const keys: TokenKeys = new TokenKeys(TokenKeys.random(), () => keyring.seek());
    const keyring = new RedisKeyring({
      ...{ port, clock: systemClock, prefix, onError },
      newKey: () => TokenKeys.random(),
      current: () => keys.currentText,
      onKeys: (text) => keys.rotate(text),
    });
    bus.invite(keyring);
    return keys;
  };
  return {
    bus,
    ready: registry.ready,
    note: () => {
      const there = bus.ready ? '' : '; it does not answer yet, and is tried on';
      return `Redis at ${new URL(url).host}, shared by gateways of the prefix ${prefix}${there}`;
    },
    trouble: () => (bus.ready ? null : 'Redis does not answer'),
    figures: () => {
      const { followers, watch, ups } = bus.counters;
      const { entries, mended: repairs, losses: reloads } = followers;
      const plainItems = intake?.counters.items ?? 0;
      return { up: bus.ready, entries, repairs, reloads, connects: ups, canaryMs: watch.canaryMs, plainItems };
    },
    counters: () => ({ ...bus.counters, ...(intake !== null && { intake: intake.state }) }),
    sessions: (onTaken) => {
      store = new RedisSessions(storeOptions(settings, { port, clock: systemClock, timers, prefix, onTaken, onError }));
      bus.invite(store);
      return { store, tokens: new Tokens(tokenKeys()) };
    },
    office: (name) => (listener) => {
      const office = new RedisOffice({
        ...{ port, clock: systemClock, prefix, name, onError },
        onBegin: () => {
          log.tell('bus.office', { office: name });
          listener.begin();
        },
        onEnd: () => listener.end(),
      });
      bus.invite(office);
      return office;
    },
    start: () => bus.open(),
    settle: async () => store?.settle(),
    stop: () => {
      intake?.stop();
      registry.close();
      bus.close();
    },
  };
}

/** How long sessions live is asked for each time: it may change. */
function storeOptions<T extends Pick<SessionStoreOptions, 'onTaken'>>(settings: Settings, more: T) {
  return {
    get lifeMs() {
      return settings.resumeLifeMs;
    },
    get renewMs() {
      return settings.resumeRenewMs;
    },
    sessionsMax: settings.resumeSessionsMax,
    stateBytesMax: settings.resumeStateBytesMax,
    bytesMax: settings.resumeBytesMax,
    ...more,
  };
}

/** A gateway that is started while Redis is down starts all the same. */
const READY_MS_MAX = 3_000;
const NO_REDIS: BusFigures = {
  up: true,
  entries: 0,
  repairs: 0,
  reloads: 0,
  connects: 0,
  canaryMs: null,
  plainItems: 0,
};
/** Alone in its process. */
const always: OpenOffice = (listener) => {
  listener.begin();
  return { close: () => listener.end() };
};

const SAME_AGAIN_MS = 10_000;
const MESSAGES_MAX = 100;

/** Passes a message on, but not again for a while: a server that is down is told of with every attempt. */
function onceInAWhile(tell: (message: string) => void): (message: string) => void {
  const toldMs = new Map<string, number>();
  return (message) => {
    const nowMs = systemClock.nowMs();
    if (nowMs - (toldMs.get(message) ?? Number.NEGATIVE_INFINITY) < SAME_AGAIN_MS) return;
    if (toldMs.size >= MESSAGES_MAX) toldMs.clear();
    toldMs.set(message, nowMs);
    tell(message);
  };
}
