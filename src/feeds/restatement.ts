// Owns which books and statuses of a feed the bus lacks, and stating them anew from what the source holds: at once where
// the bus asks for a snapshot, again and again where it does not answer. The ingest calls it, within its turns.
// Invariant: of a book that the bus lacks nothing goes out but the whole of it, and ticks are never sent a second time.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { BookSnapshot, StatusChange, Update } from '../market/update.ts';
import type { Timer, Timers } from '../ports/clock.ts';
import { type ErrorCode, type Fault, fault } from '../protocol/errors.ts';
import type { FeedEvent } from './feed.ts';
import type { FeedUpdate, Sequenced } from './ingest.ts';

type Place = Exclude<Sequenced, { refused: Fault }>;

/** Where books come from when they have to be stated anew. */
export interface RestatementSource {
  /** The symbol's present book, with all that was handed in so far; null where the source has none that it vouches for. */
  restate(symbol: string): BookSnapshot | null;
  readonly timers: Timers;
  /** Told of a book that was stated anew. */
  onRestated?(symbol: string): void;
}

export interface RestatementOptions {
  readonly source: RestatementSource;
  /** Publishes, and does not reject. */
  readonly publish: (events: readonly FeedUpdate[]) => Promise<readonly Sequenced[]>;
  /** Runs it when all that was handed in before has been done. */
  readonly inTurn: (run: () => Promise<void>) => void;
  /** Whether the instrument is listed with the scales of this definition. */
  readonly isListedAs: (definition: InstrumentDefinition) => boolean;
  /** Told of a whole book that was refused for what is in it. */
  readonly onRefused: (symbol: string, refused: Fault) => void;
}

/** What was said of a symbol, and what the bus lacks of it. */
interface Said {
  definition: InstrumentDefinition | null;
  status: StatusChange | null;
  /** Of the newest book update. */
  exchangeUs: number | null;
  /** Whether the bus has had its book. */
  stated: boolean;
  /** The batches up to this one are in the book that was stated anew, at that place. */
  coveredBatch: number;
  coveredBy: Place | null;
  lacksBook: boolean;
  lacksStatus: boolean;
  /** Why, while anything is lacking. */
  fault: Fault | null;
}

/** Pause between attempts: a bus that is back has all books well within a second. */
const RETRY_MS = 250;
/**
 * Books in one call; where none of them is taken the others have to wait for the next attempt. A thousand have all had their turn
 * within a second, and trying costs little.
 */
const CALL_BOOKS_MAX = 256;
/** Prices, sizes and counts in one call: the largest books of real venues have some ten thousand levels. */
const CALL_NUMBERS_MAX = 250_000;
/** Empty changes in one call. */
const PROBES_MAX = 500;

const MENDED_BY_BOOK: ReadonlySet<ErrorCode> = new Set(['needs-snapshot', 'bus-down', 'stale-instrument']);

/** Whether a refusal is over once the book has been stated anew. */
export function isMendedByBook({ code }: Fault): boolean {
  return MENDED_BY_BOOK.has(code);
}

export class Restatement {
  /** Books that were stated anew. */
  restated = 0;
  private readonly said = new Map<string, Said>();
  /** Symbols of which something is lacking; the one that was tried last comes last. */
  private readonly lacking = new Set<string>();
  /** Number of the newest batch that was handed in. */
  private batch = 0;
  /** The bus is back, or has lost a book: it may have lost others of which nothing was said since. */
  private doubtful = false;
  /** Symbols whose books were stated anew in this turn. */
  private readonly fresh = new Set<string>();
  private timer: Timer | null = null;
  private stopped = false;

  constructor(private readonly options: RestatementOptions) {}

