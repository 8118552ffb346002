// Owns what the make-believe exchanges play: books and their changes as texts, from captures of real traffic, or from the
// synthetic market where those are not at hand. Invariant: every change is of a book that the tape begins with.

import { readFileSync } from 'node:fs';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { formatDecimal } from '../../src/protocol/decimal.ts';
import { capturePath } from './captures.ts';

export type TextLevels = readonly (readonly [price: string, size: string])[];

/** New sizes of some levels; a size of zero removes one. */
export interface BookStep {
  readonly kind: 'book';
  readonly symbol: string;
  readonly bids: TextLevels;
  readonly asks: TextLevels;
}
export interface TradeStep {
  readonly kind: 'trade';
  readonly symbol: string;
  readonly side: 'buy' | 'sell';
  readonly price: string;
  readonly size: string;
}
export type Step = BookStep | TradeStep;

export interface Tape {
  /** In the venue's notation. */
  readonly symbols: readonly string[];
  /** What each book begins with. */
  readonly begin: readonly BookStep[];
  readonly steps: readonly Step[];
  readonly real: boolean;
}

type Venue = 'kraken' | 'coinbase' | 'binance';

const STEPS_MAX = 1_500;
/** Symbols of a tape: those with the most changes. */
const SYMBOLS = 2;
const CAPTURES: Readonly<Record<Venue, readonly string[]>> = {
  kraken: ['KRAKEN.ws.50.0'],
  coinbase: ['COINBASE.ws.28.0'],
  binance: ['BINANCE_US.http.0.0', 'BINANCE_US.ws.1.0'],
};

export function tapeOf(venue: Venue): Tape {
  const paths = CAPTURES[venue].map(capturePath).filter((path) => path !== null);
  if (paths.length < CAPTURES[venue].length) {
    console.log(`No captures of ${venue} (TICKWIRE_CAPTURES): a tape of the synthetic market stands in.`);
    return syntheticTape(venue);
  }
  const messages = paths.flatMap((path) => readFileSync(path, 'utf8').split('\n')).flatMap(messageOf);
  return { ...busiest(messages.flatMap(READERS[venue])), real: true };
}

interface Message {
  /** Where it was had by HTTP; empty for those that were received. */
  readonly url: string;
  readonly value: unknown;
}
/** A step, or the begin of a book. */
interface Said {
  readonly begins: boolean;
  readonly step: Step;
}

function messageOf(line: string): Message[] {
  const [, url = '', text] = /^(?:(\S+) -> )?\d+\.\d+: (.*)$/.exec(line) ?? [];
  return text === undefined ? [] : [{ url, value: JSON.parse(text) }];
}

/** Of Coinbase's and Binance's messages. */
interface Fields {
  readonly type?: string;
  readonly product_id: string;
  readonly bids: TextLevels;
  readonly asks: TextLevels;
  readonly changes: readonly (readonly [side: string, price: string, size: string])[];
  readonly side: string;
  readonly price: string;
  readonly size: string;
  readonly data?: { readonly e?: string; readonly s: string; readonly b: TextLevels; readonly a: TextLevels };
}

