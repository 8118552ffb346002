// Owns gateways that run as processes of their own, on a Redis that they share: `tickwire serve` as a user starts it. Called by the
// tests with several nodes. Invariant: a gateway that was returned listens, and it does not outlive the process that started it.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { Guard } from './guard.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LOG_CHARS_MAX = 2 ** 20;

export interface ForkOptions {
  /** Given as `--redis`; without it the gateway is alone. */
  readonly redisUrl?: string;
  /** Flags of `serve` besides: `--demo`, or a `--port`, which is any free one otherwise. */
  readonly flags?: readonly string[];
  /** Settings, by the names of their variables. None of the test's own reach the gateway. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What `serve --json` prints. */
interface Announcement {
  readonly url: string;
  readonly stream: string;
  readonly admin: string;
}

export class GatewayFork {
  url = '';
  streamUrl = '';
  adminUrl = '';
  /** What it logged, the newest MiB of it. */
  log = '';
  private readonly child: ChildProcess;
  private readonly guard = new Guard('');
  private readonly ended: Promise<number | null>;
  private readonly announced: Promise<Announcement>;

  /** Not listening yet. `file` is the command line, bundled. */
  constructor(file: string, { redisUrl, flags = [], env = {} }: ForkOptions) {
    const redis = redisUrl === undefined ? [] : ['--redis', redisUrl];
    const args = ['serve', '--port', '0', '--admin-port', '0', '--json', ...redis, ...flags];
    const child = spawn(process.execPath, [file, ...args], {
      cwd: ROOT,
      env: { ...withoutSettings(process.env), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    if (child.pid !== undefined) this.guard.watch(child.pid);
    child.on('error', (error) => this.logged(error.message));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.logged(text));
    this.ended = new Promise((done) => {
      child.on('close', (code) => {
        this.guard.watch(null);
        void this.guard.end().then(() => done(code));
      });
    });
    this.announced = new Promise((done, failed) => {
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.endsWith('}\n')) done(JSON.parse(output) as Announcement);
      });
      child.on('close', () => failed(new Error(`the gateway ended before it listened:\n${this.log}`)));
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** @throws Error with what it logged, when it ends instead. */
  async listening(): Promise<this> {
    const { url, stream, admin } = await this.announced;
    this.url = url;
    this.streamUrl = stream;
    this.adminUrl = admin;
    return this;
  }

  /** Ends it without a warning, as a crash would. Resolves when it is gone. */
  kill(): Promise<number | null> {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  /** Asks it to end, as its host would. Resolves with its exit code when it is gone. */
  stop(): Promise<number | null> {
    this.resume();
    this.child.kill('SIGTERM');
    return this.ended;
  }

  /** It does nothing from now on, as a process that hangs; its connections stay open. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  private logged(text: string): void {
    this.log = (this.log + text).slice(-LOG_CHARS_MAX);
  }
}

let bundled: Promise<string> | undefined;

/**
 * A gateway that listens, made of the sources as they are; `kill` or `stop` it after the test.
 * @throws Error with what it logged, when it does not start.
 */
export async function forkGateway(options: ForkOptions = {}): Promise<GatewayFork> {
  bundled ??= bundle();
  return new GatewayFork(await bundled, options).listening();
}

/** Starts in a third of the time that the sources take. Lies as deep as they do, so that it finds what they name by their place. */
async function bundle(): Promise<string> {
  const cache = join(ROOT, '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fork-'));
  // Removes it when this process ends.
  new Guard(folder);
  const outfile = join(folder, 'main.mjs');
  await build({
    entryPoints: [join(ROOT, 'src/cli/main.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  return outfile;
}

function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const ours = ([name]: [string, unknown]) => !name.startsWith('TICKWIRE_') && name !== 'REDIS_URL';
  return Object.fromEntries(Object.entries(env).filter(ours));
}
