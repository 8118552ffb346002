// Owns a gateway without network: the real bus, topics, flush and sessions on the virtual clock, with fake sockets in front.
// The tests of topics and sessions start one each. Invariant: time passes and turns run only in `settle` and `advance`.

import type { Bus } from '../../src/bus/bus.ts';
import { MemoryBus } from '../../src/bus/memory.ts';
import { ClientStream, type Held } from '../../src/client/stream.ts';
import { defineInstrument, type InstrumentDefinition, Instruments } from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import type { Update } from '../../src/market/update.ts';
import { BACKLOGGED, DROPPED, SENT, type Socket } from '../../src/ports/socket.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import type { Channel, Frame } from '../../src/protocol/frames.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { connectionCounters } from '../../src/sessions/counters.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import { Kernel } from '../simulation/kernel.ts';

export const LIMITS = {
  tombstonesMax: 4_096,
  ringFramesMax: 1_024,
  controlBytesMax: 65_536,
  heartbeatMs: 5_000,
  ageMsMax: 30_000,
  connectionBytesPerSecMax: 0,
  graceMs: 10_000,
  staleAfterMs: 1_000_000_000,
  sourceDownAfterMs: 2_000_000_000,
  requestBytesMax: 65_536,
  symbolsPerRequestMax: 100,
  subscriptionsMax: 100,
  stallMsMax: 20_000,
  requestsPerSecMax: 1_000_000,
};

/** A client: the socket that the gateway sends into, and behind it what a real client would hold. */
export class FakeClient implements Socket {
  readonly connection: Connection;
  readonly stream: ClientStream;
  /** Every frame that arrived, in order. */
  readonly frames: Frame[] = [];
  /** What the gateway handed over, the very objects, and when. */
  readonly handed: Uint8Array[] = [];
  readonly handedAtMs: number[] = [];
  closedWith: { readonly code: number; readonly reason: string } | null = null;
  /** Messages that it takes until it is backlogged. */
  room = Number.POSITIVE_INFINITY;
  /** What a send costs the gateway. */
  sendMs = 0;
  /** Numbers of the pings that were not answered yet; `answersPings` true: none. */
  readonly pings: number[] = [];
  answersPings = true;
  private backlogged = false;

  constructor(
    private readonly station: Station,
    readonly codec: Codec,
    id: string,
  ) {
    const { flush, topics, counters, limits, kernel } = station;
    const [clock, timers] = [kernel, kernel];
    const site = { flush, topics, clock, timers, limits, counters };
    this.connection = new Connection(site, { id, socket: this, codec });
    this.stream = new ClientStream(codec, (message) => this.request(message));
  }

  /** Hands a message to the gateway in its next turn. */
  request(message: Uint8Array, binary = this.codec.binary): void {
    const { kernel, sessions } = this.station;
    kernel.soon(() => {
      if (!this.connection.closed) sessions.receive(this.connection, message, binary);
    });
  }

  send(message: Uint8Array): number {
    if (this.closedWith !== null) return DROPPED;
    if (this.backlogged) throw new Error('a message was sent into a backlogged socket');
    const { kernel } = this.station;
    kernel.spend(this.sendMs);
    this.handed.push(message);
    this.handedAtMs.push(kernel.nowMs());
    this.frames.push(...this.stream.receive(message.slice()));
    this.room -= 1;
    this.backlogged = this.room <= 0;
    return this.backlogged ? BACKLOGGED : SENT;
  }

  ping(payload: string): number {
    this.pings.push(Number(payload));
    if (this.answersPings) this.station.kernel.soon(() => this.pong());
    return SENT;
  }

  /** Answers all pings so far. */
  pong(): void {
    const newest = this.pings.at(-1);
    this.pings.length = 0;
    if (newest !== undefined) this.connection.pong(newest);
  }

  end(code: number, reason: string): void {
    this.closedWith ??= { code, reason };
  }

  getBufferedAmount(): number {
    return 0;
  }

