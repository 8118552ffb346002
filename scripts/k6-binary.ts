// Owns finding k6: TICKWIRE_K6, PATH, .cache, else built there where Go is. The runner and the tests call it.
// Invariant: what is returned runs and has k6/websockets and TextDecoder; where there is none, one sentence says what to install.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { locked } from './lock.ts';

const run = promisify(execFile);

const MODULE = 'go.k6.io/k6/v2';
/** What is built where there is none. */
export const K6_VERSION = 'v2.2.0';
export const NO_K6 = `No k6 was found: install k6 1.x or later (https://grafana.com/docs/k6/latest/set-up/install-k6/) so that it is on PATH, name it in TICKWIRE_K6, or install Go 1.25 or later, with which it is built once.`;

const CACHE = resolve(import.meta.dirname, '../.cache/k6', K6_VERSION);
const GO_USUAL = '/usr/local/go/bin';
const BUILD_MS_MAX = 900_000;
const ASK_MS_MAX = 30_000;
/** Loading it takes what the scenarios take from k6. */
const PROBE = `import { WebSocket } from 'k6/websockets';
if (new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([107])) !== 'k') throw new Error(String(WebSocket));
export default function probe() {}
`;

export interface K6Search {
  /** Its file, where somebody named it. */
  readonly named?: string | undefined;
  /** Folders with delimiters, as in PATH; Go is looked for there as well. */
  readonly path: string;
  /** A folder for what is built; made where it is missing. */
  readonly cache: string;
  /** Told of work that takes long. */
  readonly told: (what: string) => void;
}

/** The search in this process's environment. */
export function usualSearch(told: (what: string) => void): K6Search {
  return {
    named: process.env.TICKWIRE_K6,
    path: `${process.env.PATH ?? ''}${delimiter}${GO_USUAL}`,
    cache: CACHE,
    told,
  };
}

/**
 * The file of k6.
 * @throws Error that names what to install, or why what was named is of no use.
 */
export async function findK6(search: K6Search): Promise<string> {
  const { named, path, cache } = search;
  if (named !== undefined && named !== '') {
    if (await isGood(named, cache)) return named;
    throw new Error(
      `TICKWIRE_K6 is ${named}, which is no k6 of version 1.x or later with k6/websockets: name another.`,
    );
  }
  const built = join(cache, 'k6');
  for (const file of [...onPath(path, 'k6'), built]) if (await isGood(file, cache)) return file;
  const go = onPath(path, 'go')[0];
  if (go === undefined) throw new Error(NO_K6);
  return locked(cache, async () => {
    if (!(await isGood(built, cache))) await build(go, built, search);
    return built;
  });
}

/** Whether k6 could be had without the network being asked: it is there, or Go is. */
export function isK6Likely({ named, path, cache }: K6Search): boolean {
  const places = [...onPath(path, 'k6'), ...onPath(path, 'go'), named ?? '', join(cache, 'k6')];
  return places.some((file) => file !== '' && existsSync(file));
}

function onPath(path: string, name: string): string[] {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  return folders
    .map((folder) => join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile());
}

async function isGood(file: string, cache: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  mkdirSync(cache, { recursive: true });
  const probe = join(cache, `probe-${process.pid}.js`);
  try {
    const { stdout } = await run(file, ['version'], { timeout: ASK_MS_MAX });
    if (Number(/\bv(\d+)\./.exec(stdout)?.[1] ?? 0) < 1) return false;
    writeFileSync(probe, PROBE);
    await run(file, ['inspect', probe], { timeout: ASK_MS_MAX });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { force: true });
  }
}

/** In one step, so that nobody finds half of it. */
async function build(go: string, file: string, { cache, told }: K6Search): Promise<void> {
  told(`building k6 ${K6_VERSION} with ${go}, once; it takes a minute or three`);
  const making = join(cache, `k6-${process.pid}`);
  // Go asks for a module only outside of any other.
  const options = { cwd: cache, env: { ...process.env, GO111MODULE: 'on' }, timeout: BUILD_MS_MAX, maxBuffer: 2 ** 26 };
  try {
    const { stdout } = await run(go, ['mod', 'download', '-json', `${MODULE}@${K6_VERSION}`], options);
    const { Dir: folder } = JSON.parse(stdout) as { Dir: string };
    await run(go, ['build', '-C', folder, '-trimpath', '-o', making, '.'], options);
    renameSync(making, file);
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? (error as Error).message).trim();
    throw new Error(
      `k6 ${K6_VERSION} could not be built with ${go}: ${said.split('\n').slice(-3).join(' ')}. ${NO_K6}`,
    );
  } finally {
    rmSync(making, { force: true });
  }
}
