// Owns the table of all settings, in which the domains' tables come together, and reads them from flags, environment and file. The
// only file that reads the environment. Invariant: settings that were read are whole and valid; all faults come at once.

import { existsSync, readFileSync } from 'node:fs';
import { ACCESS_SETTINGS, checkAccess } from './access-settings.ts';
import { BUS_SETTINGS } from './bus-settings.ts';
import { checkLimits, LIMIT_SETTINGS } from './limit-settings.ts';
import { checkListening, LISTENING_SETTINGS } from './listening-settings.ts';
import { PROCESS_SETTINGS } from './process-settings.ts';
import { PUBLISH_SETTINGS } from './publish-settings.ts';
import { checkSessions, SESSION_SETTINGS } from './session-settings.ts';
import type { Report, Setting } from './setting.ts';
import { type Environment, gather, type Origin, placeOf } from './sources.ts';
import { TOPIC_SETTINGS } from './topic-settings.ts';

export const SETTINGS = {
  ...LISTENING_SETTINGS,
  ...PROCESS_SETTINGS,
  ...ACCESS_SETTINGS,
  ...LIMIT_SETTINGS,
  ...PUBLISH_SETTINGS,
  ...TOPIC_SETTINGS,
  ...SESSION_SETTINGS,
  ...BUS_SETTINGS,
} as const satisfies Record<string, Setting>;

type Widened<T> = T extends number ? number : string;
export type Settings = { readonly [K in keyof typeof SETTINGS]: Widened<(typeof SETTINGS)[K]['default']> };
export type SettingName = keyof Settings;

/** All faults of a configuration together, one line each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly faults: readonly string[]) {
    super(`the settings can't work:\n${faults.map((each) => `  - ${each}`).join('\n')}`);
  }
}

/** Settings with where each is from. */
export interface Configuration {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** What works, but is hardly meant. */
  readonly warnings: readonly string[];
}

/** Where settings are read from: flags go before the environment, that before the file, and that before the defaults. */
export interface Sources {
  readonly flags?: Partial<Settings>;
  readonly environment?: Environment;
  /** Path of a settings file; without it TICKWIRE_CONFIG names one, or there is none. */
  readonly file?: string | undefined;
}

/**
 * Settings from all their sources.
 * @throws SettingsError naming every fault with its flag, variable or line.
 */
export function readConfiguration({ flags = {}, environment = process.env, file }: Sources = {}): Configuration {
  const path = file ?? environment.TICKWIRE_CONFIG ?? '';
  const { values, origins, faults, warnings } = gather(SETTINGS, { flags, environment, path, others: VARIABLES });
  const settings = values as unknown as Settings;
  faults.push(...contradictions(settings, origins));
  if (faults.length > 0) throw new SettingsError(faults);
  return { settings: Object.freeze(settings), origins: origins as Configuration['origins'], warnings };
}

/**
 * Settings alone, with `overrides` (flags) above all.
 * @throws SettingsError naming every fault.
 */
export function readSettings(overrides: Partial<Settings> = {}, environment: Environment = process.env): Settings {
  return readConfiguration({ flags: overrides, environment }).settings;
}

/** What can't work together, or only shows in the whole of a text. */
export function contradictions(settings: Settings, origins: Readonly<Record<string, Origin>> = {}): string[] {
  const faults: string[] = [];
  const report: Report = {
    add: (fault) => faults.push(fault),
    named: (name) => `${name} (${placeOf(origins[name], SETTINGS[name as SettingName])})`,
  };
  checkListening(settings, report);
  checkAccess(settings, report);
  checkLimits(settings, report);
  checkSessions(settings, report);
  return faults;
}

/** What else is read from the environment, by this file. */
const VARIABLES = ['TICKWIRE_CONFIG', 'TICKWIRE_CAPTURES', 'TICKWIRE_URL', 'TICKWIRE_CREDENTIAL'];

/** Version of this package, from the nearest package.json of its name: the build, the sources and bundles lie at different depths. */
export function packageVersion(): string {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const file = new URL('package.json', folder);
    if (existsSync(file)) {
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === 'tickwire' && version !== undefined) return version;
    }
    if (folder.pathname === '/') return 'unknown';
  }
}

/** Where captures of real exchange traffic are looked for. */
export function capturesFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment.TICKWIRE_CAPTURES ?? '../shared/captures';
}

/** Where `watch` and `instruments` look for a gateway that they are not told of: TICKWIRE_URL, else this machine's. */
export function gatewayUrl(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const { port } = SETTINGS;
  return environment.TICKWIRE_URL || `http://127.0.0.1:${environment[port.env] || port.default}`;
}

/** What commands show a gateway to say who they are: TICKWIRE_CREDENTIAL, else the publish token; empty for nothing. */
export function gatewayCredential(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment.TICKWIRE_CREDENTIAL || environment[SETTINGS.publishToken.env] || '';
}

/** What the terminal can do. `color` is off where NO_COLOR (https://no-color.org) is set, `screen` where TERM is dumb. */
export function terminalSettings(environment: Readonly<Record<string, string | undefined>> = process.env): {
  color: boolean;
  screen: boolean;
} {
  const dumb = environment.TERM === 'dumb';
  return { color: !environment.NO_COLOR && !dumb, screen: !dumb };
}