const READERS: Readonly<Record<Venue, (message: Message) => Said[]>> = {
  kraken: ({ value }) => {
    if (!Array.isArray(value) || !String(value.at(-2)).startsWith('book-')) return [];
    const sides = { bids: [] as [string, string][], asks: [] as [string, string][] };
    let begins = false;
    for (const part of value.slice(1, -2) as Record<string, string[][]>[]) {
      begins ||= 'as' in part || 'bs' in part;
      for (const [price, size] of [...(part.as ?? []), ...(part.a ?? [])]) sides.asks.push([price!, size!]);
      for (const [price, size] of [...(part.bs ?? []), ...(part.b ?? [])]) sides.bids.push([price!, size!]);
    }
    return [{ begins, step: { kind: 'book', symbol: String(value.at(-1)), ...sides } }];
  },
  coinbase: ({ value }) => {
    const { type, product_id: symbol, bids, asks, changes, side, price, size } = value as Fields;
    if (type === 'snapshot') return [{ begins: true, step: { kind: 'book', symbol, bids, asks } }];
    if (type === 'match') {
      return [{ begins: false, step: { kind: 'trade', symbol, side: side === 'sell' ? 'buy' : 'sell', price, size } }];
    }
    if (type !== 'l2update') return [];
    const of = (wanted: string) =>
      changes.filter(([each]) => each === wanted).map(([, price, size]) => [price, size] as const);
    return [{ begins: false, step: { kind: 'book', symbol, bids: of('buy'), asks: of('sell') } }];
  },
  binance: ({ url, value }) => {
    const [, named] = /symbol=([A-Z]+)/.exec(url) ?? [];
    const { bids, asks, data } = value as Fields;
    if (named !== undefined) return [{ begins: true, step: { kind: 'book', symbol: named, bids, asks } }];
    if (data?.e !== 'depthUpdate') return [];
    return [{ begins: false, step: { kind: 'book', symbol: data.s, bids: data.b, asks: data.a } }];
  },
};

function busiest(said: readonly Said[]): Omit<Tape, 'real'> {
  const counts = new Map<string, number>();
  for (const { step } of said) counts.set(step.symbol, (counts.get(step.symbol) ?? 0) + 1);
  const begun = new Set(said.filter(({ begins }) => begins).map(({ step }) => step.symbol));
  const symbols = [...begun].sort((a, b) => counts.get(b)! - counts.get(a)!).slice(0, SYMBOLS);
  const wanted = said.filter(({ step }) => symbols.includes(step.symbol));
  return {
    symbols,
    begin: symbols.map(
      (symbol) => wanted.find(({ begins, step }) => begins && step.symbol === symbol)!.step as BookStep,
    ),
    steps: wanted
      .filter(({ begins }) => !begins)
      .map(({ step }) => step)
      .slice(0, STEPS_MAX),
  };
}

/** How each venue writes the symbols of the synthetic market. */
const NOTATIONS: Readonly<Record<Venue, string>> = { kraken: '/', coinbase: '-', binance: '' };

function syntheticTape(venue: Venue): Tape {
  const market = new SyntheticMarket({ seed: 1 });
  const definitions = market.instruments().slice(0, SYMBOLS);
  const nameOf = (symbol: string) => symbol.replace('-', NOTATIONS[venue]);
  const stepOf = (event: ReturnType<typeof market.step>[number]): Step[] => {
    if (event.kind !== 'update') return [];
    const definition = definitions.find(({ symbol }) => symbol === event.symbol);
    if (definition === undefined) return [];
    const { priceScale, sizeScale } = definition;
    const { update } = event;
    const symbol = nameOf(event.symbol);
    const texts = (flat: readonly number[]) =>
      Array.from({ length: flat.length / 3 }, (_, i): [string, string] => [
        formatDecimal(flat[i * 3]!, priceScale),
        formatDecimal(flat[i * 3 + 1]!, sizeScale),
      ]);
    if (update.kind === 'trade' && update.tradeKind === 'trade' && update.side !== 'unknown') {
      const [[price, size]] = texts([update.price, update.size, 0]) as [[string, string]];
      return [{ kind: 'trade', symbol, side: update.side as 'buy' | 'sell', price, size }];
    }
    if (update.kind !== 'delta' && update.kind !== 'snapshot') return [];
    return [{ kind: 'book', symbol, bids: texts(update.bids), asks: texts(update.asks) }];
  };
  const begin = market.snapshots().flatMap(stepOf) as BookStep[];
  const steps: Step[] = [];
  while (steps.length < STEPS_MAX) steps.push(...market.step().flatMap(stepOf));
  return { symbols: definitions.map(({ symbol }) => nameOf(symbol)), begin, steps, real: false };
}
