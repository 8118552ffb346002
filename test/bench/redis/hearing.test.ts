// Owns the tests of the follower's audit: what counts as heard, and what ends a run's worth.
// Invariant under test: nothing but the next update of a topic counts.

import { describe, expect, it } from 'vitest';
import { Hearing } from './hearing.ts';

function heardOf(...updates: readonly (readonly [topic: number, seq: number])[]): Hearing {
  const hearing = new Hearing(2);
  for (const [topic, seq] of updates) hearing.heard(topic, seq, 1_000, 1_250);
  return hearing;
}

describe('the audit of a follower', () => {
  it('counts each update of each topic once, with its latency', () => {
    const hearing = heardOf([0, 1], [1, 1], [0, 2]);
    hearing.finish([2, 1]);
    expect([hearing.updates, hearing.problems.count]).toEqual([3, 0]);
    expect(hearing.latency().p99Us).toBe(250);
  });

  it('finds what came again', () => {
    const hearing = heardOf([0, 1], [0, 1]);
    expect(hearing.updates).toBe(1);
    expect(hearing.problems.texts).toEqual(['topic 0: 1 came again or too late, after 1']);
  });

  it('finds what was lost on the way, and at the end', () => {
    const hearing = heardOf([0, 1], [0, 4]);
    expect(hearing.complete([4, 1])).toBe(false);
    hearing.finish([4, 1]);
    expect(hearing.problems.texts).toEqual(['topic 0: 2 to 3 are lost', 'topic 1: ended at 0, the last is 1']);
  });

  it('finds what was heard though it was not published, and what nobody follows', () => {
    const hearing = heardOf([0, 1], [7, 1]);
    hearing.finish([0, 0]);
    expect(hearing.problems.texts).toEqual([
      'an update of topic 7, which nobody follows',
      'topic 0: ended at 1, the last is 0',
    ]);
  });

  it('goes on in a new phase where the last one ended', () => {
    const hearing = heardOf([0, 1]);
    hearing.begin();
    hearing.heard(0, 2, 1_000, 1_500);
    expect([hearing.updates, hearing.problems.count, hearing.latency().p50Us]).toEqual([1, 0, 500]);
  });
});
