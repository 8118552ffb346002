// Owns the watch over a subject's connections while some clients do not read: ten times a second what is queued for all,
// and what is on its way to those that stalled. subject.ts runs it in the measured process.
// Invariant: of a connection that was closed the last figures before it count.

/** What one connection says of itself; Tickwire's own `Connection` is one. */
export interface Gauge {
  readonly closed: boolean;
  /** Everything ever sent to the client, WebSocket headers included. */
  readonly sentBytes: number;
  /** Bytes that wait in the server's process. */
  readonly queuedBytes: number;
  /** Sent and not answered by the peer; null where nothing is asked. */
  readonly unansweredBytes: number | null;
  /** What may be unanswered; null where there is no bound. */
  readonly windowBytes: number | null;
}

/** Of one stalled client. */
export interface WatchedClient {
  readonly client: number;
  readonly sentBytes: number;
  readonly unansweredBytesMax: number | null;
  readonly queuedBytesMax: number;
  /** The largest of the samples. */
  readonly windowBytesMax: number | null;
  readonly closed: boolean;
}

export interface WatchReport {
  readonly stalled: readonly WatchedClient[];
  /** The most that waited for one connection, and for all together. */
  readonly queuedBytesMax: number;
  readonly queuedBytesTotalMax: number;
  /** The largest window of any connection; null where there are none. */
  readonly windowBytesMax: number | null;
  /** Closes from the server's side, by reason. */
  readonly closes: Readonly<Record<string, number>>;
}

export interface Watched {
  gauges(): Iterable<Gauge>;
  closes(): Readonly<Record<string, number>>;
}

const SAMPLE_INTERVAL_MS = 100;

export class Watch {
  private readonly stalled: { -readonly [Key in keyof WatchedClient]: WatchedClient[Key] }[];
  private queuedBytesMax = 0;
  private queuedBytesTotalMax = 0;
  private windowBytesMax: number | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly subject: Watched,
    private readonly stalledGauges: readonly (readonly [client: number, gauge: Gauge])[],
  ) {
    this.stalled = stalledGauges.map(([client]) => ({
      ...{ client, sentBytes: 0, queuedBytesMax: 0, closed: false },
      ...{ unansweredBytesMax: null, windowBytesMax: null },
    }));
  }

  begin(): void {
    this.sample();
    this.timer = setInterval(() => this.sample(), SAMPLE_INTERVAL_MS);
  }

  end(): WatchReport {
    clearInterval(this.timer);
    this.sample();
    const { stalled, queuedBytesMax, queuedBytesTotalMax, windowBytesMax } = this;
    return { stalled, queuedBytesMax, queuedBytesTotalMax, windowBytesMax, closes: this.subject.closes() };
  }

  sample(): void {
    let totalBytes = 0;
    for (const { queuedBytes, windowBytes } of this.subject.gauges()) {
      totalBytes += queuedBytes;
      this.queuedBytesMax = Math.max(this.queuedBytesMax, queuedBytes);
      this.windowBytesMax = larger(this.windowBytesMax, windowBytes);
    }
    this.queuedBytesTotalMax = Math.max(this.queuedBytesTotalMax, totalBytes);
    for (const [index, [, gauge]] of this.stalledGauges.entries()) {
      const seen = this.stalled[index]!;
      seen.closed = gauge.closed;
      if (gauge.closed) continue;
      seen.sentBytes = gauge.sentBytes;
      seen.queuedBytesMax = Math.max(seen.queuedBytesMax, gauge.queuedBytes);
      seen.unansweredBytesMax = larger(seen.unansweredBytesMax, gauge.unansweredBytes);
      seen.windowBytesMax = larger(seen.windowBytesMax, gauge.windowBytes);
    }
  }
}

function larger(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
