// Owns a small market that lives without any exchange: the demo, tests and benchmarks step it. Deterministic from its
// seed; the time of its events is the caller's. Invariant: a book never crosses or empties, prices are on tick, sizes are
// multiples of the lot, and every number is a safe integer.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { Trade, Update } from '../market/update.ts';
import type { FeedEvent } from './feed.ts';
import { Ladder, type Level } from './ladder.ts';
import { type Pacing, waitUntil } from './pacing.ts';
import { Random } from './random.ts';

/** One symbol of the market, with the shape of its trading. */
export interface SyntheticSymbol {
  readonly definition: InstrumentDefinition & { readonly tickSize: number; readonly lotSize: number };
  /** Where the price begins and keeps returning to, in ticks. */
  readonly startTicks: number;
  /** How far it wanders before it turns back, in ticks. */
  readonly rangeTicks: number;
  /** Typical size of a level, in lots. */
  readonly levelLots: number;
  /** Share of the steps, relative to the other symbols. */
  readonly weight: number;
}

/** Levels per side that a book begins with, and between which it is kept. */
const LEVELS_START = 150;
const LEVELS_MIN = 100;
const LEVELS_MAX = 200;
/** A best price this far above zero, in ticks, keeps the deepest bid positive: more than a side and its gaps take. */
const TICKS_MIN = 2_000;
/** Distance of neighbours at the far end, in ticks: 1 to this. */
const FAR_GAP_TICKS_MAX = 3;
const SWEEP_LEVELS_MAX = 3;
/** Trades that can still be corrected or busted. */
const RECENT_TRADES_MAX = 32;

const TRADE_CHANCE = 0.2;
const REVISION_CHANCE = 0.004;
const TREND_CHANGE_CHANCE = 0.02;

/** Two coins in crypto style, one in coarser lots, a currency in half pips, and a spread that goes below zero. */
export const DEFAULT_SYMBOLS: readonly SyntheticSymbol[] = [
  {
    definition: { symbol: 'BTC-USD', priceScale: 1, sizeScale: 8, tickSize: 1, lotSize: 1 },
    startTicks: 650_000,
    rangeTicks: 4_000,
    levelLots: 80_000_000,
    weight: 5,
  },
  {
    definition: { symbol: 'ETH-USD', priceScale: 2, sizeScale: 8, tickSize: 1, lotSize: 1_000 },
    startTicks: 325_000,
    rangeTicks: 3_000,
    levelLots: 600_000,
    weight: 4,
  },
  {
    definition: { symbol: 'SOL-USD', priceScale: 2, sizeScale: 3, tickSize: 1, lotSize: 10 },
    startTicks: 15_000,
    rangeTicks: 600,
    levelLots: 4_000,
    weight: 3,
  },
  {
    definition: { symbol: 'EUR-USD', priceScale: 5, sizeScale: 0, tickSize: 5, lotSize: 1_000 },
    startTicks: 21_700,
    rangeTicks: 300,
    levelLots: 500,
    weight: 3,
  },
  {
    definition: {
      symbol: 'CL-M1-M2',
      priceScale: 2,
      sizeScale: 0,
      tickSize: 1,
      lotSize: 1,
      negativePrices: true,
      orderCounts: true,
    },
    startTicks: 5,
    rangeTicks: 40,
    levelLots: 60,
    weight: 2,
  },
];

export interface SyntheticOptions {
  readonly seed: number;
  readonly symbols?: readonly SyntheticSymbol[];
}

export class SyntheticMarket {
  private readonly random: Random;
  private readonly listings: readonly Listing[];
  private readonly weightSum: number;

  /** Throws a RangeError for a symbol that could not keep the invariant. */
  constructor({ seed, symbols = DEFAULT_SYMBOLS }: SyntheticOptions) {
    this.random = new Random(seed);
    this.listings = symbols.map((symbol) => new Listing(symbol, this.random));
    this.weightSum = symbols.reduce((sum, symbol) => sum + symbol.weight, 0);
  }

