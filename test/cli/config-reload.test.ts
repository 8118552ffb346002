// Holds SIGHUP over the real process: `serve` reads its file again, says what has changed, and lets nobody down over a file with faults.

import { rmSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { fileWith } from '../settings/folder.ts';
import { ensureBuilt, type Running, startIn } from './process.ts';

beforeAll(ensureBuilt);

interface Line {
  readonly event: string;
  readonly changed?: readonly string[];
  readonly restart?: readonly string[];
  readonly faults?: readonly string[];
}

/** Sends SIGHUP. @returns what is logged from then on, up to the first line of the event. */
async function reload(running: Running, event: string): Promise<Line[]> {
  running.stderr = '';
  running.send('SIGHUP');
  await running.says(new RegExp(`"event":"${event}".*\\n`), 'stderr');
  const lines = running.stderr.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

test('serve takes over its file on SIGHUP, and keeps what it had where the file can not work', async () => {
  const token = 'the-admin-token-of-a-file';
  const file = fileWith('connectionsMax: 7\nringFramesMax: 64\n');
  const secret = fileWith(token);
  const environment = { TICKWIRE_CONFIG: file, TICKWIRE_ADMIN_TOKEN_FILE: secret, TICKWIRE_DRAIN_MS: '0' };
  const running = startIn(environment, 'serve', '--demo', '--port', '0', '--admin-port', '0', '--json');
  await running.says(/"url"/);

  writeFileSync(file, 'connectionsMax: 8\nringFramesMax: 128\ndrainMs: 5\nport: 9\nlogLevel: debug\n');
  writeFileSync(secret, `${token}-2`);
  const lines = await reload(running, 'settings.restart');
  expect(JSON.stringify(lines)).not.toContain(token);
  const [reloaded] = lines.filter(({ event }) => event === 'settings.reloaded');
  // Flags and the environment go before the file as ever.
  expect(reloaded?.changed).toEqual([
    'adminToken: another one',
    'logLevel: "info", now "debug"',
    'connectionsMax: 7, now 8',
  ]);
  expect(lines.find(({ event }) => event === 'settings.restart')?.restart).toEqual(['ringFramesMax']);

  writeFileSync(file, 'connectionsMax: 9\nconectionsMax: 1\nport: x\n');
  rmSync(secret);
  const [kept] = (await reload(running, 'settings.kept')).filter(({ event }) => event === 'settings.kept');
  expect(kept?.faults).toEqual([
    `${file}:2: "conectionsMax" is no setting; is connectionsMax meant?`,
    `port (${file}:3) is "x", not a whole number`,
    `TICKWIRE_ADMIN_TOKEN_FILE: ${secret} can't be read: ENOENT`,
  ]);

  writeFileSync(file, 'connectionsMax: 10\nringFramesMax: 64\nlogLevel: debug\n');
  writeFileSync(secret, `${token}-2`);
  const mended = (await reload(running, 'settings.reloaded')).find(({ event }) => event === 'settings.reloaded');
  expect(mended?.changed).toEqual(['connectionsMax: 8, now 10']);

  expect((await running.signal('SIGTERM')).code).toBe(0);
});
