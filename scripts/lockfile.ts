// Owns that package-lock.json fits every machine: `npm run lockfile` repairs it after any change of dependencies.
// npm leaves out platform packages that the registry at hand does not hold: they are added. npm 11 writes `libc` and
// npm 10 takes it out again: it is left out. Invariant: every optional package that a locked one names is locked too,
// and neither `npm install` changes the file.

import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly libc?: unknown;
  readonly engines?: { readonly node?: string };
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  readonly [field: string]: unknown;
}

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];
const EXACT_VERSION = /^\d+\.\d+\.\d+/;

/** What a platform package's name says of it: `cli-linux-x64-musl`, or `linux-x64-22` for a major version of Node. */
function platformEntry(name: string, version: string, owner: LockedPackage): LockedPackage {
  const words = name.slice(name.indexOf('/') + 1).split('-');
  const system = words.find((word) => SYSTEMS.includes(word));
  const processor = words.find((word) => PROCESSORS.includes(word));
  if (system === undefined || processor === undefined) throw new Error(`${name}: its name tells no platform`);
  const nodeMajor = Number(words.at(-1));
  const node = Number.isInteger(nodeMajor) ? `>=${nodeMajor}.0.0 <${nodeMajor + 1}.0.0` : owner.engines?.node;
  return {
    version,
    cpu: [processor],
    ...(owner.dev === true && { dev: true }),
    optional: true,
    os: [system],
    ...(node !== undefined && { engines: { node } }),
  };
}

/** Where Node looks for a package that the one at `path` asks for, nearest first. */
function placesOf(name: string, path: string): string[] {
  const outer = path.lastIndexOf('node_modules/');
  const place = `${path === '' ? '' : `${path}/`}node_modules/${name}`;
  return path === '' ? [place] : [place, ...placesOf(name, path.slice(0, Math.max(outer - 1, 0)))];
}

/** The entries that the lockfile lacks, by path. */
export function missingPlatforms({ packages }: Lockfile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const [path, owner] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      const places = placesOf(name, path);
      const locked = places.map((place) => packages[place]).find((found) => found !== undefined);
      if (locked?.version === version || (locked !== undefined && !EXACT_VERSION.test(version))) continue;
      if (!EXACT_VERSION.test(version)) throw new Error(`${name}@${version}: not an exact version`);
      const place = locked === undefined ? places.at(-1) : places[0];
      missing[place!] = platformEntry(name, version, owner);
    }
  }
  return missing;
}

export function repaired(lockfile: Lockfile): Lockfile {
  const entries = Object.entries({ ...lockfile.packages, ...missingPlatforms(lockfile) });
  const portable = entries.map(([path, { libc: _, ...entry }]) => [path, entry] as const);
  return { ...lockfile, packages: Object.fromEntries(portable.sort(([a], [b]) => a.localeCompare(b, 'en'))) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const lockfile = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lockfile;
  writeFileSync('package-lock.json', `${JSON.stringify(repaired(lockfile), null, 2)}\n`);
}
