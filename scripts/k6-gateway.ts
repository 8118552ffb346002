// Owns the gateway that a load test is run against where none is named: `serve --demo` in a process of its own, on free ports.
// The runner and the tests start it. Invariant: it ends with the process that started it, and its ports are known once it is returned.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { OPEN_SETTINGS, type Scenario } from './k6-scenarios.ts';

const ROOT = resolve(import.meta.dirname, '..');
const BUILT = join(ROOT, 'dist/cli/main.js');

export interface LoadedGateway {
  readonly url: string;
  readonly adminUrl: string;
  stop(): Promise<void>;
}

/** @throws Error with what it said where it does not start. */
export async function startGateway({ market, settings = {} }: Scenario): Promise<LoadedGateway> {
  const own = Object.entries(process.env).filter(([name]) => !/^(TICKWIRE_|REDIS_URL$)/.test(name));
  const main = isBuilt() ? [BUILT] : ['--import', 'tsx', join(ROOT, 'src/cli/main.ts')];
  const child = spawn(
    process.execPath,
    [...main, 'serve', '--demo', '--json', '--port', '0', '--admin-port', '0', ...market],
    {
      cwd: ROOT,
      env: { ...Object.fromEntries(own), ...OPEN_SETTINGS, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C is for k6: it ends its users first.
      detached: true,
    },
  );
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = `${said}${data}`.slice(-2_000);
  });
  const first = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const line = await Promise.race([first, ended.then(() => null)]);
  if (line === null) throw new Error(`the gateway did not start: ${said.trim() || 'it said nothing'}`);
  const { url, admin } = JSON.parse(line[0]) as { url: string; admin: string };
  return {
    url,
    adminUrl: admin,
    async stop() {
      process.off('exit', kill);
      kill();
      await ended;
    },
  };
}

/** Whether what was built is newer than every source. */
function isBuilt(): boolean {
  const builtMs = statSync(BUILT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const folder = join(ROOT, 'src');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return sources.every((name) => statSync(join(folder, name)).mtimeMs < builtMs);
}
