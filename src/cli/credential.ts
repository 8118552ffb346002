// Owns how a command is told what to show the gateway: a file, or the environment. Commands that say who they are call it.
// Invariant: a credential never stands on a command line, which everybody on the machine can read, and in no complaint.

import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { gatewayCredential } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';

/** Longer than any that a gateway takes. */
const FILE_BYTES_MAX = 16_384;

export function addCredentialFlag(command: Command): Command {
  return command.option(
    '--credential <file>',
    'file with an API key or JWT to show the gateway (TICKWIRE_CREDENTIAL: itself)',
  );
}

/**
 * What to show: what the file holds whenever it is needed, so that it may be replaced while the command runs; else what the
 * environment has. Undefined: nothing.
 * @throws Complaint where the file is not there, or holds no credential.
 */
export function credentialOf(file: string | undefined): (() => string) | string | undefined {
  if (file === undefined) return gatewayCredential() || undefined;
  readCredential(file);
  return () => readCredential(file);
}

function readCredential(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || stat.isDirectory()) {
    throw new Complaint(`there is no file ${file}; name one that holds an API key or a JWT`, ExitCode.misused);
  }
  const text = stat.size > FILE_BYTES_MAX ? '' : readFileSync(file, 'utf8').trim();
  if (/^[!-~]+$/.test(text)) return text;
  throw new Complaint(`${file} holds no credential: an API key or a JWT is one line without spaces`, ExitCode.misused);
}
