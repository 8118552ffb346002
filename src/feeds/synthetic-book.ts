// Owns one symbol's book in the synthetic market: a window of ticks in typed arrays, and what changed since it was last
// asked. The listing trades on it. Invariant: bids are below asks, and `best`, `deep` and `levels` of a side are true of
// it, as long as the caller sets bids below the best ask, asks above the best bid, and never empties a side.

import { LEVEL_STRIDE } from '../market/update.ts';
import type { FlatLevels } from '../protocol/frames.ts';

/** One side: prices in ticks. */
export interface BookEdge {
  /** 1 where a higher price is better, else -1. */
  readonly inward: 1 | -1;
  best: number;
  /** The level farthest from the best one. */
  deep: number;
  levels: number;
}

export interface Units {
  readonly tickSize: number;
  readonly lotSize: number;
  readonly orderCounts?: boolean;
}

const ORDERS_MAX = 0xffff;

export class SyntheticBook {
  readonly bids: BookEdge = { inward: 1, best: 0, deep: 0, levels: 0 };
  readonly asks: BookEdge = { inward: -1, best: 0, deep: 0, levels: 0 };
  /** By tick modulo the window; in lots, those of asks below 0. */
  private readonly cells: Float64Array;
  private readonly orderCells: Uint16Array;
  private readonly mask: number;
  /** Ticks that were set since the last `drain`, in no order, with what they held then. */
  private readonly touchedTicks: number[] = [];
  private readonly touchedCells: number[] = [];
  private readonly touchedOrders: number[] = [];

  /** @param spanTicks distance of the deepest bid from the deepest ask, at most. */
  constructor(
    private readonly units: Units,
    spanTicks: number,
  ) {
    let width = 64;
    while (width <= spanTicks) width *= 2;
    this.cells = new Float64Array(width);
    this.orderCells = new Uint16Array(width);
    this.mask = width - 1;
  }

  /** Ticks between the best prices. */
  get spreadTicks(): number {
    return this.asks.best - this.bids.best;
  }

  get middleTicks(): number {
    return (this.asks.best + this.bids.best) / 2;
  }

  /** Lots at a tick, whatever its side; 0 where there is no level. */
  lotsAt(tick: number): number {
    return Math.abs(this.cells[tick & this.mask]!);
  }

  ordersAt(tick: number): number {
    return this.orderCells[tick & this.mask]!;
  }

  /** Whether the tick was set since the last `drain`. */
  isTouched(tick: number): boolean {
    return this.touchedTicks.includes(tick);
  }

  /** Nothing is left; the next level that is set on each side is its best. */
  clear(): void {
    this.cells.fill(0);
    this.orderCells.fill(0);
    this.bids.levels = 0;
    this.asks.levels = 0;
    this.forgetTouched();
  }

  /** Sets a level to its new size, 0 removes it. */
  set(edge: BookEdge, tick: number, lots: number, orders: number): void {
    const { inward } = edge;
    const place = tick & this.mask;
    const held = this.cells[place]!;
    this.touch(tick, held, this.orderCells[place]!);
    this.cells[place] = lots * inward;
    this.orderCells[place] = lots > 0 && this.units.orderCounts === true ? Math.min(orders, ORDERS_MAX) : 0;
    if ((held !== 0) === lots > 0) return;
    if (lots > 0) this.added(edge, tick);
    else this.removed(edge, tick);
  }

  /** The nearest level at `tick` or farther out; the deepest where there is none. */
  levelFrom(edge: BookEdge, tick: number): number {
    const { inward, deep } = edge;
    const { cells, mask } = this;
    let found = (tick - edge.best) * inward > 0 ? edge.best : tick;
    while ((found - deep) * inward > 0 && cells[found & mask] === 0) found -= inward;
    return (found - deep) * inward > 0 ? found : deep;
  }

  /** What changed since the last call, as flat levels, best first; null where nothing did. */
  drain(): { readonly bids: FlatLevels; readonly asks: FlatLevels } | null {
    const bids: number[] = [];
    const asks: number[] = [];
    this.sortTouched();
    const { touchedTicks } = this;
    for (let i = touchedTicks.length - 1; i >= 0; i--) this.drainOne(i, 1, bids);
    for (let i = 0; i < touchedTicks.length; i++) this.drainOne(i, -1, asks);
    this.forgetTouched();
    return bids.length + asks.length === 0 ? null : { bids, asks };
  }

  /** A whole side, best first. */
  flat(edge: BookEdge): FlatLevels {
    const flat: number[] = [];
    for (let tick = edge.best; flat.length < edge.levels * LEVEL_STRIDE; tick -= edge.inward) {
      const lots = this.lotsAt(tick);
      if (lots > 0) this.write(flat, tick, lots, this.ordersAt(tick));
    }
    return flat;
  }

  private added(edge: BookEdge, tick: number): void {
    const { inward } = edge;
    if (edge.levels === 0 || (tick - edge.best) * inward > 0) edge.best = tick;
    if (edge.levels === 0 || (edge.deep - tick) * inward > 0) edge.deep = tick;
    edge.levels += 1;
  }

  private removed(edge: BookEdge, tick: number): void {
    edge.levels -= 1;
    if (edge.levels === 0) return;
    if (tick === edge.best) edge.best = this.levelFrom(edge, tick - edge.inward);
    if (tick !== edge.deep) return;
    do edge.deep += edge.inward;
    while (this.lotsAt(edge.deep) === 0);
  }

  private touch(tick: number, held: number, orders: number): void {
    if (this.isTouched(tick)) return;
    this.touchedTicks.push(tick);
    this.touchedCells.push(held);
    this.touchedOrders.push(orders);
  }

  private forgetTouched(): void {
    this.touchedTicks.length = 0;
    this.touchedCells.length = 0;
    this.touchedOrders.length = 0;
  }

  /** A handful: by insertion. */
  private sortTouched(): void {
    const { touchedTicks: ticks, touchedCells: cells, touchedOrders: orders } = this;
    for (let i = 1; i < ticks.length; i++) {
      const tick = ticks[i]!;
      const cell = cells[i]!;
      const count = orders[i]!;
      let place = i;
      for (; place > 0 && ticks[place - 1]! > tick; place--) {
        ticks[place] = ticks[place - 1]!;
        cells[place] = cells[place - 1]!;
        orders[place] = orders[place - 1]!;
      }
      ticks[place] = tick;
      cells[place] = cell;
      orders[place] = count;
    }
  }

  /** A tick may have gone from one side to the other: each side is told its part. */
  private drainOne(index: number, inward: 1 | -1, flat: number[]): void {
    const tick = this.touchedTicks[index]!;
    const before = Math.max(0, this.touchedCells[index]! * inward);
    const after = Math.max(0, this.cells[tick & this.mask]! * inward);
    const orders = after === 0 ? 0 : this.ordersAt(tick);
    if (after === before && (after === 0 || orders === this.touchedOrders[index])) return;
    this.write(flat, tick, after, orders);
  }

  private write(flat: number[], tick: number, lots: number, orders: number): void {
    flat.push(tick * this.units.tickSize, lots * this.units.lotSize, orders);
  }
}
