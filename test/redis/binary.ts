// Owns finding a Redis server for the tests: redis-server or valkey-server on PATH, else Debian's package: installed as root (without
// starting it), unpacked into .cache without. Called by server.ts. Invariant: what is returned has said its version, 6.2 or later, and
// where there is none the reason is one sentence that says what to install.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const NO_REDIS =
  'No Redis server of version 6.2 or later was found: install one so that redis-server or valkey-server is on PATH (Debian: apt-get install redis-server; macOS: brew install redis).';

const NAMES = ['redis-server', 'valkey-server'];
/** What an installation would add is asked of apt; these are for where it says that nothing is missing. */
const PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'];
const CACHE = resolve(import.meta.dirname, '../../.cache/redis');
/** Asked by a package before it starts its service; 101 forbids it. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';
const VERSION_MIN = [6, 2] as const;

const INSTALL_MS_MAX = 240_000;
const ASK_MS_MAX = 30_000;
const LOCK_POLL_MS = 200;
/** A lock without an owner is that old only when its maker died before it wrote who it is. */
const OWNERLESS_MS_MAX = 5_000;
/** For so long an installation that failed is not tried again by the next test file. */
const FAILED_MS = 300_000;

export interface RedisBinary {
  readonly path: string;
  readonly version: string;
  /** To run it in: with the place of its libraries, when they were only unpacked. */
  readonly env: NodeJS.ProcessEnv;
}

let binary: Promise<RedisBinary> | undefined;

/** The machine's Redis server, looked for once in a process. @throws Error naming what to install. */
export function redisBinary(): Promise<RedisBinary> {
  binary ??= findRedis({ path: process.env.PATH ?? '', cache: CACHE });
  return binary;
}

/**
 * @param path folders to search, as in PATH; apt is searched there as well.
 * @param cache a folder for what is unpacked; made where it is missing.
 * @throws Error naming what to install.
 */
export async function findRedis({ path, cache }: { path: string; cache: string }): Promise<RedisBinary> {
  const here = async () => (await onPath(path)) ?? (await unpacked(cache));
  const found = await here();
  if (found !== null) return found;
  const had = async () => (await here()) ?? (await fetched(path, cache));
  const got = await locked(cache, had).catch((error: unknown) => {
    throw new Error(NO_REDIS, { cause: error });
  });
  if (got === null) throw new Error(NO_REDIS);
  return got;
}

async function onPath(path: string): Promise<RedisBinary | null> {
  for (const folder of path.split(delimiter)) {
    for (const name of NAMES) {
      const file = join(folder, name);
      const found = folder !== '' && existsSync(file) ? await asked(file, process.env) : null;
      if (found !== null) return found;
    }
  }
  return null;
}

async function unpacked(cache: string): Promise<RedisBinary | null> {
  const root = join(cache, 'unpacked');
  const file = join(root, 'usr/bin/redis-server');
  if (!existsSync(file)) return null;
  const folders = readdirSync(join(root, 'usr/lib'), { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.so(\.|$)/.test(entry.name))
    .map((entry) => entry.parentPath);
  return asked(file, { ...process.env, LD_LIBRARY_PATH: [...new Set(folders)].join(delimiter) });
}

/** Null where it does not start, or is too old. */
async function asked(path: string, env: NodeJS.ProcessEnv): Promise<RedisBinary | null> {
  try {
    const { stdout } = await run(path, ['--version'], { env, timeout: ASK_MS_MAX });
    const [, version, major, minor] = /\bv=((\d+)\.(\d+)\S*)/.exec(stdout) ?? [];
    if (version === undefined) return null;
    const [majorMin, minorMin] = VERSION_MIN;
    const recent = Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin);
    return recent ? { path, version, env } : null;
  } catch {
    return null;
  }
}

async function fetched(path: string, cache: string): Promise<RedisBinary | null> {
  const failed = join(cache, 'failed');
  const failedAtMs = statSync(failed, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - failedAtMs < FAILED_MS) return null;
  const env = { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeout: INSTALL_MS_MAX, maxBuffer: 2 ** 26 };
  if (process.getuid?.() === 0) await install(options).catch(() => undefined);
  const installed = await onPath(path);
  if (installed !== null) return installed;
  await unpack(cache, options).catch(() => undefined);
  const found = await unpacked(cache);
  if (found === null) writeFileSync(failed, '');
  return found;
}

interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeout: number;
  readonly maxBuffer: number;
}

async function install(options: RunOptions): Promise<void> {
  // Nothing is changed where there is no apt.
  await run('apt-get', ['--version'], options);
  // Other programs may be installing.
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', [...lock, 'update'], options).catch(() => undefined);
  const policy = !existsSync(SERVICE_POLICY);
  if (policy) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  try {
    await run('apt-get', [...lock, 'install', '-y', '--no-install-recommends', 'redis-server'], options);
  } finally {
    if (policy) rmSync(SERVICE_POLICY);
  }
}

/** Downloads the packages that an installation would add, and unpacks them without being root. */
async function unpack(cache: string, options: RunOptions): Promise<void> {
  const making = join(cache, `unpacking-${process.pid}`);
  const packages = join(making, 'packages');
  const lists = join(making, 'lists');
  try {
    for (const folder of [packages, lists]) mkdirSync(folder, { recursive: true });
    // A machine may have no lists of packages, and only root may fetch them to their usual place.
    const ownLists = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${making}`];
    await download([], packages, options).catch(async () => {
      // It complains where it may not clean its usual place; what was fetched counts.
      await run('apt-get', [...ownLists, 'update'], options).catch(() => undefined);
      await download(ownLists, packages, options);
    });
    for (const file of readdirSync(packages)) await run('dpkg', ['-x', join(packages, file), making], options);
    rmSync(packages, { recursive: true });
    rmSync(lists, { recursive: true });
    // In one step, so that nobody finds half of it.
    renameSync(making, join(cache, 'unpacked'));
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

async function download(flags: readonly string[], folder: string, options: RunOptions): Promise<void> {
  const wanted = ['-s', 'install', '--no-install-recommends', 'redis-server'];
  const { stdout } = await run('apt-get', [...flags, ...wanted], options);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  const downloaded = names.length > 0 ? names : PACKAGES;
  await run('apt-get', [...flags, 'download', ...downloaded], { ...options, cwd: folder });
}

/** Runs `work` while no other process does. */
async function locked<T>(cache: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, 'lock');
  const owner = join(lock, 'pid');
  while (!taken(lock)) {
    if (abandoned(lock, owner)) rmSync(lock, { recursive: true, force: true });
    else await setTimeout(LOCK_POLL_MS);
  }
  try {
    writeFileSync(owner, `${process.pid}`);
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the process that took the lock is no more. */
function abandoned(lock: string, owner: string): boolean {
  try {
    const pid = Number(readFileSync(owner, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return true;
    if (code === 'ENOENT')
      return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.ctimeMs ?? Date.now()) > OWNERLESS_MS_MAX;
  }
  return false;
}
