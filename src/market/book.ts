// Owns an order book that can say what changed since any sequence number it still remembers. The bus keeps one per book as
// the sequencer's state, each topic another. Invariant: `live` and `gone` hold every level in order of last change, newest first;
// a removed level stays as a tombstone until `tombstonesMax` newer ones push it out, which moves the horizon.

import { ASK, BID, type BookSide, levelHash } from './checksum.ts';
import { LEVEL_STRIDE } from './update.ts';

/** A price level, live or (size 0) a tombstone. `older` and `newer` link it into the list of its kind. */
interface Level {
  readonly price: number;
  size: number;
  count: number;
  /** Signed, which V8 keeps unboxed. */
  hash: number;
  /** The update that changed it last. */
  seq: number;
  older: Level | null;
  newer: Level | null;
}

/** A level as those read it who derive something from the book; `older` is the one of its kind that changed before it. */
export interface ChangedLevel {
  readonly price: number;
  readonly size: number;
  readonly count: number;
  readonly seq: number;
  readonly older: ChangedLevel | null;
}

/** One side of a book, to be read. */
export interface SideReader {
  readonly side: BookSide;
  /** +1 where a higher price is better, else -1. */
  readonly sign: number;
  /** Live levels, the best last. */
  readonly levels: readonly ChangedLevel[];
  readonly newestLive: ChangedLevel | null;
  readonly newestGone: ChangedLevel | null;
  better(a: number, b: number): boolean;
  /** Where `price` is or would stand in `levels`. */
  find(price: number): number;
}

/** Levels in order of last change; `newest` first. */
class ChangeList {
  newest: Level | null = null;
  oldest: Level | null = null;
  length = 0;

  push(level: Level): void {
    level.older = this.newest;
    level.newer = null;
    if (this.newest === null) this.oldest = level;
    else this.newest.newer = level;
    this.newest = level;
    this.length += 1;
  }

  remove(level: Level): void {
    if (level.newer === null) this.newest = level.older;
    else level.newer.older = level.older;
    if (level.older === null) this.oldest = level.newer;
    else level.older.newer = level.newer;
    this.length -= 1;
  }
}

/** One side. `levels` is sorted with the best last, since most changes are near the best: they move few elements. */
class Side implements SideReader {
  readonly levels: Level[] = [];
  /** Their prices, side by side in memory: a search touches few cache lines. */
  readonly prices: number[] = [];
  readonly live = new ChangeList();
  readonly gone = new ChangeList();
  readonly tombstones = new Map<number, Level>();
  /** Sum of the hashes of the live levels, modulo 2^32. */
  sum = 0;
  /** +1 where a higher price is better, else -1. */
  readonly sign: number;

  constructor(readonly side: BookSide) {
    this.sign = side === BID ? 1 : -1;
  }

  get newestLive(): Level | null {
    return this.live.newest;
  }

  get newestGone(): Level | null {
    return this.gone.newest;
  }

  get best(): Level | undefined {
    return this.levels[this.levels.length - 1];
  }

  /** Whether price `a` is nearer to the other side than `b`. */
  better(a: number, b: number): boolean {
    return (a - b) * this.sign > 0;
  }

