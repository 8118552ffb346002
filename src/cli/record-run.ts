// Owns one run of `tickwire record`: its connection to the gateway, what it subscribes to, and how it ends. The command makes one.
// Invariant: the file is whole up to its last block whatever ends the run, and a lost connection is in it, not beside it.

import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientStream, Held, StreamHandlers } from '../client/stream.ts';
import { readInstrument } from '../gateway/http.ts';
import type { Instrument } from '../market/instrument.ts';
import type { AckFrame, Channel, ChannelFrame, InstrumentFrame, Refused } from '../protocol/frames.ts';
import { Recorder } from '../recording/recorder.ts';
import { packageVersion } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { type Credential, credentialOf, headersOf, refusalSentence, shownOf } from './credential.ts';
import { type Endpoints, usualEndpoints } from './flags.ts';
import { fetchInstruments } from './instruments.ts';
import { type Interrupt, onInterrupt } from './interrupt.ts';
import { Link, TurnedAway } from './link.ts';
import { countsText, showCounts } from './record-counts.ts';
import type { Denials } from './record-denials.ts';

/** How long a lost gateway is waited for before it is tried again: twice as long each time. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;

export interface RecordOptions {
  readonly url?: Endpoints;
  readonly credential?: string;
  readonly symbols: readonly string[];
  readonly channels: readonly Channel[];
  readonly out: string;
  /** Microseconds. */
  readonly duration?: number;
  readonly json?: boolean;
}

export class RecordRun {
  private readonly url: Endpoints;
  private readonly credential: Credential;
  private readonly wanted: ReadonlySet<string> | null;
  private readonly subscribed = new Set<string>();
  private readonly definitions = new Map<string, Instrument>();
  private recorder!: Recorder;
  private link: Link | null = null;
  /** Subscribe requests of this connection that were not answered yet, by their ids. */
  private readonly unanswered = new Map<number, Channel>();
  private announced = false;
  private perRequest = 1;
  private reconnects = 0;
  private finish: (failure: Complaint | null) => void = () => {};
  private readonly finished = new Promise<Complaint | null>((resolve) => {
    this.finish = resolve;
  });

  constructor(
    private readonly options: RecordOptions,
    private readonly denials: Denials,
  ) {
    this.url = options.url ?? usualEndpoints();
    this.credential = credentialOf(options.credential);
    this.wanted = options.symbols.length === 0 ? null : new Set(options.symbols);
  }

  async run(): Promise<number> {
    const interrupt = onInterrupt();
    interrupt.signal.addEventListener('abort', () => this.finish(null), { once: true });
    try {
      await this.define();
      this.recorder = await this.create();
      return await this.record(interrupt);
    } finally {
      interrupt.stop();
    }
  }

  private async record(interrupt: Interrupt): Promise<number> {
    const { recorder, options } = this;
    const timer =
      options.duration === undefined ? undefined : setTimeout(() => this.finish(null), options.duration / 1_000);
    const counts = showCounts(recorder);
    const over = new AbortController();
    const signal = AbortSignal.any([interrupt.signal, over.signal]);
    let failure: Complaint | null = null;
    try {
      // Null: it was to end before it began.
      if ((await this.connect(null, signal)) !== null) {
        void this.stayConnected(signal);
        failure = await this.finished;
      }
    } catch (error) {
      if (!(error instanceof Complaint)) throw error;
      failure = error;
    } finally {
      clearTimeout(timer);
      over.abort();
      counts.stop();
      this.link?.close();
      this.link = null;
      await recorder.close().catch((error: unknown) => {
        failure ??= new Complaint(`${options.out} can't be written to its end: ${messageOf(error)}`);
      });
    }
    if (failure !== null) {
      // Nothing was recorded yet: the next try may have the name.
      if (!this.announced) await rm(options.out, { force: true });
      throw failure;
    }
    const { out, json = false } = options;
    process.stdout.write(countsText(recorder, { out, reconnects: this.reconnects, json }));
    return ExitCode.done;
  }

