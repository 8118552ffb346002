// The page's sentences and figures: what they claim, and how numbers read.

import { describe, expect, test } from 'vitest';
import {
  answered,
  bytesPerSec,
  denied,
  leaving,
  milliseconds,
  moved,
  paced,
  reconnected,
  recovered,
  throttled,
  turnedAway,
  withheld,
} from '../../src/page/words.ts';

describe('the story', () => {
  test('says how long a stall was, and by how many updates in one difference it healed', () => {
    expect(recovered({ silentMs: 3_049, updates: 1_214, fresh: false })).toBe(
      'Stalled for 3.0 s. Healed by one difference of 1,214 updates; the checksum agrees.',
    );
  });
  test('does not call a snapshot a difference', () => {
    expect(recovered({ silentMs: 10_000, updates: 0, fresh: true })).toBe(
      'Stalled for 10.0 s. Healed by a fresh snapshot; the checksum agrees.',
    );
  });
  test('counts how each subscription came back, and names the book that a difference healed', () => {
    const quote = { channel: 'quote', symbol: 'A', heldSeq: 5, seq: 5, how: 'current' } as const;
    const trade = { channel: 'trade', symbol: 'A', heldSeq: 5, seq: 9, how: 'replayed' } as const;
    const book = { channel: 'book', symbol: 'A', heldSeq: 5, seq: 46, how: 'diffed' } as const;
    expect(reconnected(420, [quote, quote, trade, book])).toBe(
      "Back after 0.4 s. 4 subscriptions healed: 1 by a difference, 1 by replay of what was missed, 2 had missed nothing. A's book: one difference of 41 updates; the checksum agrees.",
    );
  });
  test('claims no difference of a book that began anew', () => {
    const book = { channel: 'book', symbol: 'A', heldSeq: 5, seq: 46, how: 'snapshot' } as const;
    expect(reconnected(420, [book])).toBe('Back after 0.4 s. 1 subscription healed: 1 by a fresh start.');
  });
  test('counts how the gateway continues, and says why where it does not from what was held', () => {
    const diffed = { how: 'diffed', why: 'cursor' } as const;
    const anew = { how: 'snapshot', why: 'horizon' } as const;
    expect(answered([diffed, { how: 'replayed', why: 'cursor' }, anew, anew, { how: 'snapshot', why: 'epoch' }])).toBe(
      'The gateway continues 5 subscriptions: 1 by every update missed, 1 by the difference, 3 anew (too long ago, the market has begun anew).',
    );
  });
  test('says when it moves away from a gateway that stops', () => {
    expect(leaving(1_234)).toBe(
      'The gateway is about to stop. The page moves to another connection in 1.2 s, and misses nothing.',
    );
  });
  test('says what makes the connection slow', () => {
    expect(paced('conflated', 'budget')).toContain('the bytes a second that it may have');
    expect(paced('slower', 'link')).toContain('its link');
    expect([throttled(2_000), throttled(0)]).toEqual([
      "Throttled to 2 KB a second, at this page's wish.",
      'The throttle is off.',
    ]);
  });
});

describe('what may not be had', () => {
  test('is told by channel, with the symbol or how many there are', () => {
    const trades = ['A', 'B'].map((symbol) => ({ channel: 'trade', symbol }));
    expect(denied([...trades, { channel: 'book', symbol: 'A' }])).toBe(
      'Not allowed to this client: trades of 2 symbols, books of A. The page goes on without.',
    );
  });
  test.each([
    [null, 0, ''],
    [5, 0, 'As much as this client may have: 5 levels.'],
    [1, 1_000, 'As much as this client may have: 1 level, once a second.'],
    [null, 500, 'As much as this client may have: every 0.5 s.'],
  ])('of a book with %s levels every %i ms reads: %s', (levels, intervalMs, words) => {
    expect(withheld({ levels, intervalMs })).toBe(words);
  });
  test('asks who it is in other words than it says what was wrong', () => {
    const message = 'The client has not said who it is, and has to.';
    expect(turnedAway({ code: 'unauthenticated', message })).toBe('This gateway wants to know who connects.');
    expect(turnedAway({ code: 'revoked', message: 'Taken back.' })).toBe('Taken back.');
  });
});

describe('figures', () => {
  test.each([
    [10_000, 10_050, '▲ +0.50%'],
    [10_000, 9_950, '▼ -0.50%'],
    [10_000, 10_000, '· 0.00%'],
    [1_000_000, 999_990, '· 0.00%'],
    // A spread near zero, and one below it: percent mean nothing.
    [3, 10, '▲ +0.07'],
    [6, 11, '▲ +0.05'],
    [-5, -7, '▼ -0.02'],
    [0, 4, '▲ +0.04'],
  ])('a price that went from %i to %i has moved %s', (from, to, words) => {
    expect(moved(from, to, 2)).toBe(words);
  });
  test('milliseconds have a digit below ten, and become seconds when there are many', () => {
    expect([null, 0.42, 9.96, 12.4, 12_345].map(milliseconds)).toEqual(['–', '0.4 ms', '10.0 ms', '12 ms', '12.3 s']);
  });
  test('bytes are read in kilobytes from a thousand on', () => {
    expect([0, 999, 1_500, 20_000].map(bytesPerSec)).toEqual(['0 B/s', '999 B/s', '1.5 KB/s', '20 KB/s']);
  });
});
