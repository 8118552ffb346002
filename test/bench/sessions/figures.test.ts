// Holds the arithmetic of `bench:sessions`: figures from readings, and what counts as reached.

import { describe, expect, it } from 'vitest';
import { type ConnectRound, summaryLines as connectLines } from './connect.ts';
import { weightLines, weightOf } from './idle.ts';
import type { MemoryReading, Paced } from './messages.ts';
import { median, percentile } from './part.ts';
import { classesOf } from './reading.ts';
import { healedShare, type ResumeRound, summaryLines as resumeLines } from './resume.ts';
import { summaryLines as stormLines } from './storm.ts';

const NO_FAULTS = { faults: 0, faultTexts: [] };

describe('figures', () => {
  it('takes the middle value, or the mean of both', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 9])).toBe(3);
  });

  it('takes the value that a share of all do not exceed', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile([7], 0.99)).toBe(7);
  });
});

describe('connect', () => {
  const paced = (p99Us: number): Paced => ({
    latency: { count: 1, p50Us: 100, p99Us, maxUs: p99Us },
    latenessP99Us: 0,
    cpuShare: 0.5,
    ...NO_FAULTS,
  });
  const rounds = (rawUs: number, tickwireUs: number): ConnectRound[] => [
    { raw: paced(rawUs), tickwire: paced(tickwireUs) },
  ];

  it('is reached below the bound, however fast raw is', () => {
    expect(connectLines(100, rounds(100, 1_900)).at(-1)).toMatch(/: reached$/);
  });

  it('is reached within one and a half times of raw, however slow both are', () => {
    expect(connectLines(100, rounds(4_000, 5_900)).at(-1)).toMatch(/: reached$/);
    expect(connectLines(100, rounds(4_000, 6_100)).at(-1)).toMatch(/NOT REACHED$/);
  });
});

describe('idle', () => {
  const reading = (rssBytes: number, heapUsedBytes: number): MemoryReading => ({
    ...{ rssBytes, heapUsedBytes, externalBytes: 0, connections: 0, topics: 0, cpuUs: 0 },
  });

  it('weighs a connection by what came on top', () => {
    const weight = weightOf(reading(1_000, 500), reading(9_000, 2_500), 4);
    expect(weight).toEqual({ rssBytes: 2_000, heapUsedBytes: 500, externalBytes: 0 });
  });

  it('compares what a connection has more than a raw one', () => {
    const weight = (rssBytes: number) => ({ rssBytes, heapUsedBytes: 0, externalBytes: 0 });
    expect(weightLines(weight(600), weight(4_696)).at(-1)).toMatch(/: reached$/);
    expect(weightLines(weight(600), weight(4_697)).at(-1)).toMatch(/NOT REACHED$/);
  });

  it('sums a heap by class, contents under their kind', () => {
    const snapshot = {
      snapshot: {
        meta: { node_fields: ['type', 'name', 'self_size'], node_types: [['object', 'string']] as [string[]] },
      },
      nodes: [0, 0, 10, 0, 0, 12, 1, 1, 5],
      strings: ['Window', 'what it says'],
    };
    expect(classesOf(snapshot)).toEqual([
      { name: 'object Window', count: 2, bytes: 22 },
      { name: 'string', count: 1, bytes: 5 },
    ]);
  });
});

describe('storm', () => {
  const round = (rawMs: number, wholeMs: number) => ({ rawMs, lostMs: 0, welcomedMs: 0, wholeMs });

  it('has to be reached in every round', () => {
    expect(stormLines([round(500, 3_400), round(900, 3_900)]).at(-1)).toMatch(/: reached$/);
    expect(stormLines([round(500, 3_400), round(900, 3_901)]).at(-1)).toMatch(/NOT REACHED$/);
  });
});

describe('resume', () => {
  const moved = (wholeMs: number, snapshot: number): ResumeRound['warm fresh'] => ({
    ...{ type: 'moved', wholeUs: wholeMs * 1_000, bytes: 1_024, token: false },
    ...{ healed: { replayed: 0, diffed: 100 - snapshot, snapshot }, ...NO_FAULTS },
  });
  const round = (warmMs: number, warmFreshMs: number, coldMs: number, snapshot = 0): ResumeRound => ({
    'warm resume': moved(warmMs, snapshot),
    'warm fresh': moved(warmFreshMs, 100),
    'cold resume': moved(coldMs, 0),
    'cold fresh': moved(100, 100),
  });

  it('counts of the books that were brought along those that did not begin anew', () => {
    expect(healedShare([round(1, 1, 1, 10), round(1, 1, 1, 0)], 'warm resume')).toBe(0.95);
  });

  it('holds each case against its own fresh start', () => {
    const [healed, warm, cold] = resumeLines([round(10, 20, 100)]).slice(-3);
    expect(healed).toMatch(/: reached$/);
    expect(warm).toMatch(/ms: reached; .* reached$/);
    expect(cold).toMatch(/1\.00 \(p99 1\.00\), reached$/);
  });

  it('says which of them is not reached', () => {
    const [healed, warm, cold] = resumeLines([round(21, 41, 104, 6)]).slice(-3);
    expect(healed).toMatch(/NOT REACHED$/);
    expect(warm).toMatch(/ms: NOT REACHED; .*0\.51 \(p50 0\.51\), NOT REACHED$/);
    expect(cold).toMatch(/NOT REACHED$/);
  });
});
