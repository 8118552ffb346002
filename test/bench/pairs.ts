// Owns what `bench:stalled` prints and judges: runs with and without stalled readers, their ratios, and what was sent to sockets
// that nobody read. Pure: measurements in, lines and problems out.
// Invariant: a ratio is taken within a pair, whose runs met the same machine, and only from runs that passed the audit.

import type { Measurement } from './measurement.ts';
import { isBaseline, type SubjectName } from './messages.ts';
import { isValid, ms, percent, remarks, spreadOf, spreadText } from './report.ts';
import type { WatchedClient } from './watch.ts';

/** What may be sent to a client that does not read: the window, and what control frames may pass it by. */
export const STALLED_BYTES_MAX = 65_536;
/** How much the others may notice of it. */
export const P99_RATIO_MAX = 1.2;
/** Above this the server's own queue would be what is measured. */
export const SERVER_CPU_SHARE_MAX = 0.6;

/** The same load twice, in either order. */
export interface Pair {
  readonly subject: SubjectName;
  readonly clients: number;
  readonly seconds: number;
  readonly without: Measurement;
  readonly with: Measurement;
}

/** `count` of the clients, spread evenly: the last of each equal part. */
export function stalledOf(clients: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(((index + 1) * clients) / count) - 1);
}

/** Bytes that were sent into each stalled socket and that its process never read, in the order of `watched.stalled`. */
export function unreadBytes({ watched, audited }: Measurement): number[] {
  return (watched?.stalled ?? []).map(({ sentBytes }, index) => sentBytes - audited.stalledReadBytes[index]!);
}

/** Faults of one run; any makes it worth nothing. */
export function problemsOf(measurement: Measurement): string[] {
  const problems = isValid(measurement) ? [] : [`the audit found ${measurement.audited.problems} problems`];
  if (isBaseline(measurement.subject)) return problems;
  const over = unreadBytes(measurement)
    .map((bytes, index) => {
      const { client, unansweredBytesMax } = measurement.watched!.stalled[index]!;
      return { client, bytes: Math.max(bytes, unansweredBytesMax ?? 0) };
    })
    .filter(({ bytes }) => bytes > STALLED_BYTES_MAX)
    .sort((a, b) => b.bytes - a.bytes);
  const [worst] = over;
  if (worst === undefined) return problems;
  return [
    ...problems,
    `${over.length} stalled sockets had over ${STALLED_BYTES_MAX} bytes on their way, client ${worst.client} ${worst.bytes}`,
  ];
}

export function pairLines(number: number, pairs: number, pair: Pair): string[] {
  const lines = [pair.without, pair.with].flatMap((measurement) => [
    `  pair ${number}/${pairs}  ${pair.subject.padEnd(9)}  ${runText(measurement, pair)}`,
    ...[...problemsOf(measurement), ...speaksAgainst(measurement)].map((text) => `      ${text}`),
  ]);
  return [...lines, ...stalledLines(pair.with).map((text) => `      ${text}`), `      ${ratioText([pair])}`];
}

function runText(measurement: Measurement, { clients, seconds }: Pair): string {
  const { watched, audited, serverCpuShare } = measurement;
  const stalled = watched?.stalled.length ?? 0;
  const columns = [
    (stalled === 0 ? 'none stalled' : `${stalled} stalled`).padEnd(12),
    `p50 ${ms(audited.updateLatency.p50Us)} p99 ${ms(audited.updateLatency.p99Us)} ms`,
    `first second p99 ${ms(audited.firstSecondLatency.p99Us)} ms`,
    `${Math.round(audited.windowBytes / (clients - stalled) / seconds / 1_000)} KB/s a client`,
    `server ${percent(serverCpuShare)}`,
    `generator ${percent(audited.generatorCpuShare)}`,
    isValid(measurement) ? `audit: ${audited.deliveries} deliveries in order` : 'audit: INVALID',
  ];
  return columns.join('  ');
}

