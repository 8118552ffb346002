// Owns the measurement of what readers that stop cost the others, as a command: `npm run bench:stalled` is this file.
// All clients are on the same books; in half of the runs some of them stop reading just when the measured window begins.
// Invariant: the two runs of a pair follow each other at once, in an order that turns with the pair.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundleChildren, canPin, canRank, KEEPER, keepAwake, NO_KEEPERS } from './children.ts';
import { GENERATOR, type Measurement, measure, type Placement, SERVER_OF } from './measurement.ts';
import type { SubjectName } from './messages.ts';
import { positive, subjectNamed } from './options.ts';
import { type Pair, pairLines, pairSummary, problemsOf, SERVER_CPU_SHARE_MAX, stalledOf } from './pairs.ts';
import { percent } from './report.ts';
import { floodWorkload } from './workloads.ts';

/** What a machine of two virtual cores, whose kernel takes 12 µs a send, carries with its server below 60 % busy. */
const RATE_KB = 750;
const WARM_UP_SECONDS = 2;

const USAGE = `What clients that stop reading cost those that read: p99 with them to without, from their first second on.

  npx tsx test/bench/stalled.ts [options]

  --pairs N          each one run with stalled readers and one without (10)
  --seconds S        measured window of each run, after ${WARM_UP_SECONDS} s of warm-up (10)
  --subjects a,b     (tickwire)
  --clients N        (500)
  --stalled N        of the clients (a tenth of them)
  --rate KB          kilobytes a second to each client (${RATE_KB}); the server must stay below ${percent(SERVER_CPU_SHARE_MAX)} busy
  --seed N           (1)
  --json FILE        all measurements, for machines
`;

interface Options {
  readonly pairs: number;
  readonly seconds: number;
  readonly clients: number;
  readonly stalled: number;
  readonly rateKb: number;
  readonly seed: number;
  readonly subjects: readonly SubjectName[];
  readonly json: string | undefined;
}

function readOptions(): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ pairs: text, seconds: text, subjects: text, clients: text, stalled: text, rate: text, seed: text },
      ...{ json: text, help: { type: 'boolean', short: 'h' } },
    },
  });
  if (values.help === true) return null;
  const clients = positive('clients', values.clients ?? '500');
  const stalled = positive('stalled', values.stalled ?? `${Math.max(1, Math.floor(clients / 10))}`);
  if (stalled >= clients) throw new Error(`--stalled ${stalled}: some of the ${clients} clients must go on reading`);
  return {
    ...{ clients, stalled, json: values.json },
    pairs: positive('pairs', values.pairs ?? '10'),
    seconds: positive('seconds', values.seconds ?? '10'),
    rateKb: positive('rate', values.rate ?? `${RATE_KB}`),
    seed: positive('seed', values.seed ?? '1'),
    subjects: values.subjects?.split(',').map(subjectNamed) ?? ['tickwire'],
  };
}

async function run(options: Options): Promise<Pair[]> {
  const { clients, stalled, rateKb, subjects } = options;
  const pinned = canPin();
  say(
    pinned ? 'server on core 0, generator on core 1' : 'NOT PINNED: figures will vary more',
    `${clients} clients on the same 50 books, ${rateKb} KB/s each; with: ${stalled} of them stop reading as the window begins`,
  );
  await bundleChildren([...new Set([GENERATOR, KEEPER, ...subjects.map((subject) => SERVER_OF[subject])])]);
  const awake = pinned && canRank('last');
  const keepers = awake ? keepAwake() : NO_KEEPERS;
  const pairs: Pair[] = [];
  try {
    for (let number = 1; number <= options.pairs; number++) {
      for (const subject of subjects) {
        const pair = await runPair(number, subject, options, { pinned, looks: awake, keepers });
        say(...pairLines(number, options.pairs, pair));
        pairs.push(pair);
      }
    }
  } finally {
    await keepers.stop();
  }
  say('', ...subjects.flatMap((subject) => pairSummary(pairs.filter((pair) => pair.subject === subject))));
  return pairs;
}

async function runPair(number: number, subject: SubjectName, options: Options, placement: Placement): Promise<Pair> {
  const { clients, seconds, seed, rateKb } = options;
  const workload = floodWorkload(rateKb * 1_000);
  const one = (count: number): Promise<Measurement> =>
    measure(
      { workload, subject, clients, seed, ...placement, stalled: stalledOf(clients, count) },
      { leadSeconds: WARM_UP_SECONDS, seconds },
    );
  const isWithFirst = number % 2 === 0;
  const first = await one(isWithFirst ? options.stalled : 0);
  const second = await one(isWithFirst ? 0 : options.stalled);
  const [withStalled, without] = isWithFirst ? [first, second] : [second, first];
  return { subject, clients, seconds, without, with: withStalled };
}

function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) return say(USAGE);
  const pairs = await run(options);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(pairs, null, 2)}\n`);
  const faulty = pairs.flatMap((pair) => [pair.without, pair.with]).some((each) => problemsOf(each).length > 0);
  if (faulty) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(`bench:stalled: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
