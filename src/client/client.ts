// Owns a client: one connection at a time to one of several gateways, and its subscriptions, which outlive connections.
// Users make one with `connect`. Invariant: until `close`, or a close code that says so, it comes back by itself; no subscription is lost.

import {
  type AckFrame,
  type ErrorFrame,
  type PongFrame,
  PROTOCOL_VERSION,
  type RefusedFrame,
  type WelcomeFrame,
} from '../protocol/frames.ts';
import { msgpackCodec, type NamedCodec } from './codecs.ts';
import { Endpoints } from './endpoints.ts';
import { ownError, refusalOf, type TickwireError } from './error.ts';
import { type ClientEvents, type ClientState, Emitter, type Lag, type TopicName } from './events.ts';
import type { StreamHandlers } from './held.ts';
import { NO_LAG } from './lag.ts';
import { Link } from './link.ts';
import type { ClientCounters, ClientOptions, Request } from './options.ts';
import { Requests } from './requests.ts';
import { type Identity, Session } from './session.ts';
import { bookState, quoteState, statusState } from './state.ts';
import { StateLine } from './state-line.ts';
import type { ClientStream } from './stream.ts';
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
import { type Timer, timer } from './timer.ts';
import { TradeLine } from './trade-line.ts';
import { defaultWebSocket, type WebSocketConstructor } from './transport.ts';

/** The credential has run out; and from here on close codes say that coming back does not help. */
const EXPIRED = 4005;
const FOR_GOOD = 4500;
/** Refusals that concern one gateway, not what the client is. */
const FULL: readonly string[] = ['too-many-connections', 'busy', 'draining'];

/** A client of one gateway at a time, and its subscriptions, which outlive connections. Made by `connect`. */
export class Client {
  /** What the gateway said of itself; null before the first connection. */
  welcome: WelcomeFrame | null = null;
  private phase: ClientState = 'connecting';
  private readonly events = new Emitter<ClientEvents>();
  private readonly requests = new Requests();
  private readonly endpoints: Endpoints;
  private readonly session: Session;
  private readonly switchboard: Switchboard;
  private readonly codec: NamedCodec;
  private readonly Socket: WebSocketConstructor;
  /** The connection that was welcomed, and the attempt to get the next one: for a moment there may be both. */
  private link: Link | null = null;
  private attempt: Link | 'begun' | null = null;
  /** Of the last connection that was welcomed. */
  private stream: ClientStream | null = null;
  /** The gateway has said goodbye. */
  private leaving = false;
  private opened = 0;
  private messages = 0;
  private bytes = 0;
  private dialTimer: Timer;
  /** What is asked for again on each connection. */
  private limits: Extract<Request, { op: 'limit' }> | null = null;
  private watching = false;
  /** The gateway's last error that was of no request: where it closes for good, it is why. */
  private refusal: TickwireError | null = null;

  /** @internal */
  constructor(urls: string | readonly string[], options: ClientOptions, json?: NamedCodec) {
    const { codec = 'msgpack', reconnect = {}, random = Math.random } = options;
    const known = { msgpack: msgpackCodec, json }[codec];
    if (known === undefined) throw ownError('bad-option', 'codec is msgpack, or in Node json');
    this.Socket = options.WebSocket ?? defaultWebSocket();
    this.codec = known;
    this.endpoints = new Endpoints(urls, reconnect, random);
    const release = ({ channel, symbol, group }: TopicName) => this.stream?.release(channel, symbol, group);
    const receivedUs = () => this.link!.receivedUs;
    this.session = new Session(options.credential, {
      authenticate: (credential) =>
        new Promise((done, failed) => this.requests.ask({ op: 'auth', credential }, { done, failed })),
      failed: (error) => this.events.emit('error', { error }),
    });
    this.switchboard = new Switchboard(this.requests, this.endpoints, this.events, receivedUs, release);
    // Not yet: listeners that are attached right after hear of it too.
    this.dialTimer = setTimeout(() => this.dial(), 0);
  }

  get state(): ClientState {
    return this.phase;
  }

  get lag(): Lag {
    return this.link?.meter.lag ?? NO_LAG;
  }

  /** Who the gateway takes the client for; null: anonymous, or not connected. */
  get identity(): Identity | null {
    return this.session.identity;
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
    this.link?.drop('cut');
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
    if (this.link === null) this.turn('connecting', null);
    if (this.phase === 'closed' || this.attempt !== null) return;
    this.attempt = 'begun';
    this.session.credential().then(
      (credential) => this.connect(credential),
      (error: TickwireError) => {
        this.events.emit('error', { error });
        this.ended(null, error.message, () => this.endpoints.advance());
      },
    );
  }

