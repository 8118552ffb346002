// Owns the certificate of the public port: reads the files that the settings name, checks that they fit each other, and looks
// whether they have changed. The gateway starts it. Invariant: a pair that would not work never replaces one that does, and
// neither a key nor a passphrase is ever logged.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Timer, Timers } from '../ports/clock.ts';
import type { Log } from '../ports/log-events.ts';
import { SETTINGS, type Settings } from '../settings/settings.ts';

const LOOK_INTERVAL_MS = 2_000;

export type TlsFiles = Pick<Settings, 'tlsCert' | 'tlsKey' | 'tlsPassphraseFile'>;

/** Files that fit each other. */
export interface TlsPair {
  readonly certFile: string;
  readonly keyFile: string;
  /** Empty for a key that is not encrypted. */
  readonly passphrase: string;
  /** The certificate's own, for the log. */
  readonly subject: string;
  readonly validTo: Date;
}

/** @returns the pair that lies in the files, or what is wrong with it, in words that repeat nothing secret. */
export function readPair(files: TlsFiles): TlsPair | string {
  const { tlsCert: certFile, tlsKey: keyFile, tlsPassphraseFile: passphraseFile } = files;
  let reading: keyof TlsFiles = 'tlsPassphraseFile';
  try {
    const passphrase = passphraseFile === '' ? '' : readFileSync(passphraseFile, 'utf8').replace(/\r?\n$/, '');
    reading = 'tlsCert';
    const cert = readFileSync(certFile, 'utf8');
    const leaf = new X509Certificate(cert);
    // The chain behind the first one too.
    createSecureContext({ cert });
    reading = 'tlsKey';
    const key = createPrivateKey({ key: readFileSync(keyFile, 'utf8'), passphrase });
    if (!leaf.checkPrivateKey(key))
      return `${nameOf('tlsKey')} ${keyFile} is not the key of the certificate in ${certFile}`;
    const subject = leaf.subject.replaceAll('\n', ', ');
    return { certFile, keyFile, passphrase, subject, validTo: new Date(leaf.validTo) };
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return `${nameOf(reading)} ${files[reading]} can't be used: ${why}`;
  }
}

function nameOf(name: keyof TlsFiles): string {
  return `${name} (${SETTINGS[name].env})`;
}

export interface CertificatesOptions {
  readonly files: TlsFiles;
  readonly timers: Timers;
  readonly log: Log;
  /** Puts a pair to use. @throws Error where that fails; the one before it is still in use then. */
  readonly renew: (pair: TlsPair) => void;
}

/** Looks every two seconds, and when it is asked to. */
export class Certificates {
  /** What the files looked like when they were last read. */
  private marks: string;
  private timer: Timer | undefined;
  private stopped = false;

  /** To be made before the files are read for the first time: a change since then is noticed. */
  constructor(private readonly options: CertificatesOptions) {
    this.marks = namesOf(options.files).map(markNow).join(' ');
  }

  start(): void {
    this.timer = this.options.timers.after(LOOK_INTERVAL_MS, () => {
      void this.look().finally(() => {
        if (!this.stopped) this.start();
      });
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /**
   * Takes the files anew, changed or not.
   * @returns null where new connections see what is in them from now on, else what is wrong with them.
   */
  reload(): string | null {
    const { files, renew, log } = this.options;
    this.marks = namesOf(files).map(markNow).join(' ');
    const pair = readPair(files);
    const fault = typeof pair === 'string' ? pair : renewal(() => renew(pair));
    if (fault !== null) log.tell('certificate.kept', { reason: fault });
    else if (typeof pair !== 'string') tellCertificate(log, pair, 'certificate.renewed');
    return fault;
  }

  /** A pair that is half written, or broken, is complained about once and looked at again when it changes. */
  private async look(): Promise<void> {
    const marks = await Promise.all(namesOf(this.options.files).map(mark));
    if (!this.stopped && marks.join(' ') !== this.marks) this.reload();
  }
}

/** An expired one is used all the same: whether to accept it is the clients' decision. */
export function tellCertificate(
  log: Log,
  { subject, validTo }: TlsPair,
  event: 'certificate.loaded' | 'certificate.renewed',
): void {
  const told = { subject, validTo: validTo.toISOString() };
  log.tell(event, told);
  if (validTo.getTime() < Date.now()) log.tell('certificate.expired', told);
}

function renewal(renew: () => void): string | null {
  try {
    renew();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function namesOf({ tlsCert, tlsKey, tlsPassphraseFile }: TlsFiles): string[] {
  return [tlsCert, tlsKey, tlsPassphraseFile].filter((file) => file !== '');
}

/** Changes with every change of a file, also where another was put into its place. */
function markOf({ ino, size, mtimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint }): string {
  return `${ino}/${size}/${mtimeNs}`;
}

function markNow(file: string): string {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? 'absent' : markOf(found);
}

function mark(file: string): Promise<string> {
  return stat(file, { bigint: true }).then(markOf, () => 'absent');
}
