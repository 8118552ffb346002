// Owns the question whether the machine was quiet: what else than the benchmark ran on its two cores.
// measurement.ts samples it at both ends of the window. Linux only; elsewhere nothing is known.
// Where a keeper turns on each core whenever nothing else does, what the keeper did not get is what was taken, exactly. Without
// one it is guessed from the system's ticks, with which a load of so many updates a second may fall in step.

import { readFileSync } from 'node:fs';

/** Above this, figures of a run are not worth much. */
export const FOREIGN_SHARE_MAX = 0.1;

/** What /proc counts in (USER_HZ), on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface CoreSample {
  readonly busyTicks: number;
  readonly totalTicks: number;
}

/** By core; empty where the system doesn't tell. `keeperPids`: the processes that keep the cores awake, by core; empty: none do. */
export function sampleCores(keeperPids: readonly number[] = []): CoreSample[] {
  try {
    if (keeperPids.length === 0) return parseCores(readFileSync('/proc/stat', 'utf8'));
    const totalTicks = (performance.now() / 1_000) * TICKS_PER_SECOND;
    return keeperPids.map((pid) => ({
      busyTicks: totalTicks - parseProcessTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')),
      totalTicks,
    }));
  } catch {
    return [];
  }
}

/** Of /proc/<pid>/stat: user and system time of all threads, behind the name in brackets (proc(5)). */
export function parseProcessTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** The `cpuN` lines of /proc/stat: user nice system idle iowait irq softirq steal; guest time is within user time. What is nice gives way. */
export function parseCores(stat: string): CoreSample[] {
  const lines = stat.split('\n').filter((line) => /^cpu\d/.test(line));
  return lines.map((line) => {
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const totalTicks = ticks.reduce((sum, count) => sum + count, 0);
    return { busyTicks: totalTicks - ticks[1]! - ticks[3]! - ticks[4]!, totalTicks };
  });
}

/** The share of a core's time that went to anything but a process of this share; null where nothing is known. */
export function foreignShare(
  from: readonly CoreSample[],
  to: readonly CoreSample[],
  core: number,
  ownShare: number,
): number | null {
  const start = from[core];
  const end = to[core];
  if (start === undefined || end === undefined || end.totalTicks === start.totalTicks) return null;
  return Math.max(0, (end.busyTicks - start.busyTicks) / (end.totalTicks - start.totalTicks) - ownShare);
}
