// Owns what a live connector says to Binance: combined streams of depth differences and trades, snapshots and the listing by
// HTTP. The venue's description names it. Invariant: a snapshot is fetched only when its stream has been asked for.

import type { Live } from './feed.ts';

/** Market data only, without an account. */
const URL_PUBLIC = 'wss://data-stream.binance.vision/stream';
/** Where the streams of a host have their snapshots; others have them on the same host. */
const HTTP_HOSTS: ReadonlyMap<string, string> = new Map([
  ['data-stream.binance.vision', 'data-api.binance.vision'],
  ['stream.binance.com', 'api.binance.com'],
  ['stream.binance.us', 'api.binance.us'],
]);
/** Weighs 50 of the 6000 that an address has per minute; 5000 levels would weigh 250. */
const DEPTH = 1_000;
/** The exchange sends a WebSocket ping every 20 seconds, to quiet streams too. */
const SILENCE_MS = 30_000;

export const binanceLive: Live = {
  symbolForm: { pattern: /^[A-Z0-9]{2,40}$/, example: 'BTCUSDT' },
  rules: (url) => {
    const endpoint = url ?? URL_PUBLIC;
    const http = httpBeside(endpoint);
    const streams = (symbols: readonly string[]) =>
      symbols.map((symbol) => symbol.toLowerCase()).flatMap((name) => [`${name}@depth@100ms`, `${name}@trade`]);
    return {
      url: endpoint,
      silenceMs: SILENCE_MS,
      prelude: (symbols) => ({
        kind: 'document',
        url: `${http}/api/v3/exchangeInfo?symbols=${encodeURIComponent(JSON.stringify(symbols))}`,
      }),
      subscribe: (symbols) => [JSON.stringify({ method: 'SUBSCRIBE', params: streams(symbols), id: 1 })],
      resubscribe: () => null,
      snapshotUrl: (symbol) => `${http}/api/v3/depth?symbol=${symbol}&limit=${DEPTH}`,
      complaint: (message) => {
        const [, said] = /"error":.*"msg":\s*"([^"]*)"/.exec(message.slice(0, 2_000)) ?? [];
        return said ?? null;
      },
      ping: () => null,
    };
  },
};

function httpBeside(endpoint: string): string {
  const { protocol, hostname, host } = new URL(endpoint);
  const known = HTTP_HOSTS.get(hostname);
  return known === undefined ? `${protocol.replace('ws', 'http')}//${host}` : `https://${known}`;
}
