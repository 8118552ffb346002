// Owns one run of a scenario by k6: bundled with the protocol's own decoder, with a gateway of its own where none is named.
// scripts/k6.ts and the tests call it. Invariant: the exit code is k6's own; when it returns, nothing that it started runs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freemem } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { type LoadedGateway, startGateway } from './k6-gateway.ts';
import { SCENARIOS } from './k6-scenarios.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** k6 collects garbage when it has taken that much: while it does, a thousand users are late for up to a second. */
const MEMORY_BYTES_MAX = 8 * 2 ** 30;

export interface K6Run {
  /** A name of SCENARIOS. */
  readonly scenario: string;
  /** The file of k6. */
  readonly k6: string;
  /** Parameters of the scenario; where they have a URL no gateway is started. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Further flags of `k6 run`. */
  readonly flags?: readonly string[];
  /** Shown to the user as it comes, or returned. */
  readonly output: 'shown' | 'returned';
  /** Told of a gateway that was started. */
  readonly told?: (what: string) => void;
}

export interface K6Outcome {
  /** k6's: 0, or 99 where a threshold was crossed. */
  readonly exitCode: number;
  readonly output: string;
}

/** @throws Error where the scenario does not bundle or the gateway does not start. */
export async function runK6({ scenario, k6, parameters, flags = [], output, told }: K6Run): Promise<K6Outcome> {
  const script = await bundle(scenario);
  let gateway: LoadedGateway | null = null;
  if (parameters.URL === undefined) {
    gateway = await startGateway(SCENARIOS[scenario]!);
    told?.(`a gateway of its own at ${gateway.url}, admin port ${gateway.adminUrl}`);
  }
  const places = gateway === null ? {} : { URL: gateway.url, ADMIN_URL: gateway.adminUrl };
  const given = Object.entries({ ...places, ...parameters }).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  try {
    const child = spawn(k6, ['run', ...(output === 'shown' ? [] : ['--quiet']), ...given, ...flags, script], {
      cwd: ROOT,
      env: { GOGC: 'off', GOMEMLIMIT: `${memoryBytes()}`, K6_NO_USAGE_REPORT: 'true', ...process.env },
      stdio: output === 'shown' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    const ask = (signal: NodeJS.Signals) => child.kill(signal);
    // The terminal tells k6 of Ctrl-C itself; this process must only outlive it.
    const wait = () => undefined;
    process.on('SIGINT', wait);
    process.on('SIGTERM', ask);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (said += data));
    const [code] = (await once(child, 'close')) as [number | null];
    process.off('SIGINT', wait);
    process.off('SIGTERM', ask);
    return { exitCode: code ?? 1, output: said };
  } finally {
    await gateway?.stop();
  }
}

/** At most half of what is free now: a gateway may run beside it. */
function memoryBytes(): number {
  return Math.min(MEMORY_BYTES_MAX, Math.floor(freemem() / 2));
}

async function bundle(scenario: string): Promise<string> {
  const outfile = join(ROOT, '.cache/k6', `${scenario}.js`);
  await build({
    entryPoints: [join(ROOT, 'k6', `${scenario}.ts`)],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: ['k6', 'k6/*'],
    logLevel: 'warning',
  });
  return outfile;
}