  /** The socket is empty again and takes `room` more messages. */
  drain(room = Number.POSITIVE_INFINITY): void {
    this.room = room;
    this.backlogged = false;
    this.connection.drained();
  }

  held(channel: Channel, symbol: string): Held {
    const held = this.stream.find(channel, symbol);
    if (held === undefined) throw new Error(`nothing is held of ${channel}:${symbol}`);
    return held;
  }

  /** Frames of one type, in the order in which they came. */
  of<T extends Frame['type']>(type: T): Extract<Frame, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<Frame, { type: T }> => frame.type === type);
  }

  /** Forgets what came so far. */
  clear(): void {
    this.frames.length = 0;
    this.handed.length = 0;
    this.handedAtMs.length = 0;
  }
}

export class Station {
  readonly kernel = new Kernel();
  readonly instruments = new Instruments();
  readonly sets = new SymbolSets();
  readonly counters = connectionCounters();
  /** Codes of all refusals, in order. */
  readonly refusals: string[] = [];
  readonly limits: typeof LIMITS;
  readonly bus: MemoryBus;
  readonly flush: Flush;
  readonly topics: Topics;
  readonly sessions: Sessions;
  readonly clients: FakeClient[] = [];
  readonly connections = new Set<Connection>();
  /** Share of time that the process claims that it would be busy. */
  demand = 0;
  private epochs = 0;

  /** @param between what the topics hear of the bus goes through it. */
  constructor(limits: Partial<typeof LIMITS> = {}, between: (bus: Bus) => Bus = (bus) => bus) {
    this.limits = { ...LIMITS, ...limits };
    const { kernel, instruments } = this;
    const [clock, timers] = [kernel, kernel];
    const { tombstonesMax } = this.limits;
    const newEpoch = (): number => ++this.epochs;
    this.bus = new MemoryBus({ clock, instruments, newEpoch, logEntriesMax: 1_024, tombstonesMax });
    this.flush = new Flush({ clock, timers, demand: () => this.demand });
    const { flush } = this;
    const bus = between(this.bus);
    const onError = (error: unknown): never => {
      throw error;
    };
    this.topics = new Topics({ bus, instruments, clock, timers, flush, onError, ...this.limits });
    this.sessions = new Sessions({
      instruments,
      sets: this.sets,
      topics: this.topics,
      flush,
      clock,
      limits: this.limits,
      server: 'station',
      onRefusal: (code) => this.refusals.push(code),
    });
    this.sets.watch((name) => {
      const connections = this.clients.map(({ connection }) => connection);
      this.sessions.setChanged(connections, name);
    });
    instruments.watch((event) => {
      const connections = this.clients.map(({ connection }) => connection);
      this.sessions.instrumentChanged(connections, event);
    });
  }

  list(symbol: string, definition: Partial<InstrumentDefinition> = {}): void {
    const instrument = defineInstrument({ symbol, priceScale: 0, sizeScale: 0, ...definition });
    if (typeof instrument === 'string') throw new Error(instrument);
    this.instruments.put(instrument);
  }

  connect(codec: Codec = msgpackCodec): FakeClient {
    const client = new FakeClient(this, codec, `c${this.clients.length}`);
    this.clients.push(client);
    this.connections.add(client.connection);
    return client;
  }

  /** Publishes within this turn. @throws Error where the bus refuses. */
  async publish(symbol: string, ...updates: Update[]): Promise<void> {
    const answers = await this.bus.publish(updates.map((update) => ({ symbol, update, exchangeUs: null })));
    for (const answer of answers) if ('refused' in answer) throw new Error(answer.refused.message);
  }

  /** Runs all turns that follow from what was done, at this moment. */
  async settle(): Promise<void> {
    await this.advance(0);
  }

  async advance(durationMs: number): Promise<void> {
    const untilMs = this.kernel.nowMs() + durationMs;
    // Requests first, then what they load, then the answers.
    for (let i = 0; i < 3; i++) {
      this.kernel.promiseSettled();
      await this.kernel.advance(0);
    }
    await this.kernel.advance(Math.max(0, untilMs - this.kernel.nowMs()));
  }
}
