// Owns an order book that can say what changed since any sequence number it still remembers. The in-process bus keeps one per symbol as the
// sequencer's state, which its topics read; behind another bus each topic keeps its own. Invariant: a level that was removed is remembered
// as a tombstone until `tombstonesMax` newer ones push it out, which moves the horizon.

import { ASK, BID } from './checksum.ts';
import { PriceList } from './price-list.ts';
import { Side, type SideReader } from './side.ts';
import { LEVEL_STRIDE } from './update.ts';

/** Everything a cold node needs: flat lists of price, size, count, seq (levels) and price, seq (tombstones). */
export interface BookState {
  readonly seq: number;
  readonly horizonSeq: number;
  readonly bids: readonly number[];
  readonly asks: readonly number[];
  readonly goneBids: readonly number[];
  readonly goneAsks: readonly number[];
}

/** Where `answer` puts levels: flat, best first, `stride` numbers each. Reused from call to call. */
export interface LevelSink {
  stride: number;
  bids: number[];
  asks: number[];
}

export const TOMBSTONES_MAX = 4_096;

export class Book {
  seq = 0;
  /** Cursors older than this need a snapshot: a tombstone as new as this was forgotten. */
  horizonSeq = 0;
  private readonly bidSide = new Side(BID);
  private readonly askSide = new Side(ASK);
  /** Bids, then asks. */
  readonly sides: readonly SideReader[] = [this.bidSide, this.askSide];

  /** @param tombstonesMax how many removed levels are remembered, both sides together. */
  constructor(private readonly tombstonesMax: number = TOMBSTONES_MAX) {}

  /** Sets the levels of a delta (flat: price, size, count) as update `seq`. */
  applyDelta(bids: readonly number[], asks: readonly number[], seq: number): void {
    setLevels(this.bidSide, bids, seq);
    setLevels(this.askSide, asks, seq);
    this.changedAs(seq);
  }

  /** Makes the book what a snapshot says, as update `seq`: what it doesn't name becomes a tombstone, what is the same stays. */
  applySnapshot(bids: readonly number[], asks: readonly number[], seq: number): void {
    replaceLevels(this.bidSide, bids, seq);
    replaceLevels(this.askSide, asks, seq);
    this.changedAs(seq);
  }

  get bestBid(): Readonly<{ price: number; size: number }> | undefined {
    return bestOf(this.bidSide);
  }

  get bestAsk(): Readonly<{ price: number; size: number }> | undefined {
    return bestOf(this.askSide);
  }

  /** Whether the best bid stands above the best offer. */
  get crossed(): boolean {
    const { bidSide, askSide } = this;
    if (bidSide.count === 0 || askSide.count === 0) return false;
    return bidSide.priceAt(bidSide.count - 1) > askSide.priceAt(askSide.count - 1);
  }

  /** Number of live levels on both sides. */
  get levelCount(): number {
    return this.bidSide.count + this.askSide.count;
  }

  get tombstoneCount(): number {
    return this.bidSide.tombstoneCount + this.askSide.tombstoneCount;
  }

  /** Whether the best bid would be above the best offer after a delta. */
  wouldCross(bids: readonly number[], asks: readonly number[]): boolean {
    const bid = bestAfter(this.bidSide, bids);
    const ask = bestAfter(this.askSide, asks);
    return bid !== null && ask !== null && bid > ask;
  }

  /** Checksum of the best `depth` levels a side (0: all). */
  checksum(depth: number): number {
    if (depth === 0) return (this.bidSide.sum + this.askSide.sum) >>> 0;
    return (this.bidSide.topSum(depth) + this.askSide.topSum(depth)) >>> 0;
  }

  /** The best `depth` levels a side (0: all). */
  top(depth: number, out: LevelSink): void {
    out.bids.length = 0;
    out.asks.length = 0;
    copyTop(this.bidSide, depth, out.stride, out.bids);
    copyTop(this.askSide, depth, out.stride, out.asks);
  }

  /**
   * What brings any client that holds the best `held` levels (0: all) at `fromSeq` or later to the present best `depth`:
   * removed levels have size 0. Only valid from the horizon on.
   */
  since(fromSeq: number, held: number, depth: number, out: LevelSink): void {
    out.bids.length = 0;
    out.asks.length = 0;
    changesSince(this.bidSide, fromSeq, held, depth, out.stride, out.bids);
    changesSince(this.askSide, fromSeq, held, depth, out.stride, out.asks);
  }

  state(): BookState {
    return {
      seq: this.seq,
      horizonSeq: this.horizonSeq,
      bids: this.bidSide.flatLevels(),
      asks: this.askSide.flatLevels(),
      goneBids: this.bidSide.flatTombstones(),
      goneAsks: this.askSide.flatTombstones(),
    };
  }

