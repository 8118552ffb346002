// Owns what hears a feed's events in the tests of venues without checksums: books as decimal texts. It fails where no feed
// may go: an update of a symbol that was not announced, a change of a book that was lost or never stated.

import type { FeedEvent, VenueSession } from '../../src/feeds/feed.ts';
import type { InstrumentDefinition } from '../../src/market/instrument.ts';
import type { Trade } from '../../src/market/update.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import { NaiveBook } from './naive.ts';

export type UpdateEvent = FeedEvent & { kind: 'update' };

export class Listener {
  readonly definitions = new Map<string, InstrumentDefinition>();
  readonly resyncs: string[] = [];
  readonly trades: Trade[] = [];
  readonly counts = { snapshots: 0, deltas: 0 };
  private readonly books = new Map<string, NaiveBook>();

  hear(events: readonly FeedEvent[]): void {
    for (const event of events) {
      if (event.kind === 'instrument') {
        const { symbol, priceScale, sizeScale } = event.definition;
        const before = this.definitions.get(symbol);
        if (before !== undefined && (before.priceScale !== priceScale || before.sizeScale !== sizeScale)) {
          this.books.delete(symbol);
        }
        this.definitions.set(symbol, event.definition);
      } else if (event.kind === 'resync') {
        this.resyncs.push(`${event.symbol}: ${event.reason}`);
        this.books.delete(event.symbol);
      } else this.hearUpdate(event);
    }
  }

  isFollowing(symbol: string): boolean {
    return this.books.has(symbol);
  }

  /** Best first, without zeros at the end. */
  book(symbol: string): { bids: string[][]; asks: string[][] } {
    const { priceScale, sizeScale } = this.definitions.get(symbol)!;
    const side = (name: 'bids' | 'asks') =>
      this.books
        .get(symbol)!
        .sorted(name)
        .map(([price, size]) => [trimmed(formatDecimal(price, priceScale)), trimmed(formatDecimal(size, sizeScale))]);
    return { bids: side('bids'), asks: side('asks') };
  }

  private hearUpdate({ symbol, update }: UpdateEvent): void {
    if (!this.definitions.has(symbol)) throw new Error(`${symbol} was not announced`);
    if (update.kind === 'trade') this.trades.push(update);
    if (update.kind === 'snapshot') {
      this.counts.snapshots++;
      this.books.set(symbol, new NaiveBook());
    }
    if (update.kind === 'delta') this.counts.deltas++;
    if (update.kind === 'snapshot' || update.kind === 'delta') this.books.get(symbol)!.apply(update);
  }
}

export function send(session: VenueSession, message: unknown): FeedEvent[] {
  return session.read(typeof message === 'string' ? message : JSON.stringify(message));
}

export function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

export function trimmedLevels(levels: readonly (readonly [string, string])[]): string[][] {
  return levels.map(([price, size]) => [trimmed(price), trimmed(size)]);
}