  /** Where `price` is or would stand in `levels`. */
  find(price: number): number {
    const { prices, sign } = this;
    let low = 0;
    let high = prices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((prices[middle]! - price) * sign < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Sets a level to its absolute size; 0 removes it. Saying again what holds changes nothing. */
  set(price: number, size: number, count: number, seq: number): void {
    const index = this.find(price);
    if (this.prices[index] !== price) {
      if (size > 0) this.add(index, price, size, count, seq);
      return;
    }
    const held = this.levels[index]!;
    if (size === 0) return this.bury(index, held, seq);
    if (held.size === size && held.count === count) return;
    this.sum = (this.sum - held.hash) | 0;
    held.size = size;
    held.count = count;
    held.hash = levelHash(this.side, price, size) | 0;
    held.seq = seq;
    this.sum = (this.sum + held.hash) | 0;
    this.live.remove(held);
    this.live.push(held);
  }

  private add(index: number, price: number, size: number, count: number, seq: number): void {
    let level = this.tombstones.get(price);
    if (level === undefined) level = { price, size, count, hash: 0, seq, older: null, newer: null };
    else {
      this.tombstones.delete(price);
      this.gone.remove(level);
      level.size = size;
      level.count = count;
      level.seq = seq;
    }
    level.hash = levelHash(this.side, price, size) | 0;
    this.sum = (this.sum + level.hash) | 0;
    this.insert(index, level);
    this.live.push(level);
  }

  /** Puts a level where `find` says that its price belongs. */
  insert(index: number, level: Level): void {
    if (index === this.levels.length) {
      this.levels.push(level);
      this.prices.push(level.price);
    } else {
      this.levels.splice(index, 0, level);
      this.prices.splice(index, 0, level.price);
    }
  }

  private bury(index: number, level: Level, seq: number): void {
    this.sum = (this.sum - level.hash) | 0;
    if (index === this.levels.length - 1) {
      this.levels.pop();
      this.prices.pop();
    } else {
      this.levels.splice(index, 1);
      this.prices.splice(index, 1);
    }
    this.live.remove(level);
    level.size = 0;
    level.count = 0;
    level.seq = seq;
    this.gone.push(level);
    this.tombstones.set(level.price, level);
  }

  forgetOldest(): number {
    const level = this.gone.oldest!;
    this.gone.remove(level);
    this.tombstones.delete(level.price);
    return level.seq;
  }
}

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
    this.seq = seq;
    this.forget();
  }

  /** Makes the book what a snapshot says, as update `seq`: what it doesn't name becomes a tombstone, what is the same stays. */
  applySnapshot(bids: readonly number[], asks: readonly number[], seq: number): void {
    replaceLevels(this.bidSide, bids, seq);
    replaceLevels(this.askSide, asks, seq);
    this.seq = seq;
    this.forget();
  }

  get bestBid(): Readonly<{ price: number; size: number }> | undefined {
    return this.bidSide.best;
  }

  get bestAsk(): Readonly<{ price: number; size: number }> | undefined {
    return this.askSide.best;
  }

  /** Number of live levels on both sides. */
  get levelCount(): number {
    return this.bidSide.levels.length + this.askSide.levels.length;
  }

  get tombstoneCount(): number {
    return this.bidSide.gone.length + this.askSide.gone.length;
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
    return (topSum(this.bidSide, depth) + topSum(this.askSide, depth)) >>> 0;
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
      bids: flatLevels(this.bidSide),
      asks: flatLevels(this.askSide),
      goneBids: flatTombstones(this.bidSide),
      goneAsks: flatTombstones(this.askSide),
    };
  }

  /** A book from another node's state. */
  static load(state: BookState, tombstonesMax: number = TOMBSTONES_MAX): Book {
    const book = new Book(tombstonesMax);
    loadSide(book.bidSide, state.bids, state.goneBids);
    loadSide(book.askSide, state.asks, state.goneAsks);
    book.seq = state.seq;
    book.horizonSeq = state.horizonSeq;
    book.forget();
    return book;
  }

  private forget(): void {
    while (this.tombstoneCount > this.tombstonesMax) {
      const bid = this.bidSide.gone.oldest;
      const ask = this.askSide.gone.oldest;
      const side = ask === null || (bid !== null && bid.seq <= ask.seq) ? this.bidSide : this.askSide;
      this.horizonSeq = Math.max(this.horizonSeq, side.forgetOldest());
    }
  }
}

function setLevels(side: Side, flat: readonly number[], seq: number): void {
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) side.set(flat[i]!, flat[i + 1]!, flat[i + 2]!, seq);
}

function replaceLevels(side: Side, flat: readonly number[], seq: number): void {
  const named = new Set<number>();
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) if (flat[i + 1]! > 0) named.add(flat[i]!);
  for (const { price } of [...side.levels]) if (!named.has(price)) side.set(price, 0, 0, seq);
  setLevels(side, flat, seq);
}

function bestAfter(side: Side, flat: readonly number[]): number | null {
  let best: number | null = null;
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) {
    if (flat[i + 1]! > 0 && (best === null || side.better(flat[i]!, best))) best = flat[i]!;
  }
  for (let i = side.prices.length - 1; i >= 0; i--) {
    const price = side.prices[i]!;
    if (best !== null && !side.better(price, best)) break;
    if (!removes(flat, price)) return price;
  }
  return best;
}

function removes(flat: readonly number[], price: number): boolean {
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) if (flat[i] === price) return flat[i + 1] === 0;
  return false;
}

