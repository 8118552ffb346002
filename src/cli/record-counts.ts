// Owns how a recording says what it has: under way on stderr, one line that is written over on a terminal, else a line now
// and then; and in the end. Record calls it. Invariant: stdout is never touched here, and after `stop` nothing more is written.

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

/** What a recording came to, as a line for people or, `json`, for programs. */
export function countsText(
  { bytes, symbols, counts }: Recorder,
  { out, reconnects, json }: { readonly out: string; readonly reconnects: number; readonly json: boolean },
): string {
  if (json) return `${JSON.stringify({ file: out, bytes, symbols, reconnects, ...counts })}\n`;
  const { snapshots, updates, trades, quotes, statuses, gaps, merged } = counts;
  const words = [
    `${symbols} symbols`,
    `${snapshots} snapshots`,
    `${updates} book updates`,
    `${quotes} quotes`,
    `${trades} trades`,
    `${statuses} statuses`,
  ];
  if (gaps > 0) words.push(`${gaps} gaps`);
  if (merged > 0) words.push(`${merged} updates merged by the gateway`);
  if (reconnects > 0) words.push(`${reconnects} times connected again`);
  return `${out}: ${words.join(', ')}, ${bytes} bytes\n`;
}
