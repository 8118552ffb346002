// Owns what a command that started a gateway says first: where it is and what to try next, for people or as one JSON line.
// `serve` and `replay` print it. Invariant: every line that it offers works as it stands, pasted into a shell.

import type { Gateway } from '../gateway/gateway.ts';
import { packageVersion, SETTINGS } from '../settings/settings.ts';

type Urls = Pick<Gateway, 'url' | 'streamUrl' | 'adminUrl' | 'busNote'>;

export interface Announcement {
  readonly urls: Urls;
  /** What goes on in it, in a few words. */
  readonly market: string;
  /** Of what is listed; the first one serves as the example. */
  readonly symbols: readonly string[];
  /** How it ends. */
  readonly ending: string;
}

export function banner({ urls, market, symbols, ending }: Announcement): string {
  const facts = [
    ['page', `${urls.url}/`],
    ['stream', urls.streamUrl],
    ['http', `${urls.url}/v1/instruments`],
    ['admin', `${urls.adminUrl}/readyz`],
    ['bus', urls.busNote],
    ['market', market],
  ];
  return [
    `Tickwire ${packageVersion()}`,
    '',
    ...facts.map(([name, value]) => `  ${name!.padEnd(8)}${value}`),
    '',
    'Try next, in another terminal:',
    '',
    ...tries(urls, symbols[0]).map((line) => `  ${line}`),
    '',
    ending,
    '',
    '',
  ].join('\n');
}

export function bannerJson({ urls, market, symbols }: Announcement): string {
  const { url, streamUrl, adminUrl, busNote: bus } = urls;
  const version = packageVersion();
  return `${JSON.stringify({ version, url, page: `${url}/`, stream: streamUrl, admin: adminUrl, bus, market, symbols })}\n`;
}

function tries(urls: Urls, symbol: string | undefined): string[] {
  if (symbol !== undefined) return looks(urls, symbol);
  const snapshot = '{"type":"snapshot","symbol":"DEMO","bids":[["9.99","5"]],"asks":[["10.01","7"]]}';
  return [
    `curl -X PUT ${urls.url}/v1/instruments/DEMO -d '{"priceScale":2,"sizeScale":0}'`,
    `curl ${urls.url}/v1/publish -d '${snapshot}'`,
    ...looks(urls, 'DEMO'),
  ];
}

function looks(urls: Urls, symbol: string): string[] {
  const request = JSON.stringify({ op: 'subscribe', id: 1, channel: 'book', symbols: [symbol], depth: 5 });
  const usual = urls.url === `http://127.0.0.1:${SETTINGS.port.default}`;
  return [
    `npx tickwire watch ${symbol}${usual ? '' : ` --url ${urls.url}`}`,
    `curl '${urls.url}/v1/book/${symbol}?depth=5'`,
    `npx wscat -c ${urls.streamUrl} -w 60 -x '${request}'`,
  ];
}
