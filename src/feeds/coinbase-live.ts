// Owns what a live connector says to Coinbase: the public WebSocket feed of its Exchange, and GET /products for the steps.
// The venue's description names it. Invariant: only channels that need no key are asked for.

import type { Live } from './feed.ts';

const URL_PUBLIC = 'wss://ws-feed.exchange.coinbase.com';
const PRODUCTS_PUBLIC = 'https://api.exchange.coinbase.com/products';
/** `heartbeat` comes every second for every product. */
const SILENCE_MS = 10_000;
/** `level2` is the same without the batches of 50 ms, for those with a key. */
const BOOK_CHANNEL = 'level2_batch';

export const coinbaseLive: Live = {
  symbolForm: { pattern: /^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$/, example: 'BTC-USD' },
  rules: (url) => {
    const request = (type: string, product_ids: readonly string[], channels: readonly string[]) =>
      JSON.stringify({ type, product_ids, channels });
    return {
      url: url ?? URL_PUBLIC,
      silenceMs: SILENCE_MS,
      prelude: () => ({ kind: 'document', url: url === null ? PRODUCTS_PUBLIC : productsBeside(url) }),
      subscribe: (products) => [request('subscribe', products, [BOOK_CHANNEL, 'matches', 'heartbeat'])],
      resubscribe: (product) => [
        request('unsubscribe', [product], [BOOK_CHANNEL]),
        request('subscribe', [product], [BOOK_CHANNEL]),
      ],
      snapshotUrl: () => null,
      complaint: (message) => {
        const [, said] = /"message":\s*"([^"]*)"/.exec(message.slice(0, 2_000)) ?? [];
        const [, reason] = /"reason":\s*"([^"]*)"/.exec(message.slice(0, 2_000)) ?? [];
        return said === undefined || !/"type":\s*"error"/.test(message)
          ? null
          : [said, reason].filter(Boolean).join(': ');
      },
      ping: () => null,
    };
  },
};

/** Where another endpoint has its products: on the same host. */
function productsBeside(url: string): string {
  return new URL('/products', url.replace(/^ws/, 'http')).href;
}
