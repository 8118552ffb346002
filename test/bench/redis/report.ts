// Owns what `bench:redis` prints and judges. Pure: runs in, lines out.
// Invariant: a ratio is taken within a round, whose runs met the same machine; a run that failed its audit counts for nothing.

import { FOREIGN_SHARE_MAX } from '../machine.ts';
import { ms, percent, spreadOf, spreadText } from '../report.ts';
import { WAYS, type Way } from './messages.ts';
import { isValid, type Load, type Run } from './run.ts';

/** What the bus may add to the bare one's p99: the greater of the two. */
const ADDED_US_MAX = 1_000;
const P99_RATIO_MAX = 1.5;

/** One load, once each way. */
export type Round = Readonly<Record<Way, Run>>;

const isOpenLoop = ({ pace }: Load): boolean => 'updatesPerSec' in pace;

const perRedisSec = (run: Run): number => (run.ran.updates * 1_000_000) / run.redisCpuUs;
const perPublishingSec = ({ ran }: Run): number => (ran.updates * 1_000_000) / ran.cpuUs;
const perFollowingSec = ({ heard }: Run): number => (heard.updates * 1_000_000) / heard.cpuUs;

/** One run on one line; what speaks against it on lines below. */
export function runLines(run: Run): string[] {
  const { ran, heard, way } = run;
  const rate = `${thousands((ran.updates * 1_000_000) / ran.wallUs)} k/s`;
  const figures = isOpenLoop(run.load) ? latencyText(run) : [costText(run), rate].join('  ');
  const audit = isValid(run) ? `audit: ${heard.updates} heard once` : 'audit: INVALID, counts for nothing';
  return [[`    ${way.padEnd(5)}`, figures, audit].join('  '), ...remarks(run).map((text) => `        ${text}`)];
}

function latencyText({ ran, heard }: Run): string {
  const { p50Us, p99Us, p999Us, maxUs } = heard.latency;
  const latency = `p50 ${ms(p50Us)} p99 ${ms(p99Us)} p99.9 ${ms(p999Us)} max ${ms(maxUs)} ms`;
  return `${latency}  schedule late ${ms(ran.latenessP99Us)} ms at p99`;
}

function costText(run: Run): string {
  return [
    `${thousands(perRedisSec(run)).padStart(6)} k/Redis CPU s`,
    `${thousands(perPublishingSec(run)).padStart(6)} k/publishing CPU s`,
    `${thousands(perFollowingSec(run)).padStart(6)} k/following CPU s`,
  ].join('  ');
}

function remarks(run: Run): string[] {
  const { ran, heard, foreignShare } = run;
  const texts = [...ran.problemTexts, ...heard.problemTexts];
  if (ran.updates !== heard.updates) texts.push(`${ran.updates} were published, ${heard.updates} heard`);
  if (heard.repaired > 0) texts.push(`${heard.repaired} came from the log instead of the channel`);
  if (foreignShare !== null && foreignShare > FOREIGN_SHARE_MAX)
    texts.push(`other processes took ${percent(foreignShare)} of all cores: not a quiet machine`);
  return texts;
}

/** Medians of all rounds of one load, and what the bus costs next to the bare one. */
export function summaryLines(load: Load, rounds: readonly Round[]): string[] {
  const valid = rounds.filter((round) => WAYS.every((way) => isValid(round[way])));
  if (valid.length === 0) return [`  ${load.name}: INVALID, no round passed its audit`];
  const lines = isOpenLoop(load) ? latencySummary(valid) : costSummary(valid);
  const missing = rounds.length - valid.length;
  if (missing > 0) lines.push(`  ${missing} of ${rounds.length} rounds failed their audit and count for nothing`);
  return [`  ${load.name}, medians of ${valid.length} rounds`, ...lines.map((line) => `  ${line}`)];
}

function costSummary(rounds: readonly Round[]): string[] {
  const costs: readonly [string, (run: Run) => number][] = [
    ['Redis', perRedisSec],
    ['publishing', perPublishingSec],
    ['following', perFollowingSec],
  ];
  const lines = costs.map(([name, of]) => {
    const median = (way: Way): string => thousands(spreadOf(rounds.map((round) => of(round[way]))).median).padStart(6);
    const ratio = spreadText(spreadOf(rounds.map(({ bus, plain }) => of(bus) / of(plain))));
    return `${name.padEnd(10)}  bus ${median('bus')} k updates/CPU s  plain ${median('plain')} k  bus to plain ${ratio}`;
  });
  const foldsPer = rounds.map(({ bus }) => ((bus.ran.folds + bus.heard.folds) * 1_000) / bus.ran.updates);
  return [
    ...lines,
    `${'folds'.padEnd(10)}  ${spreadOf(foldsPer).median.toFixed(1)} for every 1,000 updates, within these figures`,
  ];
}

function latencySummary(rounds: readonly Round[]): string[] {
  const at = (of: (run: Run) => number, way: Way): number => spreadOf(rounds.map((round) => of(round[way]))).median;
  const p50 = ({ heard }: Run): number => heard.latency.p50Us;
  const p99 = ({ heard }: Run): number => heard.latency.p99Us;
  const p999 = ({ heard }: Run): number => heard.latency.p999Us;
  const texts = WAYS.map(
    (way) => `${way.padEnd(5)}  p50 ${ms(at(p50, way))} p99 ${ms(at(p99, way))} p99.9 ${ms(at(p999, way))} ms`,
  );
  const added = (of: (run: Run) => number): string => {
    const differences = spreadOf(rounds.map(({ bus, plain }) => of(bus) - of(plain)));
    return `${ms(differences.median)} (${ms(differences.min)}..${ms(differences.max)}) ms`;
  };
  const ratio = spreadText(spreadOf(rounds.map(({ bus, plain }) => p99(bus) / p99(plain))));
  const reached = rounds.filter(({ bus, plain }) => isReached(p99(bus), p99(plain))).length;
  const verdict = isReached(at(p99, 'bus'), at(p99, 'plain')) ? 'reached' : 'not reached';
  return [
    ...texts,
    `added  p50 ${added(p50)}  p99 ${added(p99)}, ratio ${ratio}`,
    `to reach at p99: +1 ms or ${P99_RATIO_MAX} times, whichever is greater: ${verdict} (in ${reached} of ${rounds.length} rounds)`,
  ];
}

/** Both in microseconds. */
export function isReached(busUs: number, plainUs: number): boolean {
  return busUs <= Math.max(plainUs + ADDED_US_MAX, plainUs * P99_RATIO_MAX);
}

function thousands(count: number): string {
  return (count / 1_000).toLocaleString('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}
