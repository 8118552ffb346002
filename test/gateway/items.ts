// Owns the instruments and items that the tests of publishing share, and the view of all that they may change.

import type { Gateway } from '../../src/gateway/gateway.ts';
import { ask } from './harness.ts';

export const SYMBOLS = [
  { symbol: 'A', priceScale: 2, sizeScale: 3, tickSize: 5, lotSize: 10 },
  { symbol: 'FINE', priceScale: 2, sizeScale: 0 },
  { symbol: 'SPREAD', priceScale: 2, sizeScale: 0, negativePrices: true, orderCounts: true },
  { symbol: 'FX', priceScale: 4, sizeScale: 0, quoteSource: 'published' as const },
];

export const snapshot = {
  type: 'snapshot',
  symbol: 'A',
  bids: [
    ['10.00', '1'],
    ['9.95', '2'],
  ],
  asks: [['10.05', '3']],
};
export const trade = (more: object = {}) => ({ type: 'trade', symbol: 'A', price: '10', size: '1', ...more });
export const delta = (more: object = {}) => ({ type: 'delta', symbol: 'A', ...more });

/** Everything that a refused update might have changed. */
export async function everything(gateway: Gateway): Promise<unknown> {
  const paths = SYMBOLS.flatMap(({ symbol }) => ['book', 'quote', 'trades'].map((what) => `/v1/${what}/${symbol}`));
  const answers = await Promise.all(paths.map((path) => ask(gateway, path)));
  // The age grows by itself, and a topic without an update has no epoch yet that could stay the same.
  return answers.map(({ body: { ageMs, epoch, ...rest } }) => ({ epoch: rest.seq === 0 ? null : epoch, ...rest }));
}
