// Owns what a scenario takes from its environment: names, units, limits, defaults. Every scenario reads them once, when it is loaded.
// Nothing of k6 is in here. Invariant: what was read is whole and valid; all faults come in one error that says what to give instead.

export type CodecName = 'msgpack' | 'json';

export interface Parameters {
  /** Where the subscribers' WebSocket is. */
  readonly streamUrl: string;
  /** The same gateway over HTTP, without a slash at the end. */
  readonly httpUrl: string;
  /** Its admin port; empty where it is not known. */
  readonly adminUrl: string;
  readonly adminToken: string;
  /** A credential; empty: anonymous. */
  readonly token: string;
  /** What a user speaks, by its number. */
  codecOf(user: number): CodecName;
  readonly users: number;
  /** How long users stay, from when the last of them should be there. */
  readonly durationMs: number;
  /** Bound of the 99th percentile of delivery ages; 0: none. */
  readonly p99Ms: number;
  /** Share of users that keep whole books and compare checksums, 0 to 1; the sequences of all are checked. */
  readonly checksumShare: number;
  /** Times that all users drop and come back. */
  readonly rounds: number;
  /** Items a second of each publisher. */
  readonly ratePerSec: number;
  /** Share of users that are slow, 0 to 1. */
  readonly slowShare: number;
}

/** What differs from scenario to scenario. */
export interface Defaults {
  readonly users: number;
  readonly durationMs: number;
  readonly p99Ms: number;
  readonly codec?: CodecName | 'both';
  readonly rounds?: number;
  readonly ratePerSec?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const USERS_MAX = 100_000;
const DURATION_MS_MAX = 7 * 86_400_000;
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** @throws Error naming every parameter that can't work, and what to give instead. */
export function readParameters(environment: Environment, defaults: Defaults): Parameters {
  const faults: string[] = [];
  const address = addressOf(environment.URL ?? 'http://127.0.0.1:9001');
  if (address === null) {
    faults.push(`URL is ${shown(environment.URL)}: give the gateway's public address, as in ws://127.0.0.1:9001`);
  }
  const adminUrl = environment.ADMIN_URL ?? '';
  if (adminUrl !== '' && !/^https?:\/\/[^/]+\/?$/.test(adminUrl)) {
    faults.push(`ADMIN_URL is ${shown(adminUrl)}: give the gateway's admin address, as in http://127.0.0.1:9002`);
  }
  const codec = environment.CODEC ?? defaults.codec ?? 'msgpack';
  if (codec !== 'msgpack' && codec !== 'json' && codec !== 'both') {
    faults.push(`CODEC is ${shown(codec)}: give msgpack, json or both`);
  }
  const number = (name: string, preset: number, min: number, max: number, whole = true): number => {
    const text = environment[name];
    if (text === undefined || text === '') return preset;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    faults.push(`${name} is ${shown(text)}: give a ${whole ? 'whole number' : 'number'} from ${min} to ${max}`);
    return preset;
  };
  const parameters: Parameters = {
    streamUrl: `${address?.ws}/v1/stream`,
    httpUrl: `${address?.http}`,
    adminUrl: adminUrl.replace(/\/$/, ''),
    adminToken: environment.ADMIN_TOKEN ?? '',
    token: environment.TOKEN ?? '',
    codecOf: (user) => (codec === 'both' ? (user % 2 === 0 ? 'msgpack' : 'json') : (codec as CodecName)),
    users: number('VUS', defaults.users, 1, USERS_MAX),
    durationMs: durationOf(environment.DURATION, defaults.durationMs, faults),
    p99Ms: number('P99_MS', defaults.p99Ms, 0, 3_600_000),
    checksumShare: number('CHECKSUM_SHARE', 1, 0, 1, false),
    rounds: number('ROUNDS', defaults.rounds ?? 1, 1, 1_000),
    ratePerSec: number('RATE', defaults.ratePerSec ?? 1, 1, 100_000),
    slowShare: number('SLOW_SHARE', 0.2, 0, 1, false),
  };
  if (faults.length > 0)
    throw new Error(`the parameters can't work:\n${faults.map((each) => `  - ${each}`).join('\n')}`);
  return parameters;
}

/** k6's own form: 90s, 30m, 1h30m. */
function durationOf(text: string | undefined, presetMs: number, faults: string[]): number {
  if (text === undefined || text === '') return presetMs;
  const ms = /^(\d+(ms|s|m|h))+$/.test(text)
    ? [...text.matchAll(/(\d+)(ms|s|m|h)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * UNITS_MS[unit!]!, 0)
    : Number.NaN;
  if (ms >= 1_000 && ms <= DURATION_MS_MAX) return ms;
  faults.push(`DURATION is ${shown(text)}: give at least 1s, as in 30s, 10m or 1h30m`);
  return presetMs;
}

/** The gateway's address in both forms, whichever of them, and of its endpoints, was given. */
function addressOf(text: string): { readonly ws: string; readonly http: string } | null {
  const [, scheme, secure, rest] = /^(ws|http)(s?):\/\/([^/\s@]+(?:\/[^\s?#]*)?)$/.exec(text) ?? [];
  if (scheme === undefined || rest === undefined) return null;
  const place = rest.replace(/(\/v1\/stream)?\/*$/, '');
  return { ws: `ws${secure}://${place}`, http: `http${secure}://${place}` };
}

function shown(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 80));
}
