#!/usr/bin/env node
// Owns the command line `tickwire`: its commands, how it fails and with which exit code. Run by people and scripts.
// Invariant: 0 is done, 1 failed, 2 misused, 130 interrupted; a failure is one clear sentence on stderr, a stack only for a
// bug of ours.

import { Command, CommanderError } from 'commander';
import { packageVersion, SettingsError } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';
import { examplesHelp } from './guide.ts';
import { addInstruments } from './instruments.ts';
import { addReplay } from './replay.ts';
import { addServe } from './serve.ts';
import { addWatch } from './watch.ts';

function createProgram(): Command {
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
  addServe(program);
  addWatch(program);
  addReplay(program);
  addInstruments(program);
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

// Whoever read the output wants no more of it: `tickwire watch BTC-USD | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.done : ExitCode.failed);
});
try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}
