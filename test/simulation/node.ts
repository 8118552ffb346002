// Owns one simulated gateway process: the real topics, flush and sessions on the kernel's clock, and its place on the bus.
// The simulation starts two, and others where these die. Invariant: everything but the wiring is the product's code; once it is
// dead nothing of it runs.

import { Drain } from '../../src/gateway/drain.ts';
import type { InstrumentEvent } from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import { RedisFailure } from '../../src/ports/redis.ts';
import type { Socket } from '../../src/ports/socket.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { CloseCode, type Fault } from '../../src/protocol/errors.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { Admission } from '../../src/sessions/admission.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import { Continuity, type ContinuityOptions, type SavedSession } from '../../src/sessions/continuity.ts';
import { connectionCounters } from '../../src/sessions/counters.ts';
import type { Identity } from '../../src/sessions/grant.ts';
import { ConnectionPool } from '../../src/sessions/pool.ts';
import { beginPulse } from '../../src/sessions/pulse.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { type TokenClaims, TokenKeys, Tokens } from '../../src/sessions/token.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import type { Kernel, Random } from './kernel.ts';
import { Life } from './life.ts';
import type { Place } from './market.ts';
import type { Oracle } from './oracle.ts';
import type { SessionLedger } from './session-ledger.ts';
import { LoadFailure, Uplink } from './uplink.ts';

export interface NodeLimits {
  readonly tombstonesMax: number;
  readonly ringFramesMax: number;
  readonly controlBytesMax: number;
  readonly graceMs: number;
  readonly staleAfterMs: number;
  readonly sourceDownAfterMs: number;
  readonly heartbeatMs: number;
  readonly ageMsMax: number;
  readonly connectionBytesPerSecMax: number;
  readonly requestsPerSecMax: number;
  readonly resumeLifeMs: number;
  readonly resumeRenewMs: number;
}

export interface NodeOptions {
  /** Of this process alone: another one in its place has another. */
  readonly name: string;
  readonly place: Place;
  readonly kernel: Kernel;
  readonly random: Random;
  readonly limits: NodeLimits;
  readonly oracle: Oracle;
  readonly ledger: SessionLedger;
  /** What signs tokens, the first one of it. */
  readonly keys: string;
  /** By what their holders say to show who they are. */
  readonly identities: ReadonlyMap<string, Identity>;
}

const ADMISSION_LIMITS = {
  connectionsMax: 1_000,
  connectionsPerAddressMax: 1_000,
  connectionsPerPrincipalMax: 1_000,
  connectsPerSecMax: 1_000_000,
};
const STORE_LIMITS = { sessionsMax: 10_000, stateBytesMax: 65_536, bytesMax: 16_777_216 };
const ADDRESS = 'somewhere';

/** Tells the ledger of each token. */
class WitnessedTokens extends Tokens {
  constructor(
    keys: TokenKeys,
    private readonly ledger: SessionLedger,
  ) {
    super(keys);
  }

  override sign(claims: TokenClaims, principal: string): string {
    const token = super.sign(claims, principal);
    this.ledger.signed(token, { ...claims, principal });
    return token;
  }
}

/** Tells the ledger what each session has, and of each attempt to take one. */
class WitnessedContinuity extends Continuity {
  constructor(
    options: ContinuityOptions,
    private readonly keys: TokenKeys,
    private readonly life: Life,
    private readonly kernel: Kernel,
    private readonly ledger: SessionLedger,
  ) {
    super(options);
  }

  override changed(connection: Connection): void {
    this.ledger.kept(connection);
    this.ledger.noted(connection);
    super.changed(connection);
  }

  override async redeem(connection: Connection, token: string): Promise<SavedSession | Fault> {
    const { keys, life, kernel, ledger } = this;
    const keyKnown = keys.find(token.split('.')[1] ?? '') !== undefined;
    const { id, identity } = connection;
    const judge = ledger.attempted({ session: id, principal: identity.principal, life, token, keyKnown });
    const outcome = await super.redeem(connection, token);
    judge(outcome);
    kernel.promiseSettled();
    return outcome;
  }
}

export class SimulatedNode {
  readonly name: string;
  readonly life: Life;
  readonly uplink: Uplink;
  readonly flush: Flush;
  readonly topics: Topics;
  readonly connections = new Set<Connection>();
  readonly counters = connectionCounters();
  readonly admission: Admission;
  readonly keys: TokenKeys;
  /** Share of time that the node claims that it would be busy. */
  demand = 0;
  /** Errors that nothing in the simulation explains. */
  readonly mistakes: unknown[] = [];
  private readonly sessions: Sessions;
  private readonly continuity: Continuity;
  private readonly pool: ConnectionPool;
  private connectionCount = 0;

