// Owns finding a Chromium for the tests of the page: the one that TICKWIRE_CHROMIUM names, one on PATH, else Debian's package:
// installed as root, unpacked into .cache without. Called once per test file. Invariant: what is returned has said its
// version, and where there is none the reason is one sentence that says what to install.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';

const run = promisify(execFile);

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** Chromium, and fonts with numerals that look like a person's machine. */
const PACKAGES = ['chromium', 'fonts-liberation', 'fonts-dejavu-core'];
const UNPACKED = resolve(import.meta.dirname, '../.cache/chromium');
const INSTALL_MS_MAX = 240_000;
const ASK_MS_MAX = 30_000;

export const NO_BROWSER =
  'No Chromium was found: install one (Debian: apt-get install chromium; macOS: brew install --cask chromium) or name it in TICKWIRE_CHROMIUM.';

interface Found {
  readonly path: string;
  /** Where its libraries are, when they were only unpacked. */
  readonly libraryPath?: string;
}

/** Null where there is none and none can be had. */
export async function findBrowser(): Promise<Found | null> {
  const named = process.env.TICKWIRE_CHROMIUM;
  if (named !== undefined && named !== '') return (await works({ path: named })) ? { path: named } : null;
  for (const found of [onPath(), unpacked()]) if (found !== null && (await works(found))) return found;
  try {
    const had = process.getuid?.() === 0 ? await install() : await unpack();
    return had !== null && (await works(had)) ? had : null;
  } catch {
    return null;
  }
}

/** @throws Error naming what to install. */
export async function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  const found = await findBrowser();
  if (found === null) throw new Error(NO_BROWSER);
  const { path, libraryPath } = found;
  return chromium.launch({
    executablePath: path,
    headless: true,
    // It has none for root, in many containers, or when only unpacked; all that it loads is the page under test.
    chromiumSandbox: false,
    args: [...args],
    env: { ...environment(), ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }) },
  });
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((each): each is [string, string] => each[1] !== undefined),
  );
}

function onPath(): Found | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const mac = '/Applications/Chromium.app/Contents/MacOS/Chromium';
  const paths = [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), mac];
  const path = paths.find((each) => existsSync(each));
  return path === undefined ? null : { path };
}

/** Whether it starts: a package may be only a pointer to one that is not there. */
async function works({ path, libraryPath }: Found): Promise<boolean> {
  const env = libraryPath === undefined ? process.env : { ...process.env, LD_LIBRARY_PATH: libraryPath };
  try {
    const { stdout } = await run(path, ['--version'], { env, timeout: ASK_MS_MAX });
    return /\d+\.\d+/.test(stdout);
  } catch {
    return false;
  }
}

async function install(): Promise<Found | null> {
  const options = {
    timeout: INSTALL_MS_MAX,
    maxBuffer: 2 ** 26,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  // Other test files may be doing the same.
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  await run('apt-get', [...lock, 'update'], options).catch(() => undefined);
  await run('apt-get', [...lock, 'install', '-y', '--no-install-recommends', ...PACKAGES], options);
  return onPath();
}

/** Downloads the packages that an installation would add, and unpacks them without being root. */
async function unpack(): Promise<Found | null> {
  const packages = join(UNPACKED, 'packages');
  mkdirSync(packages, { recursive: true });
  const options = { timeout: INSTALL_MS_MAX, maxBuffer: 2 ** 26, cwd: packages };
  const { stdout } = await run('apt-get', ['-s', 'install', '--no-install-recommends', ...PACKAGES], options);
  const names = [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!);
  await run('apt-get', ['download', ...names], options);
  for (const file of readdirSync(packages)) await run('dpkg', ['-x', file, UNPACKED], options);
  writeFileSync(join(UNPACKED, 'complete'), '');
  return unpacked();
}

function unpacked(): Found | null {
  if (!existsSync(join(UNPACKED, 'complete'))) return null;
  const libraries = join(UNPACKED, 'usr/lib');
  // Some packages keep libraries in a folder of their own, which a loader does not search by itself.
  const folders = readdirSync(libraries, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.so(\.|$)/.test(entry.name))
    .map((entry) => entry.parentPath);
  const libraryPath = [...new Set(folders)].join(delimiter);
  return { path: join(UNPACKED, 'usr/lib/chromium/chromium'), libraryPath };
}
