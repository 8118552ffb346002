// Owns a client of many books that goes from gateway to gateway, with what it holds or with nothing, and how long it takes until it is
// whole. The mover's process runs it. Invariant: every message is decoded and applied as it comes, as a client does that wants books
// rather than bytes, and a book that is not exact is a fault.

import { LocalBook } from '../../../src/client/local-book.ts';
import { packed } from '../../../src/client/packer.ts';
import { msgpackCodec } from '../../../src/protocol/codecs.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { nowUs } from '../clock.ts';
import { symbolOf } from '../redis/books.ts';
import { Arrivals, TickwireReader } from '../tickframes.ts';
import { FaultList } from './faults.ts';
import { Link } from './link.ts';
import type { FromMover, Healed, MoveOrder, Target } from './messages.ts';
import { isWelcome } from './welcome.ts';

const WHOLE_MS_MAX = 20_000;
const ALL_HEALED: Healed = { replayed: 0, diffed: 0, snapshot: 0 };

/** What it holds of one book, over all of its connections. */
interface HeldBook {
  readonly local: LocalBook;
  epoch: number;
}

/** What one connection brought, and the time from its request until the last book was whole. */
interface Visit {
  readonly wholeUs: number;
  readonly bytes: number;
  readonly healed: Healed;
}

export class Mover {
  private readonly symbols: readonly string[];
  private readonly bookBySymbol: ReadonlyMap<string, number>;
  private readonly held: HeldBook[];
  private token: string | null = null;
  private leftMs = 0;

  constructor(books: number) {
    this.symbols = Array.from({ length: books }, (_, book) => symbolOf(book));
    this.bookBySymbol = new Map(this.symbols.map((symbol, book) => [symbol, book]));
    this.held = this.symbols.map(() => ({ local: new LocalBook(), epoch: 0 }));
  }

  /** Resolves when that client was sent something of every book. */
  watch(target: Target): Promise<FromMover> {
    return new Promise((resolve, reject) => {
      const waiting = new Set(this.symbols.keys());
      const reader = new TickwireReader(this.bookBySymbol);
      const arrivals = new Arrivals();
      const link: Link = this.connect(target, () => link.send(packed(this.subscribe(false))), {
        message: (bytes, start, end) => {
          if (waiting.size === 0) return;
          reader.read(bytes, start, end, arrivals);
          for (let at = 0; at < arrivals.count; at++) waiting.delete(arrivals.topics[at]!);
          if (waiting.size === 0) resolve({ type: 'watching' });
        },
        lost: (why) => reject(new Error(`the other client lost its gateway: ${why}`)),
      });
    });
  }

  async move(order: MoveOrder): Promise<FromMover> {
    const faults = new FaultList();
    const waitMs = this.leftMs + order.awayMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const token = order.resume && this.token !== null;
    const visit = await this.visit(order, faults);
    this.leftMs = performance.now();
    return { type: 'moved', token, ...visit, ...faults.told() };
  }

  private connect(
    target: Target,
    welcomed: () => void,
    holder: { message(bytes: Uint8Array, start: number, end: number): void; lost(why: string): void },
  ): Link {
    let first = true;
    return new Link(target, {
      message: (bytes, start, end) => {
        if (first && !isWelcome(bytes, start, end)) throw new Error('the first message was not a welcome');
        if (first) welcomed();
        first = false;
        holder.message(bytes, start, end);
      },
      lost: holder.lost,
    });
  }

  /** Resolves when every book is whole. */
  private visit(order: MoveOrder, faults: FaultList): Promise<Visit> {
    return new Promise((resolve) => {
      const { resume } = order;
      if (!resume) for (const { local } of this.held) local.reset();
      const taking = new Taking(this.held, this.bookBySymbol, faults);
      let [askedUs, bytes] = [0, 0];
      const over = (): void => {
        clearTimeout(timer);
        const wholeUs = nowUs() - askedUs;
        link.reset();
        this.token = taking.token ?? this.token;
        resolve({ wholeUs, bytes, healed: taking.healed() });
      };
      const lost = (why: string): void => {
        faults.add(why);
        over();
      };
      const timer = setTimeout(() => lost(`${taking.lacking.size} books are not whole`), WHOLE_MS_MAX);
      const ask = (): void => {
        const request = packed(this.request(resume));
        askedUs = nowUs();
        link.send(request);
      };
      const message = (buffer: Uint8Array, start: number, end: number): void => {
        bytes += end - start;
        taking.take(buffer.subarray(start, end));
        if (taking.lacking.size === 0) over();
      };
      const link: Link = this.connect(order, ask, { message, lost });
    });
  }

