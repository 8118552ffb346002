// Holds the slow reader's accounts: what a turn is, how old a book is, and what age is allowed.

import { describe, expect, it } from 'vitest';
import { Ages, boundMs, Recent, Turns, WorstAge } from './turns.ts';

describe('a turn', () => {
  it('ends when every book has come, however often the others came', () => {
    const turns = new Turns(3);
    for (const [book, readBytes] of [
      [0, 100],
      [1, 150],
      [0, 400],
    ] as const)
      turns.frame(book, readBytes);
    expect([turns.count, turns.lastBytes]).toEqual([0, null]);
    turns.frame(2, 600);
    expect([turns.count, turns.lastBytes]).toEqual([1, 600]);
    for (const [book, readBytes] of [
      [2, 700],
      [1, 800],
      [0, 850],
    ] as const)
      turns.frame(book, readBytes);
    expect([turns.count, turns.lastBytes]).toEqual([2, 250]);
  });

  it('of books that are served in turn leaves each one frame of every other', () => {
    const turns = new Turns(3);
    for (let frame = 0; frame < 30; frame++) turns.frame(frame % 3, frame);
    expect(turns.othersMax).toBe(2);
    for (const book of [0, 1, 0, 1, 0, 1, 2]) turns.frame(book, 30);
    expect(turns.othersMax).toBe(6);
  });
});

describe('what was measured of late', () => {
  it('reaches back to the beginning of the turn before', () => {
    const recent = new Recent();
    recent.take(8, 0);
    recent.take(3, 0);
    recent.take(5, 1);
    expect(recent.max).toBe(8);
    recent.take(2, 2);
    expect(recent.max).toBe(5);
    recent.take(1, 4);
    expect(recent.max).toBe(1);
  });
});

describe('the age of a book', () => {
  it('is the time since the first update that its holder lacks', () => {
    const ages = new Ages(2);
    ages.published(1, 1, 100);
    ages.published(1, 2, 200);
    ages.published(1, 3, 250);
    expect([1, 2, 3].map((seq) => ages.ageMs(1, seq, 300))).toEqual([100, 50, 0]);
    expect(ages.ageMs(0, 0, 300)).toBe(0);
  });

  it('may be the interval, the grace, a round trip, and what one turn takes on the link', () => {
    expect(boundMs({ intervalMs: 1_000, roundTripMs: 300, turnBytes: 9_000 }, 2_000)).toBe(6_300);
  });

  it('is at its worst where it goes furthest over its bound', () => {
    const worst = new WorstAge();
    worst.take(9_000, Number.POSITIVE_INFINITY, 1);
    worst.take(4_000, 5_000, 2);
    worst.take(100, 1_000, 3);
    worst.take(4_500, 5_600, 4);
    expect(worst).toMatchObject({ ageMs: 100, boundMs: 1_000, atMs: 3, holds: true });
    worst.take(1_001, 1_000, 5);
    expect(worst.holds).toBe(false);
  });
});