  /** What is listed. @throws Complaint where something that is asked for is not. */
  private async define(): Promise<void> {
    for (const entry of await fetchInstruments(this.url.http, this.credential)) {
      const instrument = readInstrument(entry, entry.symbol);
      if (typeof instrument !== 'string' && this.wants(entry.symbol)) this.definitions.set(entry.symbol, instrument);
    }
    const missing = [...(this.wanted ?? [])].filter((symbol) => !this.definitions.has(symbol));
    if (missing.length === 0) return;
    throw new Complaint(
      `${this.url.http} does not list ${missing.join(', ')}: \`tickwire instruments\` shows what it does`,
    );
  }

  private async create(): Promise<Recorder> {
    const { out, channels } = this.options;
    const { timeUs } = (await this.ask('/v1/time')) as { timeUs: number };
    const symbols = this.wanted === null ? null : [...this.wanted];
    const description = { createdUs: timeUs, software: `tickwire/${packageVersion()}`, channels, symbols };
    const full = (error: unknown): void => this.finish(new Complaint(`${out} can't be written: ${messageOf(error)}`));
    try {
      return await Recorder.create(out, description, timeUs, full);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why = code === 'EEXIST' ? 'it is there already; name another' : messageOf(error);
      throw new Complaint(`${out} can't be written: ${why}`, code === 'EEXIST' ? ExitCode.misused : ExitCode.failed);
    }
  }

  private async ask(path: string): Promise<unknown> {
    const response = await fetch(`${this.url.http}${path}`, { headers: headersOf(shownOf(this.credential)) });
    return response.json();
  }

  /** Opens a connection and subscribes; with the one before, from where that stood. Null: the signal came first. */
  private async connect(earlier: ClientStream | null, signal: AbortSignal): Promise<Link | null> {
    const { credential } = this;
    const waiting = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
    const link = await Link.arrive(this.url.stream, this.handlers(), { credential, signal, waiting });
    if (link === null) return null;
    this.link = link;
    if (earlier !== null) link.stream.carry(earlier);
    this.subscribed.clear();
    this.unanswered.clear();
    this.subscribe([...this.definitions.keys()], earlier);
    link.stream.instruments(true);
    return link;
  }

  private async stayConnected(signal: AbortSignal): Promise<void> {
    let newest: ClientStream | null = null;
    for (let link = this.link; link !== null; link = await this.reconnect(newest, signal)) {
      const reason = await link.ended;
      if (this.link === null) return;
      // One that broke off before it was told anything has no cursors to go on from.
      if (newest === null || link.stream.held.size > 0) newest = link.stream;
      this.recorder.connection('lost');
      const { refusal } = link;
      const why = refusal === null ? reason : refusalSentence(refusal);
      process.stderr.write(`the connection to ${this.url.stream} was lost: ${why}; it is tried again\n`);
    }
  }

  private async reconnect(earlier: ClientStream, signal: AbortSignal): Promise<Link | null> {
    for (
      let waitMs = RETRY_MS_MIN;
      this.link !== null && !signal.aborted;
      waitMs = Math.min(RETRY_MS_MAX, 2 * waitMs)
    ) {
      await delay(waitMs * Math.random(), null, { signal }).catch(() => null);
      if (signal.aborted) return null;
      const link = await this.connect(earlier, signal).catch((error: unknown) => {
        // Trying again does not help.
        if (error instanceof TurnedAway) this.finish(error);
        return null;
      });
      if (link === null) continue;
      this.reconnects += 1;
      this.recorder.connection('back');
      process.stderr.write(`connected to ${this.url.stream} again\n`);
      return link;
    }
    return null;
  }

  private subscribe(symbols: readonly string[], earlier: ClientStream | null): void {
    const { link, recorder, perRequest } = this;
    for (const symbol of symbols) {
      this.subscribed.add(symbol);
      recorder.instrument(this.definitions.get(symbol)!);
    }
    for (let from = 0; from < symbols.length; from += perRequest) {
      const some = symbols.slice(from, from + perRequest);
      for (const channel of this.options.channels) {
        const cursors = some.map((symbol) => [symbol, earlier?.cursor(channel, symbol)] as const);
        const cursor = Object.fromEntries(cursors.filter((each): each is [string, Cursor] => each[1] !== undefined));
        if (link !== null) this.unanswered.set(link.stream.subscribe(channel, some, { mode: 'raw', cursor }), channel);
      }
    }
  }

