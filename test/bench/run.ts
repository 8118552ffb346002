// Owns the benchmark as a command: which workloads, rounds and subjects, and in what order. `npm run bench` is this file.
// Rounds are interleaved: within each, every subject is measured once, in an order that turns with the round. A subject's process lives
// through all rounds of a workload, since what a host does to a new one for good would be taken for the subject's, and rests meanwhile.
// Invariant: a run that lost, damaged or reordered a frame ends in exit code 1.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundleChildren, canPin, canRank, KEEPER, keepAwake, NO_KEEPERS } from './children.ts';
import { Contender, GENERATOR, type Measurement, type Placement, SERVER_OF } from './measurement.ts';
import { SUBJECTS, type SubjectName, USUAL_SUBJECTS } from './messages.ts';
import { positive, positiveSeconds, subjectNamed } from './options.ts';
import { isValid, type Round, runLines, summaryLines } from './report.ts';
import { describeWorkload, WORKLOADS, type Workload, workloadNamed } from './workloads.ts';

const USAGE = `Deliveries per server CPU second against raw uWebSockets.js, every delivery audited.

  npx tsx test/bench/run.ts [options]

  --rounds N         interleaved rounds per workload (30)
  --warm-up S        load before the first window of each subject: a server that has just begun is still being compiled (15)
  --lead S           load before each of its other windows: caches are another's after a rest (1)
  --seconds S        each measured window (1)
  --workloads a,b    of ${WORKLOADS.map((workload) => workload.name).join(', ')} (all)
  --subjects a,b     of ${SUBJECTS.join(', ')} (${USUAL_SUBJECTS.join(', ')}); ratios are to raw, else to raw-pings
  --before DIR       a checkout whose gateway is the subject tickwire-before
  --clients N        (500)
  --seed N           (1)
  --let-idle         cores may be idle, and the generator is woken for what comes, which servers pay for
  --delayed-acks     clients' kernels may delay acknowledgements once they have answered, which servers pay for
  --json FILE        all measurements, for machines
`;

interface Options {
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly leadSeconds: number;
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly letIdle: boolean;
  readonly delayedAcks: boolean;
  readonly workloads: readonly Workload[];
  readonly subjects: readonly SubjectName[];
  readonly before: string | undefined;
  readonly json: string | undefined;
}

interface WorkloadResult {
  readonly workload: Workload;
  readonly rounds: readonly Round[];
}

function readOptions(): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{
        rounds: text,
        'warm-up': text,
        lead: text,
        seconds: text,
        clients: text,
        seed: text,
        workloads: text,
        subjects: text,
        before: text,
        json: text,
      },
      'let-idle': { type: 'boolean' },
      'delayed-acks': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  return {
    rounds: positive('rounds', values.rounds ?? '30'),
    warmUpSeconds: positiveSeconds('warm-up', values['warm-up'] ?? '15'),
    leadSeconds: positiveSeconds('lead', values.lead ?? '1'),
    seconds: positiveSeconds('seconds', values.seconds ?? '1'),
    clients: positive('clients', values.clients ?? '500'),
    seed: positive('seed', values.seed ?? '1'),
    letIdle: values['let-idle'] ?? false,
    delayedAcks: values['delayed-acks'] ?? false,
    workloads: values.workloads?.split(',').map(workloadNamed) ?? WORKLOADS,
    subjects: values.subjects?.split(',').map(subjectNamed) ?? USUAL_SUBJECTS,
    before: values.before,
    json: values.json,
  };
}

async function run(options: Options): Promise<WorkloadResult[]> {
  const pinned = canPin();
  const awake = pinned && !options.letIdle && canRank('last');
  say(
    pinned
      ? 'server on core 0, generator on core 1'
      : 'NOT PINNED: no taskset or fewer than 2 cores; figures will vary more',
    awake
      ? 'both cores are kept awake; the generator looks for what has come'
      : 'both cores may be idle; the generator is woken for what comes, which servers pay for',
    options.delayedAcks
      ? "clients' kernels may delay acknowledgements"
      : "clients' kernels acknowledge what is read (TCP_QUICKACK)",
  );
  const servers = options.subjects.map((subject) => SERVER_OF[subject]);
  await bundleChildren([...new Set([GENERATOR, KEEPER, ...servers])], options.before);
  const keepers = awake ? keepAwake() : NO_KEEPERS;
  try {
    const results: WorkloadResult[] = [];
    for (const workload of options.workloads)
      results.push(
        await runWorkload(workload, options, { pinned, looks: awake, delayedAcks: options.delayedAcks, keepers }),
      );
    return results;
  } finally {
    await keepers.stop();
  }
}

async function runWorkload(workload: Workload, options: Options, placement: Placement): Promise<WorkloadResult> {
  const { subjects, clients, seed } = options;
  say('', describeWorkload(workload, clients));
  const contenders: Contender[] = [];
  try {
    for (const subject of subjects) {
      const contender = await Contender.open({ workload, subject, clients, seed, ...placement });
      contenders.push(contender);
      contender.rest();
    }
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round++) rounds.push(await runRound(round, contenders, options));
    say(...summaryLines(rounds, subjects));
    return { workload, rounds };
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}

async function runRound(round: number, contenders: readonly Contender[], options: Options): Promise<Round> {
  const { rounds, seconds, warmUpSeconds } = options;
  const leadSeconds = round === 1 ? warmUpSeconds : options.leadSeconds;
  const measurements: Measurement[] = [];
  for (const contender of round % 2 === 1 ? contenders : [...contenders].reverse()) {
    contender.wake();
    const measurement = await contender.measure({ leadSeconds, seconds });
    contender.rest();
    say(...runLines(round, rounds, measurement));
    measurements.push(measurement);
  }
  return measurements;
}

function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) return say(USAGE);
  const results = await run(options);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  if (!results.every(({ rounds }) => rounds.every((round) => round.every(isValid)))) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
