// Owns what the synthetic market can trade: the named symbols of several classes, and as many more as are asked for,
// named from a seed. The market takes them from here or from its caller. Invariant: the symbol at a rank depends on the
// seed alone, and one that passes `assertSound` can keep the market's invariants.

import type { InstrumentDefinition } from '../market/instrument.ts';
import { EXPONENTIAL_MAX, Random } from './random.ts';

/** One symbol of the market, with the shape of its trading. */
export interface SyntheticSymbol {
  readonly definition: InstrumentDefinition & { readonly tickSize: number; readonly lotSize: number };
  /** Where the price begins and keeps returning to, in ticks. */
  readonly startTicks: number;
  /** How far its fair value wanders from there at most, in ticks. */
  readonly rangeTicks: number;
  /** Usual distance of neighbouring levels near the touch, in ticks. */
  readonly gapTicks: number;
  /** Typical size of a level, in lots. */
  readonly levelLots: number;
  /** Levels a side that a book begins with; it keeps between 3/4 and 5/4 of them. */
  readonly levels: number;
  /** Share of the market's common movement in its own, -1 to 1. */
  readonly beta: number;
  /** Share of the activity, relative to the other symbols. */
  readonly weight: number;
  /** Whether its venue ever halts it. */
  readonly halts: boolean;
}

export const SYMBOLS_MAX = 1_000;

type Named = Omit<SyntheticSymbol, 'weight' | 'levels'>;

/** The most active first. */
const NAMED: readonly Named[] = [
  crypto('BTC-USD', { priceScale: 1, sizeScale: 8, lotSize: 1 }, [650_000, 4_000, 4, 30_000_000]),
  crypto('ETH-USD', { priceScale: 2, sizeScale: 8, lotSize: 1_000 }, [325_000, 3_000, 3, 600_000]),
  crypto('SOL-USD', { priceScale: 2, sizeScale: 3, lotSize: 10 }, [15_000, 600, 2, 4_000]),
  currency('EUR-USD', 5, 21_700, 0.3),
  { ...future('CL-M1-M2', 2, 1, [5, 40, 60], -0.2), definition: spread('CL-M1-M2') },
  future('ES-M1', 2, 25, [21_200, 240, 70], 0.9),
  equity('NOVA', 18_420, 0.8),
  currency('USD-JPY', 3, 30_000, -0.3),
  crypto('XRP-USD', { priceScale: 5, sizeScale: 1, lotSize: 1 }, [61_200, 900, 2, 20_000]),
  equity('ORBX', 41_260, 0.7),
  currency('GBP-USD', 5, 25_400, 0.3),
  future('CL-M1', 2, 1, [7_850, 140, 25], 0.4),
  equity('PINE', 9_875, 0.5),
  future('GC-M1', 1, 1, [23_400, 220, 12], -0.3),
  crypto('DOGE-USD', { priceScale: 5, sizeScale: 0, lotSize: 1 }, [12_400, 300, 2, 8_000]),
  equity('QUAY', 6_240, 0.6),
  currency('AUD-USD', 5, 13_200, 0.4),
  equity('RILL', 27_310, 0.6),
  crypto('ADA-USD', { priceScale: 5, sizeScale: 1, lotSize: 1 }, [44_100, 700, 2, 30_000]),
  currency('USD-CHF', 5, 17_600, -0.3),
  equity('SAGE', 13_950, 0.7),
  crypto('LTC-USD', { priceScale: 2, sizeScale: 4, lotSize: 1 }, [8_450, 200, 2, 150_000]),
  currency('EUR-GBP', 5, 17_100, 0.1),
  equity('TARN', 5_480, 0.4),
];

export const SYMBOLS_NAMED = NAMED.length;
/** Ranks with the deepest books, and with the next deepest. */
const RANKS_DEEP = 12;
const RANKS_MIDDLE = 24;
const LEVELS_DEEP = 150;
const LEVELS_MIDDLE = 100;
const LEVELS_SHALLOW = 50;
/** What is listed while the market runs is talked about: it is as active as this rank. */
const RANK_OF_NEW = 10;

/** Without the letters that most words need, so that a made-up name is hardly one. */
const CONSONANTS = 'BDHJLMPRTVZ';
const VOWELS = 'AEIOU';
const NAME_PATTERN = [CONSONANTS, VOWELS, CONSONANTS, VOWELS, CONSONANTS];
/** One in so many of the made-up symbols is a coin, the others are shares. */
const COIN_EVERY = 6;

/** Gives symbols by rank: the named ones, then made-up ones. */
export class SymbolSource {
  private rank = 0;
  private readonly names = new Set<string>();
  private readonly random: Random;

  constructor(seed: number) {
    // A sequence of its own: the names stay what they are, however the market draws.
    this.random = new Random(seed ^ 0x5ca1ab1e);
  }

  next(): SyntheticSymbol {
    const rank = this.rank++;
    const levels = rank < RANKS_DEEP ? LEVELS_DEEP : rank < RANKS_MIDDLE ? LEVELS_MIDDLE : LEVELS_SHALLOW;
    return { ...(NAMED[rank] ?? this.madeUp()), levels, weight: weightOf(rank) };
  }

  /** One that is listed later. */
  newcomer(): SyntheticSymbol {
    return { ...this.madeUp(), levels: LEVELS_SHALLOW, weight: weightOf(RANK_OF_NEW) };
  }

