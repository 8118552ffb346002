// Owns the doctor's checks of what the system allows: open files, the kernel's network settings, memory and processor. The
// examination runs them. Invariant: a judgement is a pure function of figures; null is a figure that this system does not tell.

import { isLoopbackHost } from '../settings/access-settings.ts';
import { readRanges } from '../settings/ranges.ts';
import type { Settings } from '../settings/settings.ts';
import { type Machine, readMachine } from './doctor-machine.ts';
import { advice, bytesText, type ChecksOf, countText, ok, skipped, type Verdict, warning } from './doctor-verdict.ts';

/** Files of the gateway besides its clients': modules, logs, Redis, the admin port and who asks there. */
export const FILES_APART = 100;
/** As many as uWebSockets.js lets wait. */
export const BACKLOG = 512;
export const HANDSHAKES_MIN = 1_024;
export const LOCAL_PORTS_MIN = 10_000;
/** A page of the kernel's for each connection that has bytes under way. */
export const SOCKET_BYTES = 4_096;
/** Resident: 3.3 KB measured of one that is idle (docs/benchmarks.md), and a dozen subscriptions of 0.34 KB. */
export const CONNECTION_BYTES = 8_192;
/** Of these in V8's heap. */
export const CONNECTION_HEAP_BYTES = 6_144;
export const PROCESS_BYTES = 150 * 2 ** 20;
export const PROCESS_HEAP_BYTES = 60 * 2 ** 20;
/** Of a container's limit: the rest is buffers and code, outside of the heap. */
export const HEAP_SHARE_MAX = 0.85;

export type Sized = Pick<Settings, 'connectionsMax'>;
type Told<Name extends keyof Machine> = Pick<Machine, Name>;

export function limitsChecks(settings: Settings, machine: Machine = readMachine()): ChecksOf<'limits'> {
  return {
    'limits.files': () => judgeFiles(machine, settings),
    'limits.system': () => judgeFileMax(machine, settings),
    'limits.ceiling': () => judgeNrOpen(machine, settings),
  };
}

export function kernelChecks(settings: Settings, machine: Machine = readMachine()): ChecksOf<'kernel'> {
  const redisHere = isRedisHere(settings);
  return {
    'kernel.backlog': () => judgeBacklog(machine),
    'kernel.handshakes': () => judgeHandshakes(machine),
    'kernel.ports': () => judgePorts(machine, settings),
    'kernel.sockets': () => judgeSockets(machine, settings),
    'kernel.overcommit': () => judgeOvercommit(machine, redisHere),
    'kernel.hugepages': () => judgeHugePages(machine, redisHere),
  };
}

export function memoryChecks(
  settings: Settings,
  running: boolean,
  machine: Machine = readMachine(),
): ChecksOf<'memory'> {
  return {
    'memory.room': () => judgeRoom(machine, settings, running),
    'memory.heap': () => judgeHeap(machine, settings),
    'memory.processor': () => judgeProcessor(machine),
  };
}

function isRedisHere({ redisUrl }: Pick<Settings, 'redisUrl'>): boolean {
  return URL.canParse(redisUrl) && isLoopbackHost(new URL(redisUrl).hostname);
}

/** Node raises its soft limit to the hard one when it starts, so that this is what `serve` has. */
export function judgeFiles({ files }: Told<'files'>, { connectionsMax }: Sized): Verdict {
  if (files === null) return skipped('This system does not tell how many files may be open.');
  const needed = connectionsMax + FILES_APART;
  const found = `Open files: ${countText(files.soft)} at most (hard limit ${countText(files.hard)})`;
  if (files.soft >= needed) return ok(`${found}; ${countText(needed)} are needed.`);
  const room = Math.max(1, files.soft - FILES_APART);
  return warning(
    `${found}, room for ${countText(room)} of the ${countText(connectionsMax)} clients of connectionsMax.`,
    `Raise it (\`ulimit -n ${needed}\`, LimitNOFILE=${needed} in a systemd unit, --ulimit nofile=${needed} for docker), or set TICKWIRE_CONNECTIONS_MAX=${room}.`,
  );
}

