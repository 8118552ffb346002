// Owns the naive reading of Coinbase's messages for verifications: a snapshot is the whole book, an l2update new sizes.
// The list of readers names it. Invariant: it shares nothing with the adapter.

import type { NaiveReader, NaiveStep } from './verify-oracle.ts';

interface Message {
  readonly type: string;
  readonly product_id: string;
  readonly bids: [string, string][];
  readonly asks: [string, string][];
  readonly changes: [side: string, price: string, size: string][];
}

export class NaiveCoinbase implements NaiveReader {
  readonly bests = { checked: 0, differences: [] };

  read(text: string): NaiveStep[] {
    const message = JSON.parse(text) as Message;
    const { type, product_id: symbol, bids, asks, changes } = message;
    if (type === 'snapshot') return [{ symbol, whole: true, bids, asks }];
    if (type !== 'l2update') return [];
    const of = (wanted: string) =>
      changes.filter(([side]) => side === wanted).map(([, price, size]) => [price, size] as const);
    return [{ symbol, whole: false, bids: of('buy'), asks: of('sell') }];
  }
}
