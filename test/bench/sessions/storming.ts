// Owns thousands of clients that follow a few books each, lose their gateway and come back to another by themselves, with what they hold.
// The crowd's process runs it. Invariant: each book of each client goes from one exact state to the next; whatever else happens is a fault.

import { packed } from '../../../src/client/packer.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { symbolOf } from '../redis/books.ts';
import { FaultList } from './faults.ts';
import { type HeardFrame, Hearing } from './hearing.ts';
import { Link, type LinkHolder } from './link.ts';
import type { FinalBook, FromCrowd, StormOrder, Target } from './messages.ts';
import { monotonicUs } from './monotonic.ts';
import { NOTHING, States } from './states.ts';

/** Before the next try, where the gateway did not say when. */
const RETRY_MS = 50;
const GATHER_MS_MAX = 120_000;
const WHOLE_MS_MAX = 60_000;
const SETTLE_MS_MAX = 15_000;

/** A gateway as its clients know it. */
class Place {
  readonly hearing = new Hearing();
  /** What it calls the books. */
  readonly topics = new Map<number, { book: number; epoch: number }>();

  constructor(readonly target: Target) {}
}

export class Storm {
  readonly states = new States();
  readonly faults = new FaultList();
  /** Where clients connect to. */
  place: Place;
  readonly healed: Record<string, number> = {};
  frames = 0;
  private retries = 0;
  private readonly clients: StormClient[];
  private readonly queue: StormClient[] = [];
  private under = 0;
  /** Clients that lack something. */
  private lacking = 0;
  private lostFromUs = 0;
  private welcomedUs = 0;
  private changed: () => void = () => {};

  constructor(private readonly order: StormOrder) {
    const { clients, books, booksPerClient } = order;
    this.place = new Place(order);
    this.clients = Array.from({ length: clients }, (_, client) => {
      const own = Array.from({ length: booksPerClient }, (_each, i) => (client + i) % books);
      return new StormClient(this, client, own);
    });
  }

  async gather(): Promise<FromCrowd> {
    for (const client of this.clients) client.begin();
    await this.until(() => this.lacking === 0, GATHER_MS_MAX, 'is not whole yet');
    return { type: 'gathered', ...this.faults.told() };
  }

  /** From now on clients that lose their gateway go there. */
  shelter(target: Target): FromCrowd {
    this.place = new Place(target);
    return { type: 'sheltered' };
  }

  /** Resolves when all have lost their gateway and are whole again. */
  async storm(): Promise<FromCrowd> {
    const back = (): boolean => this.lacking === 0 && this.clients.every(({ losses }) => losses > 0);
    await this.until(back, WHOLE_MS_MAX, 'has not come back');
    const { lostFromUs, welcomedUs, retries, healed } = this;
    return { type: 'whole', lostFromUs, welcomedUs, wholeUs: monotonicUs(), retries, healed, ...this.faults.told() };
  }

  /** Resolves when all have come to what was published last, with whether that is what they hold. */
  async settle(finals: readonly FinalBook[]): Promise<FromCrowd> {
    const atEnd = (): boolean => !this.clients.some((client) => client.awaits(finals));
    await this.until(atEnd, SETTLE_MS_MAX, null);
    for (const client of this.clients) {
      const fault = client.faultAt(finals);
      if (fault !== null) this.faults.add(fault);
      client.end();
    }
    const { size: states, applied } = this.states;
    return { type: 'settled', frames: this.frames, states, applied, ...this.faults.told() };
  }

  /** The client wants to connect; it is its turn before long. */
  enqueue(client: StormClient): void {
    this.queue.push(client);
    this.next();
  }

  /** A connection was let in, or has failed: another may begin. */
  settled(): void {
    this.under -= 1;
    this.next();
  }

  lost(client: StormClient): void {
    if (this.lostFromUs === 0 && client.losses > 0) this.lostFromUs = monotonicUs();
    this.lacking += 1;
  }

  welcomed(): void {
    this.welcomedUs = monotonicUs();
  }

  whole(): void {
    this.lacking -= 1;
    if (this.lacking === 0) this.changed();
  }

  moved(): void {
    this.changed();
  }

  retry(client: StormClient, afterMs: number): void {
    this.retries += 1;
    setTimeout(() => this.enqueue(client), afterMs);
  }

  private next(): void {
    while (this.under < this.order.inFlight) {
      const client = this.queue.shift();
      if (client === undefined) return;
      this.under += 1;
      client.connect();
    }
  }

  private async until(holds: () => boolean, msMax: number, lacks: string | null): Promise<void> {
    const deadlineMs = performance.now() + msMax;
    while (!holds() && performance.now() < deadlineMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, deadlineMs - performance.now()));
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.changed = () => {};
    if (holds() || lacks === null) return;
    for (const client of this.clients) if (client.lacks) this.faults.add(`client ${client.number} ${lacks}`);
  }
}

class StormClient implements LinkHolder {
  losses = 0;
  private link: Link | null = null;
  /** Where it is connected. */
  private place: Place;
  private welcomed = false;
  private retryAfterMs: number | null = null;
  private token: string | null = null;
  private readonly held: number[];
  private readonly lacked: Set<number>;

  constructor(
    private readonly storm: Storm,
    readonly number: number,
    private readonly books: readonly number[],
  ) {
    this.place = storm.place;
    this.held = books.map(() => NOTHING);
    this.lacked = new Set();
  }

  get lacks(): boolean {
    return this.lacked.size > 0;
  }

  begin(): void {
    this.lack();
    this.storm.enqueue(this);
  }

  connect(): void {
    this.welcomed = false;
    this.retryAfterMs = null;
    this.place = this.storm.place;
    this.link = new Link(this.place.target, this);
  }

  end(): void {
    this.link?.reset();
  }

