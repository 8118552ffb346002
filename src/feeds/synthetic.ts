// Owns a market that lives without any exchange: the demo, tests and benchmarks step it. What happens makes more happen
// for a while, symbols differ in activity, and move together in part. Invariant: what it says depends on the seed alone,
// not on when it is asked; a book never crosses or empties, and every number is a safe integer on its tick or lot.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { BookSnapshot, Update } from '../market/update.ts';
import type { FeedEvent } from './feed.ts';
import { Random } from './random.ts';
import { Agenda } from './synthetic-agenda.ts';
import { type Direction, SyntheticListing } from './synthetic-listing.ts';
import { SYMBOLS_MAX, SYMBOLS_NAMED, SymbolSource, type SyntheticSymbol } from './synthetic-symbols.ts';
import { Tide } from './synthetic-tide.ts';

export interface SyntheticOptions {
  readonly seed: number;
  /** How many to begin with, 24 unless said otherwise; some are listed later. Or those of the caller, and no others. */
  readonly symbols?: number | readonly SyntheticSymbol[];
}

/** What can happen; the agenda knows it as place of the listing times 8 plus this. */
const Matter = { clock: 0, arrival: 1, follow: 2, echoBuy: 3, echoSell: 4, reopen: 5 } as const;
const MATTER_BITS = 3;

const SECOND_US = 1_000_000;
/** Updates a second of the market's own time. */
const updatesPerSecOf = (symbols: number): number => 200 + symbols;
/** What one arrival leads to on average, with all that follows from it; measured. */
const UPDATES_PER_ARRIVAL = 4.75;

/** What follows from an event: half an event from a quote, two from a trade; less than one in all, so that it ends. */
const QUOTE_FOLLOW_CHANCE = 0.5;
const TRADE_FOLLOWS_MAX = 4;
/** Machines answer at once, people take longer. */
const FAST_CHANCE = 0.6;
const FAST_US = 20_000;
const SLOW_US = 800_000;

/** Chances for each second of the market's time. */
const NEWS_CHANCE = 1 / 60;
const HALT_CHANCE = 1 / 60;
const LISTING_CHANCE = 1 / 150;
const NEWS_JUMP_MAX = 0.1;
const NEWS_SPREAD_US = 300_000;
const HALT_US_MIN = 10 * SECOND_US;
const HALT_US_MEAN = 30 * SECOND_US;
const HALT_REASONS = ['news pending', 'volatility pause', 'order imbalance', 'regulatory'] as const;
/** Symbols that are listed while it runs. */
const NEWCOMERS_MAX = 12;

const TIDE_TURN_US = 45 * SECOND_US;
const TIDE_CROSS_US = 300 * SECOND_US;

export class SyntheticMarket {
  /** Its own time, microseconds since it began. */
  nowUs = 0;
  private readonly random: Random;
  private readonly source: SymbolSource;
  private readonly listings: SyntheticListing[];
  private readonly agenda = new Agenda();
  private readonly tide = new Tide(TIDE_TURN_US, TIDE_CROSS_US);
  private readonly arrivalsPerUsOfWeight: number;
  private newcomersLeft: number;

  /** @throws RangeError for a count that is not from 1 to 1,000, or a symbol that could not keep the invariant. */
  constructor({ seed, symbols = SYMBOLS_NAMED }: SyntheticOptions) {
    this.random = new Random(seed);
    this.source = new SymbolSource(seed);
    this.newcomersLeft = typeof symbols === 'number' ? NEWCOMERS_MAX : 0;
    this.listings = this.symbolsOf(symbols).map((symbol) => new SyntheticListing(symbol, this.random));
    const arrivalsPerUs = updatesPerSecOf(this.listings.length) / UPDATES_PER_ARRIVAL / SECOND_US;
    this.arrivalsPerUsOfWeight = arrivalsPerUs / this.weightSum;
    for (let place = 0; place < this.listings.length; place++) this.arriveLater(place);
    this.agenda.put(SECOND_US, Matter.clock);
  }

  /** How many updates a second of its own time brings on average; bursts are far above. */
  get updatesPerSec(): number {
    return this.arrivalsPerUsOfWeight * this.weightSum * UPDATES_PER_ARRIVAL * SECOND_US;
  }

  /** When something may happen next, in its own time. */
  get nextUs(): number {
    return this.agenda.nextUs;
  }

  /** What is traded by now. */
  instruments(): InstrumentDefinition[] {
    return this.listings.map(({ symbol }) => symbol.definition);
  }

  /** The full books as they stand. */
  snapshots(exchangeUs: number | null = null): FeedEvent[] {
    return this.listings.map((listing) => updateEvent(listing, listing.snapshot(), exchangeUs));
  }

  /** One full book as it stands, after all that was said; null where there is no such symbol. */
  book(symbol: string): BookSnapshot | null {
    return this.listings.find((listing) => listing.symbol.definition.symbol === symbol)?.snapshot() ?? null;
  }

  /**
   * The next event of one symbol, a few updates at most: trades first, then what became of the book; or a halt, the
   * reopening after it, a listing.
   * @param exchangeUs the time that the updates carry, microseconds since 1970.
   */
  step(exchangeUs: number | null = null): FeedEvent[] {
    return this.stepUntil(Number.POSITIVE_INFINITY, () => exchangeUs)!;
  }

