// Owns the doctor's checks of the files that settings name: whether they can be used, and who else can read them. The examination
// runs them. Invariant: it reads as the gateway reads, and repeats nothing that a file with secrets holds.

import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { readPair } from '../gateway/certificates.ts';
import { DOCUMENT_BYTES_MAX, type KeyEntry, parseDocument } from '../sessions/access-document.ts';
import { algorithmsOf, isSecretAlgorithm } from '../settings/access-settings.ts';
import type { Settings } from '../settings/settings.ts';
import { messageOf } from './complaint.ts';
import { advice, type ChecksOf, failure, type Judged, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';
import { readInstrumentFile } from './instrument-file.ts';

const DAY_MS = 86_400_000;
export const EXPIRY_MS_GOOD = 30 * DAY_MS;
export const EXPIRY_MS_MIN = 7 * DAY_MS;
const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const NAMES_SHOWN = 5;

/** The settings file, as far as there is one. */
export interface ConfigFile {
  readonly path: string;
  /** Names of settings that are secret and stand in it. */
  readonly secrets: readonly string[];
}

/** What of a certificate is judged. */
export interface CertificateReading {
  readonly subject: string;
  /** Such as `DNS:example.com, IP Address:10.0.0.1`; empty: none. */
  readonly names: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

export function filesChecks(settings: Settings, config: ConfigFile | null): ChecksOf<'files'> {
  return {
    'files.config': () => judgeConfig(config, config === null ? 0 : modeOf(config.path)),
    'files.instruments': () => checkInstruments(settings),
    'files.access': () => checkAccess(settings),
    'files.certificate': () => checkCertificate(settings),
    'files.secrets': () => judgeSecrets(secretFiles(settings)),
  };
}

/** @param mode of the file, as stat tells it. */
export function judgeConfig(config: ConfigFile | null, mode: number): Verdict {
  if (config === null) return skipped('No settings file is given.');
  const { path, secrets } = config;
  if (writable(mode)) return warning(`${path} can be changed by everybody on this machine.`, `chmod 640 ${path}`);
  if (secrets.length === 0) return ok(`${path} is read; it holds no secrets.`);
  const held = `${path} holds ${secrets.join(', ')}`;
  return readable(mode)
    ? warning(
        `${held}, and everybody on this machine can read it.`,
        `chmod 640 ${path}, or give the secrets in files of their own (TICKWIRE_ADMIN_TOKEN_FILE and the like).`,
      )
    : ok(`${held}, and not everybody can read it.`);
}

function checkInstruments({ instrumentsFile }: Settings): Verdict {
  if (instrumentsFile === '') return skipped('No file of instruments is set.');
  try {
    const { length } = readInstrumentFile(instrumentsFile);
    return ok(`${instrumentsFile} lists ${length} ${length === 1 ? 'instrument' : 'instruments'}.`);
  } catch (error) {
    return failure(
      messageOf(error).replace(/\s*\n\s*/g, ' '),
      'Mend the file, or name another with --instruments (TICKWIRE_INSTRUMENTS).',
    );
  }
}

function checkAccess({ accessFile }: Settings): Judged {
  if (accessFile === '') return skipped('No access document is set.');
  const remedy = 'Mend the document (docs/access.md has an example), or name another in TICKWIRE_ACCESS.';
  let text: string;
  try {
    if (statSync(accessFile).size > DOCUMENT_BYTES_MAX)
      return failure(`${accessFile} has more than ${DOCUMENT_BYTES_MAX} bytes.`, remedy);
    text = readFileSync(accessFile, 'utf8');
  } catch (error) {
    return failure(`${accessFile} can't be read: ${messageOf(error)}.`, remedy);
  }
  const document = parseDocument(text);
  if (!('roles' in document)) return document.map((fault) => failure(`${accessFile}: ${fault}`, remedy));
  return judgeKeys(accessFile, [...document.keys.values()], { nowMs: Date.now(), mode: modeOf(accessFile) });
}

export function judgeKeys(
  path: string,
  keys: readonly Pick<KeyEntry, 'id' | 'untilMs'>[],
  { nowMs, mode }: { nowMs: number; mode: number },
): Verdict {
  const found = `${path} has ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`;
  if (writable(mode)) {
    return warning(`${found}, and everybody on this machine can change it.`, `chmod 640 ${path}`);
  }
  const over = keys.filter(({ untilMs }) => untilMs !== null && untilMs <= nowMs).map(({ id }) => id);
  const soon = keys
    .filter(({ untilMs }) => untilMs !== null && untilMs > nowMs && untilMs < nowMs + EXPIRY_MS_MIN)
    .map(({ id }) => id);
  if (soon.length > 0)
    return warning(`${found}; within 7 days these end: ${some(soon)}.`, 'Make new ones: tickwire key new.');
  if (over.length > 0) return advice(`${found}; these have ended: ${some(over)}.`, 'Take them out of the document.');
  return ok(`${found}.`);
}

function checkCertificate(settings: Settings): Verdict {
  if (settings.tlsCert === '') return skipped('No TLS is set.');
  const pair = readPair(settings);
  if (typeof pair === 'string') {
    return failure(`${pair}.`, 'Give certificate, key and passphrase that belong together: docs/tls.md.');
  }
  try {
    const { subject, subjectAltName = '', validFrom, validTo } = new X509Certificate(readFileSync(pair.certFile));
    const reading = {
      subject: subject.replaceAll('\n', ', '),
      names: subjectAltName,
      fromMs: Date.parse(validFrom),
      untilMs: Date.parse(validTo),
    };
    return judgeCertificate(reading, Date.now());
  } catch (error) {
    return failure(`${pair.certFile} can't be read any more: ${messageOf(error)}.`, 'See who replaces it.');
  }
}

export function judgeCertificate({ subject, names, fromMs, untilMs }: CertificateReading, nowMs: number): Verdict {
  const remedy = 'Renew it: the gateway takes the new files within seconds (docs/tls.md).';
  const found = `The certificate of ${subject}`;
  const date = new Date(untilMs).toISOString().slice(0, 10);
  const leftMs = untilMs - nowMs;
  if (fromMs > nowMs)
    return failure(
      `${found} is not valid before ${new Date(fromMs).toISOString()}.`,
      'Compare with the clock of this machine, or use the one before it.',
    );
  if (leftMs <= 0) return failure(`${found} ended on ${date}: clients refuse it.`, remedy);
  const days = Math.floor(leftMs / DAY_MS);
  const left = `${found} ends on ${date}, in ${days} ${days === 1 ? 'day' : 'days'}`;
  if (leftMs < EXPIRY_MS_MIN) return warning(`${left}.`, remedy);
  if (leftMs < EXPIRY_MS_GOOD) return advice(`${left}.`, remedy);
  if (names === '') {
    return warning(
      `${found} has no subject alternative names: browsers refuse it.`,
      'Have one made with the names that clients use (subjectAltName).',
    );
  }
  return ok(`${found} is for ${some(names.split(', '))}, and ends on ${date}.`);
}

/** Files that hold something secret, with their modes; null where there is no such file, which other checks tell. */
function secretFiles({
  tlsKey,
  tlsPassphraseFile,
  jwtKeyFile,
  jwtAlgorithms,
}: Settings): { path: string; mode: number }[] {
  const secret = algorithmsOf(jwtAlgorithms).some(isSecretAlgorithm) ? jwtKeyFile : '';
  const paths = [tlsKey, tlsPassphraseFile, secret].filter((path) => path !== '');
  return paths.map((path) => ({ path, mode: modeOf(path) }));
}

export function judgeSecrets(files: readonly { readonly path: string; readonly mode: number }[]): Judged {
  if (files.length === 0) return skipped('No file with a secret is set.');
  const open = files.filter(({ mode }) => readable(mode) || writable(mode));
  if (open.length === 0) return ok(`Not everybody can read ${some(files.map(({ path }) => path))}.`);
  return open.map(({ path }) => warning(`Everybody on this machine can read ${path}.`, `chmod 600 ${path}`));
}

function readable(mode: number): boolean {
  return (mode & OTHERS_READ) !== 0;
}

function writable(mode: number): boolean {
  return (mode & OTHERS_WRITE) !== 0;
}

/** 0 where there is none. */
function modeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
}

function some(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
