// Owns what `watch` knows of one market: its book, status, trades and how well they arrive. The stream's handlers feed it,
// displays read it. Invariant: everything in it is what the gateway said, at the seq that it names; nothing is guessed.

import type { LocalBook } from '../client/local-book.ts';
import type { Held } from '../client/stream.ts';
import type {
  Accepted,
  BookFrame,
  Channel,
  Depth,
  FlatLevels,
  Status,
  TopicFrame,
  TradeFrame,
} from '../protocol/frames.ts';
import type { LadderLevel, LadderState, LadderTrade } from './ladder-view.ts';
import { bestFirst } from './witness.ts';

/** Trades that a tall terminal shows. */
const TRADES_MAX = 100;
/** A change stands out for this long. */
const FRESH_US = 400_000;

export class WatchModel {
  held: Held | null = null;
  /** The book's; where there is none, that of another channel: what numbers mean stands in each. */
  topic: TopicFrame | null = null;
  latencyUs: number | null = null;
  exchangeUs: number | null = null;
  /** What this client may not have. */
  readonly denied = new Set<Channel>();
  /** How the book comes, in words; empty before it was granted. */
  private manner = '';
  private book: LocalBook | null = null;
  private frames = 0;
  private badChecksums = 0;
  private health: Status = 'live';
  private sequencedStatus: Status = 'live';
  private readonly trades: LadderTrade[] = [];
  private readonly changedAtUs = { bid: new Map<number, number>(), ask: new Map<number, number>() };

  constructor(readonly symbol: string) {}

  /** The book comes so from now on, which may be less than was asked for. */
  granted({ depth, intervalMs, mode }: Accepted, asked: Depth): void {
    const pace = mode === 'raw' ? 'every update' : intervalMs === 0 ? 'real time' : `every ${intervalMs} ms`;
    this.manner = mode === 'raw' || depth === asked ? pace : `${depth} levels, ${pace}`;
  }

  /** From now on this client may not have it. */
  deny(channel: Channel): void {
    this.denied.add(channel);
    if (channel !== 'book') return;
    this.held = null;
    this.book = null;
  }

  /** The market is another one to read: at other scales older trades mean something else. */
  announced(held: Held): void {
    const { priceScale, sizeScale } = held.topic;
    const before = this.topic ?? held.topic;
    if (before.priceScale !== priceScale || before.sizeScale !== sizeScale) this.trades.length = 0;
    if (held.book === null && this.held !== null) return;
    this.topic = held.topic;
    if (held.book === null) return;
    this.held = held;
    this.book = held.book;
  }

  /** The book moved on. */
  bookChanged(frame: BookFrame, nowUs: number): void {
    this.frames += 1;
    this.latencyUs = nowUs - frame.gatewayUs;
    this.exchangeUs = frame.exchangeUs;
    // A fresh start changes everything, which is to say that nothing stands out.
    if (frame.fromSeq === 0) return;
    this.mark('bid', frame.bids, frame.stride, nowUs);
    this.mark('ask', frame.asks, frame.stride, nowUs);
  }

  traded({ kind, side, price, size, exchangeUs, publishUs }: TradeFrame): void {
    const word = kind === 'correction' ? 'fix' : kind === 'bust' ? 'bust' : side === 'unknown' ? '' : side;
    const rising = kind !== 'trade' || side === 'unknown' ? null : side === 'buy';
    this.trades.unshift({ atUs: exchangeUs ?? publishUs, word, rising, price, size });
    this.trades.splice(TRADES_MAX);
  }

  checksumFailed(): void {
    this.badChecksums += 1;
  }

  healthChanged(health: Status): void {
    this.health = health;
  }

  statusChanged(status: Status): void {
    this.sequencedStatus = status;
  }

  /** This node's doubts first, then what the market says of itself. */
  get status(): Status {
    return this.health === 'live' ? this.sequencedStatus : this.health;
  }

  /** Best `levelsMax` of each side. */
  ladder(levelsMax: number, nowUs: number): LadderState {
    const { book, held, topic } = this;
    return {
      symbol: this.symbol,
      manner: this.manner,
      denied: [...this.denied],
      status: this.status,
      priceScale: topic?.priceScale ?? 0,
      sizeScale: topic?.sizeScale ?? 0,
      bids: this.side('bid', book?.bids ?? [], levelsMax, nowUs),
      asks: this.side('ask', book?.asks ?? [], levelsMax, nowUs),
      trades: this.trades,
      seq: held?.seq ?? 0,
      checksumsOk: this.frames,
      checksumsBad: this.badChecksums,
      merged: held?.counters.merged ?? 0,
      latencyUs: this.latencyUs,
      exchangeAgeUs: this.exchangeUs === null ? null : nowUs - this.exchangeUs,
    };
  }

  private side(
    side: 'bid' | 'ask',
    levels: readonly Omit<LadderLevel, 'fresh'>[],
    levelsMax: number,
    nowUs: number,
  ): LadderLevel[] {
    const changed = this.changedAtUs[side];
    for (const [price, atUs] of changed) if (nowUs - atUs > FRESH_US) changed.delete(price);
    return bestFirst(levels, levelsMax).map(({ price, size, count }) => ({
      price,
      size,
      count,
      fresh: changed.has(price),
    }));
  }

  private mark(side: 'bid' | 'ask', flat: FlatLevels, stride: number, nowUs: number): void {
    for (let i = 0; i < flat.length; i += stride) this.changedAtUs[side].set(flat[i]!, nowUs);
  }
}