  private connect(credential: string | null): void {
    if (this.phase === 'closed') return;
    const frames: StreamHandlers = {
      ...this.switchboard.handlers,
      ...this.controls,
      welcome: (frame) => this.welcomed(link, frame),
      refused: (frame) => this.turnedAway(link, frame),
    };
    let link: Link;
    try {
      link = new Link(this.Socket, this.endpoints.current, this.codec, credential, frames, {
        received: (bytesCount) => {
          this.messages += 1;
          this.bytes += bytesCount;
        },
        broke: (error) => this.events.emit('error', { error }),
        lost: (code, reason) => this.lost(link, code, reason),
      });
      this.attempt = link;
    } catch (error) {
      // The constructor of a WebSocket refuses what is no address, or what the page may not reach.
      this.finish(ownError('bad-option', `${this.endpoints.current}: ${(error as Error).message}`));
    }
  }

  private readonly controls: StreamHandlers = {
    ack: (frame) => this.requests.answered(frame),
    error: (frame) => this.complained(frame),
    pong: (frame) => {
      const { link } = this;
      if (!link!.meter.pong(frame)) return this.requests.answered(frame);
      this.events.emit('lag', this.lag);
      if (this.switchboard.round()) link!.ping();
    },
    heartbeat: (frame) => {
      this.link!.meter.heartbeat(frame);
      this.events.emit('lag', this.lag);
    },
    pace: ({ type: _type, ...pace }) => this.events.emit('pace', pace),
    instrument: ({ type: _type, ...instrument }) => this.events.emit('instrument', instrument),
    goodbye: ({ type: _type, ...goodbye }) => {
      this.leaving = true;
      clearTimeout(this.dialTimer);
      this.dialTimer = timer(goodbye.reconnectMs, () => {
        this.dialTimer = timer(this.endpoints.hurry(), () => this.dial());
      });
      this.events.emit('goodbye', goodbye);
    },
    token: ({ token }) => {
      this.session.token = token;
    },
    identity: (frame) => {
      const { link } = this;
      this.session.identified(frame, (timeUs) => link!.msUntil(timeUs));
    },
  };

  /** From here on this is the connection. One that was to be left is left now, and what it has brought is continued from. */
  private welcomed(link: Link, frame: WelcomeFrame): void {
    // One that was given up, or was welcomed already.
    if (link !== this.attempt) return;
    if (frame.version !== PROTOCOL_VERSION) return this.finish(ownError('unsupported-protocol', frame.version));
    this.link?.close();
    this.hangUp();
    this.link = link;
    this.attempt = null;
    this.welcome = frame;
    this.opened += 1;
    this.refusal = null;
    const { stream } = link;
    if (this.stream !== null) stream.carry(this.stream);
    this.stream = stream;
    link.start(frame);
    this.requests.open(stream);
    const { token } = this.session;
    this.session.token = null;
    // What can't be resumed is asked for anew in any case.
    const ignored = () => {};
    if (token !== null) {
      this.requests.ask({ op: 'resume', token, subscriptions: false }, { done: ignored, failed: ignored });
    }
    if (this.limits !== null) stream.request(this.limits);
    if (this.watching) stream.instruments(true);
    this.requests.catchUp();
    this.switchboard.open(frame.limits);
    // Its pong says that all of this was heard.
    link.ping();
    this.turn('open', null);
  }

  private complained(frame: ErrorFrame): void {
    if (this.requests.refused(frame)) return;
    this.refusal = refusalOf(frame);
    this.events.emit('error', { error: this.refusal });
  }

  private turnedAway(link: Link, frame: RefusedFrame): void {
    const { code, retryAfterMs } = frame;
    const error = refusalOf(frame);
    if (retryAfterMs === null) return this.finish(error);
    link.close();
    this.events.emit('error', { error });
    this.ended(link, error.message, () => this.endpoints.defer(retryAfterMs, FULL.includes(code)));
  }

  private lost(link: Link, code: number, reason: string): void {
    const { endpoints } = this;
    const why = `${code === 1006 ? 'lost' : `close code ${code}`}${reason === '' ? '' : `: ${reason}`}`;
    const expired = code === EXPIRED;
    if (code >= FOR_GOOD || (expired && !this.session.renews)) {
      return this.finish(this.refusal ?? ownError('closed-for-good', why));
    }
    if (link.lasted) endpoints.lasted();
    const hurries = expired || (link === this.link && this.leaving);
    this.ended(link, why, () => (hurries ? endpoints.hurry() : endpoints.advance()));
  }

  /** A connection is over, or an attempt to get one; null: one that lacked a credential. */
  private ended(link: Link | null, why: string, waitMs: () => number): void {
    if (this.phase === 'closed') return;
    if (link !== null && link === this.link) this.hangUp();
    else this.attempt = null;
    // Another connection may be on its way, or stand.
    if (this.attempt === null) {
      clearTimeout(this.dialTimer);
      this.dialTimer = timer(waitMs(), () => this.dial());
    }
    if (this.link === null) this.turn(this.attempt === null ? 'waiting' : 'connecting', why);
  }

  private hangUp(): void {
    this.link = null;
    this.leaving = false;
    clearTimeout(this.dialTimer);
    this.session.lose();
    this.switchboard.lose();
    this.requests.lose();
  }

  private finish(error: TickwireError | null): void {
    this.phase = 'closed';
    const { link, attempt } = this;
    link?.close();
    if (attempt instanceof Link) attempt.close();
    this.attempt = null;
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
