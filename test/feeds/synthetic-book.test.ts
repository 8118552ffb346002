// Holds the book and the agenda of the synthetic market to plain maps and lists that are driven alike.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Agenda } from '../../src/feeds/synthetic-agenda.ts';
import { SyntheticBook } from '../../src/feeds/synthetic-book.ts';
import { NaiveBook } from './naive.ts';

describe('the book of a synthetic listing', () => {
  const opening = { bids: [-1, -2, -4], asks: [1, 2, 5] };

  /** Prices above 0 are asks, others bids; a book of both around any middle. */
  function driven(middle: number, orders: readonly (readonly [offset: number, lots: number])[]) {
    const book = new SyntheticBook({ tickSize: 5, lotSize: 10, orderCounts: true }, 100);
    const naive = { bids: new Map<number, number>(), asks: new Map<number, number>() };
    const set = (offset: number, lots: number) => {
      const side = offset > 0 ? 'asks' : 'bids';
      const level = naive[side];
      const last = level.size === 1 && level.has(middle + offset);
      if (last && lots === 0) return;
      book.set(book[side], middle + offset, lots, Math.min(lots, 3));
      if (lots === 0) level.delete(middle + offset);
      else level.set(middle + offset, lots);
    };
    for (const offset of [...opening.bids, ...opening.asks]) set(offset, 7);
    book.drain();
    for (const [offset, lots] of orders) set(offset, lots);
    return { book, naive };
  }

  const orders = fc.array(
    fc.tuple(
      fc.integer({ min: -40, max: 40 }).filter((offset) => offset !== 0),
      fc.integer({ min: 0, max: 9 }),
    ),
    { maxLength: 60 },
  );
  const middles = fc.integer({ min: -1_000_000, max: 1_000_000 });

  test('holds what a plain map holds, and knows its ends', () => {
    const property = fc.property(middles, orders, (middle, made) => {
      const { book, naive } = driven(middle, made);
      const bids = [...naive.bids.keys()].sort((a, b) => b - a);
      const asks = [...naive.asks.keys()].sort((a, b) => a - b);
      expect(book.bids).toMatchObject({ best: bids[0], deep: bids.at(-1), levels: bids.length });
      expect(book.asks).toMatchObject({ best: asks[0], deep: asks.at(-1), levels: asks.length });
      const flat = (ticks: number[], lots: Map<number, number>) =>
        ticks.flatMap((tick) => [tick * 5, lots.get(tick)! * 10, Math.min(lots.get(tick)!, 3)]);
      expect(book.flat(book.bids)).toEqual(flat(bids, naive.bids));
      expect(book.flat(book.asks)).toEqual(flat(asks, naive.asks));
      const from = middle + 12;
      expect(book.levelFrom(book.asks, from)).toBe(asks.find((tick) => tick >= from) ?? asks.at(-1));
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('tells just what changed, so that whoever applies it holds the same', () => {
    const property = fc.property(middles, orders, (middle, made) => {
      const { book: before } = driven(middle, []);
      const { book } = driven(middle, made);
      const held = new NaiveBook();
      held.apply({ kind: 'snapshot', bids: before.flat(before.bids), asks: before.flat(before.asks) });
      const untouched = JSON.stringify([before.flat(before.bids), before.flat(before.asks)]);
      const changed = book.drain();
      const now = JSON.stringify([book.flat(book.bids), book.flat(book.asks)]);
      expect(changed === null).toBe(now === untouched);
      if (changed !== null) held.apply({ kind: 'delta', ...changed });
      const wanted = new NaiveBook();
      wanted.apply({ kind: 'snapshot', bids: book.flat(book.bids), asks: book.flat(book.asks) });
      expect(held).toEqual(wanted);
      expect(book.drain()).toBeNull();
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('tells both sides where a price went from one to the other', () => {
    const { book } = driven(100, []);
    book.set(book.asks, 101, 0, 0);
    book.set(book.bids, 101, 4, 2);
    expect(book.drain()).toEqual({ bids: [505, 40, 2], asks: [505, 0, 0] });
  });
});

describe('the agenda of the synthetic market', () => {
  test('gives back everything in the order of its time', () => {
    const property = fc.property(fc.array(fc.nat(1_000), { maxLength: 3_000 }), (timesUs) => {
      const agenda = new Agenda();
      timesUs.forEach((atUs, matter) => {
        agenda.put(atUs, matter);
      });
      const taken: number[] = [];
      while (agenda.length > 0) {
        const atUs = agenda.nextUs;
        expect(timesUs[agenda.take()]).toBe(atUs);
        taken.push(atUs);
      }
      expect(taken).toEqual([...timesUs].sort((a, b) => a - b));
      expect(agenda.nextUs).toBe(Number.POSITIVE_INFINITY);
    });
    fc.assert(property, { numRuns: 50 });
  });

  test('leaves out what is beyond its bound', () => {
    const agenda = new Agenda();
    for (let i = 0; i < 70_000; i++) agenda.put(i, i);
    expect(agenda.length).toBe(65_536);
    expect(agenda.take()).toBe(0);
  });
});
