// Holds the table of connections to its size, whatever is in it, and to what an operator must find in it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderTop, type TopState } from '../../src/cli/top-view.ts';
import type { ConnectionFacts, ConnectionList } from '../../src/gateway/admin.ts';

const CALM: ConnectionFacts = {
  id: 'aaaaaa7890abcdef',
  address: '127.0.0.1',
  principal: 'local',
  codec: 'msgpack',
  openMs: 60_000,
  bytesPerSec: 31_999,
  sentBytes: 1_000_000,
  ageMs: 0,
  roundTripMs: 0.4559,
  windowBytes: 61_440,
  unansweredBytes: 999,
  pace: { pace: 'real-time', priority: 9 },
  block: null,
  queuedBytes: 0,
  subscriptions: 7,
  behind: 0,
  bytesPerSecMax: 0,
  clientLagMs: null,
};
const SLOW: ConnectionFacts = {
  ...CALM,
  id: 'bbbbbb7890abcdef',
  address: '192.168.100.200',
  principal: 'desk-of-alice',
  bytesPerSec: 1_960,
  ageMs: 3_299,
  roundTripMs: 412.7,
  windowBytes: 12_000,
  unansweredBytes: 12_288,
  pace: { pace: 'slower', priority: 5 },
  block: 'window',
  queuedBytes: 1_048_576,
  subscriptions: 2_000,
  behind: 4,
};
const QUIET: ConnectionFacts = { ...CALM, roundTripMs: null, pace: { pace: 'conflated', priority: 9 }, bytesPerSec: 0 };

function listOf(connections: readonly ConnectionFacts[], more: Partial<ConnectionList> = {}): ConnectionList {
  const paces = { 'real-time': 0, conflated: 0, slower: 0, top: 0 };
  const blocked = { socket: 0, window: 0, budget: 0, demo: 0 };
  return { total: connections.length, bytesPerSec: 0, paces, blocked, connections, ...more };
}

const STATE: TopState = {
  url: 'http://127.0.0.1:9002',
  busy: 0.123,
  list: listOf([SLOW, CALM, QUIET], {
    total: 1_234,
    bytesPerSec: 1_234_567,
    paces: { 'real-time': 1_200, conflated: 30, slower: 4, top: 0 },
    blocked: { socket: 0, window: 2, budget: 1, demo: 0 },
  }),
};

function lines(state: TopState, columns: number, rows: number, keys = true): string[] {
  return renderTop(state, { columns, rows }, { color: false, keys }).split('\n');
}

/** The cells of a connection's row. */
function cellsOf(facts: ConnectionFacts): string[] {
  return lines({ ...STATE, list: listOf([facts]) }, 100, 24)
    .at(-1)!
    .split(/ +/);
}

