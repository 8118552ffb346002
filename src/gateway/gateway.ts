// Owns the running gateway: builds the parts, wires sockets and HTTP to them, starts and stops them in order.
// `tickwire serve`, the tests and the replay start it. Invariant: after `stop` nothing of it runs.

import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Bus } from '../bus/bus.ts';
import { Instruments } from '../market/instrument.ts';
import { SymbolSets } from '../market/sets.ts';
import { systemClock } from '../ports/clock.ts';
import { RedisFailure } from '../ports/redis.ts';
import { fault } from '../protocol/errors.ts';
import { PUBLISH_STREAM_PATH } from '../protocol/publishing.ts';
import { Access } from '../sessions/access.ts';
import type { Connection } from '../sessions/connection.ts';
import { readRanges } from '../settings/ranges.ts';
import { packageVersion, type Settings, SettingsError } from '../settings/settings.ts';
import { Flush } from '../topics/flush.ts';
import { Topics } from '../topics/topics.ts';
import { answerConnections, CONNECTIONS_PATH, DRAIN_PATH } from './admin.ts';
import { Certificates, logCertificate, readPair, type TlsPair } from './certificates.ts';
import { Clients } from './clients.ts';
import { HttpApi } from './http.ts';
import { watchLoad } from './load.ts';
import type { OpenOffice } from './office.ts';
import { Page } from './page.ts';
import { PublishRate } from './publish-rate.ts';
import { PublishStream } from './publish-stream.ts';
import type { PublisherSession } from './publisher-session.ts';
import { chooseBus, type MakePort, type SharedBus } from './shared-bus.ts';
import { GatewayTimers } from './timers.ts';
import { isLocalProgram, Trust } from './trust.ts';
import { createServer, type HttpRequest, type HttpResponse, type Server, type Stream } from './uws.ts';

const STREAM_PATH = '/v1/stream';

/** WebSocket messages up to this many times the request limit are refused with their code; longer ones cut the connection. */
const PAYLOAD_FACTOR = 16;
/** The same for publishers, who are trusted and send far longer ones. */
const PUBLISH_PAYLOAD_FACTOR = 2;
/** Publishers that say nothing are pinged, and closed when no pong comes either. */
const PUBLISHER_IDLE_SEC = 60;

export class Gateway {
  readonly instruments = new Instruments();
  readonly sets = new SymbolSets();
  readonly bus: Bus;
  readonly topics: Topics;
  readonly flush: Flush;
  /** Refusals by code. */
  readonly refusals: Record<string, number> = {};
  readonly publishStream: PublishStream;
  private readonly shared: SharedBus;
  readonly clients: Clients;
  private readonly access: Access;
  private readonly trust: Trust;
  private readonly load = watchLoad(() => this.flush.counters.sparedMs);
  private readonly timers = new GatewayTimers();
  private readonly publicServer: Server;
  /** Null without TLS. */
  private readonly certificates: Certificates | null;
  private readonly adminServer: Server;
  private readonly http: HttpApi;
  private readonly page = new Page();
  private state: 'built' | 'open' | 'draining' | 'ended' = 'built';
  /** Resolves once a drain is over, whoever asked for it. */
  readonly drained: Promise<void>;
  private tellDrained: () => void = () => {};
  private publicPort = 0;
  private adminPortBound = 0;

  constructor(
    private readonly settings: Settings,
    private readonly logger: Logger,
    makePort?: MakePort,
  ) {
    this.drained = new Promise((resolve) => {
      this.tellDrained = resolve;
    });
    const clock = systemClock;
    const onError = (error: unknown): void => {
      // The bus tells of a Redis that is gone, once; each topic that waits for it is no news.
      if (error instanceof RedisFailure) this.logger.debug({ reason: error.message }, 'Redis');
      else this.logger.error({ err: error }, 'internal error');
    };
    const countRefusal = (code: string): void => {
      this.refusals[code] = (this.refusals[code] ?? 0) + 1;
    };
    const { instruments, timers } = this;
    this.certificates =
      settings.tlsCert === ''
        ? null
        : new Certificates({ files: settings, timers, logger, renew: (next) => this.publicServer.renew(next) });
    // Before anything runs that a fault in the files would leave behind.
    const { access, pair } = this.readFiles();
    this.access = access;
    const { tombstonesMax, ringFramesMax, topicGraceMs: graceMs, staleAfterMs, sourceDownAfterMs } = settings;
    this.shared = chooseBus({
      settings,
      instruments,
      sets: this.sets,
      timers,
      logger,
      newEpoch,
      makePort,
      onRefusal: countRefusal,
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
      staleAfterMs,
      sourceDownAfterMs,
      tombstonesMax,
      ringFramesMax,
      onError,
    });
    this.trust = new Trust({ access: this.access, settings });
    this.clients = new Clients({
      ...{ instruments, clock, timers, settings, logger },
      ...{ sets: this.sets, topics: this.topics, flush: this.flush, access: this.access, trust: this.trust },
      ...this.shared.sessions((session) => this.clients.taken(session)),
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
    });
    const { trust } = this;
    const rate = new PublishRate(clock, settings.publishPerSecMax);
    this.http = new HttpApi({
      ...{ bus: this.bus, instruments, sets: this.sets, trust, rate, clock, settings },
      onRefusal: countRefusal,
      onError,
    });
    this.publishStream = new PublishStream({
      ...{ bus: this.bus, instruments, trust, rate, clock, timers, limits: settings },
      ...{ access: this.access, admission: this.clients.admission },
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
      onError,
      onClose: (session, code, reason) => this.logger.info({ publisher: session, code, reason }, 'closed a publisher'),
    });
    this.access.onChange(() => this.publishStream.accessChanged());
    this.publicServer = this.createPublic(pair);
    this.adminServer = this.createAdmin();
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
    return `http://127.0.0.1:${this.adminPortBound}`;
  }