export function judgeFileMax({ fileMax }: Told<'fileMax'>, { connectionsMax }: Sized): Verdict {
  if (fileMax === null) return untold('fs.file-max');
  const needed = 2 * connectionsMax;
  const found = `fs.file-max is ${countText(fileMax)}`;
  return fileMax >= needed
    ? ok(`${found}.`)
    : warning(`${found}, for all processes together.`, sysctl('fs.file-max', needed));
}

export function judgeNrOpen({ nrOpen }: Told<'nrOpen'>, { connectionsMax }: Sized): Verdict {
  if (nrOpen === null) return untold('fs.nr_open');
  const needed = connectionsMax + FILES_APART;
  const found = `fs.nr_open is ${countText(nrOpen)}`;
  return nrOpen >= needed
    ? ok(`${found}.`)
    : warning(
        `${found}: no limit can be raised above it, and ${countText(needed)} files are needed.`,
        sysctl('fs.nr_open', needed),
      );
}

export function judgeBacklog({ somaxconn }: Told<'somaxconn'>): Verdict {
  if (somaxconn === null) return untold('net.core.somaxconn');
  const found = `net.core.somaxconn is ${countText(somaxconn)}`;
  return somaxconn >= BACKLOG
    ? ok(`${found}.`)
    : advice(`${found}: when many clients come back at once, more wait longer.`, sysctl('net.core.somaxconn', 4_096));
}

export function judgeHandshakes({ synBacklog }: Told<'synBacklog'>): Verdict {
  if (synBacklog === null) return untold('net.ipv4.tcp_max_syn_backlog');
  const found = `net.ipv4.tcp_max_syn_backlog is ${countText(synBacklog)}`;
  return synBacklog >= HANDSHAKES_MIN
    ? ok(`${found}.`)
    : advice(
        `${found}: when many clients come back at once, some begin anew.`,
        sysctl('net.ipv4.tcp_max_syn_backlog', 8_192),
      );
}

type Ported = Sized & Pick<Settings, 'port' | 'adminPort' | 'trustedProxies'>;

export function judgePorts({ localPorts }: Told<'localPorts'>, settings: Ported): Verdict {
  if (localPorts === null) return untold('net.ipv4.ip_local_port_range');
  const { first, last } = localPorts;
  const count = last - first + 1;
  const found = `net.ipv4.ip_local_port_range is ${first} to ${last}`;
  const ours = [settings.port, settings.adminPort].filter((port) => port >= first && port <= last);
  if (ours.length > 0) {
    const ports = ours.join(',');
    return advice(
      `${found}, and ${ours.join(' and ')} within it may be taken by any connection while the gateway is down.`,
      `Keep it out: sysctl -w net.ipv4.ip_local_reserved_ports=${ports}`,
    );
  }
  const range = '"1024 65535"';
  const ranges = readRanges(settings.trustedProxies);
  const proxied = typeof ranges !== 'string' && (ranges.check('127.0.0.1') || ranges.check('::1', 'ipv6'));
  if (proxied && count < settings.connectionsMax) {
    return warning(
      `${found}: a proxy on this machine opens at most ${countText(count)} connections to one address of the gateway.`,
      `Widen it with sysctl -w net.ipv4.ip_local_port_range=${range}, and let the proxy come from several loopback addresses.`,
    );
  }
  if (count >= LOCAL_PORTS_MIN) return ok(`${found}.`);
  return advice(
    `${found}, only ${countText(count)} ports for connections that go out.`,
    sysctl('net.ipv4.ip_local_port_range', range),
  );
}

export function judgeSockets({ tcpBytesMax }: Told<'tcpBytesMax'>, { connectionsMax }: Sized): Verdict {
  if (tcpBytesMax === null) return untold('net.ipv4.tcp_mem');
  const needed = connectionsMax * SOCKET_BYTES;
  const found = `net.ipv4.tcp_mem ends at ${bytesText(tcpBytesMax)}`;
  if (tcpBytesMax >= needed) return ok(`${found}.`);
  const pages = Math.ceil(needed / 4_096);
  const values = `"${Math.ceil(pages / 2)} ${Math.ceil((pages * 3) / 4)} ${pages}"`;
  return advice(`${found}, less than a page for each of connectionsMax.`, sysctl('net.ipv4.tcp_mem', values));
}

