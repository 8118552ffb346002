// Holds `top` to what the admin port answers, to finding it, and to saying what is wrong where it does not.

import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ConnectionList } from '../../src/gateway/admin.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { stopAll, TestClient } from '../gateway/harness.ts';
import { Command, run } from './command.ts';
import { startDemo } from './gateway.ts';

afterEach(stopAll);

/** A client with the books of all symbols. @returns its id. */
async function connected(gateway: Gateway): Promise<string> {
  const client = TestClient.open(gateway, undefined);
  const { session } = await client.next('welcome');
  client.send({
    op: 'subscribe',
    id: 1,
    channel: 'book',
    symbols: gateway.instruments.list().map(({ symbol }) => symbol),
  });
  await client.settled();
  return session;
}

/** Makes the process's output a terminal for one test; keys come from `press`. */
function terminal(): { press: (key: string) => void } {
  const stdin = Object.assign(new EventEmitter(), { isTTY: true, setRawMode: vi.fn(), pause: vi.fn() });
  const before = Object.getOwnPropertyDescriptors(process);
  const { isTTY, columns, rows } = process.stdout;
  Object.assign(process.stdout, { isTTY: true, columns: 80, rows: 24 });
  Object.defineProperty(process, 'stdin', { value: stdin, configurable: true });
  onTestFinished(() => {
    Object.assign(process.stdout, { isTTY, columns, rows });
    Object.defineProperty(process, 'stdin', before.stdin!);
  });
  return { press: (key) => stdin.emit('data', Buffer.from(key)) };
}

