// Holds the ladder to a plain map that does the same the slow way.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BookSide, Ladder, type Level } from '../../src/feeds/ladder.ts';

function level(price: number, size: number, orders = 0): Level {
  return { price, size, orders, checksumText: null };
}

type Held = Map<number, { size: number; orders: number }>;

function sortedFlat(held: Held, side: BookSide): number[] {
  const outward = side === 'ask' ? 1 : -1;
  return [...held]
    .sort((a, b) => (a[0] - b[0]) * outward)
    .flatMap(([price, { size, orders }]) => [price, size, orders]);
}

describe('a ladder', () => {
  test('holds and tells what a map would, after any puts and cuts', () => {
    const put = fc.record({ price: fc.integer({ min: -8, max: 8 }), size: fc.nat(3), orders: fc.nat(1) });
    const operation = fc.oneof(put, fc.record({ cut: fc.nat(6) }), fc.constant('drain' as const));
    fc.assert(
      fc.property(
        fc.constantFrom<BookSide>('bid', 'ask'),
        fc.array(operation, { maxLength: 40 }),
        (side, operations) => {
          const ladder = new Ladder(side);
          const held: Held = new Map();
          const told: Held = new Map();
          const drain = (): void => {
            const flat = ladder.drain();
            for (let i = 0; i < flat.length; i += 3) {
              const [price, size, orders] = flat.slice(i, i + 3) as [number, number, number];
              expect(told.get(price)).not.toEqual({ size, orders });
              if (size === 0) expect(told.delete(price)).toBe(true);
              else told.set(price, { size, orders });
            }
          };
          for (const operation of operations) {
            if (operation === 'drain') drain();
            else if ('cut' in operation) {
              ladder.cut(operation.cut);
              for (const price of sortedFlat(held, side)
                .filter((_, i) => i % 3 === 0)
                .slice(operation.cut))
                held.delete(price);
            } else {
              const { price, size, orders } = operation;
              ladder.put(level(price, size, orders));
              if (size === 0) held.delete(price);
              else held.set(price, { size, orders });
            }
            expect(ladder.flat()).toEqual(sortedFlat(held, side));
          }
          drain();
          expect(sortedFlat(told, side)).toEqual(sortedFlat(held, side));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('moves as a whole or not at all', () => {
    const ladder = new Ladder('bid');
    for (const price of [1, 3, 2]) ladder.put(level(price, 10));
    const moved = ladder.moved((each) => ({ ...each, price: each.price * 10 }));
    expect(moved!.flat()).toEqual([30, 10, 0, 20, 10, 0, 10, 10, 0]);
    expect(moved!.drain()).toEqual([]);
    expect(ladder.moved((each) => (each.price === 2 ? null : each))).toBeNull();
    expect(ladder.at(3)).toEqual(level(3, 10));
    expect(ladder.at(4)).toBeNull();
  });
});
