// Owns one simulated client: its connections one after the other, what it asks for, what it carries from one to the next.
// The simulation tells it what to do. Invariant: the stream is the product's, and everything that reaches it came over a link.

import { ClientStream, type Held, type SubscribeOptions } from '../../src/client/stream.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { CloseCode } from '../../src/protocol/errors.ts';
import { type Channel, type Depth, type GoodbyeFrame, type Mode, topicName } from '../../src/protocol/frames.ts';
import type { Connection } from '../../src/sessions/connection.ts';
import type { Identity } from '../../src/sessions/grant.ts';
import type { Kernel, Random } from './kernel.ts';
import { Link, type LinkOptions } from './link.ts';
import type { SimulatedNode } from './node.ts';
import type { Oracle } from './oracle.ts';
import type { Asked } from './requests.ts';
import type { SessionEvents } from './session-branches.ts';
import { type Active, Witness } from './witness.ts';

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

/** How it comes back. */
export interface Return {
  readonly tampering?: Tampering;
  /** In what shape it subscribes anew, where it does. */
  readonly shapeOf?: (active: Active) => Shape;
  /** With what: `half` subscribes to one topic before it brings its token and cursors. */
  readonly bring?: 'cursors' | 'token' | 'both' | 'half';
  /** In place of its own newest one. */
  readonly token?: string;
}

type Cursor = NonNullable<ReturnType<ClientStream['cursor']>>;

interface Live {
  readonly node: SimulatedNode;
  readonly link: Link;
  readonly connection: Connection;
  /** Of the connection: it may serve somebody else before the client hears that it is over. */
  readonly generation: number;
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
  /** What it had before the session that it asks for; null: it asks for none. */
  private awaited: Active[] | null = null;
  /** All that it was given, the newest last. */
  readonly tokens: string[] = [];
  /** Those that it has brought. */
  readonly spent: string[] = [];
  /** Told when the node sends it elsewhere. */
  onGoodbye: (link: Link, goodbye: GoodbyeFrame) => void = () => {};
  private dismissed: Link | null = null;
  /** Who it says that it is, where that was not taken yet. */
  shown: Identity | null = null;

  constructor(
    readonly name: string,
    readonly codec: Codec,
    private readonly kernel: Kernel,
    private readonly random: Random,
    oracle: Oracle,
    private readonly events: SessionEvents,
    public identity: Identity,
  ) {
    this.witness = new Witness(name, oracle, events, {
      token: ({ token }) => void this.tokens.push(token),
      goodbye: (frame) => this.sentAway(frame),
      resumed: (brought) => this.resumed(brought),
      notResumed: () => this.notResumed(),
      authenticated: () => this.authenticated(),
    });
  }

  /** The node's side of its connection, where that is not over. */
  get served(): Connection | null {
    const { live } = this;
    if (live === null || live.node.life.over || live.connection.generation !== live.generation) return null;
    return live.connection.closed ? null : live.connection;
  }

  get active(): Active[] {
    return [...this.witness.active.values()];
  }

  /** Opens a connection, and takes up again what the last one had. */
  connect(node: SimulatedNode, options: LinkOptions, way: Return = {}): void {
    const link: Link = new Link(this.kernel, options, this.random, {
      arrive: (message) => {
        this.witness.arriving(link.arrivedBytes, stream);
        this.witness.received(stream.receive(message), stream);
      },
      request: (message) => node.receive(connection, message, this.codec.binary),
      pong: (number) => connection.pong(number),
      drained: () => connection.drained(),
      closed: (code) => {
        if (this.live?.link === link) this.closed(link, code);
      },
      gone: () => node.forget(connection),
    });
    const connection = node.accept(link, this.codec, this.identity)!;
    const stream = new ClientStream(this.codec, this.poster(link), this.witness.handlers);
    this.live = { node, link, connection, generation: connection.generation, stream };
    this.lastNode = node;
    this.witness.connected(this.identity.grant);
    this.comeBack(stream, way);
  }

