// Owns the running gateway: builds the parts, wires sockets and HTTP to them, starts and stops them in order.
// `tickwire serve`, the tests and the replay start it. Invariant: after `stop` nothing of it runs.

import { randomBytes, randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Bus } from '../bus/bus.ts';
import { Instruments } from '../market/instrument.ts';
import { SymbolSets } from '../market/sets.ts';
import { systemClock } from '../ports/clock.ts';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { jsonCodec } from '../protocol/codecs.ts';
import { CloseCode, fault } from '../protocol/errors.ts';
import { SUBPROTOCOLS } from '../protocol/frames.ts';
import { PUBLISH_STREAM_PATH } from '../protocol/publishing.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { Connection } from '../sessions/connection.ts';
import { connectionCounters } from '../sessions/counters.ts';
import { beginPulse, pingNumber } from '../sessions/pulse.ts';
import { Sessions } from '../sessions/session.ts';
import { packageVersion, type Settings } from '../settings/settings.ts';
import { Flush } from '../topics/flush.ts';
import { Topics } from '../topics/topics.ts';
import { answerConnections, CONNECTIONS_PATH } from './admin.ts';
import { HttpApi } from './http.ts';
import { watchLoad } from './load.ts';
import type { OpenOffice } from './office.ts';
import { Page } from './page.ts';
import { type PublisherSession, PublishStream } from './publish-stream.ts';
import { chooseBus, type MakePort, type SharedBus } from './shared-bus.ts';
import { GatewayTimers } from './timers.ts';
import { isLocalProgram, mayPublish } from './trust.ts';
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
  readonly connectionCounters = connectionCounters();
  /** Refusals by code. */
  readonly refusals: Record<string, number> = {};
  /** All that are open, the oldest first. */
  readonly connections = new Set<Connection>();
  readonly publishStream: PublishStream;
  private readonly shared: SharedBus;
  private readonly sessions: Sessions;
  private readonly load = watchLoad(() => this.flush.counters.sparedMs);
  private readonly timers = new GatewayTimers();
  private readonly publicServer: Server;
  private readonly adminServer: Server;
  private readonly http: HttpApi;
  private readonly page = new Page();
  private state: 'built' | 'open' | 'ended' = 'built';
  private publicPort = 0;
  private adminPortBound = 0;

  constructor(
    private readonly settings: Settings,
    private readonly logger: Logger,
    makePort?: MakePort,
  ) {
    const clock = systemClock;
    const onError = (error: unknown): void => this.logger.error({ err: error }, 'internal error');
    const countRefusal = (code: string): void => {
      this.refusals[code] = (this.refusals[code] ?? 0) + 1;
    };
    const { instruments, timers } = this;
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
    this.sessions = new Sessions({
      instruments,
      sets: this.sets,
      topics: this.topics,
      flush: this.flush,
      clock,
      limits: settings,
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
    });
    this.http = new HttpApi({
      bus: this.bus,
      instruments,
      sets: this.sets,
      clock,
      settings,
      onRefusal: countRefusal,
      onError,
    });
    this.publishStream = new PublishStream({
      bus: this.bus,
      instruments,
      clock,
      timers,
      limits: settings,
      server: `tickwire/${packageVersion()}`,
      onRefusal: countRefusal,
      onError,
      onClose: (session, code, reason) => this.logger.info({ publisher: session, code, reason }, 'closed a publisher'),
    });
    this.instruments.watch((event) => this.sessions.instrumentChanged(this.connections, event));
    this.sets.watch((name) => this.sessions.setChanged(this.connections, name));
    this.publicServer = this.createPublic();
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

  get connectionCount(): number {
    return this.connections.size;
  }

  get url(): string {
    return `http://${hostOf(this.settings.host)}:${this.publicPort}`;
  }

  get streamUrl(): string {
    return `ws://${hostOf(this.settings.host)}:${this.publicPort}${STREAM_PATH}`;
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
    this.shared.start();
    beginPulse({ clock: systemClock, timers: this.timers, connections: this.connections });
    this.logger.info({ url: this.url, stream: this.streamUrl, admin: this.adminUrl }, 'listening');
  }

  /** Says goodbye to the clients and ends everything; harmless when it has ended. */
  stop(): void {
    if (this.state === 'ended') return;
    this.publicServer.stopListening();
    for (const connection of [...this.connections])
      connection.close(CloseCode.goingAway, 'the gateway stops; come back');
    this.publishStream.stop();
    this.end();
    this.logger.info('stopped');
  }

  private end(): void {
    this.state = 'ended';
    this.topics.shutDown();
    this.shared.stop();
    this.timers.stop();
    this.load.stop();
    this.publicServer.close();
    this.adminServer.close();
  }

  private createPublic(): Server {
    const { settings, sessions } = this;
    const subscribers: Stream<Connection | null> = {
      path: STREAM_PATH,
      handlers: {
        open: (socket, codec, address) => this.open(socket, codec, address),
        message: (connection, message, binary) =>
          this.guard(connection, (open) => sessions.receive(open, message, binary)),
        drain: (connection) => this.guard(connection, (open) => open.drained()),
        pong: (connection, payload) => this.guard(connection, (open) => open.pong(pingNumber(payload))),
        close: (connection) => this.guard(connection, (open) => this.closed(open)),
      },
      payloadBytesMax: settings.requestBytesMax * PAYLOAD_FACTOR,
      idleSec: 0,
    };
    const publishers: Stream<PublisherSession> = {
      path: PUBLISH_STREAM_PATH,
      handlers: this.publishStream,
      payloadBytesMax: settings.publishBytesMax * PUBLISH_PAYLOAD_FACTOR,
      idleSec: PUBLISHER_IDLE_SEC,
      refuse: (request) =>
        mayPublish(request, settings.publishToken) ? null : this.http.refuse(fault('unauthorized')),
    };
    return createServer({
      streams: [subscribers, publishers],
      http: async (request) => this.page.answer(request) ?? this.http.handle(request),
      bodyBytesMax: settings.publishBytesMax,
    });
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
      const reason = this.state === 'open' ? this.shared.trouble() : 'not started';
      if (reason === null) return { status: 200, body: '{"ready":true}\n' };
      return { status: 503, body: `${JSON.stringify({ ready: false, reason })}\n` };
    }
    // Probes may come under any name; what tells of clients is for this machine.
    if (!isLocalProgram(request)) return this.http.refuse(fault('not-local'));
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
      sockets: this.connectionCounters,
      refusals: this.refusals,
    };
  }

  private open(socket: Socket, codec: Codec | null, address: string): Connection | null {
    if (codec === null) {
      this.refuseProtocol(socket);
      return null;
    }
    const connection = new Connection({
      id: randomBytes(8).toString('hex'),
      socket,
      codec,
      flush: this.flush,
      topics: this.topics,
      clock: systemClock,
      timers: this.timers,
      limits: this.settings,
      counters: this.connectionCounters,
      address,
      onClose: (closed, code, reason) =>
        this.logger.info({ connection: closed.id, address, code, reason }, 'closed a connection'),
    });
    this.connections.add(connection);
    this.logger.debug({ connection: connection.id, address, codec: codec.name }, 'connected');
    this.sessions.welcome(connection);
    return connection;
  }

  private closed(connection: Connection): void {
    this.connections.delete(connection);
    connection.shut();
    this.logger.debug({ connection: connection.id }, 'disconnected');
  }

  /** A browser can't read why a handshake failed, so the refusal is said over the open socket. */
  private refuseProtocol(socket: Socket): void {
    const refused = fault('unsupported-protocol', `known: ${SUBPROTOCOLS.join(', ')}`);
    this.refusals[refused.code] = (this.refusals[refused.code] ?? 0) + 1;
    const writer = new ByteWriter(512);
    jsonCodec.encode(writer, { type: 'error', id: null, ...refused });
    socket.send(writer.copy(), false, false);
    socket.end(CloseCode.unsupportedProtocol, refused.code);
  }

  /**
   * Runs what an event of a client's socket means. A mistake of ours there ends neither the process nor the connection.
   * Null: a socket that only lives to be refused.
   */
  private guard(connection: Connection | null, run: (connection: Connection) => void): void {
    if (connection === null) return;
    try {
      run(connection);
    } catch (error) {
      this.logger.error({ err: error, connection: connection.id }, 'internal error');
      const { code, message, action } = fault('internal');
      connection.tell({ type: 'error', id: null, code, message, action });
    }
  }
}

function newEpoch(): number {
  return randomInt(1, 2 ** 48 - 1);
}

function hostOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
