// Owns the settings of the two ports: where they listen, TLS, proxies, whose pages may connect. settings.ts spreads them into its
// table and runs the check. Invariant: a token is never repeated: it may be nearly the right one.

import { isLoopbackHost } from './access-settings.ts';
import { readRanges } from './ranges.ts';
import { listOf, type Report, type Setting } from './setting.ts';

export const LISTENING_SETTINGS = {
  host: {
    env: 'TICKWIRE_HOST',
    default: '127.0.0.1',
    pattern: /./,
    unfit: 'is empty',
    flag: '--host',
    about: 'Address of the public port; this machine only unless said otherwise, since anonymous clients are let in.',
  },
  port: {
    env: 'TICKWIRE_PORT',
    default: 9001,
    min: 0,
    max: 65_535,
    flag: '--port',
    about: 'Public port: WebSocket and HTTP. 0 takes any free one.',
  },
  adminPort: {
    env: 'TICKWIRE_ADMIN_PORT',
    default: 9002,
    min: 0,
    max: 65_535,
    flag: '--admin-port',
    about: 'Admin port: health, metrics, connections, draining. 0 takes any free one.',
  },
  adminHost: {
    env: 'TICKWIRE_ADMIN_HOST',
    default: '127.0.0.1',
    pattern: /./,
    unfit: 'is empty',
    about:
      'Address of the admin port. Where it is not of this machine only, all of it but /healthz and /readyz needs adminToken.',
  },
  adminToken: {
    env: 'TICKWIRE_ADMIN_TOKEN',
    default: '',
    pattern: /^[!-~]*$/,
    unfit: 'has characters other than ASCII without spaces',
    secret: true,
    live: true,
    about:
      'Who asks the admin port from elsewhere must bring it, 16 characters at least. Empty: it is open to this machine only.',
  },
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
    list: true,
    about:
      'Addresses and ranges of proxies, with commas, that are believed whom they speak for: X-Forwarded-For, PROXY protocol 2. Empty: none is.',
  },
  origins: {
    env: 'TICKWIRE_ORIGINS',
    default: '',
    list: true,
    live: true,
    about:
      "Origins whose pages may connect, as a browser states them, separated by commas: https://desk.example.com; * for all. The gateway's own pages always may. Programs, which state no origin, are not concerned.",
  },
} as const satisfies Record<string, Setting>;

type Texts = { readonly [K in Exclude<keyof typeof LISTENING_SETTINGS, 'port' | 'adminPort'>]: string };

/** Nobody guesses that many, however often he is let try. */
const ADMIN_TOKEN_MIN = 16;

/** Reports what can't work. */
export function checkListening(settings: Texts, report: Report): void {
  const ranges = readRanges(settings.trustedProxies);
  if (typeof ranges === 'string') report.add(`${report.named('trustedProxies')}: ${ranges}`);
  for (const origin of listOf(settings.origins)) {
    if (origin !== '*' && !/^https?:\/\/[^/\s]+$/.test(origin)) {
      const shown = JSON.stringify(origin.slice(0, 100));
      report.add(`${report.named('origins')} has ${shown}, not https://host or https://host:port`);
    }
  }
  checkAdmin(settings, report);
  checkTls(settings, report);
}

function checkAdmin({ adminHost, adminToken }: Texts, report: Report): void {
  const token = report.named('adminToken');
  if (adminToken !== '' && adminToken.length < ADMIN_TOKEN_MIN) {
    report.add(`${token} is shorter than ${ADMIN_TOKEN_MIN} characters; openssl rand -hex 32 makes one`);
  }
  if (adminToken === '' && adminHost !== '' && !isLoopbackHost(adminHost)) {
    const host = `${report.named('adminHost')} is ${JSON.stringify(adminHost.slice(0, 100))}`;
    report.add(`${host}, which others reach: set ${token}; openssl rand -hex 32 makes one`);
  }
}

/** Whether the files are there and fit each other is looked at when the gateway starts. */
function checkTls({ tlsCert, tlsKey, tlsPassphraseFile }: Texts, report: Report): void {
  if ((tlsCert === '') !== (tlsKey === '')) {
    report.add(`${report.named('tlsCert')} and ${report.named('tlsKey')} go together: set both or none`);
  }
  if (tlsPassphraseFile !== '' && tlsKey === '') {
    report.add(`${report.named('tlsPassphraseFile')} is set, but no ${report.named('tlsKey')}`);
  }
}
