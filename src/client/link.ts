// Owns one connection: its transport, its stream, what is measured on it, and the look-out for silence. The client makes one for
// each attempt. Invariant: `lost` is heard once, and nothing after it; nothing at all is heard after `close`.

import { systemClock } from '../ports/clock.ts';
import type { ErrorFrame, WelcomeFrame } from '../protocol/frames.ts';
import type { NamedCodec } from './codecs.ts';
import { ownError, type TickwireError } from './error.ts';
import type { StreamHandlers } from './held.ts';
import { LagMeter } from './lag.ts';
import { ClientStream } from './stream.ts';
import { Transport, type WebSocketConstructor } from './transport.ts';

export interface LinkHandlers {
  received(bytesCount: number): void;
  /** What came breaks the protocol; the connection is lost next. */
  broke(error: TickwireError): void;
  lost(code: number, reason: string): void;
}

const PING_INTERVAL_MS = 5_000;
/** A connection that lasted this long begins a new series of attempts when it is lost. */
const LASTED_MS = 5_000;
/** Heartbeats that may stay away, and what the link may add. */
const SILENT_HEARTBEATS = 2;
const SILENT_EXTRA_MS = 1_000;
/** Topics of which one ping says what is held, and the bytes of a request that each needs at most. */
const HELD_PER_PING_MAX = 256;
const HELD_BYTES = 32;
/** What can be a subprotocol (a token of RFC 7230), and is short enough for the limits that servers set to headers. */
const FITS_SUBPROTOCOL = /^[!#$%&'*+.^_`|~\w-]{1,2048}$/;

export class Link {
  readonly stream: ClientStream;
  readonly meter = new LagMeter();
  /** When the message that is being read arrived. */
  receivedUs = 0;
  private readonly transport: Transport;
  private heardMs = 0;
  private startedMs = Number.POSITIVE_INFINITY;
  /** The gateway's clock less this process's, that of `performance`. */
  private offsetMs = 0;
  /** Topics of which a ping says what is held; and of how many it was said in this round. */
  private toldMax = 0;
  private told = 0;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;

  /** @throws where the WebSocket refuses the address */
  constructor(
    Socket: WebSocketConstructor,
    url: string,
    private readonly codec: NamedCodec,
    credential: string | null,
    private readonly frames: StreamHandlers,
    private readonly handlers: LinkHandlers,
  ) {
    const { binary, subprotocol } = codec;
    const send = (message: Uint8Array) => this.transport.send(binary ? message : new TextDecoder().decode(message));
    this.stream = new ClientStream(codec, send, frames);
    // A subprotocol costs no round trip, browsers can offer it, and nobody logs it as they do addresses.
    const fits = credential !== null && FITS_SUBPROTOCOL.test(credential);
    this.transport = new Transport(Socket, url, fits ? [subprotocol, `tickwire.bearer.${credential}`] : [subprotocol], {
      // The id is one that no other request has: connections may be two for a moment. Who must say who it is and has nothing to say
      // hears so at once.
      opened: () =>
        fits || this.stream.request(credential === null ? { op: 'ping', id: 0 } : { op: 'auth', id: 0, credential }),
      message: (data) => this.receive(data),
      closed: (code, reason) => {
        this.rest();
        handlers.lost(code, reason);
      },
    });
  }

  /** Whether its loss is a new trouble. */
  get lasted(): boolean {
    return performance.now() - this.startedMs >= LASTED_MS;
  }

  /** Milliseconds until the gateway's clock says so. */
  msUntil(timeUs: number): number {
    return timeUs / 1_000 - this.offsetMs - performance.now();
  }

  /** It was welcomed: what is sent from now on is paced; it is pinged now and then, and watched. */
  start({ timeUs, limits }: WelcomeFrame): void {
    const { requestBytes, heartbeatMs, silentMs, requestsPerSec } = limits;
    this.startedMs = performance.now();
    this.offsetMs = timeUs / 1_000 - this.startedMs;
    if (requestsPerSec !== undefined) this.transport.perSecMax = Math.max(1, requestsPerSec);
    if (silentMs !== undefined) this.toldMax = Math.min(HELD_PER_PING_MAX, requestBytes / HELD_BYTES);
    this.pingTimer = setInterval(() => this.ping(), PING_INTERVAL_MS);
    this.watchSilence(
      Math.min(silentMs ?? Number.POSITIVE_INFINITY, heartbeatMs * SILENT_HEARTBEATS + SILENT_EXTRA_MS),
    );
  }

  ping(): void {
    this.meter.sent(this.stream.ping(this.toldMax === 0 ? {} : this.report()));
  }

  /** Says goodbye. */
  close(): void {
    this.rest();
    this.transport.close();
  }

  /** Gives it up, as lost. */
  drop(reason: string): void {
    this.transport.drop(reason);
  }

  /** How late the client is and what it holds, for those who look after the gateway: some topics each time, in turn. */
  private report(): { lagMs?: number; held: number[] } {
    const { latencyMs } = this.meter.lag;
    const end = this.told + this.toldMax;
    const held = [...this.stream.held.values()].slice(this.told, end).flatMap(({ topic, seq }) => [topic.topic, seq]);
    this.told = end < this.stream.held.size ? end : 0;
    return latencyMs === null ? { held } : { lagMs: Math.round(latencyMs), held };
  }

  private receive(data: Uint8Array | string): void {
    this.heardMs = performance.now();
    this.receivedUs = systemClock.nowUs();
    this.handlers.received(data.length);
    try {
      if (typeof data === 'string' && this.codec.binary) return this.plain(data);
      const frames = this.stream.receive(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      const newest = frames.findLast((frame) => 'gatewayUs' in frame);
      if (newest !== undefined && 'gatewayUs' in newest) this.meter.data(newest.gatewayUs, this.receivedUs);
    } catch (error) {
      this.handlers.broke(ownError('bad-frame', (error as Error).message));
      this.drop('what came can not be used');
    }
  }

  /** A gateway that knows none of the client's subprotocols says so as JSON before it closes. */
  private plain(text: string): void {
    const frame = JSON.parse(text) as ErrorFrame;
    if (frame.type === 'error') this.frames.error?.(frame);
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
      } else this.drop(`nothing heard for ${Math.round(silentMs - leftMs)} ms`);
    };
    let late = false;
    this.silenceTimer = setTimeout(look, silentMs);
  }

  private rest(): void {
    clearTimeout(this.silenceTimer);
    clearInterval(this.pingTimer);
  }
}
