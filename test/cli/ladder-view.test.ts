// Holds the picture of a market to its size, whatever is in it, and to what a person must find in it.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LadderLevel, type LadderState, renderLadder } from '../../src/cli/ladder-view.ts';

const AT_US = 1_700_000_000_000_000;

function level(price: number, size: number, more: Partial<LadderLevel> = {}): LadderLevel {
  return { price, size, count: 0, fresh: false, ...more };
}

const MARKET: LadderState = {
  symbol: 'BTC-USD',
  manner: 'every 100 ms',
  denied: [],
  status: 'live',
  priceScale: 1,
  sizeScale: 3,
  bids: [level(650_002, 1_500), level(650_001, 6_000), level(650_000, 10)],
  asks: [level(650_005, 2_000), level(650_006, 500), level(650_009, 3_250)],
  trades: [
    { atUs: AT_US + 1_000_000, word: 'sell', rising: false, price: 650_002, size: 25 },
    { atUs: AT_US, word: 'buy', rising: true, price: 650_005, size: 1_000 },
  ],
  seq: 4_711,
  checksumsOk: 99,
  checksumsBad: 0,
  merged: 7,
  latencyUs: 420,
  exchangeAgeUs: 12_300,
};

function lines(state: LadderState, columns: number, rows: number): string[] {
  return renderLadder(state, { columns, rows }, false).split('\n');
}