export function judgeOvercommit({ overcommit }: Told<'overcommit'>, redisHere: boolean): Verdict {
  if (!redisHere) return skipped('No Redis on this machine is used.');
  if (overcommit === null) return untold('vm.overcommit_memory');
  const found = `vm.overcommit_memory is ${overcommit}`;
  return overcommit === 1
    ? ok(`${found}.`)
    : advice(`${found}: a Redis on this machine may fail to fork when it saves.`, sysctl('vm.overcommit_memory', 1));
}

export function judgeHugePages({ hugePages }: Told<'hugePages'>, redisHere: boolean): Verdict {
  if (!redisHere) return skipped('No Redis on this machine is used.');
  if (hugePages === null) return skipped('This system does not tell of transparent huge pages.');
  const found = `Transparent huge pages are "${hugePages}"`;
  return hugePages !== 'always'
    ? ok(`${found}.`)
    : advice(
        `${found}: a Redis on this machine stands still longer when it forks.`,
        'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
      );
}

/** While a gateway runs its memory is not free any more: the whole is judged then. */
export function judgeRoom(
  { memoryBytes, availableBytes }: Told<'memoryBytes' | 'availableBytes'>,
  { connectionsMax }: Sized,
  running: boolean,
): Verdict {
  const needed = PROCESS_BYTES + connectionsMax * CONNECTION_BYTES;
  const bytes = running ? memoryBytes : availableBytes;
  const found = `${bytesText(bytes)} of memory ${running ? 'are there' : 'are free'}`;
  const estimate = `${countText(connectionsMax)} clients take some ${bytesText(needed)}`;
  if (bytes >= needed) return ok(`${found}; ${estimate}.`);
  const room = Math.max(1, Math.floor((bytes - PROCESS_BYTES) / CONNECTION_BYTES));
  return warning(`${found}, and ${estimate}.`, `Give it more memory, or set TICKWIRE_CONNECTIONS_MAX=${room}.`);
}

export function judgeHeap(
  { heapBytesMax, containerBytes }: Told<'heapBytesMax' | 'containerBytes'>,
  { connectionsMax }: Sized,
): Verdict {
  const found = `V8's heap may take ${bytesText(heapBytesMax)}`;
  const flag = (bytes: number): string =>
    `NODE_OPTIONS=--max-old-space-size=${Math.max(64, Math.floor(bytes / 2 ** 20))}`;
  if (containerBytes !== null && heapBytesMax > containerBytes * HEAP_SHARE_MAX) {
    return warning(
      `${found} of the container's ${bytesText(containerBytes)}: it is killed before it collects its garbage.`,
      `Set ${flag(containerBytes * 0.7)}, or give the container more memory.`,
    );
  }
  const needed = PROCESS_HEAP_BYTES + connectionsMax * CONNECTION_HEAP_BYTES;
  if (heapBytesMax >= needed) return ok(`${found}.`);
  return warning(
    `${found}, and ${countText(connectionsMax)} clients need some ${bytesText(needed)} of it.`,
    `Set ${flag(needed * 1.25)}.`,
  );
}

export function judgeProcessor({ processorsMax }: Told<'processorsMax'>): Verdict {
  if (processorsMax === null) return ok('No limit of processor time is set.');
  const found = `The container may use ${processorsMax} processors`;
  return processorsMax >= 1
    ? ok(`${found}.`)
    : warning(
        `${found}: it is stopped for a part of every 100 ms, and clients wait.`,
        'Give it at least 1 (cpu.max, resources.limits.cpu), or no limit.',
      );
}

function untold(name: string): Verdict {
  return skipped(`This system does not tell ${name}.`);
}

function sysctl(name: string, value: number | string): string {
  return `sysctl -w ${name}=${value}, and the same in /etc/sysctl.d for the next start.`;
}
