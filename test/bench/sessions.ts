// Owns the benchmark of sessions as a command: which parts, how long, and what came of them. `npm run bench:sessions` is this file.
// Invariant: nothing that it started outlives it, Ctrl-C included; a part whose audit failed ends it in exit code 1.

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { canPin } from './children.ts';
import { positive } from './options.ts';
import { connect } from './sessions/connect.ts';
import { idle } from './sessions/idle.ts';
import type { Part, PartOptions } from './sessions/part.ts';
import { bundleProcesses } from './sessions/processes.ts';
import { resume } from './sessions/resume.ts';
import { storm } from './sessions/storm.ts';

const PARTS: Readonly<Record<string, Part>> = { connect, idle, storm, resume };

const USAGE = `Sessions next to raw uWebSockets.js in the same run: connecting, idling, coming back.

  npm run bench:sessions -- [options]

  --parts a,b      of ${Object.keys(PARTS).join(', ')} (all)
  --rounds N       interleaved rounds (connect 25, storm 3, resume 100)
  --seconds S      connect: measured window of each run (1)
  --rate N         connect: connects a second (half of the gateway's saturation); storm: what gateways let in (5000)
  --clients N      idle: connections (as many as the descriptors allow, less 500); storm: clients (5000)
  --settle S       idle: seconds before memory is weighed (60)
  --profile        idle: what a connection's heap consists of
  --anonymous      clients do not say who they are; else by an API key
  --seed N         (1)

Ctrl-C ends it.
`;

function readOptions(signal: AbortSignal): { parts: Part[]; options: PartOptions } | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ parts: text, rounds: text, seconds: text, clients: text, rate: text, settle: text, seed: text },
      profile: { type: 'boolean' },
      anonymous: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  const number = (name: 'rounds' | 'seconds' | 'clients' | 'rate'): number | null =>
    values[name] === undefined ? null : positive(name, values[name]);
  return {
    parts: values.parts?.split(',').map(partNamed) ?? Object.values(PARTS),
    options: {
      rounds: number('rounds'),
      seconds: number('seconds'),
      clients: number('clients'),
      rate: number('rate'),
      settleSeconds: positive('settle', values.settle ?? '60'),
      profile: values.profile ?? false,
      anonymous: values.anonymous ?? false,
      seed: positive('seed', values.seed ?? '1'),
      pinned: canPin(),
      signal,
      say,
    },
  };
}

function partNamed(name: string): Part {
  const part = PARTS[name];
  if (part === undefined) throw new Error(`no part "${name}"; there are ${Object.keys(PARTS).join(', ')}`);
  return part;
}

function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

async function main(): Promise<void> {
  const interruption = new AbortController();
  const read = readOptions(interruption.signal);
  if (read === null) return say(USAGE);
  // More than once: tsx hands on the signal that the terminal has sent to all.
  process.on('SIGINT', () => interruption.abort(new Error('interrupted')));
  const load = loadavg().map((each) => each.toFixed(1));
  say(`Node ${process.version}, load average ${load.join(' ')}`);
  say(read.options.pinned ? 'server on core 0, crowd on core 1' : 'NOT PINNED: figures will vary more');
  await bundleProcesses();
  for (const part of read.parts) if (!(await part(read.options))) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(`bench:sessions: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof Error && error.message === 'interrupted' ? 130 : 1;
});
