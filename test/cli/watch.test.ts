// Holds `watch` without a terminal to the gateway's own book, and to saying why it ended.

import { describe, expect, test } from 'vitest';
import { Command, run } from './command.ts';
import { startDemo } from './gateway.ts';

interface BookLine {
  readonly type: string;
  readonly symbol: string;
  readonly seq: number;
  readonly checksum: number;
  readonly bids: readonly string[][];
  readonly asks: readonly string[][];
}

function parsed(text: string): BookLine[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as BookLine);
}

describe('watch without a terminal', () => {
  test('prints a line for each update and trade, and says that the gateway stopped', async () => {
    const { gateway, step } = await startDemo();
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url, '--interval', '0']);
    await watch.says(/ seq 1 /);
    await step(100);
    await watch.says(/^[\d:.]{12} BTC-USD trade (buy|sell) \d+\.\d x \d+\.\d{8} id \d+$/m);
    await watch.says(
      /^[\d:.]{12} BTC-USD seq \d+ bid \d+\.\d x \d\.\d{8} ask \S+ x \S+ spread \d\.\d latency \S+ (µs|ms) exchange \S+ (µs|ms) ago$/m,
    );
    gateway.stop();
    const { code, stderr } = await watch.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: the connection to ws:\S+ was lost: close code 1001: the gateway stops.*\n$/);
  });

  test('with --json prints the view after each update, which is the gateway’s book', async () => {
    const { gateway, step } = await startDemo();
    const watch = new Command(['watch', 'ETH-USD', '--url', gateway.url, '--json', '--depth', '5', '--interval', '0']);
    await watch.says(/"seq":1,/);
    await step(200);
    const { seq } = await gateway.bus.load('book', 'ETH-USD');
    await watch.says(new RegExp(`"type":"book".*"seq":${seq},`));
    const answer = await fetch(`${gateway.url}/v1/book/ETH-USD?depth=5`);
    const { bids, asks, checksum } = (await answer.json()) as BookLine;
    gateway.stop();
    const lines = parsed((await watch.ended).stdout);
    expect(lines.findLast(({ type }) => type === 'book')).toMatchObject({
      symbol: 'ETH-USD',
      seq,
      bids,
      asks,
      checksum,
    });
    expect(lines.some(({ type }) => type === 'trade')).toBe(true);
  });

  test('with --raw shows every single update', async () => {
    const { gateway, step } = await startDemo();
    const watch = new Command(['watch', 'SOL-USD', '--url', gateway.url, '--json', '--raw', '--depth', '1']);
    await watch.says(/"seq":1,/);
    await step(100);
    const { seq } = await gateway.bus.load('book', 'SOL-USD');
    await watch.says(new RegExp(`"type":"book".*"seq":${seq},`));
    gateway.stop();
    const books = parsed((await watch.ended).stdout).filter(({ type }) => type === 'book');
    expect(books.map((line) => line.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
    expect(books.every(({ bids }) => bids.length === 1)).toBe(true);
  });

  test('tells of a change of the market’s status', async () => {
    const { gateway, publish } = await startDemo();
    const watch = new Command(['watch', 'CL-M1-M2', '--url', gateway.url]);
    await watch.says(/ seq 1 /);
    const update = { kind: 'status', status: 'halted', reason: 'news' } as const;
    await publish({ kind: 'update', symbol: 'CL-M1-M2', update, exchangeUs: null, checksum: null });
    await watch.says(/ CL-M1-M2 status halted \(news\)\n/);
    gateway.stop();
    await watch.ended;
  });

  test('ends when the instrument is delisted', async () => {
    const { gateway } = await startDemo();
    const watch = new Command(['watch', 'EUR-USD', '--url', gateway.url]);
    await watch.says(/ seq 1 /);
    gateway.instruments.delist('EUR-USD');
    expect(await watch.ended).toMatchObject({ code: 1, stderr: 'tickwire: EUR-USD was delisted\n' });
  });

  test('of an unknown symbol says which there are', async () => {
    const { gateway } = await startDemo();
    const { code, stdout, stderr } = await run(['watch', 'NOPE', '--url', gateway.streamUrl]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'tickwire: There is no such instrument. (NOPE) Listed: BTC-USD, CL-M1-M2, ETH-USD, EUR-USD, SOL-USD.\n',
    );
  });

  test('finds the gateway that the environment names', async () => {
    const { gateway } = await startDemo();
    const { stderr } = await run(['watch', 'a/b'], { TICKWIRE_URL: gateway.url });
    expect(stderr).toMatch(/^tickwire: The symbol is not 1 to 48 of A-Z a-z 0-9 \. _ - \(a\/b\) Listed: BTC-USD/);
  });

  test('says that what answers is no gateway', async () => {
    const { gateway } = await startDemo();
    const { code, stderr } = await run(['watch', 'BTC-USD', '--url', gateway.adminUrl]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^tickwire: no gateway answers at ws:\S+: it answers like another kind of server \(HTTP 404\)/,
    );
  });
});

describe('instruments', () => {
  test('prints a table of what is listed', async () => {
    const { gateway } = await startDemo();
    const { code, stdout } = await run(['instruments', '--url', gateway.url]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'SYMBOL       TICK         LOT  QUOTES FROM  REMARKS',
      'BTC-USD       0.1  0.00000001  the book',
      'CL-M1-M2     0.01           1  the book     prices below zero, order counts',
      'ETH-USD      0.01  0.00001000  the book',
      'EUR-USD   0.00005        1000  the book',
      'SOL-USD      0.01       0.010  the book',
      '',
    ]);
  });

  test('with --json prints the list of the gateway', async () => {
    const { gateway } = await startDemo();
    const { stdout } = await run(['instruments', '--json'], { TICKWIRE_URL: gateway.url });
    const answer = await fetch(`${gateway.url}/v1/instruments`);
    expect({ instruments: JSON.parse(stdout) as unknown }).toEqual(await answer.json());
  });

  test('says so where nothing is listed, and where no gateway answers', async () => {
    const { gateway } = await startDemo();
    for (const { symbol } of gateway.instruments.list()) gateway.instruments.delist(symbol);
    expect(await run(['instruments', '--url', gateway.url])).toMatchObject({ stdout: 'Nothing is listed yet.\n' });
    const { code, stderr } = await run(['instruments', '--url', gateway.adminUrl]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: what answers at \S+ is no Tickwire gateway: check --url\n$/);
  });
});
