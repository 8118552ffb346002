#!/usr/bin/env node
// Owns the process of `tickwire`: arguments and exit code. Run by people and scripts, by way of npx or npm start.
// Invariant: the exit code is that of the command; a reader that has gone away is no failure.

import { ExitCode } from './complaint.ts';
import { runCommand } from './program.ts';

// `tickwire watch BTC-USD | head`: whoever read the output wants no more of it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.done : ExitCode.failed);
});
process.exitCode = await runCommand(process.argv.slice(2));
