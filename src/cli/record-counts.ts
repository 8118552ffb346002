// Owns how a recording under way shows on stderr what it has: one line that is written over on a terminal, else a line now
// and then. Record calls it. Invariant: stdout is never touched, and after `stop` nothing more is written.

import type { Recorder } from '../recording/recorder.ts';
import { formatDuration } from './notation.ts';

const TERMINAL_INTERVAL_MS = 500;
const LINE_INTERVAL_MS = 10_000;
const CLEAR_LINE = '\r\x1b[2K';

export function showCounts(recorder: Recorder): { stop(): void } {
  const stderr = process.stderr;
  const sinceMs = performance.now();
  const line = (): string => {
    const { updates, trades, quotes } = recorder.counts;
    const mebibytes = (recorder.bytes / 2 ** 20).toFixed(1);
    const duration = formatDuration((performance.now() - sinceMs) * 1_000);
    return `recording for ${duration}: ${updates} book updates, ${quotes} quotes, ${trades} trades, ${mebibytes} MiB`;
  };
  const show = (): void => {
    stderr.write(stderr.isTTY ? `${CLEAR_LINE}${line()}` : `${line()}\n`);
  };
  const timer = setInterval(show, stderr.isTTY ? TERMINAL_INTERVAL_MS : LINE_INTERVAL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      if (stderr.isTTY) stderr.write(CLEAR_LINE);
    },
  };
}
