// Owns the publishing side: for one instrument, updates as an exchange might send them, and updates that must be refused.
// The simulation publishes what it makes. Invariant: each publication comes with the only right answer: accepted, or a code.

import type { Publication } from '../../src/bus/bus.ts';
import { defineInstrument, type Instrument } from '../../src/market/instrument.ts';
import type { BookDelta, BookSnapshot, Update } from '../../src/market/update.ts';
import { SIDES, TRADE_KINDS } from '../../src/protocol/frames.ts';
import type { Random } from './kernel.ts';
import { EMPTY_BOOK, type NaiveBook, type NaiveLevel, type Oracle } from './oracle.ts';

export interface VenueStyle {
  readonly instrument: Instrument;
  /** The price around which it trades, in ticks. */
  readonly midTicks: number;
  /** Levels a side in a snapshot. */
  readonly levelsMin?: number;
  readonly levelsMax: number;
  /** Share of changes that are anywhere in the book instead of near its top. */
  readonly deepShare: number;
  /** Sizes, in lots. */
  readonly lots: readonly number[];
}

export interface Planned {
  readonly publication: Publication;
  /** The code with which it must be refused; null: accepted. */
  readonly refusal: string | null;
}

const REMEMBERED_PRICES_MAX = 24;
const SAFE_MAX = Number.MAX_SAFE_INTEGER;

export class Venue {
  instrument: Instrument;
  listed = true;
  private midTicks: number;
  private readonly removed: { bids: number[]; asks: number[] } = { bids: [], asks: [] };
  private tradeCount = 0;

  constructor(
    private readonly style: VenueStyle,
    private readonly random: Random,
    private readonly oracle: Oracle,
    private readonly nowUs: () => number,
  ) {
    this.instrument = style.instrument;
    this.midTicks = style.midTicks;
  }

  get symbol(): string {
    return this.instrument.symbol;
  }

  /** Whatever comes next; mostly a delta. */
  next(): Planned {
    const { random } = this;
    const drawn = random.below(100);
    if (drawn < 66) return this.delta(1 + random.nearZero(6));
    if (drawn < 70) return this.snapshot();
    if (drawn < 80) return this.trade();
    if (drawn < 90) return this.quote();
    if (drawn < 93) return this.status();
    return this.impossible();
  }

  snapshot(): Planned {
    this.midTicks += this.random.between(-3, 3);
    const count = this.random.chance(0.05) ? 0 : this.random.between(this.style.levelsMin ?? 1, this.style.levelsMax);
    const bids: number[] = [];
    const asks: number[] = [];
    const { tickSize } = this.instrument;
    for (let k = 1, bid = this.midTicks, ask = this.midTicks; k <= count; k++) {
      bid -= 1 + this.random.nearZero(3);
      ask += 1 + this.random.nearZero(3);
      if (this.allowed(bid * tickSize)) bids.push(bid * tickSize, this.size(), this.count());
      asks.push(ask * tickSize, this.size(), this.count());
    }
    return this.plan({ kind: 'snapshot', bids, asks });
  }

  /** A snapshot that says again most of what holds. */
  refresh(): Planned {
    const { bids, asks } = this.book;
    return this.plan({ kind: 'snapshot', bids: this.flatMost(bids), asks: this.flatMost(asks) });
  }

  delta(changes: number): Planned {
    const update: { kind: 'delta'; bids: number[]; asks: number[] } = { kind: 'delta', bids: [], asks: [] };
    for (let i = 0; i < changes; i++) this.change(update);
    return this.plan(update);
  }

  trade(): Planned {
    const { random } = this;
    this.tradeCount += 1;
    const ids = [null, this.tradeCount, `t${this.tradeCount}`, 2 ** 40 + this.tradeCount];
    return this.plan({
      kind: 'trade',
      id: random.pick(ids),
      tradeKind: random.chance(0.8) ? 'trade' : random.pick(TRADE_KINDS),
      side: random.pick(SIDES),
      price: this.midPrice,
      size: this.size(),
    });
  }

