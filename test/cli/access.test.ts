// Holds `watch`, `record` and `instruments` to what the one at the command line may: who they say they are, what they go on
// without, and one clear sentence for everybody whom a gateway does not serve.

import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { recordingFile } from '../feeds/captures.ts';
import { stopAll, TestClient } from '../gateway/harness.ts';
import { freshPath } from '../recording/market.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { Command, run } from './command.ts';
import { type Demo, startDemo } from './gateway.ts';

const desk = keyFor('desk', 'desk-a', 'desk');
const old = keyFor('old', 'desk-a', 'desk', { expires: '2020-01-01' });
const foreign = keyFor('foreign', 'desk-b', 'desk');
const rule = (channel: string, more: object = {}) => ({ channels: [channel], symbols: ['*'], ...more });
const ROLES = {
  guest: { subscribe: [rule('book', { depth: 5, intervalMs: 1_000 }), rule('status')] },
  clock: { subscribe: [rule('status')] },
  prints: { subscribe: [rule('trade')] },
  quiet: { subscribe: [rule('book'), rule('quote')] },
  desk: { subscribe: EVERYTHING },
};
const documentOf = (anonymous: string, keys = [desk.entry, old.entry]) => ({ roles: ROLES, anonymous, keys });

/** A gateway whose document gives anonymous clients that role. */
function startAs(role: keyof typeof ROLES): Promise<Demo> {
  return startDemo({ accessFile: documentFile(documentOf(role)) });
}

function startClosed(): Promise<Demo> {
  return startDemo({ accessFile: documentFile(documentOf('guest')), anonymous: 'off' });
}

const REMEDY = /--credential <file>, or TICKWIRE_CREDENTIAL\.\n$/;

afterEach(stopAll);

describe('watch', () => {
  test('of somebody who may have the book goes on with it, and says once what is not for them', async () => {
    const { gateway, step } = await startAs('guest');
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url]);
    await watch.says(/ BTC-USD not allowed to this client: trades\n/);
    await watch.says(/ seq 1 /);
    await step(50);
    await watch.says(/ seq ([2-9]|\d\d+) /);
    gateway.stop();
    const { stdout } = await watch.ended;
    expect(stdout.match(/not allowed/g)).toHaveLength(1);
    expect(stdout).not.toMatch(/trade (buy|sell)/);
  });

  test('with --json says that as an object of its own, and shows no more levels than are granted', async () => {
    const { gateway } = await startAs('guest');
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url, '--json']);
    await watch.says(/"type":"denied","symbol":"BTC-USD",.*"channel":"trade"/);
    const [, line] = await watch.says(/(\{"type":"book".*\})\n/);
    expect((JSON.parse(line!) as { bids: unknown[] }).bids).toHaveLength(5);
    gateway.stop();
    await watch.ended;
  });

  test('of somebody who may have the trades alone shows those, as they are traded', async () => {
    const { gateway, step } = await startAs('prints');
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url]);
    await watch.says(/not allowed to this client: book\n/);
    await step(100);
    await watch.says(/^[\d:.]{12} BTC-USD trade (buy|sell) \d+\.\d x \d+\.\d{8} id \d+$/m);
    gateway.stop();
    await watch.ended;
  });

  test('ends with one sentence where there is nothing to be shown, and does not list what there is', async () => {
    const { gateway } = await startAs('clock');
    const { code, stdout, stderr } = await run(['watch', 'BTC-USD', '--url', gateway.url]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^tickwire: not-entitled: This client may have neither the book nor the trades of BTC-USD\. /,
    );
    expect(stderr).toMatch(REMEDY);
  });

  test('does not take less than every update for --raw', async () => {
    const { gateway } = await startAs('guest');
    const { code, stderr } = await run(['watch', 'BTC-USD', '--raw', '--url', gateway.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^tickwire: the gateway refused: not-entitled: .*\(book:BTC-USD in raw mode\) .* Or leave out --raw\.\n$/,
    );
  });

  test('says so when trades are taken back, goes on with the book, and ends when that is taken back too', async () => {
    const path = documentFile(documentOf('desk'));
    const { gateway } = await startDemo({ accessFile: path });
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url]);
    await watch.says(/ seq 1 /);
    put(path, documentOf('quiet'));
    await watch.says(/ not allowed to this client: trades\n/);
    put(path, documentOf('clock'));
    const { code, stderr } = await watch.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: not-entitled: This client may have neither/);
  });

  test('says why a key that was taken away ends it', async () => {
    const path = documentFile(documentOf('guest'));
    const { gateway } = await startDemo({ accessFile: path });
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url], { TICKWIRE_CREDENTIAL: desk.key });
    await watch.says(/ seq 1 /);
    put(path, documentOf('guest', []));
    const { code, stderr } = await watch.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: the connection to ws:\S+ was lost: revoked: [^\n]+\n$/);
  });

  test('comes again when the gateway says, where it lets nobody else in just now', async () => {
    const { gateway } = await startDemo({ connectsPerSecMax: 1 });
    await TestClient.connect(gateway);
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url]);
    await watch.says(/^busy: More clients connect .* Trying again in \d\.\d s\.\n/, 'stderr');
    await watch.says(/ seq 1 /);
    gateway.stop();
    await watch.ended;
  });

  test('does not wait any longer once it is interrupted', async () => {
    const { gateway } = await startDemo({ connectionsMax: 1 });
    await TestClient.connect(gateway);
    const watch = new Command(['watch', 'BTC-USD', '--url', gateway.url]);
    await watch.says(/^too-many-connections: .* Trying again in \d\.\d s\.\n/, 'stderr');
    process.emit('SIGINT');
    expect((await watch.ended).code).toBe(130);
  });
});

