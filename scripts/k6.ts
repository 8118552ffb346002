// Owns `npm run k6`: lists the load tests, or runs one with k6 against a gateway of its own or the one that URL names.
// Invariant: it ends with k6's own exit code; 2 where it was asked for what there is not, with a sentence that says what to do.

import { findK6, usualSearch } from './k6-binary.ts';
import { runK6 } from './k6-run.ts';
import { SCENARIOS } from './k6-scenarios.ts';

const MISUSED = 2;

const say = (what: string): void => {
  process.stderr.write(`k6: ${what}\n`);
};

const [scenario, ...flags] = process.argv.slice(2);
if (scenario === undefined || scenario === '--help') {
  process.stdout.write(`${list()}\n`);
} else if (scenario === '--find') {
  try {
    process.stdout.write(`${await findK6(usualSearch(say))}\n`);
  } catch (error) {
    say((error as Error).message);
    process.exitCode = MISUSED;
  }
} else if (SCENARIOS[scenario] === undefined) {
  say(`there is no scenario ${scenario}: give one of ${Object.keys(SCENARIOS).join(', ')}`);
  process.exitCode = MISUSED;
} else {
  try {
    const k6 = await findK6(usualSearch(say));
    const parameters = given(flags);
    const { exitCode } = await runK6({ scenario, k6, parameters, flags, output: 'shown', told: say });
    process.exitCode = exitCode;
  } catch (error) {
    say((error as Error).message);
    process.exitCode = MISUSED;
  }
}

function list(): string {
  const width = Math.max(...Object.keys(SCENARIOS).map((name) => name.length));
  return [
    'npm run k6 -- <scenario> [-e NAME=value ...] [flags of k6 run]',
    'npm run k6 -- --find    where k6 is; built first where it must be',
    '',
    ...Object.entries(SCENARIOS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`),
    '',
    'Without URL each starts a gateway of its own. Parameters: k6/README.md.',
  ].join('\n');
}

/** Where a gateway is named, by the environment or by a flag, none is started. */
function given(flags: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  const { URL: url } = process.env;
  if (url !== undefined && url !== '') found.URL = url;
  flags.forEach((flag, index) => {
    const text = /^(?:-e|--env)$/.test(flag) ? flags[index + 1] : /^(?:-e|--env=)(.+)$/.exec(flag)?.[1];
    const [, name, value] = /^(URL)=(.*)$/.exec(text ?? '') ?? [];
    if (name !== undefined) found[name] = value!;
  });
  return found;
}
