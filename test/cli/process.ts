// Owns running the built bin as a process of its own: what it prints, its exit code, signals. Whatever a test leaves behind
// is ended with it.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = resolve(import.meta.dirname, '../..');
const BUILT = join(ROOT, 'dist/cli/main.js');

/** A command that runs. */
export class Running {
  stdout = '';
  stderr = '';
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly ended: Promise<Outcome>;
  private awaited: (() => void) | null = null;

  constructor(command: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TICKWIRE_')));
    this.child = spawn(process.execPath, command, { cwd: ROOT, env: { ...env, ...environment } });
    this.child.stdout.on('data', (data: Buffer) => {
      this.stdout += data.toString();
      this.awaited?.();
    });
    this.child.stderr.on('data', (data: Buffer) => {
      this.stderr += data.toString();
      this.awaited?.();
    });
    this.ended = new Promise((done) => {
      this.child.on('close', (code) => {
        done({ code, stdout: this.stdout, stderr: this.stderr });
        this.awaited?.();
      });
    });
  }

  end(): Promise<Outcome> {
    return this.ended;
  }

  signal(name: NodeJS.Signals): Promise<Outcome> {
    this.child.kill(name);
    return this.ended;
  }

  /** The same, of a signal that does not end it. */
  send(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Stops reading what it logs. */
  closeStderr(): void {
    this.child.stderr.destroy();
  }

  /** Stops reading what it prints, as `head` does when it has enough. */
  closeStdout(): void {
    this.child.stdout.destroy();
  }

  /** The first match in what it has printed or will print. */
  async says(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`it ended without saying ${pattern}:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((wake) => {
        this.awaited = wake;
      });
    }
  }
}

/** Starts the bin, as `npx tickwire` does. It is ended with the test. */
export function start(...args: readonly string[]): Running {
  return startIn({}, ...args);
}

/** The same, with settings in its environment. */
export function startIn(environment: Readonly<Record<string, string>>, ...args: readonly string[]): Running {
  const running = new Running([BUILT, ...args], environment);
  onTestFinished(async () => {
    await running.signal('SIGKILL');
  });
  return running;
}

/** Builds the bin unless it is newer than every source. */
export function ensureBuilt(): void {
  const newest = Math.max(...sources(join(ROOT, 'src')).map((path) => statSync(path).mtimeMs));
  const built = statSync(BUILT, { throwIfNoEntry: false });
  if (built !== undefined && built.mtimeMs > newest) return;
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.ts'));
}