  lost(): void {
    const { storm } = this;
    this.link = null;
    if (!this.welcomed) {
      storm.settled();
      return storm.retry(this, this.retryAfterMs ?? RETRY_MS);
    }
    this.losses += 1;
    this.lack();
    storm.enqueue(this);
  }

  message(bytes: Uint8Array, start: number, end: number): void {
    try {
      for (const heard of this.place.hearing.read(bytes, start, end)) this.take(heard);
    } catch (error) {
      this.fault(error instanceof Error ? error.message : String(error));
    }
  }

  /** Whether more is to come. */
  awaits(finals: readonly FinalBook[]): boolean {
    return this.books.some((book, place) => {
      const held = this.held[place]!;
      return held === NOTHING || this.storm.states.at(held).seq < finals[book]!.seq;
    });
  }

  /** What is wrong with what it holds, when nothing is published any more; null: nothing. */
  faultAt(finals: readonly FinalBook[]): string | null {
    for (const [place, book] of this.books.entries()) {
      const { seq, checksum, symbol } = finals[book]!;
      const held = this.held[place]!;
      if (held === NOTHING) return `client ${this.number} holds nothing of ${symbol}`;
      const state = this.storm.states.at(held);
      if (state.seq !== seq) return `client ${this.number} ended with ${symbol} at ${state.seq}, the last is ${seq}`;
      if (state.checksum !== checksum) return `client ${this.number} holds a wrong ${symbol} at ${seq}`;
    }
    return null;
  }

  private take({ frame, number }: HeardFrame): void {
    const { storm } = this;
    switch (frame.type) {
      case 'welcome':
        return this.welcome();
      case 'refused':
        this.retryAfterMs = frame.retryAfterMs;
        return;
      case 'token':
        this.token = frame.token;
        return;
      case 'topic':
        this.place.topics.set(frame.topic, {
          book: Number(frame.symbol.slice(symbolOf(0).length - 1)),
          epoch: frame.epoch,
        });
        return;
      case 'healed':
        storm.healed[frame.how] = (storm.healed[frame.how] ?? 0) + 1;
        return this.upToDate(frame.topic);
      case 'book':
        return this.advance({ frame, number });
      default:
        this.judge(frame);
    }
  }

  private welcome(): void {
    this.welcomed = true;
    this.storm.welcomed();
    this.storm.settled();
    this.link?.send(packed(this.comeBack()));
  }

  /** The one place that says how a client comes back: with its token and its cursors, or as far as it has them. */
  private comeBack(): object {
    const cursors = this.cursors();
    if (this.token !== null && this.losses > 0) {
      const named = Object.fromEntries(Object.entries(cursors).map(([symbol, cursor]) => [`book:${symbol}`, cursor]));
      return { op: 'resume', id: 1, token: this.token, cursors: named };
    }
    const symbols = this.books.map(symbolOf);
    return { op: 'subscribe', id: 1, channel: 'book', symbols, ...(this.losses > 0 ? { cursor: cursors } : {}) };
  }

  /** Its token is not good: the connection is, and its cursors are. */
  private goOnWithout(code: string): void {
    this.token = null;
    this.storm.healed[code] = (this.storm.healed[code] ?? 0) + 1;
    this.link?.send(packed(this.comeBack()));
  }

  private cursors(): Record<string, { epoch: number; seq: number; depth: number }> {
    const entries = this.books.flatMap((book, place) => {
      if (this.held[place] === NOTHING) return [];
      const { epoch, seq } = this.storm.states.at(this.held[place]!);
      return [[symbolOf(book), { epoch, seq, depth: 0 }] as const];
    });
    return Object.fromEntries(entries);
  }

  private advance(heard: { frame: Extract<Frame, { type: 'book' }>; number: number }): void {
    const { storm } = this;
    const topic = this.place.topics.get(heard.frame.topic);
    const place = topic === undefined ? -1 : this.books.indexOf(topic.book);
    if (topic === undefined || place < 0) return this.fault(`a frame of topic ${heard.frame.topic}, which it has not`);
    this.held[place] = storm.states.advance(this.held[place]!, topic.book, topic.epoch, heard);
    storm.frames += 1;
    this.complete(topic.book);
    storm.moved();
  }

  /** A cursor is about to be answered: with nothing, where it is the newest there is. */
  private upToDate(id: number): void {
    const { storm } = this;
    const topic = this.place.topics.get(id);
    const place = topic === undefined ? -1 : this.books.indexOf(topic.book);
    if (topic === undefined || place < 0 || this.held[place] === NOTHING) return;
    const { epoch, seq } = storm.states.at(this.held[place]!);
    if (epoch === topic.epoch && seq === storm.states.newestSeq(topic.book, epoch)) this.complete(topic.book);
  }

  private judge(frame: Frame): void {
    if (frame.type === 'ack' && frame.refused.length > 0) this.fault(`refused: ${frame.refused[0]!.code}`);
    else if (frame.type === 'error' && frame.code.endsWith('-token')) this.goOnWithout(frame.code);
    else if (frame.type === 'error') this.fault(`${frame.code}: ${frame.message}`);
    else if (frame.type === 'gap' || frame.type === 'end' || frame.type === 'part') this.fault(`a frame ${frame.type}`);
    // What follows it is a snapshot, whatever was held.
    else if (frame.type === 'reset') this.storm.healed.reset = (this.storm.healed.reset ?? 0) + 1;
  }

  private lack(): void {
    if (this.lacked.size === 0) this.storm.lost(this);
    for (const book of this.books) this.lacked.add(book);
  }

  private complete(book: number): void {
    if (this.lacked.delete(book) && this.lacked.size === 0) this.storm.whole();
  }

  private fault(text: string): void {
    this.storm.faults.add(`client ${this.number}: ${text}`);
  }
}