  /** What is traded; does not change. */
  instruments(): InstrumentDefinition[] {
    return this.listings.map((listing) => listing.definition);
  }

  /** The full books as they stand; to begin with 150 levels a side. */
  snapshots(exchangeUs: number | null = null): FeedEvent[] {
    return this.listings.map((listing) => updateEvent(listing, listing.snapshot(), exchangeUs));
  }

  /**
   * The next event of one symbol, a few updates at most: trades first, then what became of the book.
   * @param exchangeUs the time that the updates carry, microseconds since 1970.
   */
  step(exchangeUs: number | null = null): FeedEvent[] {
    const listing = this.pick();
    return listing.step().map((update) => updateEvent(listing, update, exchangeUs));
  }

  private pick(): Listing {
    let left = this.random.below(this.weightSum);
    for (const listing of this.listings) {
      left -= listing.weight;
      if (left < 0) return listing;
    }
    throw new Error('the weights do not add up to their sum');
  }
}

export interface SyntheticRun extends Pacing {
  readonly updatesPerSec: number;
  /** Ends the run. */
  readonly signal: AbortSignal;
  publish(event: FeedEvent): void;
}

/** Shortest pause between batches, milliseconds: short enough for the eye, long enough to batch and to serve sockets. */
const BATCH_PAUSE_MS = 5;
/** What a stalled process catches up with at most; the rest of the pause did not happen. */
const BACKLOG_MS_MAX = 250;

/**
 * Publishes instruments and snapshots, then steps at the given rate against absolute time, until aborted. Events carry
 * the clock's wall time. Throws a RangeError for a rate that is not above 0.
 */
export async function runSynthetic(market: SyntheticMarket, run: SyntheticRun): Promise<void> {
  const { clock, signal, publish, updatesPerSec } = run;
  if (!(updatesPerSec > 0)) throw new RangeError(`updatesPerSec is ${updatesPerSec}, not a number above 0`);
  for (const definition of market.instruments()) publish({ kind: 'instrument', definition });
  for (const event of market.snapshots(clock.nowUs())) publish(event);
  const msPerUpdate = 1_000 / updatesPerSec;
  let dueMs = clock.nowMs() + msPerUpdate;
  while (!signal.aborted) {
    const nowMs = clock.nowMs();
    dueMs = Math.max(dueMs, nowMs - BACKLOG_MS_MAX);
    while (dueMs <= nowMs && !signal.aborted) {
      const events = market.step(clock.nowUs());
      for (const event of events) publish(event);
      dueMs += events.length * msPerUpdate;
    }
    await waitUntil(Math.max(dueMs, clock.nowMs() + BATCH_PAUSE_MS), run);
  }
}

function updateEvent({ definition }: Listing, update: Update, exchangeUs: number | null): FeedEvent {
  return { kind: 'update', symbol: definition.symbol, update, exchangeUs, checksum: null };
}

/** One symbol's book and its recent trades. */
class Listing {
  readonly definition: SyntheticSymbol['definition'];
  readonly weight: number;
  private readonly symbol: SyntheticSymbol;
  private readonly random: Random;
  private readonly bids = new Ladder('bid');
  private readonly asks = new Ladder('ask');
  /** Where buyers and sellers push: 1 is up. */
  private trend = 0;
  private tradeId = 0;
  private readonly recent: Trade[] = [];

  constructor(symbol: SyntheticSymbol, random: Random) {
    assertSound(symbol);
    this.symbol = symbol;
    this.definition = symbol.definition;
    this.weight = symbol.weight;
    this.random = random;
    this.open();
  }

  snapshot(): Update {
    return { kind: 'snapshot', bids: this.bids.flat(), asks: this.asks.flat() };
  }

