// Holds `tickwire publish` to its word: files, standard input and flags reach a real gateway, every refusal is named with its
// line, and the counts are right however it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { readSteps, type Step } from '../../src/cli/publish-lines.ts';
import { recordingFile } from '../feeds/captures.ts';
import { ask, startGateway, stopAll } from '../gateway/harness.ts';
import { delta, SYMBOLS, snapshot, trade } from '../gateway/items.ts';
import { documentFile, keyFor } from '../sessions/access-scene.ts';
import { run } from './command.ts';

afterEach(stopAll);

const fileOf = (...items: readonly unknown[]) =>
  recordingFile(items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))));

test('a file is published line by line, in order; instruments are listed where they stand', async () => {
  const gateway = startGateway();
  const file = fileOf(
    { type: 'instrument', symbol: 'A', priceScale: 2, sizeScale: 3, tickSize: '0.05', lotSize: '0.010' },
    snapshot,
    '',
    delta({ bids: [['10', '0']] }),
    '   ',
    trade(),
  );
  const { code, stdout, stderr } = await run(['publish', file, '--url', gateway.url]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe('3 of 3 items published, the last A seq 1; 1 instruments listed\n');
  expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({ seq: 2, bids: [['9.95', '2.000']] });
});

test('what is refused is named with its line, code and advice; the rest is published, and the exit code is 1', async () => {
  const gateway = startGateway({}, SYMBOLS);
  const file = fileOf(
    delta({ bids: [['10', '1']] }),
    snapshot,
    'not json',
    '',
    { ...trade(), symbol: 'NOPE' },
    trade({ price: 10 }),
    7,
    null,
    { type: 'instrument', symbol: 'a/b', priceScale: 2, sizeScale: 0 },
    { type: 'instrument' },
    trade(),
  );
  const { code, stdout, stderr } = await run(['publish', file, '--url', gateway.url, '--json']);
  expect(code).toBe(1);
  const lines = stderr.trimEnd().split('\n').sort();
  expect(lines.map((line) => line.split(': ').slice(0, 2).join(': '))).toEqual([
    'line 10: bad-symbol',
    'line 1: needs-snapshot',
    'line 3: bad-frame',
    'line 5: unknown-symbol',
    'line 6: bad-price',
    'line 7: bad-request',
    'line 8: bad-request',
    'line 9: bad-symbol',
  ]);
  expect(lines[3]).toMatch(/There is no such instrument\. \(NOPE\) GET \/v1\/instruments/);
  expect(JSON.parse(stdout)).toEqual({
    complete: true,
    items: 7,
    published: 2,
    refused: 8,
    refusals: {
      'needs-snapshot': 1,
      'bad-frame': 1,
      'unknown-symbol': 1,
      'bad-price': 1,
      'bad-request': 2,
      'bad-symbol': 2,
    },
    instruments: 0,
    messages: expect.any(Number),
  });
});

test('thousands of items travel in few messages', async () => {
  const gateway = startGateway({}, SYMBOLS);
  const file = fileOf(...Array.from({ length: 30_000 }, () => trade()));
  const { stdout } = await run(['publish', file, '--url', gateway.url, '--json']);
  const { published, messages } = JSON.parse(stdout) as { published: number; messages: number };
  expect(published).toBe(30_000);
  expect(messages).toBeLessThan(1_000);
  expect((await ask(gateway, '/v1/trades/A')).body.seq).toBe(30_000);
});

test('with --rate items go no faster', async () => {
  const gateway = startGateway({}, SYMBOLS);
  const file = fileOf(...Array.from({ length: 21 }, () => trade()));
  const sinceMs = performance.now();
  expect((await run(['publish', file, '--url', gateway.url, '--rate', '100'])).code).toBe(0);
  // A lower bound, which a slow machine only widens.
  expect(performance.now() - sinceMs).toBeGreaterThan(190);
});

describe('flags', () => {
  test('describe an instrument, a book, a trade, a quote, a status', async () => {
    const gateway = startGateway();
    const publish = async (...flags: string[]) => run(['publish', '--url', gateway.url, ...flags]);
    const acme = ['--symbol', 'ACME'];
    const definition = '{"priceScale":2,"sizeScale":0,"orderCounts":true}';
    const book = ['--bid', '10.01:300:2', '--bid', '10.00:1:1', '--ask', '10.02:500:3'];
    const first = await publish(...acme, '--instrument', definition, '--snapshot', ...book);
    expect(first).toEqual({
      code: 0,
      stdout: '1 of 1 items published, the last ACME seq 1; 1 instruments listed\n',
      stderr: '',
    });
    expect((await publish(...acme, '--delta', '--bid', '10.00:0')).stdout).toContain('ACME seq 2');
    expect((await publish(...acme, '--trade', '10.02:50:buy', '--id', 'x1')).code).toBe(0);
    expect((await publish(...acme, '--status', 'halted', '--reason', 'news')).code).toBe(0);
    expect((await ask(gateway, '/v1/book/ACME')).body).toMatchObject({
      seq: 2,
      status: 'halted',
      bids: [['10.01', '300', 2]],
      asks: [['10.02', '500', 3]],
    });
    expect((await ask(gateway, '/v1/trades/ACME')).body.trades).toMatchObject([{ id: 'x1', side: 'buy', size: '50' }]);
    const fx = '{"priceScale":4,"sizeScale":0,"quoteSource":"published"}';
    expect((await publish('--symbol', 'FX', '--instrument', fx, '--quote', '--bid', '1.2345:7')).code).toBe(0);
    expect((await ask(gateway, '/v1/quote/FX')).body).toMatchObject({
      bidPrice: '1.2345',
      bidSize: '7',
      askPrice: null,
    });
    const refused = await publish(...acme, '--trade', '10.001:1');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^off-tick: A price is not a multiple of the tick size\./);
  });

  test.each<readonly [args: readonly string[], sentence: RegExp]>([
    [['--snapshot'], /--snapshot needs --symbol/],
    [['--bid', '1:1'], /--bid needs --symbol/],
    [['--symbol', 'A'], /say what to publish: --snapshot/],
    [['--symbol', 'A', '--snapshot', '--delta'], /--snapshot and --delta are two items/],
    [['--symbol', 'A', '--trade', '1:1', '--bid', '1:1'], /--bid and --ask go with/],
    [['--symbol', 'A', '--quote', '--bid', '1:1', '--bid', '2:2'], /one --bid and one --ask/],
    [['--symbol', 'A', '--snapshot', 'file'], /leave out file/],
    [['--symbol', 'A', '--snapshot', '--bid', '1'], /Give price:size, such as 65000.5:1.5/],
    [['--symbol', 'A', '--trade', '1:1:sideways'], /sides are buy and sell/],
    [['--symbol', 'A', '--status', 'fine'], /Give live, crossed, halted or source-down/],
    [['--symbol', 'A', '--instrument', '[]'], /Give the definition as JSON/],
    [['--rate', '0'], /Give a number above 0/],
    [['/no/such/file'], /there is no file \/no\/such\/file; name one with a JSON item a line/],
  ])('%j is refused as a misuse', async (args, sentence) => {
    const { code, stdout, stderr } = await run(['publish', ...args]);
    expect(stderr).toMatch(sentence);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

test('where no gateway answers, it says what to do', async () => {
  const { code, stderr } = await run(['publish', fileOf(trade()), '--url', '127.0.0.1:2']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tickwire: no gateway answers at .*refused.*--url \(TICKWIRE_URL\)/);
});

test('a gateway with a token wants it, from the environment', async () => {
  const gateway = startGateway({ publishToken: 'sesame' }, SYMBOLS);
  const file = fileOf(trade());
  const { code, stderr } = await run(['publish', file, '--url', gateway.url], { TICKWIRE_PUBLISH_TOKEN: '' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tickwire: Publishing is open to .*Bearer/);
  expect((await run(['publish', file, '--url', gateway.url], { TICKWIRE_PUBLISH_TOKEN: 'sesame' })).code).toBe(0);
});

test('a gateway that wants to know who publishes is shown a key, from a file or the environment', async () => {
  const desk = keyFor('desk', 'desk-a', 'desk');
  const roles = { desk: { publish: [{ channels: ['trade'], symbols: ['A'] }] } };
  const gateway = startGateway({ accessFile: documentFile({ roles, keys: [desk.entry] }), anonymous: 'off' }, SYMBOLS);
  const lines = fileOf(trade());
  const nobody = await run(['publish', lines, '--url', gateway.url]);
  expect(nobody.code).toBe(1);
  expect(nobody.stderr).toMatch(/^tickwire: unauthenticated: .*API key/);
  const file = recordingFile([desk.key]);
  expect(await run(['publish', lines, '--url', gateway.url, '--credential', file])).toMatchObject({
    code: 0,
    stderr: '',
  });
  const environment = { TICKWIRE_CREDENTIAL: desk.key, TICKWIRE_PUBLISH_TOKEN: 'not looked at' };
  expect(await run(['publish', lines, '--url', gateway.url], environment)).toMatchObject({ code: 0, stderr: '' });
  const denied = await run(['publish', fileOf(trade(), snapshot), '--url', gateway.url, '--credential', file]);
  expect(denied.code).toBe(1);
  expect(denied.stderr).toMatch(/^line 2: not-entitled: .*the book of A/);
  expect(denied.stdout).toMatch(/^1 of 2 items published/);
});

test.each([
  ['is not there', '/nothing/at/all', /^tickwire: there is no file \/nothing\/at\/all; name one that holds an API key/],
  [
    'holds no credential',
    recordingFile(['two words of a secret']),
    /holds no credential: .* one line without spaces\n$/,
  ],
])('a credential file that %s is a mistake of use, and is not repeated', async (_, file, sentence) => {
  const { code, stdout, stderr } = await run(['publish', fileOf(trade()), '--credential', file]);
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toContain('secret');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test('standard input is published as it comes, and Ctrl-C ends it with the counts', async () => {
  const gateway = startGateway({}, SYMBOLS);
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'publish', '--url', gateway.url]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  const text = `${JSON.stringify(trade())}\n`;
  // The second line comes in two pieces.
  child.stdin.write(text + text.slice(0, 9));
  await reached(1);
  child.stdin.write(text.slice(9));
  await reached(2);
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect({ code, stdout }).toEqual({ code: 130, stdout: 'interrupted: 2 of 2 items published, the last A seq 2\n' });

  function reached(seq: number): Promise<void> {
    return new Promise((resolve) => {
      const end = gateway.bus.subscribe('trade', 'A', {
        entry: (entry) => {
          if (entry.seq < seq) return;
          end();
          resolve();
        },
        epoch: () => {},
        lost: () => {},
        doubt: () => {},
      });
    });
  }
}, 120_000);

test('what it had published when the gateway stopped is counted, and nothing is said to be published after', async () => {
  const gateway = startGateway({}, SYMBOLS);
  const file = fileOf(...Array.from({ length: 1_000 }, () => trade()));
  const end = gateway.bus.subscribe('trade', 'A', {
    entry: ({ seq }) => {
      if (seq < 10) return;
      end();
      setImmediate(() => gateway.stop());
    },
    epoch: () => {},
    lost: () => {},
    doubt: () => {},
  });
  const { code, stdout, stderr } = await run(['publish', file, '--url', gateway.url, '--rate', '200', '--json']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/tickwire: the connection was lost after \d+ items were published\n$/);
  const { complete, items, published, refused } = JSON.parse(stdout) as Record<string, number | boolean>;
  expect(complete).toBe(false);
  expect(Number(published) + Number(refused)).toBe(items);
  expect(Number(published)).toBeGreaterThan(0);
});

describe('lines', () => {
  const read = async (...chunks: string[]): Promise<Step[]> => {
    async function* each() {
      yield* chunks;
    }
    const steps: Step[] = [];
    for await (const step of readSteps(each())) steps.push(step);
    return steps;
  };

  test('are the same however they are cut into pieces', async () => {
    const text = '{"type":"a"}\n\n{"type":"b"}\r\n{"type":"c"}';
    const whole = await read(text);
    expect(whole.map(({ line }) => line)).toEqual([1, 3, 4]);
    expect(await read(...text)).toEqual(whole);
    expect(await read('')).toEqual([]);
  });

  test('that never end are refused once, and the next one is read', async () => {
    const piece = 'x'.repeat(1_000_000);
    const steps = await read('{}\n', ...Array.from({ length: 12 }, () => piece), '\n{}\n');
    expect(steps).toEqual([
      { line: 1, item: {} },
      { line: 2, fault: expect.stringMatching(/^too-large: a line has at most 4194304 characters/) },
      { line: 3, item: {} },
    ]);
  });
});
