// Owns one simulated client: its connections one after the other, what it asks for, what it carries from one to the next.
// The simulation tells it what to do. Invariant: the stream is the product's, and everything that reaches it came over a link.

import { ClientStream, type Held, type SubscribeOptions } from '../../src/client/stream.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { type Channel, type Depth, type Mode, topicName } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import type { Kernel, Random } from './kernel.ts';
import { Link, type LinkOptions } from './link.ts';
import type { SimulatedNode } from './node.ts';
import type { Oracle } from './oracle.ts';
import { type Active, type Asked, Witness } from './witness.ts';

const LINE_FEED = Buffer.from('\n');

/** What can be asked of a topic. */
export interface Shape {
  readonly depth: Depth;
  readonly interval: number;
  readonly mode: Mode;
}

export function shapeAsBefore({ depth, intervalMs, mode }: Active): Shape {
  return { depth: depth as Depth, interval: intervalMs, mode };
}

/** A cursor that the client made up. */
export type Tampering = 'none' | 'future' | 'foreign';

interface Live {
  readonly node: SimulatedNode;
  readonly link: Link;
  readonly connection: Connection;
  readonly stream: ClientStream;
}

export class SimulatedClient {
  readonly witness: Witness;
  live: Live | null = null;
  lastNode: SimulatedNode | null = null;
  /** Of every topic it ever held; a topic that is carried on keeps its own. */
  readonly counters = new Set<Held['counters']>();
  /** What it was subscribed to when its last connection ended. */
  private wanted: Active[] = [];
  private earlier: ClientStream | null = null;

  constructor(
    readonly name: string,
    readonly codec: Codec,
    private readonly kernel: Kernel,
    private readonly random: Random,
    oracle: Oracle,
  ) {
    this.witness = new Witness(name, oracle);
  }

  get active(): Active[] {
    return [...this.witness.active.values()];
  }

  /** Opens a connection, and takes up again what the last one had, in the shape that `shapeOf` gives it. */
  connect(
    node: SimulatedNode,
    options: LinkOptions,
    tampering: Tampering = 'none',
    shapeOf: (active: Active) => Shape = shapeAsBefore,
  ): void {
    const link: Link = new Link(this.kernel, options, this.random, {
      arrive: (message) => this.witness.received(stream.receive(message), stream),
      request: (message) => node.sessions.receive(connection, message, this.codec.binary),
      pong: (number) => connection.pong(number),
      drained: () => connection.drained(),
      closed: () => {
        if (this.live?.link === link) this.leave();
      },
      gone: () => node.forget(connection),
    });
    const connection = node.accept(link, this.codec);
    const stream = new ClientStream(this.codec, this.poster(link), this.witness.handlers);
    this.live = { node, link, connection, stream };
    this.lastNode = node;
    const { earlier } = this;
    if (earlier !== null) stream.carry(earlier);
    for (const active of this.wanted) this.resume(active, shapeOf(active), earlier, tampering);
    this.wanted = [];
    this.earlier = null;
  }

  /** Ends the connection without a word; the node notices after a while. */
  disconnect(noticedAfterMs: number): void {
    if (this.live === null) return;
    this.live.link.cut(noticedAfterMs);
    this.leave();
  }

  subscribe(
    channel: Channel,
    symbols: readonly string[],
    { depth, interval, mode }: Shape,
    more: SubscribeOptions = {},
  ): void {
    const priority = this.random.chance(0.3) ? { priority: this.random.below(10) } : {};
    const options = { depth, interval, mode, ...priority, ...more };
    const { group = 0, cursor = {} } = more;
    this.ask({ channel, group }, (stream) => stream.subscribe(channel, symbols, options));
    if (this.live === null) return;
    for (const symbol of symbols) this.witness.asked(topicName(channel, symbol, group), cursor[symbol] !== undefined);
  }

  unsubscribe({ channel, symbol, group }: Active): void {
    this.ask({ channel, group }, (stream) => stream.unsubscribe(channel, [symbol], group));
  }

  resync({ channel, symbol, group }: Active): void {
    this.ask({ channel, group }, (stream) => stream.resync(channel, [symbol], group));
  }

  /** Requests that change nothing but fill the control lane. */
  chat(): void {
    if (this.random.chance(0.3)) return this.ask(null, (stream) => stream.instruments(this.random.chance(0.5)));
    for (let left = this.random.nearZero(200); left >= 0; left--) this.ask(null, (stream) => stream.ping());
  }

  /** How fast it wants to be served, and whether the best levels will do. */
  limit(maxBytesPerSec: number, topOfBook: boolean): void {
    this.ask(null, (stream) => stream.limit({ maxBytesPerSec, topOfBook }));
  }

  /** What is asked for at one moment goes out as one message. */
  private poster(link: Link): (message: Uint8Array) => void {
    let asked: Uint8Array[] = [];
    return (message) => {
      asked.push(message);
      if (asked.length > 1) return;
      this.kernel.after(0, () => {
        link.request(Buffer.concat(this.codec.binary ? asked : asked.flatMap((line) => [line, LINE_FEED])));
        asked = [];
      });
    };
  }

  private ask(asked: Asked | null, request: (stream: ClientStream) => number): void {
    if (this.live !== null) this.witness.requests.set(request(this.live.stream), asked);
  }

  private resume(active: Active, shape: Shape, earlier: ClientStream | null, tampering: Tampering): void {
    const { channel, symbol, group } = active;
    const held = earlier?.cursor(channel, symbol, group);
    if (held === undefined) return this.subscribe(channel, [symbol], shape, { group });
    const cursor = { ...held };
    if (tampering === 'future') cursor.seq += this.random.between(1_000_000, 2_000_000);
    if (tampering === 'foreign') cursor.epoch = 1 + (cursor.epoch % 1_000_000_007);
    this.subscribe(channel, [symbol], shape, { group, cursor: { [symbol]: cursor } });
  }

  private leave(): void {
    const { stream } = this.live!;
    for (const { counters } of stream.held.values()) this.counters.add(counters);
    this.live = null;
    this.earlier = stream;
    this.wanted = this.active;
    this.witness.disconnected(({ channel, symbol, group }) => {
      const cursor = stream.cursor(channel, symbol, group);
      if (cursor === undefined) return 'nothing';
      return (cursor.depth ?? 0) === 0 ? 'whole' : 'cut';
    });
  }
}
