// Holds `record`, and `replay` of what it made, to what they say on the command line: counts, cut files, and one clear
// sentence for whatever can't work.

import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { recordingFile } from '../feeds/captures.ts';
import { freshPath, Notes, untilAllHeld } from '../recording/market.ts';
import { Command, run } from './command.ts';
import { type Demo, startDemo } from './gateway.ts';

const ANY_PORTS = ['--port', '0', '--admin-port', '0'];

/** Records some steps of the demo's market. */
async function recorded(demo: Demo, ...args: readonly string[]): Promise<{ path: string; stdout: string }> {
  const path = freshPath();
  const record = new Command(['record', '--url', demo.gateway.url, '--out', path, ...args]);
  await record.says(/recording \d+ symbols/, args.includes('--json') ? 'stderr' : 'stdout');
  const notes = await Notes.open(demo.gateway.streamUrl);
  const symbols = demo.gateway.instruments.list().map(({ symbol }) => symbol);
  await notes.subscribe(symbols, ['book', 'trade']);
  await demo.step(100);
  await untilAllHeld(notes, demo.gateway, ['book', 'trade']);
  demo.gateway.stop();
  await record.says(/was lost/, 'stderr');
  process.emit('SIGINT');
  const { code, stdout } = await record.ended;
  expect(code).toBe(0);
  return { path, stdout };
}

