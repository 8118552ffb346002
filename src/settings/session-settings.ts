// Owns the settings of sessions that clients come back to. settings.ts spreads them into its table and runs the check.
// Invariant: what is wrong with a key is told by its place: the text holds secrets.

import type { Report, Setting } from './setting.ts';

export const SESSION_SETTINGS = {
  resumeLifeMs: {
    env: 'TICKWIRE_RESUME_LIFE_MS',
    default: 300_000,
    min: 1_000,
    max: 86_400_000,
    live: true,
    about: 'How long a client whose connection is over can come back to its session with its token.',
  },
  resumeRenewMs: {
    env: 'TICKWIRE_RESUME_RENEW_MS',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    live: true,
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
    list: true,
    secret: true,
    about:
      'Keys that sign tokens, as id:secret with commas between, the secret 32 bytes or more in base64url: the first signs, all verify. To change them, add a key at the end on every gateway, then move it to the front, then take the old one away. Empty: gateways on one Redis share keys that change daily; one without has its own.',
  },
} as const satisfies Record<string, Setting>;

/** Reports keys that are none. */
export function checkSessions({ resumeKeys }: { readonly resumeKeys: string }, report: Report): void {
  if (resumeKeys === '') return;
  const name = report.named('resumeKeys');
  const ids = new Set<string>();
  for (const [i, key] of resumeKeys.split(',').entries()) {
    const [, id] = /^([A-Za-z0-9_-]{1,16}):[A-Za-z0-9_-]{43,256}$/.exec(key) ?? [];
    if (id === undefined) {
      report.add(
        `${name}: key ${i + 1} is not id:secret, the id 1 to 16 of A-Za-z0-9_-, the secret 32 bytes or more in base64url; openssl rand 32 | basenc --base64url | tr -d = makes one`,
      );
    } else if (ids.has(id)) report.add(`${name}: two keys have the id ${JSON.stringify(id)}`);
    else ids.add(id);
  }
}
