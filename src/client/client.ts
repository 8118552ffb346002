// Owns a client: one connection at a time to one of several gateways, and its subscriptions, which outlive connections.
// Users make one with `connect`. Invariant: until `close`, or a close code that says so, it comes back by itself; no subscription is lost.

import { systemClock } from '../ports/clock.ts';
import { CloseCode } from '../protocol/errors.ts';
import {
  type AckFrame,
  type Channel,
  type ErrorFrame,
  type PongFrame,
  PROTOCOL_VERSION,
  type WelcomeFrame,
} from '../protocol/frames.ts';
import { jsonCodec, msgpackCodec, type NamedCodec } from './codecs.ts';
import { type Backoff, Endpoints } from './endpoints.ts';
import { ownError, refusalOf, type TickwireError } from './error.ts';
import { type ClientEvents, type ClientState, Emitter, type Lag, type TopicName } from './events.ts';
import { LagMeter } from './lag.ts';
import { Requests } from './requests.ts';
import { bookState, quoteState, statusState } from './state.ts';
import { StateLine } from './state-line.ts';
import { ClientStream, type Held, type StreamHandlers } from './stream.ts';
import type {
  BookSubscription,
  BookWishes,
  QuoteSubscription,
  StatusSubscription,
  TradeSubscription,
  TradeWishes,
  Wishes,
} from './subscription.ts';
import { Switchboard } from './switchboard.ts';
import { TradeLine } from './trade-line.ts';
import { defaultWebSocket, Transport, type WebSocketConstructor } from './transport.ts';

/** How to connect; all of it is optional. */
export interface ClientOptions {
  /** Default `msgpack`; `json` is for looking at the wire. */
  readonly codec?: 'msgpack' | 'json';
  readonly reconnect?: Backoff;
  /** Default: the global one; in Node that of the package ws. */
  readonly WebSocket?: WebSocketConstructor;
  /** Numbers from 0 to below 1 for the delays; default Math.random. */
  readonly random?: () => number;
}

/** Requests that are not subscriptions, as in proto/frames.md. */
export type Request =
  | { readonly op: 'instruments'; readonly watch?: boolean }
  | { readonly op: 'limit'; readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }
  | { readonly op: 'resync'; readonly channel: Channel; readonly symbols: readonly string[]; readonly group?: number }
  | { readonly op: 'demo'; readonly stallMs: number }
  | { readonly op: 'ping' };

/** What happened on this client since it was made; all of them only grow. What became of updates is summed over all subscriptions. */
export interface ClientCounters extends Readonly<Record<keyof Held['counters'], number>> {
  /** Connections that stood after the first one. */
  readonly reconnects: number;
  readonly messages: number;
  readonly bytes: number;
  /** Gap events. */
  readonly gaps: number;
  /** Trades that were dropped because their loop was too slow. */
  readonly overflowed: number;
}

const PING_INTERVAL_MS = 5_000;
/** A connection that lasted this long begins a new series of attempts when it is lost. */
const LASTED_MS = 5_000;
/** Heartbeats that may stay away, and what the link may add. */
const SILENT_HEARTBEATS = 2;
const SILENT_EXTRA_MS = 1_000;
const FOR_GOOD = 4500;

/** A client of one gateway at a time, and its subscriptions, which outlive connections. Made by `connect`. */
export class Client {
  /** What the gateway said of itself; null before the first connection. */
  welcome: WelcomeFrame | null = null;
  private phase: ClientState = 'connecting';
  private readonly events = new Emitter<ClientEvents>();
  private readonly meter = new LagMeter();
  private readonly requests = new Requests();
  private readonly endpoints: Endpoints;
  private readonly switchboard: Switchboard;
  private readonly codec: NamedCodec;
  private readonly Socket: WebSocketConstructor;
  private transport: Transport | null = null;
  private stream: ClientStream | null = null;
  private receivedUs = 0;
  private heardMs = 0;
  private openedMs = 0;
  private opened = 0;
  private messages = 0;
  private bytes = 0;
  private dialTimer: ReturnType<typeof setTimeout> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  /** What is asked for again on each connection. */
  private limits: Extract<Request, { op: 'limit' }> | null = null;
  private watching = false;
  /** The gateway's last error that was of no request: where it closes for good, it is why. */
  private refusal: TickwireError | null = null;

  /** @internal */
  constructor(urls: string | readonly string[], options: ClientOptions) {
    const { codec = 'msgpack', reconnect = {}, random = Math.random } = options;
    if (codec !== 'msgpack' && codec !== 'json') throw ownError('bad-option', 'codec is msgpack or json');
    this.Socket = options.WebSocket ?? defaultWebSocket();
    this.codec = codec === 'json' ? jsonCodec : msgpackCodec;
    this.endpoints = new Endpoints(urls, reconnect, random);
    const release = ({ channel, symbol, group }: TopicName) => this.stream?.release(channel, symbol, group);
    const receivedUs = () => this.receivedUs;
    this.switchboard = new Switchboard(this.requests, this.endpoints, this.events, receivedUs, release);
    // Not yet: listeners that are attached right after hear of it too.
    this.dialTimer = setTimeout(() => this.dial(), 0);
  }

