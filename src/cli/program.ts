// Owns the command line as a function: arguments in, exit code out, everything said on stdout and stderr. Main calls it.
// Invariant: 0 is done, 1 failed, 2 misused, 130 interrupted; a failure is one clear sentence on stderr, a stack only for a
// bug of ours.

import { Command, CommanderError } from 'commander';
import { packageVersion, SettingsError } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { addCompletion } from './completion.ts';
import { addConfig } from './config.ts';
import { addDoctor } from './doctor.ts';
import { addDrain } from './drain.ts';
import { examplesHelp } from './guide.ts';
import { addInstruments } from './instruments.ts';
import { addKey } from './key.ts';
import { addPublish } from './publish.ts';
import { addRecord } from './record.ts';
import { addReplay } from './replay.ts';
import { addServe } from './serve.ts';
import { addTop } from './top.ts';
import { addWatch } from './watch.ts';

/** Runs one command to its end. @returns the exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  let exitCode: number = ExitCode.done;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return explain(error);
  }
}

function createProgram(ended: (exitCode: number) => void): Command {
  const program = new Command('tickwire')
    .description(
      'A real-time WebSocket gateway for market data: exact order books, quotes and trades for every client.',
    )
    .version(packageVersion(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help, or that of a command')
    .helpCommand(false)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'tickwire: ')) })
    .showHelpAfterError('(--help tells what there is)')
    .exitOverride()
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire serve --demo', 'start a gateway with a live synthetic market'],
        ['tickwire watch BTC-USD', 'see it trade, from another terminal'],
        ['tickwire serve --help', 'flags, examples and environment of a command'],
      ]),
    );
  addServe(program, ended);
  addWatch(program, ended);
  addPublish(program, ended);
  addRecord(program, ended);
  addReplay(program, ended);
  addInstruments(program);
  addTop(program, ended);
  addDrain(program, ended);
  addDoctor(program, ended);
  addKey(program);
  addConfig(program);
  addCompletion(program);
  return program;
}

/** Says what went wrong. @returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has said it already; help and version are no errors.
    return error.exitCode === 0 ? ExitCode.done : ExitCode.misused;
  }
  if (error instanceof Complaint || error instanceof SettingsError) {
    process.stderr.write(`tickwire: ${error.message}\n`);
    return error instanceof Complaint ? error.exitCode : ExitCode.misused;
  }
  process.stderr.write(
    `tickwire: this is a bug, please report it: ${error instanceof Error ? error.stack : String(error)}\n`,
  );
  return ExitCode.failed;
}
