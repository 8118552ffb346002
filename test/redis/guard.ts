// Owns the end of a process that a test started: a shell kills it and removes its folder as soon as the test's own process is gone,
// in whatever way it went. Called by server.ts and forks.ts. Invariant: the process watched does not outlive its guard.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Reads process ids, the last one counts, an empty line is none; acts when its input ends. Signals meant for tests pass it by. */
const SCRIPT = `
trap '' HUP INT TERM
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -KILL "$pid"
[ -z "$1" ] || rm -rf "$1"
`;

export class Guard {
  private readonly shell: ChildProcess;
  private readonly input: Writable;

  /** `folder` is removed in the end; empty for none. */
  constructor(folder: string) {
    this.shell = spawn('sh', ['-c', SCRIPT, 'sh', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    this.shell.unref();
    this.input = this.shell.stdin!;
    // Without its guard a test still ends what it started, as long as it lives.
    this.shell.on('error', () => {});
    this.input.on('error', () => {});
  }

  /** Watches this process from now on; null when the one watched before has ended. */
  watch(pid: number | null): void {
    this.input.write(`${pid ?? ''}\n`);
  }

  /** Resolves when the process was killed and the folder is gone. */
  async end(): Promise<void> {
    const gone = this.shell.exitCode !== null || this.shell.signalCode !== null;
    const ended = gone ? undefined : once(this.shell, 'exit');
    this.shell.ref();
    this.input.end();
    await ended;
  }
}
