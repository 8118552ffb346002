// Owns the public face of a subscription. The client gives them out; src/client/line.ts and its kinds implement them.
// Invariant: types alone; nothing here exists at run time.

import type { Accepted, Channel, Depth, Mode } from '../protocol/frames.ts';
import type { TickwireError } from './error.ts';
import type { BookState, QuoteState, StatusState, Trade } from './state.ts';
import type { Held } from './stream.ts';

/** What can be wished of any subscription. */
export interface Wishes {
  /** Milliseconds between updates at least; 0, the default: as they happen. The gateway rounds it up to its grid. */
  readonly interval?: number;
  /** `live`, the default: updates may come merged. `raw`: every update, without a depth or an interval. */
  readonly mode?: Mode;
  /** 0 to 9, default 5; higher gets more, and is slowed later, where the link is slow. */
  readonly priority?: number;
}

/** What can be wished of a book. */
export interface BookWishes extends Wishes {
  /** Best levels a side; 0, the default: all. */
  readonly depth?: Depth;
  /**
   * Sums the levels into buckets of so many ticks: bids at the lower end of their bucket, asks at the upper; 0, the default: not
   * grouped. A grouped book is a subscription of its own beside the whole one, and keeps its group.
   */
  readonly group?: number;
}

/** What can be wished of trades. */
export interface TradeWishes extends Pick<Wishes, 'interval' | 'priority'> {
  /** How many trades of the past to begin with, as far as the gateway has them; default 0. */
  readonly last?: number;
  /** Trades that wait for a loop at most; then the oldest are dropped, which a `gap` event says. Default 10,000. */
  readonly queueMax?: number;
}

/**
 * What became of each update since the first one held: it came as the newest of its frame (`delivered`), was merged into one,
 * was named in a gap, or was covered by a fresh start.
 */
export type Counters = Readonly<Held['counters']>;

/** One subscription. It outlives connections, until `close`, a refusal or its end. */
export interface Subscription<Wished> {
  readonly channel: Channel;
  readonly symbol: string;
  /** What the gateway granted last; null before it did. */
  readonly inForce: Accepted | null;
  /** Whether it is over, by `close`, by a refusal, or because the gateway ended it. */
  readonly closed: boolean;
  /** Why it is over; null where it is not, or where `close` was called. */
  readonly error: TickwireError | null;
  readonly counters: Counters;
  /**
   * Changes it, without a gap; what is left out stays. Resolves with what the gateway grants.
   * Rejects with a TickwireError, and then all stays as it was.
   */
  set(wishes: Wished): Promise<Accepted>;
  /** Ends it; loops over it end, too. */
  close(): void;
  /** Decimal string of a price at the topic's scale. Throws a TickwireError `not-known-yet` before `ready`. */
  formatPrice(mantissa: number): string;
  /** Decimal string of a size at the topic's scale. Throws a TickwireError `not-known-yet` before `ready`. */
  formatSize(mantissa: number): string;
}

/** A subscription to a state: what counts is the newest. A loop over it gets that, and nothing ever queues. */
export interface StateSubscription<State, Wished = Wishes> extends Subscription<Wished>, AsyncIterable<State> {
  /** The newest state; null before the first. It stays while the connection is away, and until the snapshot after a reset. */
  readonly current: State | null;
  /** The first state. Rejects with the TickwireError of a refusal. */
  readonly ready: Promise<State>;
  /** Hears every state. @returns a function that takes the listener away. */
  on(event: 'change', listener: (state: State) => void): () => void;
}

/** A subscription to a book. */
export type BookSubscription = StateSubscription<BookState, Omit<BookWishes, 'group'>>;
/** A subscription to the best bid and offer. */
export type QuoteSubscription = StateSubscription<QuoteState>;
/** A subscription to what is known of the market itself. */
export type StatusSubscription = StateSubscription<StatusState>;

/**
 * A subscription to trades: each one, in order. They wait for one loop in a bounded queue; without a loop, they wait until a
 * listener takes them instead.
 */
export interface TradeSubscription
  extends Subscription<Pick<TradeWishes, 'interval' | 'priority'>>,
    AsyncIterable<Trade> {
  /** Granted. Rejects with the TickwireError of a refusal. */
  readonly ready: Promise<void>;
  /** Trades that wait for a loop. */
  readonly queued: number;
  /** Hears every trade. @returns a function that takes the listener away. */
  on(event: 'trade', listener: (trade: Trade) => void): () => void;
}
