// Owns starting a gateway inside a command: settings, log, instruments file, and what to say when it can't start.
// `serve` and `replay` call it. Invariant: a gateway that is returned listens and has all instruments of its file.

import { pino } from 'pino';
import { Gateway } from '../gateway/gateway.ts';
import { readSettings, type Settings } from '../settings/settings.ts';
import { Complaint, ExitCode, messageOf } from './complaint.ts';
import { readInstrumentFile } from './instrument-file.ts';

/** Flags that stand for settings; absent ones leave it to the environment. */
export interface GatewayFlags {
  readonly host?: string;
  readonly port?: number;
  readonly adminPort?: number;
  readonly instruments?: string;
  /** Empty: none, whatever the environment says. A replay is no business of gateways that share a Redis. */
  readonly redis?: string;
  /** A synthetic market runs in it, so that clients may play with their connections. */
  readonly demo?: boolean;
}

/** Long enough to see a client fall behind and heal. */
const DEMO_STALL_MS_MAX = 20_000;

export interface Hosted {
  readonly gateway: Gateway;
  readonly logger: pino.Logger;
}

/** @throws SettingsError naming what can't work. */
export function settingsWith({ host, port, adminPort, instruments, redis, demo }: GatewayFlags): Settings {
  const stallMsMax = demo === true ? DEMO_STALL_MS_MAX : undefined;
  const given = Object.entries({ host, port, adminPort, instrumentsFile: instruments, redisUrl: redis, stallMsMax });
  return readSettings(Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Partial<Settings>);
}

/** @throws Complaint saying why it can't start. */
export function startGateway(settings: Settings): Hosted {
  if (settings.port === settings.adminPort && settings.port !== 0) {
    throw new Complaint(
      `the public and the admin port are both ${settings.port}: give another with --admin-port (TICKWIRE_ADMIN_PORT)`,
      ExitCode.misused,
    );
  }
  const logger = openLog(settings.logLevel);
  const listed = settings.instrumentsFile === '' ? [] : readInstrumentFile(settings.instrumentsFile);
  const gateway = new Gateway(settings, logger);
  for (const instrument of listed) gateway.instruments.put(instrument);
  try {
    gateway.start();
  } catch (error) {
    gateway.stop();
    throw new Complaint(whyNotListening(error, settings));
  }
  return { gateway, logger };
}

/** JSON lines on stderr: stdout belongs to what a command is asked for. */
function openLog(level: string): pino.Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, pino.destination({ fd: 2, sync: true }));
}

function whyNotListening(error: unknown, { adminPort }: Settings): string {
  const message = messageOf(error);
  const [flag, variable] = message.startsWith(`127.0.0.1:${adminPort} `)
    ? ['--admin-port', 'TICKWIRE_ADMIN_PORT']
    : ['--port', 'TICKWIRE_PORT'];
  return `${message}: give another with ${flag} (${variable}), 0 for any free one, or end what listens there`;
}
