// Owns what the simulated venues are like: instruments of every kind, and how their books look. The simulation makes a venue of each.
// Invariant: what differs between runs is drawn from the run's seed.

import type { Random } from './kernel.ts';
import { define, type VenueStyle } from './venue.ts';

/** Levels a side of 14 bytes each: more than 16 KB in all. */
const LONG_BOOK_LEVELS = 700;

/** @param longest whether one of them has a book so long that answers go out in parts. */
export function stylesOf(random: Random, longest: boolean): VenueStyle[] {
  const levelsMax = random.pick([3, 6, 12, 60]);
  const counted = define({ symbol: 'CNT', priceScale: 2, sizeScale: 3, orderCounts: true });
  const negative = define({
    symbol: 'x.NEG-1',
    priceScale: 1,
    sizeScale: 0,
    negativePrices: true,
    tickSize: 5,
    lotSize: 10,
  });
  const published = define({ symbol: 'PUB', priceScale: 0, sizeScale: 8, quoteSource: 'published' });
  const wide = define({ symbol: 'WIDE', priceScale: 8, sizeScale: 8, tickSize: 1 });
  return [
    { instrument: counted, midTicks: 5_000, levelsMax, deepShare: 0.3, lots: lots(20, 1) },
    { instrument: negative, midTicks: random.between(-10, 10), levelsMax, deepShare: 0.9, lots: lots(9, 1) },
    { instrument: published, midTicks: 300, levelsMax: random.pick([2, 8]), deepShare: 0.3, lots: lots(20, 977) },
    {
      instrument: wide,
      midTicks: 2 ** 34,
      levelsMin: longest ? LONG_BOOK_LEVELS : 1,
      levelsMax: longest ? LONG_BOOK_LEVELS + 200 : levelsMax,
      deepShare: 0.3,
      lots: lots(20, 2 ** 31 + 7),
    },
  ];
}

/** A few sizes only: the oracle hashes slowly, and remembers what it has hashed. */
function lots(count: number, step: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + 1) * step);
}
