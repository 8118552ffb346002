// Owns the settings that say who may come in: their part of the table, and which of them contradict each other.
// settings.ts spreads them into its table and runs the check. Invariant: nothing that is complained of is repeated where it
// could be a secret.

import { listOf, type Report, type Setting } from './setting.ts';

export const ACCESS_SETTINGS = {
  accessFile: {
    env: 'TICKWIRE_ACCESS',
    default: '',
    about:
      'JSON file with the roles, the API keys and what anonymous clients may (docs/access.md); read again when it changes. Empty: no keys.',
  },
  anonymous: {
    env: 'TICKWIRE_ANONYMOUS',
    default: 'auto',
    choices: ['auto', 'on', 'off'],
    about:
      'Whether clients that do not say who they are come in: on, off, or auto, which is on where host is this machine only.',
  },
  jwtIssuer: {
    env: 'TICKWIRE_JWT_ISSUER',
    default: '',
    about: 'Whose JWTs are taken: their claim iss, to the letter. Empty: none are.',
  },
  jwtAudience: {
    env: 'TICKWIRE_JWT_AUDIENCE',
    default: '',
    about:
      'Whom a JWT must be meant for: what its claim aud is or holds, so that one for another service is not good here.',
  },
  jwtAlgorithms: {
    env: 'TICKWIRE_JWT_ALGORITHMS',
    default: 'ES256,RS256,EdDSA',
    list: true,
    about:
      'How a JWT may be signed, with commas; HS256, HS384 and HS512 by themselves and with a secret in jwtKeyFile.',
  },
  jwksUrl: {
    env: 'TICKWIRE_JWKS_URL',
    default: '',
    secret: true,
    about:
      "Address of the issuer's public keys (a JWK set), https, or http on this machine; followed when they rotate.",
  },
  jwtKeyFile: {
    env: 'TICKWIRE_JWT_KEY_FILE',
    default: '',
    about:
      "File with the issuer's public key instead: PEM, JWK or JWK set; or the secret of the HS algorithms. Read again when it changes.",
  },
  jwtLeewaySec: {
    env: 'TICKWIRE_JWT_LEEWAY_SEC',
    default: 30,
    min: 0,
    max: 300,
    about: "By how much the issuer's clock may differ from ours before a JWT counts as expired or not yet valid.",
  },
} as const satisfies Record<string, Setting>;

type Texts = { readonly [K in Exclude<keyof typeof ACCESS_SETTINGS, 'jwtLeewaySec'>]: string };

const PUBLIC_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
  'Ed25519',
];
const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'];
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

/** Whether only programs on this machine reach what listens there. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_HOST.test(host);
}

/** The algorithms that a list names, each once. */
export function algorithmsOf(list: string): string[] {
  return [...new Set(listOf(list))];
}

/** Whether it signs and verifies with one and the same secret. */
export function isSecretAlgorithm(name: string): boolean {
  return SECRET_ALGORITHMS.includes(name);
}

/** Reports what can't work. */
export function checkAccess(settings: Texts & { readonly publishToken: string }, report: Report): void {
  const named = (name: keyof typeof ACCESS_SETTINGS): string => report.named(name);
  const { anonymous, accessFile, publishToken, jwksUrl, jwtKeyFile, jwtIssuer, jwtAudience } = settings;
  const takesTokens = jwksUrl !== '' || jwtKeyFile !== '';
  if (anonymous === 'off' && accessFile === '' && publishToken === '' && !takesTokens) {
    report.add(
      `${named('anonymous')} is off, and nobody could say who he is: set ${named('accessFile')} or ${named('jwksUrl')}`,
    );
  }
  if (jwksUrl !== '' && jwtKeyFile !== '')
    report.add(`${named('jwksUrl')} and ${named('jwtKeyFile')} are both set: leave out one`);
  for (const name of ['jwtIssuer', 'jwtAudience'] as const) {
    const given = settings[name] !== '';
    if (takesTokens && !given) report.add(`${named(name)} is empty: with keys for JWTs it must say which are taken`);
    // Said once, of the first.
    if (!takesTokens && given && (name === 'jwtIssuer' || jwtIssuer === '')) {
      report.add(`${named(name)} is set, but no key to verify with: set ${named('jwksUrl')} or ${named('jwtKeyFile')}`);
    }
  }
  if (jwtIssuer.length > 1_000 || jwtAudience.length > 1_000) {
    report.add(`${named('jwtIssuer')} and ${named('jwtAudience')} are at most 1000 characters`);
  }
  checkUrl(jwksUrl, report);
  checkAlgorithms(settings, report);
}

/** The address is not repeated: it may hold a key of the issuer's. */
function checkUrl(jwksUrl: string, report: Report): void {
  if (jwksUrl === '') return;
  const url = URL.canParse(jwksUrl) ? new URL(jwksUrl) : null;
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url === null || !safe || url.username !== '' || url.password !== '') {
    report.add(`${report.named('jwksUrl')} is not https://host/path, or http:// on this machine, without a user`);
  }
}

function checkAlgorithms({ jwtAlgorithms, jwksUrl, jwtKeyFile }: Texts, report: Report): void {
  const names = algorithmsOf(jwtAlgorithms);
  const place = report.named('jwtAlgorithms');
  const unknown = names.filter((name) => !PUBLIC_ALGORITHMS.includes(name) && !isSecretAlgorithm(name));
  if (unknown.length > 0 || names.length === 0) {
    const known = [...PUBLIC_ALGORITHMS, ...SECRET_ALGORITHMS].join(', ');
    report.add(`${place} is ${JSON.stringify(jwtAlgorithms.slice(0, 100))}, not some of ${known}`);
  }
  const secret = names.filter(isSecretAlgorithm);
  if (secret.length === 0) return;
  if (secret.length < names.length) {
    // Whoever has the public key could sign with it as if it were the secret.
    report.add(`${place} holds algorithms with a secret and with public keys: choose one kind`);
  }
  if (jwksUrl !== '' || jwtKeyFile === '') {
    report.add(
      `${place} holds ${secret.join(', ')}, which needs a secret in ${report.named('jwtKeyFile')}, and no ${report.named('jwksUrl')}`,
    );
  }
}
