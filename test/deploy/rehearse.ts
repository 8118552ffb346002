// Owns `npm run deploy:rehearse`: the steps of deploy/image/Dockerfile without Docker, in a scratch folder: what is copied, what is run,
// and the image's command as another user who can write nothing. It needs npm's registry, and root for the other user. Invariant: each
// step is taken from the Dockerfile as it stands; the folder is removed in the end.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Copy, commandOf, copyOf, lastOf, pairsOf, reaches, readDockerfile, type Stage } from './dockerfile.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const IMAGE = join(ROOT, 'deploy/image');
const LOOK_MS = 100;
const START_TRIES_MAX = 100;

const ignoreFile = readFileSync(join(IMAGE, 'Dockerfile.dockerignore'), 'utf8');
const scratch = mkdtempSync(join(tmpdir(), 'tickwire-image-'));
// Whoever the image runs as has to come this far.
chmodSync(scratch, 0o755);

/** Where a stage's file system begins. */
function rootOf(name: string): string {
  return join(scratch, name === '' ? 'image' : name);
}

/** What is copied, as Docker does it: a folder's content, a file under its own name. */
function copy({ from, sources, target }: Copy, folder: string): void {
  for (const source of sources) {
    const path = from === null ? join(ROOT, source) : join(rootOf(from), source);
    if (from === null && !reaches(ignoreFile, source)) throw new Error(`${source} does not reach the build`);
    const into =
      statSync(path).isDirectory() || !/\/$/.test(target)
        ? join(folder, target)
        : join(folder, target, basename(source));
    cpSync(path, into, { recursive: true, verbatimSymlinks: true });
  }
}

/** @returns the folder that it ends in. */
function build(stage: Stage): string {
  let folder = rootOf(stage.name);
  // Nothing of this process' own settings; npm finds its registry by its own.
  const env = { ...process.env, NODE_ENV: undefined, ...pairsOf(stage, 'ENV') };
  for (const instruction of stage.instructions) {
    const { name, text } = instruction;
    if (name === 'WORKDIR') {
      folder = join(rootOf(stage.name), text);
      mkdirSync(folder, { recursive: true });
    } else if (name === 'COPY') copy(copyOf(instruction), folder);
    else if (name === 'RUN') {
      console.log(`${stage.name}: ${text}`);
      execFileSync('sh', ['-c', text], { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
    }
  }
  return folder;
}

async function freePort(): Promise<string> {
  const probe = createServer().listen(0);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return `${port}`;
}

/** The image's command, its health check, and the end that Docker asks for. */
async function run(stage: Stage, folder: string): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  const [uid, gid] = lastOf(stage, 'USER')!.split(':').map(Number);
  const who = isRoot ? { uid: uid!, gid: gid! } : {};
  if (!isRoot) console.log('not root: it runs as this user, who could write');
  const ports = { TICKWIRE_PORT: await freePort(), TICKWIRE_ADMIN_PORT: await freePort() };
  const env = { PATH: process.env.PATH!, ...pairsOf(stage, 'ENV'), ...ports };
  const program = (text: string): [string, string[]] => {
    const [name, ...args] = commandOf(text);
    return [name === 'node' ? process.execPath : name!, args];
  };
  const child = spawn(...program(lastOf(stage, 'CMD')!), {
    cwd: folder,
    env,
    ...who,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (output += data));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  try {
    if (isRoot) expectNothingWritable(folder, who);
    await healthy(child, () => spawnSync(program(lastOf(stage, 'HEALTHCHECK')!), { cwd: folder, env, ...who }));
    const page = await (await fetch(`http://127.0.0.1:${ports.TICKWIRE_PORT}/`)).text();
    if (!page.includes('<!doctype html>')) throw new Error('the page is not in the image');
    child.kill('SIGTERM');
    const [exitCode] = await ended;
    if (exitCode !== 0) throw new Error(`SIGTERM ended it with ${exitCode}`);
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    throw new Error(`${(error as Error).message}\n${output}`, { cause: error });
  }
}

/** @throws Error where the image's user can write in it. */
function expectNothingWritable(folder: string, who: object): void {
  const found = execFileSync('find', ['.', '-writable', '!', '-type', 'l'], { cwd: folder, encoding: 'utf8', ...who });
  if (found !== '') throw new Error(`its user can write: ${found.slice(0, 200)}`);
}

function spawnSync([path, args]: [string, string[]], options: object): boolean {
  try {
    execFileSync(path, args, { ...options, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function healthy(child: ChildProcess, check: () => boolean): Promise<void> {
  for (let tries = 1; child.exitCode === null && tries <= START_TRIES_MAX; tries++) {
    if (check()) return;
    await setTimeout(LOOK_MS);
  }
  throw new Error('it did not become healthy');
}

try {
  const stages = readDockerfile(readFileSync(join(IMAGE, 'Dockerfile'), 'utf8'));
  const begunMs = performance.now();
  let folder = scratch;
  for (const stage of stages) folder = build(stage);
  const builtMs = performance.now();
  for (const dev of ['typescript', 'vitest', 'esbuild']) {
    if (existsSync(join(folder, 'node_modules', dev))) throw new Error(`${dev} is in the image`);
  }
  const size = execFileSync('du', ['-sm', folder], { encoding: 'utf8' }).split('\t')[0];
  await run(stages.at(-1)!, folder);
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  console.log(`built in ${seconds(builtMs - begunMs)} s, ${size} MB beside Node's own image`);
  console.log(
    `ran, was healthy, served the page and ended with 0 on SIGTERM in ${seconds(performance.now() - builtMs)} s`,
  );
} finally {
  rmSync(scratch, { recursive: true });
}
