// Owns the way from a feed into a gateway: lists the instruments that a feed names, publishes its updates, counts both.
// The demo, replays and live connectors hand it what an adapter read; a gateway is a target as it is. Invariant: events
// take effect in the order given, however long the bus takes, and what is refused is counted under its code. A bus that is
// gone, or has lost its books, ends nothing: books are stated anew (`restatement.ts`), ticks are not sent again.

import { defineInstrument, type Instrument, sameScales } from '../market/instrument.ts';
import type { Update } from '../market/update.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import type { FeedEvent } from './feed.ts';
import { isMendedByBook, Restatement, type RestatementSource } from './restatement.ts';

export type FeedUpdate = Extract<FeedEvent, { kind: 'update' }>;
type FeedInstrument = Extract<FeedEvent, { kind: 'instrument' }>;

/** Where an update went, or why it was refused. */
export type Sequenced = { readonly epoch: number; readonly seq: number } | { readonly refused: Fault };

/** One update of the feed and what became of it. */
export interface Ingested {
  readonly event: FeedUpdate;
  readonly published: Sequenced;
}

/** The parts of a gateway that feeds write to. */
export interface IngestTarget {
  readonly instruments: {
    put(instrument: Instrument): void | Promise<void>;
    /** Wanted where books are to be stated anew: it tells whether somebody else has changed their scales. */
    get?(symbol: string): Instrument | undefined;
  };
  readonly bus: {
    publish(
      publications: readonly { symbol: string; update: Update; exchangeUs: number | null }[],
    ): readonly Sequenced[] | Promise<readonly Sequenced[]>;
  };
}

/** What the feed said of one symbol, refused or not. */
export interface SymbolCounts {
  /** Messages of the venue that had something to publish. */
  messages: number;
  /** Whole books: the venue's snapshots, and a book that is stated anew at other scales. */
  snapshots: number;
  /** Book updates other than snapshots. */
  updates: number;
  trades: number;
  quotes: number;
  statuses: number;
  /** Updates that came with the venue's checksum. */
  checksums: number;
  /** Times that the adapter lost the venue's book. */
  resyncs: number;
  /** By code. */
  refused: Record<string, number>;
}

const COUNTED_AS = {
  snapshot: 'snapshots',
  delta: 'updates',
  trade: 'trades',
  quote: 'quotes',
  status: 'statuses',
} as const satisfies Record<Update['kind'], keyof SymbolCounts>;

export class Ingest {
  readonly counts = new Map<string, SymbolCounts>();
  private lastTurn: Promise<unknown> = Promise.resolve();
  private readonly restatement: Restatement | null;

  constructor(
    private readonly target: IngestTarget,
    /** Told of every refusal, after it was counted. */
    private readonly onRefused: (symbol: string, refused: Fault) => void = () => {},
    /** Where books come from when the bus lacks them; without it whoever feeds has to send a snapshot. */
    source: RestatementSource | null = null,
  ) {
    this.restatement = source === null ? null : this.restatementFrom(source);
  }

  /** Books that were stated anew because the bus lacked them. */
  get restated(): number {
    return this.restatement?.restated ?? 0;
  }

  /** Applies the events of one message of the venue. @returns its updates, in order. */
  message(events: readonly FeedEvent[]): Promise<Ingested[]> {
    return this.messages([events]);
  }

  /**
   * Applies several messages, with as few calls to the bus as their order allows. A change that the bus lacked the book for, and
   * that is in the book which was then stated anew, has the place of that.
   * @returns their updates, in order.
   */
  messages(batch: readonly (readonly FeedEvent[])[]): Promise<Ingested[]> {
    const number = this.restatement?.hear(batch) ?? 0;
    return this.inTurn(() => this.take(batch, number));
  }

  /** States nothing anew any more. */
  stop(): void {
    this.restatement?.stop();
  }

