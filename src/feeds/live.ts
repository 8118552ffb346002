// Owns a venue's live feed: connects, subscribes, publishes what the adapter reads, and heals whatever breaks.
// `tickwire serve --feed` runs one per venue. Invariant: it ends when it is aborted and not before, whatever the venue
// does, and what was lost is asked for until it is held.

import type { BookSnapshot } from '../market/update.ts';
import type { Timer } from '../ports/clock.ts';
import type { Fault } from '../protocol/errors.ts';
import type { Status } from '../protocol/frames.ts';
import type { FeedEvent, LiveRules, VenueSession } from './feed.ts';
import { Ingest, type Ingested } from './ingest.ts';
import { LiveBooks } from './live-books.ts';
import { type Failed, LiveDocuments } from './live-document.ts';
import { Healing } from './live-healing.ts';
import { LIVE_LIMITS, type LiveLimits } from './live-limits.ts';
import { LiveLink } from './live-link.ts';
import type { LiveFeedOptions } from './live-options.ts';
import { waitUntil } from './pacing.ts';
import { isMendedByBook } from './restatement.ts';

/** One connection and what hangs on it. */
interface Connection {
  readonly session: VenueSession;
  readonly link: LiveLink;
  readonly documents: LiveDocuments;
  /** Messages that were not read yet, oldest first. */
  readonly waiting: string[];
  reading: boolean;
  subscribed: boolean;
  /** The end of patience with the first question. */
  patience: Timer | null;
}

export class LiveFeed {
  readonly counts = {
    connects: 0,
    disconnects: 0,
    /** Books lost while connected: gaps, wrong checksums, refusals. */
    resyncs: 0,
    /** Resubscriptions and fetched snapshots because of them, or because nothing had come. */
    asks: 0,
    documentsFailed: 0,
    messages: 0,
    /** Messages that were left out, whole or in part. */
    ignored: 0,
    complaints: 0,
    /** Books whose status said `source-down`. */
    sourceDowns: 0,
  };
  readonly ingest: Ingest;
  private readonly rules: LiveRules;
  private readonly limits: LiveLimits;
  private readonly random: () => number;
  /** The venue's symbols, by Tickwire's. */
  private readonly venueSymbols: ReadonlyMap<string, string>;
  private readonly books: LiveBooks;
  private readonly healing: Healing;
  /** What was said in the log and need not be said again. */
  private readonly said = new Set<string>();
  private connection: Connection | null = null;
  private downTimer: Timer | null = null;

  /** @throws RangeError where the venue has no live feed. */
  constructor(private readonly options: LiveFeedOptions) {
    const { venue, venueSymbols, prefix, url, target, log, clock, timers, random = Math.random } = options;
    if (venue.live === null) throw new RangeError(`${venue.name} has no live feed`);
    this.rules = venue.live.rules(url);
    this.limits = { ...LIVE_LIMITS, ...options.limits };
    this.random = random;
    const told = (symbol: string, refused: Fault): void => {
      // A bus that is gone refuses all symbols alike.
      const complaint = refused.code === 'bus-down' ? refused.code : `${symbol} ${refused.code}`;
      if (this.isNew(complaint))
        log.tell('feed.refused', { ...this.names, symbol, code: refused.code, reason: refused.message });
    };
    const restate = (symbol: string): BookSnapshot | null => this.bookOf(symbol);
    const onRestated = (symbol: string): void => this.restated(symbol);
    this.ingest = new Ingest(target, told, { restate, onRestated, timers });
    this.venueSymbols = new Map(venueSymbols.map((symbol) => [prefix + venue.symbolOf(symbol), symbol]));
    this.books = new LiveBooks({
      venueSymbols: this.venueSymbols,
      prefix,
      doubt: (symbol, doubted) => target.bus.doubt(symbol, doubted),
      say: (symbol, status, reason) => this.say(symbol, status, reason),
    });
    const { asksPerMinMax, answerMsMax, settledMs } = this.limits;
    const ask = (symbol: string): void => this.ask(symbol);
    this.healing = new Healing({ clock, timers, random, asksPerMinMax, answerMsMax, settledMs, ask });
  }

  /** Tickwire's symbols. */
  get symbols(): string[] {
    return [...this.venueSymbols.keys()];
  }

