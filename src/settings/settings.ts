// Owns every setting and limit of the gateway: name, environment variable, unit, default and reason, in one table.
// The only file that reads the environment. Invariant: settings that were read are whole and valid; all faults come at once.

import { existsSync, readFileSync } from 'node:fs';
import { ACCESS_SETTINGS, checkAccess } from './access-settings.ts';
import { readRanges } from './ranges.ts';

/** One setting: a number unless `text` says otherwise. */
export interface Setting {
  readonly env: string;
  readonly default: number | string;
  readonly min?: number;
  readonly max?: number;
  /** What it is for, and why the default is what it is. */
  readonly about: string;
}

export const SETTINGS = {
  host: {
    env: 'TICKWIRE_HOST',
    default: '127.0.0.1',
    about: 'Address of the public port; this machine only unless said otherwise, since anonymous clients are let in.',
  },
  port: {
    env: 'TICKWIRE_PORT',
    default: 9001,
    min: 0,
    max: 65_535,
    about: 'Public port: WebSocket and HTTP. 0 takes any free one.',
  },
  adminPort: {
    env: 'TICKWIRE_ADMIN_PORT',
    default: 9002,
    min: 0,
    max: 65_535,
    about: 'Admin port, on loopback only. 0 takes any free one.',
  },
  publishToken: {
    env: 'TICKWIRE_PUBLISH_TOKEN',
    default: '',
    about: 'Who publishes must bring it. Empty: publishing is open to this machine only.',
  },
  ...ACCESS_SETTINGS,
  tlsCert: {
    env: 'TICKWIRE_TLS_CERT',
    default: '',
    about:
      'PEM file with the certificate of the public port, its chain behind it: https and wss, TLS 1.2 at least. A changed file is taken within seconds. Empty: no TLS.',
  },
  tlsKey: {
    env: 'TICKWIRE_TLS_KEY',
    default: '',
    about: "PEM file with the certificate's private key.",
  },
  tlsPassphraseFile: {
    env: 'TICKWIRE_TLS_PASSPHRASE_FILE',
    default: '',
    about: 'File with the passphrase of an encrypted key. Empty: it is not encrypted.',
  },
  trustedProxies: {
    env: 'TICKWIRE_TRUSTED_PROXIES',
    default: '',
    about:
      'Addresses and ranges of proxies, with commas, that are believed whom they speak for: X-Forwarded-For, PROXY protocol 2. Empty: none is.',
  },
  instrumentsFile: {
    env: 'TICKWIRE_INSTRUMENTS',
    default: '',
    about: 'JSON file with a list of instruments to begin with.',
  },
  logLevel: {
    env: 'TICKWIRE_LOG_LEVEL',
    default: 'info',
    about: 'How much is logged: fatal, error, warn, info, debug, trace or silent.',
  },
  requestBytesMax: {
    env: 'TICKWIRE_REQUEST_BYTES_MAX',
    default: 65_536,
    min: 1_024,
    max: 1_048_576,
    about: 'Longest message from a client: room for 500 symbols with their cursors.',
  },
  symbolsPerRequestMax: {
    env: 'TICKWIRE_SYMBOLS_PER_REQUEST_MAX',
    default: 500,
    min: 1,
    max: 65_536,
    about: 'Symbols in one request: keeps the work of one message short.',
  },
  subscriptionsMax: {
    env: 'TICKWIRE_SUBSCRIPTIONS_MAX',
    default: 2_000,
    min: 1,
    max: 1_000_000,
    about: 'Subscriptions of one connection: bounds its memory to about a megabyte.',
  },
  requestsPerSecMax: {
    env: 'TICKWIRE_REQUESTS_PER_SEC_MAX',
    default: 100,
    min: 1,
    max: 1_000_000,
    about:
      "Requests a second of one client, ten seconds' worth at once; more are refused, and a client that goes on regardless is closed. A whole screen is a handful.",
  },
  connectionsMax: {
    env: 'TICKWIRE_CONNECTIONS_MAX',
    default: 100_000,
    min: 1,
    max: 10_000_000,
    about: 'Client connections at once. Files that the process may have open (ulimit -n) bound them as well.',
  },
  connectionsPerAddressMax: {
    env: 'TICKWIRE_CONNECTIONS_PER_ADDRESS_MAX',
    default: 1_000,
    min: 1,
    max: 10_000_000,
    about:
      "Client connections from one address: an office behind one router, not a botnet's worth. This machine's own addresses are not counted: a proxy here would be all clients.",
  },
  connectionsPerPrincipalMax: {
    env: 'TICKWIRE_CONNECTIONS_PER_PRINCIPAL_MAX',
    default: 1_000,
    min: 1,
    max: 10_000_000,
    about:
      'Client connections of one principal, where its entitlement says nothing else. Anonymous clients are not one.',
  },
  connectsPerSecMax: {
    env: 'TICKWIRE_CONNECTS_PER_SEC_MAX',
    default: 1_000,
    min: 1,
    max: 1_000_000,
    about:
      'Clients that are let in a second; more are told when to come back. Keeps those who are connected served while thousands come back.',
  },
  authMs: {
    env: 'TICKWIRE_AUTH_MS',
    default: 5_000,
    min: 100,
    max: 60_000,
    about: 'A client that has to say who it is, and has not for this long, is refused.',
  },
  origins: {
    env: 'TICKWIRE_ORIGINS',
    default: '',
    about:
      "Origins whose pages may connect, as a browser states them, separated by commas: https://desk.example.com; * for all. The gateway's own pages always may. Programs, which state no origin, are not concerned.",
  },
  drainMs: {
    env: 'TICKWIRE_DRAIN_MS',
    default: 10_000,
    min: 0,
    max: 3_600_000,
    about:
      'When it is told to stop, the gateway sends its clients elsewhere over this time, evenly. 0: at once, all together.',
  },
  controlBytesMax: {
    env: 'TICKWIRE_CONTROL_BYTES_MAX',
    default: 1_048_576,
    min: 65_536,
    max: 67_108_864,
    about: 'Answers to requests that may wait for a client that does not read.',
  },
  heartbeatMs: {
    env: 'TICKWIRE_HEARTBEAT_MS',
    default: 5_000,
    min: 1_000,
    max: 60_000,
    about:
      'A link without frames for this long gets a heartbeat; at least so often every client is pinged, and one that leaves three pings unanswered so long is closed.',
  },
  ageMsMax: {
    env: 'TICKWIRE_AGE_MS_MAX',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    about:
      'A client that has not answered a ping for this long is closed: it is too slow even for what was cut down to its link.',
  },
  connectionBytesPerSecMax: {
    env: 'TICKWIRE_CONNECTION_BYTES_PER_SEC_MAX',
    default: 0,
    min: 0,
    max: 1_000_000_000,
    about: 'Bytes a second that a connection gets at most; clients may ask for less. 0: as fast as its link is.',
  },
  stallMsMax: {
    env: 'TICKWIRE_STALL_MS_MAX',
    default: 0,
    min: 0,
    max: 60_000,
    about:
      'How long a client may stall its own connection, to see it heal. 0: not at all; `serve --demo` allows 20,000.',
  },
  publishBytesMax: {
    env: 'TICKWIRE_PUBLISH_BYTES_MAX',
    default: 4_194_304,
    min: 1_024,
    max: 67_108_864,
    about: 'Longest body of a publish request: a full book of 50,000 levels.',
  },
  publishItemsMax: {
    env: 'TICKWIRE_PUBLISH_ITEMS_MAX',
    default: 1_000,
    min: 1,
    max: 100_000,
    about: 'Updates in one publish request: keeps the work of one call short.',
  },
  publishCreditsMax: {
    env: 'TICKWIRE_PUBLISH_CREDITS_MAX',
    default: 10_000,
    min: 1,
    max: 100_000,
    about: 'Updates that a publisher on a WebSocket may have unacknowledged: bounds the answers that wait for it.',
  },
  publishPerSecMax: {
    env: 'TICKWIRE_PUBLISH_PER_SEC_MAX',
    default: 1_000_000,
    min: 0,
    max: 1_000_000_000,
    about:
      "Updates a second that one principal may publish over all its connections, a second's worth at once. More than one process takes today, so that a file can be published at full speed: batches and credits already bound what waits. 0: no limit.",
  },
  instrumentsMax: {
    env: 'TICKWIRE_INSTRUMENTS_MAX',
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: 'Listed instruments: bounds the memory that publishers can take.',
  },
  tombstonesMax: {
    env: 'TICKWIRE_TOMBSTONES_MAX',
    default: 4_096,
    min: 16,
    max: 1_000_000,
    about: 'Removed levels that a book remembers: cursors older than the oldest get a snapshot.',
  },
  ringFramesMax: {
    env: 'TICKWIRE_RING_FRAMES_MAX',
    default: 1_024,
    min: 16,
    max: 1_000_000,
    about: 'Trades, or raw updates, that a topic keeps for cursors that are behind.',
  },
  logEntriesMax: {
    env: 'TICKWIRE_LOG_ENTRIES_MAX',
    default: 1_024,
    min: 16,
    max: 1_000_000,
    about: 'Updates per topic that the embedded bus keeps for its log.',
  },
  topicGraceMs: {
    env: 'TICKWIRE_TOPIC_GRACE_MS',
    default: 30_000,
    min: 0,
    max: 3_600_000,
    about: 'A topic without subscribers is kept this long: for those who come back.',
  },
  staleAfterMs: {
    env: 'TICKWIRE_STALE_AFTER_MS',
    default: 30_000,
    min: 1_000,
    max: 86_400_000,
    about: 'A topic without an update for this long is announced as stale.',
  },
  sourceDownAfterMs: {
    env: 'TICKWIRE_SOURCE_DOWN_AFTER_MS',
    default: 120_000,
    min: 1_000,
    max: 86_400_000,
    about: 'A topic without an update for this long is announced as source-down: its publisher is taken for gone.',
  },
  resumeLifeMs: {
    env: 'TICKWIRE_RESUME_LIFE_MS',
    default: 300_000,
    min: 1_000,
    max: 86_400_000,
    about: 'How long a client whose connection is over can come back to its session with its token.',
  },
  resumeRenewMs: {
    env: 'TICKWIRE_RESUME_RENEW_MS',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    about: 'How often a connected client is given a new token; only the last two are good.',
  },
  resumeSessionsMax: {
    env: 'TICKWIRE_RESUME_SESSIONS_MAX',
    default: 50_000,
    min: 1,
    max: 10_000_000,
    about:
      'Sessions of this gateway that are kept, connected or over; the one that has been over for longest goes first. Bounds their memory to about 35 megabytes, without their states.',
  },
  resumeStateBytesMax: {
    env: 'TICKWIRE_RESUME_STATE_BYTES_MAX',
    default: 65_536,
    min: 0,
    max: 1_048_576,
    about: 'Longest state of a session: one with more subscriptions comes back without them. 0: all do.',
  },
  resumeBytesMax: {
    env: 'TICKWIRE_RESUME_BYTES_MAX',
    default: 67_108_864,
    min: 0,
    max: 4_294_967_296,
    about:
      'States of all sessions of this gateway that are over, together; the one that has been over for longest goes first.',
  },
  resumeKeys: {
    env: 'TICKWIRE_RESUME_KEYS',
    default: '',
    about:
      'Keys that sign tokens, as id:secret with commas between, the secret 32 bytes or more in base64url: the first signs, all verify. To change them, add a key at the end on every gateway, then move it to the front, then take the old one away. Empty: gateways on one Redis share keys that change daily; one without has its own.',
  },
  redisUrl: {
    env: 'REDIS_URL',
    default: '',
    about:
      'Redis to share topics with other gateways: redis://host:6379, rediss:// for TLS. Empty: everything stays in this process.',
  },
  redisPrefix: {
    env: 'TICKWIRE_REDIS_PREFIX',
    default: 'tickwire',
    about:
      'What the names of all keys and channels in Redis begin with: gateways that share a Redis share it, others differ.',
  },
  plainPublish: {
    env: 'TICKWIRE_PLAIN_PUBLISH',
    default: 1,
    min: 0,
    max: 1,
    about:
      'Whether this gateway offers to take what services publish with a plain PUBLISH on Redis; one of those that offer it does. 0: no.',
  },
  publishRetryMs: {
    env: 'TICKWIRE_PUBLISH_RETRY_MS',
    default: 1_000,
    min: 0,
    max: 10_000,
    about:
      'How long an update whose answer was lost with the connection to Redis waits for the next one; after that it is refused: old ticks are never replayed.',
  },
} as const satisfies Record<string, Setting>;

