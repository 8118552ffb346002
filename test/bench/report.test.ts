// Holds what is printed: ratios within a round, medians, and what speaks against a run.

import { describe, expect, it } from 'vitest';
import { foreignShare, parseCores, parseProcessTicks, sampleCores } from './machine.ts';
import type { Measurement } from './measurement.ts';
import type { SubjectName } from './messages.ts';
import { baselineOf, runLines, spreadOf, summaryLines } from './report.ts';

function measurement(
  subject: SubjectName,
  perCpuSecond: number,
  p99Us = 1_000,
  problemTexts: string[] = [],
): Measurement {
  const latency = { count: 1, p50Us: 500, p99Us, maxUs: p99Us };
  return {
    subject,
    deliveriesPerCpuSecond: perCpuSecond,
    deliveriesPerSecond: 250_000,
    publishedPerSecond: 5_000,
    serverCpuShare: 0.4,
    latenessP50Us: 400,
    latenessP99Us: 900,
    foreignShares: [0.01, 0.02],
    audited: {
      type: 'audited',
      ...{
        windowDeliveries: 1,
        deliveries: 1_250_000,
        frames: 1,
        repeats: 0,
        bytes: 1,
        windowBytes: 1,
        reads: 1,
        drainMs: 1,
        booksChecked: 0,
      },
      ...{ updateLatency: latency, frameLatency: latency, firstSecondLatency: latency },
      ...{ generatorCpuShare: 0.5, stalledReadBytes: [] },
      ...{ problems: problemTexts.length, problemTexts },
    },
    pings: { sent: 0, answered: 0 },
    lines: [],
    watched: null,
  };
}

describe('the report', () => {
  it('gives the median and the spread of the ratios within rounds', () => {
    const rounds = [
      [measurement('raw', 100_000, 1_000), measurement('tickwire', 90_000, 2_000)],
      [measurement('tickwire', 220_000, 1_000), measurement('raw', 200_000, 1_000)],
      [measurement('raw', 100_000, 2_000), measurement('tickwire', 100_000, 2_400)],
    ];
    const lines = summaryLines(rounds, ['raw', 'tickwire']);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(
      /to raw +tickwire +deliveries per CPU second 1\.00 \(0\.90\.\.1\.10\) .* p99 1\.20 \(1\.00\.\.2\.00\)/,
    );
  });

  it('gives no ratios where the baseline was not measured', () => {
    expect(summaryLines([[measurement('tickwire', 1)]], ['tickwire'])).toHaveLength(1);
  });

  it('takes the pinged baseline where the plain one was not measured', () => {
    const round = [measurement('raw-pings', 100_000), measurement('tickwire', 90_000)];
    const lines = summaryLines([round], ['raw-pings', 'tickwire']);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/to raw-pings +tickwire +deliveries per CPU second 0\.90/);
    const all = summaryLines([[measurement('raw', 200_000), ...round]], ['raw-pings', 'tickwire', 'raw']);
    expect(all.filter((line) => line.startsWith('  to '))).toEqual([
      expect.stringMatching(/to raw +raw-pings .* 0\.50/),
      expect.stringMatching(/to raw +tickwire .* 0\.45/),
    ]);
    expect(baselineOf(['tickwire', 'tickwire-raw'])).toBeUndefined();
  });

  it('says how many pings there were, and how many were answered', () => {
    expect(runLines(1, 1, { ...measurement('raw-pings', 1), pings: { sent: 20, answered: 19 } })[0]).toMatch(
      /pings 20, answered 19/,
    );
    expect(runLines(1, 1, measurement('raw', 1))[0]).not.toMatch(/pings/);
  });

  it('calls a workload invalid when one of its runs is', () => {
    const rounds = [
      [measurement('raw', 1)],
      [measurement('raw', 1, 1, ['client 3, topic 0: updates 2 to 2 are lost'])],
    ];
    expect(runLines(2, 2, rounds[1]![0]!).join('\n')).toMatch(
      /INVALID, 1 problems\n +client 3, topic 0: updates 2 to 2 are lost/,
    );
    expect(summaryLines(rounds, ['raw']).at(-1)).toMatch(/INVALID/);
  });

  it('ends with what the subject says of itself', () => {
    const said = { ...measurement('tickwire-turns', 1), lines: ['4 rounds', 'raw 1.000'] };
    const [first, ...own] = runLines(1, 1, said);
    expect(own).toEqual(['      4 rounds', '      raw 1.000']);
    // Its CPU and its latencies are not its own alone.
    expect(first).not.toMatch(/CPU|p99/);
    expect(summaryLines([[said]], ['tickwire-turns'])).toEqual([]);
  });

  it('says when the generator was near its limit or the machine was not quiet', () => {
    const own = measurement('raw', 1);
    const busy = { ...own, foreignShares: [null, 0.25], audited: { ...own.audited, generatorCpuShare: 0.95 } };
    expect(runLines(1, 1, own)).toHaveLength(1);
    expect(runLines(1, 1, busy).join('\n')).toMatch(/near its limit[\s\S]*25\.0 % of core 1/);
  });

  it('takes the middle of an even number of rounds', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({
      median: 2.5,
      mean: 2.5,
      standardError: Math.sqrt(5 / 12),
      min: 1,
      max: 4,
    });
  });
});

describe('the share of other processes', () => {
  const from = parseCores(
    'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 0 10 100 0 0 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\nintr 5\n',
  );
  const to = parseCores(
    'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 40 20 20 120 10 0 5 5 0 0\ncpu1 0 0 0 200 0 0 0 0 0 0\nintr 5\n',
  );

  it('is what a core was busy with beyond the process itself, without what gives way', () => {
    expect(foreignShare(from, to, 0, 0.4)).toBeCloseTo(0.1);
    expect(foreignShare(from, to, 1, 0.01)).toBe(0);
  });

  it('is what a process that takes all that is left did not get', () => {
    const line = '42 (a (odd) name) R 1 42 42 0 -1 4194304 9 0 0 0 250 50 7 7 20 0 1 0 123 0 0';
    expect(parseProcessTicks(line)).toBe(300);
  });

  it('is unknown where the system does not tell', () => {
    expect(foreignShare([], [], 0, 0.4)).toBeNull();
    expect(sampleCores([0])).toEqual([]);
  });
});
