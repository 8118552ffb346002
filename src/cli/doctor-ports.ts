// Owns the doctor's checks of the two ports: whether their addresses are this machine's, and whether they are free or held by a
// gateway that runs. The examination runs them. Invariant: a port is held for a moment at most, and nobody is let in meanwhile.

import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Settings } from '../settings/settings.ts';
import { messageOf } from './complaint.ts';
import { askJson, askText } from './doctor-asking.ts';
import { type ChecksOf, failure, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';

const PRIVILEGED_MAX = 1_023;

/** The settings of one port. */
export interface PortNames {
  readonly host: 'host' | 'adminHost';
  readonly variable: string;
  readonly flag: string;
}
const PUBLIC: PortNames = { host: 'host', variable: 'TICKWIRE_PORT', flag: '--port' };
const ADMIN: PortNames = { host: 'adminHost', variable: 'TICKWIRE_ADMIN_PORT', flag: '--admin-port' };

/** Who listens on a port that is not free. */
export interface Holder {
  readonly gateway: boolean;
  /** Null: it does not say. */
  readonly version: string | null;
  /** Why it is not ready; null: it is, or does not say. */
  readonly unready: string | null;
}

export interface PortReading {
  readonly host: string;
  readonly port: number;
  /** `free`, or the system's code for what it is instead. */
  readonly state: string;
  /** Of a port that is in use. */
  readonly holder: Holder | null;
}

export function portsChecks(settings: Settings, running: boolean, signal: AbortSignal): ChecksOf<'ports'> {
  const { host, port, adminHost, adminPort } = settings;
  return {
    'ports.host': async () => judgeHost(host, PUBLIC, await addressesOf(host)),
    'ports.public': async () => {
      const holder = (): Promise<Holder> => publicHolder(settings, signal);
      return judgePort(await readPort(host, port, holder), PUBLIC, running);
    },
    'ports.admin-host': async () => judgeHost(adminHost, ADMIN, await addressesOf(adminHost)),
    'ports.admin': async () => {
      if (port === adminPort && port !== 0) return judgeSame(port);
      const holder = (): Promise<Holder> => adminHolder(settings, signal);
      return judgePort(await readPort(adminHost, adminPort, holder), ADMIN, running);
    },
  };
}

/** @param found the addresses that a host stands for, or why there are none; with them those of this machine. */
export function judgeHost(
  host: string,
  { variable }: PortNames,
  found: { readonly addresses: readonly string[] | string; readonly own: readonly string[] },
): Verdict {
  const name = `${variable.replace('PORT', 'HOST')}`;
  if (host === '0.0.0.0' || host === '::') return ok(`${host} is every address of this machine.`);
  const { addresses, own } = found;
  const remedy = `Set ${name} to one of ${own.join(', ')}, or to 0.0.0.0 for all.`;
  if (typeof addresses === 'string') return failure(`The host ${host} is not known: ${addresses}.`, remedy);
  if (!addresses.some((address) => own.includes(address) || isLoopbackAddress(address))) {
    return failure(`${host} is ${addresses.join(', ')}, which is no address of this machine.`, remedy);
  }
  return ok(`${host} is an address of this machine.`);
}

function judgeSame(port: number): Verdict {
  return failure(
    `The public and the admin port are both ${port}.`,
    'Give another with --admin-port (TICKWIRE_ADMIN_PORT).',
  );
}

/** @param running whether the gateway is expected to run already. */
export function judgePort(
  { host, port, state, holder }: PortReading,
  { variable, flag }: PortNames,
  running: boolean,
): Verdict {
  const place = `${host}:${port}`;
  if (port === 0) return ok('Any free port is taken.');
  if (state === 'EADDRNOTAVAIL') return skipped(`${host} is no address of this machine.`);
  if (state === 'EACCES') {
    const remedy =
      port <= PRIVILEGED_MAX
        ? `Give the process CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit), or a port above ${PRIVILEGED_MAX} with ${flag} (${variable}).`
        : `Give another with ${flag} (${variable}): the system keeps this one.`;
    return failure(`This user may not listen at ${place}.`, remedy);
  }
  if (state === 'free') {
    return running
      ? failure(
          `Nothing listens at ${place}, and a gateway should.`,
          `Start it, or name its port with ${flag} (${variable}).`,
        )
      : ok(`${place} is free.`);
  }
  if (state !== 'EADDRINUSE')
    return failure(`${place} can't be listened at: ${state}.`, `Give another with ${flag} (${variable}).`);
  if (holder?.gateway !== true) {
    return failure(
      `${place} is taken by another program.`,
      `End it (\`ss -ltnp sport = :${port}\` names it), or give another port with ${flag} (${variable}).`,
    );
  }
  const who = `A gateway${holder.version === null ? '' : ` of version ${holder.version}`} runs at ${place}`;
  if (!running) {
    return failure(
      `${who}: a second one can't start there.`,
      `Where it is the one that is meant, add --running; else give another port with ${flag} (${variable}).`,
    );
  }
  if (holder.unready === null) return ok(`${who}.`);
  return warning(`${who}, and is not ready: ${holder.unready}.`, 'Mend that; until then balancers send it nobody.');
}

async function addressesOf(host: string): Promise<{ addresses: readonly string[] | string; own: readonly string[] }> {
  const own = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) return { addresses: [bare], own };
  try {
    return { addresses: (await lookup(bare, { all: true })).map(({ address }) => address), own };
  } catch (error) {
    return { addresses: messageOf(error), own };
  }
}

/** All of 127.0.0.0/8 is this machine's, though only one of it is listed. */
function isLoopbackAddress(address: string): boolean {
  return /^127\.|^::1$/.test(address);
}

async function readPort(host: string, port: number, holderOf: () => Promise<Holder>): Promise<PortReading> {
  const state = port === 0 ? 'free' : await tryPort(host, port);
  return { host, port, state, holder: state === 'EADDRINUSE' ? await holderOf() : null };
}

async function tryPort(host: string, port: number): Promise<string> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen({ host: host.replace(/^\[|\]$/g, ''), port, exclusive: true });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return 'free';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? messageOf(error);
  }
}

async function publicHolder({ host, port, tlsCert }: Settings, signal: AbortSignal): Promise<Holder> {
  const scheme = tlsCert === '' ? 'http' : 'https';
  const time = await askJson(`${scheme}://${reachable(host)}:${port}/v1/time`, signal);
  return { gateway: typeof time?.timeUs === 'number', version: null, unready: null };
}

async function adminHolder({ adminHost, adminPort, adminToken }: Settings, signal: AbortSignal): Promise<Holder> {
  const url = `http://${reachable(adminHost)}:${adminPort}`;
  const [health, readiness, metrics] = await Promise.all([
    askJson(`${url}/healthz`, signal),
    askJson(`${url}/readyz`, signal),
    askText(`${url}/metrics`, signal, adminToken),
  ]);
  const unready = readiness?.ready === false ? String(readiness.reason ?? 'it does not say why') : null;
  const version = /^tickwire_build_info\{[^}]*\bversion="([^"]{1,40})"/m.exec(metrics ?? '')?.[1] ?? null;
  return { gateway: health?.status === 'ok' && typeof readiness?.ready === 'boolean', version, unready };
}

/** Where a program of this machine asks. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIP(host) === 6 ? `[${host}]` : host;
}
