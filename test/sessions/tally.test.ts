// Holds counts by name against a plain map, whatever order names come and go in.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tally } from '../../src/sessions/tally.ts';

describe('a tally', () => {
  it('counts as a map would that forgets at once', () => {
    const moves = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean()), { maxLength: 200 });
    fc.assert(
      fc.property(moves, (steps) => {
        const tally = new Tally();
        const plain = new Map<string, number>();
        for (const [name, up] of steps) {
          const count = plain.get(name) ?? 0;
          if (up) tally.add(name);
          else tally.take(name);
          plain.set(name, Math.max(0, count + (up ? 1 : -1)));
          expect(tally.of(name)).toBe(plain.get(name));
          expect(tally.size).toBe([...plain.values()].filter((each) => each > 0).length);
        }
      }),
    );
  });

  it('keeps those that are counted when it forgets thousands that are not', () => {
    const tally = new Tally();
    for (const name of ['held', 'held', 'other']) tally.add(name);
    for (let i = 0; i < 5_000; i++) {
      tally.add(`passing ${i}`);
      tally.take(`passing ${i}`);
    }
    expect(tally.of('held')).toBe(2);
    expect(tally.of('other')).toBe(1);
    expect(tally.size).toBe(2);
    expect(tally.kept).toBeLessThan(2_000);
  });
});