  /** Takes note of what is handed in. @returns the number of the batch. */
  hear(batch: readonly (readonly FeedEvent[])[]): number {
    for (const events of batch) {
      for (const event of events) {
        if (event.kind === 'instrument') this.saidOf(event.definition.symbol).definition = event.definition;
        if (event.kind !== 'update') continue;
        if (event.update.kind === 'status') this.saidOf(event.symbol).status = event.update;
        if (isBook(event.update)) this.saidOf(event.symbol).exchangeUs = event.exchangeUs;
      }
    }
    this.batch += 1;
    return this.batch;
  }

  /** What became of updates of a batch that need not go to the bus, one behind the other; null: it has to. */
  instead(events: readonly FeedUpdate[], batch: number): (Sequenced | null)[] {
    const stating = new Set<string>();
    return events.map(({ symbol, update }) => {
      const said = this.said.get(symbol);
      if (said === undefined || !isBook(update)) return null;
      if (batch <= said.coveredBatch) return said.coveredBy;
      if (update.kind === 'snapshot') stating.add(symbol);
      return said.lacksBook && said.fault !== null && !stating.has(symbol) ? { refused: said.fault } : null;
    });
  }

  /** Where the book stands that an update of this batch is in by now; null: in none that was stated anew. */
  coverOf({ symbol, update }: FeedUpdate, batch: number): Sequenced | null {
    const said = this.said.get(symbol);
    return said !== undefined && isBook(update) && batch <= said.coveredBatch ? said.coveredBy : null;
  }

