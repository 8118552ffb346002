// Owns the limits of clients: how many there are, what each may ask for, how long the gateway waits for one. settings.ts spreads them
// into its table and runs the check. Invariant: the answer to one request that is within the limits fits the lane of answers.

import type { Report, Setting } from './setting.ts';

export const LIMIT_SETTINGS = {
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
    live: true,
    about: 'Symbols in one request: keeps the work of one message short.',
  },
  subscriptionsMax: {
    env: 'TICKWIRE_SUBSCRIPTIONS_MAX',
    default: 2_000,
    min: 1,
    max: 1_000_000,
    live: true,
    about: 'Subscriptions of one connection: bounds its memory to about a megabyte.',
  },
  requestsPerSecMax: {
    env: 'TICKWIRE_REQUESTS_PER_SEC_MAX',
    default: 100,
    min: 1,
    max: 1_000_000,
    live: true,
    about:
      "Requests a second of one client, ten seconds' worth at once; more are refused, and a client that goes on regardless is closed. A whole screen is a handful.",
  },
  connectionsMax: {
    env: 'TICKWIRE_CONNECTIONS_MAX',
    default: 100_000,
    min: 1,
    max: 10_000_000,
    live: true,
    about: 'Client connections at once. Files that the process may have open (ulimit -n) bound them as well.',
  },
  connectionsPerAddressMax: {
    env: 'TICKWIRE_CONNECTIONS_PER_ADDRESS_MAX',
    default: 1_000,
    min: 1,
    max: 10_000_000,
    live: true,
    about:
      "Client connections from one address: an office behind one router, not a botnet's worth. This machine's own addresses are not counted: a proxy here would be all clients.",
  },
  connectionsPerPrincipalMax: {
    env: 'TICKWIRE_CONNECTIONS_PER_PRINCIPAL_MAX',
    default: 1_000,
    min: 1,
    max: 10_000_000,
    live: true,
    about:
      'Client connections of one principal, where its entitlement says nothing else. Anonymous clients are not one.',
  },
  connectsPerSecMax: {
    env: 'TICKWIRE_CONNECTS_PER_SEC_MAX',
    default: 1_000,
    min: 1,
    max: 1_000_000,
    live: true,
    about:
      'Clients that are let in a second; more are told when to come back. Keeps those who are connected served while thousands come back.',
  },
  authMs: {
    env: 'TICKWIRE_AUTH_MS',
    default: 5_000,
    min: 100,
    max: 60_000,
    live: true,
    about: 'A client that has to say who it is, and has not for this long, is refused.',
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
    live: true,
    about:
      'A client that has not answered a ping for this long is closed: it is too slow even for what was cut down to its link.',
  },
  connectionBytesPerSecMax: {
    env: 'TICKWIRE_CONNECTION_BYTES_PER_SEC_MAX',
    default: 0,
    min: 0,
    max: 1_000_000_000,
    live: true,
    about: 'Bytes a second that a connection gets at most; clients may ask for less. 0: as fast as its link is.',
  },
  stallMsMax: {
    env: 'TICKWIRE_STALL_MS_MAX',
    default: 0,
    min: 0,
    max: 60_000,
    live: true,
    flag: '--demo',
    about:
      'How long a client may stall its own connection, to see it heal. 0: not at all; `serve --demo` allows 20,000.',
  },
} as const satisfies Record<string, Setting>;

/** Bytes of the answer to one symbol of a request, at most. */
const ANSWER_BYTES_MAX = 1_024;

interface Sizes {
  readonly symbolsPerRequestMax: number;
  readonly controlBytesMax: number;
}

/** Reports limits that contradict each other. */
export function checkLimits({ symbolsPerRequestMax, controlBytesMax }: Sizes, report: Report): void {
  if (symbolsPerRequestMax * ANSWER_BYTES_MAX <= controlBytesMax) return;
  report.add(
    `${report.named('controlBytesMax')} is ${controlBytesMax}, less than the answer to one request may take: ` +
      `${ANSWER_BYTES_MAX} bytes for each of ${report.named('symbolsPerRequestMax')}, ${symbolsPerRequestMax}`,
  );
}
