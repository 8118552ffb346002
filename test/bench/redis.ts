// Owns the benchmark of the Redis bus as a command: updates a CPU second and latency, next to plain `PUBLISH` by a bare ioredis;
// with --state what the ways of keeping a topic's state cost. `npm run bench:redis` is this file.
// Invariant: rounds are interleaved, and a run in which an update was not heard exactly once counts for nothing and ends in exit code 1.

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { startRedis } from '../redis/server.ts';
import { positive } from './options.ts';
import { SIDE_LEVELS, UPDATE_LEVELS } from './redis/books.ts';
import type { Way } from './redis/messages.ts';
import { type Round, runLines, summaryLines } from './redis/report.ts';
import { bundleNode, isValid, type Load, measureRun, type Run } from './redis/run.ts';
import { stateLines } from './redis/state.ts';

const USAGE = `The Redis bus against plain PUBLISH by a bare ioredis, on a Redis of its own; every update audited.

  npm run bench:redis -- [options]

  --rounds N     interleaved rounds of each load (5)
  --seconds S    measured window of each run, after 1 s of warm-up (5)
  --loads a,b    LOADS (all)
  --topics N     of the loads of throughput (1000)
  --seed N       (1)
  --state        instead: what the ways of keeping a topic's state for cold loads cost

Ctrl-C ends it with the figures of the rounds that are complete.
`;

/** Calls under way at a time where throughput is measured. */
const CALLS_UNDER_WAY = 64;
const BATCHES = [1, 10, 100] as const;
const LATENCY_RATES = [1_000, 5_000] as const;
const LATENCY_TOPICS = 100;

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
  readonly state: boolean;
  readonly loads: readonly Load[];
}

function allLoads(topics: number): Load[] {
  const throughput = BATCHES.map((batch): Load => {
    const name = batch === 1 ? 'single' : `batch-${batch}`;
    return { name, topics, batch, pace: { callsUnderWay: CALLS_UNDER_WAY } };
  });
  const latency = LATENCY_RATES.map((updatesPerSec): Load => {
    return { name: `latency-${updatesPerSec}`, topics: LATENCY_TOPICS, batch: 1, pace: { updatesPerSec } };
  });
  return [...throughput, ...latency];
}

function readOptions(): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ rounds: text, seconds: text, loads: text, topics: text, seed: text },
      state: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  const all = allLoads(positive('topics', values.topics ?? '1000'));
  return {
    rounds: positive('rounds', values.rounds ?? '5'),
    seconds: positive('seconds', values.seconds ?? '5'),
    seed: positive('seed', values.seed ?? '1'),
    state: values.state ?? false,
    loads: values.loads?.split(',').map((name) => loadNamed(all, name)) ?? all,
  };
}

function loadNamed(all: readonly Load[], name: string): Load {
  const found = all.find((load) => load.name === name);
  if (found === undefined) throw new Error(`no load "${name}"; there are ${namesOf(all)}`);
  return found;
}

function namesOf(loads: readonly Load[]): string {
  return loads.map(({ name }) => name).join(', ');
}

function describe({ name, topics, batch, pace }: Load): string {
  const how =
    'updatesPerSec' in pace
      ? `${pace.updatesPerSec} updates/s whatever happens, latency from the intended time`
      : `${pace.callsUnderWay} calls under way at a time, ${batch} ${batch === 1 ? 'update' : 'updates of one topic'} in each`;
  return `${name}: ${topics} books of ${SIDE_LEVELS} levels a side, updates of ${UPDATE_LEVELS}; ${how}`;
}

/** @returns whether every run passed its audit. */
async function compare(options: Options, signal: AbortSignal): Promise<boolean> {
  await bundleNode();
  // What a follower has not read yet waits: the audit, not the server, says whether it was too much.
  const redis = await startRedis({ config: { 'client-output-buffer-limit': 'pubsub 0 0 0' } });
  try {
    let valid = true;
    const measured = new Map<Load, Round[]>(options.loads.map((load) => [load, []]));
    for (let number = 1; number <= options.rounds && !signal.aborted; number++) {
      for (const [load, rounds] of measured) {
        if (signal.aborted) break;
        say('', `round ${number}/${options.rounds}  ${describe(load)}`);
        const round = await runRound(number, load);
        if (round === null) break;
        valid &&= isValid(round.bus) && isValid(round.plain);
        rounds.push(round);
      }
    }
    say('', `summary; ${machine()}`);
    for (const [load, rounds] of measured) if (rounds.length > 0) say(...summaryLines(load, rounds));
    return valid;
  } finally {
    await redis.close();
  }

  /** Null where it was interrupted. */
  async function runRound(number: number, load: Load): Promise<Round | null> {
    const runs = new Map<Way, Run>();
    for (const way of number % 2 === 1 ? (['bus', 'plain'] as const) : (['plain', 'bus'] as const)) {
      try {
        const run = await measureRun({ redis, load, way, seconds: options.seconds, seed: options.seed }, signal);
        say(...runLines(run));
        runs.set(way, run);
      } catch (error) {
        if (signal.aborted) return null;
        throw error;
      }
    }
    return { bus: runs.get('bus')!, plain: runs.get('plain')! };
  }
}

function machine(): string {
  return `Node ${process.version}, load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`;
}

function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) return say(USAGE.replace('LOADS', namesOf(allLoads(1))));
  const interruption = new AbortController();
  // More than once: tsx hands on the signal that the terminal has sent to all.
  process.on('SIGINT', () => interruption.abort());
  say(machine());
  if (options.state) for await (const line of stateLines(options, interruption.signal)) say(line);
  else if (!(await compare(options, interruption.signal))) process.exitCode = 1;
  if (interruption.signal.aborted) process.exitCode = 130;
}

main().catch((error: unknown) => {
  console.error(`bench:redis: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