  /** Takes the bus's answers, and states what it asks for. */
  async answered(events: readonly FeedUpdate[], answers: readonly Sequenced[]): Promise<void> {
    const asked = new Set<string>();
    this.fresh.clear();
    events.forEach((event, index) => {
      const answer = answers[index]!;
      this.note(event, answer);
      if ('refused' in answer && answer.refused.code === 'needs-snapshot') asked.add(event.symbol);
    });
    await this.stateAll([...asked].filter((symbol) => this.saidOf(symbol).lacksBook));
    await this.probe();
    this.arm();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private note({ symbol, update }: FeedUpdate, answer: Sequenced): void {
    if (!isBook(update) && update.kind !== 'status') return;
    const said = this.saidOf(symbol);
    if ('refused' in answer) this.noteRefused(symbol, said, update, answer.refused);
    else this.noteTaken(symbol, said, update);
  }

  private noteRefused(symbol: string, said: Said, { kind }: Update, refused: Fault): void {
    if (!isMendedByBook(refused)) return;
    if (kind === 'status') said.lacksStatus = true;
    else {
      if (said.stated && refused.code === 'needs-snapshot') this.doubtful = true;
      said.lacksBook = true;
      said.stated = false;
    }
    said.fault = refused;
    this.lacking.add(symbol);
  }

  private noteTaken(symbol: string, said: Said, { kind }: Update): void {
    if (said.fault?.code === 'bus-down') this.doubtful = true;
    if (kind === 'status') said.lacksStatus = false;
    if (kind === 'snapshot') {
      said.lacksBook = false;
      said.stated = true;
    }
    if (said.lacksBook || said.lacksStatus) return;
    said.fault = null;
    this.lacking.delete(symbol);
  }

  /** Each of them once, as long as the bus answers. */
  private async stateAll(symbols: readonly string[]): Promise<void> {
    for (let from = 0; from < symbols.length; ) {
      // What is handed in from here on is not in these books.
      const { batch } = this;
      const events: FeedUpdate[] = [];
      for (let books = 0, numbers = 0; from < symbols.length && books < CALL_BOOKS_MAX; from++) {
        if (numbers > CALL_NUMBERS_MAX) break;
        const statement = this.statementOf(symbols[from]!);
        for (const { update } of statement)
          if (update.kind === 'snapshot') numbers += update.bids.length + update.asks.length;
        if (statement.length > 0) books += 1;
        events.push(...statement);
      }
      if (events.length > 0 && !(await this.state(events, batch))) return;
    }
  }

  /** @returns false where the bus is down. */
  private async state(events: readonly FeedUpdate[], batch: number): Promise<boolean> {
    const answers = await this.options.publish(events);
    events.forEach((event, index) => {
      const answer = answers[index]!;
      this.note(event, answer);
      if ('refused' in answer) this.failed(event.symbol, answer.refused);
      else if (event.update.kind === 'snapshot') this.covered(event.symbol, batch, answer);
    });
    return answers.some((answer) => !('refused' in answer) || answer.refused.code !== 'bus-down');
  }

  private failed(symbol: string, refused: Fault): void {
    this.saidOf(symbol).fault = refused;
    // Others have their turn before it is tried again.
    this.lacking.delete(symbol);
    this.lacking.add(symbol);
    if (!isMendedByBook(refused)) this.options.onRefused(symbol, refused);
  }

  private covered(symbol: string, batch: number, place: Place): void {
    const said = this.saidOf(symbol);
    said.coveredBatch = batch;
    said.coveredBy = place;
    this.fresh.add(symbol);
    this.restated += 1;
    this.options.source.onRestated?.(symbol);
  }

  /** The book, and behind it the status that is true of it. */
  private statementOf(symbol: string): FeedUpdate[] {
    const { definition, status, exchangeUs, lacksBook, lacksStatus } = this.saidOf(symbol);
    // A book at other scales than the instrument's would be another book.
    const fits = definition === null || this.options.isListedAs(definition);
    const book = lacksBook && fits ? this.bookOf(symbol) : null;
    const events: FeedUpdate[] = [];
    if (book !== null) events.push(eventOf(symbol, book, exchangeUs));
    if (status !== null && (book !== null || lacksStatus)) events.push(eventOf(symbol, status, null));
    return events;
  }

  private bookOf(symbol: string): BookSnapshot | null {
    try {
      return this.options.source.restate(symbol);
    } catch (error) {
      this.options.onRefused(symbol, fault('internal', error instanceof Error ? error.message : String(error)));
      return null;
    }
  }

  /** Asks after the books in which nothing has happened since the bus lost others: a change without levels finds out. */
  private async probe(): Promise<void> {
    if (!this.doubtful) return;
    const quiet = [...this.said].filter(([symbol, { stated }]) => stated && !this.fresh.has(symbol));
    const lost: string[] = [];
    for (let from = 0; from < quiet.length; from += PROBES_MAX) {
      const events = quiet
        .slice(from, from + PROBES_MAX)
        .map(([symbol, { exchangeUs }]) => eventOf(symbol, { kind: 'delta', bids: [], asks: [] }, exchangeUs));
      const answers = await this.options.publish(events);
      events.forEach((event, index) => {
        this.note(event, answers[index]!);
        if (this.saidOf(event.symbol).fault?.code === 'needs-snapshot') lost.push(event.symbol);
      });
    }
    this.doubtful = false;
    await this.stateAll(lost);
  }

  private arm(): void {
    if (this.timer !== null || this.stopped || this.lacking.size === 0) return;
    const { source, inTurn } = this.options;
    this.timer = source.timers.after(RETRY_MS, () => inTurn(() => this.retry()));
  }

  private async retry(): Promise<void> {
    try {
      if (this.stopped) return;
      this.fresh.clear();
      await this.stateAll([...this.lacking]);
      await this.probe();
    } finally {
      this.timer = null;
      this.arm();
    }
  }

  private saidOf(symbol: string): Said {
    let said = this.said.get(symbol);
    if (said === undefined) {
      said = {
        definition: null,
        status: null,
        exchangeUs: null,
        stated: false,
        coveredBatch: 0,
        coveredBy: null,
        lacksBook: false,
        lacksStatus: false,
        fault: null,
      };
      this.said.set(symbol, said);
    }
    return said;
  }
}

function isBook({ kind }: Update): boolean {
  return kind === 'delta' || kind === 'snapshot';
}

function eventOf(symbol: string, update: Update, exchangeUs: number | null): FeedUpdate {
  return { kind: 'update', symbol, update, exchangeUs, checksum: null };
}