  /** The one place that says how it comes: anew, with its cursors, or with its token too where the gateway gave it one. */
  private request(resume: boolean): object {
    if (!resume || this.token === null) return this.subscribe(resume);
    const entries = Object.entries(this.cursors()).map(([symbol, cursor]) => [`book:${symbol}`, cursor]);
    return { op: 'resume', id: 1, token: this.token, cursors: Object.fromEntries(entries) };
  }

  private subscribe(resume: boolean): object {
    const cursor = resume ? { cursor: this.cursors() } : {};
    return { op: 'subscribe', id: 1, channel: 'book', symbols: this.symbols, ...cursor };
  }

  private cursors(): Record<string, { epoch: number; seq: number; depth: number }> {
    const cursors = this.held.map(({ epoch, local: { seq } }, book) => [this.symbols[book]!, { epoch, seq, depth: 0 }]);
    return Object.fromEntries(cursors);
  }
}

/** Takes in what one connection brings: the books up to date, each with how it came. */
class Taking {
  token: string | null = null;
  /** Books of which nothing new has come yet. */
  readonly lacking: Set<number>;
  private readonly decoder = msgpackCodec.decoder();
  private readonly topics = new Map<number, number>();
  private readonly fromSeqs: readonly number[];
  private readonly outcome: Outcome;

  constructor(
    private readonly held: readonly HeldBook[],
    private readonly bookBySymbol: ReadonlyMap<string, number>,
    private readonly faults: FaultList,
  ) {
    this.fromSeqs = held.map(({ local }) => local.seq);
    this.lacking = new Set(held.keys());
    this.outcome = new Outcome(held.length);
  }

  take(message: Uint8Array): void {
    for (const frame of this.decoder.decode(message)) {
      if (frame.type === 'token') this.token = frame.token;
      if (frame.type === 'topic') this.introduce(frame);
      const book = 'topic' in frame ? this.topics.get(frame.topic) : undefined;
      if (book !== undefined) this.outcome.take(book, frame);
      if (frame.type === 'book' && book !== undefined) this.apply(book, frame);
      const fault = faultOf(frame);
      if (fault !== null) this.faults.add(fault);
    }
  }

  healed(): Healed {
    return this.outcome.healed();
  }

  private apply(book: number, frame: Extract<Frame, { type: 'book' }>): void {
    const { local } = this.held[book]!;
    const how = local.apply(frame);
    if (how !== 'applied') this.faults.add(`book ${book} at ${frame.seq}: ${how}`);
    if (local.seq > this.fromSeqs[book]!) this.lacking.delete(book);
  }

  private introduce({ topic, symbol, epoch }: Extract<Frame, { type: 'topic' }>): void {
    const book = this.bookBySymbol.get(symbol)!;
    this.topics.set(topic, book);
    this.held[book]!.epoch = epoch;
  }
}

/** How each book came: as the gateway says, or, where it says nothing, by whether it began anew. */
class Outcome {
  private readonly said: (keyof Healed | null)[];

  constructor(books: number) {
    this.said = new Array<keyof Healed | null>(books).fill(null);
  }

  take(book: number, frame: Frame): void {
    if (frame.type === 'healed') this.said[book] = frame.how === 'other' ? null : frame.how;
    else if (frame.type === 'reset') this.said[book] = 'snapshot';
    else if (frame.type === 'book') this.said[book] ??= frame.fromSeq === 0 ? 'snapshot' : 'diffed';
  }

  healed(): Healed {
    const sums = { ...ALL_HEALED };
    for (const how of this.said) if (how !== null) sums[how] += 1;
    return sums;
  }
}

function faultOf(frame: Frame): string | null {
  if (frame.type === 'error' || frame.type === 'refused') return `${frame.code}: ${frame.message}`;
  if (frame.type === 'ack' && frame.refused.length > 0) return `${frame.refused[0]!.symbol}: ${frame.refused[0]!.code}`;
  return frame.type === 'gap' || frame.type === 'end' ? `a frame ${frame.type}` : null;
}
