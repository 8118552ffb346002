// Owns the making of a gateway without counters: the lines that count are taken out while it is bundled. metrics.ts calls it, and a
// test holds that each line is still there to be taken. Invariant: what is left does all else that the product does.

import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** By file from the root of the repository: exact text, and how often it occurs. */
export const COUNTING: Readonly<Record<string, readonly (readonly [text: string, times: number])[]>> = {
  'src/topics/flush.ts': [
    ['    this.durations.add(tookMs / 1_000, 1);\n', 1],
    ['    this.tally(before);\n', 1],
    ['    answer.frames = view.codec.relativeTimes ? frames + 1 : frames;\n', 1],
    ['    answer.merged = Math.max(0, updates - frames);\n', 1],
    ['    answer.publishedUs = waited ? 0 : topic.publishUs;\n', 1],
    ['    answer.receivers = view.lanes.length;\n', 1],
    ['    view.shownUpdates = topic.updates;\n', 1],
    ['    this.counters.answers += 1;\n', 1],
    ['    this.counters.messages += answer.receivers;\n', 1],
    ['    this.counters.messages += 1;\n', 1],
    ['    this.counters.flushes += 1;\n', 1],
  ],
  'src/topics/outgoing.ts': [
    ['      this.counters.frames -= table.timesSpared[entry]!;\n', 1],
    ['    this.counters.frames -= timesSpared;\n', 1],
  ],
  'src/topics/topic.ts': [
    ['    this.updates += 1;\n', 1],
    ['    this.counters.updates += 1;\n', 1],
    ['      this.counters.frames += 1;\n', 1],
  ],
  'src/topics/state-topic.ts': [['    this.counters.frames += 1;\n', 2]],
  'src/bus/memory.ts': [['    if (sequencer.listeners.size > 0) this.entries += 1;\n', 1]],
};

const ROOT = new URL('../../', import.meta.url);

/** The source without what counts. @throws Error where it is not as it is listed here. */
export function withoutCounters(file: string, source: string): string {
  let left = source;
  for (const [text, times] of COUNTING[file]!) {
    const found = left.split(text).length - 1;
    if (found !== times) throw new Error(`${file} has ${found} times, not ${times}: ${text.trim()}`);
    left = left.replaceAll(text, '');
  }
  return left;
}

const uncounted: Plugin = {
  name: 'uncounted',
  setup: ({ onLoad }) => {
    for (const file of Object.keys(COUNTING)) {
      const path = fileURLToPath(new URL(file, ROOT));
      onLoad({ filter: new RegExp(`${path.replace(/[.\\]/g, '\\$&')}$`) }, async () => {
        return { contents: withoutCounters(file, await readFile(path, 'utf8')), loader: 'ts' };
      });
    }
  },
};

let loaded = 0;

/** Imports a module as it is, or without its counters. */
export async function load<Module>(entry: URL, counted: boolean): Promise<Module> {
  // Beside the sources: packages are found from there.
  const outfile = fileURLToPath(new URL(`../.bench-${process.pid}-${++loaded}.mjs`, import.meta.url));
  try {
    await build({
      entryPoints: [fileURLToPath(entry)],
      ...{ outfile, bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent' },
      plugins: counted ? [] : [uncounted],
    });
    return (await import(outfile)) as Module;
  } finally {
    await rm(outfile, { force: true });
  }
}