  /**
   * The next event, where one happens by `untilUs` of the market's time, else null.
   * @param timeOf gives the time that updates carry, by the market's time.
   */
  stepUntil(untilUs: number, timeOf: (marketUs: number) => number | null): FeedEvent[] | null {
    while (this.agenda.nextUs <= untilUs) {
      const atUs = this.agenda.nextUs;
      this.tide.advance(atUs - this.nowUs, this.random);
      this.nowUs = atUs;
      const events = this.happen(this.agenda.take(), timeOf);
      if (events !== null) return events;
    }
    return null;
  }

  private symbolsOf(symbols: number | readonly SyntheticSymbol[]): readonly SyntheticSymbol[] {
    if (typeof symbols !== 'number') return symbols;
    if (!Number.isInteger(symbols) || symbols < 1 || symbols > SYMBOLS_MAX) {
      throw new RangeError(`${symbols} symbols: give a whole number from 1 to ${SYMBOLS_MAX}`);
    }
    return Array.from({ length: symbols }, () => this.source.next());
  }

  private get weightSum(): number {
    return this.listings.reduce((sum, { symbol }) => sum + symbol.weight, 0);
  }

  private happen(code: number, timeOf: (marketUs: number) => number | null): FeedEvent[] | null {
    const matter = code & ((1 << MATTER_BITS) - 1);
    const place = code >> MATTER_BITS;
    if (matter === Matter.clock) return this.tick(timeOf);
    const listing = this.listings[place]!;
    if (matter === Matter.arrival) this.arriveLater(place);
    else if (matter === Matter.reopen) return this.said(listing, listing.reopen(this.nowUs, this.tide.level), timeOf);
    if (listing.halted) return null;
    const echo: Direction = matter === Matter.echoBuy ? 1 : matter === Matter.echoSell ? -1 : 0;
    const updates = listing.act(echo, this.nowUs, this.tide.level);
    this.follow(place, listing.aggressor);
    return this.said(listing, updates, timeOf);
  }

  private said(
    listing: SyntheticListing,
    updates: readonly Update[],
    timeOf: (marketUs: number) => number | null,
  ): FeedEvent[] {
    const exchangeUs = timeOf(this.nowUs);
    return updates.map((update) => updateEvent(listing, update, exchangeUs));
  }

  private arriveLater(place: number): void {
    const perUs = this.arrivalsPerUsOfWeight * this.listings[place]!.symbol.weight;
    this.put(this.random.exponential() / perUs, place, Matter.arrival);
  }

  /** What has just happened makes more happen soon: activity comes in bursts. */
  private follow(place: number, aggressor: Direction): void {
    const { random } = this;
    if (aggressor === 0) {
      if (random.chance(QUOTE_FOLLOW_CHANCE)) this.put(this.delayUs(), place, Matter.follow);
      return;
    }
    const matter = aggressor > 0 ? Matter.echoBuy : Matter.echoSell;
    for (let left = random.below(TRADE_FOLLOWS_MAX + 1); left > 0; left--) this.put(this.delayUs(), place, matter);
  }

  private delayUs(): number {
    const { random } = this;
    return random.exponential() * (random.chance(FAST_CHANCE) ? FAST_US : SLOW_US);
  }

  private put(delayUs: number, place: number, matter: number): void {
    this.agenda.put(this.nowUs + delayUs, (place << MATTER_BITS) | matter);
  }

  /** Once a second of the market's time. */
  private tick(timeOf: (marketUs: number) => number | null): FeedEvent[] | null {
    const { random } = this;
    this.put(SECOND_US, 0, Matter.clock);
    if (random.chance(NEWS_CHANCE)) this.news();
    if (this.newcomersLeft > 0 && random.chance(LISTING_CHANCE)) return this.list(timeOf);
    return random.chance(HALT_CHANCE) ? this.halt(timeOf) : null;
  }

  /** Everything jumps at once, and many trade on it. */
  private news(): void {
    const { random } = this;
    const jump = (2 * random.fraction() - 1) * NEWS_JUMP_MAX;
    this.tide.jump(jump);
    this.listings.forEach(({ symbol }, place) => {
      if (!random.chance(Math.abs(symbol.beta))) return;
      const matter = symbol.beta * jump > 0 ? Matter.echoBuy : Matter.echoSell;
      this.put(random.exponential() * NEWS_SPREAD_US, place, matter);
    });
  }

  private halt(timeOf: (marketUs: number) => number | null): FeedEvent[] | null {
    const { random } = this;
    const place = random.below(this.listings.length);
    const listing = this.listings[place]!;
    if (listing.halted || !listing.symbol.halts) return null;
    this.put(HALT_US_MIN + random.exponential() * (HALT_US_MEAN - HALT_US_MIN), place, Matter.reopen);
    return this.said(listing, [listing.halt(HALT_REASONS[random.below(HALT_REASONS.length)]!)], timeOf);
  }

  private list(timeOf: (marketUs: number) => number | null): FeedEvent[] {
    this.newcomersLeft -= 1;
    const listing = new SyntheticListing(this.source.newcomer(), this.random);
    this.listings.push(listing);
    this.arriveLater(this.listings.length - 1);
    const { definition } = listing.symbol;
    return [{ kind: 'instrument', definition }, ...this.said(listing, [listing.snapshot()], timeOf)];
  }
}

function updateEvent({ symbol }: SyntheticListing, update: Update, exchangeUs: number | null): FeedEvent {
  return { kind: 'update', symbol: symbol.definition.symbol, update, exchangeUs, checksum: null };
}
