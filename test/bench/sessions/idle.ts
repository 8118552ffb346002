// Owns the part `idle`: what a welcomed connection that does nothing costs in memory, next to one of raw uWebSockets.js.
// Each server has a process of its own, weighed before and after as many connections as the descriptors allow.
// Invariant: what is weighed comes after a settling time and a forced collection, and every connection still lives.

import { execSync } from 'node:child_process';
import { GENERATOR_CORE, SUBJECT_CORE } from '../children.ts';
import type { ClassCount, MemoryReading } from './messages.ts';
import { type Part, type PartOptions, tellFaults, verdict } from './part.ts';
import { type CrowdChild, Processes, type Served, welcomeBytes } from './processes.ts';

/** Descriptors that are left for everything else. */
const SPARE_DESCRIPTORS = 500;
const IN_FLIGHT = 200;
/** Connected and gone before the first reading: what is made once is there then. */
const WARM_UP_CONNECTIONS = 100;
const MORE_BYTES_MAX = 4_096;
const OPEN_MS_MAX = 300_000;

/** What one connection costs, by two readings. */
export interface Weight {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly externalBytes: number;
}

export const idle: Part = async (options) => {
  const { say, pinned } = options;
  const connections = options.clients ?? descriptorsMax() - SPARE_DESCRIPTORS;
  say('', `idle: ${connections} connections, weighed ${options.settleSeconds} s after the last was welcomed`);
  const processes = new Processes(options);
  try {
    const crowd = processes.crowd(pinned ? GENERATOR_CORE : null);
    const gateway = await processes.gateway(pinned ? SUBJECT_CORE : null);
    const firstMessage = await welcomeBytes(crowd, gateway);
    const tickwire = await weigh('tickwire', gateway, crowd, connections, options);
    const raw = await weigh(
      'raw',
      await processes.baseline(pinned ? SUBJECT_CORE : null, firstMessage),
      crowd,
      connections,
      options,
    );
    say(...weightLines(raw.weight, tickwire.weight));
    return raw.valid && tickwire.valid;
  } finally {
    await processes.stop();
  }
};

async function weigh(
  name: string,
  served: Served,
  crowd: CrowdChild,
  connections: number,
  options: PartOptions,
): Promise<{ weight: Weight; valid: boolean }> {
  const { say, settleSeconds, profile } = options;
  await hold(crowd, served, WARM_UP_CONNECTIONS);
  await release(crowd, served);
  const classesBefore = profile && name === 'tickwire' ? await classes(served) : null;
  const before = await reading(served);
  const held = await hold(crowd, served, connections);
  say(`  ${name}: ${held.connections} connections in ${held.seconds.toFixed(1)} s; settling`);
  await pass(settleSeconds, options.signal);
  const after = await reading(served);
  if (classesBefore !== null) say(...classLines(classesBefore, await classes(served), connections));
  const lived = after.connections;
  const faults = await release(crowd, served);
  const valid = tellFaults(name, faults, options) && lived === connections;
  if (lived !== connections) say(`  FAULTS: ${name}: ${lived} connections were open when they were weighed`);
  return { weight: weightOf(before, after, connections), valid };
}

/** Per connection. */
export function weightOf(before: MemoryReading, after: MemoryReading, connections: number): Weight {
  const each = (of: (reading: MemoryReading) => number): number => (of(after) - of(before)) / connections;
  return {
    rssBytes: each(({ rssBytes }) => rssBytes),
    heapUsedBytes: each(({ heapUsedBytes }) => heapUsedBytes),
    externalBytes: each(({ externalBytes }) => externalBytes),
  };
}

export function weightLines(raw: Weight, tickwire: Weight): string[] {
  const row = (name: string, { rssBytes, heapUsedBytes, externalBytes }: Weight): string =>
    `  ${name.padEnd(9)}${[rssBytes, heapUsedBytes, externalBytes].map((bytes) => bytes.toFixed(0).padStart(12)).join('')}`;
  const more = {
    rssBytes: tickwire.rssBytes - raw.rssBytes,
    heapUsedBytes: tickwire.heapUsedBytes - raw.heapUsedBytes,
    externalBytes: tickwire.externalBytes - raw.externalBytes,
  };
  return [
    '  bytes a connection     RSS  heapUsed   external',
    row('raw', raw),
    row('tickwire', tickwire),
    row('more', more),
    `  to reach: at most ${MORE_BYTES_MAX} bytes of RSS more: ${verdict(more.rssBytes <= MORE_BYTES_MAX)}`,
  ];
}

/** Classes that a connection has of its own, the heaviest first. */
function classLines(before: readonly ClassCount[], after: readonly ClassCount[], connections: number): string[] {
  const earlier = new Map(before.map((each) => [each.name, each]));
  const grown = after
    .map(({ name, count, bytes }) => ({
      name,
      count: (count - (earlier.get(name)?.count ?? 0)) / connections,
      bytes: (bytes - (earlier.get(name)?.bytes ?? 0)) / connections,
    }))
    .filter(({ bytes }) => bytes >= 1)
    .sort((a, b) => b.bytes - a.bytes);
  const sum = grown.reduce((total, { bytes }) => total + bytes, 0);
  return [
    `  the heap of a connection by class, ${sum.toFixed(0)} bytes:`,
    ...grown.map(
      ({ name, count, bytes }) => `  ${bytes.toFixed(0).padStart(8)} B ${count.toFixed(2).padStart(7)} x ${name}`,
    ),
  ];
}

async function hold(crowd: CrowdChild, { target }: Served, connections: number) {
  crowd.tell({ type: 'hold', ...target, connections, inFlight: IN_FLIGHT });
  return crowd.next('held', OPEN_MS_MAX);
}

/** Resolves when the server has seen all of them go. */
async function release(crowd: CrowdChild, served: Served) {
  crowd.tell({ type: 'release' });
  const released = await crowd.next('released', OPEN_MS_MAX);
  while ((await usage(served)).connections > 0);
  return released;
}

async function reading({ child }: Served): Promise<MemoryReading> {
  child.tell({ type: 'memory' });
  return child.next('memory', OPEN_MS_MAX);
}

async function usage({ child }: Served): Promise<MemoryReading> {
  child.tell({ type: 'usage' });
  return child.next('usage', OPEN_MS_MAX);
}

async function classes({ child }: Served): Promise<ClassCount[]> {
  child.tell({ type: 'classes' });
  return (await child.next('classes', OPEN_MS_MAX)).classes;
}

function pass(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1_000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** How many a process may have. */
function descriptorsMax(): number {
  const said = execSync('ulimit -n', { encoding: 'utf8', shell: '/bin/sh' }).trim();
  return said === 'unlimited' ? 1_000_000 : Number(said);
}
