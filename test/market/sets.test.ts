// Holds wildcards to a regular expression, and named sets to their bounds.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isPattern,
  isWildcard,
  matchesWildcard,
  SET_SYMBOLS_MAX,
  SETS_MAX,
  SymbolSets,
} from '../../src/market/sets.ts';

describe('a wildcard', () => {
  test('matches what the regular expression of the same meaning matches', () => {
    const text = fc.string({ unit: fc.constantFrom('A', 'B', '-', '*'), maxLength: 12 });
    const symbol = fc.string({ unit: fc.constantFrom('A', 'B', '-'), maxLength: 12 });
    fc.assert(
      fc.property(text, symbol, (pattern, of) => {
        const expected = new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(of);
        expect(matchesWildcard(pattern, of)).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
  });

  test('that would make a backtracking matcher run for ages is answered in few steps', () => {
    let looked = 0;
    const symbol = new Proxy(new String(`${'A'.repeat(47)}B`), {
      get: (target, key) => {
        looked += 1;
        return Reflect.get(target, key, target);
      },
    }) as unknown as string;
    expect(matchesWildcard(`${'*A'.repeat(24)}*C`, symbol)).toBe(false);
    expect(looked).toBeLessThan(48 * 64 * 4);
  });

  test('is told from a symbol, and from what is neither', () => {
    expect(['BTC-*', '*', '@majors', 'BTC-USD'].map(isPattern)).toEqual([true, true, true, false]);
    expect(['BTC-*', '*', '@m*', 'a b*', 'BTC-USD'].map(isWildcard)).toEqual([true, true, false, false, false]);
  });
});

describe('a named set', () => {
  test('is put whole or not at all', () => {
    const sets = new SymbolSets();
    expect(sets.put({ name: 'a', symbols: ['X', 'Y-*'] })).toBeNull();
    expect(sets.put({ name: 'a', symbols: ['X', 'no spaces'] })).toBe('"no spaces" is neither a symbol nor a wildcard');
    expect(sets.put({ name: 'no name!', symbols: [] })).toMatch(/name/);
    const many = Array.from({ length: SET_SYMBOLS_MAX + 1 }, (_, i) => `S${i}`);
    expect(sets.put({ name: 'a', symbols: many })).toBe(`${SET_SYMBOLS_MAX + 1} symbols, at most ${SET_SYMBOLS_MAX}`);
    expect(sets.list().map(({ name, symbols }) => [name, symbols])).toEqual([['a', ['X', 'Y-*']]]);
  });

  test('can be changed when there are as many as there may be', () => {
    const sets = new SymbolSets();
    for (let i = 0; i < SETS_MAX; i++) expect(sets.put({ name: `s${i}`, symbols: [] })).toBeNull();
    expect(sets.put({ name: 'more', symbols: [] })).toMatch(/no more/);
    expect(sets.put({ name: 's0', symbols: ['X'] })).toBeNull();
    expect(sets.delete('s1')).toBe(true);
    expect(sets.delete('s1')).toBe(false);
    expect(sets.put({ name: 'more', symbols: [] })).toBeNull();
  });
});