describe.each<readonly [command: string, args: () => readonly string[]]>([
  ['watch', () => ['BTC-USD']],
  ['record', () => ['--out', freshPath()]],
  ['instruments', () => []],
])('%s, of a gateway that wants to know who asks', (command, args) => {
  test.each([
    ['unauthenticated', ''],
    ['bad-credential', foreign.key],
    ['expired-credential', old.key],
  ])('says %s in one sentence, and repeats no secret', async (code, shown) => {
    const { gateway } = await startClosed();
    const outcome = await run([command, ...args(), '--url', gateway.url], { TICKWIRE_CREDENTIAL: shown });
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(new RegExp(`^tickwire: ${code}: [^\n]+\n$`));
    expect(outcome.stderr).toMatch(REMEDY);
    if (shown !== '') expect(outcome.stderr).not.toContain(shown.slice(-10));
  });

  test('a file that holds no credential is a mistake of use', async () => {
    const file = recordingFile(['two words']);
    expect(await run([command, ...args(), '--credential', file])).toMatchObject({ code: 2, stdout: '' });
  });
});

test('a key from a file opens a gateway to watch, and to list', async () => {
  const { gateway } = await startClosed();
  const shown = ['--url', gateway.url, '--credential', recordingFile([desk.key, ''])];
  expect((await run(['instruments', ...shown])).stdout).toMatch(/^BTC-USD /m);
  const watch = new Command(['watch', 'BTC-USD', ...shown]);
  await watch.says(/ seq 1 /);
  expect(watch.stdout).not.toMatch(/not allowed/);
  gateway.stop();
  await watch.ended;
});

describe('record', () => {
  test('leaves no file where nothing may be recorded', async () => {
    const { gateway } = await startAs('guest');
    const path = freshPath();
    const { code, stderr } = await run(['record', '--url', gateway.url, '--out', path]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^tickwire: not-entitled: This client may not have every single update of this: book of BTC-USD and 4 more symbols; quote of .*; trade of /,
    );
    expect(stderr).toMatch(REMEDY);
    expect(existsSync(path)).toBe(false);
  });

  test('records the rest where some of it is not allowed, and says so', async () => {
    const { gateway } = await startAs('quiet');
    const path = freshPath();
    const record = new Command(['record', '--url', gateway.url, '--out', path, '--json']);
    await record.says(/recording 5 symbols/, 'stderr');
    expect(record.stderr).toMatch(
      /^not-entitled: .*: trade of BTC-USD and 4 .*; status of .* The rest is recorded\.\n/,
    );
    process.emit('SIGINT');
    expect(JSON.parse((await record.ended).stdout)).toMatchObject({ symbols: 5, trades: 0 });
  });

  test('wants all of the channels that are named', async () => {
    const { gateway } = await startAs('quiet');
    const args = ['--symbols', 'BTC-USD', '--channels', 'book,trade', '--out', freshPath()];
    const { code, stderr } = await run(['record', '--url', gateway.url, ...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: not-entitled: .*: trade of BTC-USD\. Ask whoever runs/);
  });

  test('ends when its key is taken away, with what it has', async () => {
    const path = documentFile({ ...documentOf('guest'), anonymous: 'clock' });
    const { gateway } = await startDemo({ accessFile: path, anonymous: 'off' });
    const out = freshPath();
    const args = ['record', '--url', gateway.url, '--out', out, '--credential', recordingFile([desk.key])];
    const record = new Command(args);
    await record.says(/recording 5 symbols/);
    put(path, documentOf('clock', [old.entry]));
    const { code, stderr } = await record.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/was lost: revoked: .*; it is tried again\n(.*\n)*tickwire: bad-credential: /);
    expect(existsSync(out)).toBe(true);
  });
});
