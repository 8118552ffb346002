// Holds the search for a Redis server to its word: what is on PATH and recent is taken, what is too old or does not start is passed
// over, and where there is none the error says what to install.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findRedis, NO_REDIS } from './binary.ts';
import { startRedis } from './server.ts';

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-binary-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A folder with a program of this name that prints this. */
function folderWith(name: string, prints: string): string {
  const folder = emptyFolder();
  writeFileSync(join(folder, name), `#!/bin/sh\necho '${prints}'\n`, { mode: 0o755 });
  return folder;
}

const RECENT = 'Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1';
const OLD = 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1';

test('the version that is found is the one that runs', async () => {
  const cache = join(import.meta.dirname, '../../.cache/redis');
  const { version } = await findRedis({ path: process.env.PATH ?? '', cache });
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  expect(await redis.command('INFO', 'server')).toMatch(new RegExp(`^(redis|valkey)_version:${version}\\r?$`, 'm'));
});

test('valkey-server is taken where there is no redis-server', async () => {
  const folder = folderWith('valkey-server', RECENT);
  expect(await findRedis({ path: folder, cache: emptyFolder() })).toMatchObject({
    path: join(folder, 'valkey-server'),
    version: '8.0.1',
  });
});

test('one that is too old or does not start is passed over', async () => {
  const folders = [folderWith('redis-server', OLD), folderWith('redis-server', 'no'), emptyFolder()];
  mkdirSync(join(folders[2]!, 'redis-server'));
  const last = folderWith('redis-server', RECENT.replace('8.0.1', '6.2.0'));
  const { path } = await findRedis({ path: [...folders, last].join(delimiter), cache: emptyFolder() });
  expect(path).toBe(join(last, 'redis-server'));
});

test('with neither a server nor a way to get one, all who ask at once are told what to install', async () => {
  const where = { path: emptyFolder(), cache: join(emptyFolder(), 'made/by/it') };
  const outcomes = await Promise.allSettled([findRedis(where), findRedis(where)]);
  expect(outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as Error).message)).toEqual([
    NO_REDIS,
    NO_REDIS,
  ]);
  expect(existsSync(join(where.cache, 'lock'))).toBe(false);
});

test('the lock of a process that died keeps nobody waiting', async () => {
  const cache = emptyFolder();
  const pid = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' });
  mkdirSync(join(cache, 'lock'));
  writeFileSync(join(cache, 'lock/pid'), pid);
  await expect(findRedis({ path: emptyFolder(), cache })).rejects.toThrow(NO_REDIS);
});