  private madeUp(): Named {
    const { random } = this;
    const name = this.name();
    const beta = random.below(9) / 10;
    if (random.below(COIN_EVERY) > 0) return equity(name, 3_000 + random.below(40_000), beta);
    const startTicks = 20_000 + random.below(400_000);
    const shape = { priceScale: 4, sizeScale: 2, lotSize: 1 };
    return crypto(`${name}-USD`, shape, [startTicks, Math.floor(startTicks / 80), 2, 20_000]);
  }

  private name(): string {
    for (;;) {
      const name = NAME_PATTERN.map((letters) => letters[this.random.below(letters.length)]).join('');
      if (this.names.has(name)) continue;
      this.names.add(name);
      return name;
    }
  }
}

/** The first `count` symbols of a seed. */
export function syntheticSymbols(count: number, seed: number): SyntheticSymbol[] {
  const source = new SymbolSource(seed);
  return Array.from({ length: count }, () => source.next());
}

/** The second is half as active as the first, the third a third: Zipf's law. */
function weightOf(rank: number): number {
  return 1 / (rank + 1);
}

type Price = readonly [startTicks: number, rangeTicks: number, gapTicks: number, levelLots: number];

function crypto(
  symbol: string,
  scales: Omit<InstrumentDefinition, 'symbol'> & { lotSize: number },
  price: Price,
): Named {
  const [startTicks, rangeTicks, gapTicks, levelLots] = price;
  const definition = { symbol, tickSize: 1, ...scales };
  return { definition, startTicks, rangeTicks, gapTicks, levelLots, beta: 0.8, halts: false };
}

/** In half pips and thousands. */
function currency(symbol: string, priceScale: number, startTicks: number, beta: number): Named {
  const definition = { symbol, priceScale, sizeScale: 0, tickSize: 5, lotSize: 1_000 };
  return { definition, startTicks, rangeTicks: 300, gapTicks: 1, levelLots: 500, beta, halts: false };
}

function future(
  symbol: string,
  priceScale: number,
  tickSize: number,
  [startTicks, rangeTicks, levelLots]: readonly [number, number, number],
  beta: number,
): Named {
  const definition = { symbol, priceScale, sizeScale: 0, tickSize, lotSize: 1, orderCounts: true };
  return { definition, startTicks, rangeTicks, gapTicks: 1, levelLots, beta, halts: true };
}

/** The difference of two deliveries, which goes below zero. */
function spread(symbol: string): SyntheticSymbol['definition'] {
  return { ...future(symbol, 2, 1, [0, 0, 0], 0).definition, negativePrices: true };
}

/** Shares in cents. */
function equity(symbol: string, startTicks: number, beta: number): Named {
  const definition = { symbol, priceScale: 2, sizeScale: 0, tickSize: 1, lotSize: 1 };
  const rangeTicks = Math.max(40, Math.floor(startTicks / 80));
  return { definition, startTicks, rangeTicks, gapTicks: 1, levelLots: 300, beta, halts: true };
}

/** No level is farther from the best one of its side, in ticks. */
export function reachTicks({ levels, gapTicks }: SyntheticSymbol): number {
  return levels * gapTicks * 4;
}

/** The best prices are no farther apart, in ticks: room for as many levels as a sweep empties, and as many again. */
export function spreadTicksMax({ gapTicks }: SyntheticSymbol): number {
  return 12 * gapTicks;
}

/** No order is larger than so many times the typical level, and no level than twice that. */
export const ORDER_FACTOR_MAX = 2 * EXPONENTIAL_MAX;

/** @throws RangeError for a symbol that could not keep the market's invariants. */
export function assertSound(symbol: SyntheticSymbol): void {
  const { definition, startTicks, rangeTicks, gapTicks, levelLots, levels, beta, weight } = symbol;
  const { tickSize, lotSize, negativePrices } = definition;
  // The price follows the fair value at a distance of some spreads, or of a part of the range.
  const wanderedTicks = 2 * rangeTicks + 3 * spreadTicksMax(symbol) + reachTicks(symbol);
  const furthestTicks = Math.abs(startTicks) + wanderedTicks;
  const counts = [startTicks, rangeTicks, gapTicks, tickSize, lotSize, levelLots, levels];
  const faults: readonly (readonly [boolean, string])[] = [
    [!counts.every(Number.isSafeInteger), 'has a number that is not an integer'],
    [Math.min(rangeTicks, gapTicks, tickSize, lotSize, levelLots) < 1, 'has a number below 1'],
    [levels < 20, 'has fewer than 20 levels a side'],
    [!(weight > 0 && weight < Number.POSITIVE_INFINITY), 'has a weight that is not above 0'],
    [!(Math.abs(beta) <= 1), 'has a beta that is not from -1 to 1'],
    [negativePrices !== true && startTicks - wanderedTicks < 1, `may fall below 0: it needs ${wanderedTicks} ticks`],
    [furthestTicks >= 2 ** 31 || !Number.isSafeInteger(furthestTicks * tickSize), 'may have a price beyond 2^53 - 1'],
    [!Number.isSafeInteger(2 * ORDER_FACTOR_MAX * levelLots * lotSize), 'may have a size beyond 2^53 - 1'],
  ];
  const fault = faults.find(([present]) => present);
  if (fault !== undefined) throw new RangeError(`synthetic symbol ${definition.symbol} ${fault[1]}`);
}
