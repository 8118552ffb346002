// Holds `tickwire serve --feed` to what it promises: the flags and their mistakes, several venues beside each other and
// beside the demo. The exchanges are local servers.

import { afterEach, describe, expect, test } from 'vitest';
import { Command, run } from '../cli/command.ts';
import { coinbaseExchange, krakenV2 } from './dialects.ts';
import { ExchangeServer } from './exchange-server.ts';
import { tapeOf } from './tapes.ts';

const FREE = ['--port', '0', '--admin-port', '0', '--json'];

afterEach(() => ExchangeServer.stopAll());

interface Announced {
  readonly url: string;
  readonly market: string;
  readonly symbols: readonly string[];
}

/** Runs the command until all of its symbols have a book. */
async function booksOf(args: readonly string[]): Promise<Announced> {
  const command = new Command(['serve', ...FREE, ...args]);
  const [line] = await command.says(/^\{.*\}$/m);
  const announced = JSON.parse(line) as Announced;
  for (const symbol of announced.symbols) await bookOf(announced.url, symbol);
  process.emit('SIGINT');
  expect(await command.ended).toMatchObject({ code: 0, stderr: '' });
  return announced;
}

/** Asks until it is there: a book over HTTP can't be waited for otherwise. */
async function bookOf(url: string, symbol: string): Promise<{ epoch: number }> {
  for (;;) {
    const response = await fetch(`${url}/v1/book/${symbol}?depth=5`);
    const { epoch, bids = [] } = (await response.json()) as { epoch: number; bids?: unknown[] };
    if (response.ok && bids.length > 0) return { epoch };
  }
}

describe('tickwire serve --feed', () => {
  test('publishes the books of one venue under their own names', async () => {
    const tape = tapeOf('kraken');
    const exchange = await ExchangeServer.start(krakenV2, tape);
    const wish = `kraken:${tape.symbols.join(',')}`;
    const { market, symbols } = await booksOf(['--feed', wish, '--feed-url', `kraken=${exchange.url}`]);
    expect(market).toBe('live from kraken');
    expect(symbols).toEqual(tape.symbols.map((symbol) => symbol.replace('/', '-')));
  });

  test('puts the venue before the names where there are several sources', async () => {
    const tapes = { kraken: tapeOf('kraken'), coinbase: tapeOf('coinbase') };
    const kraken = await ExchangeServer.start(krakenV2, tapes.kraken);
    const coinbase = await ExchangeServer.start(coinbaseExchange, tapes.coinbase);
    const { symbols } = await booksOf([
      ...['--feed', `kraken:${tapes.kraken.symbols[0]}`, '--feed', `kraken:${tapes.kraken.symbols[1]}`],
      ...['--feed', `coinbase:${tapes.coinbase.symbols.join(',')}`],
      ...['--feed-url', `kraken=${kraken.url}`, '--feed-url', `coinbase=${coinbase.url}`],
    ]);
    expect(symbols).toEqual([
      ...tapes.kraken.symbols.map((symbol) => `kraken.${symbol.replace('/', '-')}`),
      ...tapes.coinbase.symbols.map((symbol) => `coinbase.${symbol}`),
    ]);
  });

  test('runs beside the demo, whose symbols keep their names', async () => {
    const tape = tapeOf('kraken');
    const exchange = await ExchangeServer.start(krakenV2, tape);
    const [symbol = ''] = tape.symbols;
    const { symbols } = await booksOf(['--demo', '--feed', `kraken:${symbol}`, '--feed-url', `kraken=${exchange.url}`]);
    expect(symbols).toContain('BTC-USD');
    expect(symbols).toContain(`kraken.${symbol.replace('/', '-')}`);
  });
});

test('the demo brings a book back by itself when its topics have begun anew', async () => {
  const command = new Command(['serve', ...FREE, '--demo', '--symbols', '2']);
  const [line] = await command.says(/^\{.*\}$/m);
  const { url } = JSON.parse(line) as Announced;
  const before = await bookOf(url, 'BTC-USD');
  const address = `${url}/v1/instruments/BTC-USD`;
  const instrument = await (await fetch(address)).json();
  await fetch(address, { method: 'DELETE' });
  expect((await fetch(address, { method: 'PUT', body: JSON.stringify(instrument) })).status).toBe(200);
  const after = await bookOf(url, 'BTC-USD');
  expect(after.epoch).not.toBe(before.epoch);
  process.emit('SIGINT');
  expect(await command.ended).toMatchObject({ code: 0 });
});

test.each<readonly [args: readonly string[], sentence: RegExp]>([
  [['--feed', 'nasdaq:AAPL'], /There is no venue 'nasdaq' to connect to. Give one of: kraken:BTC\/USD, /],
  [['--feed', 'kraken'], /Say which symbols, such as kraken:BTC\/USD/],
  [['--feed', 'kraken:'], /Say which symbols, such as kraken:BTC\/USD/],
  [['--feed', 'kraken:BTC-USD'], /kraken writes a symbol like BTC\/USD, not 'BTC-USD'/],
  [['--feed', 'coinbase:btc-usd'], /coinbase writes a symbol like BTC-USD, not 'btc-usd'/],
  [['--feed', 'binance:BTC/USDT'], /binance writes a symbol like BTCUSDT, not 'BTC\/USDT'/],
  [
    ['--feed', `binance:${Array.from({ length: 101 }, (_, i) => `A${i}`).join(',')}`],
    /Give at most 100 symbols of a venue, not 101/,
  ],
  [['--feed', 'kraken:BTC/USD', '--feed-url', 'kraken=http://x'], /Give a WebSocket address, such as kraken=ws:\/\//],
  [['--feed', 'kraken:BTC/USD', '--feed-url', 'kraken'], /Give a WebSocket address, such as kraken=ws:\/\//],
  [['--feed', 'kraken:BTC/USD', '--feed-url', 'kraken=ws://x#y'], /Give a WebSocket address/],
  [['--feed-url', 'nasdaq=ws://x'], /There is no venue 'nasdaq'/],
  [['--feed-url', 'kraken=ws://x'], /--feed-url names kraken, but no --feed does: add --feed kraken:/],
])('tickwire serve %j is refused as a misuse', async (args, sentence) => {
  const { code, stdout, stderr } = await run(['serve', ...FREE, ...args]);
  expect(stderr).toMatch(sentence);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});
