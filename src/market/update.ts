// Owns the shape of what publishers and feeds say of a market, in mantissas. One update takes one sequence number.

import type { AggressorSide, FlatLevels, Status, TradeKind } from '../protocol/frames.ts';

/** Levels that changed, with their new absolute size; size 0 removes one. Flat: price, size, order count (0 where unknown). */
export interface BookDelta {
  readonly kind: 'delta';
  readonly bids: FlatLevels;
  readonly asks: FlatLevels;
}
/** The whole book; levels that it does not name are gone. Flat as in `BookDelta`. */
export interface BookSnapshot {
  readonly kind: 'snapshot';
  readonly bids: FlatLevels;
  readonly asks: FlatLevels;
}
export interface Quote {
  readonly kind: 'quote';
  readonly bidPrice: number | null;
  readonly bidSize: number;
  readonly askPrice: number | null;
  readonly askSize: number;
}
export interface Trade {
  readonly kind: 'trade';
  /** The exchange's id; null where it has none, then the sequence number stands for it. */
  readonly id: number | string | null;
  readonly tradeKind: TradeKind;
  readonly side: AggressorSide;
  readonly price: number;
  readonly size: number;
}
export interface StatusChange {
  readonly kind: 'status';
  readonly status: Status;
  readonly reason: string | null;
}

export type Update = BookDelta | BookSnapshot | Quote | Trade | StatusChange;

/** Numbers per level in an update's flat lists. */
export const LEVEL_STRIDE = 3;

export type UpdateChannel = 'book' | 'quote' | 'trade' | 'status';

/** The channel that an update belongs to. */
export function channelOf(update: Update): UpdateChannel {
  return update.kind === 'delta' || update.kind === 'snapshot' ? 'book' : update.kind;
}