  /** Runs until aborted; does not reject. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, timers } = this.options;
    const { backoffMinMs, backoffMaxMs, settledMs } = this.limits;
    this.books.loseAll();
    for (let attempts = 0; !signal.aborted; attempts++) {
      const openedAtMs = clock.nowMs();
      const reason = await this.connect(signal);
      if (signal.aborted) break;
      if (clock.nowMs() - openedAtMs >= settledMs) attempts = 0;
      const delayMs = Math.round(this.random() * Math.min(backoffMaxMs, backoffMinMs * 2 ** attempts));
      this.options.log.tell('feed.lost', { ...this.names, reason, delayMs });
      await waitUntil(clock.nowMs() + delayMs, { clock, timers, signal });
    }
    this.downTimer?.cancel();
    this.ingest.stop();
    this.books.release();
  }

  /** For the log. */
  private get names(): { feed: string; url: string } {
    return { feed: this.options.venue.name, url: this.rules.url };
  }

  /** One connection, from its begin to its end. @returns why it ended. */
  private async connect(signal: AbortSignal): Promise<string> {
    const { venue, clock, timers } = this.options;
    const over = new AbortController();
    const stop = (): void => this.connection?.link.end('the feed was stopped');
    const reason = await new Promise<string>((ended) => {
      const link = new LiveLink({
        rules: this.rules,
        clock,
        timers,
        messageBytesMax: this.limits.messageBytesMax,
        opened: () => this.opened(),
        message: (text) => this.receive(text),
        ended,
      });
      const documents = new LiveDocuments({ clock, timers, signal: over.signal }, this.limits.documentBytesMax);
      const session = venue.open({ verify: false });
      this.connection = { session, link, documents, waiting: [], reading: false, subscribed: false, patience: null };
      signal.addEventListener('abort', stop, { once: true });
    });
    signal.removeEventListener('abort', stop);
    over.abort();
    this.closed();
    return reason;
  }

  private opened(): void {
    const { rules, connection } = this;
    if (connection === null) return;
    this.counts.connects += 1;
    this.options.log.tell('feed.connected', this.names);
    const prelude = rules.prelude([...this.venueSymbols.values()]);
    if (prelude === null) return this.subscribe(connection);
    if (prelude.kind === 'document') return void this.readPrelude(connection, prelude.url);
    const { answerMsMax } = this.limits;
    connection.patience = this.options.timers.after(answerMsMax, () => {
      connection.link.end(`the first question was not answered within ${answerMsMax} ms`);
    });
    connection.link.send([prelude.message]);
  }

  private async readPrelude(connection: Connection, url: string): Promise<void> {
    const failed = await this.readDocument(connection, url);
    if (this.connection !== connection) return;
    if (failed === null) this.subscribe(connection);
    else connection.link.end(failed.failed);
  }

  private subscribe(connection: Connection): void {
    const { rules } = this;
    connection.patience?.cancel();
    connection.subscribed = true;
    connection.link.send(rules.subscribe([...this.venueSymbols.values()]));
    for (const [symbol, venueSymbol] of this.venueSymbols) {
      const url = rules.snapshotUrl(venueSymbol);
      if (url === null) this.healing.asked(symbol);
      else void this.readSnapshot(symbol, url);
    }
  }

  /** Everything is lost until the next connection has brought it. */
  private closed(): void {
    this.connection?.patience?.cancel();
    this.connection = null;
    this.counts.disconnects += 1;
    this.healing.stop();
    this.books.loseAll();
    this.downTimer ??= this.options.timers.after(this.limits.downAfterMs, () => {
      this.downTimer = null;
      this.counts.sourceDowns += this.books.sourceDown(`${this.options.venue.name} is not connected`);
    });
  }

  /** Messages are read one after the other, so that nothing follows a change before the bus has taken that. */
  private receive(text: string): void {
    const { connection } = this;
    if (connection === null) return;
    connection.waiting.push(text);
    if (connection.waiting.length === this.limits.waitingMessagesMax) connection.link.pause();
    if (!connection.reading) void this.drain(connection);
  }

  private async drain(connection: Connection): Promise<void> {
    const { link, waiting } = connection;
    connection.reading = true;
    while (this.connection === connection && waiting.length > 0) {
      await this.read(connection, waiting.shift()!);
      if (waiting.length === this.limits.waitingMessagesMax >> 1) link.resume();
    }
    connection.reading = false;
  }

  private async read(connection: Connection, text: string): Promise<void> {
    const { session } = connection;
    const ignoredBefore = session.counts.ignored;
    this.counts.messages += 1;
    try {
      const events = session.read(text);
      this.counts.ignored += session.counts.ignored - ignoredBefore;
      if (events.length === 0) this.complained(text);
      const admitted = this.admit(events);
      const done = admitted.length === 0 ? [] : await this.ingest.message(admitted);
      if (this.connection !== connection) return;
      this.published(done);
      if (connection.patience === null || connection.subscribed) return;
      const prelude = this.rules.prelude([...this.venueSymbols.values()]);
      if (prelude?.kind === 'message' && prelude.isAnswer(text)) this.subscribe(connection);
    } catch (error) {
      this.failed(error);
    }
  }

