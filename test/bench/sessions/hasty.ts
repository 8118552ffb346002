// Owns the hasty crowd: a Perl process per order, which connects, is welcomed and resets, faster than Node could. The part
// `connect` uses it. Invariant: an order resolves with what was counted, or throws; it never resolves with less.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { placed, type Rank } from '../children.ts';
import { SOURCES, upgradeOf } from './link.ts';
import type { Flooded, FloodOrder, Paced, PaceOrder, Target } from './messages.ts';

const SCRIPT = fileURLToPath(new URL('hasty.pl', import.meta.url));

/** As fast as it goes. */
export async function flood({ inFlight, seconds, ...target }: FloodOrder, core: number | null): Promise<Flooded> {
  const told = await run(placed(core), target, ['flood', inFlight, seconds]);
  const { connects, seconds: wallSeconds, cpuShare } = told.figures;
  return { connects: connects!, seconds: wallSeconds!, cpuShare: cpuShare!, ...told.faults };
}

/** At so many a second, whatever happens. What else its core does is in the latencies, unless it goes first. */
export async function pace(order: PaceOrder, core: number | null, rank: Rank = 'ordinary'): Promise<Paced> {
  const { connectsPerSec, warmUpSeconds, seconds, ...target } = order;
  const told = await run(placed(core, rank), target, ['pace', connectsPerSec, warmUpSeconds, seconds]);
  const { count, p50Us, p99Us, maxUs, latenessP99Us, cpuShare } = told.figures;
  const latency = { count: count!, p50Us: p50Us!, p99Us: p99Us!, maxUs: maxUs! };
  return { latency, latenessP99Us: latenessP99Us!, cpuShare: cpuShare!, ...told.faults };
}

interface Told {
  readonly figures: Readonly<Record<string, number>>;
  readonly faults: { readonly faults: number; readonly faultTexts: readonly string[] };
}

async function run(place: string[], target: Target, [mode, ...order]: (string | number)[]): Promise<Told> {
  const command = ['perl', SCRIPT, `${mode}`, `${target.port}`, `${SOURCES}`, ...order.map(String)];
  const [program, ...args] = [...place, ...command];
  const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(upgradeOf(target.subprotocol, target.credential));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.on('close', resolve);
    child.on('error', (error) =>
      reject(new Error(`the crowd needs perl, which Debian and Ubuntu bring: ${error.message}`)),
    );
  });
  if (code !== 0) throw new Error(`the crowd ended with exit code ${code}`);
  return read(output);
}

/** Lines of `name value`, and `fault count text`. */
function read(output: string): Told {
  const figures: Record<string, number> = {};
  const faultTexts: string[] = [];
  let faults = 0;
  for (const line of output.trim().split('\n')) {
    const [name, value, ...rest] = line.split(' ');
    if (name !== 'fault') figures[name!] = Number(value);
    else {
      faults += Number(value);
      faultTexts.push(rest.join(' '));
    }
  }
  return { figures, faults: { faults, faultTexts } };
}
