// Owns the running gateway: builds the parts, wires sockets and HTTP to them, starts and stops them in order.
// `tickwire serve`, the tests and the replay start it. Invariant: after `stop` nothing of it runs.

import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Bus } from '../bus/bus.ts';
import { Instruments } from '../market/instrument.ts';
import { SymbolSets } from '../market/sets.ts';
import { systemClock } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import { PUBLISH_STREAM_PATH } from '../protocol/publishing.ts';
import { Access } from '../sessions/access.ts';
import type { Connection } from '../sessions/connection.ts';
import { count } from '../sessions/counters.ts';
import { LiveSettings } from '../settings/live-settings.ts';
import { readRanges } from '../settings/ranges.ts';
import { packageVersion, type Settings, SettingsError } from '../settings/settings.ts';
import { Flush } from '../topics/flush.ts';
import { Topics } from '../topics/topics.ts';
import { ADMIN_BODY_BYTES_MAX, ADMIN_CONNECTIONS_MAX, AdminPort } from './admin-port.ts';
import { type AdminScene, adminRoutes } from './admin-routes.ts';
import { Certificates, readPair, type TlsPair, tellCertificate } from './certificates.ts';
import { Clients } from './clients.ts';
import { type Figures, figuresOf } from './figures.ts';
import { HttpApi } from './http.ts';
import { watchLoad } from './load.ts';
import { EventLog, isLogLevel } from './log.ts';
import type { OpenOffice } from './office.ts';
import { Page } from './page.ts';
import type { PublishCounters } from './publication.ts';
import { PublishRate } from './publish-rate.ts';
import { PublishStream } from './publish-stream.ts';
import type { PublisherSession } from './publisher-session.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import { reload } from './reload.ts';
import { chooseBus, type MakePort, type SharedBus } from './shared-bus.ts';
import { GatewayTimers } from './timers.ts';
import { Trust } from './trust.ts';
import { createServer, type Server, type Stream } from './uws.ts';

const STREAM_PATH = '/v1/stream';

/** WebSocket messages up to this many times the request limit are refused with their code; longer ones cut the connection. */
const PAYLOAD_FACTOR = 16;
/** The same for publishers, who are trusted and send far longer ones. */
const PUBLISH_PAYLOAD_FACTOR = 2;
/** Publishers that say nothing are pinged, and closed when no pong comes either. */
const PUBLISHER_IDLE_SEC = 60;

const INSTRUMENT_EVENTS = {
  listed: 'instrument.listed',
  changed: 'instrument.changed',
  delisted: 'instrument.delisted',
} as const;

export class Gateway {
  readonly instruments = new Instruments();
  readonly sets = new SymbolSets();
  readonly bus: Bus;
  readonly topics: Topics;
  readonly flush: Flush;
  /** Refusals by code. */
  readonly refusals: Record<string, number> = {};
  private readonly published: PublishCounters = { taken: 0, refused: {} };
  readonly publishStream: PublishStream;
  private readonly live: LiveSettings;
  /** As they are at the moment. */
  private readonly settings: Settings;
  private readonly shared: SharedBus;
  readonly clients: Clients;
  private readonly access: Access;
  private readonly trust: Trust;
  private readonly load = watchLoad(() => this.flush.rounds.sparedMs);
  private readonly timers = new GatewayTimers();
  private readonly publicServer: Server;
  /** Null without TLS. */
  private readonly certificates: Certificates | null;
  /** What operators ask; routes can be added to it. */
  readonly admin: AdminPort;
  readonly log: EventLog;
  private readonly adminServer: Server;
  private readonly http: HttpApi;
  private readonly page = new Page();
  private state: 'built' | 'open' | 'draining' | 'ended' = 'built';
  private noticed: Promise<void> = Promise.resolve();
  private endNotice: () => void = () => {};
  /** Resolves once a drain is over, whoever asked for it. */
  readonly drained: Promise<void>;
  private tellDrained: () => void = () => {};
  /** Until it is known what other gateways have listed, or that this takes too long. */
  private starting = true;
  private publicPort = 0;
  private adminPortBound = 0;

