// Owns the doctor's checks of Node and of what is native: versions, system, C library, whether uWebSockets.js loads and listens.
// The examination runs them, and main where the binary does not load. Invariant: it imports nothing native, so that it runs on any machine.

import { createRequire } from 'node:module';
import { messageOf } from './complaint.ts';
import { type ChecksOf, failure, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';

/** package.json's engines, by major version the lowest minor one. */
export const NODE_VERSIONS: ReadonlyMap<number, number> = new Map([
  [20, 19],
  [22, 12],
]);
const TESTED_PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
/** There are binaries, and nobody has tried. */
const OTHER_PLATFORMS = ['linux-arm', 'win32-x64'];
/** What Node's own builds need; uWebSockets.js needs less. */
const GLIBC_MIN = [2, 28] as const;
/** Named, so that nobody takes it for a dependency. */
const EXTRACTION = 'msgpackr-extract';
const GET_NODE = 'Install Node 22.12 or later of 22, or 20.19 or later of 20, then run `npm install` again.';

/** What of the running process the checks judge. */
export interface NodeReading {
  /** As in `process.versions`. */
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
  /** Null on Linux for one that is not glibc, as musl is not. */
  readonly glibc: string | null;
}

function readNode(): NodeReading {
  const glibc = process.platform === 'linux' ? glibcOf() : null;
  return { version: process.versions.node, platform: process.platform, arch: process.arch, glibc };
}

function glibcOf(): string | null {
  // Else it asks for the names of all peers.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime ?? null;
}

/** @param listen opens and closes a port with uWebSockets.js. @throws Error where that fails. */
export function nodeChecks(listen: () => void, reading: NodeReading = readNode()): ChecksOf<'node'> {
  return {
    'node.version': () => judgeVersion(reading),
    'node.platform': () => judgePlatform(reading),
    'node.libc': () => judgeLibc(reading),
    'node.binary': () => judgeBinary(faultOf(listen), reading),
    'node.extraction': () => judgeExtraction(isThere(EXTRACTION)),
  };
}

export function judgeVersion({ version }: Pick<NodeReading, 'version'>): Verdict {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const minorMin = NODE_VERSIONS.get(major);
  if (minorMin === undefined) return failure(`This is Node ${version}, for which the gateway is not made.`, GET_NODE);
  if (minor < minorMin)
    return failure(`This is Node ${version}; of ${major} it must be ${major}.${minorMin} or later.`, GET_NODE);
  return ok(`This is Node ${version}.`);
}

export function judgePlatform({ platform, arch }: Pick<NodeReading, 'platform' | 'arch'>): Verdict {
  const name = `${platform}-${arch}`;
  if (TESTED_PLATFORMS.includes(name)) return ok(`The system is ${name}.`);
  const found = `The system is ${name}`;
  const remedy = `Run it on one of ${TESTED_PLATFORMS.join(', ')}, with a Node of 64 bits.`;
  if (OTHER_PLATFORMS.includes(name))
    return warning(`${found}, for which there is a binary that nobody has tested.`, remedy);
  return failure(`${found}, for which uWebSockets.js has no binary.`, remedy);
}

export function judgeLibc({ platform, glibc }: Pick<NodeReading, 'platform' | 'glibc'>): Verdict {
  if (platform !== 'linux') return skipped(`This is ${platform}, not Linux.`);
  const least = GLIBC_MIN.join('.');
  const remedy = `Use a system with glibc ${least} or later, such as Debian 12 or the image node:22-bookworm-slim.`;
  if (glibc === null)
    return failure('The C library is not glibc (musl, as in Alpine?), which uWebSockets.js needs.', remedy);
  const [major = 0, minor = 0] = glibc.split('.').map(Number);
  const old = major < GLIBC_MIN[0] || (major === GLIBC_MIN[0] && minor < GLIBC_MIN[1]);
  return old ? failure(`glibc is ${glibc}, older than ${least}.`, remedy) : ok(`glibc is ${glibc}.`);
}

/** @param fault what was wrong; null where it listened. */
export function judgeBinary(fault: string | null, { version, platform, arch }: NodeReading): Verdict {
  if (fault === null) return ok('uWebSockets.js loads and listens.');
  return failure(
    `uWebSockets.js does not work with Node ${version} on ${platform}-${arch}: ${fault.split('\n')[0]!.replace(/\.$/, '')}.`,
    'Run `npm install` with the Node that runs the gateway: binaries are chosen for it, and passed over in silence where the download fails.',
  );
}

export function judgeExtraction(present: boolean): Verdict {
  return present
    ? ok('msgpackr has its native part; the gateway does without.')
    : ok('msgpackr runs without its native part, in JavaScript; the gateway does not need it.');
}

function faultOf(act: () => void): string | null {
  try {
    act();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function isThere(name: string): boolean {
  return faultOf(() => createRequire(import.meta.url).resolve(name)) === null;
}
