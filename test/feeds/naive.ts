// Owns the oracles of the feed tests: a Kraken book of strings, as its documentation words it, and a book that applies
// what feeds publish. Slow and plain on purpose; shares no code with what it checks.

import { crc32 } from 'node:zlib';
import type { BookDelta, BookSnapshot } from '../../src/market/update.ts';

type Levels = Map<string, string>;

/** Kraken's book of one pair: price string to size string, exactly as sent. */
export class NaiveKrakenBook {
  asks: Levels = new Map();
  bids: Levels = new Map();

  set(side: Levels, price: string, size: string): void {
    if (/^0*\.?0*$/.test(size)) side.delete(price);
    else side.set(price, size);
  }

  truncate(depth: number): void {
    if (this.asks.size > depth) for (const [price] of this.sortedAsks().slice(depth)) this.asks.delete(price);
    if (this.bids.size > depth) for (const [price] of this.sortedBids().slice(depth)) this.bids.delete(price);
  }

  sortedAsks(): [price: string, size: string][] {
    return sortedByPrice(this.asks, 1);
  }

  sortedBids(): [price: string, size: string][] {
    return sortedByPrice(this.bids, -1);
  }

  checksum(): number {
    const top = [...this.sortedAsks().slice(0, 10), ...this.sortedBids().slice(0, 10)];
    const digits = (text: string) => text.split('.').join('').replace(/^0+/, '');
    return crc32(top.map(([price, size]) => digits(price) + digits(size)).join(''));
  }

  /** Applies a 1.x book message; the depth comes from its channel. @returns the message's own checksum, if any. */
  read(message: unknown[], { truncating = true } = {}): number | null {
    let sent: number | null = null;
    for (const part of message.slice(1, -2) as Record<string, unknown>[]) {
      if ('as' in part) this.asks.clear();
      if ('bs' in part) this.bids.clear();
      const asks = (part.as ?? part.a ?? []) as [string, string][];
      const bids = (part.bs ?? part.b ?? []) as [string, string][];
      for (const [price, size] of asks) this.set(this.asks, price, size);
      for (const [price, size] of bids) this.set(this.bids, price, size);
      if ('c' in part) sent = Number(part.c);
    }
    if (truncating) this.truncate(Number(String(message.at(-2)).split('-')[1]));
    return sent;
  }
}

/** A book of mantissas, as whoever listens to a feed would hold it. Complains of what no feed may publish. */
export class NaiveBook {
  bids = new Map<number, { size: number; orders: number }>();
  asks = new Map<number, { size: number; orders: number }>();

  apply(update: BookSnapshot | BookDelta): void {
    if (update.kind === 'snapshot') {
      this.bids.clear();
      this.asks.clear();
    }
    this.applySide(this.bids, update.bids, -1);
    this.applySide(this.asks, update.asks, 1);
  }

  private applySide(side: NaiveBook['bids'], flat: readonly number[], outward: number): void {
    for (let i = 0; i < flat.length; i += 3) {
      const [price, size, orders] = flat.slice(i, i + 3) as [number, number, number];
      if (i > 0 && (price - flat[i - 3]!) * outward <= 0) throw new Error(`${price} is not in order, or named twice`);
      if (size === 0 && !side.delete(price)) throw new Error(`removal of ${price}, which is not held`);
      if (size > 0) side.set(price, { size, orders });
    }
  }

  sorted(side: 'bids' | 'asks'): [price: number, size: number][] {
    const prices = Float64Array.from(this[side].keys()).sort();
    if (side === 'bids') prices.reverse();
    return Array.from(prices, (price) => [price, this[side].get(price)!.size]);
  }
}

/** Best first; floats are good enough to put prices of one book in order. */
function sortedByPrice(levels: Levels, outward: 1 | -1): [price: string, size: string][] {
  return [...levels]
    .map(([price, size]) => ({ price, size, order: Number(price) * outward }))
    .sort((a, b) => a.order - b.order)
    .map(({ price, size }) => [price, size]);
}