  private handlers(): StreamHandlers {
    const take = (held: Held, frame: ChannelFrame): void => {
      this.recorder.frame(held, frame);
      if (this.recorder.congested) this.hold();
    };
    return {
      welcome: ({ limits }) => {
        this.perRequest = limits.symbolsPerRequest;
      },
      topic: (held) => this.recorder.topic(held),
      book: (held, _book, frame) => take(held, frame),
      quote: take,
      trade: take,
      status: take,
      gap: (held, frame) => this.recorder.gap(held, frame),
      reset: (held, frame) => this.recorder.reset(held, frame),
      end: (held, frame) => {
        const { channel, symbol } = held.topic;
        this.recorder.end(held, frame);
        if (frame.reason !== 'revoked') return void this.subscribed.delete(symbol);
        this.denials.deny(channel, symbol);
        if (this.unanswered.size === 0) this.sayDenials();
      },
      instrument: (frame) => void this.changed(frame),
      error: (refused) => this.finish(new Complaint(`the gateway refused: ${refusalSentence(refused)}`)),
      ack: (frame) => this.answered(frame),
    };
  }

  private answered({ id, accepted, refused }: AckFrame): void {
    const channel = this.unanswered.get(id);
    if (channel === undefined) return;
    this.unanswered.delete(id);
    if (accepted.length > 0) this.denials.grant(channel);
    for (const each of refused) this.refused(channel, each);
    if (this.unanswered.size === 0 && this.sayDenials()) this.announce();
  }

  /** @returns whether what is left is worth it. */
  private sayDenials(): boolean {
    try {
      const sentence = this.denials.take();
      if (sentence !== null) process.stderr.write(`${sentence}\n`);
      return true;
    } catch (error) {
      this.finish(error as Complaint);
      return false;
    }
  }

  /** The disk is slower than the market: the gateway is left to merge what this client can't take. */
  private hold(): void {
    const { link } = this;
    link?.pause();
    const resume = (): void => link?.resume();
    this.recorder.settled().then(resume, resume);
  }

  /** A symbol that a restarted gateway has not listed yet is taken up when it does. */
  private refused(channel: Channel, refused: Refused): void {
    const { symbol, code } = refused;
    if (code === 'not-entitled') return this.denials.deny(channel, symbol);
    this.subscribed.delete(symbol);
    if (code === 'unknown-symbol') process.stderr.write(`${symbol} is not listed now; it is taken up when it is\n`);
    else this.finish(new Complaint(`the gateway refused ${symbol}: ${refusalSentence(refused)}`));
  }

  /** Says it when every subscription was answered: from here on nothing is missed. */
  private announce(): void {
    if (this.announced) return;
    this.announced = true;
    const { out, json, duration } = this.options;
    const ending = duration === undefined ? 'Ctrl-C ends it' : 'Ctrl-C ends it before its time';
    const what = `recording ${this.subscribed.size} symbols of ${this.url.http} into ${out}; ${ending}`;
    (json === true ? process.stderr : process.stdout).write(`${what}\n`);
  }

  private async changed({ action, symbol }: InstrumentFrame): Promise<void> {
    const known = this.subscribed.has(symbol);
    if (action === 'delisted' || !this.wants(symbol) || (action === 'listed' && known)) return;
    const { link } = this;
    try {
      const instrument = readInstrument(await this.ask(`/v1/instruments/${encodeURIComponent(symbol)}`), symbol);
      if (typeof instrument === 'string' || link !== this.link) return;
      this.definitions.set(symbol, instrument);
      if (this.subscribed.has(symbol)) this.recorder.instrument(instrument);
      else this.subscribe([symbol], null);
    } catch (error) {
      process.stderr.write(`${symbol} was listed and can't be recorded: ${messageOf(error)}\n`);
    }
  }

  private wants(symbol: string): boolean {
    return this.wanted === null || this.wanted.has(symbol);
  }
}

type Cursor = NonNullable<ReturnType<ClientStream['cursor']>>;
