// Owns the limits of one live feed, each with its reason. The feed reads them; tests shorten some.
// Invariant: a venue that keeps to its own documents never meets the bounds on bytes.

export const LIVE_LIMITS = {
  /** Reconnecting: random between 0 and this, which doubles from attempt to attempt. */
  backoffMinMs: 500,
  /** Venues count connections over minutes: Binance allows 300 in five of them. */
  backoffMaxMs: 30_000,
  /** A connection or a book that lasted this long is taken to be sound: the next loss begins a new count. */
  settledMs: 30_000,
  /** Losing the source for less than this is not worth a word on the status channel. */
  downAfterMs: 5_000,
  /** Large books of busy venues take seconds to arrive. */
  answerMsMax: 15_000,
  /** Resubscriptions and snapshots a minute, over all books: below what any venue minds. */
  asksPerMinMax: 30,
  /** Messages that wait for the bus; at this many the venue has to wait. */
  waitingMessagesMax: 1_000,
  /** Full books of the busiest products come in one message of some megabytes. */
  messageBytesMax: 64 * 1_024 * 1_024,
  documentBytesMax: 16 * 1_024 * 1_024,
  /** Different complaints, of the venue or of the bus, that are logged. */
  complaintsMax: 100,
} as const;

export type LiveLimits = Record<keyof typeof LIVE_LIMITS, number>;
