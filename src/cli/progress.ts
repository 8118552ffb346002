// Owns how long work shows on stderr how far it is: a bar on a terminal, else a line every few seconds.
// Replays call it. Invariant: stdout is never touched, and after `stop` nothing more is written.

import { performance } from 'node:perf_hooks';
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** How much of the total is done. */
  update(done: number): void;
  stop(): void;
}

const LINE_INTERVAL_MS = 3_000;

export function showProgress(label: string, total: number): Progress {
  return process.stderr.isTTY ? showBar(label, total) : showLines(label, total);
}

function showBar(label: string, total: number): Progress {
  const format = `${label} {bar} {percentage} %, {duration_formatted}, {eta_formatted} to go`;
  const bar = new SingleBar(
    { format, stream: process.stderr, clearOnComplete: true, gracefulExit: false },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}

function showLines(label: string, total: number): Progress {
  let saidAtMs = performance.now();
  return {
    update: (done) => {
      if (performance.now() - saidAtMs < LINE_INTERVAL_MS) return;
      saidAtMs = performance.now();
      process.stderr.write(`${label}: ${Math.floor((100 * done) / total)} %\n`);
    },
    stop: () => {},
  };
}
