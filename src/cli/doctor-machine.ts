// Owns reading what the kernel and the container allow, from /proc, /sys and Node. The doctor's checks of limits judge it.
// Invariant: it only reads, needs no rights, and what can't be read is null.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

const PAGE_BYTES = 4_096;
const SHELL_MS_MAX = 2_000;

export interface Machine {
  /** Open files of this process; `Infinity` for no limit. */
  readonly files: { readonly soft: number; readonly hard: number } | null;
  readonly fileMax: number | null;
  readonly nrOpen: number | null;
  readonly somaxconn: number | null;
  readonly synBacklog: number | null;
  readonly localPorts: { readonly first: number; readonly last: number } | null;
  /** What the buffers of all TCP sockets may take. */
  readonly tcpBytesMax: number | null;
  readonly overcommit: number | null;
  /** The mode that holds: always, madvise or never. */
  readonly hugePages: string | null;
  /** Of the container, or of the machine. */
  readonly memoryBytes: number;
  readonly availableBytes: number;
  /** Null: none is set. */
  readonly containerBytes: number | null;
  readonly heapBytesMax: number;
  /** What the container's quota allows; null: none is set. */
  readonly processorsMax: number | null;
}

export function readMachine(): Machine {
  const ports = numbersIn(textOf('/proc/sys/net/ipv4/ip_local_port_range'));
  const tcpPages = numbersIn(textOf('/proc/sys/net/ipv4/tcp_mem'))[2];
  const total = totalmem();
  const constrained = process.constrainedMemory();
  const containerBytes = constrained > 0 && constrained < total ? constrained : null;
  return {
    files: openFiles(textOf('/proc/self/limits')),
    fileMax: numberIn('/proc/sys/fs/file-max'),
    nrOpen: numberIn('/proc/sys/fs/nr_open'),
    somaxconn: numberIn('/proc/sys/net/core/somaxconn'),
    synBacklog: numberIn('/proc/sys/net/ipv4/tcp_max_syn_backlog'),
    localPorts: ports.length < 2 ? null : { first: ports[0]!, last: ports[1]! },
    tcpBytesMax: tcpPages === undefined ? null : tcpPages * PAGE_BYTES,
    overcommit: numberIn('/proc/sys/vm/overcommit_memory'),
    hugePages: /\[(\w+)\]/.exec(textOf('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1] ?? null,
    memoryBytes: containerBytes ?? total,
    availableBytes: process.availableMemory(),
    containerBytes,
    heapBytesMax: getHeapStatistics().heap_size_limit,
    processorsMax: processorQuota(),
  };
}

function openFiles(limits: string): Machine['files'] {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  if (soft !== undefined && hard !== undefined) return { soft: limitOf(soft), hard: limitOf(hard) };
  if (process.platform === 'win32') return null;
  try {
    // No /proc: the shell inherits what this process has.
    const text = execFileSync('sh', ['-c', 'ulimit -Sn; ulimit -Hn'], { encoding: 'utf8', timeout: SHELL_MS_MAX });
    const [softText = '', hardText = ''] = text.trim().split('\n');
    return { soft: limitOf(softText), hard: limitOf(hardText) };
  } catch {
    return null;
  }
}

function limitOf(text: string): number {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

/** Of cgroup version 2, or 1. */
function processorQuota(): number | null {
  const group = /^0::(\/.*)$/m.exec(textOf('/proc/self/cgroup'))?.[1] ?? '/';
  for (const path of [`/sys/fs/cgroup${group}/cpu.max`, '/sys/fs/cgroup/cpu.max']) {
    const quota = quotaOf(textOf(path));
    if (quota !== null) return quota;
  }
  const [quota, period] = ['cfs_quota_us', 'cfs_period_us'].map((name) =>
    textOf(`/sys/fs/cgroup/cpu/cpu.${name}`).trim(),
  );
  return quotaOf(`${quota} ${period}`);
}

/** @param text microseconds of processor time, and of the time in which they may be used. @returns null for no limit. */
export function quotaOf(text: string): number | null {
  const [, quota, period] = /^(\d+) (\d+)$/.exec(text.trim()) ?? [];
  return quota === undefined || Number(period) === 0 ? null : Number(quota) / Number(period);
}

function numberIn(path: string): number | null {
  return numbersIn(textOf(path))[0] ?? null;
}

function numbersIn(text: string): number[] {
  return text
    .split(/\s+/)
    .filter((word) => /^\d+$/.test(word))
    .map(Number);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