function topSum(side: Side, depth: number): number {
  const { levels } = side;
  let sum = 0;
  for (let i = levels.length - 1, end = Math.max(0, levels.length - depth); i >= end; i--)
    sum = (sum + levels[i]!.hash) | 0;
  return sum;
}

function copyTop(side: Side, depth: number, stride: number, out: number[]): void {
  const { levels } = side;
  const end = depth === 0 ? 0 : Math.max(0, levels.length - depth);
  for (let i = levels.length - 1; i >= end; i--) emit(levels[i]!, stride, out);
}

function emit(level: Level, stride: number, out: number[]): void {
  out.push(level.price, level.size);
  if (stride === 3) out.push(level.count);
}

function changesSince(side: Side, fromSeq: number, held: number, depth: number, stride: number, out: number[]): void {
  if (depth === 0 && held === 0) return allChangesSince(side, fromSeq, stride, out);
  const { levels } = side;
  const shown = depth === 0 ? levels.length : Math.min(depth, levels.length);
  const cutoff = depth > 0 && levels.length >= depth ? levels[levels.length - depth]! : null;
  const gone = tombstonesSince(side, fromSeq, cutoff);
  const heldRank = held === 0 ? Number.POSITIVE_INFINITY : held;
  // A level that did not change may still be new to the client: tombstones better than it stood above it at `fromSeq`.
  let passed = 0;
  for (let rank = 0; rank < shown; rank++) {
    const level = levels[levels.length - 1 - rank]!;
    while (passed < gone.length && side.better(gone[passed]!.price, level.price)) emit(gone[passed++]!, stride, out);
    if (level.seq > fromSeq || rank + passed >= heldRank) emit(level, stride, out);
  }
  while (passed < gone.length) emit(gone[passed++]!, stride, out);
}

const NO_LEVELS: readonly Level[] = [];

/** Tombstones newer than `fromSeq` and better than `cutoff` (all, where there is none), best first. */
function tombstonesSince(side: Side, fromSeq: number, cutoff: Level | null): readonly Level[] {
  let found: Level[] | null = null;
  for (let level = side.gone.newest; level !== null && level.seq > fromSeq; level = level.older) {
    if (cutoff !== null && !side.better(level.price, cutoff.price)) continue;
    found ??= [];
    found.push(level);
  }
  return found === null ? NO_LEVELS : sortBest(side, found);
}

/** Filled and read within one call of `allChangesSince`. */
const changed: Level[] = [];

/** The full book's answer: both lists from their newest on, at the cost of what changed. */
function allChangesSince(side: Side, fromSeq: number, stride: number, out: number[]): void {
  const found = changed;
  found.length = 0;
  for (let level = side.live.newest; level !== null && level.seq > fromSeq; level = level.older) found.push(level);
  for (let level = side.gone.newest; level !== null && level.seq > fromSeq; level = level.older) found.push(level);
  for (const level of sortBest(side, found)) emit(level, stride, out);
}

function sortBest(side: Side, found: Level[]): Level[] {
  return found.length < 2 ? found : found.sort((a, b) => (b.price - a.price) * side.sign);
}

function flatLevels(side: Side): number[] {
  const flat: number[] = [];
  for (const { price, size, count, seq } of side.levels) flat.push(price, size, count, seq);
  return flat;
}

function flatTombstones(side: Side): number[] {
  const flat: number[] = [];
  for (let level = side.gone.oldest; level !== null; level = level.newer) flat.push(level.price, level.seq);
  return flat;
}

function loadSide(side: Side, levels: readonly number[], gone: readonly number[]): void {
  const byChange: Level[] = [];
  for (let i = 0; i < levels.length; i += 4) {
    const [price, size, count, seq] = levels.slice(i, i + 4) as [number, number, number, number];
    const level = { price, size, count, seq, hash: levelHash(side.side, price, size) | 0, older: null, newer: null };
    side.insert(side.levels.length, level);
    side.sum = (side.sum + level.hash) | 0;
    byChange.push(level);
  }
  for (const level of byChange.sort((a, b) => a.seq - b.seq)) side.live.push(level);
  for (let i = 0; i < gone.length; i += 2) {
    const level: Level = { price: gone[i]!, size: 0, count: 0, hash: 0, seq: gone[i + 1]!, older: null, newer: null };
    side.gone.push(level);
    side.tombstones.set(level.price, level);
  }
}
