// Owns how a server's process weighs itself: memory after a forced collection, and its heap by classes. Both servers answer with it.
// Invariant: garbage is collected before bytes are read, or they are not said to be clean.

import { text } from 'node:stream/consumers';
import { getHeapSnapshot, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cpuUs } from '../clock.ts';
import type { ClassCount, MemoryReading } from './messages.ts';

/** Weak references and what finalizers free need more than one. */
const COLLECTIONS = 3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export function memoryReading(open: Pick<MemoryReading, 'connections' | 'topics'>, clean: boolean): MemoryReading {
  for (let i = 0; clean && i < COLLECTIONS; i++) collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external, cpuUs: cpuUs(), ...open };
}

/** The part of a heap snapshot that is read. */
interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: string[]; readonly node_types: [string[]] } };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Kinds of nodes whose names are contents. */
const CONTENTS = new Set(['string', 'concatenated string', 'sliced string', 'number', 'bigint']);

/** What lies on the heap, by class. Takes a while, and as much memory again. */
export async function heapClasses(): Promise<ClassCount[]> {
  return classesOf(JSON.parse(await text(getHeapSnapshot())) as Snapshot);
}

export function classesOf({ snapshot, nodes, strings }: Snapshot): ClassCount[] {
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [typeAt, nameAt, sizeAt] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field)) as [
    number,
    number,
    number,
  ];
  const found = new Map<string, { count: number; bytes: number }>();
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = types[0][nodes[node + typeAt]!]!;
    const name = CONTENTS.has(type) ? type : `${type} ${strings[nodes[node + nameAt]!]!.slice(0, 40)}`;
    const sum = found.get(name) ?? { count: 0, bytes: 0 };
    sum.count += 1;
    sum.bytes += nodes[node + sizeAt]!;
    found.set(name, sum);
  }
  return [...found].map(([name, sum]) => ({ name, ...sum }));
}
