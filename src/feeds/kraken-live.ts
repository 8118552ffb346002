// Owns what a live connector says to Kraken. An endpoint whose path ends in /v2 speaks v2, any other WebSocket 1.x.
// The venue's description names it. Invariant: v2 books are asked for only after the instruments, since their checksums
// are over the precisions that those tell.

import type { Live, LiveRules } from './feed.ts';

const URL_V2 = 'wss://ws.kraken.com/v2';
/** Levels a side: the most on offer. */
const DEPTH = 1_000;
/** Kraken sends a heartbeat every second where nothing else is to be said. */
const SILENCE_MS = 10_000;

export const krakenLive: Live = {
  symbolForm: { pattern: /^[A-Za-z0-9.]{1,20}\/[A-Za-z0-9.]{1,20}$/, example: 'BTC/USD' },
  rules: (url) => {
    const endpoint = url ?? URL_V2;
    return new URL(endpoint).pathname.endsWith('/v2') ? rulesOfV2(endpoint) : rulesOfV1(endpoint);
  },
};

function rulesOfV2(url: string): LiveRules {
  const request = (method: string, params: object) => JSON.stringify({ method, params });
  const book = (symbol: readonly string[]) => ({ channel: 'book', symbol, depth: DEPTH });
  return {
    url,
    silenceMs: SILENCE_MS,
    prelude: () => ({
      kind: 'message',
      message: request('subscribe', { channel: 'instrument', snapshot: true }),
      isAnswer: (message) => /^\{"channel":\s*"instrument"/.test(message),
    }),
    subscribe: (symbols) => [
      request('subscribe', { ...book(symbols), snapshot: true }),
      // Of the past it would be trades that have been published before.
      request('subscribe', { channel: 'trade', symbol: symbols, snapshot: false }),
    ],
    resubscribe: (symbol) => [
      request('unsubscribe', book([symbol])),
      request('subscribe', { ...book([symbol]), snapshot: true }),
    ],
    snapshotUrl: () => null,
    complaint: (message) => complaintIn(message, 'error'),
    ping: () => JSON.stringify({ method: 'ping' }),
  };
}

function rulesOfV1(url: string): LiveRules {
  const request = (event: string, pair: readonly string[], subscription: object) =>
    JSON.stringify({ event, pair, subscription });
  const book = { name: 'book', depth: DEPTH };
  return {
    url,
    silenceMs: SILENCE_MS,
    prelude: () => null,
    subscribe: (pairs) => [request('subscribe', pairs, book), request('subscribe', pairs, { name: 'trade' })],
    resubscribe: (pair) => [request('unsubscribe', [pair], book), request('subscribe', [pair], book)],
    snapshotUrl: () => null,
    complaint: (message) => complaintIn(message, 'errorMessage'),
    ping: () => JSON.stringify({ event: 'ping' }),
  };
}

/** Answers are short and name what was wrong with a request in one field. */
function complaintIn(message: string, field: string): string | null {
  const found = new RegExp(`"${field}":\\s*"([^"]*)"`).exec(message.slice(0, 2_000));
  if (found === null) return null;
  const [, symbol] = /"(?:symbol|pair)":\s*"([^"]*)"/.exec(message.slice(0, 2_000)) ?? [];
  return symbol === undefined ? found[1]! : `${found[1]} (${symbol})`;
}
