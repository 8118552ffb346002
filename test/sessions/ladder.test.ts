import { describe, expect, test } from 'vitest';
import { Ladder, type Rung, rungsOf } from '../../src/sessions/ladder.ts';

function walk(ladder: Ladder, shares: readonly number[], rungs: readonly Rung[]): string[] {
  return shares.flatMap((share, second) => {
    const rung = ladder.tick(share, rungs);
    return rung === null ? [] : [`${second + 1}: ${rung.pace} ${rung.priority}`];
  });
}

const seconds = (count: number, share: number): number[] => new Array<number>(count).fill(share);

describe('the ladder', () => {
  test('goes down step by step under lasting pressure, the lowest priorities first, to the top of the book where allowed', () => {
    expect(walk(new Ladder(), seconds(20, 1), rungsOf([5, 2, 5, 9], true))).toEqual([
      '1: conflated 9',
      '4: slower 2',
      '5: slower 5',
      '6: slower 9',
      '9: top 2',
      '10: top 5',
      '11: top 9',
    ]);
    expect(walk(new Ladder(), seconds(20, 1), rungsOf([5], false)).at(-1)).toBe('4: slower 5');
  });

  test('does not move for a moment of pressure, nor for a share that is neither pressure nor calm', () => {
    const rungs = rungsOf([5], true);
    expect(walk(new Ladder(), seconds(50, 0.4), rungs)).toEqual([]);
    const ladder = new Ladder();
    expect(walk(ladder, [1, 1, 1, 0.4, 1, 1, 0.4, ...seconds(20, 0.4)], rungs)).toEqual(['1: conflated 9']);
  });

  test('comes back by itself after a calm, a rung at a time', () => {
    const ladder = new Ladder();
    const rungs = rungsOf([5], false);
    walk(ladder, seconds(4, 1), rungs);
    expect(walk(ladder, seconds(30, 0), rungs)).toEqual(['5: conflated 9', '10: real-time 9']);
    expect(ladder.atTop).toBe(true);
  });

  test('waits longer each time that a relief was followed by trouble', () => {
    const ladder = new Ladder();
    const rungs = rungsOf([5], false);
    walk(ladder, seconds(4, 1), rungs);
    const waits: number[] = [];
    for (let relapse = 0; relapse < 6; relapse++) {
      let calmS = 0;
      do calmS += 1;
      while (ladder.tick(0, rungs) === null);
      waits.push(calmS);
      walk(ladder, seconds(3, 1), rungs);
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60]);
  });

  test('keeps to the rungs that there are when subscriptions go', () => {
    const ladder = new Ladder();
    walk(ladder, seconds(12, 1), rungsOf([1, 2, 3], true));
    expect(ladder.tick(0, rungsOf([], false))).toEqual({ pace: 'conflated', priority: 9 });
  });
});