describe('the ladder', () => {
  test('shows asks above bids, the spread between them, bars, trades, and how it all arrives', () => {
    expect(lines(MARKET, 80, 24)).toEqual(
      [
        ' BTC-USD  ● live                                         every 100 ms   seq 4711',
        '',
        ' 65000.9    3.250  ███████████████████▌              │ last trades, UTC',
        ' 65000.6    0.500  ███                               │ 22:13:21  sell  65000.2    0.025',
        ' 65000.5    2.000  ████████████                      │ 22:13:20  buy   65000.5    1.000',
        ' ── spread 0.3 (0.05 bp)  mid 65000.35 ────────────  │',
        ' 65000.2    1.500  █████████                         │',
        ' 65000.1    6.000  ████████████████████████████████  │',
        ' 65000.0    0.010  ▍                                 │',
        '',
        ' checksums 99 ok   latency 420 µs   exchange 12 ms ago   merged 7        q quits',
      ].map((line) => expect.stringMatching(pattern(line))),
    );
  });

  test('says what this client may not have, and keeps no room for trades that never come', () => {
    const shown = lines({ ...MARKET, denied: ['trade'], trades: [] }, 80, 24);
    expect(shown.at(-1)).toMatch(/^ checksums 99 ok {3}not allowed: trades {3}latency 420 µs/);
    expect(shown.join('\n')).not.toMatch(/no trades yet|│/);
    const blind = lines({ ...MARKET, denied: ['book'], bids: [], asks: [], seq: 0 }, 80, 24);
    expect(blind.join('\n')).toMatch(/the book is not allowed to this client/);
    expect(blind.join('\n')).not.toMatch(/waiting for the book/);
  });

  test('puts the trades below where they don’t fit beside', () => {
    const shown = lines(MARKET, 40, 16);
    expect(shown.slice(-5)).toEqual([
      ' last trades, UTC',
      ' 22:13:21  sell  65000.2    0.025',
      ' 22:13:20  buy   65000.5    1.000',
      '',
      ' checksums 99 ok                q quits',
    ]);
  });

  test('leaves out trades, air, deep levels and facts, in this order, as the terminal gets smaller', () => {
    expect(lines(MARKET, 40, 9)).toHaveLength(9);
    expect(lines(MARKET, 40, 9).join('\n')).not.toContain('trades');
    expect(lines(MARKET, 40, 7).filter((line) => line.includes('█'))).toHaveLength(4);
    const least = lines(MARKET, 24, 5);
    expect(least.map((line) => line.trim().split(' ')[0])).toEqual([
      'BTC-USD',
      '65000.5',
      '──',
      '65000.2',
      'checksums',
    ]);
  });

  test('aligns the prices of both sides and keeps the width of sizes', () => {
    const wider = { ...MARKET, bids: [level(650_002, 123_456)] };
    for (const state of [MARKET, wider]) {
      const ends = lines(state, 60, 12)
        .filter((line) => /^ +\d+\.\d /.test(line))
        .map((line) => /^ +\d+\.\d +\d+\.\d{3}/.exec(line)![0].length);
      expect(new Set(ends)).toEqual(new Set([17]));
    }
  });

  test('shows order counts where the source has them', () => {
    const counted = { ...MARKET, bids: [level(650_002, 1_500, { count: 12 })] };
    expect(lines(counted, 80, 24).join('\n')).toMatch(/65000\.2 +1\.500 +×12 +█/);
    expect(lines(MARKET, 80, 24).join('\n')).not.toContain('×');
  });

  test('shows prices below zero, and no basis points then', () => {
    const state = { ...MARKET, priceScale: 2, bids: [level(-5, 1)], asks: [level(-2, 1)] };
    expect(lines(state, 60, 10).join('\n')).toMatch(/-0\.02 .*\n ── spread 0\.03 {2}mid -0\.035 ─.*\n +-0\.05/);
  });

  test('says what is missing: the book, a side of it, trades, times', () => {
    const empty = { ...MARKET, bids: [], asks: [], trades: [], seq: 0, latencyUs: null, exchangeAgeUs: null };
    const text = lines(empty, 80, 24).join('\n');
    expect(text).toContain('waiting for the book');
    expect(text).toContain('the book is empty');
    expect(lines({ ...MARKET, asks: [] }, 80, 24).join('\n')).toContain('one side is empty');
    expect(lines({ ...MARKET, trades: [] }, 80, 24).join('\n')).toContain('no trades yet');
    expect(text).toContain('latency -   exchange -');
  });

  test('says loudly that a checksum failed', () => {
    expect(lines({ ...MARKET, checksumsBad: 1 }, 80, 24).at(-1)).toContain('checksums 99 ok, 1 BAD');
  });

  test('colours bids and asks, makes what changed bold, and is the same text without colours', () => {
    const fresh = { ...MARKET, asks: [level(650_005, 2_000), level(650_006, 500, { fresh: true })] };
    const colored = renderLadder(fresh, { columns: 80, rows: 24 }, true);
    expect(colored).toContain('\x1b[31;1m 65000.6\x1b[0m');
    expect(colored).toContain('\x1b[32m 65000.1\x1b[0m');
    const plain = renderLadder(fresh, { columns: 80, rows: 24 }, false);
    expect(plain).not.toContain('\x1b');
    expect(uncolored(colored)).toBe(plain);
  });

  test('never leaves the terminal, whatever its size and whatever the market', () => {
    const levels = (sign: 1 | -1) =>
      fc
        .array(
          fc.record({
            gap: fc.integer({ min: 1, max: 1e6 }),
            size: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
            count: fc.nat(200),
          }),
          { maxLength: 60 },
        )
        .map((steps) => {
          let price = 0;
          return steps.map(({ gap, size, count }) => {
            price += sign * gap;
            return level(price, size, { count, fresh: count % 2 === 0 });
          });
        });
    const state = fc.record({
      symbol: fc.stringMatching(/^[A-Z-]{1,48}$/),
      manner: fc.constantFrom('every 100 ms', 'every update'),
      denied: fc.subarray(['book', 'trade', 'status'] as const),
      status: fc.constantFrom('live', 'source-down'),
      priceScale: fc.nat(15),
      sizeScale: fc.nat(15),
      bids: levels(-1),
      asks: levels(1),
      trades: fc.array(fc.constant(MARKET.trades[0]!), { maxLength: 50 }),
      seq: fc.nat(),
      checksumsOk: fc.nat(),
      checksumsBad: fc.nat(2),
      merged: fc.nat(),
      latencyUs: fc.option(fc.integer()),
      exchangeAgeUs: fc.option(fc.integer()),
    });
    const size = fc.record({ columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 70 }) });
    fc.assert(
      fc.property(state, size, (market, { columns, rows }) => {
        const shown = lines(market, columns, rows);
        expect(shown.length).toBeLessThanOrEqual(rows);
        for (const line of shown) expect([...line].length).toBeLessThanOrEqual(columns);
        expect(uncolored(renderLadder(market, { columns, rows }, true)).split('\n')).toEqual(shown);
      }),
    );
  });
});

/** Without the sequences that colour it, and the blanks at the ends of lines. */
function uncolored(text: string): string {
  const painted = text.split('\x1b[').map((piece, index) => (index === 0 ? piece : piece.replace(/^[\d;]*m/, '')));
  return painted.join('').replace(/ +$/gm, '');
}

/** The line with any run of blanks and bar pieces where it has one. */
function pattern(line: string): RegExp {
  const escaped = line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(
    `^${escaped
      .replace(/[█▏▎▍▌▋▊▉]+ */g, '[█▏▎▍▌▋▊▉]+ *')
      .replace(/─{3,} */g, '─+ *')
      .replace(/ {3,}/g, ' +')}$`,
  );
}