  constructor(given: Settings, logger: Logger, makePort?: MakePort) {
    this.live = new LiveSettings(given);
    const settings = this.live.current;
    this.settings = settings;
    this.drained = new Promise((resolve) => {
      this.tellDrained = resolve;
    });
    const clock = systemClock;
    const log = new EventLog(logger, settings);
    this.log = log;
    const onError = (error: unknown): void => {
      // The bus tells of a Redis that is gone, once; each topic that waits for it is no news.
      if (error instanceof RedisFailure) log.tell('bus.waiting', { reason: error.message });
      else log.tell('internal.error', { error, connection: undefined });
    };
    const countRefusal = (code: string): void => {
      this.refusals[code] = (this.refusals[code] ?? 0) + 1;
      if (log.writes('request.refused')) log.tell('request.refused', { code });
    };
    const { instruments, timers } = this;
    this.certificates =
      settings.tlsCert === ''
        ? null
        : new Certificates({ files: settings, timers, log, renew: (next) => this.publicServer.renew(next) });
    // Before anything runs that a fault in the files would leave behind.
    const { access, pair } = this.readFiles();
    this.access = access;
    const { tombstonesMax, ringFramesMax, topicGraceMs: graceMs } = settings;
    this.shared = chooseBus({
      settings,
      instruments,
      sets: this.sets,
      timers,
      log,
      newEpoch,
      makePort,
      onRefusal: (code) => {
        countRefusal(code);
        count(this.published.refused, code);
      },
    });
    this.bus = this.shared.bus;
    this.flush = new Flush({ clock, timers, demand: this.load.demand });
    this.topics = new Topics({
      bus: this.bus,
      instruments,
      clock,
      timers,
      flush: this.flush,
      graceMs,
      get staleAfterMs() {
        return settings.staleAfterMs;
      },
      get sourceDownAfterMs() {
        return settings.sourceDownAfterMs;
      },
      tombstonesMax,
      ringFramesMax,
      onError,
    });
    this.trust = new Trust({ access: this.access, settings });
    this.clients = new Clients({
      ...{ instruments, clock, timers, settings, log },
      ...{ sets: this.sets, topics: this.topics, flush: this.flush, access: this.access, trust: this.trust },
      ...this.shared.sessions((session) => this.clients.taken(session)),
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
    });
    const { trust } = this;
    const rate = new PublishRate(clock, settings);
    this.http = new HttpApi({
      ...{ bus: this.bus, instruments, sets: this.sets, trust, rate, clock, settings, counters: this.published },
      onRefusal: countRefusal,
      onError,
    });
    this.publishStream = new PublishStream({
      ...{ bus: this.bus, instruments, trust, rate, clock, timers, limits: settings },
      ...{ access: this.access, admission: this.clients.admission, log, counters: this.published },
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
      onError,
      onClose: (publisher, closeCode, reason) => log.tell('publisher.closed', { publisher, closeCode, reason }),
    });
    this.access.onChange(() => this.publishStream.accessChanged());
    instruments.watch(({ action, instrument }) => {
      const event = INSTRUMENT_EVENTS[action];
      if (log.writes(event)) log.tell(event, { symbol: instrument.symbol });
    });
    this.publicServer = this.createPublic(pair);
    this.admin = new AdminPort({
      settings,
      onRefusal: countRefusal,
      onError,
      onDenied: (address, code, path) => log.tell('admin.refused', { address, code, path }),
    });
    this.admin.add(...adminRoutes(this.adminScene()));
    this.adminServer = createServer({
      streams: [],
      http: (request) => this.admin.handle(request),
      bodyBytesMax: ADMIN_BODY_BYTES_MAX,
      connectionsMax: ADMIN_CONNECTIONS_MAX,
    });
  }

  /** Resolves once updates can be published, or after a few seconds: Redis may be down. */
  get ready(): Promise<void> {
    return this.shared.ready;
  }

  /** Which bus it is, and whether it is there, for people. */
  get busNote(): string {
    return this.shared.note();
  }

