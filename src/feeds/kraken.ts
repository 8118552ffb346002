// Owns the venue Kraken: WebSocket 1.x and v2, each with its checksum rule. Replay and live feeds open sessions of it.
// A subscriber of v2 asks for the `instrument` channel too, since the checksum needs its precisions.
// Invariant: every message is read or counted as ignored, and none throws.

import { isSymbol } from '../market/instrument.ts';
import type { BookSnapshot } from '../market/update.ts';
import type { FeedEvent, Venue, VenueSession } from './feed.ts';
import { checksumOfTexts } from './kraken-checksum.ts';
import { type Reading, readFrame } from './kraken-frames.ts';
import { krakenLive } from './kraken-live.ts';
import { KrakenPair } from './kraken-pair.ts';

export const kraken: Venue = {
  name: 'kraken',
  open: ({ verify }) => new KrakenSession(verify),
  checksum: checksumOfTexts,
  symbolOf,
  live: krakenLive,
};

/** `XBT/USD` is `XBT-USD`; otherwise the venue's own names. */
function symbolOf(pair: string): string {
  return pair.replaceAll('/', '-');
}

class KrakenSession implements VenueSession {
  readonly counts = { messages: 0, ignored: 0 };
  private readonly verify: boolean;
  private readonly pairs = new Map<string, KrakenPair>();

  constructor(verify: boolean) {
    this.verify = verify;
  }

  read(message: string): FeedEvent[] {
    this.counts.messages++;
    const events: FeedEvent[] = [];
    let ignored = false;
    for (const reading of readFrame(message)) if (!this.take(reading, events)) ignored = true;
    if (ignored) this.counts.ignored++;
    return events;
  }

  book(symbol: string): BookSnapshot | null {
    for (const [name, pair] of this.pairs) if (symbolOf(name) === symbol) return pair.snapshot();
    return null;
  }

  /** Adds what the reading means to `events`. @returns false where it was left out. */
  private take(reading: Reading, events: FeedEvent[]): boolean {
    if (reading.kind === 'unreadable') {
      if (reading.pair !== null) this.pairs.get(reading.pair)?.miss(events);
      return false;
    }
    return this.pairOf(reading.pair)?.take(reading, events) ?? false;
  }

  private pairOf(name: string): KrakenPair | null {
    const known = this.pairs.get(name);
    if (known !== undefined) return known;
    const symbol = symbolOf(name);
    if (!isSymbol(symbol)) return null;
    const pair = new KrakenPair(symbol, this.verify);
    this.pairs.set(name, pair);
    return pair;
  }
}