  step(): Update[] {
    if (this.random.chance(TREND_CHANGE_CHANCE)) this.turn();
    if (this.recent.length > 0 && this.random.chance(REVISION_CHANCE)) return [this.revise()];
    const trades = this.random.chance(TRADE_CHANCE) ? this.trade() : [];
    let delta = this.drain();
    while (delta.bids.length + delta.asks.length === 0) {
      this.requote();
      delta = this.drain();
    }
    return [...trades, delta];
  }

  private open(): void {
    const { startTicks, definition } = this.symbol;
    const middle = startTicks * definition.tickSize;
    this.put(this.bids, middle);
    this.put(this.asks, middle + definition.tickSize);
    for (const ladder of [this.bids, this.asks]) this.fill(ladder, LEVELS_START);
    this.drain();
  }

  private drain(): Update & { readonly kind: 'delta' } {
    for (const ladder of [this.bids, this.asks]) {
      this.fill(ladder, LEVELS_MIN);
      ladder.cut(LEVELS_MAX);
    }
    return { kind: 'delta', bids: this.bids.drain(), asks: this.asks.drain() };
  }

  /** Adds levels at the far end. */
  private fill(ladder: Ladder, count: number): void {
    while (ladder.levels.length < count) {
      const gapTicks = 1 + this.random.below(FAR_GAP_TICKS_MAX);
      const price = ladder.levels.at(-1)!.price + ladder.outward * gapTicks * this.definition.tickSize;
      if (!this.canQuote(price)) return;
      this.put(ladder, price);
    }
  }

  /** A new direction; back towards the start where the price has wandered off. */
  private turn(): void {
    const { startTicks, rangeTicks, definition } = this.symbol;
    const wanderedTicks = this.best(this.bids).price / definition.tickSize - startTicks;
    this.trend = Math.abs(wanderedTicks) > rangeTicks ? -Math.sign(wanderedTicks) : this.random.below(3) - 1;
  }

  /** An aggressor takes from the top, up to some levels. */
  private trade(): Trade[] {
    const buying = this.random.chance(0.5 + 0.25 * this.trend);
    const ladder = buying ? this.asks : this.bids;
    const trades: Trade[] = [];
    for (let left = this.takerSize(ladder); left > 0 && trades.length < SWEEP_LEVELS_MAX; ) {
      const top = this.best(ladder);
      const size = Math.min(left, top.size);
      this.reduce(ladder, top, size);
      left -= size;
      const id = ++this.tradeId;
      trades.push({ kind: 'trade', id, tradeKind: 'trade', side: buying ? 'buy' : 'sell', price: top.price, size });
    }
    this.recent.push(...trades);
    this.recent.splice(0, this.recent.length - RECENT_TRADES_MAX);
    return trades;
  }

  /** Often a part of the best level, sometimes all of it, sometimes more. */
  private takerSize(ladder: Ladder): number {
    const { size } = this.best(ladder);
    if (this.random.chance(0.3)) return size;
    return this.random.chance(0.15) ? size + this.randomSize() : this.partOf(size);
  }

  private reduce(ladder: Ladder, level: Level, size: number): void {
    const orders = Math.max(Math.min(1, level.orders), level.orders - this.random.below(3));
    ladder.put({ ...level, size: level.size - size, orders });
  }

  /** A late word on a recent trade: void, or with another price and size. */
  private revise(): Trade {
    const index = this.random.below(this.recent.length);
    const trade = this.recent[index]!;
    if (this.random.chance(0.5)) {
      this.recent.splice(index, 1);
      return { ...trade, tradeKind: 'bust' };
    }
    const movedPrice = trade.price + (this.random.below(3) - 1) * this.definition.tickSize;
    const price = this.canQuote(movedPrice) ? movedPrice : trade.price;
    this.recent[index] = { ...trade, price, size: this.partOf(trade.size) };
    return { ...this.recent[index], tradeKind: 'correction' };
  }

