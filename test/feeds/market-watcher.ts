// Owns the oracle of the synthetic market: naive books that apply what it says, and a complaint for whatever breaks an
// invariant. Tests hand it everything that a market said, in order. Shares no code with what it checks.

import type { FeedEvent } from '../../src/feeds/feed.ts';
import type { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { defineInstrument, type Instrument, type InstrumentDefinition } from '../../src/market/instrument.ts';
import type { BookDelta, BookSnapshot, StatusChange, Trade, Update } from '../../src/market/update.ts';
import { NaiveBook } from './naive.ts';

export type UpdateEvent = FeedEvent & { kind: 'update' };

/** Every step of these markets is far smaller. */
const DELTA_LEVELS_MAX = 200;

export class MarketWatcher {
  readonly books = new Map<string, NaiveBook>();
  readonly counts = {
    delta: 0,
    snapshot: 0,
    trade: 0,
    correction: 0,
    bust: 0,
    sweep: 0,
    halted: 0,
    live: 0,
    listed: 0,
  };
  /** Lowest bid, highest offer and widest spread so far, in ticks. */
  readonly extremes = new Map<string, { lowest: number; highest: number; widest: number }>();
  readonly halted = new Set<string>();
  private readonly instruments = new Map<string, Instrument>();
  private readonly levelsAtOpening = new Map<string, number>();
  private readonly trades = new Map<string, Map<number, Trade>>();

  constructor(market: SyntheticMarket) {
    for (const definition of market.instruments()) this.list(definition);
    for (const event of market.snapshots()) this.hear([event]);
  }

  /** What one step said. */
  hear(events: readonly FeedEvent[]): void {
    const [first, ...others] = events;
    if (first?.kind === 'instrument') {
      this.list(first.definition);
      this.counts.listed++;
      if (others.length !== 1) throw new Error(`${others.length} updates of a symbol that is listed`);
      return this.hear(others);
    }
    const symbols = new Set(events.map((event) => (event as UpdateEvent).symbol));
    const [symbol] = symbols;
    if (symbol === undefined || symbols.size > 1) throw new Error(`one step is of ${symbols.size} symbols`);
    const said = events.map((event) => {
      if (event.kind !== 'update' || event.checksum !== null) throw new Error(`${symbol}: ${JSON.stringify(event)}`);
      return event.update;
    });
    this.hearUpdates(symbol, said);
  }

  private list(definition: InstrumentDefinition): void {
    const instrument = defineInstrument(definition);
    if (typeof instrument === 'string') throw new Error(`${definition.symbol}: ${instrument}`);
    const { symbol } = instrument;
    if (this.instruments.has(symbol)) throw new Error(`${symbol} is listed twice`);
    this.instruments.set(symbol, instrument);
    this.books.set(symbol, new NaiveBook());
    this.trades.set(symbol, new Map());
    this.extremes.set(symbol, { lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY, widest: 0 });
  }

  private hearUpdates(symbol: string, said: readonly Update[]): void {
    if (!this.instruments.has(symbol)) throw new Error(`${symbol} is not listed`);
    const kinds = said.map(({ kind }) => kind).join(' ');
    const first = said[0]!;
    if (first.kind === 'status') this.checkStatus(symbol, first, kinds);
    else if (this.halted.has(symbol)) throw new Error(`${symbol} is halted, and says ${kinds}`);
    else if (first.kind === 'trade' && first.tradeKind !== 'trade') this.checkRevision(symbol, first, kinds);
    else if (!/^(snapshot|(trade )*delta)$/.test(kinds)) throw new Error(`${symbol} says ${kinds}`);
    this.checkTrades(symbol, said);
    for (const update of said) if (update.kind === 'delta' || update.kind === 'snapshot') this.apply(symbol, update);
  }

  private checkStatus(symbol: string, { status, reason }: StatusChange, kinds: string): void {
    const was = this.halted.has(symbol);
    const sound = was ? status === 'live' && reason === null : status === 'halted' && (reason ?? '').length > 3;
    if (!sound || kinds !== (was ? 'status snapshot' : 'status')) {
      throw new Error(`${symbol}, ${was ? 'halted' : 'live'}, says ${kinds}, ${status}, ${reason}`);
    }
    if (was) this.halted.delete(symbol);
    else this.halted.add(symbol);
    this.counts[was ? 'live' : 'halted']++;
  }

  /** Trades take the best levels as they stood, best first, and the delta takes away just what was traded. */
  private checkTrades(symbol: string, said: readonly Update[]): void {
    const trades = said.filter((update): update is Trade => update.kind === 'trade' && update.tradeKind === 'trade');
    if (trades.length === 0) return;
    const delta = said.at(-1) as BookDelta;
    const side = trades[0]!.side === 'buy' ? 'asks' : 'bids';
    const held = this.books.get(symbol)!.sorted(side);
    const changed = new Map(levelsOf(delta[side]).map(([price, size]) => [price, size]));
    trades.forEach((trade, index) => {
      const [price, size] = held[index]!;
      const whole = index < trades.length - 1;
      const fair =
        trade.side === trades[0]!.side &&
        trade.price === price &&
        trade.size > 0 &&
        (whole ? trade.size === size : trade.size <= size) &&
        changed.get(price) === size - trade.size;
      if (!fair) throw new Error(`${symbol}: ${JSON.stringify(trade)} of ${size} at ${price}`);
      this.checkNumbers(symbol, [trade.price, trade.size, 0]);
      const known = this.trades.get(symbol)!;
      if (trade.id !== known.size + 1) throw new Error(`${symbol}: trade ${trade.id} after ${known.size}`);
      known.set(trade.id, trade);
    });
    this.counts.trade += trades.length;
    if (trades.length > 1) this.counts.sweep++;
  }

  private checkRevision(symbol: string, revised: Trade, kinds: string): void {
    const trade = this.trades.get(symbol)!.get(revised.id as number);
    const { tickSize } = this.instruments.get(symbol)!;
    const sound =
      kinds === 'trade' &&
      trade !== undefined &&
      trade.tradeKind !== 'bust' &&
      revised.side === trade.side &&
      revised.size > 0 &&
      Math.abs(revised.price - trade.price) <= 40 * tickSize;
    if (!sound) throw new Error(`${symbol}: ${kinds} ${JSON.stringify(revised)} of ${JSON.stringify(trade)}`);
    this.trades.get(symbol)!.set(revised.id as number, revised);
    this.checkNumbers(symbol, [revised.price, revised.size, 0]);
    this.counts[revised.tradeKind]++;
  }

  private apply(symbol: string, update: BookDelta | BookSnapshot): void {
    const book = this.books.get(symbol)!;
    const instrument = this.instruments.get(symbol)!;
    for (const side of ['bids', 'asks'] as const) {
      const levels = levelsOf(update[side]);
      if (update.kind === 'delta' && levels.length > DELTA_LEVELS_MAX) throw new Error(`${symbol}: a delta of all`);
      for (const [price, size, orders] of levels) {
        this.checkNumbers(symbol, [price, size, orders]);
        if (orders > 0 !== (instrument.orderCounts && size > 0)) throw new Error(`${symbol}: ${orders} orders`);
        if (orders * instrument.lotSize > size) throw new Error(`${symbol}: ${orders} orders in ${size}`);
        const held = book[side].get(price);
        if (update.kind === 'delta' && held?.size === size && held.orders === orders) {
          throw new Error(`${symbol}: ${size} at ${price} is no change`);
        }
      }
    }
    if (update.bids.length + update.asks.length === 0) throw new Error(`${symbol}: an empty ${update.kind}`);
    this.counts[update.kind]++;
    book.apply(update);
    this.checkBook(symbol, book);
    if (update.kind === 'snapshot') this.levelsAtOpening.set(symbol, book.bids.size);
  }

  private checkBook(symbol: string, { bids, asks }: NaiveBook): void {
    const [bid, ask] = [Math.max(...bids.keys()), Math.min(...asks.keys())];
    if (!(bid < ask)) throw new Error(`${symbol} is crossed: ${bid} ${ask}`);
    const { tickSize } = this.instruments.get(symbol)!;
    const extreme = this.extremes.get(symbol)!;
    extreme.lowest = Math.min(extreme.lowest, bid / tickSize);
    extreme.highest = Math.max(extreme.highest, ask / tickSize);
    extreme.widest = Math.max(extreme.widest, (ask - bid) / tickSize);
    const opening = this.levelsAtOpening.get(symbol) ?? bids.size;
    for (const { size } of [bids, asks]) {
      if (size < opening * 0.75 || size > opening * 1.25) throw new Error(`${symbol}: ${size} levels of ${opening}`);
    }
  }

  private checkNumbers(symbol: string, [price, size, orders]: readonly [number, number, number]): void {
    const { tickSize, lotSize, negativePrices } = this.instruments.get(symbol)!;
    const sound =
      [price, size, orders].every((number) => Number.isSafeInteger(number) && !Object.is(number, -0)) &&
      price % tickSize === 0 &&
      size % lotSize === 0 &&
      size >= 0 &&
      orders >= 0 &&
      (negativePrices || price > 0);
    if (!sound) throw new Error(`${symbol}: ${price} ${size} ${orders}`);
  }
}

function levelsOf(flat: readonly number[]): [price: number, size: number, orders: number][] {
  return Array.from({ length: flat.length / 3 }, (_, i) => [flat[i * 3]!, flat[i * 3 + 1]!, flat[i * 3 + 2]!]);
}
