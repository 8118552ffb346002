// Owns the tests of what `bench:redis` says of its runs. Pure data in, lines out.
// Invariant under test: figures of runs that failed their audit are in no summary.

import { describe, expect, it } from 'vitest';
import type { Way } from './messages.ts';
import { isReached, type Round, runLines, summaryLines } from './report.ts';
import type { Load, Run } from './run.ts';

const SINGLE: Load = { name: 'single', topics: 10, batch: 1, pace: { callsUnderWay: 4 } };
const SLOW: Load = { name: 'latency-10', topics: 10, batch: 1, pace: { updatesPerSec: 10 } };

interface Figures {
  readonly cpuUs: number;
  readonly p99Us?: number;
  readonly problems?: number;
  readonly foreign?: number;
}

function runOf(load: Load, way: Way, { cpuUs, p99Us = 0, problems = 0, foreign = 0 }: Figures): Run {
  const problemTexts = problems > 0 ? ['topic 0: 2 to 3 are lost'] : [];
  const shared = { updates: 1_000, cpuUs, folds: 3, problems, problemTexts };
  return {
    ...{ load, way, redisCpuUs: cpuUs, foreignShare: foreign },
    ran: { ...shared, type: 'ran', lastSeqs: [], wallUs: 1_000_000, latenessP99Us: 0, problems: 0, problemTexts: [] },
    heard: { ...shared, type: 'heard', repaired: 0, latency: { p50Us: 100, p99Us, p999Us: p99Us, maxUs: p99Us } },
  };
}

function roundOf(load: Load, bus: Figures, plain: Figures): Round {
  return { bus: runOf(load, 'bus', bus), plain: runOf(load, 'plain', plain) };
}

describe('the report of bench:redis', () => {
  it('takes the ratio of updates a CPU second within each round', () => {
    const rounds = [
      roundOf(SINGLE, { cpuUs: 40_000 }, { cpuUs: 10_000 }),
      roundOf(SINGLE, { cpuUs: 80_000 }, { cpuUs: 40_000 }),
    ];
    const text = summaryLines(SINGLE, rounds).join('\n');
    expect(text).toContain('bus to plain 0.38 (0.25..0.50)');
    expect(text).toContain('6.0 for every 1,000 updates');
  });

  it('counts a round with a failed audit for nothing, and says so', () => {
    const good = roundOf(SINGLE, { cpuUs: 40_000 }, { cpuUs: 10_000 });
    const bad = roundOf(SINGLE, { cpuUs: 1, problems: 1 }, { cpuUs: 10_000 });
    expect(summaryLines(SINGLE, [good, bad]).join('\n')).toContain('bus to plain 0.25 (0.25..0.25)');
    expect(summaryLines(SINGLE, [good, bad]).at(-1)).toContain('1 of 2 rounds failed their audit');
    expect(summaryLines(SINGLE, [bad])).toEqual(['  single: INVALID, no round passed its audit']);
    expect(runLines(bad.bus).join('\n')).toMatch(/INVALID.*\n.*2 to 3 are lost/);
  });

  it('counts a run for nothing in which more or less was heard than published', () => {
    const { bus } = roundOf(SINGLE, { cpuUs: 1 }, { cpuUs: 1 });
    const lines = runLines({ ...bus, heard: { ...bus.heard, updates: 999 } }).join('\n');
    expect(lines).toMatch(/INVALID.*\n.*1000 were published, 999 heard/);
  });

  it('holds the p99 to one millisecond more or half as much again, whichever is greater', () => {
    expect([isReached(1_400, 400), isReached(1_401, 400)]).toEqual([true, false]);
    expect([isReached(6_000, 4_000), isReached(6_001, 4_000)]).toEqual([true, false]);
  });

  it('tells what the bus adds and whether that is little enough', () => {
    const text = summaryLines(SLOW, [roundOf(SLOW, { cpuUs: 1, p99Us: 900 }, { cpuUs: 1, p99Us: 300 })]).join('\n');
    expect(text).toContain('p99 0.60 (0.60..0.60) ms, ratio 3.00');
    expect(text).toContain('reached (in 1 of 1 rounds)');
  });

  it('says when the machine was not quiet', () => {
    const { bus } = roundOf(SINGLE, { cpuUs: 1, foreign: 0.5 }, { cpuUs: 1 });
    expect(runLines(bus).join('\n')).toContain('other processes took 50.0 % of all cores');
  });
});
