// Owns running the doctor's checks: which groups, each check with its time, and findings in the order of the catalogue. The command
// calls it. Invariant: every check that was asked for has a finding, whatever it does; no finding holds a secret or a control character.

import { createServer } from '../gateway/uws.ts';
import type { Setting } from '../settings/setting.ts';
import { type Configuration, SETTINGS, type Settings } from '../settings/settings.ts';
import { messageOf } from './complaint.ts';
import { CHECK_IDS, type CheckId, type GroupName, groupOf } from './doctor-catalogue.ts';
import { clockChecks } from './doctor-clock.ts';
import { type ConfigFile, filesChecks } from './doctor-files.ts';
import { kernelChecks, limitsChecks, memoryChecks } from './doctor-limits.ts';
import { readMachine } from './doctor-machine.ts';
import { nodeChecks } from './doctor-node.ts';
import { portsChecks } from './doctor-ports.ts';
import { redisChecks } from './doctor-redis.ts';
import { judgeValid, settingsChecks, UNSETTLED } from './doctor-settings.ts';
import { type ChecksOf, type Finding, type Judged, skipped } from './doctor-verdict.ts';
import { aborted } from './interrupt.ts';

/** A check that says nothing by then is left to itself; Redis with its steps is the longest. */
const CHECK_MS_MAX = 10_000;
const FOUND_CHARACTERS_MAX = 1_000;
/** Shorter ones would be found in any text. */
const SECRET_CHARACTERS_MIN = 4;

export interface Subject {
  /** Null: they can't work, and `faults` says why. */
  readonly configuration: Configuration | null;
  readonly faults: readonly string[];
  /** As the flag names it; null where there is none, or nobody knows. */
  readonly configPath: string | null;
  /** A gateway is expected to run already. */
  readonly running: boolean;
}

/** @param signal ends all that is under way. */
export async function examine(subject: Subject, groups: readonly GroupName[], signal: AbortSignal): Promise<Finding[]> {
  const over = new AbortController();
  const checks = checksOf(subject, AbortSignal.any([signal, over.signal]));
  const secrets = subject.configuration === null ? [] : secretsOf(subject.configuration.settings);
  const asked = CHECK_IDS.filter((id) => groups.includes(groupOf(id)));
  // One listener for all of them.
  const interrupted = aborted(signal).then(() => skipped('It was interrupted.'));
  try {
    const findings = asked.map(async (id) => {
      const check = checks[id];
      const judged = check === undefined ? UNSETTLED : await inTime(check, interrupted);
      return [judged].flat().map(({ verdict, found, remedy }) => ({
        ...{ id, verdict, found: shown(found, secrets) },
        remedy: remedy === null ? null : shown(remedy, secrets),
      }));
    });
    return (await Promise.all(findings)).flat();
  } finally {
    over.abort();
  }
}

type Checks = { readonly [Id in CheckId]?: () => Judged | Promise<Judged> };

function checksOf({ configuration, faults, configPath, running }: Subject, signal: AbortSignal): Checks {
  const always = {
    ...nodeChecks(listenBriefly),
    ...clockChecks(signal),
    'settings.valid': () => judgeValid(faults, configuration?.warnings ?? []),
  };
  if (configuration === null) return always;
  const { settings } = configuration;
  const machine = readMachine();
  const whole: ChecksOf<GroupName> = {
    ...always,
    ...limitsChecks(settings, machine),
    ...kernelChecks(settings, machine),
    ...memoryChecks(settings, running, machine),
    ...redisChecks(settings, running, signal),
    ...portsChecks(settings, running, signal),
    ...filesChecks(settings, configFileOf(configuration, configPath)),
    ...settingsChecks(settings),
  };
  return whole;
}

/** @throws Error where uWebSockets.js does not listen. */
function listenBriefly(): void {
  const server = createServer({ streams: [], http: async () => ({ status: 404, body: '' }), bodyBytesMax: 1 });
  try {
    server.listen('127.0.0.1', 0);
  } finally {
    server.close();
  }
}

async function inTime(check: () => Judged | Promise<Judged>, interrupted: Promise<Judged>): Promise<Judged> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Judged>((resolve) => {
    timer = setTimeout(() => resolve(skipped(`It said nothing within ${CHECK_MS_MAX / 1_000} s.`)), CHECK_MS_MAX);
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late, interrupted]);
  } catch (error) {
    return skipped(`It could not be looked at: ${messageOf(error)}.`);
  } finally {
    clearTimeout(timer);
  }
}

/** Where no flag names the file, the settings that come from it do. */
function configFileOf({ origins }: Configuration, named: string | null): ConfigFile | null {
  const fromFile = Object.entries(origins).flatMap(([name, origin]) =>
    origin.from === 'file' ? [{ name: name as keyof Settings, path: origin.place.replace(/:\d+$/, '') }] : [],
  );
  const path = named ?? fromFile[0]?.path;
  if (path === undefined) return null;
  const holding = fromFile.filter(({ name }) => (SETTINGS[name] as Setting).secret === true);
  return { path, secrets: holding.map(({ name }) => name) };
}

function secretsOf({ redisUrl, adminToken, publishToken, resumeKeys }: Settings): string[] {
  const password = URL.canParse(redisUrl) ? new URL(redisUrl).password : '';
  return [password, decoded(password), adminToken, publishToken, ...resumeKeys.split(',')].filter(
    (secret) => secret.length >= SECRET_CHARACTERS_MIN,
  );
}

/** As it is meant; what can't be decoded stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What others have answered stands in it as well. */
function shown(found: string, secrets: readonly string[]): string {
  const plain = found.replace(/\p{Cc}+/gu, ' ').slice(0, FOUND_CHARACTERS_MAX);
  return secrets.reduce((text, secret) => text.replaceAll(secret, '***'), plain);
}