function speaksAgainst(measurement: Measurement): string[] {
  const texts = remarks(measurement);
  if (measurement.serverCpuShare > SERVER_CPU_SHARE_MAX)
    texts.push(`the server was busy for more than ${percent(SERVER_CPU_SHARE_MAX)}: choose a lower --rate`);
  return texts;
}

/** What the stalled sockets were sent, and what waited for them. */
function stalledLines(measurement: Measurement): string[] {
  const { watched } = measurement;
  if (watched === null || watched.stalled.length === 0) return [];
  const over = (value: (client: WatchedClient) => number | null) =>
    watched.stalled.map(value).filter((each) => each !== null);
  const unanswered = over((client) => client.unansweredBytesMax);
  const windows = over((client) => client.windowBytesMax);
  const closes = Object.entries(watched.closes).map(([reason, count]) => `${count} as ${reason}`);
  const lines = [`sent and never read, by socket: ${counted(unreadBytes(measurement))} bytes`];
  if (unanswered.length > 0) lines.push(`unanswered at most, by socket: ${counted(unanswered)} bytes`);
  lines.push(
    `queued in the server at most, by socket: ${counted(over((client) => client.queuedBytesMax))} bytes` +
      (windows.length > 0 ? `; windows ${counted(windows)}` : ''),
    `queued for any one client at most ${bytesText(watched.queuedBytesMax)} bytes, for all together ` +
      `${bytesText(watched.queuedBytesTotalMax)}` +
      (watched.windowBytesMax === null ? '' : `; the largest window is ${bytesText(watched.windowBytesMax)}`),
    `closed by the server: ${closes.length === 0 ? 'none' : closes.join(', ')}`,
  );
  return lines;
}

/** Each value once with how often it comes, the largest first: `61440 (49x), 120`. */
export function counted(values: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(Math.round(value), (counts.get(Math.round(value)) ?? 0) + 1);
  const descending = [...counts].sort(([a], [b]) => b - a);
  return descending.map(([value, count]) => (count === 1 ? `${value}` : `${value} (${count}x)`)).join(', ');
}

/** The ratios of one subject's pairs, and whether they suffice. */
export function pairSummary(pairs: readonly Pair[]): string[] {
  const [{ subject }] = pairs as [Pair];
  const medianOf = (value: (pair: Pair) => number) => spreadOf(pairs.map(value)).median;
  const unread = pairs.flatMap((pair) => unreadBytes(pair.with));
  const lines = [
    `  ${subject.padEnd(9)}  p99 ${ms(medianOf((pair) => pair.without.audited.updateLatency.p99Us))} ms without, ` +
      `${ms(medianOf((pair) => pair.with.audited.updateLatency.p99Us))} ms with stalled readers; ` +
      `server ${percent(medianOf((pair) => pair.without.serverCpuShare))}, ${percent(medianOf((pair) => pair.with.serverCpuShare))}; ` +
      `sent and never read: at most ${bytesText(Math.max(0, ...unread))} bytes a socket`,
    `  ${subject.padEnd(9)}  ${ratioText(pairs)}`,
  ];
  if (pairs.some((pair) => [pair.without, pair.with].some((run) => problemsOf(run).length > 0)))
    lines.push('  INVALID: at least one run failed its audit; none of these figures counts');
  return lines;
}

function ratioText(pairs: readonly Pair[]): string {
  const ratio = spreadOf(pairs.map((pair) => ratioOf(pair, 'updateLatency')));
  const first = spreadOf(pairs.map((pair) => ratioOf(pair, 'firstSecondLatency')));
  const verdict = ratio.median <= P99_RATIO_MAX ? 'reached' : 'not reached';
  return (
    `p99 of the healthy with to without: ${spreadText(ratio)}, to reach ${P99_RATIO_MAX}: ${verdict}; ` +
    `of the first second: ${spreadText(first)}`
  );
}

function ratioOf(pair: Pair, of: 'updateLatency' | 'firstSecondLatency'): number {
  return pair.with.audited[of].p99Us / pair.without.audited[of].p99Us;
}

function bytesText(bytes: number): string {
  return Math.round(bytes).toLocaleString('en-US');
}