describe('record', () => {
  test('says what it recorded, as JSON too, and what it wrote is verified by replay', async () => {
    const { path, stdout } = await recorded(await startDemo(), '--json');
    const counts = JSON.parse(stdout) as { file: string; bytes: number; updates: number; trades: number };
    expect(counts).toMatchObject({ file: path, bytes: statSync(path).size, symbols: 5, snapshots: 5, gaps: 0 });
    expect(counts.updates).toBeGreaterThan(20);
    const verified = await run(['replay', '--verify', path]);
    expect(verified.stdout).toBe(
      `trades: ${counts.trades} of ${counts.trades} match\nchecksums: ${counts.updates + 5} of ${counts.updates + 5} match\n`,
    );
    expect(verified.code).toBe(0);
  });

  test('ends by itself after --duration', async () => {
    const { gateway } = await startDemo();
    const path = freshPath();
    const args = ['--symbols', 'BTC-USD', '--channels', 'book', '--duration', '10ms'];
    const { code, stdout } = await run(['record', '--url', gateway.url, '--out', path, ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/: 1 symbols, [01] snapshots, 0 book updates, 0 quotes, 0 trades, 0 statuses, \d+ bytes\n$/);
  });

  test('refuses symbols that are not listed, a file that is there, and one that can not be made', async () => {
    const { gateway } = await startDemo();
    const url = ['--url', gateway.url];
    const path = freshPath();
    expect(await run(['record', ...url, '--out', path, '--symbols', 'BTC-USD,NO-SUCH'])).toMatchObject({
      code: 1,
      stderr: `tickwire: ${gateway.url} does not list NO-SUCH: \`tickwire instruments\` shows what it does\n`,
    });
    writeFileSync(path, 'precious');
    const again = await run(['record', ...url, '--out', path]);
    expect(again).toMatchObject({
      code: 2,
      stderr: `tickwire: ${path} can't be written: it is there already; name another\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe('precious');
    const nowhere = await run(['record', ...url, '--out', `${dirname(path)}/no/such.twr`]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toMatch(/^tickwire: \S+such\.twr can't be written: ENOENT[^\n]*\n$/);
  });

  test.each<readonly [args: readonly string[], sentence: RegExp]>([
    [[], /required option '--out <file>' not specified/],
    [['--out', 'x', '--symbols', 'A,,B C'], /Give symbols such as BTC-USD,ETH-USD, or 'all'/],
    [['--out', 'x', '--channels', 'book,bars'], /Give some of book,quote,trade,status/],
    [['--out', 'x', '--duration', '5'], /Give a length such as 90s, 15m or 1h30m/],
    [['--out', 'x', '--url', '127.0.0.1:1'], /no gateway answers at http:\/\/127\.0\.0\.1:1/],
  ])('with %j fails with a sentence', async (args, sentence) => {
    const { code, stdout, stderr } = await run(['record', ...args]);
    expect(stderr).toMatch(sentence);
    expect(code).toBeGreaterThan(0);
    expect(stdout).toBe('');
  });
});

describe('replay of a recording', () => {
  test('serves the recorded market, and says what was in it', async () => {
    const { path } = await recorded(await startDemo());
    const replay = new Command(['replay', path, '--speed', 'max', '--serve', ...ANY_PORTS]);
    const [, url] = await replay.says(/http {4}(http:\S+)\/v1\/instruments/);
    await replay.says(/market {2}recorded 2\d{3}-\S+, as fast as possible\n/);
    await replay.says(/the recording ended: \d+ updates read, 5 symbols, 1 times the gateway was lost\n/);
    const answer = (await (await fetch(`${url}/v1/book/BTC-USD?depth=5`)).json()) as { bids: unknown[] };
    expect(answer.bids).toHaveLength(5);
    process.emit('SIGTERM');
    expect(await replay.ended).toMatchObject({ code: 0 });
  });

  test('of a file that a crash cut off plays what is whole, and says so', async () => {
    const { path } = await recorded(await startDemo());
    const crashed = freshPath('crashed.twr');
    copyFileSync(path, crashed);
    truncateSync(crashed, statSync(path).size - 30);
    const { code, stdout, stderr } = await run(['replay', '--verify', '--json', crashed]);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /crashed\.twr was not brought to its end: \d+ whole blocks are in it; the last \d+ bytes can't be used/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, whole: false });
  });

  test('says where a file is damaged', async () => {
    const { path } = await recorded(await startDemo());
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('TWBK') + 100]! ^= 1;
    writeFileSync(path, bytes);
    const first = await run(['replay', path, '--speed', 'max', ...ANY_PORTS]);
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(
      /^tickwire: \S+ is damaged at byte \d+: block 0: its checksum is wrong; --skip-damaged plays/m,
    );
    const skipping = await run(['replay', path, '--speed', 'max', '--skip-damaged', ...ANY_PORTS]);
    expect(skipping.stdout).toMatch(/the recording ended: .*1 damaged blocks/);
    expect(skipping.stderr).toMatch(/passed over \d+ bytes at byte \d+: block 0: its checksum is wrong/);
  });

  test('begins and ends at the moments that it is told', async () => {
    const { path } = await recorded(await startDemo());
    const json = ['--speed', 'max', '--json', ...ANY_PORTS];
    const whole = JSON.parse((await run(['replay', path, ...json])).stdout) as { recording: { firstUs: number } };
    const from = new Date(Math.floor(whole.recording.firstUs / 1_000)).toISOString();
    expect((await run(['replay', path, ...json, '--from', from, '--to', '10h'])).code).toBe(0);
    const late = await run(['replay', path, ...json, '--from', '1h']);
    expect(late).toMatchObject({ code: 1, stdout: '' });
    expect(late.stderr).toMatch(/: it ends at \S+Z, before --from\n$/);
    expect((await run(['replay', path, ...json, '--to', '1990-01-01T00:00:00Z'])).stderr).toMatch(
      /it begins at .*after --to/,
    );
  });

  test.each<readonly [args: readonly string[], sentence: RegExp]>([
    [['--venue', 'kraken'], /is a recording of Tickwire, of no venue: leave out --venue/],
    [['--from', 'noon'], /Give a time from the begin such as 90s or 1h30m, or one such as 2026-01-31T09:30:00Z/],
    [['--verify', '--speed', '2'], /--verify has speeds and ports of its own: leave out --speed/],
  ])('with %j is refused as a misuse', async (args, sentence) => {
    const { path } = await recorded(await startDemo());
    const { code, stdout, stderr } = await run(['replay', path, ...args]);
    expect(stderr).toMatch(sentence);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('takes captures by their venue only, and nothing of recordings for them', async () => {
    const capture = recordingFile(['1618678133: {"event":"heartbeat"}', '']);
    expect((await run(['replay', capture])).stderr).toMatch(/required option '--venue <name>' not specified/);
    const { code, stderr } = await run(['replay', '--venue', 'kraken', '--from', '1s', capture]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--from, --to and --skip-damaged are for recordings of Tickwire/);
  });
});