  /** What one gateway at a time does, of all that share a Redis: see `whileInOffice`. */
  office(name: string): OpenOffice {
    return this.shared.office(name);
  }

  /** All that are served, the oldest first. */
  get connections(): ReadonlySet<Connection> {
    return this.clients.connections;
  }

  get connectionCounters(): Clients['counters'] {
    return this.clients.counters;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  get url(): string {
    return `http${this.secured}://${hostOf(this.settings.host)}:${this.publicPort}`;
  }

  get streamUrl(): string {
    return `ws${this.secured}://${hostOf(this.settings.host)}:${this.publicPort}${STREAM_PATH}`;
  }

  private get secured(): string {
    return this.certificates === null ? '' : 's';
  }

  get adminUrl(): string {
    return `http://${hostOf(this.settings.adminHost)}:${this.adminPortBound}`;
  }

  /** @throws Error where a port is taken; nothing runs then. */
  start(): void {
    try {
      this.publicPort = this.publicServer.listen(this.settings.host, this.settings.port);
      this.adminPortBound = this.adminServer.listen(this.settings.adminHost, this.settings.adminPort);
    } catch (error) {
      this.end();
      throw error;
    }
    this.state = 'open';
    this.certificates?.start();
    this.shared.start();
    this.access.start();
    this.clients.start();
    const started = (): void => {
      this.starting = false;
    };
    this.shared.ready.then(started, started);
    const { adminToken, publishToken } = this.settings;
    if (adminToken !== '' && adminToken === publishToken) this.log.tell('settings.same-secret', {});
    this.log.tell('gateway.listening', { url: this.url, stream: this.streamUrl, admin: this.adminUrl });
  }

  /**
   * Takes the certificate's files anew; without being asked it looks every few seconds whether they have changed.
   * @returns null where new connections see them from now on, or there is no TLS, else what is wrong: the old ones go on.
   */
  reloadCertificates(): string | null {
    return this.certificates?.reload() ?? null;
  }

  /**
   * Reads the settings again, by `read`, and the files that they name; says in the log what came of it.
   * @returns all that is wrong; what was read before still holds then.
   */
  reload(read: () => Settings): readonly string[] {
    return reload(read, {
      live: this.live,
      log: this.log,
      adopted: (changed) => {
        if (changed.has('publishToken')) this.access.settingsChanged();
        if (changed.has('connectionBytesPerSecMax')) this.clients.paceAnew();
      },
      rereadFiles: () => [this.access.reload(), this.reloadCertificates()].filter((each) => each !== null),
      changeLevel: (level) => {
        if (isLogLevel(level)) this.log.configure(level);
      },
    });
  }

  /** Reads the access document and the issuer's keys again. @returns null, or what is wrong: what was read before still holds. */
  reloadAccess(): string | null {
    return this.access.reload();
  }

  /**
   * Not ready any more; after `drainNoticeMs` nobody is let in, and the clients are sent elsewhere. Resolves when they have gone and
   * what they come back with is kept; then it may stop.
   */
  async drain(): Promise<void> {
    if (this.state === 'ended') return;
    const first = this.state !== 'draining';
    const beganMs = systemClock.nowMs();
    if (first) {
      this.state = 'draining';
      this.noticed = this.giveNotice();
    }
    await this.noticed;
    // It was stopped meanwhile.
    if (this.hasEnded) return;
    await this.clients.sendAway();
    await this.shared.settle();
    const tookMs = Math.round(systemClock.nowMs() - beganMs);
    if (first) this.log.tell('drain.ended', { connections: this.connections.size, tookMs });
    this.tellDrained();
  }

  private get hasEnded(): boolean {
    return this.state === 'ended';
  }

  /** Load balancers learn from /readyz that it drains, before clients come back to them. */
  private giveNotice(): Promise<void> {
    const { drainNoticeMs } = this.settings;
    if (drainNoticeMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.endNotice = resolve;
      this.timers.after(drainNoticeMs, resolve);
    });
  }

