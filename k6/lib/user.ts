// Owns one user of the gateway in k6: its WebSocket, its requests, its audit over all its connections, and what it reports.
// The scenarios tell it what to do. Invariant: every message is audited; what is counted is reported once, two seconds later at most;
// a user that is ended leaves no timer and no socket behind, so that its iteration ends.

import { clearInterval, clearTimeout, setInterval, setTimeout } from 'k6/timers';
import { type MessageEvent, WebSocket } from 'k6/websockets';
import { packed } from '../../src/client/packer.ts';
import {
  type AckFrame,
  type ChannelFrame,
  type Frame,
  type RefusedFrame,
  type StatusFrame,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
  type TopicFrame,
  type WelcomeFrame,
} from '../../src/protocol/frames.ts';
import { JsonDecoder } from '../../src/protocol/json.ts';
import { MsgpackDecoder } from '../../src/protocol/msgpack-decoder.ts';
import type { FaultKind } from './account.ts';
import { Audit } from './audit.ts';
import { authorized } from './market.ts';
import { metrics } from './metrics.ts';
import type { CodecName, Parameters } from './parameters.ts';

type Tags = Readonly<Record<string, string>>;
type Fields = Readonly<Record<string, unknown>>;

/** What a scenario hears of its user. */
export interface UserHandlers {
  welcome?(user: User, welcome: WelcomeFrame): void;
  /** An ack, of a request of the scenario's. */
  ack?(user: User, ack: AckFrame): void;
  /** What is published of an instrument's market: halted, live again. */
  status?(user: User, frame: StatusFrame): void;
  /** A connection of the user's own closing is over. */
  closed?(user: User): void;
}

export interface UserOptions {
  /** From 0; what it speaks and whether it keeps books follows from it. */
  readonly number: number;
  readonly tags?: Tags;
  /** The age of each so many-th delivery is reported. */
  readonly agesEvery?: number;
  /** Ages count from then on: that k6 makes its other users is not to be measured. */
  readonly agesFromMs?: number;
}

/** What audit and metrics call alike. */
const COUNTED = ['deliveries', 'merged', 'overlaps', 'gaps', 'gapped', 'resets'] as const;
const NOTHING: Readonly<Record<(typeof COUNTED)[number], number>> = {
  deliveries: 0,
  merged: 0,
  overlaps: 0,
  gaps: 0,
  gapped: 0,
  resets: 0,
};
const REPORT_MS = 2_000;
/** What comes right after coming back is what was missed: its age says nothing. */
const CATCH_UP_MS = 2_000;
/** A gateway that can't be reached is tried again after that. */
const UNREACHABLE_RETRY_MS = 1_000;
const JITTER_MS = 250;
/** A welcome comes in the same moment as the upgrade. */
const UNWELCOMED_MS = 3_000;
/** Faults that are told in words, of each user. */
const WORDS_MAX = 3;

export class User {
  /** Deliveries over all its connections. */
  deliveries = 0;
  /** Brings its session back on the next connection; null before the first. */
  token: string | null = null;
  private audit: Audit | null = null;
  private socket: WebSocket | null = null;
  private readonly codec: CodecName;
  private reported = { ...NOTHING };
  private readonly timer: number;
  private nextId = 1;
  private wantedMs = 0;
  /** When the first data is awaited, since when; 0: it has come. */
  private firstDataSinceMs = 0;
  private receivedMs = 0;
  private agesFromMs = 0;
  private latestLagMs = 0;
  private clientLagMs = 0;
  private untilAge: number;
  private welcomeTimer = 0;
  private words = 0;
  private state: 'away' | 'dialling' | 'open' | 'leaving' | 'ended' = 'away';

  constructor(
    private readonly parameters: Parameters,
    private readonly options: UserOptions,
    private readonly handlers: UserHandlers,
  ) {
    this.codec = parameters.codecOf(options.number);
    // Users don't all report the age of the same update.
    this.untilAge = options.number % (options.agesEvery ?? 1);
    this.timer = setInterval(() => this.report(), REPORT_MS);
  }

