// Owns a client of many books that goes from gateway to gateway, with what it holds or with nothing, and how long it takes until it is
// whole. The mover's process runs it. Invariant: while it is measured messages are only kept and looked through; afterwards each is
// decoded and applied, and a book that is not exact is a fault.

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

/** What one connection brought. */
interface Visit {
  readonly messages: Uint8Array[];
  wholeUs: number;
}

export class Mover {
  private readonly symbols: readonly string[];
  private readonly bookBySymbol: ReadonlyMap<string, number>;
  private readonly held: HeldBook[];
  /** By port: topic ids are the gateway's own. */
  private readonly readers = new Map<number, TickwireReader>();
  private readonly arrivals = new Arrivals();
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
    const healed = this.apply(visit.messages, order, faults);
    const bytes = visit.messages.reduce((sum, message) => sum + message.length, 0);
    return { type: 'moved', wholeUs: visit.wholeUs, bytes, token, healed, ...faults.told() };
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

  /** Resolves when every book is whole, with everything that came until then. */
  private visit(order: MoveOrder, faults: FaultList): Promise<Visit> {
    return new Promise((resolve) => {
      const { port, resume } = order;
      const reader = this.readers.get(port) ?? new TickwireReader(this.bookBySymbol);
      this.readers.set(port, reader);
      // By book: what it holds; nothing, where it is to begin anew.
      const seqs = this.held.map(({ local }) => (resume ? local.seq : 0));
      const lacking = new Set(seqs.keys());
      const messages: Uint8Array[] = [];
      let askedUs = 0;
      const over = (): void => {
        clearTimeout(timer);
        link.reset();
        resolve({ messages, wholeUs: nowUs() - askedUs });
      };
      const lost = (why: string): void => {
        faults.add(why);
        over();
      };
      const timer = setTimeout(() => lost(`${lacking.size} books are not whole`), WHOLE_MS_MAX);
      const ask = (): void => {
        const request = packed(this.request(resume));
        askedUs = nowUs();
        link.send(request);
      };
      const message = (bytes: Uint8Array, start: number, end: number): void => {
        messages.push(Uint8Array.from(bytes.subarray(start, end)));
        const { arrivals } = this;
        reader.read(bytes, start, end, arrivals);
        for (let at = 0; at < arrivals.count; at++) {
          const book = arrivals.topics[at]!;
          if (arrivals.fromSeqs[at]! <= seqs[book]! && arrivals.seqs[at]! > seqs[book]!) lacking.delete(book);
          if (arrivals.fromSeqs[at] === 0) lacking.delete(book);
        }
        if (lacking.size === 0) over();
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

  /** Brings the books up to what came, and sees how each did. */
  private apply(messages: readonly Uint8Array[], { resume }: MoveOrder, faults: FaultList): Healed {
    const decoder = msgpackCodec.decoder();
    const outcome = new Outcome(this.held.length);
    if (!resume) for (const { local } of this.held) local.reset();
    const topics = new Map<number, number>();
    for (const frame of messages.flatMap((message) => decoder.decode(message))) {
      if (frame.type === 'token') this.token = frame.token;
      if (frame.type === 'topic') this.introduce(frame, topics);
      const book = 'topic' in frame ? topics.get(frame.topic) : undefined;
      if (book !== undefined) outcome.take(book, frame);
      if (frame.type === 'book' && book !== undefined) {
        const how = this.held[book]!.local.apply(frame);
        if (how !== 'applied') faults.add(`${this.symbols[book]} at ${frame.seq}: ${how}`);
      }
      const fault = faultOf(frame);
      if (fault !== null) faults.add(fault);
    }
    return outcome.healed();
  }

  private introduce({ topic, symbol, epoch }: Extract<Frame, { type: 'topic' }>, topics: Map<number, number>): void {
    const book = this.bookBySymbol.get(symbol)!;
    topics.set(topic, book);
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
