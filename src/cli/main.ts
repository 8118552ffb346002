#!/usr/bin/env node
// Owns the process of `tickwire`: arguments and exit code. Run by people and scripts, by way of npx or npm start.
// Invariant: the exit code is that of the command; a reader that has gone away is no failure.

import { ExitCode } from './complaint.ts';

// `tickwire watch BTC-USD | head`: whoever read the output wants no more of it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? ExitCode.done : ExitCode.failed);
});
const args = process.argv.slice(2);
const program = await import('./program.ts').catch(async (error: unknown) => {
  // Of the code itself, which no binary would mend.
  if (error instanceof SyntaxError) throw error;
  // With a native part that does not load there is no command at all.
  const { explainUnloadable } = await import('./doctor-rescue.ts');
  process.exitCode = await explainUnloadable(error, args);
  return null;
});
if (program !== null) process.exitCode = await program.runCommand(args);
