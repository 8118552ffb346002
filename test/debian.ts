// Owns finding programs for the tests: one on PATH, else Debian's package: installed as root (without starting its service), unpacked
// into .cache without. Tests call `debianTool`, test/redis/binary.ts `findProgram`. Invariant: what is returned has said its version,
// and where there is none the error is one sentence that says what to install.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { locked } from '../scripts/lock.ts';

const run = promisify(execFile);

const CACHE = resolve(import.meta.dirname, '../.cache');
/** Where Debian puts what it thinks only administrators call; not on everybody's PATH. */
const ADMIN_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Asked by a package before it starts its service; 101 forbids it. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';

const INSTALL_MS_MAX = 240_000;
const ASK_MS_MAX = 30_000;
/** For so long an installation that failed is not tried again by the next test file. */
const FAILED_MS = 300_000;

export interface Wanted {
  /** File names, the first one the package's own. */
  readonly names: readonly string[];
  /** Debian's package. */
  readonly package: string;
  /** What an installation would add is asked of apt; these are for where it says that nothing is missing. */
  readonly packages: readonly string[];
  /** Where the package has the program. */
  readonly unpackedPath: string;
  readonly versionFlag: string;
  /** The version that this output tells; null where it is none, or too old. */
  readonly versionOf: (output: string) => string | null;
  /** For the error: what to install. */
  readonly missing: string;
}

export interface Program {
  readonly path: string;
  readonly version: string;
  /** To run it in: with the place of its libraries, when they were only unpacked. */
  readonly env: NodeJS.ProcessEnv;
}

const TOOLS = {
  haproxy: {
    names: ['haproxy'],
    package: 'haproxy',
    packages: ['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'],
    unpackedPath: 'usr/sbin/haproxy',
    versionFlag: '-v',
    versionOf: (output) => /^HAProxy version ((?:2\.[4-9]|[3-9]\.)\S*)/m.exec(output)?.[1] ?? null,
    missing: 'No HAProxy of version 2.4 or later was found: install one (Debian: apt-get install haproxy).',
  },
  promtool: {
    names: ['promtool'],
    package: 'prometheus',
    packages: ['prometheus'],
    unpackedPath: 'usr/bin/promtool',
    versionFlag: '--version',
    versionOf: (output) => /^promtool, version (\S+)/m.exec(output)?.[1] ?? null,
    missing: 'No promtool was found: install one (Debian: apt-get install prometheus).',
  },
  'systemd-analyze': {
    names: ['systemd-analyze'],
    package: 'systemd',
    packages: ['systemd', 'libsystemd-shared'],
    unpackedPath: 'usr/bin/systemd-analyze',
    versionFlag: '--version',
    versionOf: (output) => /^systemd (\d+)/m.exec(output)?.[1] ?? null,
    missing: 'No systemd-analyze was found: install one (Debian: apt-get install systemd).',
  },
} satisfies Record<string, Wanted>;

export type ToolName = keyof typeof TOOLS;

const found = new Map<ToolName, Promise<Program>>();

/** That program of this machine, looked for once in a process. @throws Error naming what to install. */
export function debianTool(name: ToolName): Promise<Program> {
  const known = found.get(name);
  if (known !== undefined) return known;
  const path = [process.env.PATH ?? '', ...ADMIN_FOLDERS].join(delimiter);
  const program = findProgram(TOOLS[name], { path, cache: join(CACHE, name) });
  found.set(name, program);
  return program;
}

export interface Place {
  /** Folders to search, as in PATH; apt is searched there as well. */
  readonly path: string;
  /** A folder for what is unpacked; made where it is missing. */
  readonly cache: string;
}

/** @throws Error naming what to install. */
export async function findProgram(wanted: Wanted, { path, cache }: Place): Promise<Program> {
  const here = async () => (await onPath(wanted, path)) ?? (await unpacked(wanted, cache));
  const program = await here();
  if (program !== null) return program;
  const had = async () => (await here()) ?? (await fetched(wanted, { path, cache }));
  const got = await locked(cache, had).catch((error: unknown) => {
    throw new Error(wanted.missing, { cause: error });
  });
  if (got === null) throw new Error(wanted.missing);
  return got;
}