describe('top', () => {
  test('with --once prints one table of who is connected', async () => {
    const { gateway } = await startDemo();
    const id = await connected(gateway);
    const { code, stdout, stderr } = await run(['top', '--once', '--admin', gateway.adminUrl]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(new RegExp(`^${new URL(gateway.adminUrl).host}  1 connection  \\S+B/s  busy \\d+ %$`));
    expect(lines[1]).toBe('real-time 1  conflated 0  slower 0  top 0  blocked 0');
    expect(lines[4]).toMatch(
      new RegExp(`^${id.slice(0, 6)} 127\\.0\\.0\\.1 +local real-time +\\S+ +\\S+ +\\S+K +\\S+ +\\S+ +0 +5 -$`),
    );
  });

  test('with --json prints the admin port’s answer in one line', async () => {
    const { gateway } = await startDemo();
    const ids = [await connected(gateway), await connected(gateway), await connected(gateway)];
    const { code, stdout } = await run(['top', '--json', '--limit', '2', '--admin', gateway.adminUrl]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const { total, connections } = JSON.parse(stdout) as ConnectionList;
    expect(total).toBe(3);
    expect(connections).toHaveLength(2);
    const answer = (await (await fetch(`${gateway.adminUrl}/v1/admin/connections`)).json()) as ConnectionList;
    expect(answer.connections.map(({ id }) => id).sort()).toEqual(ids.sort());
    expect(Object.keys(connections[0]!)).toEqual(Object.keys(answer.connections[0]!));
  });

  test('finds the admin port that the environment names', async () => {
    const { gateway } = await startDemo();
    const environment = { TICKWIRE_ADMIN_PORT: new URL(gateway.adminUrl).port };
    expect(await run(['top', '--once'], environment)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nobody is connected'),
    });
  });

  test('without a terminal prints table after table, and says when the gateway is gone', async () => {
    const { gateway } = await startDemo();
    await connected(gateway);
    const top = new Command(['top', '--interval', '100', '--admin', gateway.adminUrl]);
    await top.says(/(^\S+ +\d connections?.*?\n\n.*?\n\n){3}/ms);
    gateway.stop();
    const { code, stdout, stderr } = await top.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tickwire: no admin port of a gateway answers at http:\S+: [^\n]+\n$/);
    expect(stdout).not.toContain('\x1b');
  });

  test('on a terminal draws in place until q', async () => {
    const { gateway } = await startDemo();
    const id = await connected(gateway);
    const { press } = terminal();
    const environment = { TERM: 'xterm', NO_COLOR: '' };
    const top = new Command(['top', '--interval', '100', '--admin', gateway.adminUrl], environment);
    await top.says(new RegExp(`\x1b\\[\\?1049h(.|\n|\r)*q quits(.|\n|\r)*${id.slice(0, 6)}`));
    await connected(gateway);
    await top.says(/ 2 connections /);
    press('q');
    const { code, stdout, stderr } = await top.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('\x1b[2m');
    expect(stdout.endsWith('\x1b[?7h\x1b[?25h\x1b[?1049l')).toBe(true);
  });

  test('on a terminal without colours uses none, in a table that is printed as well', async () => {
    const { gateway } = await startDemo();
    const { press } = terminal();
    const environment = { TERM: 'xterm', NO_COLOR: '1' };
    const top = new Command(['top', '--admin', gateway.adminUrl], environment);
    await top.says(/nobody is connected/);
    press('\x03');
    const { code, stdout } = await top.ended;
    expect(code).toBe(130);
    expect(stdout.split('\x1b[').filter((piece) => /^[\d;]*m/.test(piece))).toEqual([]);
    const once = await run(['top', '--once', '--admin', gateway.adminUrl], environment);
    expect(once.stdout).not.toContain('\x1b');
    const colored = await run(['top', '--once', '--admin', gateway.adminUrl], { TERM: 'xterm', NO_COLOR: '' });
    expect(colored.stdout).toContain('\x1b[2mnobody is connected\x1b[0m');
  });

  test('says what to do where nothing listens', async () => {
    const { code, stdout, stderr } = await run(['top', '--once', '--admin', '127.0.0.1:2']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'tickwire: no admin port of a gateway answers at http://127.0.0.1:2: the connection was refused. ' +
        'Start a gateway with `tickwire serve --demo`, or say where its admin port is with --admin (TICKWIRE_ADMIN_PORT).\n',
    );
  });

  test.each(['--once', '--json'])('with %s says that the public port is not the admin port', async (flag) => {
    const { gateway } = await startDemo();
    const { code, stderr } = await run(['top', flag, '--admin', gateway.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^tickwire: what answers at \S+ is no admin port of a Tickwire gateway: give --admin [^\n]+\n$/,
    );
  });

  test.each<readonly [args: readonly string[], sentence: RegExp]>([
    [['--limit', '0'], /'0' is invalid. Give a whole number from 1 to 10000/],
    [['--limit', '10001'], /whole number from 1 to 10000/],
    [['--interval', '99'], /whole number from 100 to 3600000/],
    [['--admin', 'ftp://x'], /Give the address of an admin port, such as http:\/\/127.0.0.1:9002/],
    [['--once', '--interval', '500'], /--once is a single look: leave out --interval/],
    [['--json', '--once', '--interval', '500'], /--json is a single look: leave out --interval/],
    [['BTC-USD'], /too many arguments/],
  ])('%j is refused as a misuse', async (args, sentence) => {
    const { code, stdout, stderr } = await run(['top', ...args]);
    expect(stderr).toMatch(sentence);
    expect(stderr).toMatch(/^tickwire: [^\n]+\n(\([^\n]+\)\n)*$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('any free admin port in the environment can’t be found, and a wrong one is named', async () => {
    expect(await run(['top', '--once'], { TICKWIRE_ADMIN_PORT: '0' })).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'tickwire: TICKWIRE_ADMIN_PORT is 0, which is any free port: say with --admin which one `tickwire serve` printed\n',
    });
    const { code, stderr } = await run(['top', '--once'], { TICKWIRE_ADMIN_PORT: 'x' });
    expect(code).toBe(2);
    expect(stderr).toContain('TICKWIRE_ADMIN_PORT is "x", not a whole number');
  });

  test('explains itself: flags with their defaults, columns, examples, environment', async () => {
    const { code, stdout, stderr } = await run(['top', '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: tickwire top \[options\]\n\n[A-Z].*\n/);
    expect(stdout).toMatch(/\(TICKWIRE_ADMIN_PORT, default\s+http:\/\/127\.0\.0\.1:9002\)/);
    for (const heading of ['PACE', 'RATE', 'AGE', 'WINDOW', 'UNANS', 'RTT', 'QUEUE', 'SUBS', 'BLOCK']) {
      expect(stdout).toMatch(new RegExp(`^  ${heading} +[a-z]`, 'm'));
    }
    expect(stdout).toMatch(/Examples:\n {2}tickwire top /);
    expect(stdout).toMatch(/Environment.*\n {2}TICKWIRE_ADMIN_PORT /);
  });
});
