// Owns how a command is told what to show the gateway, a file or the environment, and what it says where that does not do.
// Commands that say who they are call it. Invariant: a credential never stands on a command line, which everybody on the
// machine can read, and in no complaint.

import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { RefusedFrame } from '../protocol/frames.ts';
import { gatewayCredential } from '../settings/settings.ts';
import { Complaint, ExitCode } from './complaint.ts';

/** Longer than any that a gateway takes. */
const FILE_BYTES_MAX = 16_384;
const WHERE = '--credential <file>, or TICKWIRE_CREDENTIAL';

/** What to show: itself, or what reads it anew; undefined: nothing. */
export type Credential = (() => string) | string | undefined;

/** How --help tells of the variable. */
export const CREDENTIAL_VARIABLE = [
  'TICKWIRE_CREDENTIAL',
  'An API key or a JWT, where the gateway wants one and --credential does not say it.',
] as const;

/** What a command can do about it, by the code of the refusal. */
const REMEDIES: Readonly<Record<string, string>> = {
  unauthenticated: `Show an API key or a JWT: ${WHERE}.`,
  'bad-credential': `Look at what was shown: ${WHERE}.`,
  'expired-credential': `Show a fresh one: ${WHERE}.`,
  'not-entitled': `Ask whoever runs the gateway to allow it, or show another API key or JWT: ${WHERE}.`,
};

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
export function credentialOf(file: string | undefined): Credential {
  if (file === undefined) return gatewayCredential() || undefined;
  readCredential(file);
  return () => readCredential(file);
}

/** What is to be shown now. @throws Complaint where the file holds none any more. */
export function shownOf(credential: Credential): string | undefined {
  return typeof credential === 'function' ? credential() : credential;
}

/** A header for it; none where there is nothing to show. */
export function headersOf(shown: string | undefined): Readonly<Record<string, string>> {
  return shown === undefined ? {} : { Authorization: `Bearer ${shown}` };
}

/** What the gateway would not do, and what the one at the command line can do about it. */
export function refusalSentence({ code, message, action }: Pick<RefusedFrame, 'code' | 'message' | 'action'>): string {
  return `${code}: ${message} ${REMEDIES[code] ?? action}`;
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
