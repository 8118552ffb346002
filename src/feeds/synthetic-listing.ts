// Owns the trading of one symbol of the synthetic market: who takes, quotes and cancels, and what that makes of the
// book. The market tells it when something happens, and nothing while it is halted. Invariant: the book never crosses or
// empties, and every size that is traded is what the book loses at that price.

import type { BookSnapshot, Trade, Update } from '../market/update.ts';
import type { Random } from './random.ts';
import { type BookEdge, SyntheticBook } from './synthetic-book.ts';
import {
  assertSound,
  ORDER_FACTOR_MAX,
  reachTicks,
  type SyntheticSymbol,
  spreadTicksMax,
} from './synthetic-symbols.ts';
import { Tide } from './synthetic-tide.ts';

/** Up, down, or neither. */
export type Direction = 1 | -1 | 0;

const TRADE_CHANCE = 0.12;
/** After a trade others follow, mostly the same way: large orders are worked in parts. */
const ECHO_TRADE_CHANCE = 0.25;
const ECHO_SAME_WAY_CHANCE = 0.7;
const REVISION_CHANCE = 0.001;
const SWEEP_LEVELS_MAX = 6;
/** Trades that can still be corrected or busted. */
const RECENT_TRADES_MAX = 32;

const ORDERS_PER_REQUOTE_MAX = 3;
const PLACE_CHANCE = 0.58;
const CANCEL_WHOLE_CHANCE = 0.45;
/** One that the price has left behind, wherever that is. */
const FORGOTTEN_CHANCE = 0.5;
/** How far from the best price orders are placed and cancelled, on average, in usual gaps. */
const PLACE_GAPS = 5;
const CANCEL_GAPS = 3;
const ROUND_SIZE_CHANCE = 0.25;

/** One way of the symbol's own drift lasts that long, and crosses half of its range in that at the fastest. */
const TURN_US = 60_000_000;
const CROSS_US = 200_000_000;

/** Typical size by distance in gaps: little at the touch, most a few levels behind it, less again far out. */
const PROFILE = Float64Array.from({ length: 64 }, (_, gaps) => 0.4 + (24 * gaps) / (gaps * gaps + 64));

export class SyntheticListing {
  halted = false;
  /** Who took in the last `act`. */
  aggressor: Direction = 0;
  private readonly book: SyntheticBook;
  private readonly tide = new Tide(TURN_US, CROSS_US);
  private tideUs = 0;
  private tradeId = 0;
  private readonly recent: Trade[] = [];
  /** The fair value is this far away when everybody goes one way, in ticks. */
  private readonly pullTicks: number;
  private readonly reachTicks: number;
  private readonly spreadTicksMax: number;
  private readonly roundLots: number;

  /** @throws RangeError for a symbol that could not keep the invariant. */
  constructor(
    readonly symbol: SyntheticSymbol,
    private readonly random: Random,
  ) {
    assertSound(symbol);
    this.reachTicks = reachTicks(symbol);
    this.spreadTicksMax = spreadTicksMax(symbol);
    this.pullTicks = Math.max(this.spreadTicksMax, symbol.rangeTicks / 20);
    this.roundLots = 10 ** Math.max(0, String(Math.floor(symbol.levelLots / 3)).length - 1);
    this.book = new SyntheticBook(symbol.definition, 2 * (this.reachTicks + this.spreadTicksMax));
    this.open(symbol.startTicks);
  }

  /** The whole book. */
  snapshot(): BookSnapshot {
    const { book } = this;
    return { kind: 'snapshot', bids: book.flat(book.bids), asks: book.flat(book.asks) };
  }

  /**
   * Something happens: trades first, then what became of the book.
   * @param echo the way of the trade that this follows from.
   * @param marketLevel how far the market as a whole has moved, -1 to 1.
   */
  act(echo: Direction, atUs: number, marketLevel: number): Update[] {
    const { random } = this;
    const pull = this.pull(atUs, marketLevel);
    this.aggressor = 0;
    const revised = random.chance(REVISION_CHANCE) ? this.revised() : null;
    if (revised !== null) return [revised];
    const said: Update[] = [];
    if (random.chance(echo === 0 ? TRADE_CHANCE : ECHO_TRADE_CHANCE)) this.trade(this.wayOf(echo, pull), said);
    else this.requote(echo, pull);
    for (;;) {
      this.settle(pull);
      const changed = this.book.drain();
      if (changed !== null) {
        said.push({ kind: 'delta', bids: changed.bids, asks: changed.asks });
        return said;
      }
      this.requote(0, pull);
    }
  }

  halt(reason: string): Update {
    this.halted = true;
    return { kind: 'status', status: 'halted', reason };
  }

  /** Trading goes on where the value went meanwhile, with a new book. */
  reopen(atUs: number, marketLevel: number): Update[] {
    this.halted = false;
    this.open(Math.round(this.fairTicks(atUs, marketLevel)));
    return [{ kind: 'status', status: 'live', reason: null }, this.snapshot()];
  }

