// Owns how settings come together from flags, environment, files of secrets and the settings file. settings.ts calls it with its
// table. Invariant: every value that was given is looked at, also one that another source goes before; no secret is repeated.

import { readFileSync, statSync } from 'node:fs';
import { nearest } from './nearest.ts';
import { faultOf, type Setting } from './setting.ts';
import { type FileReading, readSettingsFile } from './settings-file.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type Value = number | string;

/** Where a value is from; `place` is the flag, the variable, or the file with its line. */
export type Origin =
  | { readonly from: 'default' }
  | { readonly from: 'flag' | 'variable' | 'file'; readonly place: string };

export interface Gathering {
  readonly flags: Readonly<Record<string, Value | undefined>>;
  readonly environment: Environment;
  /** Of the settings file; empty for none. */
  readonly path: string;
  /** Variables that are no settings, but known. */
  readonly others: readonly string[];
}

export interface Gathered {
  readonly values: Record<string, Value>;
  readonly origins: Record<string, Origin>;
  readonly faults: string[];
  readonly warnings: string[];
}

/** A secret is a key or a list of some, or an address. */
const SECRET_BYTES_MAX = 65_536;
/** It makes no two names alike. */
const PREFIX = /^TICKWIRE_/;
const NO_FILE: FileReading = { entries: new Map(), faults: [] };

/** The value of every setting; a default stands in for one that can't be. */
export function gather(table: Readonly<Record<string, Setting>>, sources: Gathering): Gathered {
  const { environment, path } = sources;
  const file = path === '' ? NO_FILE : readSettingsFile(path, table);
  const faults = [...file.faults];
  const values: Record<string, Value> = {};
  const origins: Record<string, Origin> = {};
  for (const [name, setting] of Object.entries(table)) {
    const given = [
      ofFlag(sources.flags[name], setting),
      ofEnvironment(setting, environment, faults),
      file.entries.get(name) ?? null,
    ].filter((each) => each !== null);
    for (const { value, place } of given) {
      const fault = faultOf(setting, value);
      if (fault !== null) faults.push(`${name} (${place}) ${fault}`);
    }
    const [first] = given;
    values[name] = first?.value ?? setting.default;
    origins[name] = first === undefined ? { from: 'default' } : { from: first.from, place: first.place };
  }
  return { values, origins, faults, warnings: strangers(table, sources) };
}

/** Where a value is from, as a fault names it: one that nobody gave is given by its variable. */
export function placeOf(origin: Origin | undefined, { env }: Setting): string {
  return origin === undefined || origin.from === 'default' ? env : origin.place;
}

export interface Given {
  readonly value: Value;
  readonly from: 'flag' | 'variable' | 'file';
  readonly place: string;
}

function ofFlag(value: Value | undefined, { flag, env }: Setting): Given | null {
  return value === undefined ? null : { value, from: 'flag', place: flag ?? env };
}

function ofEnvironment(setting: Setting, environment: Environment, faults: string[]): Given | null {
  const { env, secret } = setting;
  const text = environment[env];
  const path = secret === true ? environment[`${env}_FILE`] : undefined;
  if (path !== undefined && path !== '') {
    if (text === undefined || text === '') return ofSecretFile(`${env}_FILE`, path, faults);
    faults.push(`${env} and ${env}_FILE are both set: leave out one`);
  }
  if (text === undefined || (text === '' && typeof setting.default === 'number')) return null;
  if (typeof setting.default === 'string') return { value: text, from: 'variable', place: env };
  // Nothing but digits: a space would read as 0, and 1e3 or 0x10 are hardly meant.
  if (/^-?\d+$/.test(text)) return { value: Number(text), from: 'variable', place: env };
  faults.push(`${env} is ${JSON.stringify(text.slice(0, 100))}, not a whole number`);
  return null;
}

/** Without the line break that an editor leaves at its end. */
function ofSecretFile(variable: string, path: string, faults: string[]): Given | null {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) faults.push(`${variable}: ${path} is not a file`);
    else if (stat.size > SECRET_BYTES_MAX) faults.push(`${variable}: ${path} has more than ${SECRET_BYTES_MAX} bytes`);
    else {
      const value = readFileSync(path, 'utf8').trim();
      if (value !== '') return { value, from: 'variable', place: variable };
      faults.push(`${variable}: ${path} is empty`);
    }
  } catch (error) {
    faults.push(`${variable}: ${path} can't be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`);
  }
  return null;
}

/** Variables that are nearly known: likely misspelt. */
function strangers(table: Readonly<Record<string, Setting>>, { environment, others }: Gathering): string[] {
  const settings = Object.values(table);
  const known = new Set([...others, ...settings.map(({ env }) => env)]);
  for (const { env, secret } of settings) if (secret === true) known.add(`${env}_FILE`);
  const byName = new Map([...known].map((env) => [env.replace(PREFIX, ''), env]));
  const written = Object.keys(environment).filter((name) => PREFIX.test(name) && !known.has(name));
  return written.flatMap((name) => {
    const meant = nearest(name.replace(PREFIX, ''), byName.keys());
    return meant === null ? [] : [`${name} is no setting; is ${byName.get(meant)} meant?`];
  });
}
