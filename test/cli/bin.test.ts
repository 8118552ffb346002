// Exercises the bin as it is installed: help, version, the demo, the verification, the exit codes of misuse.

import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { krakenCapture, recordingFile } from '../feeds/captures.ts';
import { krakenRecording } from '../feeds/recording.ts';
import { ensureBuilt, start } from './process.ts';

const COMMANDS = ['serve', 'watch', 'publish', 'replay', 'instruments', 'top'];

/** Several processes one after the other, on a machine that may be busy. */
const SLOW_MS = 120_000;

beforeAll(() => ensureBuilt(), 2 * SLOW_MS);

describe('the bin', () => {
  test('may be run, and begins with the line that says by what', () => {
    accessSync(resolve(import.meta.dirname, '../../dist/cli/main.js'), constants.X_OK);
  });

  test('says its version, the package’s', async () => {
    const { version } = await import('../../package.json', { with: { type: 'json' } }).then((each) => each.default);
    expect(await start('--version').end()).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('explains itself: every command in one line, with examples', async () => {
    const { code, stdout } = await start('--help').end();
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} .*\\S {2,}\\S`, 'm'));
    expect(stdout).toContain('Examples:\n  tickwire serve --demo');
  });

  test.each(COMMANDS)('explains %s: what it does, its flags with their defaults, examples', async (name) => {
    const { code, stdout, stderr } = await start(name, '--help').end();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: tickwire \w+ \[options\].*\n\n[A-Z].*\n/);
    expect(stdout).toMatch(/default/);
    expect(stdout).toMatch(/TICKWIRE_[A-Z]+/);
    expect(stdout).toMatch(/Examples:\n {2}tickwire /);
  });

  test('without a command prints the help to stderr, as a misuse', async () => {
    const { code, stdout, stderr } = await start().end();
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: tickwire');
  });

  test('serves the demo: prints where it is and what to try, answers, and ends with 0 on SIGTERM', async () => {
    const gateway = start('serve', '--demo', '--port', '0', '--admin-port', '0');
    const [, url] = await gateway.says(/http {4}(http:\S+)\/v1\/instruments/);
    const [, admin] = await gateway.says(/admin {3}(\S+)/);
    const [, curl] = await gateway.says(/curl '(\S+)'/);
    await gateway.says(/npx tickwire watch BTC-USD --url http/);
    await gateway.says(/npx wscat -c ws:\S+\/v1\/stream .*Ctrl-C ends it/s);
    expect(await (await fetch(`${url}/v1/instruments`)).json()).toMatchObject({ instruments: { length: 24 } });
    expect(await (await fetch(curl!)).json()).toMatchObject({ symbol: 'BTC-USD', bids: { length: 5 } });
    expect(await (await fetch(admin!)).json()).toEqual({ ready: true });
    const { code, stderr } = await gateway.signal('SIGTERM');
    expect(code).toBe(0);
    const log = stderr
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(log).toEqual(['listening', 'draining', 'drained', 'stopped']);
  });

  test(
    'verifies a capture: three passes, all of them the exchange’s own books',
    async () => {
      const { path, checksums } = krakenCapture();
      const { code, stdout } = await start('replay', '--venue', 'kraken', '--verify', path).end();
      const lines = stdout.trimEnd().split('\n');
      expect(lines.at(-1)).toBe(`checksums: ${checksums} of ${checksums} match`);
      expect(code).toBe(0);
      expect(lines).toHaveLength(4);
      const checked = lines.slice(0, 3).map((line) => {
        const [, states, mismatches] = / (\d+) states checked, (\d+) mismatches/.exec(line)!;
        expect(mismatches).toBe('0');
        return Number(states);
      });
      const [raw, live, interval] = checked;
      expect(raw).toBe(checksums);
      expect(live).toBeGreaterThan(0);
      // How many ticks of the interval there are depends on how fast the machine is.
      expect(interval).toBeGreaterThanOrEqual(50);
    },
    SLOW_MS,
  );

  test(
    'says which port is taken, and by which flag to take another',
    async () => {
      const first = start('serve', '--port', '0', '--admin-port', '0', '--json');
      const [line] = await first.says(/^\{.*\}$/m);
      const { url, admin } = JSON.parse(line) as { url: string; admin: string };
      const port = new URL(url).port;
      const second = await start('serve', '--port', port, '--admin-port', '0').end();
      expect(second).toMatchObject({ code: 1, stdout: '' });
      expect(second.stderr).toMatch(
        new RegExp(`^tickwire: 127\\.0\\.0\\.1:${port} is taken, .*--port \\(TICKWIRE_PORT\\), .*\\n$`),
      );
      const third = await start('serve', '--port', '0', '--admin-port', new URL(admin).port).end();
      expect(third.code).toBe(1);
      expect(third.stderr).toMatch(/is taken, .*--admin-port \(TICKWIRE_ADMIN_PORT\)/);
      expect(await first.signal('SIGINT')).toMatchObject({ code: 0 });
    },
    SLOW_MS,
  );

  test('without a demo says how to publish', async () => {
    const gateway = start('serve', '--port', '0', '--admin-port', '0');
    const [, put] = await gateway.says(/curl -X PUT (\S+) -d/);
    const [, publish, snapshot] = await gateway.says(/curl (\S+\/v1\/publish) -d '(.*)'/);
    const [, look] = await gateway.says(/curl '(\S+\/v1\/book\/DEMO\?depth=5)'/);
    await fetch(put!, { method: 'PUT', body: '{"priceScale":2,"sizeScale":0}' });
    await fetch(publish!, { method: 'POST', body: snapshot! });
    expect(await (await fetch(look!)).json()).toMatchObject({ bids: [['9.99', '5']], asks: [['10.01', '7']] });
    expect(await gateway.signal('SIGTERM')).toMatchObject({ code: 0 });
  });

  const FREE = ['--port', '0', '--admin-port', '0'];

  test(
    'ends a replay on Ctrl-C with 130, one that loops with 0, one that goes on serving with 0',
    async () => {
      const path = recordingFile(krakenRecording({ seed: 1, messages: 2_000 }));
      const replay = start('replay', '--venue', 'kraken', ...FREE, path);
      await replay.says(/Try next/);
      const cut = await replay.signal('SIGINT');
      expect(cut.code).toBe(130);
      expect(cut.stdout).toMatch(/interrupted: \d+ messages, /);
      const looping = start('replay', '--venue', 'kraken', ...FREE, '--loop', path);
      await looping.says(/Try next/);
      expect(await looping.signal('SIGINT')).toMatchObject({ code: 0 });
      const serving = start('replay', '--venue', 'kraken', ...FREE, '--serve', '--speed', 'max', path);
      const [, curl] = await serving.says(/curl '(\S+)'/);
      await serving.says(/the capture ended/);
      expect(await (await fetch(curl!)).json()).toMatchObject({ symbol: 'BTC-USD', bids: { length: 5 } });
      expect(await serving.signal('SIGTERM')).toMatchObject({ code: 0 });
    },
    SLOW_MS,
  );

  test(
    'ends a verification on Ctrl-C with 130 and says so',
    async () => {
      const path = recordingFile(krakenRecording({ seed: 1, messages: 2_000 }));
      const verification = start('replay', '--venue', 'kraken', '--verify', path);
      await verification.says(/raw, .*\n/);
      const { code, stderr } = await verification.signal('SIGINT');
      expect(code).toBe(130);
      expect(stderr).toMatch(/tickwire: interrupted\n$/);
    },
    SLOW_MS,
  );

  test(
    'ends a watch on Ctrl-C with 130, and without complaint when its reader goes away',
    async () => {
      const gateway = start('serve', '--demo', ...FREE, '--json');
      const [line] = await gateway.says(/^\{.*\}$/m);
      const { url } = JSON.parse(line) as { url: string };
      const watch = start('watch', 'BTC-USD', '--url', url);
      await watch.says(/ seq \d+ /);
      expect(await watch.signal('SIGINT')).toMatchObject({ code: 130, stderr: '' });
      const piped = start('watch', 'BTC-USD', '--url', url, '--json');
      await piped.says(/"type":"book"/);
      piped.closeStdout();
      expect(await piped.end()).toMatchObject({ code: 0, stderr: '' });
    },
    SLOW_MS,
  );
});