describe('the table', () => {
  test('shows totals, then a row for each connection, in 80 columns', () => {
    expect(lines(STATE, 80, 24)).toEqual([
      '127.0.0.1:9002  1,234 connections  1.2MB/s  busy 12 %                    q quits',
      'real-time 1,200  conflated 30  slower 4  top 0  blocked 3 (window 2, budget 1)',
      '',
      'ID     ADDRESS         WHO    PACE      RATE   AGE UNANS   RTT QUEUE SUBS BLOCK',
      'bbbbbb 192.168.100.200 desk-o slower 5  1.9K  3.2s   12K 412ms  1.0M 2.0K window',
      'aaaaaa 127.0.0.1       local  real-time  31K     0   999 455µs     0    7 -',
      'aaaaaa 127.0.0.1       local  conflated    0     0   999     -     0    7 -',
      'the oldest 3 of 1,234; --limit shows more',
    ]);
  });

  test('has the window and the whole of who it is where there is room for them', () => {
    expect(lines(STATE, 96, 24).slice(3, 6)).toEqual([
      'ID     ADDRESS           WHO           PACE      RATE   AGE WINDOW UNANS   RTT QUEUE SUBS BLOCK',
      'bbbbbb 192.168.100.200   desk-of-alice slower 5  1.9K  3.2s    12K   12K 412ms  1.0M 2.0K window',
      'aaaaaa 127.0.0.1         local         real-time  31K     0    61K   999 455µs     0    7 -',
    ]);
  });

  test('leaves out the youngest where the terminal has no room for all, and says so', () => {
    const all = { ...STATE, list: { ...STATE.list, total: 3 } };
    expect(lines(all, 80, 7).at(-1)).toMatch(/^aaaaaa .* conflated/);
    expect(lines(all, 80, 6).slice(-2)).toEqual([expect.stringMatching(/^bbbbbb /), 'the oldest 1 of 3']);
    expect(lines(all, 80, 5).at(-1)).toBe('the oldest 0 of 3');
    expect(lines(all, 80, 2)).toHaveLength(2);
    expect(lines(all, 80, Number.POSITIVE_INFINITY)).toHaveLength(7);
  });

  test('says that nobody is connected', () => {
    expect(lines({ ...STATE, list: listOf([]) }, 80, 24).at(-1)).toBe('nobody is connected');
  });

  test('tells of keys only where there are keys', () => {
    expect(lines(STATE, 80, 24, false).join('\n')).not.toContain('q quits');
  });

  test('gives the address what a wide terminal has left over', () => {
    const address = '2001:0db8:0000:0000:0000:0000:0000:0001';
    const row = (columns: number, text: string) =>
      lines({ ...STATE, list: listOf([{ ...CALM, address: text }]) }, columns, 24).at(-1)!;
    expect(row(80, address)).toMatch(/^aaaaaa 2001:db8::1 {6}local real-time/);
    expect(row(80, '2001:0db8:0001:0002:0003:0004:0005:0006')).toMatch(/^aaaaaa 2001:db8:1:2:3:4 local real-time/);
    expect(row(100, '2001:0db8:0001:0002:0003:0004:0005:0006')).toMatch(
      /^aaaaaa 2001:db8:1:2:3:4:5:6 +local real-time/,
    );
    expect(row(80, '0000:0000:0000:0000:0000:ffff:c0a8:6401')).toMatch(/^aaaaaa 192\.168\.100\.1 +local real-time/);
    expect(row(80, '')).toMatch(/^aaaaaa +local real-time/);
  });

  test('colours what is slow, and is the same text without colours', () => {
    const colored = renderTop({ ...STATE, busy: 0.95 }, { columns: 80, rows: 24 }, { color: true, keys: true });
    for (const text of ['slower 5 ', ' 3.2s', 'window', 'blocked 3 (window 2, budget 1)']) {
      expect(colored).toMatch(new RegExp(`\x1b\\[31m ?${text.replace(/[()]/g, '\\$&')}\x1b`));
    }
    expect(colored).toContain('\x1b[7;33mbusy 95 %\x1b[0m');
    expect(uncolored(colored).replace('95', '12')).toBe(lines(STATE, 80, 24).join('\n'));
  });

  test.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1.0K'],
    [9_999, '9.9K'],
    [10_000, '10K'],
    [999_999, '999K'],
    [1_000_000, '1.0M'],
    [9.99e11, '999G'],
    [Number.MAX_SAFE_INTEGER, '9.0P'],
  ])('writes %d bytes as %s, rounded down', (windowBytes, text) => {
    expect(cellsOf({ ...CALM, windowBytes })[6]).toBe(text);
  });

  test.each([
    [0, '0'],
    [999, '999ms'],
    [1_000, '1.0s'],
    [9_999, '9.9s'],
    [99_999, '99s'],
    [100_000, '1m'],
    [5_999_999, '99m'],
    [6_000_000, '1h'],
    [360_000_000, '4d'],
  ])('writes an age of %d ms as %s, rounded down', (ageMs, text) => {
    expect(cellsOf({ ...CALM, ageMs })[5]).toBe(text);
  });

  test.each([
    [0.004, '4µs'],
    [0.9999, '999µs'],
    [1, '1.0ms'],
    [9.99, '9.9ms'],
    [10, '10ms'],
  ])('writes a round trip of %d ms as %s, rounded down', (roundTripMs, text) => {
    expect(cellsOf({ ...CALM, roundTripMs })[8]).toBe(text);
  });

  test('never leaves the terminal, whatever its size and whoever is connected', () => {
    const facts = fc.record({
      id: fc.stringMatching(/^[0-9a-f]{0,16}$/),
      address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
      codec: fc.constant('json'),
      openMs: fc.nat(),
      bytesPerSec: fc.maxSafeNat(),
      sentBytes: fc.maxSafeNat(),
      ageMs: fc.maxSafeNat(),
      roundTripMs: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true })),
      windowBytes: fc.maxSafeNat(),
      unansweredBytes: fc.maxSafeNat(),
      pace: fc.record({
        pace: fc.constantFrom('real-time', 'conflated', 'slower', 'top', 'other' as const),
        priority: fc.nat(9),
      }),
      block: fc.constantFrom(null, 'socket' as const, 'window' as const, 'budget' as const),
      queuedBytes: fc.maxSafeNat(),
      subscriptions: fc.nat(),
      behind: fc.nat(),
      bytesPerSecMax: fc.nat(),
      principal: fc.string(),
      clientLagMs: fc.option(fc.nat()),
    });
    const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 40 }) });
    const state = fc
      .tuple(fc.array(facts, { maxLength: 50 }), fc.nat(20_000), fc.maxSafeNat())
      .map(([connections, more, bytesPerSec]) => {
        const list = listOf(connections, { total: connections.length + more, bytesPerSec });
        return { url: 'http://127.0.0.1:9002', busy: 1, list };
      });
    fc.assert(
      fc.property(state, size, (top, { columns, rows }) => {
        const shown = lines(top, columns, rows);
        expect(shown.length).toBeLessThanOrEqual(rows);
        for (const line of shown) expect(line.length).toBeLessThanOrEqual(columns);
        const colored = renderTop(top, { columns, rows }, { color: true, keys: true });
        expect(uncolored(colored).split('\n')).toEqual(shown);
      }),
    );
  });
});

/** Without the sequences that colour it, and the blanks at the ends of lines. */
function uncolored(text: string): string {
  const painted = text.split('\x1b[').map((piece, index) => (index === 0 ? piece : piece.replace(/^[\d;]*m/, '')));
  return painted.join('').replace(/ +$/gm, '');
}
