// Holds the search for programs to its word: those of Debian are found or had and say their version, and one that can't be had is told
// by what to install. How versions, locks and failures are dealt with is held by test/redis/binary.test.ts.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { debianTool, findProgram, type Wanted } from './debian.ts';

const INSTALL_MS = 300_000;
const NONE = 'No frobnicator was found: install one.';
const FROBNICATOR: Wanted = {
  names: ['frobnicator'],
  package: 'frobnicator',
  packages: ['frobnicator'],
  unpackedPath: 'usr/bin/frobnicator',
  versionFlag: '--version',
  versionOf: (output) => /frobnicator (\d+)/.exec(output)?.[1] ?? null,
  missing: NONE,
};

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-debian-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test.runIf(process.platform === 'linux').each(['haproxy', 'promtool', 'systemd-analyze'] as const)(
  '%s is found or had, and runs',
  async (name) => {
    const { path, env, version } = await debianTool(name);
    const flag = name === 'haproxy' ? '-v' : '--version';
    expect(execFileSync(path, [flag], { env, encoding: 'utf8' })).toContain(version);
  },
  INSTALL_MS,
);

test('a program that says its version on either stream is taken, with what it was said in', async () => {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'frobnicator'), '#!/bin/sh\necho frobnicator 7 >&2\n', { mode: 0o755 });
  const found = await findProgram(FROBNICATOR, { path: folder, cache: emptyFolder() });
  expect(found).toMatchObject({ path: join(folder, 'frobnicator'), version: '7' });
});

test('where there is none and none can be had, the error says what to install', async () => {
  const where = { path: emptyFolder(), cache: emptyFolder() };
  await expect(findProgram(FROBNICATOR, where)).rejects.toThrow(NONE);
});