  /** @throws Error where a port is taken; nothing runs then. */
  start(): void {
    try {
      this.publicPort = this.publicServer.listen(this.settings.host, this.settings.port);
      this.adminPortBound = this.adminServer.listen('127.0.0.1', this.settings.adminPort);
    } catch (error) {
      this.end();
      throw error;
    }
    this.state = 'open';
    this.certificates?.start();
    this.shared.start();
    this.access.start();
    this.clients.start();
    this.logger.info({ url: this.url, stream: this.streamUrl, admin: this.adminUrl }, 'listening');
  }

  /**
   * Takes the certificate's files anew; without being asked it looks every few seconds whether they have changed.
   * @returns null where new connections see them from now on, or there is no TLS, else what is wrong: the old ones go on.
   */
  reloadCertificates(): string | null {
    return this.certificates?.reload() ?? null;
  }

  /** Reads the access document and the issuer's keys again. @returns null, or what is wrong: what was read before still holds. */
  reloadAccess(): string | null {
    return this.access.reload();
  }

  /**
   * Not ready any more, nobody is let in, and the clients are sent elsewhere. Resolves when they have gone and what they come back
   * with is kept; then it may stop.
   */
  async drain(): Promise<void> {
    if (this.state === 'ended') return;
    this.state = 'draining';
    await this.clients.sendAway();
    await this.shared.settle();
    this.tellDrained();
  }

  /** Closes what is left of the clients and ends everything; harmless when it has ended. */
  stop(): void {
    if (this.state === 'ended') return;
    this.publicServer.stopListening();
    this.clients.stop();
    this.publishStream.stop();
    this.end();
    this.logger.info('stopped');
  }

  private end(): void {
    this.state = 'ended';
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
    const { settings, logger, timers } = this;
    try {
      const access = new Access({ settings, clock: systemClock, timers, logger });
      if (settings.tlsCert === '') return { access, pair: undefined };
      const pair = readPair(settings);
      if (typeof pair === 'string') throw new SettingsError([pair]);
      logCertificate(logger, pair, 'the certificate of the public port');
      return { access, pair };
    } catch (error) {
      this.load.stop();
      throw error;
    }
  }

  private createAdmin(): Server {
    return createServer({
      streams: [],
      http: async (request) => {
        try {
          return this.admin(request);
        } catch (error) {
          this.logger.error({ err: error }, 'internal error');
          return this.http.refuse(fault('internal'));
        }
      },
      bodyBytesMax: 1_024,
    });
  }

  private admin(request: HttpRequest): HttpResponse {
    const { method, path, query } = request;
    if (method === 'GET' && path === '/healthz') return { status: 200, body: '{"status":"ok"}\n' };
    if (method === 'GET' && path === '/readyz') {
      const reason =
        this.state === 'open' ? this.shared.trouble() : this.state === 'draining' ? 'draining' : 'not started';
      if (reason === null) return { status: 200, body: '{"ready":true}\n' };
      return { status: 503, body: `${JSON.stringify({ ready: false, reason })}\n` };
    }
    // Probes may come under any name; what tells of clients is for this machine.
    if (!isLocalProgram(request)) return this.http.refuse(fault('not-local'));
    if (path === DRAIN_PATH && (method === 'POST' || this.clients.drainage !== null)) {
      if (method === 'POST') void this.drain();
      const draining = { total: this.clients.drainage?.total ?? 0, left: this.connections.size };
      return { status: 200, body: `${JSON.stringify(draining)}\n` };
    }
    if (method === 'GET' && path === '/v1/admin/stats')
      return { status: 200, body: `${JSON.stringify(this.stats())}\n` };
    if (method === 'GET' && (path === CONNECTIONS_PATH || path.startsWith(`${CONNECTIONS_PATH}/`))) {
      const { connections, settings } = this;
      const { connectionBytesPerSecMax } = settings;
      const view = { connections, connectionBytesPerSecMax, nowMs: systemClock.nowMs() };
      const answer = answerConnections(path, query, view);
      return 'code' in answer ? this.http.refuse(answer) : { status: 200, body: `${JSON.stringify(answer)}\n` };
    }
    return this.http.refuse(fault('not-found', path.slice(0, 100)));
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
