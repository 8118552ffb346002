// Owns the question whether the machine was quiet: what else than the benchmark ran on its two cores.
// measurement.ts samples it at both ends of the window. Linux only; elsewhere nothing is known.

import { readFileSync } from 'node:fs';

/** Above this, figures of a run are not worth much. */
export const FOREIGN_SHARE_MAX = 0.1;

export interface CoreSample {
  readonly busyTicks: number;
  readonly totalTicks: number;
}

/** By core; empty where the system doesn't tell. */
export function sampleCores(): CoreSample[] {
  try {
    return parseCores(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return [];
  }
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
