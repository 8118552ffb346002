// Owns one simulated gateway process: the real topics, flush and sessions on the kernel's clock, and its place on the bus.
// The simulation starts two on one bus. Invariant: everything but the wiring is the product's code.

import type {
  Bus,
  BusListener,
  Entry,
  Leased,
  LeaseRequest,
  Publication,
  Published,
  TopicState,
} from '../../src/bus/bus.ts';
import type { Instruments } from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import type { UpdateChannel } from '../../src/market/update.ts';
import { RedisFailure } from '../../src/ports/redis.ts';
import type { Socket } from '../../src/ports/socket.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { connectionCounters } from '../../src/sessions/counters.ts';
import { beginPulse } from '../../src/sessions/pulse.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import type { Kernel, Random } from './kernel.ts';
import type { History, Oracle } from './oracle.ts';

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
}

class LoadFailure extends Error {}

/** Holds what a listener is told to the bus's promise: every entry of an epoch in order, each once, unless a loss is named. */
class Hearing implements BusListener {
  private last: Entry | null = null;
  /** The newest number after which the next must come; -1: any may. */
  private seq = -1;
  private known = 0;
  private history: History | undefined;

  constructor(
    private readonly name: string,
    private readonly listener: BusListener,
    private readonly oracle: Oracle,
    private readonly onMistake: (error: Error) => void,
  ) {}

  entry(entry: Entry): void {
    const { epoch, seq } = entry;
    const { name, oracle, last, history } = this;
    const told = `${name}: listeners heard ${epoch}@${seq}`;
    if (this.known !== 0 && this.known !== epoch) this.onMistake(new Error(`${told} in ${this.known}`));
    if (this.seq >= 0 && seq !== this.seq + 1) this.onMistake(new Error(`${told} after ${this.seq}`));
    // The two ends of an epoch that has split are never heard one after the other.
    this.history = oracle.history(epoch, entry);
    if (this.seq >= 0 && last !== null && history !== undefined && this.history?.holds(history, last.seq) === false) {
      this.onMistake(new Error(`${told} after another ${last.seq} than went before it`));
    }
    [this.known, this.seq, this.last] = [epoch, seq, entry];
    this.listener.entry(entry);
  }

  epoch(epoch: number): void {
    [this.known, this.seq, this.last] = [epoch, 0, null];
    this.listener.epoch(epoch);
  }

  lost(): void {
    this.seq = -1;
    this.listener.lost();
  }

  doubt(doubted: boolean): void {
    this.listener.doubt(doubted);
  }
}

/** A node's way to the bus: what it loads takes a while, and fails at times. */
export class Uplink implements Bus {
  listeners = 0;
  reliable = false;

  constructor(
    private readonly bus: Bus,
    private readonly kernel: Kernel,
    private readonly random: Random,
    private readonly oracle: Oracle,
    private readonly onMistake: (error: Error) => void,
  ) {}

  publish(publications: readonly Publication[]): Promise<Published[]> {
    return this.bus.publish(publications);
  }

  subscribe(channel: UpdateChannel, symbol: string, listener: BusListener): () => void {
    this.listeners += 1;
    const hearing = new Hearing(`${channel}:${symbol}`, listener, this.oracle, this.onMistake);
    const unsubscribe = this.bus.subscribe(channel, symbol, hearing);
    return () => {
      this.listeners -= 1;
      unsubscribe();
    };
  }

  log(channel: UpdateChannel, symbol: string, fromSeq: number): Promise<Entry[]> {
    return this.bus.log(channel, symbol, fromSeq);
  }

  lease(channel: UpdateChannel, symbol: string, request: LeaseRequest): Promise<Leased> {
    return this.bus.lease(channel, symbol, request);
  }

  release(channel: UpdateChannel, symbol: string, token: number): Promise<boolean> {
    return this.bus.release(channel, symbol, token);
  }

  doubt(symbol: string, doubted: boolean): void {
    this.bus.doubt(symbol, doubted);
  }

  load(channel: UpdateChannel, symbol: string): Promise<TopicState> {
    const { kernel, random } = this;
    const early = random.chance(0.5) ? this.bus.load(channel, symbol) : null;
    // Nobody may be waiting for it yet when it fails.
    early?.catch(() => {});
    const fails = !this.reliable && random.chance(0.03);
    const delayMs = random.chance(0.5) ? 0 : random.between(1, 40);
    return new Promise((resolve, reject) => {
      kernel.after(delayMs, () => {
        if (fails) reject(new LoadFailure('the bus does not answer'));
        else resolve(early ?? this.bus.load(channel, symbol));
        kernel.promiseSettled();
      });
    });
  }
}

export class SimulatedNode {
  readonly uplink: Uplink;
  readonly flush: Flush;
  readonly topics: Topics;
  readonly sessions: Sessions;
  readonly connections = new Set<Connection>();
  readonly counters = connectionCounters();
  /** Share of time that the node claims that it would be busy. */
  demand = 0;
  /** Errors that nothing in the simulation explains. */
  readonly mistakes: unknown[] = [];
  private connectionCount = 0;

  constructor(
    readonly name: string,
    bus: Bus,
    instruments: Instruments,
    private readonly kernel: Kernel,
    random: Random,
    private readonly limits: NodeLimits,
    oracle: Oracle,
  ) {
    this.uplink = new Uplink(bus, kernel, random, oracle, (error) => this.mistakes.push(error));
    const clock = kernel;
    const timers = kernel;
    this.flush = new Flush({ clock, timers, demand: () => this.demand });
    this.topics = new Topics({
      bus: this.uplink,
      instruments,
      clock,
      timers,
      flush: this.flush,
      ...limits,
      onError: (error) => {
        if (!(error instanceof LoadFailure || error instanceof RedisFailure)) this.mistakes.push(error);
      },
    });
    this.sessions = new Sessions({
      instruments,
      sets: new SymbolSets(),
      topics: this.topics,
      flush: this.flush,
      clock,
      limits: {
        requestBytesMax: 65_536,
        symbolsPerRequestMax: 100,
        subscriptionsMax: 100,
        stallMsMax: 20_000,
        ...limits,
      },
      server: 'simulated',
      onRefusal: () => {},
    });
    instruments.watch((event) => this.sessions.instrumentChanged(this.connections, event));
    beginPulse({ clock, timers, connections: this.connections });
  }

  accept(socket: Socket, codec: Codec): Connection {
    const { flush, topics, limits, counters, kernel } = this;
    const site = { flush, topics, limits, counters, clock: kernel, timers: kernel };
    const connection = new Connection(site, { id: `${this.name}${++this.connectionCount}`, socket, codec });
    this.connections.add(connection);
    this.sessions.welcome(connection);
    return connection;
  }

  forget(connection: Connection): void {
    connection.shut();
    this.connections.delete(connection);
  }
}
