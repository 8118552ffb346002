// Owns `tickwire doctor`: judges the machine and the settings as `serve` would meet them, and says what to do. Main registers it.
// Invariant: it starts nothing, changes nothing, and ends within seconds; 1 means that something would not work.

import { type Command, InvalidArgumentError } from 'commander';
import { type Configuration, SETTINGS, SettingsError, terminalSettings } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { GROUPS, type GroupName } from './doctor-catalogue.ts';
import { examine, type Subject } from './doctor-examination.ts';
import { countsOf, reportJson, reportText } from './doctor-report.ts';
import { environmentHelp, examplesHelp } from './guide.ts';
import { configurationWith, type GatewayFlags } from './hosting.ts';
import { onInterrupt } from './interrupt.ts';
import { addGatewayFlags } from './serve.ts';

interface DoctorOptions extends GatewayFlags {
  readonly only?: readonly GroupName[];
  readonly running?: boolean;
  readonly strict?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

export function addDoctor(program: Command, ended: (exitCode: number) => void): void {
  addGatewayFlags(
    program
      .command('doctor')
      .summary('say what is wrong with the machine or the settings')
      .description(
        'Looks at Node, limits, kernel, memory, Redis, clock, ports, files and settings as `tickwire serve` with the same flags would meet them, ' +
          'and says what to do. Ends with 1 where something would not work. docs/doctor.md tells of every check.',
      ),
  )
    .option('--only <groups>', `these groups of checks alone, default all: ${GROUPS.join(',')}`, groupsOf)
    .option('--running', 'a gateway is expected to run here: ports that it holds are right, and free ones are not')
    .option('--strict', 'warnings fail too')
    .option('--verbose', 'show what is right, and what was skipped and why')
    .option('--json', 'print all findings as a JSON list instead: id, about, verdict, found, remedy')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire doctor', 'before the first start'],
        ['tickwire doctor --running --only redis,ports', 'while a gateway runs'],
        ['tickwire doctor --strict --json', 'in a deployment, or for a script'],
      ]),
    )
    .addHelpText(
      'after',
      environmentHelp([[SETTINGS.redisUrl.env, 'And all other settings, as `tickwire serve --help` lists them.']]),
    )
    .action(async (options: DoctorOptions) => {
      ended(await doctor(options));
    });
}

function groupsOf(text: string): GroupName[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  const groups = GROUPS.filter((group) => names.includes(group));
  if (groups.length < names.length) throw new InvalidArgumentError(`Give some of ${GROUPS.join(',')}.`);
  return groups;
}

async function doctor(options: DoctorOptions): Promise<number> {
  const { only = GROUPS, running = false, strict = false, verbose = false, json = false } = options;
  const interrupt = onInterrupt();
  try {
    const findings = await examine({ ...settled(options), running }, only, interrupt.signal);
    if (interrupt.signal.aborted) return interrupt.exitCode;
    const color = process.stdout.isTTY && terminalSettings().color;
    process.stdout.write(json ? reportJson(findings) : reportText(findings, { color, verbose }));
    const counts = countsOf(findings);
    return counts.failure > 0 || (strict && counts.warning > 0) ? ExitCode.failed : ExitCode.done;
  } finally {
    interrupt.stop();
  }
}

/** The settings, or all that is wrong with them. */
function settled(options: DoctorOptions): Omit<Subject, 'running'> {
  const configPath = options.config ?? null;
  try {
    const configuration: Configuration = configurationWith(options);
    return { configuration, faults: [], configPath };
  } catch (error) {
    if (error instanceof SettingsError) return { configuration: null, faults: error.faults, configPath };
    if (error instanceof Complaint) return { configuration: null, faults: [error.message], configPath };
    throw error;
  }
}