  get state(): ClientState {
    return this.phase;
  }

  get lag(): Lag {
    return this.meter.lag;
  }

  get counters(): ClientCounters {
    const { messages, bytes, switchboard } = this;
    const { gaps, overflowed } = switchboard;
    return { reconnects: Math.max(0, this.opened - 1), messages, bytes, gaps, overflowed, ...switchboard.totals() };
  }

  /** @returns a function that takes the listener away. */
  on<K extends keyof ClientEvents>(event: K, listener: (event: ClientEvents[K]) => void): () => void {
    return this.events.on(event, listener);
  }

  /** Throws a TickwireError `already-subscribed` where this client has that subscription. */
  book(symbol: string, wishes: BookWishes = {}): BookSubscription {
    this.guard();
    return this.switchboard.add(new StateLine('book', symbol, wishes, this.switchboard, bookState));
  }

  /** As `book`. */
  quote(symbol: string, wishes: Wishes = {}): QuoteSubscription {
    this.guard();
    return this.switchboard.add(new StateLine('quote', symbol, wishes, this.switchboard, quoteState));
  }

  /** As `book`. What is known of the market itself: halted, for example. */
  status(symbol: string, wishes: Wishes = {}): StatusSubscription {
    this.guard();
    return this.switchboard.add(new StateLine('status', symbol, wishes, this.switchboard, statusState));
  }

  /** As `book`. */
  trades(symbol: string, wishes: TradeWishes = {}): TradeSubscription {
    this.guard();
    return this.switchboard.add(new TradeLine(symbol, wishes, this.switchboard));
  }

  /** How this client is to be served from now on, on later connections too; what is left out stays. */
  limit(wishes: { readonly maxBytesPerSec?: number; readonly topOfBook?: boolean }): Promise<AckFrame> {
    return this.request({ ...wishes, op: 'limit' }) as Promise<AckFrame>;
  }

  /**
   * Any request that is not a subscription. It waits for the connection. A `limit`, and `instruments` with `watch`, are repeated on
   * each later connection. Rejects with the TickwireError of a refusal, or `connection-lost`.
   */
  request(request: Request): Promise<AckFrame | PongFrame> {
    return new Promise((resolve, reject) => {
      if (this.phase === 'closed') return reject(ownError('closed'));
      if (!['instruments', 'limit', 'resync', 'demo', 'ping'].includes(request.op)) {
        return reject(ownError('bad-option', `${String(request.op)}: subscribe with book, quote, trades or status`));
      }
      const done = (frame: AckFrame | PongFrame) => {
        if (request.op === 'limit') this.limits = { ...this.limits, ...request };
        if (request.op === 'instruments') this.watching = request.watch === true;
        resolve(frame);
      };
      this.requests.ask({ ...request }, { done, failed: reject });
    });
  }

  /** Cuts the connection as a network does, to see what comes of it: the client notices the loss and comes back by itself. */
  cut(): void {
    this.transport?.drop('cut');
  }

  /** Ends the connection and all subscriptions, for good. */
  close(): void {
    if (this.phase === 'closed') return;
    this.finish(null);
  }

  private guard(): void {
    if (this.phase === 'closed') throw ownError('closed');
  }

  private dial(): void {
    this.turn('connecting', null);
    if (this.phase === 'closed') return;
    const before = this.stream;
    const handlers: StreamHandlers = { ...this.switchboard.handlers, ...this.controls };
    this.stream = new ClientStream(this.codec, (message) => this.send(message), handlers);
    if (before !== null) this.stream.carry(before);
    try {
      this.transport = new Transport(this.Socket, this.endpoints.current, this.codec.subprotocol, {
        message: (data) => this.receive(data),
        closed: (code, reason) => this.lost(code, reason),
      });
    } catch (error) {
      // The constructor of a WebSocket refuses what is no address, or what the page may not reach.
      this.finish(ownError('bad-option', `${this.endpoints.current}: ${(error as Error).message}`));
    }
  }

  private readonly controls: StreamHandlers = {
    welcome: (frame) => this.welcomed(frame),
    ack: (frame) => this.requests.answered(frame),
    error: (frame) => this.complained(frame),
    pong: (frame) => {
      if (!this.meter.pong(frame)) return this.requests.answered(frame);
      this.events.emit('lag', this.meter.lag);
      if (this.switchboard.round()) this.ping();
    },
    heartbeat: (frame) => {
      this.meter.heartbeat(frame);
      this.events.emit('lag', this.meter.lag);
    },
    pace: ({ pace, priority, intervalMs, reason }) => this.events.emit('pace', { pace, priority, intervalMs, reason }),
    instrument: ({ type: _type, ...instrument }) => this.events.emit('instrument', instrument),
  };

