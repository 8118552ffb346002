// Owns what a verification holds books against where the exchange sends no checksums: its own messages, read naively into
// plain maps of decimal strings, which follow the client's book from update to update. The pass tells it of messages, the
// witness asks it. Invariant: nothing here comes from an adapter but the number of its updates, by which states are named.

import type { LocalBook } from '../client/local-book.ts';
import type { Scales, VenueBook } from '../feeds/feed.ts';
import type { Ingested } from '../feeds/ingest.ts';
import type { LadderLevel } from '../market/ladder.ts';
import { formatDecimal } from '../protocol/decimal.ts';

/** What a message does to one book. */
export interface NaiveStep extends VenueBook {
  readonly symbol: string;
  /** The levels are the whole book, not changes of it. */
  readonly whole: boolean;
}

/** A naive reader of one venue's messages. */
export interface NaiveReader {
  /** In the order in which they apply; none for what is not a book's. */
  read(text: string): readonly NaiveStep[];
  /** How often the exchange's word for the best prices was there to compare with what was read, and where it differs. */
  readonly bests: { checked: number; readonly differences: string[] };
}

export interface StateName {
  readonly epoch: number;
  readonly seq: number;
}
interface NamedSteps extends StateName {
  readonly steps: readonly NaiveStep[];
}

/** Decimals that are remembered: most levels of a book are the same from state to state. */
const TEXTS_MAX = 1_000_000;

/** The decimal texts of mantissas at one scale. */
class Texts {
  private readonly byMantissa = new Map<number, string>();

  constructor(private readonly scale: number) {}

  get size(): number {
    return this.byMantissa.size;
  }

  of(mantissa: number): string {
    let text = this.byMantissa.get(mantissa);
    if (text === undefined) {
      text = trimmed(formatDecimal(mantissa, this.scale));
      this.byMantissa.set(mantissa, text);
    }
    return text;
  }
}

/** One symbol's book: where the client is, and the steps from there on. */
class OracleBook {
  private readonly bids = new Map<string, string>();
  private readonly asks = new Map<string, string>();
  private ahead: NamedSteps[] = [];
  /** Steps that no update has told of yet. */
  private untold: NaiveStep[] = [];
  private readonly texts = new Map<number, Texts>();

  get untoldCount(): number {
    return this.untold.length;
  }

  /** The last update of a message states what the message leaves; those before it tell of a step each. */
  message(steps: readonly NaiveStep[], names: readonly StateName[]): void {
    names.forEach((name, index) => {
      const from = Math.max(0, steps.length - names.length + index);
      const to = Math.max(0, steps.length - names.length + index + 1);
      this.untold.push(...steps.slice(index === 0 ? 0 : from, to));
      this.ahead.push({ ...name, steps: this.untold });
      this.untold = [];
    });
    if (names.length === 0) this.untold.push(...steps);
  }

  /** @returns false where there is no such state. */
  moveTo({ epoch, seq }: StateName): boolean {
    const index = this.ahead.findIndex((named) => named.epoch === epoch && named.seq === seq);
    if (index < 0) return false;
    for (const { steps } of this.ahead.splice(0, index + 1)) for (const step of steps) this.apply(step);
    return true;
  }

  /** The first difference in words; null where both hold the same levels. */
  difference(book: LocalBook, { priceScale, sizeScale }: Scales): string | null {
    const texts = { price: this.textsAt(priceScale), size: this.textsAt(sizeScale) };
    return differenceOf('bid', this.bids, book.bids, texts) ?? differenceOf('ask', this.asks, book.asks, texts);
  }

  private textsAt(scale: number): Texts {
    let texts = this.texts.get(scale);
    if (texts === undefined || texts.size > TEXTS_MAX) {
      texts = new Texts(scale);
      this.texts.set(scale, texts);
    }
    return texts;
  }

  private apply({ whole, bids, asks }: NaiveStep): void {
    if (whole) {
      this.bids.clear();
      this.asks.clear();
    }
    set(this.bids, bids);
    set(this.asks, asks);
  }
}

export class Oracle {
  private readonly books = new Map<string, OracleBook>();

  constructor(private readonly reader: NaiveReader) {}

  get bests(): NaiveReader['bests'] {
    return this.reader.bests;
  }

  /** Reads a message of the venue, of which the feed has published these updates. */
  message(text: string, published: readonly Ingested[]): void {
    const steps = this.stepsOf(text);
    const states = published.flatMap(statesOf);
    for (const symbol of new Set([...steps, ...states].map((each) => each.symbol))) {
      this.bookOf(symbol).message(
        steps.filter((each) => each.symbol === symbol),
        states.filter((each) => each.symbol === symbol),
      );
    }
  }

  /** What is wrong with a client's book, null if nothing, undefined where no message of the venue has led to this state. */
  judge(symbol: string, name: StateName, book: LocalBook, scales: Scales): string | null | undefined {
    const oracle = this.bookOf(symbol);
    return oracle.moveTo(name) ? oracle.difference(book, scales) : undefined;
  }

  /** Messages of books that no update has told of, by symbol. */
  untold(): string[] {
    return [...this.books].filter(([, { untoldCount }]) => untoldCount > 0).map(([symbol]) => symbol);
  }

  /** A reader may fail at what is no message of the venue. */
  private stepsOf(text: string): readonly NaiveStep[] {
    try {
      return this.reader.read(text);
    } catch {
      return [];
    }
  }

  private bookOf(symbol: string): OracleBook {
    let book = this.books.get(symbol);
    if (book === undefined) {
      book = new OracleBook();
      this.books.set(symbol, book);
    }
    return book;
  }
}

/** The state of a book that the update led to, if it did. */
function statesOf({ event: { symbol, update }, published }: Ingested): (StateName & { readonly symbol: string })[] {
  const isBook = update.kind === 'delta' || update.kind === 'snapshot';
  return isBook && 'seq' in published ? [{ symbol, ...published }] : [];
}

function set(side: Map<string, string>, levels: VenueBook['bids']): void {
  for (const [price, size] of levels) {
    const name = trimmed(price);
    const held = trimmed(size);
    if (held === '0') side.delete(name);
    else side.set(name, held);
  }
}

function differenceOf(
  side: 'bid' | 'ask',
  expected: ReadonlyMap<string, string>,
  held: readonly LadderLevel[],
  texts: { readonly price: Texts; readonly size: Texts },
): string | null {
  for (const level of held) {
    const price = texts.price.of(level.price);
    const size = texts.size.of(level.size);
    const due = expected.get(price);
    if (due !== size) return `the client has ${side} ${price} with ${size}, the exchange ${due ?? 'none'}`;
  }
  if (expected.size === held.length) return null;
  return `the client has ${held.length} levels of ${side}s, the exchange ${expected.size}`;
}

/** Without zeros at the end: both sides are compared like this. */
function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
