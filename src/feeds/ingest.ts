// Owns the way from a feed into a gateway: lists the instruments that a feed names, publishes its updates, counts both.
// The demo, replays and live connectors hand it what an adapter read; a gateway is a target as it is. Invariant: events
// take effect in the order given, however long the bus takes, and what is refused is counted under its code.

import { defineInstrument, type Instrument } from '../market/instrument.ts';
import type { Update } from '../market/update.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import type { FeedEvent } from './feed.ts';

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
  readonly instruments: { put(instrument: Instrument): void | Promise<void> };
  readonly bus: {
    publish(
      publications: readonly { symbol: string; update: Update; exchangeUs: number | null }[],
    ): Promise<readonly Sequenced[]>;
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

  constructor(
    private readonly target: IngestTarget,
    /** Told of every refusal, after it was counted. */
    private readonly onRefused: (symbol: string, refused: Fault) => void = () => {},
  ) {}

  /** Applies the events of one message of the venue. @returns its updates, in order. */
  message(events: readonly FeedEvent[]): Promise<Ingested[]> {
    return this.messages([events]);
  }

  /** Applies several messages, with as few calls to the bus as their order allows. @returns their updates, in order. */
  messages(batch: readonly (readonly FeedEvent[])[]): Promise<Ingested[]> {
    const turn = this.lastTurn.then(() => this.take(batch));
    // Who called hears of a failure; those behind it go on.
    this.lastTurn = turn.catch(() => {});
    return turn;
  }

  /** All that was refused so far, by code. */
  refused(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const { refused } of this.counts.values()) {
      for (const [code, count] of Object.entries(refused)) sums[code] = (sums[code] ?? 0) + count;
    }
    return sums;
  }

  private async take(batch: readonly (readonly FeedEvent[])[]): Promise<Ingested[]> {
    const done: Ingested[] = [];
    let waiting: FeedUpdate[] = [];
    for (const events of batch) {
      this.countMessage(events);
      for (const event of events) {
        if (event.kind === 'update') waiting.push(event);
        if (event.kind !== 'instrument') continue;
        done.push(...(await this.publish(waiting)));
        waiting = [];
        await this.list(event);
      }
    }
    return [...done, ...(await this.publish(waiting))];
  }

  private async list({ definition }: FeedInstrument): Promise<void> {
    const instrument = defineInstrument(definition);
    if (typeof instrument === 'string') this.refuse(definition.symbol, fault('bad-instrument', instrument));
    else await this.target.instruments.put(instrument);
  }

  private async publish(events: readonly FeedUpdate[]): Promise<Ingested[]> {
    if (events.length === 0) return [];
    const published = await this.target.bus.publish(events);
    return events.map((event, index) => {
      const result = published[index]!;
      if ('refused' in result) this.refuse(event.symbol, result.refused);
      return { event, published: result };
    });
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
