// Owns the doctor's checks of settings that work and are hardly meant: who may read and publish, what is not encrypted, times that
// contradict each other. The examination runs them. Invariant: they judge settings alone, and repeat no secret.

import { isLoopbackHost } from '../settings/access-settings.ts';
import type { Settings } from '../settings/settings.ts';
import { advice, type ChecksOf, countText, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';

/** Kubernetes gives a container 30 s to end, less what it takes to notice. */
export const DRAIN_MS_USUAL = 25_000;

type Rules = Omit<ChecksOf<'settings'>, 'settings.valid'>;

export function settingsChecks(settings: Settings): Rules {
  return {
    'settings.readers': () => judgeReaders(settings),
    'settings.publishers': () => judgePublishers(settings),
    'settings.tls': () => judgeTls(settings),
    'settings.stalls': () => judgeStalls(settings),
    'settings.tokens': () => judgeTokens(settings),
    'settings.silence': () => judgeSilence(settings),
    'settings.staleness': () => judgeStaleness(settings),
    'settings.drain': () => judgeDrain(settings),
    'settings.admin': () => judgeAdmin(settings),
    'settings.log': () => judgeLog(settings),
  };
}

type Some<Name extends keyof Settings> = Pick<Settings, Name>;
type Credentials = Some<'publishToken' | 'accessFile' | 'jwksUrl' | 'jwtKeyFile'>;

/** API keys or JWTs, which say who a reader is. */
function knowsReaders({ accessFile, jwksUrl, jwtKeyFile }: Omit<Credentials, 'publishToken'>): boolean {
  return accessFile !== '' || jwksUrl !== '' || jwtKeyFile !== '';
}

function isPublic({ host }: Some<'host'>): boolean {
  return !isLoopbackHost(host);
}

export function judgeReaders(settings: Some<'host' | 'anonymous'> & Credentials): Verdict {
  const { host, anonymous } = settings;
  const named = knowsReaders(settings);
  if (!isPublic(settings))
    return ok(`Only this machine reaches ${host}${named ? '; API keys or JWTs say who reads' : ''}.`);
  const open = anonymous === 'on';
  if (named)
    return ok(
      open
        ? 'Anybody may read what the document allows to anonymous clients.'
        : 'Only those who say who they are may read.',
    );
  const remedy = 'Set TICKWIRE_ACCESS to a document with API keys (tickwire key new), or TICKWIRE_JWKS_URL';
  if (open) {
    return warning(
      `Anybody who reaches ${host} may read everything: TICKWIRE_ANONYMOUS is on, and there are no keys.`,
      `${remedy}, where that is not meant.`,
    );
  }
  return warning(
    `Nobody can read at ${host}: no client can say who it is, and anonymous ones are not let in.`,
    `${remedy}, or TICKWIRE_ANONYMOUS=on for all.`,
  );
}

export function judgePublishers(settings: Some<'host' | 'origins' | 'trustedProxies'> & Credentials): Verdict {
  const { publishToken, trustedProxies, origins } = settings;
  if (publishToken !== '' || knowsReaders(settings)) return ok('Publishers have to say who they are.');
  const remedy =
    'Set TICKWIRE_PUBLISH_TOKEN (openssl rand -hex 32), and name the proxy in TICKWIRE_TRUSTED_PROXIES if there is one.';
  if (trustedProxies === '' && (isPublic(settings) || origins !== '')) {
    return warning(
      'Programs of this machine may publish without a token, and so may anybody behind a proxy on it that is not named and adds no X-Forwarded-For.',
      remedy,
    );
  }
  return ok('Programs of this machine may publish, nobody else.');
}

export function judgeTls(settings: Some<'host' | 'tlsCert' | 'trustedProxies'>): Verdict {
  if (settings.tlsCert !== '') return ok('The public port speaks TLS.');
  if (!isPublic(settings)) return ok('The public port is of this machine only.');
  if (settings.trustedProxies !== '') return ok('The public port speaks no TLS; proxies are named that may.');
  return warning(
    `The public port is open to others at ${settings.host} without TLS: keys and data can be read on the way.`,
    'Set TICKWIRE_TLS_CERT and TICKWIRE_TLS_KEY, or put a proxy with TLS before it and name it in TICKWIRE_TRUSTED_PROXIES.',
  );
}

export function judgeStalls(settings: Some<'host' | 'stallMsMax'>): Verdict {
  const { stallMsMax } = settings;
  if (stallMsMax === 0) return ok('No client may stall its connection.');
  const found = `Clients may have their connections stalled for ${countText(stallMsMax)} ms`;
  return isPublic(settings)
    ? warning(`${found}, strangers too.`, 'Set TICKWIRE_STALL_MS_MAX=0: it is for demonstrations.')
    : ok(`${found}.`);
}

export function judgeTokens({ resumeLifeMs, resumeRenewMs }: Some<'resumeLifeMs' | 'resumeRenewMs'>): Verdict {
  const found = `Sessions live ${countText(resumeLifeMs)} ms, tokens are renewed every ${countText(resumeRenewMs)} ms`;
  return resumeLifeMs > resumeRenewMs
    ? ok(`${found}.`)
    : warning(
        `${found}: a session may be over before its next token.`,
        `Set TICKWIRE_RESUME_LIFE_MS above TICKWIRE_RESUME_RENEW_MS, as ${5 * resumeRenewMs}.`,
      );
}

export function judgeSilence({ ageMsMax, heartbeatMs }: Some<'ageMsMax' | 'heartbeatMs'>): Verdict {
  const found = `Clients are closed after ${countText(ageMsMax)} ms without an answer, and pinged every ${countText(heartbeatMs)} ms`;
  return ageMsMax >= 2 * heartbeatMs
    ? ok(`${found}.`)
    : warning(
        `${found}: one late answer closes a client.`,
        `Set TICKWIRE_AGE_MS_MAX=${3 * heartbeatMs} at least, or TICKWIRE_HEARTBEAT_MS lower.`,
      );
}

export function judgeStaleness({
  staleAfterMs,
  sourceDownAfterMs,
}: Some<'staleAfterMs' | 'sourceDownAfterMs'>): Verdict {
  const found = `Topics are stale after ${countText(staleAfterMs)} ms, their source is down after ${countText(sourceDownAfterMs)} ms`;
  return sourceDownAfterMs > staleAfterMs
    ? ok(`${found}.`)
    : warning(`${found}: nobody is told of stale ones.`, `Set TICKWIRE_SOURCE_DOWN_AFTER_MS above ${staleAfterMs}.`);
}

export function judgeDrain({ drainMs }: Some<'drainMs'>): Verdict {
  const found = `A drain takes ${countText(drainMs)} ms`;
  const sec = Math.ceil(drainMs / 1_000) + 5;
  return drainMs <= DRAIN_MS_USUAL
    ? ok(`${found}.`)
    : advice(
        `${found}, more than most service managers wait.`,
        `Set TimeoutStopSec=${sec} or terminationGracePeriodSeconds: ${sec}, or TICKWIRE_DRAIN_MS lower.`,
      );
}

export function judgeAdmin({ adminHost, adminToken }: Some<'adminHost' | 'adminToken'>): Verdict {
  if (isLoopbackHost(adminHost)) {
    return ok(
      adminToken === ''
        ? 'Programs of this machine reach the admin port.'
        : 'The admin port is of this machine only, and wants its token.',
    );
  }
  return advice(
    `The admin port is open to others at ${adminHost}, with a token, without TLS.`,
    'Let only Prometheus and the balancer reach it: a firewall, a NetworkPolicy, or an address of an inner network.',
  );
}

export function judgeLog({ logLevel }: Some<'logLevel'>): Verdict {
  if (logLevel === 'silent') return advice('Nothing is logged.', 'Set TICKWIRE_LOG_LEVEL=info, or warn.');
  if (logLevel === 'debug' || logLevel === 'trace')
    return advice(`Much is logged: ${logLevel}.`, 'Set TICKWIRE_LOG_LEVEL=info when you have seen what you look for.');
  return ok(`The log's level is ${logLevel}.`);
}

/** Faults and warnings of the settings' own, each a line of its own. */
export function judgeValid(faults: readonly string[], warnings: readonly string[]): Verdict | readonly Verdict[] {
  const remedy = 'docs/settings.md lists every setting with its range; tickwire serve --help too.';
  if (faults.length > 0) return faults.map((found) => ({ verdict: 'failure', found, remedy }));
  if (warnings.length > 0) return warnings.map((found) => warning(found, remedy));
  return ok('They can work.');
}

/** Of what needs settings that work. */
export const UNSETTLED = skipped("The settings can't work: mend them first.");