  /** Connects, and again for as long as it is refused for a while. */
  connect(): void {
    this.wantedMs = Date.now();
    this.dial();
  }

  /** Sends a request of proto/frames.md. @returns its id. */
  request(fields: Fields): number {
    const { op, ...rest } = fields;
    const id = this.nextId++;
    const request = { op, id, ...rest };
    this.socket?.send(this.codec === 'msgpack' ? (packed(request).buffer as ArrayBuffer) : JSON.stringify(request));
    return id;
  }

  /** Where it stands in all topics, by their names. */
  cursors(): ReturnType<Audit['cursors']> {
    return this.audit?.cursors() ?? {};
  }

  /** The seq that it holds of a topic; -1 where it holds nothing. */
  held(name: string): number {
    return this.audit?.held(name) ?? -1;
  }

  /** Leaves, to come back: `closed` is told. */
  leave(): void {
    if (this.state !== 'open') return;
    this.state = 'leaving';
    this.socket!.close(1000);
  }

  /** Leaves for good; `served` says whether it got what it was due. */
  end(served?: boolean): void {
    if (this.state === 'ended') return;
    const { state } = this;
    this.report();
    this.state = 'ended';
    clearInterval(this.timer);
    clearTimeout(this.welcomeTimer);
    metrics.audited.add(this.deliveries > 0);
    if (served !== undefined) metrics.served.add(served);
    if (state === 'open' || state === 'dialling') this.socket!.close(1000);
  }

