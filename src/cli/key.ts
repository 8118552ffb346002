// Owns `tickwire key`: makes API keys, and their entries for the access document, and puts them in there. Main registers it.
// Invariant: a key is printed once and written nowhere; a document is replaced as a whole by one that works, or left alone.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { text } from 'node:stream/consumers';
import { type Command, InvalidArgumentError } from 'commander';
import { isPrincipal, isRoleName, momentOf, parseDocument, readDocument } from '../sessions/access-document.ts';
import { hashKey, isKeyId, keyIdOf, newKey } from '../sessions/api-keys.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { examplesHelp } from './guide.ts';

interface NewOptions {
  readonly role: string;
  readonly principal: string;
  readonly id?: string;
  readonly expires?: string;
  readonly file?: string;
  readonly json?: boolean;
}

interface Entry {
  readonly id: string;
  readonly sha256: string;
  readonly principal: string;
  readonly role: string;
  readonly expires?: string;
}

/** Of the principal's name, in an id that is made up: leaves room for what tells several apart. */
const ID_NAME_CHARACTERS = 24;

export function addKey(program: Command): void {
  const key = program
    .command('key')
    .summary('make API keys')
    .description('Makes API keys for a gateway. It keeps their hashes, in its access document (TICKWIRE_ACCESS).')
    .helpCommand(false);
  key
    .command('new')
    .summary('make a key')
    .description(
      'Makes a key and prints it, this once, and its entry for the access document; --file puts the entry in there.',
    )
    .requiredOption('--role <name>', 'what its holder may: a role of the document', roleOf)
    .requiredOption(
      '--principal <name>',
      'who its holder is, in logs and limits; several keys may have the same',
      principalOf,
    )
    .option('--id <id>', 'its public part, by which it is found and revoked; default: made of the principal', idOf)
    .option('--expires <date>', 'when it ends, such as 2027-01-01 or 2027-01-01T12:00:00Z; default: never', expiresOf)
    .option('--file <file>', 'the access document that its entry is put into')
    .option('--json', 'print key and entry as one JSON document')
    .addHelpText(
      'after',
      examplesHelp([
        ['tickwire key new --role trader --principal desk-a', 'the key, and the entry to put into the document'],
        ['tickwire key new --role trader --principal desk-a --file access.json', 'puts it there itself'],
        ['tickwire key new --role feed --principal feeder --expires 2027-01-01 --json | jq -r .key', 'for a script'],
      ]),
    )
    .action((options: NewOptions) => makeKey(options));
  key
    .command('hash')
    .summary("print a key's hash")
    .description('Reads a key from standard input and prints its SHA-256, as the access document holds it.')
    .addHelpText('after', examplesHelp([['tickwire key hash < key.txt', 'to find its entry in the document']]))
    .action(printHash);
}

function makeKey({ role, principal, id = idFor(principal), expires, file, json = false }: NewOptions): void {
  const { key, sha256 } = newKey(id);
  const entry: Entry = { id, sha256, principal, role, ...(expires === undefined ? {} : { expires }) };
  if (file !== undefined) putInto(file, entry);
  if (json) {
    process.stdout.write(`${JSON.stringify({ key, entry })}\n`);
    return;
  }
  const place =
    file === undefined
      ? `Its entry, for the list "keys" of the access document:\n\n  ${JSON.stringify(entry)}\n`
      : `Its entry is in ${file}: gateways take it within a second.\n`;
  process.stdout.write(`The key, shown this once:\n\n  ${key}\n\n${place}`);
}

async function printHash(): Promise<void> {
  const stdin = process.stdin;
  if (stdin.isTTY) throw new Complaint('pipe the key in: tickwire key hash < key.txt', ExitCode.misused);
  // Never as an argument: the list of processes would show it.
  const key = (await text(stdin)).trim();
  if (keyIdOf(key) === null)
    throw new Complaint('what came in is no key of the shape tw_<id>_<secret>', ExitCode.misused);
  process.stdout.write(`${hashKey(key)}\n`);
}

function idFor(principal: string): string {
  const name = principal.replace(/[^A-Za-z0-9]+/g, '-').slice(0, ID_NAME_CHARACTERS);
  return `${name}-${randomBytes(3).toString('hex')}`;
}

/** @throws Complaint where the document is not as it should be, or would not be. */
function putInto(file: string, entry: Entry): void {
  const before = readText(file);
  checked(file, parseDocument(before));
  const value = JSON.parse(before) as { readonly keys?: readonly unknown[] };
  const after = { ...value, keys: [...(value.keys ?? []), entry] };
  checked(file, readDocument(after));
  try {
    replace(file, before, `${JSON.stringify(after, null, 2)}\n`);
  } catch (error) {
    throw new Complaint(`${file} can't be written: ${messageOf(error)}`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Complaint(
      `the access document can't be read: ${messageOf(error)}. Name another with --file`,
      ExitCode.misused,
    );
  }
}

function checked(file: string, read: ReturnType<typeof readDocument>): void {
  if ('roles' in read) return;
  const lines = read.map((each) => `\n  - ${each}`).join('');
  throw new Complaint(`the access document ${file} would not work, and is left as it is:${lines}`, ExitCode.misused);
}

/** Whoever reads it sees the old file or the new one, with its mode; where it is a link, what it leads to is replaced. */
function replace(file: string, before: string, content: string): void {
  const path = realpathSync(file);
  const beside = `${path}.${randomBytes(6).toString('hex')}`;
  const opened = openSync(beside, 'wx', 0o600);
  try {
    try {
      writeFileSync(opened, content);
      fchmodSync(opened, statSync(path).mode & 0o777);
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
    // Somebody else may add a key at the same time.
    if (readFileSync(path, 'utf8') !== before) throw new Error('it was changed meanwhile; run this again');
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

function roleOf(name: string): string {
  if (!isRoleName(name)) throw new InvalidArgumentError('Give 1 to 64 of A-Za-z0-9._-.');
  return name;
}

function principalOf(name: string): string {
  if (!isPrincipal(name))
    throw new InvalidArgumentError('Give 1 to 128 printable characters, and none of the names taken.');
  return name;
}

function idOf(id: string): string {
  if (!isKeyId(id)) throw new InvalidArgumentError('Give 1 to 32 of A-Za-z0-9-.');
  return id;
}

function expiresOf(date: string): string {
  if (Number.isNaN(momentOf(date))) {
    throw new InvalidArgumentError('Give a date such as 2027-01-01, or a moment such as 2027-01-01T12:00:00Z.');
  }
  return date;
}
