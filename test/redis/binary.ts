// Owns finding a Redis server for the tests: redis-server or valkey-server on PATH, else Debian's package, as test/debian.ts has it.
// Called by server.ts. Invariant: what is returned has said its version, 6.2 or later, and where there is none the reason is one
// sentence that says what to install.

import { resolve } from 'node:path';
import { findProgram, type Place, type Program, type Wanted } from '../debian.ts';

export const NO_REDIS =
  'No Redis server of version 6.2 or later was found: install one so that redis-server or valkey-server is on PATH (Debian: apt-get install redis-server; macOS: brew install redis).';

const CACHE = resolve(import.meta.dirname, '../../.cache/redis');
const VERSION_MIN = [6, 2] as const;

export type RedisBinary = Program;

const SERVER: Wanted = {
  names: ['redis-server', 'valkey-server'],
  package: 'redis-server',
  packages: ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'],
  unpackedPath: 'usr/bin/redis-server',
  versionFlag: '--version',
  versionOf,
  missing: NO_REDIS,
};

let binary: Promise<RedisBinary> | undefined;

/** The machine's Redis server, looked for once in a process. @throws Error naming what to install. */
export function redisBinary(): Promise<RedisBinary> {
  binary ??= findRedis({ path: process.env.PATH ?? '', cache: CACHE });
  return binary;
}

/** @throws Error naming what to install. */
export function findRedis(place: Place): Promise<RedisBinary> {
  return findProgram(SERVER, place);
}

function versionOf(output: string): string | null {
  const [, version, major, minor] = /\bv=((\d+)\.(\d+)\S*)/.exec(output) ?? [];
  if (version === undefined) return null;
  const [majorMin, minorMin] = VERSION_MIN;
  const recent = Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin);
  return recent ? version : null;
}
