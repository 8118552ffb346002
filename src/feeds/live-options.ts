// Owns what a live feed is made with: where it writes to, its log, its options. Who runs feeds makes these, the feed reads them.
// Invariant: a feed reaches nothing of the process but what stands here.

import type { Clock, Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import type { Venue } from './feed.ts';
import type { IngestTarget } from './ingest.ts';
import type { LiveLimits } from './live-limits.ts';

/** What a feed writes to: a gateway is one. */
export interface LiveTarget extends IngestTarget {
  readonly bus: IngestTarget['bus'] & {
    /** Whether a book is being had anew; its topics say so meanwhile, on all nodes. */
    doubt(symbol: string, doubted: boolean): void;
  };
}

export interface LiveFeedOptions {
  readonly venue: Venue;
  readonly venueSymbols: readonly string[];
  /** Put before Tickwire's symbols, `kraken.` for instance; empty where this feed is the only one. */
  readonly prefix: string;
  /** Another endpoint than the venue's own; null: that one. */
  readonly url: string | null;
  readonly target: LiveTarget;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: Timers;
  /** 0 up to 1; spreads reconnects. */
  readonly random?: () => number;
  readonly limits?: Partial<LiveLimits>;
}
