// Owns the command `npm run simulate -- --seeds N [--seed S] [--from K] [--json]`: many simulated runs, or one again.
// Called by hand, by those who look for rare faults, and by the tests. Invariant: exits 1 at the first run that fails,
// naming its seed.

import { parseArgs } from 'node:util';
import { addAll, noBranches, tableOf } from './branches.ts';
import { simulate } from './simulation.ts';

const USAGE = `usage: npm run simulate -- --seeds N [--from K]   N runs, of the seeds K (default 1), K + 1, ...
       npm run simulate -- --seed S               the run of one seed
       --json                                     the result as one line of JSON`;
const PROGRESS_INTERVAL_MS = 1_000;

interface Plan {
  readonly from: number;
  readonly count: number;
  readonly json: boolean;
}

function planOf(args: string[]): Plan | string {
  const text = { type: 'string' } as const;
  const options = { seeds: text, seed: text, from: text, json: { type: 'boolean' } } as const;
  try {
    const { values } = parseArgs({ args, options });
    const { json = false, seed, seeds, from = '1' } = values;
    if (seed !== undefined) return { from: wholeNumber('seed', seed), count: 1, json };
    if (seeds === undefined) return 'give --seeds or --seed';
    return { from: wholeNumber('from', from), count: wholeNumber('seeds', seeds), json };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} is no whole number: ${text}`);
  return value;
}

interface Failure {
  readonly seed: number;
  readonly message: string;
}

async function runAll({ from, count, json }: Plan): Promise<boolean> {
  const total = noBranches();
  const beganMs = performance.now();
  let shownMs = beganMs;
  let runs = 0;
  let interrupted = false;
  let failure: Failure | null = null;
  process.once('SIGINT', () => {
    interrupted = true;
  });
  for (; runs < count && !interrupted; runs++) {
    try {
      addAll(total, await simulate(from + runs));
    } catch (error) {
      failure = { seed: from + runs, message: describe(error) };
      break;
    }
    const nowMs = performance.now();
    if (nowMs - shownMs < PROGRESS_INTERVAL_MS) continue;
    shownMs = nowMs;
    if (process.stderr.isTTY)
      process.stderr.write(`\r${runs + 1} of ${count} runs, ${rate(runs + 1, nowMs - beganMs)} a second `);
    // Signals are only seen between turns of the real event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const tookMs = performance.now() - beganMs;
  if (json)
    console.log(JSON.stringify({ runs, seconds: tookMs / 1_000, branches: Object.fromEntries(total), failure }));
  else {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    console.log(tableOf(total));
    console.log(`${runs} runs of 500 steps in ${(tookMs / 1_000).toFixed(1)} s, ${rate(runs, tookMs)} a second`);
    if (failure !== null) console.error(failure.message);
    else if (interrupted) console.log(`interrupted; go on with --from ${from + runs}`);
    else console.log(`no run failed: seeds ${from} to ${from + count - 1}`);
  }
  return failure === null;
}

/** What went wrong and, below, where. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return `${error.message}\n${(cause instanceof Error ? cause.stack : error.stack) ?? ''}`;
}

function rate(runs: number, durationMs: number): string {
  return (runs / (durationMs / 1_000)).toFixed(0);
}

const plan = planOf(process.argv.slice(2));
if (typeof plan === 'string') {
  console.error(`${plan}\n${USAGE}`);
  process.exitCode = 2;
} else if (!(await runAll(plan))) process.exitCode = 1;