  constructor(private readonly options: NodeOptions) {
    const { name, place, kernel, random, limits, oracle, ledger } = options;
    const { instruments } = place;
    this.name = name;
    this.life = new Life(kernel);
    const [clock, timers] = [kernel, this.life];
    const { bus, sharesBooks } = place;
    this.uplink = new Uplink(bus, kernel, random, oracle, (error) => this.mistakes.push(error), sharesBooks);
    this.flush = new Flush({ clock, timers, demand: () => this.demand });
    this.topics = new Topics({
      ...{ bus: this.uplink, instruments, clock, timers, flush: this.flush, ...limits },
      onError: (error) => {
        if (!(error instanceof LoadFailure || error instanceof RedisFailure)) this.mistakes.push(error);
      },
    });
    const { resumeLifeMs: lifeMs, resumeRenewMs: renewMs } = limits;
    const onTaken = (session: string): void => this.continuity.taken(session);
    const store = place.openStore(this.life, { lifeMs, renewMs, ...STORE_LIMITS, onTaken });
    this.keys = new TokenKeys(options.keys);
    const tokens = new WitnessedTokens(this.keys, ledger);
    const shares = (): number => random.below(1_000) / 1_000;
    const own = { store, tokens, clock, limits, random: shares };
    this.continuity = new WitnessedContinuity(own, this.keys, this.life, kernel, ledger);
    this.admission = new Admission({ limits: ADMISSION_LIMITS, clock, random: shares });
    this.sessions = new Sessions({
      ...{ instruments, sets: new SymbolSets(), topics: this.topics, flush: this.flush, clock, server: 'simulated' },
      limits: {
        requestBytesMax: 65_536,
        symbolsPerRequestMax: 100,
        subscriptionsMax: 100,
        stallMsMax: 20_000,
        ...limits,
      },
      continuity: this.continuity,
      authenticate: async (connection, credential) => this.authenticate(connection, credential),
      onRefusal: () => {},
      onError: (error) => this.mistakes.push(error),
    });
    instruments.watch((event) => this.instrumentChanged(event));
    this.pool = new ConnectionPool({
      ...{ flush: this.flush, topics: this.topics, clock, timers, limits, counters: this.counters },
      onClose: (each, code) => ledger.closed(each, code),
      onEnd: (each) => this.left(each),
    });
    const { connections } = this;
    beginPulse({ clock, timers, connections, onTick: (each, nowMs) => this.continuity.tick(each, nowMs) });
  }

  /** Takes a client in. @returns null where it is told to go elsewhere. */
  accept(socket: Socket, codec: Codec, identity: Identity): Connection | null {
    const { kernel, ledger } = this.options;
    const refusal = this.admission.enter(ADDRESS, false);
    if (refusal !== null) {
      const writer = new ByteWriter();
      const { code, message, action } = refusal.fault;
      codec.encode(writer, { type: 'refused', code, message, action, retryAfterMs: refusal.retryAfterMs });
      socket.send(writer.copy(), codec.binary, false);
      socket.end(CloseCode.refused, refusal.fault.code);
      return null;
    }
    const connection = this.pool.take({ id: `${this.name}-${++this.connectionCount}`, socket, codec });
    connection.identify(identity, kernel.nowMs(), kernel.nowUs() / 1_000);
    if (isCounted(identity)) this.admission.join(identity.principal, 0);
    this.connections.add(connection);
    ledger.begun(connection, this.life);
    this.sessions.welcome(connection);
    return connection;
  }

  /** A message from a client. */
  receive(connection: Connection, message: Uint8Array, binary: boolean): void {
    if (this.life.over) return;
    this.sessions.receive(connection, message, binary);
    this.options.ledger.noted(connection);
    // What takes its time waits for promises alone.
    if (connection.waiting !== null) this.options.kernel.promiseSettled();
  }

  /** The client may something else from now on. */
  entitle(connection: Connection, identity: Identity): void {
    const { kernel, ledger } = this.options;
    connection.identify(identity, kernel.nowMs(), kernel.nowUs() / 1_000);
    this.sessions.entitled(connection);
    ledger.noted(connection);
  }

  /** The client's socket is gone. */
  forget(connection: Connection): void {
    if (this.life.over) return;
    connection.shut();
    this.pool.giveBack(connection);
  }

  /** Signs with another key from now on, and knows the one before. */
  rotate(key: string): void {
    this.keys.rotate(`${key},${this.keys.currentText}`);
  }

  get draining(): boolean {
    return this.admission.draining;
  }

  /** Sends all clients elsewhere. */
  drain(drainMs: number): void {
    const { kernel: clock, random } = this.options;
    this.admission.draining = true;
    const shares = (): number => random.below(1_000) / 1_000;
    new Drain({ connections: this.connections, clock, timers: this.life, drainMs, random: shares });
  }

  /** The process is gone: nobody is told. */
  die(): void {
    for (const connection of this.connections) this.options.ledger.ended(connection, true);
    this.life.end();
    this.uplink.close();
    this.connections.clear();
  }

  /** Nothing of those who were here may be left. */
  checkEmpty(): void {
    const { name, topics, uplink, connections, admission } = this;
    if (topics.size !== 0) throw new Error(`node ${name} keeps ${topics.size} topics`);
    if (uplink.listeners !== 0) throw new Error(`node ${name} keeps ${uplink.listeners} places on the bus`);
    if (connections.size !== 0) throw new Error(`node ${name} keeps ${connections.size} connections`);
    const { total, addresses, principals } = admission.counts;
    if (total + addresses + principals !== 0) {
      throw new Error(`node ${name} counts ${total} connections, ${addresses} addresses, ${principals} principals`);
    }
  }

  private instrumentChanged(event: InstrumentEvent): void {
    if (this.life.over) return;
    this.sessions.instrumentChanged(this.connections, event);
    for (const connection of this.connections) this.options.ledger.noted(connection, false);
  }

  private left(connection: Connection): void {
    const { identity } = connection;
    this.options.ledger.ended(connection, false);
    this.connections.delete(connection);
    this.continuity.end(connection);
    this.admission.leave(ADDRESS, false);
    if (isCounted(identity)) this.admission.part(identity.principal);
  }

  private authenticate(connection: Connection, credential: string): null {
    const identity = this.options.identities.get(credential)!;
    const before = connection.identity;
    if (!isCounted(before)) this.admission.join(identity.principal, 0);
    const { kernel } = this.options;
    connection.identify(identity, kernel.nowMs(), kernel.nowUs() / 1_000);
    if (before.principal !== identity.principal) this.continuity.changeHands(connection);
    this.sessions.entitled(connection);
    return null;
  }
}

function isCounted({ via }: Identity): boolean {
  return via !== 'anonymous' && via !== 'local';
}
