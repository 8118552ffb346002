// Owns what is known of each instrument: scales, tick, lot, sources. Feeds, files and HTTP write it, everything reads it.
// Invariant: a listed instrument is valid; a change of scale is announced before any number at the new scale.

import { SCALE_MAX } from '../protocol/decimal.ts';

export interface Instrument {
  readonly symbol: string;
  /** Digits after the point of a price. */
  readonly priceScale: number;
  /** Digits after the point of a size; follows from the lot step. */
  readonly sizeScale: number;
  /** Smallest step of a price, as a mantissa at `priceScale`. */
  readonly tickSize: number;
  /** Smallest step of a size, as a mantissa at `sizeScale`. */
  readonly lotSize: number;
  /** Prices of zero and below are legal: spreads, power, some futures. */
  readonly negativePrices: boolean;
  /** Levels carry order counts. */
  readonly orderCounts: boolean;
  /** Where quotes come from: computed from the book, or published on their own. */
  readonly quoteSource: 'book' | 'published';
}

/** What must be said to list an instrument; the rest has defaults. */
export type InstrumentDefinition = Pick<Instrument, 'symbol' | 'priceScale' | 'sizeScale'> & Partial<Instrument>;

const SYMBOL = /^[A-Za-z0-9._-]{1,48}$/;

export function isSymbol(text: string): boolean {
  return SYMBOL.test(text);
}

/** The complete instrument, or what is wrong with its definition. */
export function defineInstrument(definition: InstrumentDefinition): Instrument | string {
  const instrument: Instrument = {
    tickSize: 1,
    lotSize: 1,
    negativePrices: false,
    orderCounts: false,
    quoteSource: 'book',
    ...definition,
  };
  if (!isSymbol(instrument.symbol)) return 'symbol is not 1 to 48 of A-Z a-z 0-9 . _ -';
  for (const name of ['priceScale', 'sizeScale'] as const) {
    const scale = instrument[name];
    if (!Number.isInteger(scale) || scale < 0 || scale > SCALE_MAX)
      return `${name} is not an integer from 0 to ${SCALE_MAX}`;
  }
  for (const name of ['tickSize', 'lotSize'] as const) {
    if (!Number.isSafeInteger(instrument[name]) || instrument[name] < 1)
      return `${name} is not an integer of 1 or more`;
  }
  return instrument;
}

export type InstrumentEvent =
  | { readonly action: 'listed' | 'delisted'; readonly instrument: Instrument }
  | { readonly action: 'changed'; readonly instrument: Instrument; readonly before: Instrument };

/** The instruments of one process, with their listeners. */
export class Instruments {
  private readonly bySymbol = new Map<string, Instrument>();
  private readonly listeners = new Set<(event: InstrumentEvent) => void>();

  get(symbol: string): Instrument | undefined {
    return this.bySymbol.get(symbol);
  }

  get size(): number {
    return this.bySymbol.size;
  }

  /** All of them, by symbol. */
  list(): Instrument[] {
    return [...this.bySymbol.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  }

  /** Lists a new instrument or changes a known one; says nothing when nothing changed. */
  put(instrument: Instrument): void {
    const before = this.bySymbol.get(instrument.symbol);
    if (before !== undefined && sameInstrument(before, instrument)) return;
    this.bySymbol.set(instrument.symbol, instrument);
    this.tell(before === undefined ? { action: 'listed', instrument } : { action: 'changed', instrument, before });
  }

  /** @returns whether it was listed. */
  delist(symbol: string): boolean {
    const instrument = this.bySymbol.get(symbol);
    if (instrument === undefined) return false;
    this.bySymbol.delete(symbol);
    this.tell({ action: 'delisted', instrument });
    return true;
  }

  /** @returns the function that ends it. */
  watch(listener: (event: InstrumentEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(event: InstrumentEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** Whether the levels of a book mean the same under both. Where they don't, an epoch begins. */
export function sameScales(a: Instrument, b: Instrument): boolean {
  return a.priceScale === b.priceScale && a.sizeScale === b.sizeScale && a.orderCounts === b.orderCounts;
}

function sameInstrument(a: Instrument, b: Instrument): boolean {
  return (Object.keys(a) as (keyof Instrument)[]).every((key) => a[key] === b[key]);
}