  /** Closes what is left of the clients and ends everything; harmless when it has ended. */
  stop(): void {
    if (this.state === 'ended') return;
    this.publicServer.stopListening();
    this.clients.stop();
    this.publishStream.stop();
    this.end();
    this.log.tell('gateway.stopped', {});
    this.log.settle();
  }

  private end(): void {
    this.state = 'ended';
    this.endNotice();
    this.topics.shutDown();
    this.shared.stop();
    this.access.stop();
    this.certificates?.stop();
    this.timers.stop();
    this.load.stop();
    this.publicServer.close();
    this.adminServer.close();
  }

  private createPublic(tls: TlsPair | undefined): Server {
    const { settings } = this;
    const trusted = readRanges(settings.trustedProxies);
    if (typeof trusted === 'string') throw new SettingsError([`trustedProxies: ${trusted}`]);
    const subscribers: Stream<Parameters<Clients['close']>[0]> = {
      path: STREAM_PATH,
      handlers: this.clients,
      payloadBytesMax: settings.requestBytesMax * PAYLOAD_FACTOR,
      idleSec: 0,
    };
    const publishers: Stream<PublisherSession> = {
      path: PUBLISH_STREAM_PATH,
      handlers: this.publishStream,
      payloadBytesMax: settings.publishBytesMax * PUBLISH_PAYLOAD_FACTOR,
      idleSec: PUBLISHER_IDLE_SEC,
      refuse: (peer) => {
        const refused = this.trust.turnedAway(peer);
        return refused === null ? null : this.http.refuse(refused);
      },
    };
    return createServer({
      streams: [subscribers, publishers],
      http: async (request) => this.page.answer(request) ?? this.http.handle(request),
      bodyBytesMax: settings.publishBytesMax,
      trusted,
      tls,
    });
  }

  /** What the files say that settings name. @throws SettingsError, and then nothing runs that was begun. */
  private readFiles(): { access: Access; pair: TlsPair | undefined } {
    const { settings, log, timers } = this;
    try {
      const access = new Access({ settings, clock: systemClock, timers, log });
      if (settings.tlsCert === '') return { access, pair: undefined };
      const pair = readPair(settings);
      if (typeof pair === 'string') throw new SettingsError([pair]);
      tellCertificate(log, pair, 'certificate.loaded');
      return { access, pair };
    } catch (error) {
      this.load.stop();
      throw error;
    }
  }

  /** Whether clients should be sent here, and if not, why. */
  readiness(): Readiness {
    const { state, starting } = this;
    return readinessOf({ starting, draining: state !== 'open', busDown: this.shared.trouble() !== null });
  }

  /** What metrics read. */
  get figures(): Figures {
    const { settings, flush, topics, instruments, clients, publishStream, shared, refusals, published } = this;
    const readiness = { ready: this.readiness().ready, draining: this.state === 'draining' };
    return figuresOf({
      ...{ settings, flush, topics, instruments, clients, publishStream, refusals, published },
      ...readiness,
      bus: shared.figures(),
      busy: this.load.busy(),
      clock: systemClock,
    });
  }

  private adminScene(): AdminScene {
    return {
      log: this.log,
      readiness: () => this.readiness(),
      stats: () => this.stats(),
      view: () => ({
        connections: this.connections,
        connectionBytesPerSecMax: this.settings.connectionBytesPerSecMax,
        nowMs: systemClock.nowMs(),
      }),
      beginDrain: () => void this.drain(),
      draining: () => {
        if (this.state !== 'draining') return null;
        const left = this.connections.size;
        return { total: this.clients.drainage?.total ?? left, left };
      },
    };
  }

  /** All plain counters. */
  private stats(): object {
    return {
      connections: this.connections.size,
      publishers: this.publishStream.sessions.size,
      topics: this.topics.size,
      busy: this.load.busy(),
      flush: this.flush.counters,
      answers: this.topics.counters,
      bus: this.shared.counters(),
      sockets: this.clients.counters,
      admission: this.clients.admission.counts,
      refusals: this.refusals,
    };
  }
}

function newEpoch(): number {
  return randomInt(1, 2 ** 48 - 1);
}

function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