  quote(): Planned {
    const { tickSize } = this.instrument;
    const bidPrice = this.random.chance(0.1) ? null : (this.midTicks - this.random.between(1, 3)) * tickSize;
    const askPrice = this.random.chance(0.1) ? null : (this.midTicks + this.random.between(1, 3)) * tickSize;
    const [bidSize, askSize] = [bidPrice === null ? 0 : this.size(), askPrice === null ? 0 : this.size()];
    return this.plan({ kind: 'quote', bidPrice, bidSize, askPrice, askSize });
  }

  status(): Planned {
    const status = this.random.pick(['live', 'crossed', 'halted', 'source-down'] as const);
    return this.plan({ kind: 'status', status, reason: this.random.chance(0.5) ? null : 'maintenance' });
  }

  /** One thing wrong, all else right. */
  impossible(): Planned {
    const { random, instrument } = this;
    const { tickSize, lotSize } = instrument;
    const price = this.midPrice;
    const size = this.size();
    switch (random.below(7)) {
      case 0:
        return this.plan({ kind: 'delta', bids: [price, -lotSize, 0], asks: [] });
      case 1:
        return this.plan({
          kind: 'delta',
          bids: [price, size, 0],
          asks: [price + tickSize, size, 0, price + tickSize, 0, 0],
        });
      case 2:
        return this.plan({ kind: 'snapshot', bids: [price + 2 * tickSize, size, 0], asks: [price, size, 0] });
      case 3:
        return this.plan({ kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: SAFE_MAX + 1, size });
      case 4:
        if (tickSize === 1) return this.crossing();
        return this.plan({ kind: 'delta', bids: [], asks: [price + 1, size, 0] });
      case 5:
        if (lotSize === 1) return this.crossing();
        return this.plan({ kind: 'delta', bids: [price, size + 1, 0], asks: [] });
      default:
        return this.crossing();
    }
  }

  /** A delta whose last level would cross the book; those before it are right. */
  private crossing(): Planned {
    const { bids, asks } = this.book;
    const { tickSize } = this.instrument;
    if (bids[0] === undefined || asks[0] === undefined) return this.delta(1);
    const worst = bids[bids.length - 1]!;
    return this.plan({
      kind: 'delta',
      bids: [worst.price, 0, 0],
      asks: [bids[0].price - tickSize, this.size(), 0],
    });
  }

  /** The scale or another property changed; the numbers follow. */
  changeTo(instrument: Instrument): void {
    const ticksBefore = this.midTicks * this.instrument.tickSize * 10 ** instrument.priceScale;
    this.midTicks = Math.round(ticksBefore / 10 ** this.instrument.priceScale / instrument.tickSize);
    this.instrument = instrument;
    this.removed.bids = [];
    this.removed.asks = [];
  }

  private get book(): NaiveBook {
    return this.oracle.now('book', this.symbol)?.newestBook ?? EMPTY_BOOK;
  }

  private get midPrice(): number {
    return this.midTicks * this.instrument.tickSize;
  }

  private allowed(price: number): boolean {
    return price > 0 || this.instrument.negativePrices;
  }

  private size(): number {
    return this.instrument.lotSize * this.random.pick(this.style.lots);
  }

  private count(): number {
    return this.instrument.orderCounts ? this.random.between(1, 4) : 0;
  }

  private flatMost(levels: readonly NaiveLevel[]): number[] {
    const flat: number[] = [];
    for (const { price, size, count } of levels) {
      if (this.random.chance(0.06)) continue;
      flat.push(price, this.random.chance(0.06) ? this.size() : size, count);
    }
    return flat;
  }

  /** Adds one changed level to a delta that does not name its price yet. */
  private change(delta: { bids: number[]; asks: number[] }): void {
    const { random } = this;
    const side = random.chance(0.5) ? 'bids' : 'asks';
    const levels = this.book[side];
    const flat = delta[side];
    const price = this.priceToChange(side, levels);
    if (price === null || !this.allowed(price) || named(flat, price)) return;
    const held = levels.some((level) => level.price === price);
    if (!held) {
      flat.push(price, random.chance(0.05) ? 0 : this.size(), this.count());
    } else if (random.chance(levels.length > this.style.levelsMax ? 0.7 : 0.45)) {
      flat.push(price, 0, 0);
      this.remember(side, price);
    } else flat.push(price, this.size(), this.count());
  }