  /** What is of use, under Tickwire's names. */
  private admit(events: readonly FeedEvent[]): FeedEvent[] {
    const admitted: FeedEvent[] = [];
    for (const event of events) {
      const named = this.books.admit(event);
      if (named === null) continue;
      admitted.push(named);
      if (named.kind === 'resync') this.lose(named.symbol, named.reason);
    }
    return admitted;
  }

  private published(done: readonly Ingested[]): void {
    for (const { event, published } of done) {
      const { kind } = event.update;
      if (kind !== 'snapshot' && kind !== 'delta') continue;
      if (!('refused' in published)) {
        if (this.books.arrived(event)) this.found(event.symbol);
      } else if (!isMendedByBook(published.refused)) {
        // Who refuses a change holds another book than the venue from then on.
        this.connection?.session.forget?.(this.unprefixed(event.symbol));
        this.lose(event.symbol, `refused: ${published.refused.code}`);
      } else if (kind === 'snapshot') {
        // The venue has answered, and the bus is told as soon as it takes it.
        this.healing.found(event.symbol);
      }
    }
  }

  private found(symbol: string): void {
    this.healing.found(symbol);
    this.downTimer?.cancel();
    this.downTimer = null;
  }

  /** What the adapter holds, where nobody doubts that it is the venue's. */
  private bookOf(symbol: string): BookSnapshot | null {
    return this.books.isLost(symbol) ? null : (this.connection?.session.book(this.unprefixed(symbol)) ?? null);
  }

  /** The bus has the book that it lacked: maybe the one that was arriving. */
  private restated(symbol: string): void {
    if (this.books.restated(symbol)) this.found(symbol);
  }

  private unprefixed(symbol: string): string {
    return symbol.slice(this.options.prefix.length);
  }

  private lose(symbol: string, reason: string): void {
    if (this.books.lose(symbol)) {
      this.counts.resyncs += 1;
      this.options.log.tell('feed.book-lost', { ...this.names, symbol, reason });
    }
    this.healing.lose(symbol);
  }

  /** In the way in which this venue states a book anew. */
  private ask(symbol: string): void {
    const venueSymbol = this.venueSymbols.get(symbol)!;
    const messages = this.rules.resubscribe(venueSymbol);
    const url = this.rules.snapshotUrl(venueSymbol);
    this.counts.asks += 1;
    if (messages !== null) this.connection?.link.send(messages);
    if (url !== null) void this.readSnapshot(symbol, url);
    else if (messages === null) this.connection?.link.end(`only a new connection brings ${symbol} anew`);
  }

  private async readSnapshot(symbol: string, url: string): Promise<void> {
    const { connection } = this;
    if (connection === null) return;
    const failed = await this.readDocument(connection, url, () => this.healing.asked(symbol));
    if (failed === null || this.connection !== connection) return;
    this.options.log.tell('feed.no-snapshot', { ...this.names, symbol, reason: failed.failed });
    this.healing.lose(symbol, this.options.clock.nowMs() + failed.retryAfterMs);
  }

  /** @returns null where the session has read it, or where the connection is over. */
  private async readDocument(connection: Connection, url: string, begun = (): void => {}): Promise<Failed | null> {
    const fetched = await connection.documents.fetch(url, begun);
    if (this.connection !== connection) return null;
    const failed = 'failed' in fetched ? fetched : this.readBody(url, fetched.body);
    if (failed !== null) this.counts.documentsFailed += 1;
    return failed;
  }

  private readBody(url: string, body: string): Failed | null {
    const message = this.options.venue.messageOf?.(url, body) ?? null;
    if (message === null) return { failed: `${url} answers with what says nothing of a market`, retryAfterMs: 0 };
    this.receive(message);
    return null;
  }

  private say(symbol: string, status: Status, reason: string | null): void {
    const update = { kind: 'status', status, reason } as const;
    this.ingest
      .message([{ kind: 'update', symbol, update, exchangeUs: null, checksum: null }])
      .catch((error: unknown) => this.failed(error));
  }

  private complained(text: string): void {
    const complaint = this.rules.complaint(text);
    if (complaint === null) return;
    this.counts.complaints += 1;
    if (this.isNew(complaint)) this.options.log.tell('feed.complaint', { ...this.names, complaint });
  }

  /** Whether to log it: a venue repeats itself, and what repeats is counted anyway. */
  private isNew(complaint: string): boolean {
    if (this.said.has(complaint) || this.said.size >= this.limits.complaintsMax) return false;
    this.said.add(complaint);
    return true;
  }

  /** A bug of ours: a new connection begins with nothing of it. */
  private failed(error: unknown): void {
    this.options.log.tell('feed.failed', { ...this.names, error });
    this.connection?.link.end('the feed failed');
  }
}
