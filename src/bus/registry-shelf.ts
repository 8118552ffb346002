// Owns how instruments and named sets stand in Redis: one JSON text per name, with the version of its format, or a tombstone. The
// registry's lists write and read through it. Invariant: nothing that came from Redis is listed here before it was checked; equal
// things have equal texts.

import Type from 'typebox';
import { Compile } from 'typebox/compile';
import {
  defineInstrument,
  type Instrument,
  type InstrumentDefinition,
  type Instruments,
} from '../market/instrument.ts';
import { SETS_MAX, type SymbolSets } from '../market/sets.ts';

/** The version of the texts that this gateway writes, and the newest that it reads. */
const FORMAT = 1;

export const TOMBSTONE = JSON.stringify({ v: FORMAT, delisted: true });

/** What this node holds of one list. */
export interface Shelf {
  /** What an entry is called in an error. */
  readonly noun: string;
  /** Entries that are taken at most. */
  readonly namesMax: number;
  names(): string[];
  has(name: string): boolean;
  /** The text under which it stands in Redis; null where it is not here. */
  text(name: string): string | null;
  /** Puts what a text of the present format says. @returns what is wrong with it, or null. */
  put(name: string, value: unknown): string | null;
  remove(name: string): void;
  /** Called after each change, with the name. @returns the function that ends it. */
  watch(changed: (name: string) => void): () => void;
}

const INSTRUMENT = Compile(
  Type.Object(
    {
      v: Type.Literal(FORMAT),
      symbol: Type.String(),
      priceScale: Type.Integer(),
      sizeScale: Type.Integer(),
      tickSize: Type.Optional(Type.Integer()),
      lotSize: Type.Optional(Type.Integer()),
      negativePrices: Type.Optional(Type.Boolean()),
      orderCounts: Type.Optional(Type.Boolean()),
      quoteSource: Type.Optional(Type.Enum(['book', 'published'])),
    },
    { additionalProperties: false },
  ),
);

const SET = Compile(
  Type.Object(
    { v: Type.Literal(FORMAT), name: Type.String(), symbols: Type.Array(Type.String()) },
    { additionalProperties: false },
  ),
);

const GONE = Compile(
  Type.Object({ v: Type.Literal(FORMAT), delisted: Type.Literal(true) }, { additionalProperties: false }),
);

/** Whether the value says that its name is gone. */
export function isTombstone(value: unknown): boolean {
  return GONE.Check(value);
}

/** The version of the value's format where it is newer than what this gateway reads, else null. */
export function newerFormat(value: unknown): number | null {
  if (typeof value !== 'object' || value === null || !('v' in value)) return null;
  return typeof value.v === 'number' && value.v > FORMAT ? value.v : null;
}

export class InstrumentShelf implements Shelf {
  readonly noun = 'instrument';
  private count: number;

  constructor(
    private readonly instruments: Instruments,
    private readonly limits: { readonly instrumentsMax: number },
  ) {
    this.count = instruments.list().length;
  }

  get namesMax(): number {
    return this.limits.instrumentsMax;
  }

  names(): string[] {
    return this.instruments.list().map(({ symbol }) => symbol);
  }

  has(symbol: string): boolean {
    return this.instruments.get(symbol) !== undefined;
  }

  text(symbol: string): string | null {
    const instrument = this.instruments.get(symbol);
    if (instrument === undefined) return null;
    const { priceScale, sizeScale, tickSize, lotSize, negativePrices, orderCounts, quoteSource } = instrument;
    const scales = { priceScale, sizeScale, tickSize, lotSize };
    return JSON.stringify({ v: FORMAT, symbol, ...scales, negativePrices, orderCounts, quoteSource });
  }

  put(symbol: string, value: unknown): string | null {
    const instrument = readInstrument(symbol, value);
    if (typeof instrument === 'string') return instrument;
    const before = this.instruments.get(symbol);
    if (before === undefined && this.count >= this.namesMax) return `${this.namesMax} are listed, no more are taken`;
    // Quotes of another source are other topics: those that there are end.
    if (before !== undefined && before.quoteSource !== instrument.quoteSource) this.instruments.delist(symbol);
    this.instruments.put(instrument);
    return null;
  }

  remove(symbol: string): void {
    this.instruments.delist(symbol);
  }

  watch(changed: (symbol: string) => void): () => void {
    return this.instruments.watch(({ action, instrument }) => {
      if (action === 'listed') this.count += 1;
      if (action === 'delisted') this.count -= 1;
      changed(instrument.symbol);
    });
  }
}

function readInstrument(symbol: string, value: unknown): Instrument | string {
  if (!INSTRUMENT.Check(value)) return firstFault(INSTRUMENT.Errors(value));
  const { v: _, ...definition } = value as { v: number } & InstrumentDefinition;
  if (definition.symbol !== symbol) return `symbol is ${definition.symbol.slice(0, 48)}`;
  return defineInstrument(definition);
}

export class SetShelf implements Shelf {
  readonly noun = 'set';
  readonly namesMax = SETS_MAX;

  constructor(private readonly sets: SymbolSets) {}

  names(): string[] {
    return this.sets.list().map(({ name }) => name);
  }

  has(name: string): boolean {
    return this.sets.get(name) !== undefined;
  }

  text(name: string): string | null {
    const set = this.sets.get(name);
    return set === undefined ? null : JSON.stringify({ v: FORMAT, name, symbols: set.symbols });
  }

  put(name: string, value: unknown): string | null {
    if (!SET.Check(value)) return firstFault(SET.Errors(value));
    const set = value as { name: string; symbols: string[] };
    if (set.name !== name) return `name is ${set.name.slice(0, 48)}`;
    const { symbols } = this.sets.get(name) ?? {};
    // A put is told to every session, whether it changes anything or not.
    if (symbols?.length === set.symbols.length && symbols.every((each, i) => each === set.symbols[i])) return null;
    return this.sets.put({ name, symbols: set.symbols });
  }

  remove(name: string): void {
    this.sets.delete(name);
  }

  watch(changed: (name: string) => void): () => void {
    let watching = true;
    this.sets.watch((name) => {
      if (watching) changed(name);
    });
    return () => {
      watching = false;
    };
  }
}

function firstFault([first]: readonly { instancePath: string; message: string }[]): string {
  return `${first?.instancePath.slice(1) || 'value'}: ${first?.message ?? 'not as documented'}`.slice(0, 200);
}