  private welcomed(frame: WelcomeFrame): void {
    if (frame.version !== PROTOCOL_VERSION) return this.finish(ownError('unsupported-protocol', frame.version));
    this.welcome = frame;
    this.opened += 1;
    this.openedMs = performance.now();
    this.refusal = null;
    const stream = this.stream!;
    this.requests.open(stream);
    if (this.limits !== null) stream.request(this.limits);
    if (this.watching) stream.instruments(true);
    this.switchboard.open(frame.limits);
    this.pingTimer = setInterval(() => this.ping(), PING_INTERVAL_MS);
    this.watchSilence(frame.limits.heartbeatMs * SILENT_HEARTBEATS + SILENT_EXTRA_MS);
    this.ping();
    this.turn('open', null);
  }

  private complained(frame: ErrorFrame): void {
    if (this.requests.refused(frame)) return;
    this.refusal = refusalOf(frame);
    this.events.emit('error', { error: this.refusal });
  }

  private ping(): void {
    this.meter.sent(this.stream!.ping());
  }

  private send(message: Uint8Array): void {
    this.transport?.send(this.codec.binary ? message : new TextDecoder().decode(message));
  }

  private receive(data: Uint8Array | string): void {
    this.heardMs = performance.now();
    this.receivedUs = systemClock.nowUs();
    this.messages += 1;
    this.bytes += data.length;
    try {
      if (typeof data === 'string' && this.codec.binary) return this.plain(data);
      const frames = this.stream!.receive(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      const newest = frames.findLast((frame) => 'gatewayUs' in frame);
      if (newest !== undefined && 'gatewayUs' in newest) this.meter.data(newest.gatewayUs, this.receivedUs);
    } catch (error) {
      this.events.emit('error', { error: ownError('bad-frame', (error as Error).message) });
      this.transport?.drop('what came can not be used');
    }
  }

  /** A gateway that knows none of the client's subprotocols says so as JSON before it closes. */
  private plain(text: string): void {
    const frame = JSON.parse(text) as ErrorFrame;
    if (frame.type === 'error') this.complained(frame);
  }

  /** Whoever says nothing for that long is gone, whatever the socket believes. */
  private watchSilence(silentMs: number): void {
    const look = () => {
      const leftMs = this.heardMs + silentMs - performance.now();
      if (leftMs > 0) this.silenceTimer = setTimeout(look, leftMs);
      // Much too late: this process stood still, and what came meanwhile is read after the timers.
      else if (leftMs < -SILENT_EXTRA_MS && !late) {
        late = true;
        this.silenceTimer = setTimeout(look, SILENT_EXTRA_MS);
      } else this.transport?.drop(`nothing heard for ${Math.round(silentMs - leftMs)} ms`);
    };
    let late = false;
    this.silenceTimer = setTimeout(look, silentMs);
  }

  private lost(code: number, reason: string): void {
    this.hangUp();
    const why = `${code === 1006 ? 'lost' : `close code ${code}`}${reason === '' ? '' : `: ${reason}`}`;
    if (code === CloseCode.unsupportedProtocol)
      return this.finish(this.refusal ?? ownError('unsupported-protocol', why));
    if (code >= FOR_GOOD) return this.finish(this.refusal ?? ownError('closed-for-good', why));
    if (this.openedMs > 0 && performance.now() - this.openedMs >= LASTED_MS) this.endpoints.lasted();
    this.openedMs = 0;
    this.dialTimer = setTimeout(() => this.dial(), this.endpoints.advance());
    this.turn('waiting', why);
  }

  private hangUp(): void {
    this.transport = null;
    clearTimeout(this.dialTimer);
    clearTimeout(this.silenceTimer);
    clearInterval(this.pingTimer);
    this.meter.reset();
    this.switchboard.lose();
    this.requests.lose();
  }

  private finish(error: TickwireError | null): void {
    this.phase = 'closed';
    this.transport?.close();
    this.switchboard.close(error);
    this.requests.lose(error ?? ownError('closed'));
    this.hangUp();
    if (error !== null) this.events.emit('error', { error });
    this.turn('closed', error?.message ?? null);
  }

  private turn(state: ClientState, reason: string | null): void {
    this.phase = state;
    this.events.emit('state', { state, endpoint: this.endpoints.current, reason });
  }
}

/**
 * Connects to a gateway, or to one of several: where one is lost, the next is tried. The client keeps a Node process alive until
 * `close`. Throws a TickwireError `bad-option` or `no-websocket`.
 */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  return new Client(urls, options);
}