  private priceToChange(side: 'bids' | 'asks', levels: readonly NaiveLevel[]): number | null {
    const { random } = this;
    const { tickSize } = this.instrument;
    const drawn = random.below(10);
    const deep = random.chance(this.style.deepShare);
    const at = deep ? random.below(levels.length) : random.nearZero(levels.length);
    const level = levels[at];
    if (drawn < 5 && level !== undefined) return level.price;
    const removed = this.removed[side];
    if (drawn < 7 && removed.length > 0) return this.notCrossing(side, random.pick(removed));
    const best = levels[0]?.price ?? this.midPrice;
    const away = (deep ? random.between(2, 90) : random.between(-2, 4)) * tickSize;
    return this.notCrossing(side, side === 'bids' ? best - away : best + away);
  }

  /** Mostly: some crossings are left in, to be refused. */
  private notCrossing(side: 'bids' | 'asks', price: number): number | null {
    const [other] = this.book[side === 'bids' ? 'asks' : 'bids'];
    if (other === undefined || this.random.chance(0.02)) return price;
    return (side === 'bids' ? price < other.price : price > other.price) ? price : null;
  }

  private remember(side: 'bids' | 'asks', price: number): void {
    const removed = this.removed[side];
    if (removed.length < REMEMBERED_PRICES_MAX) removed.push(price);
    else removed[this.random.below(REMEMBERED_PRICES_MAX)] = price;
  }

  private plan(update: Update): Planned {
    const exchangeUs = this.random.chance(0.2) ? null : this.nowUs() - this.random.between(-500, 60_000);
    return { publication: { symbol: this.symbol, update, exchangeUs }, refusal: this.refusalOf(update) };
  }

  /** What the rules say of an update now, found the plain way. */
  private refusalOf(update: Update): string | null {
    if (!this.listed) return 'unknown-symbol';
    if (update.kind === 'status') return null;
    if (update.kind === 'trade') return this.numberFault(update.price, update.size);
    if (update.kind === 'quote') {
      if (this.instrument.quoteSource === 'book') return 'derived-channel';
      const bid = this.numberFault(update.bidPrice ?? this.midPrice, update.bidSize);
      return bid ?? this.numberFault(update.askPrice ?? this.midPrice, update.askSize);
    }
    return this.levelsFault(update.bids) ?? this.levelsFault(update.asks) ?? this.bookFault(update);
  }

  private levelsFault(flat: readonly number[]): string | null {
    for (let i = 0; i < flat.length; i += 3) {
      const fault = this.numberFault(flat[i]!, flat[i + 1]!, flat[i + 1] === 0);
      if (fault !== null) return fault;
      if (named(flat, flat[i]!, i)) return 'duplicate-level';
    }
    return null;
  }

  /** What is removed may be off a tick that was changed since. */
  private numberFault(price: number, size: number, removes = false): string | null {
    const { tickSize, lotSize } = this.instrument;
    if (!Number.isSafeInteger(price)) return 'out-of-range';
    if (!this.allowed(price)) return 'bad-price';
    if (!removes && price % tickSize !== 0) return 'off-tick';
    if (size < 0) return 'bad-size';
    return size % lotSize === 0 ? null : 'off-lot';
  }

  private bookFault(update: BookDelta | BookSnapshot): string | null {
    const history = this.oracle.now('book', this.symbol);
    if (update.kind === 'delta' && history === undefined) return 'needs-snapshot';
    return this.book.after(update).crossed ? 'crossed' : null;
  }
}

/** Whether one of the first `length` numbers is the price of a level. */
function named(flat: readonly number[], price: number, length = flat.length): boolean {
  for (let i = 0; i < length; i += 3) if (flat[i] === price) return true;
  return false;
}

/** An instrument as the runs use them. */
export function define(definition: Parameters<typeof defineInstrument>[0]): Instrument {
  const instrument = defineInstrument(definition);
  if (typeof instrument === 'string') throw new Error(instrument);
  return instrument;
}
