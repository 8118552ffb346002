// Owns the clients of a gateway: lets them in, hands each socket's events to its connection, brings sessions back, sends all of them
// elsewhere in the end. The gateway makes one. Invariant: a mistake of ours in one client's event ends neither the process nor any
// other connection; every connection that was let in is counted out once.

import type { Instruments } from '../market/instrument.ts';
import type { SymbolSets } from '../market/sets.ts';
import type { Clock, Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import type { SessionCounters, SessionStore } from '../ports/session-store.ts';
import type { Socket } from '../ports/socket.ts';
import type { Codec } from '../protocol/codec.ts';
import { CloseCode, fault } from '../protocol/errors.ts';
import type { Access, Identity } from '../sessions/access.ts';
import { Admission } from '../sessions/admission.ts';
import type { Connection } from '../sessions/connection.ts';
import { Continuity } from '../sessions/continuity.ts';
import { connectionCounters } from '../sessions/counters.ts';
import { ConnectionPool } from '../sessions/pool.ts';
import { beginPulse, pingNumber } from '../sessions/pulse.ts';
import { randomText } from '../sessions/random-text.ts';
import { Sessions } from '../sessions/session.ts';
import type { Tokens } from '../sessions/token.ts';
import type { Settings } from '../settings/settings.ts';
import type { Flush } from '../topics/flush.ts';
import type { Topics } from '../topics/topics.ts';
import { Door, Guest } from './door.ts';
import { Drain } from './drain.ts';
import type { Trust } from './trust.ts';
import type { Peer, StreamHandlers } from './uws.ts';

export interface ClientsOptions {
  readonly instruments: Instruments;
  readonly sets: SymbolSets;
  readonly topics: Topics;
  readonly flush: Flush;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly settings: Settings;
  readonly access: Access;
  readonly trust: Trust;
  readonly store: SessionStore;
  readonly tokens: Tokens;
  readonly server: string;
  readonly log: Log;
  readonly onRefusal: (code: string) => void;
}

const SESSION_BYTES = 8;

/** Null: a socket that only lives to be told that it is not served. */
type Client = Connection | Guest | null;

export class Clients implements StreamHandlers<Client> {
  /** All that are served, the oldest first. */
  readonly connections = new Set<Connection>();
  readonly counters = connectionCounters();
  readonly admission: Admission;
  private readonly sessions: Sessions;
  private readonly continuity: Continuity;
  private readonly door: Door;
  private readonly pool: ConnectionPool;
  /** Null while nobody is sent away. */
  drainage: Drain | null = null;

  constructor(private readonly options: ClientsOptions) {
    const { instruments, sets, topics, flush, clock, timers, settings, access, store, tokens } = options;
    const { server, onRefusal, log, trust } = options;
    this.continuity = new Continuity({ store, tokens, clock, limits: settings, random: Math.random });
    this.sessions = new Sessions({
      ...{ instruments, sets, topics, flush, clock, server, onRefusal },
      limits: settings,
      continuity: this.continuity,
      authenticate: (connection, credential) => this.door.authenticate(connection, credential),
      onError: (error) => log.tell('internal.error', { error, connection: undefined }),
    });
    this.admission = new Admission({ limits: settings, clock, random: Math.random });
    this.door = new Door({
      ...{ settings, access, trust, clock, timers, onRefusal, log },
      admission: this.admission,
      admit: (socket, codec, peer, identity) => this.admit(socket, codec, peer, identity),
      receive: (connection, message, binary) => this.message(connection, message, binary),
      changed: (connection, before) => this.changed(connection, before),
    });
    this.pool = new ConnectionPool({
      ...{ flush, topics, clock, timers },
      limits: settings,
      counters: this.counters,
      onClose: ({ id, address }, closeCode, reason) =>
        log.tell('client.closed', { connection: id, address, closeCode, reason }),
      onEnd: (connection) => this.ended(connection),
    });
    instruments.watch((event) => this.sessions.instrumentChanged(this.connections, event));
    sets.watch((name) => this.sessions.setChanged(this.connections, name));
    access.onChange(() => this.door.review(this.connections, (connection) => this.continuity.revoke(connection)));
  }

  start(): void {
    const { clock, timers } = this.options;
    const { connections, continuity } = this;
    beginPulse({ clock, timers, connections, onTick: (connection, nowMs) => continuity.tick(connection, nowMs) });
  }

  open(socket: Socket, codec: Codec | null, peer: Peer): Client {
    return this.door.open(socket, codec, peer);
  }

  message(client: Client, message: Uint8Array, binary: boolean): void {
    if (client instanceof Guest && client.connection === null) client.receive(message, binary);
    else this.guard(client, (connection) => this.sessions.receive(connection, message, binary));
  }

  drain(client: Client): void {
    this.guard(client, (connection) => connection.drained());
  }

  ping(client: Client): void {
    this.guard(client, (connection) => {
      connection.heard();
      this.sessions.charge(connection);
    });
  }

  pong(client: Client, payload: ArrayBuffer): void {
    this.guard(client, (connection) => connection.pong(pingNumber(payload)));
  }

  close(client: Client): void {
    if (client instanceof Guest) client.close();
    this.guard(client, (connection) => {
      connection.shut();
      this.pool.giveBack(connection);
      const { log } = this.options;
      if (log.writes('client.left')) log.tell('client.left', { connection: connection.id });
    });
  }

  get sessionCounters(): SessionCounters {
    return this.options.store.counters;
  }

  /** Tokens that were brought, by what became of them. */
  get resumptions(): Readonly<Record<string, number>> {
    return this.continuity.outcomes;
  }

  /** The session of a token that came to another connection. */
  taken(session: string): void {
    this.continuity.taken(session);
  }

  /** Takes nobody any more, and sends those who are here elsewhere. Resolves when they have gone; the second time the same. */
  sendAway(): Promise<void> {
    const { clock, timers, settings, log } = this.options;
    if (this.drainage === null) {
      this.admission.draining = true;
      const { connections } = this;
      this.drainage = new Drain({ connections, clock, timers, drainMs: settings.drainMs, random: Math.random });
      log.tell('drain.begun', { connections: connections.size, drainMs: settings.drainMs });
    }
    return this.drainage.done;
  }

  /** The operator's limit of bytes a second is another. */
  paceAnew(): void {
    for (const connection of this.connections) connection.limit({ maxBytesPerSec: connection.wishes.maxBytesPerSec });
  }

  /** Closes all that are left. */
  stop(): void {
    for (const connection of [...this.connections])
      connection.close(CloseCode.goingAway, 'the gateway stops; come back');
  }

  private admit(socket: Socket, codec: Codec, { address }: Peer, identity: Identity): Connection {
    const { clock, log } = this.options;
    const connection = this.pool.take({ id: randomText(SESSION_BYTES, 'hex'), socket, codec, address });
    connection.identify(identity, clock.nowMs(), clock.nowUs() / 1_000);
    this.connections.add(connection);
    this.counters.admitted += 1;
    if (log.writes('client.opened')) {
      const { principal } = identity;
      log.tell('client.opened', { connection: connection.id, address, codec: codec.name, principal });
    }
    this.sessions.welcome(connection);
    // It goes out with the answer to the handshake, in one write, where that is still under way.
    connection.sendTold();
    return connection;
  }

  /** Whoever ended it. */
  private ended(connection: Connection): void {
    this.connections.delete(connection);
    this.continuity.end(connection);
    this.door.left(connection);
  }

  private changed(connection: Connection, before: Identity): void {
    if (before.principal !== connection.identity.principal) this.continuity.changeHands(connection);
    this.sessions.entitled(connection);
  }

  private guard(client: Client, run: (connection: Connection) => void): void {
    const connection = client instanceof Guest ? client.connection : client;
    if (connection === null) return;
    try {
      run(connection);
    } catch (error) {
      this.options.log.tell('internal.error', { error, connection: connection.id });
      const { code, message, action } = fault('internal');
      connection.tell({ type: 'error', id: null, code, message, action });
    }
  }
}
