// Owns what the benchmark prints: a line per run, then medians and spreads of the ratios to the baseline.
// Pure: measurements in, lines out. A ratio is taken within a round, where both subjects met the same machine.

import { FOREIGN_SHARE_MAX } from './machine.ts';
import type { Measurement } from './measurement.ts';
import { isBaseline, type SubjectName, takesTurns } from './messages.ts';

/** Above this the generator may be what limits the figures. */
const GENERATOR_CPU_SHARE_MAX = 0.9;

/** One round: each subject measured once. */
export type Round = readonly Measurement[];

interface Spread {
  readonly median: number;
  readonly mean: number;
  /** Of the mean; 0 for a single value. */
  readonly standardError: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardError = sorted.length === 1 ? 0 : Math.sqrt(squares / (sorted.length - 1) / sorted.length);
  return { median, mean, standardError, min: sorted[0]!, max: sorted.at(-1)! };
}

export function isValid({ audited }: Measurement): boolean {
  return audited.problems === 0;
}

/** One run on one line; problems, if any, on lines below it. */
export function runLines(round: number, rounds: number, measurement: Measurement): string[] {
  const { subject, audited, serverCpuShare, deliveriesPerSecond, deliveriesPerCpuSecond } = measurement;
  const { updateLatency, frameLatency, generatorCpuShare } = audited;
  const figures = [
    `${thousands(deliveriesPerCpuSecond).padStart(7)} k/CPU s`,
    `server ${percent(serverCpuShare).padStart(6)}`,
    `generator ${percent(generatorCpuShare).padStart(6)}`,
    `${thousands(deliveriesPerSecond).padStart(6)} k/s`,
    `p50 ${ms(updateLatency.p50Us).padStart(6)} p99 ${ms(updateLatency.p99Us).padStart(6)} ms`,
    `by frame ${ms(frameLatency.p50Us)} / ${ms(frameLatency.p99Us)} ms`,
    `late ${ms(measurement.latenessP50Us)} / ${ms(measurement.latenessP99Us)} ms`,
  ];
  const columns = [
    `  round ${round}/${rounds}`,
    subject.padEnd(12),
    ...(takesTurns(subject) ? [] : figures),
    auditText(measurement),
    ...(measurement.pings.sent > 0 ? [pingText(measurement)] : []),
  ];
  return [columns.join('  '), ...[...remarks(measurement), ...measurement.lines].map((text) => `      ${text}`)];
}

/** What speaks against the figures of a run. */
export function remarks({ audited, foreignShares }: Measurement): string[] {
  const texts = [...audited.problemTexts];
  if (audited.generatorCpuShare > GENERATOR_CPU_SHARE_MAX)
    texts.push('the generator was near its limit: these figures are its own');
  foreignShares.forEach((share, core) => {
    if (share !== null && share > FOREIGN_SHARE_MAX)
      texts.push(`other processes took ${percent(share)} of core ${core}: not a quiet machine`);
  });
  return texts;
}

function auditText(measurement: Measurement): string {
  const { problems, deliveries, booksChecked } = measurement.audited;
  if (!isValid(measurement)) return `audit: INVALID, ${problems} problems`;
  const books = booksChecked > 0 ? `, ${booksChecked} book states` : '';
  return `audit: ${deliveries} deliveries in order${books}`;
}

function pingText({ pings }: Measurement): string {
  return `pings ${pings.sent}, answered ${pings.answered}`;
}

/** What ratios are taken to: `raw` where it was measured, else `raw-pings`, else nothing. */
export function baselineOf(subjects: readonly SubjectName[]): SubjectName | undefined {
  return subjects.includes('raw') ? 'raw' : subjects.find(isBaseline);
}

/** Medians of all rounds, and each subject's ratios to the baseline where that was measured. */
export function summaryLines(rounds: readonly Round[], subjects: readonly SubjectName[]): string[] {
  const valid = rounds.every((round) => round.every(isValid));
  const lines = subjects
    .filter((subject) => !takesTurns(subject))
    .flatMap((subject) => subjectLines(rounds, subject, baselineOf(subjects)));
  if (!valid)
    lines.push('  INVALID: at least one run lost, damaged or reordered a frame; none of these figures counts');
  return lines;
}

function subjectLines(rounds: readonly Round[], subject: SubjectName, baseline: SubjectName | undefined): string[] {
  const own = rounds.map((round) => round.find((measurement) => measurement.subject === subject)!);
  const over = (value: (measurement: Measurement) => number) => spreadOf(own.map(value));
  const lines = [
    `  median    ${subject.padEnd(12)}  ${thousands(over((m) => m.deliveriesPerCpuSecond).median).padStart(7)} k/CPU s` +
      `  server ${percent(over((m) => m.serverCpuShare).median)}` +
      `  p50 ${ms(over((m) => m.audited.updateLatency.p50Us).median)} p99 ${ms(over((m) => m.audited.updateLatency.p99Us).median)} ms`,
  ];
  if (baseline === undefined || subject === baseline) return lines;
  const ratio = (value: (measurement: Measurement) => number) =>
    spreadOf(rounds.map((round) => ratioIn(round, [subject, baseline], value)));
  const deliveries = ratio((m) => m.deliveriesPerCpuSecond);
  lines.push(
    `  ${`to ${baseline}`.padEnd(8)}  ${subject.padEnd(12)}  deliveries per CPU second ${spreadText(deliveries)} ${meanText(deliveries)}` +
      `  p50 ${spreadText(ratio((m) => m.audited.updateLatency.p50Us))}` +
      `  p99 ${spreadText(ratio((m) => m.audited.updateLatency.p99Us))}`,
  );
  return lines;
}

function ratioIn(
  round: Round,
  [subject, baseline]: readonly [SubjectName, SubjectName],
  value: (measurement: Measurement) => number,
): number {
  const of = (name: SubjectName) => value(round.find((measurement) => measurement.subject === name)!);
  return of(subject) / of(baseline);
}

export function spreadText({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;
}

function meanText({ mean, standardError }: Spread): string {
  return `mean ${mean.toFixed(3)} ± ${standardError.toFixed(3)}`;
}

function thousands(count: number): string {
  return Math.round(count / 1_000).toLocaleString('en-US');
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

export function ms(us: number): string {
  return (us / 1_000).toFixed(2);
}