  /** One to three orders come, change or go, mostly on one side. */
  private requote(): void {
    const sides = this.random.chance(0.1) ? [this.bids, this.asks] : [this.random.chance(0.5) ? this.bids : this.asks];
    for (const ladder of sides) {
      for (let count = 1 + this.random.below(3); count > 0; count--) this.requoteOnce(ladder);
    }
  }

  private requoteOnce(ladder: Ladder): void {
    const { tickSize } = this.definition;
    const insideTicks = (this.best(this.asks).price - this.best(this.bids).price) / tickSize - 1;
    if (insideTicks > 0 && this.random.chance(this.eagerness(ladder, insideTicks))) {
      const stepTicks = 1 + this.random.below(Math.min(insideTicks, Math.max(3, insideTicks >> 1)));
      this.put(ladder, this.best(ladder).price - ladder.outward * stepTicks * tickSize);
      return;
    }
    const level = this.pickNearTop(ladder);
    const neighbour = level.price + ladder.outward * tickSize;
    if (this.random.chance(0.25)) this.withdraw(ladder, level);
    else if (this.random.chance(0.4) && ladder.at(neighbour) === null && this.canQuote(neighbour)) {
      this.put(ladder, neighbour);
    } else this.put(ladder, level.price);
  }

  /** How likely this side improves its best price; wide spreads and the trend's side do it more. */
  private eagerness(ladder: Ladder, insideTicks: number): number {
    const pushing = this.trend * -ladder.outward;
    return (insideTicks > 3 ? 0.75 : 0.3) + 0.25 * pushing;
  }

  private pickNearTop(ladder: Ladder): Level {
    let index = 0;
    while (index < ladder.levels.length - 1 && this.random.chance(0.75)) index++;
    return ladder.levels[index]!;
  }

  private withdraw(ladder: Ladder, level: Level): void {
    if (ladder.levels.length > 1) ladder.put({ ...level, size: 0 });
  }

  private put(ladder: Ladder, price: number): void {
    const orders = this.definition.orderCounts ? 1 + this.random.below(9) : 0;
    ladder.put({ price, size: this.randomSize(), orders, checksumText: null });
  }

  private best(ladder: Ladder): Level {
    return ladder.levels[0]!;
  }

  /** A tenth of the levels are walls. */
  private randomSize(): number {
    const { levelLots, definition } = this.symbol;
    const lots = 1 + this.random.below(2 * levelLots);
    return (this.random.chance(0.1) ? lots * 5 : lots) * definition.lotSize;
  }

  /** One lot to all of it. */
  private partOf(size: number): number {
    const { lotSize } = this.definition;
    return (1 + this.random.below(size / lotSize)) * lotSize;
  }

  private canQuote(price: number): boolean {
    return this.definition.negativePrices === true || price > 0;
  }
}

function assertSound({ definition, startTicks, rangeTicks, levelLots, weight }: SyntheticSymbol): void {
  const { symbol, tickSize, lotSize, negativePrices } = definition;
  const furthestTicks = Math.abs(startTicks) + 2 * rangeTicks + LEVELS_MAX * FAR_GAP_TICKS_MAX;
  const largestLots = 2 * levelLots * 5;
  const counts = [startTicks, rangeTicks, tickSize, lotSize, levelLots, weight];
  const faults: readonly (readonly [boolean, string])[] = [
    [!counts.every(Number.isSafeInteger), 'has a number that is not an integer'],
    [Math.min(rangeTicks, tickSize, lotSize, levelLots, weight) < 1, 'has a number below 1'],
    [negativePrices !== true && startTicks - 2 * rangeTicks < TICKS_MIN, `may fall below ${TICKS_MIN} ticks`],
    [!Number.isSafeInteger(furthestTicks * tickSize), 'may have a price beyond 2^53 - 1'],
    [!Number.isSafeInteger(largestLots * lotSize), 'may have a size beyond 2^53 - 1'],
  ];
  const fault = faults.find(([present]) => present);
  if (fault !== undefined) throw new RangeError(`synthetic symbol ${symbol} ${fault[1]}`);
}
