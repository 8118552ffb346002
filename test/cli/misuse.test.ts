// Holds every wrong flag, value and configuration to one clear sentence on stderr and to exit code 2, and what fails while
// it runs to exit code 1.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { recordingFile } from '../feeds/captures.ts';
import { run } from './command.ts';

const capture = recordingFile(['1618678133: {"event":"heartbeat"}', '']);
const noCapture = recordingFile(['{"a": 1}']);
const notJson = recordingFile(['not json']);

test.each<readonly [args: readonly string[], sentence: RegExp]>([
  [['sevre'], /unknown command 'sevre'\n\(Did you mean serve\?\)/],
  [['serve', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
  [['serve', '--port', '65536'], /'65536' is invalid. Give a whole number from 0 to 65535/],
  [['serve', '--rate', '0'], /'0' is invalid. Give a number above 0/],
  [['serve', '--rate', '100001'], /'100001' is invalid. Give a number up to 100000/],
  [['serve', '--symbols', '1001'], /'1001' is invalid. Give a whole number from 1 to 1000/],
  [['serve', '--seed', '-1'], /'-1' is invalid. Give a whole number from 0/],
  [['serve', 'x'], /too many arguments/],
  [['serve', '--port', '9', '--admin-port', '9'], /the public and the admin port are both 9: .*--admin-port/],
  [['serve', '--instruments', '/no/such/file'], /instruments file can't be read: .*\/no\/such\/file.*--instruments/],
  [['serve', '--instruments', notJson], /instruments file can't be read: .*JSON/],
  [['watch'], /missing required argument 'symbol'/],
  [['watch', 'A', '--depth', '7'], /'7' is invalid. Give 1, 5, 10, 20, 50, or 0 for the full book/],
  [['watch', 'A', '--interval', '60001'], /whole number from 0 to 60000/],
  [['watch', 'A', '--raw', '--interval', '5'], /--raw is every update as it happens: leave out --interval/],
  [['watch', 'A', '--url', 'ftp://x'], /Give the address of a gateway, such as http:\/\/127.0.0.1:9001/],
  [['replay', capture], /required option '--venue <name>' not specified/],
  [['replay', '--venue', 'kraken'], /missing required argument 'file'/],
  [['replay', '--venue', 'nasdaq', capture], /there is no venue nasdaq; known: kraken/],
  [['replay', '--venue', 'kraken', '/no/such/capture'], /there is no file \/no\/such\/capture/],
  [['replay', '--venue', 'kraken', noCapture], /not a capture: .*:1: neither/],
  [['replay', '--venue', 'kraken', '--verify', noCapture], /not a capture: .*:1: neither/],
  [['replay', '--venue', 'kraken', '--speed', 'fast', capture], /'fast' is invalid. Give a number above 0.*or 'max'/],
  [['replay', '--venue', 'kraken', '--verify', '--speed', '2', '--port', '1', capture], /leave out --speed, --port/],
])('tickwire %j is refused as a misuse', async (args, sentence) => {
  const { code, stdout, stderr } = await run(args);
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^tickwire: [^\n]+\n(\([^\n]+\)\n)*$/);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
});

test.each<readonly [args: readonly string[], sentence: RegExp]>([
  [
    ['watch', 'A', '--url', '127.0.0.1:1'],
    /no gateway answers at ws:\/\/127.0.0.1:1\/v1\/stream: .*refused.*tickwire serve --demo/,
  ],
  [
    ['instruments', '--url', '127.0.0.1:2'],
    /no gateway answers at http:\/\/127.0.0.1:2\/v1\/instruments: .*refused.*--url/,
  ],
  [['replay', '--venue', 'kraken', capture], /there is no book and no trade of kraken in /],
  [['replay', '--venue', 'kraken', '--verify', capture], /there is no book and no trade of kraken in .*1 messages/],
])('tickwire %j fails with a sentence', async (args, sentence) => {
  const { code, stdout, stderr } = await run(args);
  expect(stderr).toMatch(sentence);
  expect(stderr).toMatch(/^tickwire: [^\n]+\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
});

test('settings that can’t work are all named together', async () => {
  const { code, stderr } = await run(['serve'], { TICKWIRE_PORT: 'x', TICKWIRE_INSTRUMENTS_MAX: '0' });
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^tickwire: the settings can't work:\n {2}- TICKWIRE_PORT .*\n {2}- .*TICKWIRE_INSTRUMENTS_MAX/,
  );
});

test('an address in the environment that is none is named', async () => {
  const { code, stderr } = await run(['watch', 'A'], { TICKWIRE_URL: '::' });
  expect(code).toBe(2);
  expect(stderr).toMatch(/^tickwire: TICKWIRE_URL is ::, not an address such as http/);
});

test('all faults of an instruments file are named with their place', async () => {
  const path = join(recordingFile([]), '../instruments.json');
  const good = { symbol: 'A', priceScale: 2, sizeScale: 0 };
  writeFileSync(
    path,
    JSON.stringify([good, { priceScale: 1 }, { symbol: 'B', priceScale: 2, sizeScale: 0, tickSize: '0.001' }, good]),
  );
  const { code, stderr } = await run(['serve', '--instruments', path]);
  expect(code).toBe(2);
  const [first, ...faults] = stderr.trimEnd().split('\n');
  expect(first).toContain(path);
  expect(faults).toEqual([
    '  - 1: symbol is missing',
    expect.stringMatching(/^ {2}- 2: B: tickSize 0.001: /),
    '  - 3: A is in the list twice',
  ]);
});