  private open(middleTicks: number): void {
    const { book, symbol } = this;
    book.clear();
    this.put(book.bids, middleTicks);
    this.put(book.asks, middleTicks + symbol.gapTicks);
    for (const edge of [book.bids, book.asks]) this.fill(edge, symbol.levels);
    book.drain();
  }

  private fairTicks(atUs: number, marketLevel: number): number {
    const { startTicks, rangeTicks, beta } = this.symbol;
    this.tide.advance(atUs - this.tideUs, this.random);
    this.tideUs = atUs;
    return startTicks + rangeTicks * (beta * marketLevel + (1 - Math.abs(beta)) * this.tide.level);
  }

  /** Where the price is drawn: 1 is up and nothing else. The price follows its fair value, so it keeps to its range. */
  private pull(atUs: number, marketLevel: number): number {
    const pull = (this.fairTicks(atUs, marketLevel) - this.book.middleTicks) / this.pullTicks;
    return Math.max(-1, Math.min(1, pull));
  }

  private wayOf(echo: Direction, pull: number): Direction {
    const { random } = this;
    if (echo !== 0 && Math.abs(pull) < 1 && random.chance(ECHO_SAME_WAY_CHANCE)) return echo;
    return random.chance(0.5 + 0.5 * pull) ? 1 : -1;
  }

  /** An aggressor takes from the top, up to some levels. */
  private trade(way: Direction, said: Update[]): void {
    const { book } = this;
    const { tickSize, lotSize } = this.symbol.definition;
    const edge = way > 0 ? book.asks : book.bids;
    const side = way > 0 ? 'buy' : 'sell';
    this.aggressor = way;
    let left = this.takerLots(book.lotsAt(edge.best));
    for (let levels = 0; left > 0 && levels < SWEEP_LEVELS_MAX; levels++) {
      const tick = edge.best;
      const taken = this.take(edge, tick, left);
      left -= taken;
      const id = ++this.tradeId;
      const trade: Trade = {
        kind: 'trade',
        id,
        tradeKind: 'trade',
        side,
        price: tick * tickSize,
        size: taken * lotSize,
      };
      this.recent[id % RECENT_TRADES_MAX] = trade;
      said.push(trade);
    }
  }

  /** Often a part of the best level, sometimes all of it, sometimes more. */
  private takerLots(bestLots: number): number {
    const drawn = this.random.fraction();
    if (drawn < 0.55) return 1 + this.random.below(bestLots);
    return drawn < 0.8 ? bestLots : bestLots + Math.floor(1.5 * this.symbol.levelLots * this.random.exponential());
  }

  /** Takes up to `wantedLots` from a level. @returns how many. */
  private take(edge: BookEdge, tick: number, wantedLots: number): number {
    const { book } = this;
    const held = book.lotsAt(tick);
    const taken = Math.min(wantedLots, held);
    const left = held - taken;
    // Never more orders than lots, since there were not before.
    const orders = Math.max(1, Math.ceil((book.ordersAt(tick) * left) / held));
    book.set(edge, tick, left, orders);
    return taken;
  }

  /** A late word on a recent trade: void, or with another price and size. Null where there is none that could be. */
  private revised(): Trade | null {
    const { random } = this;
    const { tickSize, lotSize } = this.symbol.definition;
    // Fewer than the ring holds: those with the first ids, which begin at 1.
    const id = this.tradeId - random.below(Math.min(this.tradeId, RECENT_TRADES_MAX));
    const trade = this.recent[id % RECENT_TRADES_MAX];
    if (trade === undefined || trade.tradeKind === 'bust') return null;
    if (random.chance(0.5)) {
      const bust: Trade = { ...trade, tradeKind: 'bust' };
      this.recent[id % RECENT_TRADES_MAX] = bust;
      return bust;
    }
    const price = trade.price + (random.below(3) - 1) * tickSize;
    const size = (1 + random.below(trade.size / lotSize)) * lotSize;
    const corrected: Trade = { ...trade, tradeKind: 'correction', price, size };
    this.recent[id % RECENT_TRADES_MAX] = corrected;
    return corrected;
  }

  /** A few orders come, change or go. */
  private requote(echo: Direction, pull: number): void {
    const { random, book } = this;
    for (let count = 1 + random.below(ORDERS_PER_REQUOTE_MAX); count > 0; count--) {
      const upward = random.chance(0.5 + 0.5 * pull);
      // What a trade has taken is put back sooner than elsewhere.
      const refilled = echo !== 0 && random.chance(0.6);
      const edge = refilled ? (echo > 0 ? book.asks : book.bids) : upward ? book.bids : book.asks;
      if (this.improves(edge, pull)) this.improve(edge);
      else if (refilled || random.chance(PLACE_CHANCE)) this.place(edge);
      else this.cancel(upward ? book.asks : book.bids);
    }
  }