  /** Knocks at a node that takes nobody, and is told so. */
  knock(node: SimulatedNode, options: LinkOptions): void {
    const refused = (): void => {
      this.events['refused while draining'] += 1;
    };
    const stream = new ClientStream(this.codec, () => {}, { refused });
    const link = new Link(this.kernel, options, this.random, {
      arrive: (message) => void stream.receive(message),
      request: () => {},
      pong: () => {},
      drained: () => {},
      closed: () => {},
      gone: () => {},
    });
    if (node.accept(link, this.codec, this.identity) !== null) throw new Error(`${node.name} lets somebody in`);
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
    if (this.awaited !== null) return;
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

  /** Shows who it is, once it is served. */
  authenticate(identity: Identity): void {
    if (this.live === null || this.shown !== null) return;
    this.shown = identity;
    const id = this.live.stream.request({ op: 'auth', credential: identity.principal });
    this.witness.requests.add(id, 'auth');
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
    if (this.live !== null) this.witness.requests.add(request(this.live.stream), asked);
  }

  private comeBack(stream: ClientStream, { bring = 'cursors', tampering = 'none', ...way }: Return): void {
    const { earlier, wanted } = this;
    const { shapeOf = shapeAsBefore, token = this.tokens.at(-1) } = way;
    [this.wanted, this.earlier] = [[], null];
    if (bring === 'token') this.witness.forget();
    else if (earlier !== null) stream.carry(earlier);
    if (bring === 'cursors' || token === undefined) {
      for (const active of wanted) this.resume(active, shapeOf(active), stream, tampering);
      return;
    }
    if (bring === 'half') for (const active of wanted.slice(0, 1)) this.resume(active, shapeOf(active), stream, 'none');
    this.spent.push(token);
    this.awaited = wanted;
    const cursors = new Map<string, Cursor>();
    for (const { channel, symbol, group } of bring === 'token' ? [] : wanted) {
      const held = stream.cursor(channel, symbol, group);
      if (held !== undefined) cursors.set(topicName(channel, symbol, group), tampered(held, tampering, this.random));
    }
    const fields = { token, ...(cursors.size > 0 && { cursors: Object.fromEntries(cursors) }) };
    this.witness.resuming(stream.request({ op: 'resume', ...fields }), new Set(cursors.keys()));
  }

  /** What did not come back is asked for anew, where that is known. */
  private resumed(brought: ReadonlySet<string>): void {
    const lacking = this.awaited!.filter(({ channel, symbol, group }) => {
      const name = topicName(channel, symbol, group);
      return !brought.has(name) && !this.witness.active.has(name);
    });
    this.awaited = null;
    for (const active of lacking) this.resume(active, shapeAsBefore(active), this.live!.stream, 'none');
  }

  private notResumed(): void {
    this.resumed(new Set());
  }

  private resume(active: Active, shape: Shape, stream: ClientStream, tampering: Tampering): void {
    const { channel, symbol, group } = active;
    const held = stream.cursor(channel, symbol, group);
    const cursor = held && { [symbol]: tampered(held, tampering, this.random) };
    this.subscribe(channel, [symbol], shape, { group, ...(cursor && { cursor }) });
  }

  private sentAway(goodbye: GoodbyeFrame): void {
    this.events.goodbyes += 1;
    this.dismissed = this.live!.link;
    this.onGoodbye(this.live!.link, goodbye);
  }

  private closed(link: Link, code: number): void {
    if (code === CloseCode.resumed) this.events['closed by a successor'] += 1;
    // What was said may have been lost with the link, or may not have been let onto it.
    const told = this.dismissed === link || link.lostBytes > 0 || link.everSlow;
    if (code === CloseCode.goingAway && !told) throw new Error(`client ${this.name} was sent away without a goodbye`);
    this.leave();
  }

  private authenticated(): void {
    this.identity = this.shown!;
    this.shown = null;
  }

  private leave(): void {
    const { stream } = this.live!;
    for (const { counters } of stream.held.values()) this.counters.add(counters);
    const { active } = this;
    const isActive = ({ channel, symbol, group }: Active): boolean =>
      this.witness.active.has(topicName(channel, symbol, group));
    this.wanted = [...active, ...(this.awaited ?? []).filter((each) => !isActive(each))];
    this.awaited = null;
    this.shown = null;
    this.live = null;
    this.earlier = stream;
    this.witness.disconnected(({ channel, symbol, group }) => {
      const cursor = stream.cursor(channel, symbol, group);
      if (cursor === undefined) return 'nothing';
      return (cursor.depth ?? 0) === 0 ? 'whole' : 'cut';
    });
  }
}

function tampered(held: Cursor, tampering: Tampering, random: Random): Cursor {
  const cursor = { ...held };
  if (tampering === 'future') cursor.seq += random.between(1_000_000, 2_000_000);
  if (tampering === 'foreign') cursor.epoch = 1 + (cursor.epoch % 1_000_000_007);
  return cursor;
}