type Widened<T> = T extends number ? number : string;
export type Settings = { readonly [K in keyof typeof SETTINGS]: Widened<(typeof SETTINGS)[K]['default']> };

/** All faults of a configuration together, one line each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly faults: readonly string[]) {
    super(`the settings can't work:\n${faults.map((each) => `  - ${each}`).join('\n')}`);
  }
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/**
 * Settings from the environment, with `overrides` (flags) above them and the defaults below.
 * @throws SettingsError naming every fault.
 */
export function readSettings(
  overrides: Partial<Settings> = {},
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Settings {
  const faults: string[] = [];
  const entries = Object.entries(SETTINGS).map(([name, setting]: [string, Setting]) => {
    const override = overrides[name as keyof Settings];
    return [name, override ?? readOne(setting, environment[setting.env], faults)] as const;
  });
  const settings = Object.fromEntries(entries) as unknown as Settings;
  for (const [name, setting] of Object.entries(SETTINGS) as [keyof Settings, Setting][]) {
    checkRange(name, setting, settings[name], faults);
  }
  checkTexts(settings, faults);
  checkAccess(settings, faults);
  checkRelations(settings, faults);
  if (faults.length > 0) throw new SettingsError(faults);
  return Object.freeze(settings);
}

function readOne({ env, default: preset }: Setting, text: string | undefined, faults: string[]): number | string {
  if (text === undefined || (text === '' && typeof preset === 'number')) return preset;
  if (typeof preset === 'string') return text;
  // Nothing but digits: a space would read as 0, and 1e3 or 0x10 are hardly meant.
  if (/^-?\d+$/.test(text)) return Number(text);
  faults.push(`${env} is ${JSON.stringify(text)}, not a whole number`);
  return preset;
}

function checkRange(name: string, { env, min, max }: Setting, value: number | string, faults: string[]): void {
  if (typeof value !== 'number' || min === undefined || max === undefined) return;
  if (!Number.isInteger(value) || value < min || value > max) {
    faults.push(`${name} (${env}) is ${value}, not an integer from ${min} to ${max}`);
  }
}

function checkTexts(settings: Settings, faults: string[]): void {
  const { host, logLevel, publishToken, redisUrl, redisPrefix, origins } = settings;
  // Never repeated here: it may hold a password.
  if (redisUrl !== '' && !/^rediss?:\/\/[^\s]+$/.test(redisUrl)) {
    faults.push(`redisUrl (${SETTINGS.redisUrl.env}) is not redis://host:port or rediss://host:port`);
  }
  if (!/^[A-Za-z0-9._:-]{1,64}$/.test(redisPrefix)) {
    faults.push(`redisPrefix (${SETTINGS.redisPrefix.env}) is not 1 to 64 of A-Za-z0-9._:-`);
  }
  checkResumeKeys(settings.resumeKeys, faults);
  if (host === '') faults.push(`host (${SETTINGS.host.env}) is empty`);
  if (!LOG_LEVELS.includes(logLevel)) {
    faults.push(
      `logLevel (${SETTINGS.logLevel.env}) is ${JSON.stringify(logLevel)}, not one of ${LOG_LEVELS.join(', ')}`,
    );
  }
  const ranges = readRanges(settings.trustedProxies);
  if (typeof ranges === 'string') faults.push(`trustedProxies (${SETTINGS.trustedProxies.env}): ${ranges}`);
  for (const origin of listOf(origins)) {
    if (origin !== '*' && !/^https?:\/\/[^/\s]+$/.test(origin)) {
      faults.push(
        `origins (${SETTINGS.origins.env}) has ${JSON.stringify(origin)}, not https://host or https://host:port`,
      );
    }
  }
  // What no header can carry would lock everybody out. It is not repeated here: it may be nearly the right one.
  if (!/^[!-~]*$/.test(publishToken)) {
    faults.push(`publishToken (${SETTINGS.publishToken.env}) has characters other than ASCII without spaces`);
  }
}

/** The entries of a setting that is a list. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** What is wrong is told by its place: the text holds secrets. */
function checkResumeKeys(text: string, faults: string[]): void {
  if (text === '') return;
  const name = `resumeKeys (${SETTINGS.resumeKeys.env})`;
  const ids = new Set<string>();
  for (const [i, key] of text.split(',').entries()) {
    const [, id] = /^([A-Za-z0-9_-]{1,16}):[A-Za-z0-9_-]{43,256}$/.exec(key) ?? [];
    if (id === undefined) {
      faults.push(
        `${name}: key ${i + 1} is not id:secret, the id 1 to 16 of A-Za-z0-9_-, the secret 32 bytes or more in base64url; openssl rand 32 | basenc --base64url | tr -d = makes one`,
      );
    } else if (ids.has(id)) faults.push(`${name}: two keys have the id ${JSON.stringify(id)}`);
    else ids.add(id);
  }
}

/** Bytes of the answer to one symbol of a request, at most. */
const ANSWER_BYTES_MAX = 1_024;

function checkRelations(settings: Settings, faults: string[]): void {
  checkTls(settings, faults);
  const { symbolsPerRequestMax, controlBytesMax } = settings;
  if (symbolsPerRequestMax * ANSWER_BYTES_MAX <= controlBytesMax) return;
  const { symbolsPerRequestMax: symbols, controlBytesMax: control } = SETTINGS;
  faults.push(
    `controlBytesMax (${control.env}) is ${controlBytesMax}, less than the answer to one request may take: ` +
      `${ANSWER_BYTES_MAX} bytes for each of symbolsPerRequestMax (${symbols.env}), ${symbolsPerRequestMax}`,
  );
}

/** Whether the files are there and fit each other is looked at when the gateway starts. */
function checkTls({ tlsCert, tlsKey, tlsPassphraseFile }: Settings, faults: string[]): void {
  const { tlsCert: cert, tlsKey: key, tlsPassphraseFile: passphrase } = SETTINGS;
  if ((tlsCert === '') !== (tlsKey === '')) {
    faults.push(`tlsCert (${cert.env}) and tlsKey (${key.env}) go together: set both or none`);
  }
  if (tlsPassphraseFile !== '' && tlsKey === '') {
    faults.push(`tlsPassphraseFile (${passphrase.env}) is set, but no tlsKey (${key.env})`);
  }
}

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