  /** Whether this side betters its price: more likely where the spread is wide, and the way the price is drawn. */
  private improves({ inward }: BookEdge, pull: number): boolean {
    const { spreadTicks } = this.book;
    if (spreadTicks < 2) return false;
    const eager = spreadTicks > 2 * this.symbol.gapTicks ? 0.6 : 0.2;
    return this.random.chance(eager * (1 + inward * pull));
  }

  private improve(edge: BookEdge): void {
    const insideTicks = this.book.spreadTicks - 1;
    const stepTicks = 1 + this.random.below(Math.min(insideTicks, Math.max(this.symbol.gapTicks, insideTicks >> 1)));
    this.put(edge, edge.best + edge.inward * stepTicks);
  }

  /** A new order behind the best price, or at it: near it more often than far away. */
  private place(edge: BookEdge): void {
    const { random, book, symbol } = this;
    const distanceTicks = Math.floor(random.exponential() * PLACE_GAPS * symbol.gapTicks);
    const tick = edge.best - edge.inward * distanceTicks;
    const held = book.lotsAt(tick);
    const lots = this.orderLots(distanceTicks);
    const tooLong = held + lots > 2 * ORDER_FACTOR_MAX * symbol.levelLots;
    if (held === 0 || tooLong) book.set(edge, tick, lots, this.ordersIn(lots));
    else book.set(edge, tick, held + lots, book.ordersAt(tick) + 1);
  }

  private cancel(edge: BookEdge): void {
    const { random, book, symbol } = this;
    const anywhere = edge.best - edge.inward * random.below(this.reachTicks);
    if (random.chance(FORGOTTEN_CHANCE) && (anywhere - edge.deep) * edge.inward > 0 && book.lotsAt(anywhere) > 0) {
      book.set(edge, anywhere, 0, 0);
      return;
    }
    const distanceTicks = Math.floor(random.exponential() * CANCEL_GAPS * symbol.gapTicks);
    const tick = book.levelFrom(edge, edge.best - edge.inward * distanceTicks);
    const held = book.lotsAt(tick);
    if (random.chance(CANCEL_WHOLE_CHANCE)) book.set(edge, tick, 0, 0);
    else this.take(edge, tick, 1 + random.below(held));
  }

  /** Brings the book back to its bounds: depth, reach and spread. */
  private settle(pull: number): void {
    const { bids, asks } = this.book;
    while (this.book.spreadTicks > this.spreadTicksMax) this.narrow(this.random.chance(0.5 + 0.5 * pull) ? bids : asks);
    this.trim(bids);
    this.trim(asks);
    const levelsMin = Math.ceil(this.symbol.levels * 0.75);
    this.fill(bids, levelsMin);
    this.fill(asks, levelsMin);
  }

  private trim(edge: BookEdge): void {
    const levelsMax = Math.floor(this.symbol.levels * 1.25);
    while (edge.levels > levelsMax || (edge.best - edge.deep) * edge.inward > this.reachTicks) {
      this.book.set(edge, edge.deep, 0, 0);
    }
  }

  /** Adds levels at the far end, ever farther apart, as long as there is room; then between the others. */
  private fill(edge: BookEdge, levels: number): void {
    const { inward } = edge;
    while (edge.levels < levels) {
      const gapTicks = this.symbol.gapTicks * (1 + (2 * edge.levels) / this.symbol.levels);
      let tick = edge.deep - inward * (1 + this.random.below(2 * gapTicks - 1));
      if ((edge.best - tick) * inward > this.reachTicks) {
        do tick = edge.best - inward * this.random.below(this.reachTicks);
        while (this.book.lotsAt(tick) > 0);
      }
      this.put(edge, tick);
    }
  }

  /** A level within a spread that is too wide, but not where one has just been eaten. */
  private narrow(edge: BookEdge): void {
    let tick = edge.best + edge.inward * (1 + this.random.below(this.spreadTicksMax >> 1));
    while (this.book.isTouched(tick)) tick += edge.inward;
    this.put(edge, tick);
  }

  private put(edge: BookEdge, tick: number): void {
    const lots = this.orderLots(Math.max(0, (edge.best - tick) * edge.inward));
    this.book.set(edge, tick, lots, this.ordersIn(lots));
  }

  /** Seldom large, sometimes round. */
  private orderLots(distanceTicks: number): number {
    const { random, roundLots } = this;
    const { gapTicks, levelLots } = this.symbol;
    const typical = levelLots * PROFILE[Math.min(PROFILE.length - 1, Math.floor(distanceTicks / gapTicks))]!;
    const lots = 1 + Math.floor(typical * random.exponential());
    return lots > roundLots && random.chance(ROUND_SIZE_CHANCE) ? Math.ceil(lots / roundLots) * roundLots : lots;
  }

  private ordersIn(lots: number): number {
    return Math.min(lots, 1 + this.random.below(2 + (3 * lots) / this.symbol.levelLots));
  }
}