  /** A book from another node's state. */
  static load(state: BookState, tombstonesMax: number = TOMBSTONES_MAX): Book {
    const book = new Book(tombstonesMax);
    book.bidSide.load(state.bids, state.goneBids);
    book.askSide.load(state.asks, state.goneAsks);
    book.seq = state.seq;
    book.horizonSeq = state.horizonSeq;
    book.forget();
    return book;
  }

  private changedAs(seq: number): void {
    this.seq = seq;
    if (this.bidSide.removedSeq === seq || this.askSide.removedSeq === seq) this.forget();
  }

  private forget(): void {
    while (this.tombstoneCount > this.tombstonesMax) {
      const bidSeq = this.bidSide.oldestGoneSeq();
      const askSeq = this.askSide.oldestGoneSeq();
      const isBid = askSeq === null || (bidSeq !== null && bidSeq <= askSeq);
      (isBid ? this.bidSide : this.askSide).forgetOldest();
      this.horizonSeq = Math.max(this.horizonSeq, (isBid ? bidSeq : askSeq)!);
    }
  }
}

function setLevels(side: Side, flat: readonly number[], seq: number): void {
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) side.set(flat[i]!, flat[i + 1]!, flat[i + 2]!, seq);
}

function replaceLevels(side: Side, flat: readonly number[], seq: number): void {
  const named = new Set<number>();
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) if (flat[i + 1]! > 0) named.add(flat[i]!);
  // From the best on: what is removed leaves the places of those that are still to come.
  for (let i = side.count - 1; i >= 0; i--) if (!named.has(side.priceAt(i))) side.set(side.priceAt(i), 0, 0, seq);
  setLevels(side, flat, seq);
}

function bestOf(side: Side): { price: number; size: number } | undefined {
  const best = side.count - 1;
  return best < 0 ? undefined : { price: side.priceAt(best), size: side.sizeAt(best) };
}

function bestAfter(side: Side, flat: readonly number[]): number | null {
  let best: number | null = null;
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) {
    if (flat[i + 1]! > 0 && (best === null || side.better(flat[i]!, best))) best = flat[i]!;
  }
  for (let i = side.count - 1; i >= 0; i--) {
    const price = side.priceAt(i);
    if (best !== null && !side.better(price, best)) break;
    if (!removes(flat, price)) return price;
  }
  return best;
}

function removes(flat: readonly number[], price: number): boolean {
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) if (flat[i] === price) return flat[i + 1] === 0;
  return false;
}

function copyTop(side: Side, depth: number, stride: number, out: number[]): void {
  const end = depth === 0 ? 0 : Math.max(0, side.count - depth);
  for (let i = side.count - 1; i >= end; i--) emit(side, i, stride, out);
}

function emit(side: Side, index: number, stride: number, out: number[]): void {
  out.push(side.priceAt(index), side.sizeAt(index));
  if (stride === 3) out.push(side.countAt(index));
}

function emitGone(price: number, stride: number, out: number[]): void {
  out.push(price, 0);
  if (stride === 3) out.push(0);
}

/** Filled and read within one call. */
const found = new PriceList();

function changesSince(side: Side, fromSeq: number, held: number, depth: number, stride: number, out: number[]): void {
  found.clear();
  if (depth === 0 && held === 0) return allChangesSince(side, fromSeq, stride, out);
  side.tombstonesSince(fromSeq, found);
  found.sort(side.sign);
  const { count } = side;
  const shown = depth === 0 ? count : Math.min(depth, count);
  const heldRank = held === 0 ? Number.POSITIVE_INFINITY : held;
  // A level that did not change may still be new to the client: tombstones better than it stood above it at `fromSeq`.
  let passed = 0;
  for (let rank = 0; rank < shown; rank++) {
    const index = count - 1 - rank;
    const price = side.priceAt(index);
    while (passed < found.count && side.better(found.at(passed), price)) emitGone(found.at(passed++), stride, out);
    if (side.seqAt(index) > fromSeq || rank + passed >= heldRank) emit(side, index, stride, out);
  }
  // Where there are as many levels as are shown, what is worse than the last is cut off by the client.
  if (depth > 0 && count >= depth) return;
  while (passed < found.count) emitGone(found.at(passed++), stride, out);
}

/** The full book's answer, at the cost of what changed. */
function allChangesSince(side: Side, fromSeq: number, stride: number, out: number[]): void {
  side.changesSince(fromSeq, found);
  found.sort(side.sign);
  for (let i = 0; i < found.count; i++) {
    const price = found.at(i);
    const index = side.find(price);
    if (side.has(index, price)) emit(side, index, stride, out);
    else emitGone(price, stride, out);
  }
}
