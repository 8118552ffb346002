// Owns running a command within the test's own process: what it says is caught, and the environment is set for it alone.
// Signals, the exit of the process and the bin itself are for test/cli/bin.test.ts.

import { onTestFinished, vi } from 'vitest';
import { runCommand } from '../../src/cli/program.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Command {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Outcome>;
  private readonly waiting = new Set<() => void>();

  /** One runs at a time: they share the process's output. */
  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    vi.stubEnv('TICKWIRE_LOG_LEVEL', 'silent');
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation((text) => this.take('stdout', text)),
      vi.spyOn(process.stderr, 'write').mockImplementation((text) => this.take('stderr', text)),
    ];
    const restore = (): void => {
      for (const spy of spies) spy.mockRestore();
      vi.unstubAllEnvs();
    };
    onTestFinished(restore);
    this.ended = runCommand(args).then((code) => {
      restore();
      this.wake();
      return { code, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** The first match in what it has printed or will print. */
  async says(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match !== null) return match;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private take(stream: 'stdout' | 'stderr', text: string | Uint8Array): boolean {
    this[stream] += text.toString();
    this.wake();
    return true;
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

export function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Command(args, environment).ended;
}
