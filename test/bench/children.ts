// Owns the benchmark's child processes: bundles them, so that plain Node runs plain JavaScript, pins them, talks to them.
// Subjects run on core 0, the generator on core 1; the orchestrator sleeps meanwhile.
// Invariant: no child outlives `stop`, nor the orchestrator (a closed channel ends it).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { FromGenerator, FromSubject, ToGenerator, ToSubject } from './messages.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Below the repository's node_modules, so that bundles find their packages. */
const BUNDLES = fileURLToPath(new URL('../../node_modules/.cache/tickwire-bench/', import.meta.url));
const ANSWER_TIMEOUT_MS = 30_000;

export const SUBJECT_CORE = 0;
export const GENERATOR_CORE = 1;
/** The child that `keepAwake` runs. */
export const KEEPER = 'awake';
/** The gateway as a child, and that of another checkout. */
export const GATEWAY = 'tickwire-server';
export const BEFORE = 'tickwire-before';
/** Whom a process gives way to on its core: none of the ordinary ones, those that were there before, or all. */
export type Rank = 'first' | 'ordinary' | 'last';
const COMMAND_OF: Readonly<Record<Rank, readonly string[]>> = {
  first: ['chrt', '--fifo', '1'],
  ordinary: [],
  // What runs in this class is not told from other work in /proc/stat, unless it is nice as well.
  last: ['nice', '-n', '19', 'chrt', '--idle', '0'],
};

/** Whether processes can be pinned to both cores. */
export function canPin(): boolean {
  if (availableParallelism() < 2) return false;
  return [SUBJECT_CORE, GENERATOR_CORE].every((core) => spawnSync('taskset', ['-c', `${core}`, 'true']).status === 0);
}

/** Whether processes may have this rank: to go first takes a privilege, and to go last a Linux. */
export function canRank(rank: Rank): boolean {
  const [command, ...args] = [...COMMAND_OF[rank], 'true'];
  return spawnSync(command!, args).status === 0;
}

/** What a command begins with to be run on one core (null: any), and there at this rank. */
export function placed(core: number | null, rank: Rank = 'ordinary'): string[] {
  return [...COMMAND_OF[rank], ...(core === null ? [] : ['taskset', '-c', `${core}`])];
}

/**
 * Bundles children by the name of their source file. Names stay unkept and nothing is minified: as `tsc` would emit it.
 * @param before the checkout that BEFORE is bundled from; it finds its packages in this one.
 */
export async function bundleChildren(names: readonly string[], before?: string): Promise<void> {
  const entryPoints = names.map((name) => ({ in: sourceOf(name, before), out: name }));
  for (const { in: source } of entryPoints) {
    if (!existsSync(source)) throw new Error(`${source} does not exist, and a subject needs it`);
  }
  await build({
    entryPoints,
    outdir: BUNDLES,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
}

function sourceOf(name: string, before: string | undefined): string {
  if (name !== BEFORE) return `${HERE}${name}.ts`;
  if (before === undefined) throw new Error('tickwire-before needs --before DIR, a checkout of what was before');
  return resolve(before, 'test/bench', `${GATEWAY}.ts`);
}

/**
 * Keeps both cores from being idle until it is told to stop. A virtual core that is idle may be given away by its host, and its caches with
 * it: who then comes back with more code and data pays more, and the figures are of the host. KEEPER must have been bundled.
 */
export function keepAwake(): Keepers {
  const keepers = [SUBJECT_CORE, GENERATOR_CORE].map((core) => new Child<never, never>(KEEPER, core, 'last'));
  return {
    pids: keepers.map(({ pid }) => pid),
    stop: async () => {
      await Promise.all(keepers.map((keeper) => keeper.stop()));
    },
  };
}

/** Nobody keeps the cores awake. */
export const NO_KEEPERS: Keepers = { pids: [], stop: async () => {} };

export interface Keepers {
  /** By core; empty where there are none. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export type SubjectChild = Child<ToSubject, FromSubject>;
export type GeneratorChild = Child<ToGenerator, FromGenerator>;

/** A child process that is spoken to in typed messages. */
export class Child<To extends { type: string }, From extends { type: string }> {
  private readonly name: string;
  private readonly process: ChildProcess;
  private readonly received: From[] = [];
  private exit: string | undefined;
  private changed: () => void = () => {};

  /** `core` null: not pinned. */
  constructor(name: string, core: number | null, rank: Rank = 'ordinary') {
    this.name = name;
    const [command, ...args] = [...placed(core, rank), process.execPath, `${BUNDLES}${name}.mjs`];
    // What children print goes to the error stream, so that figures stay alone on the output.
    this.process = spawn(command!, args, { stdio: ['ignore', 2, 2, 'ipc'] });
    this.process.on('message', (message) => {
      this.received.push(message as From);
      this.changed();
    });
    this.process.on('error', (error) => this.ended(error.message));
    this.process.on('exit', (code, signal) => this.ended(`exit code ${code}, signal ${signal}`));
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`${this.name} did not start`);
    return pid;
  }

  tell(message: To): void {
    this.process.send(message);
  }

  /** The next message, which must be of this type. */
  async next<Type extends From['type']>(type: Type, extraMs = 0): Promise<Extract<From, { type: Type }>> {
    const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS + extraMs;
    while (this.received.length === 0) {
      if (this.exit !== undefined) throw new Error(`${this.name} ended before "${type}": ${this.exit}`);
      if (performance.now() >= deadlineMs) throw new Error(`${this.name} did not say "${type}" in time`);
      await this.change(deadlineMs - performance.now());
    }
    const message = this.received.shift()!;
    if (message.type !== type) throw new Error(`${this.name} said "${message.type}" instead of "${type}"`);
    return message as Extract<From, { type: Type }>;
  }

  /** Stops it where it is, until it is woken. */
  rest(): void {
    this.process.kill('SIGSTOP');
  }

  wake(): void {
    this.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.exit !== undefined) return;
    this.process.kill('SIGKILL');
    while (this.exit === undefined) await this.change(ANSWER_TIMEOUT_MS);
  }

  private change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private ended(how: string): void {
    this.exit ??= how;
    this.changed();
  }
}
