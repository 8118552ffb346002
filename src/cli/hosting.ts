// Owns starting a gateway inside a command: settings, log, instruments file, and what to say when it can't start.
// `serve` and `replay` call it. Invariant: a gateway that is returned listens and has all instruments of its file.

import { randomBytes } from 'node:crypto';
import { Gateway } from '../gateway/gateway.ts';
import { openLogger } from '../gateway/log.ts';
import { Metrics } from '../insight/metrics.ts';
import type { Log } from '../ports/log-events.ts';
import { type Configuration, packageVersion, readConfiguration, type Settings } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { readInstrumentFile } from './instrument-file.ts';

/** Flags that stand for settings; absent ones leave it to the environment. */
export interface GatewayFlags {
  readonly host?: string;
  readonly port?: number;
  readonly adminPort?: number;
  readonly instruments?: string;
  /** Path of a settings file. */
  readonly config?: string;
  /** Empty: none, whatever the environment says. A replay is no business of gateways that share a Redis. */
  readonly redis?: string;
  /** A synthetic market runs in it, so that clients may play with their connections. */
  readonly demo?: boolean;
}

const NODE_ID_BYTES = 4;
/** Long enough to see a client fall behind and heal. */
const DEMO_STALL_MS_MAX = 20_000;

export interface Hosted {
  readonly gateway: Gateway;
  readonly log: Log;
}

/** @throws SettingsError naming what can't work. */
export function configurationWith(flags: GatewayFlags): Configuration {
  const { host, port, adminPort, instruments, redis, demo, config } = flags;
  const stallMsMax = demo === true ? DEMO_STALL_MS_MAX : undefined;
  const given = Object.entries({ host, port, adminPort, instrumentsFile: instruments, redisUrl: redis, stallMsMax });
  return readConfiguration({
    flags: Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    file: config,
  });
}

/** @throws SettingsError or Complaint saying why it can't start. */
export function startWith(flags: GatewayFlags): Hosted {
  const { settings, warnings } = configurationWith(flags);
  const hosted = startGateway(settings);
  for (const reason of warnings) hosted.log.tell('settings.doubt', { reason });
  return hosted;
}

/** @throws Complaint saying why it can't start. */
export function startGateway(settings: Settings): Hosted {
  if (settings.port === settings.adminPort && settings.port !== 0) {
    throw new Complaint(
      `the public and the admin port are both ${settings.port}: give another with --admin-port (TICKWIRE_ADMIN_PORT)`,
      ExitCode.misused,
    );
  }
  const logger = openLogger(settings.logLevel, {
    version: packageVersion(),
    nodeId: randomBytes(NODE_ID_BYTES).toString('hex'),
  });
  const listed = settings.instrumentsFile === '' ? [] : readInstrumentFile(settings.instrumentsFile);
  const gateway = new Gateway(settings, logger);
  gateway.admin.add(new Metrics(() => gateway.figures).route);
  for (const instrument of listed) gateway.instruments.put(instrument);
  try {
    gateway.start();
  } catch (error) {
    gateway.stop();
    throw new Complaint(whyNotListening(error, settings));
  }
  return { gateway, log: gateway.log };
}

function whyNotListening(error: unknown, { adminHost, adminPort }: Settings): string {
  const message = messageOf(error);
  const [flag, variable] = message.startsWith(`${adminHost}:${adminPort} `)
    ? ['--admin-port', 'TICKWIRE_ADMIN_PORT']
    : ['--port', 'TICKWIRE_PORT'];
  return `${message}: give another with ${flag} (${variable}), 0 for any free one, or end what listens there`;
}