  private dial(): void {
    if (this.state === 'ended') return;
    const { parameters, codec } = this;
    const headers = {
      ...authorized(parameters),
      'Sec-WebSocket-Protocol': codec === 'msgpack' ? SUBPROTOCOL_MSGPACK : SUBPROTOCOL_JSON,
    };
    const socket = new WebSocket(parameters.streamUrl, null, { headers, tags: { name: 'stream' } });
    socket.binaryType = 'arraybuffer';
    const audit = new Audit(codec === 'msgpack' ? new MsgpackDecoder() : new JsonDecoder(), Date.now(), {
      checksums: this.options.number < parameters.checksumShare * parameters.users,
      delivered: (frame) => this.delivered(frame),
      faulted: (kind, about) => this.faulted(kind, about),
    });
    if (this.audit !== null) audit.carry(this.audit);
    this.audit = audit;
    this.reported = { ...NOTHING };
    this.socket = socket;
    this.state = 'dialling';
    this.nextId = 1;
    let retryMs: number | null = UNREACHABLE_RETRY_MS;
    socket.onmessage = (event) => {
      const { data, timestamp } = event as MessageEvent;
      this.receivedMs = timestamp;
      this.latestLagMs = Date.now() - timestamp;
      if (this.latestLagMs > this.clientLagMs) this.clientLagMs = this.latestLagMs;
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data as ArrayBuffer);
      for (const frame of audit.take(bytes, timestamp)) {
        if (frame.type === 'refused') retryMs = this.refused(frame);
        else this.hear(frame);
      }
      this.resync(audit.doubts());
    };
    socket.onopen = () => {
      if (this.socket !== socket || this.state !== 'dialling') return;
      this.welcomeTimer = setTimeout(() => {
        metrics.unwelcomed.add(true);
        socket.close(1000);
      }, UNWELCOMED_MS);
    };
    socket.onclose = () => {
      clearTimeout(this.welcomeTimer);
      if (this.state === 'ended' || this.socket !== socket) return;
      this.over(retryMs);
    };
    // An error is followed by the closing, which is all that is needed.
    socket.onerror = () => undefined;
  }

  /** The connection is over: as asked; or the gateway refused it; or it could not be reached; or it was lost. */
  private over(retryMs: number | null): void {
    const { state } = this;
    this.report();
    this.state = 'away';
    if (state === 'leaving') this.handlers.closed?.(this);
    else if (state === 'open') metrics.lost.add(1, this.options.tags);
    else if (retryMs !== null) setTimeout(() => this.dial(), retryMs + Math.random() * JITTER_MS);
  }

  /** @returns when to try again; null: not at all. */
  private refused({ code, retryAfterMs }: RefusedFrame): number | null {
    metrics.refusals.add(1, { code });
    // One that was served and is sent away was not lost.
    if (this.state === 'open') this.state = 'dialling';
    return retryAfterMs;
  }

  private hear(frame: Frame): void {
    const { handlers } = this;
    const { tags } = this.options;
    switch (frame.type) {
      case 'welcome':
        clearTimeout(this.welcomeTimer);
        metrics.unwelcomed.add(false);
        this.state = 'open';
        this.firstDataSinceMs = Date.now();
        this.agesFromMs = Math.max(this.options.agesFromMs ?? 0, this.receivedMs + CATCH_UP_MS);
        metrics.connectMs.add(this.firstDataSinceMs - this.wantedMs, tags);
        return handlers.welcome?.(this, frame);
      case 'token':
        this.token = frame.token;
        return;
      case 'ack':
        if (frame.op === 'resume') metrics.resumed.add(1);
        return handlers.ack?.(this, frame);
      case 'error':
        this.tell(`error ${frame.code}: ${frame.message}`);
        return;
      case 'healed':
        metrics.healed.add(1, { how: frame.how, why: frame.why });
        metrics.continued.add(frame.how !== 'snapshot');
        return;
      case 'pace':
        metrics.paced.add(1, { pace: frame.pace, reason: frame.reason });
        return;
    }
  }

  private delivered(frame: ChannelFrame): void {
    const { tags, agesEvery = 1 } = this.options;
    this.deliveries += 1;
    if (this.firstDataSinceMs > 0) {
      metrics.firstDataMs.add(this.receivedMs - this.firstDataSinceMs, tags);
      this.firstDataSinceMs = 0;
    }
    if (frame.fromSeq !== 0 && this.receivedMs >= this.agesFromMs && this.untilAge-- <= 0) {
      this.untilAge = agesEvery - 1;
      metrics.deliveryAgeMs.add(this.receivedMs - frame.gatewayUs / 1_000, tags);
      metrics.publishAgeMs.add(this.receivedMs - frame.publishUs / 1_000, tags);
    }
    if (frame.type === 'status') this.handlers.status?.(this, frame);
  }

  private faulted(kind: FaultKind, about: string): void {
    (kind === 'checksum' ? metrics.checksumFaults : metrics.sequenceFaults).add(1, { kind });
    this.tell(`${kind}: ${about}`);
  }

  private tell(text: string): void {
    if (this.words++ < WORDS_MAX) console.warn(`user ${this.options.number}: ${text}`);
  }

  private resync(topics: readonly TopicFrame[]): void {
    if (this.state !== 'open') return;
    for (const { channel, symbol, group } of topics) {
      this.request({ op: 'resync', channel, symbols: [symbol], ...(group === undefined ? {} : { group }) });
    }
  }

  /** Adds what has been counted since the last time: a sample now and then instead of one for each delivery. */
  private report(): void {
    const { audit } = this;
    if (audit === null) return;
    // What waits for its turn in k6 has come: the gateway is not silent because k6 is late.
    if (this.state === 'open') audit.look(Date.now() - this.latestLagMs);
    const { tags } = this.options;
    const { counts } = audit;
    for (const name of COUNTED) {
      const since = counts[name] - this.reported[name];
      if (since > 0) metrics[name].add(since, tags);
      this.reported[name] = counts[name];
    }
    if (this.clientLagMs > 0) metrics.clientLagMs.add(this.clientLagMs);
    this.clientLagMs = 0;
  }
}