async function onPath(wanted: Wanted, path: string): Promise<Program | null> {
  for (const folder of path.split(delimiter)) {
    for (const name of wanted.names) {
      const file = join(folder, name);
      const program = folder !== '' && existsSync(file) ? await asked(wanted, file, process.env) : null;
      if (program !== null) return program;
    }
  }
  return null;
}

async function unpacked(wanted: Wanted, cache: string): Promise<Program | null> {
  const root = join(cache, 'unpacked');
  const file = join(root, wanted.unpackedPath);
  if (!existsSync(file)) return null;
  const folders = ['lib', 'usr/lib']
    .map((each) => join(root, each))
    .filter((each) => existsSync(each))
    .flatMap((each) => readdirSync(each, { recursive: true, encoding: 'utf8', withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.so(\.|$)/.test(entry.name))
    .map((entry) => entry.parentPath);
  return asked(wanted, file, { ...process.env, LD_LIBRARY_PATH: [...new Set(folders)].join(delimiter) });
}

/** Null where it does not start, or is too old. */
async function asked(wanted: Wanted, path: string, env: NodeJS.ProcessEnv): Promise<Program | null> {
  try {
    const { stdout, stderr } = await run(path, [wanted.versionFlag], { env, timeout: ASK_MS_MAX });
    const version = wanted.versionOf(`${stdout}\n${stderr}`);
    return version === null ? null : { path, version, env };
  } catch {
    return null;
  }
}

async function fetched(wanted: Wanted, { path, cache }: Place): Promise<Program | null> {
  const failed = join(cache, 'failed');
  const failedAtMs = statSync(failed, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - failedAtMs < FAILED_MS) return null;
  const env = { ...process.env, PATH: path, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeout: INSTALL_MS_MAX, maxBuffer: 2 ** 26 };
  if (process.getuid?.() === 0) await install(wanted, options).catch(() => undefined);
  const installed = await onPath(wanted, path);
  if (installed !== null) return installed;
  await unpack(wanted, cache, options).catch(() => undefined);
  const program = await unpacked(wanted, cache);
  if (program === null) writeFileSync(failed, '');
  return program;
}

interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeout: number;
  readonly maxBuffer: number;
}

async function install(wanted: Wanted, options: RunOptions): Promise<void> {
  // Nothing is changed where there is no apt.
  await run('apt-get', ['--version'], options);
  // One after the other: the first to end would take away the policy that keeps the other's service from starting.
  await locked(join(CACHE, 'installing'), async () => {
    // Other programs may be installing.
    const lock = ['-o', 'DPkg::Lock::Timeout=300'];
    await run('apt-get', [...lock, 'update'], options).catch(() => undefined);
    const policy = !existsSync(SERVICE_POLICY);
    if (policy) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
    try {
      await run('apt-get', [...lock, 'install', '-y', '--no-install-recommends', wanted.package], options);
    } finally {
      if (policy) rmSync(SERVICE_POLICY);
    }
  });
}

/** Downloads the packages that an installation would add, and unpacks them without being root. */
async function unpack(wanted: Wanted, cache: string, options: RunOptions): Promise<void> {
  const making = join(cache, `unpacking-${process.pid}`);
  const packages = join(making, 'packages');
  const lists = join(making, 'lists');
  try {
    for (const folder of [packages, lists]) mkdirSync(folder, { recursive: true });
    // A machine may have no lists of packages, and only root may fetch them to their usual place.
    const ownLists = ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${making}`];
    await download(wanted, { flags: [], folder: packages, options }).catch(async () => {
      // It complains where it may not clean its usual place; what was fetched counts.
      await run('apt-get', [...ownLists, 'update'], options).catch(() => undefined);
      await download(wanted, { flags: ownLists, folder: packages, options });
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

async function download(
  wanted: Wanted,
  { flags, folder, options }: { flags: readonly string[]; folder: string; options: RunOptions },
): Promise<void> {
  const simulated = ['-s', 'install', '--no-install-recommends', wanted.package];
  const { stdout } = await run('apt-get', [...flags, ...simulated], options);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  const downloaded = names.length > 0 ? names : wanted.packages;
  await run('apt-get', [...flags, 'download', ...downloaded], { ...options, cwd: folder });
}