  /** All that was refused so far, by code. */
  refused(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { refused } of this.counts.values()) {
      for (const [code, count] of Object.entries(refused)) sums[code] = (sums[code] ?? 0) + count;
    }
    return sums;
  }

  private inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const turn = this.lastTurn.then(run);
    // Who called hears of a failure; those behind it go on.
    this.lastTurn = turn.catch(() => {});
    return turn;
  }

  private restatementFrom(source: RestatementSource): Restatement {
    return new Restatement({
      source,
      publish: (events) => this.sequence(events),
      // Nobody waits for it.
      inTurn: (run) => void this.inTurn(run).catch(() => {}),
      isListedAs: (definition) => {
        const listed = this.target.instruments.get?.(definition.symbol);
        const said = defineInstrument(definition);
        return listed !== undefined && typeof said !== 'string' && sameScales(listed, said);
      },
      onRefused: (symbol, refused) => this.refuse(symbol, refused),
    });
  }

  private async take(batch: readonly (readonly FeedEvent[])[], number: number): Promise<Ingested[]> {
    const done: Ingested[] = [];
    let waiting: FeedUpdate[] = [];
    for (const events of batch) {
      this.countMessage(events);
      for (const event of events) {
        if (event.kind === 'update') waiting.push(event);
        if (event.kind !== 'instrument') continue;
        done.push(...(await this.publish(waiting, number)));
        waiting = [];
        await this.list(event);
      }
    }
    return [...done, ...(await this.publish(waiting, number))];
  }

  private async list({ definition }: FeedInstrument): Promise<void> {
    const instrument = defineInstrument(definition);
    if (typeof instrument === 'string') this.refuse(definition.symbol, fault('bad-instrument', instrument));
    else await this.target.instruments.put(instrument);
  }

  private async publish(events: readonly FeedUpdate[], number: number): Promise<Ingested[]> {
    if (events.length === 0) return [];
    const { restatement } = this;
    const published =
      restatement === null ? await this.sequence(events) : await this.mended(events, number, restatement);
    return events.map((event, index) => {
      const result = published[index]!;
      if ('refused' in result) this.refuse(event.symbol, result.refused);
      return { event, published: result };
    });
  }

  /** What became of the updates when the bus has had, as far as it takes them, the books that it lacked. */
  private async mended(
    events: readonly FeedUpdate[],
    number: number,
    restatement: Restatement,
  ): Promise<readonly Sequenced[]> {
    const known = restatement.instead(events, number);
    const sent = events.filter((_, index) => known[index] === null);
    const answers = sent.length === 0 ? [] : await this.sequence(sent);
    await restatement.answered(sent, answers);
    let next = 0;
    return events.map((event, index) => {
      const result = known[index] ?? answers[next++]!;
      if (!('refused' in result) || !isMendedByBook(result.refused)) return result;
      return restatement.coverOf(event, number) ?? result;
    });
  }

  /** A bus that fails as a whole is one that is gone. */
  private async sequence(events: readonly FeedUpdate[]): Promise<readonly Sequenced[]> {
    try {
      return await this.target.bus.publish(events);
    } catch (error) {
      const refused = fault('bus-down', error instanceof Error ? error.message : String(error));
      return events.map(() => ({ refused }));
    }
  }

  private countMessage(events: readonly FeedEvent[]): void {
    const symbols = new Set<string>();
    for (const event of events) {
      if (event.kind === 'instrument') continue;
      symbols.add(event.symbol);
      const counts = this.countsOf(event.symbol);
      if (event.kind === 'resync') counts.resyncs += 1;
      else {
        counts[COUNTED_AS[event.update.kind]] += 1;
        if (event.checksum !== null) counts.checksums += 1;
      }
    }
    for (const symbol of symbols) this.countsOf(symbol).messages += 1;
  }

  private refuse(symbol: string, refused: Fault): void {
    const counts = this.countsOf(symbol);
    counts.refused[refused.code] = (counts.refused[refused.code] ?? 0) + 1;
    this.onRefused(symbol, refused);
  }

  private countsOf(symbol: string): SymbolCounts {
    let counts = this.counts.get(symbol);
    if (counts === undefined) {
      counts = {
        messages: 0,
        snapshots: 0,
        updates: 0,
        trades: 0,
        quotes: 0,
        statuses: 0,
        checksums: 0,
        resyncs: 0,
        refused: {},
      };
      this.counts.set(symbol, counts);
    }
    return counts;
  }
}
