// Holds what is said of runs with stalled readers: ratios within a pair, and what makes a run worth nothing.

import { describe, expect, it } from 'vitest';
import type { Measurement } from './measurement.ts';
import type { SubjectName } from './messages.ts';
import { counted, type Pair, pairLines, pairSummary, problemsOf, stalledOf, unreadBytes } from './pairs.ts';
import type { WatchedClient } from './watch.ts';

interface Given {
  readonly subject?: SubjectName;
  readonly p99Us?: number;
  readonly firstUs?: number;
  readonly serverCpuShare?: number;
  readonly problems?: number;
  /** Sent, read and unanswered at most, of each stalled client. */
  readonly stalled?: readonly (readonly [sent: number, read: number, unanswered: number])[];
}

function measurement(given: Given): Measurement {
  const {
    subject = 'tickwire',
    p99Us = 10_000,
    firstUs = p99Us,
    serverCpuShare = 0.5,
    problems = 0,
    stalled = [],
  } = given;
  const latency = (us: number) => ({ count: 1, p50Us: us / 2, p99Us: us, maxUs: us });
  const watched: WatchedClient[] = stalled.map(([sentBytes, , unansweredBytesMax], index) => ({
    ...{ client: index, sentBytes, unansweredBytesMax, queuedBytesMax: 12, windowBytesMax: 61_440, closed: false },
  }));
  return {
    ...{ subject, serverCpuShare, deliveriesPerCpuSecond: 1, deliveriesPerSecond: 1, publishedPerSecond: 1 },
    ...{ latenessP50Us: 1, latenessP99Us: 1, foreignShares: [], pings: { sent: 1, answered: 1 } },
    audited: {
      type: 'audited',
      ...{
        windowDeliveries: 1,
        deliveries: 1_000,
        frames: 1,
        repeats: 0,
        bytes: 1,
        reads: 1,
        drainMs: 1,
        booksChecked: 0,
      },
      ...{ windowBytes: 90_000, generatorCpuShare: 0.5, problems, problemTexts: problems > 0 ? ['it is lost'] : [] },
      ...{ updateLatency: latency(p99Us), frameLatency: latency(p99Us), firstSecondLatency: latency(firstUs) },
      stalledReadBytes: stalled.map(([, read]) => read),
    },
    lines: [],
    watched: {
      ...{ stalled: watched, queuedBytesMax: 20, queuedBytesTotalMax: 40, windowBytesMax: 61_440 },
      closes: stalled.length > 0 ? { silent: 1 } : {},
    },
  };
}

function pair(without: Given, withStalled: Given): Pair {
  const stalled = [[1_000, 400, 700]] as const;
  return {
    ...{ subject: 'tickwire' as const, clients: 10, seconds: 1 },
    without: measurement(without),
    with: measurement({ stalled, ...withStalled }),
  };
}

describe('the stalled clients', () => {
  it('are spread evenly over all', () => {
    expect(stalledOf(10, 2)).toEqual([4, 9]);
    expect(stalledOf(7, 3)).toEqual([1, 3, 6]);
    expect(stalledOf(500, 50)).toHaveLength(50);
    expect(stalledOf(500, 0)).toEqual([]);
  });

  it('never read what was sent beyond what they had read', () => {
    expect(
      unreadBytes(
        measurement({
          stalled: [
            [70_000, 10_000, 1],
            [500, 500, 0],
          ],
        }),
      ),
    ).toEqual([60_000, 0]);
  });
});

describe('a run', () => {
  it('is worth nothing when its audit failed', () => {
    expect(problemsOf(measurement({ problems: 2 }))).toEqual(['the audit found 2 problems']);
  });

  it('may send 64 KB into a socket that nobody reads, and not more', () => {
    expect(problemsOf(measurement({ stalled: [[65_536, 0, 65_536]] }))).toEqual([]);
    expect(
      problemsOf(
        measurement({
          stalled: [
            [65_537, 0, 1],
            [9, 9, 65_538],
            [1, 1, 1],
          ],
        }),
      ),
    ).toEqual(['2 stalled sockets had over 65536 bytes on their way, client 1 65538']);
  });

  it('of the baseline may send what the kernel takes', () => {
    expect(problemsOf(measurement({ subject: 'raw', stalled: [[9_000_000, 0, 0]] }))).toEqual([]);
  });
});

describe('what is printed', () => {
  it('has both runs, every stalled socket, and the ratio', () => {
    const text = pairLines(1, 2, pair({}, { p99Us: 13_000, serverCpuShare: 0.7 })).join('\n');
    expect(text).toMatch(/pair 1\/2 +tickwire +none stalled .* 9 KB\/s a client/);
    expect(text).toMatch(/1 stalled .* 10 KB\/s a client .*\n +the server was busy for more than 60\.0 %/);
    expect(text).toMatch(/sent and never read, by socket: 600 bytes/);
    expect(text).toMatch(/unanswered at most, by socket: 700 bytes/);
    expect(text).toMatch(/queued in the server at most, by socket: 12 bytes; windows 61440/);
    expect(text).toMatch(/for all together 40; the largest window is 61,440/);
    expect(text).toMatch(/closed by the server: 1 as silent/);
    expect(text).toMatch(/with to without: 1\.30 .* not reached/);
  });

  it('ends in the median and spread of the ratios within pairs', () => {
    const pairs = [
      pair({ p99Us: 10_000 }, { p99Us: 11_000 }),
      pair({ p99Us: 20_000 }, { p99Us: 40_000 }),
      pair({ p99Us: 10_000, firstUs: 5_000 }, { p99Us: 9_000, firstUs: 15_000 }),
    ];
    const lines = pairSummary(pairs);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(
      /1\.10 \(0\.90\.\.2\.00\), to reach 1\.2: reached; of the first second: 2\.00 \(1\.10\.\.3\.00\)/,
    );
  });

  it('says so when a run failed', () => {
    expect(pairSummary([pair({}, { stalled: [[70_000, 0, 0]] })]).at(-1)).toMatch(/INVALID/);
  });

  it('counts equal values once', () => {
    expect(counted([5, 9, 5, 1])).toBe('9, 5 (2x), 1');
  });
});
