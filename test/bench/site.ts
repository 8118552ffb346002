// Owns a gateway without network for the figures of memory: the real bus, topics, flush, sessions and pulse on a clock of its own,
// with peers that read, stop reading and go on as they are told. heap.ts builds one per figure.
// Invariant: time passes only in `pass`, so that a slow machine closes nobody.

import { MemoryBus } from '../../src/bus/memory.ts';
import { defineInstrument, Instruments } from '../../src/market/instrument.ts';
import { SymbolSets } from '../../src/market/sets.ts';
import { BACKLOGGED, SENT, type Socket } from '../../src/ports/socket.ts';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { Connection } from '../../src/sessions/connection.ts';
import { connectionCounters } from '../../src/sessions/counters.ts';
import { beginPulse } from '../../src/sessions/pulse.ts';
import { Sessions } from '../../src/sessions/session.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { BookTopic } from '../../src/topics/book-topic.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import { VirtualTime } from '../feeds/virtual.ts';
import { firstBook, type PreparedUpdate, prepareUpdates } from './updates.ts';
import { symbolOf } from './workloads.ts';

const ROUND_TRIP_MS = 1;

/** Keeps every message that a peer was sent, in memory that was there before. */
export class Recording {
  private readonly bytes: Buffer;
  private readonly ends: number[] = [];

  constructor(bytesMax: number) {
    this.bytes = Buffer.alloc(bytesMax);
  }

  /** Messages so far. */
  get length(): number {
    return this.ends.length;
  }

  add(message: Uint8Array): void {
    const start = this.ends.at(-1) ?? 0;
    if (start + message.length > this.bytes.length)
      throw new Error(`over ${this.bytes.length} bytes were sent to one peer`);
    this.bytes.set(message, start);
    this.ends.push(start + message.length);
  }

  /** As a client gets it: in memory of its own. */
  message(index: number): Uint8Array {
    return Uint8Array.from(this.bytes.subarray(this.ends[index - 1] ?? 0, this.ends[index]));
  }
}

/**
 * How a peer stops: `silent`: the kernel still takes what is sent, but nothing is answered; `full`: the socket takes one more
 * message and buffers it.
 */
export type Stall = 'silent' | 'full';

/** A client's socket, as the gateway sees it. */
export class Peer implements Socket {
  readonly connection: Connection;
  private stalled: Stall | null = null;
  private backlogged = false;
  /** The newest ping that was not answered; 0: none. */
  private newestPing = 0;

  constructor(
    private readonly site: Site,
    id: string,
    private readonly recording: Recording | null,
  ) {
    const { time, flush, topics, settings, counters } = site;
    this.connection = new Connection(
      { flush, topics, counters, clock: time, timers: time, limits: settings },
      { id, socket: this, codec: msgpackCodec },
    );
  }

  send(message: Uint8Array): number {
    if (this.backlogged) throw new Error('a message was sent into a socket that had said that it is full');
    this.recording?.add(message);
    this.backlogged = this.stalled === 'full';
    return this.backlogged ? BACKLOGGED : SENT;
  }

  ping(payload: string): number {
    this.newestPing = Number(payload);
    if (this.stalled === null) this.site.answerSoon(this);
    return SENT;
  }

  pong(): void {
    const number = this.newestPing;
    this.newestPing = 0;
    if (number !== 0) this.connection.pong(number);
  }

  end(): void {}

  getBufferedAmount(): number {
    return 0;
  }

  /** Reads nothing from now on. */
  stall(how: Stall): void {
    this.stalled = how;
  }

  /** Reads all that was sent, and goes on. */
  drain(): void {
    this.stalled = null;
    if (this.backlogged) {
      this.backlogged = false;
      this.connection.drained();
    }
    this.pong();
  }
}

export class Site {
  readonly time = new VirtualTime();
  readonly settings;
  readonly counters = connectionCounters();
  readonly symbols: readonly string[];
  readonly flush: Flush;
  readonly topics: Topics;
  private readonly bus: MemoryBus;
  private readonly instruments = new Instruments();
  private readonly sessions: Sessions;
  private readonly connections = new Set<Connection>();
  private readonly updates: readonly PreparedUpdate[];
  private published = 0;
  private answering: Peer[] = [];

  constructor(books: number) {
    // A log that is short is soon as full as it gets, and then weighs nothing in the figures.
    this.settings = { ...readSettings({ logEntriesMax: 16 }, {}), graceMs: 0 };
    const { settings, time, instruments } = this;
    this.symbols = Array.from({ length: books }, (_, book) => symbolOf(book));
    this.updates = prepareUpdates({ topics: books }, 1);
    this.bus = new MemoryBus({ ...settings, clock: time, instruments, newEpoch: () => 1 });
    this.flush = new Flush({ clock: time, timers: time, demand: () => 0 });
    const onError = (error: unknown): never => {
      throw error;
    };
    const { bus, flush } = this;
    this.topics = new Topics({ ...settings, bus, instruments, clock: time, timers: time, flush, onError });
    this.sessions = new Sessions({
      ...{ instruments, sets: new SymbolSets(), topics: this.topics, flush, clock: time, limits: settings, server: '' },
      onRefusal: (code) => {
        throw new Error(`a request was refused: ${code}`);
      },
    });
    beginPulse({ clock: time, timers: time, connections: this.connections });
  }

  /** Lists the books and lets one client open the topics and warm the code. */
  async open(): Promise<void> {
    for (const [book, symbol] of this.symbols.entries()) {
      const instrument = defineInstrument({ symbol, priceScale: 2, sizeScale: 4 });
      if (typeof instrument === 'string') throw new Error(instrument);
      this.instruments.put(instrument);
      await this.bus.publish([{ symbol, update: firstBook(book), exchangeUs: null }]);
    }
    this.subscribe(this.connect('first'), 0);
    await this.pass(100);
  }

  connect(id: string, recording: Recording | null = null): Peer {
    const peer = new Peer(this, id, recording);
    this.connections.add(peer.connection);
    return peer;
  }

  /** To all books. */
  subscribe({ connection }: Peer, depth: number): void {
    const request = new ByteWriter();
    request.value({ op: 'subscribe', id: 1, channel: 'book', symbols: this.symbols, depth });
    this.sessions.receive(connection, request.copy(), true);
  }

  /** Publishes so many of the prepared updates, evenly over the time. */
  async market(updates: number, durationMs: number): Promise<void> {
    const stepMs = 4;
    const steps = Math.ceil(durationMs / stepMs);
    const until = this.published + updates;
    for (let step = 1; step <= steps; step++) {
      const due = until - updates + Math.round((updates * step) / steps);
      while (this.published < due) {
        const { topic, delta } = this.updates[this.published % this.updates.length]!;
        this.published += 1;
        const [published] = await this.bus.publish([{ symbol: symbolOf(topic), update: delta, exchangeUs: null }]);
        if (published === undefined || 'refused' in published)
          throw new Error(`an update of book ${topic} was refused`);
      }
      await this.pass(stepMs);
    }
  }

  async pass(durationMs: number): Promise<void> {
    await this.time.advance(durationMs);
  }

  topic(symbol: string): BookTopic {
    const topic = this.topics.peek('book', symbol);
    if (!(topic instanceof BookTopic)) throw new Error(`no book of ${symbol} is open`);
    return topic;
  }

  /** All pings of a moment are answered together, a round trip later. */
  answerSoon(peer: Peer): void {
    this.answering.push(peer);
    if (this.answering.length > 1) return;
    this.time.after(ROUND_TRIP_MS, () => {
      const peers = this.answering;
      this.answering = [];
      for (const each of peers) each.pong();
    });
  }
}
