// Holds the guard to its faults: each kind of impossible update, and that possible ones pass.

import { describe, expect, test } from 'vitest';
import { checkUpdate } from '../../src/market/guard.ts';
import { defineInstrument, type Instrument } from '../../src/market/instrument.ts';
import type { Quote, Trade, Update } from '../../src/market/update.ts';

const define = (fields: Partial<Instrument> = {}): Instrument => {
  const instrument = defineInstrument({
    symbol: 'X',
    priceScale: 2,
    sizeScale: 3,
    tickSize: 5,
    lotSize: 10,
    ...fields,
  });
  if (typeof instrument === 'string') throw new Error(instrument);
  return instrument;
};
const delta = (bids: number[], asks: number[] = []): Update => ({ kind: 'delta', bids, asks });
const snapshot = (bids: number[], asks: number[] = []): Update => ({ kind: 'snapshot', bids, asks });
const TRADE: Trade = { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 100, size: 10 };
const QUOTE: Quote = { kind: 'quote', bidPrice: 100, bidSize: 10, askPrice: 105, askSize: 10 };
const PUBLISHED: Partial<Instrument> = { quoteSource: 'published' };
const BEYOND = Number.MAX_SAFE_INTEGER + 1;
/** So many levels a tick apart, the last of them naming the first price again. */
const repeated = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => [100 + 5 * (index % (count - 1)), 10, 0]).flat();

interface Case {
  readonly name: string;
  readonly update: Update;
  readonly code?: string;
  readonly of?: Partial<Instrument>;
}

const REFUSED: readonly Case[] = [
  { name: 'a bid between ticks', update: delta([103, 10, 0]), code: 'off-tick' },
  { name: 'an offer between ticks', update: snapshot([], [100, 10, 0, 104, 10, 0]), code: 'off-tick' },
  { name: 'a trade between ticks', update: { ...TRADE, price: 101 }, code: 'off-tick' },
  { name: 'a quote between ticks', update: { ...QUOTE, askPrice: 101 }, code: 'off-tick', of: PUBLISHED },
  { name: 'a level between lots', update: delta([100, 15, 0]), code: 'off-lot' },
  { name: 'a trade between lots', update: { ...TRADE, size: 1 }, code: 'off-lot' },
  { name: 'a quote between lots', update: { ...QUOTE, bidSize: 1 }, code: 'off-lot', of: PUBLISHED },
  { name: 'a price of zero', update: delta([0, 10, 0]), code: 'bad-price' },
  { name: 'a negative price', update: delta([], [-5, 10, 0]), code: 'bad-price' },
  { name: 'the removal of a negative price', update: delta([-5, 0, 0]), code: 'bad-price' },
  { name: 'a trade at zero', update: { ...TRADE, price: 0 }, code: 'bad-price' },
  { name: 'a negative size', update: delta([100, -10, 0]), code: 'bad-size' },
  { name: 'a negative count', update: delta([100, 10, -1]), code: 'bad-size' },
  { name: 'a count that is no integer', update: delta([100, 10, 0.5]), code: 'bad-size' },
  { name: 'a price beyond 2^53', update: delta([BEYOND, 10, 0]), code: 'out-of-range' },
  { name: 'a price that is no integer', update: delta([100.5, 10, 0]), code: 'out-of-range' },
  { name: 'a removal at no price', update: delta([Number.NaN, 0, 0]), code: 'out-of-range' },
  { name: 'a size beyond 2^53', update: snapshot([100, BEYOND, 0]), code: 'out-of-range' },
  { name: 'an infinite size', update: { ...TRADE, size: Number.POSITIVE_INFINITY }, code: 'out-of-range' },
  { name: 'a bid named twice', update: delta([100, 10, 0, 105, 10, 0, 100, 20, 0]), code: 'duplicate-level' },
  { name: 'a level set and removed', update: delta([], [100, 10, 0, 100, 0, 0]), code: 'duplicate-level' },
  { name: 'one of eight named twice', update: delta(repeated(8)), code: 'duplicate-level' },
  { name: 'one of nine named twice', update: delta(repeated(9)), code: 'duplicate-level' },
  { name: 'one of a thousand named twice', update: snapshot([], repeated(1_000)), code: 'duplicate-level' },
  { name: 'a trade whose id is no integer', update: { ...TRADE, id: 1.5 }, code: 'out-of-range' },
  { name: 'a status of a gateway', update: { kind: 'status', status: 'stale', reason: null }, code: 'bad-request' },
  {
    name: 'a status that is not known',
    update: { kind: 'status', status: 'other', reason: null },
    code: 'bad-request',
  },
  { name: 'a quote of a book', update: QUOTE, code: 'derived-channel' },
];

const ACCEPTED: readonly Case[] = [
  { name: 'an empty delta', update: delta([]) },
  { name: 'an empty snapshot', update: snapshot([]) },
  { name: 'levels on tick and lot', update: delta([100, 10, 3, 95, 0, 0], [105, 20, 0]) },
  { name: 'the same price on both sides', update: delta([100, 10, 0], [100, 10, 0]) },
  { name: 'the removal of a level off a tick that was changed', update: delta([103, 0, 0]) },
  { name: 'a negative price where the instrument has them', update: delta([-5, 10, 0]), of: { negativePrices: true } },
  {
    name: 'a price of zero where the instrument has them',
    update: { ...TRADE, price: 0 },
    of: { negativePrices: true },
  },
  { name: 'the largest numbers', update: delta([2 ** 53 - 1, 2 ** 53 - 1, 0]), of: { tickSize: 1, lotSize: 1 } },
  { name: 'a trade', update: TRADE },
  { name: 'a published quote', update: QUOTE, of: PUBLISHED },
  { name: 'a quote with an empty side', update: { ...QUOTE, bidPrice: null, bidSize: 0 }, of: PUBLISHED },
  { name: 'a status', update: { kind: 'status', status: 'halted', reason: null } },
];

describe('the guard', () => {
  test.each(REFUSED)('refuses $name: $code', ({ update, code, of }: Case) => {
    expect(checkUpdate(define(of), update)?.code).toBe(code);
  });

  test.each(ACCEPTED)('lets $name pass', ({ update, of }) => {
    expect(checkUpdate(define(of), update)).toBeNull();
  });

  test('says which number is at fault', () => {
    expect(checkUpdate(define(), delta([103, 10, 0]))?.message).toMatch(/price mantissa 103, tick 5/);
    expect(checkUpdate(define(), delta([100, 15, 0]))?.message).toMatch(/size mantissa 15, lot 10/);
  });
});
