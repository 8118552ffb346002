// Holds deploy/systemd to systemd's own reader, offline, and to the gateway: its variables, how long a drain may take, and how little
// the service may do.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test as anywhere, expect, onTestFinished } from 'vitest';
import { readConfiguration, SETTINGS } from '../../src/settings/settings.ts';
import { debianTool } from '../debian.ts';

/** Where systemd is. */
const test = anywhere.runIf(process.platform === 'linux');
const FOLDER = resolve(import.meta.dirname, '../../deploy/systemd');
const UNIT = 'tickwire.service';
/** What systemd-analyze calls fine begins here; from 0, the best, to 10. */
const EXPOSURE_MAX = 2;
const OFFLINE_VERSION_MIN = 250;
/** What a client has to connect elsewhere before its old connection is closed: src/gateway/drain.ts. */
const MOVE_MS = 2_000;

const unit = readFileSync(join(FOLDER, UNIT), 'utf8');
const environmentFile = readFileSync(join(FOLDER, 'tickwire.env'), 'utf8');

/** The unit in a folder of its own, with programs of this machine in place of those that it names. */
function unitFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-unit-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, UNIT);
  writeFileSync(file, text.replace('/usr/bin/node ', `${process.execPath} `).replace('/bin/kill', process.execPath));
  return file;
}

async function analyze(...args: readonly string[]): Promise<string> {
  const { path, env } = await debianTool('systemd-analyze');
  return new Promise((done) => {
    execFile(path, args, { env }, (_, stdout, stderr) => done(stdout + stderr));
  });
}

/** What is said of our unit: it ends with 0 where a key is unknown. Other units of the machine may have faults of their own. */
async function complaints(text: string): Promise<string[]> {
  const output = await analyze('verify', '--man=no', '--recursive-errors=no', unitFile(text));
  return output.split('\n').filter((line) => line.includes('tickwire'));
}

async function exposure(text: string): Promise<number> {
  const output = await analyze('security', '--offline=true', '--no-pager', unitFile(text));
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(output)![1]);
}

function directive(key: string): string {
  return new RegExp(`^${key}=(.*)$`, 'm').exec(unit)![1]!;
}

test('systemd takes the unit without a word', async () => {
  expect(await complaints(unit)).toEqual([]);
}, 300_000);

test.each([
  ['an unknown key', 'RestartSec=1', 'RestartSecs=1', /Unknown key.* 'RestartSecs'/],
  ['a value that is none', 'KillMode=mixed', 'KillMode=mild', /Failed to parse/],
  ['an unknown system call', '@system-service', '@system-services', /system-services/],
  ['a program that is not there', 'ExecStart=/usr/bin/node', 'ExecStart=/usr/bin/nodes', /nodes.*not executable/],
])('%s is found', async (_, from, to, fault) => {
  expect(unit).toContain(from);
  expect((await complaints(unit.replace(from, to))).join()).toMatch(fault);
});

test('the service may do little, and what opens it up is seen', async ({ skip }) => {
  // Older ones can't do it without a running systemd.
  if (Number((await debianTool('systemd-analyze')).version) < OFFLINE_VERSION_MIN) skip();
  expect(await exposure(unit)).toBeLessThan(EXPOSURE_MAX);
  expect(
    await exposure(unit.replace('NoNewPrivileges=yes', '').replace(/^SystemCallFilter=.*$/gm, '')),
  ).toBeGreaterThan(EXPOSURE_MAX);
});

test('it is asked to end by the signal that drains, has the time for it, and is not killed for a reload', () => {
  const { drainNoticeMs, drainMs, connectionsMax } = readConfiguration({ environment: given() }).settings;
  expect(directive('KillSignal')).toBe('SIGTERM');
  expect(Number(directive('TimeoutStopSec')) * 1_000).toBeGreaterThan(drainNoticeMs + drainMs + MOVE_MS);
  expect(directive('ExecReload')).toBe('/bin/kill -HUP $MAINPID');
  expect(directive('Restart')).toBe('on-failure');
  expect(unit).not.toMatch(/^WatchdogSec=/m);
  expect(Number(directive('LimitNOFILE'))).toBeGreaterThan(connectionsMax);
});

/** The example's variables, also those that are commented out and have a value. */
function given(): Record<string, string> {
  return Object.fromEntries(
    [...environmentFile.matchAll(/^([A-Z_]+)=(.+)$/gm)].map(([, name, value]) => [name!, value!]),
  );
}

test("the example's variables exist, and the gateway starts with it as it is", () => {
  const named = [...environmentFile.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name!);
  expect(named.length).toBeGreaterThan(6);
  const known = ['TICKWIRE_CONFIG', ...Object.values(SETTINGS).map(({ env }) => env)];
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
  expect(readConfiguration({ environment: given() }).warnings).toEqual([]);
  expect(() => readConfiguration({ environment: { ...given(), TICKWIRE_PORT: 'none' } })).toThrow(/TICKWIRE_PORT/);
  // No secret is given as an example.
  expect(Object.keys(given()).filter((name) => /TOKEN|KEY/.test(name))).toEqual([]);
});
