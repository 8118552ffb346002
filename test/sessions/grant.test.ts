// Holds grants to their rules: wildcards, the best of several, publishing apart from reading, and all of it against an oracle
// that tries every rule for every question.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHANNELS, type Channel, DEPTHS, type Depth, INTERVALS_MS } from '../../src/protocol/frames.ts';
import { type Allowed, FULL_GRANT, grantOf, READ_GRANT, type SubscribeRule } from '../../src/sessions/grant.ts';

const EVERYTHING: Allowed = { depth: 0, intervalMs: 0, raw: true };

function reading(...subscribe: SubscribeRule[]) {
  return grantOf({ subscribe });
}

describe('what may be had of a topic', () => {
  test('is nothing where no rule is about it', () => {
    const grant = reading({ channels: ['book'], symbols: ['BTC-USD', 'ETH-*'] });
    expect(grant.subscribe('book', 'BTC-USD')).toEqual(EVERYTHING);
    expect(grant.subscribe('book', 'ETH-EUR')).toEqual(EVERYTHING);
    expect(grant.subscribe('book', 'BTC-EUR')).toBeNull();
    expect(grant.subscribe('trade', 'BTC-USD')).toBeNull();
    expect(grantOf({}).subscribe('book', 'BTC-USD')).toBeNull();
  });

  test('is as deep and as fast as the rule says, the interval on the grid; a limit rules raw out', () => {
    const grant = reading(
      { channels: ['book'], symbols: ['A'], depth: 10 },
      { channels: ['book'], symbols: ['B'], intervalMs: 300 },
      { channels: ['trade'], symbols: ['A'], raw: false },
    );
    expect(grant.subscribe('book', 'A')).toEqual({ depth: 10, intervalMs: 0, raw: false });
    expect(grant.subscribe('book', 'B')).toEqual({ depth: 0, intervalMs: 500, raw: false });
    expect(grant.subscribe('trade', 'A')).toEqual({ depth: 0, intervalMs: 0, raw: false });
  });

  test('is the best of each where several rules match, by name or by wildcard, whatever their order', () => {
    const deep: SubscribeRule = { channels: ['book'], symbols: ['*'], depth: 50, intervalMs: 1_000 };
    const fast: SubscribeRule = { channels: ['*'], symbols: ['BTC-USD'], depth: 5, intervalMs: 100 };
    const middle: SubscribeRule = { channels: ['book', 'quote'], symbols: ['BTC-*'], depth: 10, intervalMs: 250 };
    for (const rules of [
      [deep, fast, middle],
      [middle, fast, deep],
    ]) {
      const grant = reading(...rules);
      expect(grant.subscribe('book', 'BTC-USD')).toEqual({ depth: 50, intervalMs: 100, raw: false });
      expect(grant.subscribe('book', 'BTC-EUR')).toEqual({ depth: 50, intervalMs: 250, raw: false });
      expect(grant.subscribe('status', 'BTC-USD')).toEqual({ depth: 5, intervalMs: 100, raw: false });
      expect(grant.subscribe('status', 'BTC-EUR')).toBeNull();
    }
    const full = reading(deep, { channels: ['book'], symbols: ['BTC-USD'], depth: 0 });
    expect(full.subscribe('book', 'BTC-USD')).toEqual(EVERYTHING);
  });

  test('is the same object again: asking costs a look-up', () => {
    const grant = reading(
      { channels: ['*'], symbols: ['*'], depth: 5 },
      { channels: ['*'], symbols: ['A*'], depth: 10 },
    );
    expect(grant.subscribe('book', 'A1')).toBe(grant.subscribe('book', 'A1'));
  });

  test('is right, and most of it forgotten, when more names are asked for than are remembered', () => {
    const both = [
      { channels: ['book'], symbols: ['A*'], depth: 5, intervalMs: 100 },
      { channels: ['book'], symbols: ['*0'], depth: 10, intervalMs: 250 },
    ] as const;
    const grant = reading(...both);
    const first = grant.subscribe('book', 'A0');
    for (let number = 0; number < 10_000; number += 1) {
      expect(grant.subscribe('book', `A${number}`)).not.toBeNull();
      expect(grant.subscribe('book', `B${number}x`)).toBeNull();
    }
    expect(grant.subscribe('book', 'A0')).toEqual({ depth: 10, intervalMs: 100, raw: false });
    expect(grant.subscribe('book', 'A0')).not.toBe(first);
  });
});

describe('what may be published', () => {
  test('is apart from what may be read', () => {
    const grant = grantOf({
      subscribe: [{ channels: ['book'], symbols: ['A'] }],
      publish: [{ channels: ['book', 'trade'], symbols: ['desk.*', 'B'] }],
      defines: true,
    });
    expect(grant.publish('book', 'desk.X')).toBe(true);
    expect(grant.publish('trade', 'B')).toBe(true);
    expect(grant.publish('quote', 'B')).toBe(false);
    expect(grant.publish('book', 'A')).toBe(false);
    expect(grant.subscribe('book', 'B')).toBeNull();
    expect(grant).toMatchObject({ publishes: true, defines: true });
  });

  test('is nothing where the role says nothing of it', () => {
    expect(grantOf({ subscribe: [{ channels: ['*'], symbols: ['*'] }] })).toMatchObject({
      publishes: false,
      defines: false,
      bytesPerSec: 0,
      connectionsMax: 0,
      publishPerSec: 0,
    });
  });
});

test('the limits of a role are those of its grant', () => {
  expect(grantOf({ bytesPerSec: 1_000, connections: 3, publishPerSec: 50 })).toMatchObject({
    bytesPerSec: 1_000,
    connectionsMax: 3,
    publishPerSec: 50,
  });
});

test('full is everything, reading is everything but publishing', () => {
  for (const channel of CHANNELS) {
    expect(FULL_GRANT.subscribe(channel, 'X')).toEqual(EVERYTHING);
    expect(READ_GRANT.subscribe(channel, 'X')).toEqual(EVERYTHING);
    expect(FULL_GRANT.publish(channel, 'X')).toBe(true);
    expect(READ_GRANT.publish(channel, 'X')).toBe(false);
  }
  expect(FULL_GRANT).toMatchObject({ defines: true, publishes: true });
  expect(READ_GRANT).toMatchObject({ defines: false, publishes: false });
});

// ---- Against an oracle ----

const letters = fc.constantFrom('A', 'B', '-');
const symbol = fc.string({ unit: letters, minLength: 1, maxLength: 4 });
const pattern = fc.string({ unit: fc.oneof(letters, fc.constant('*')), minLength: 1, maxLength: 4 });
const channels = fc.uniqueArray(fc.constantFrom<Channel | '*'>('*', ...CHANNELS), { minLength: 1, maxLength: 3 });
const rule: fc.Arbitrary<SubscribeRule> = fc
  .record(
    {
      channels,
      symbols: fc.array(fc.oneof(symbol, pattern), { minLength: 1, maxLength: 4 }),
      depth: fc.constantFrom<Depth>(...DEPTHS),
      intervalMs: fc.integer({ min: 0, max: 60_000 }),
      raw: fc.boolean(),
    },
    { requiredKeys: ['channels', 'symbols'] },
  )
  // A document that allows raw and limits the rest is refused.
  .map(({ raw, ...rest }) =>
    raw === undefined || (rest.depth ?? 0) !== 0 || (rest.intervalMs ?? 0) !== 0 ? rest : { ...rest, raw },
  );

function matches({ channels, symbols }: SubscribeRule, channel: Channel, name: string): boolean {
  const hit = symbols.some((each) => new RegExp(`^${each.replaceAll('*', '.*')}$`).test(name));
  return hit && (channels.includes(channel) || channels.includes('*'));
}

/** Every rule tried, the best of all that match. */
function naive(rules: readonly SubscribeRule[], channel: Channel, name: string): Allowed | null {
  const hits = rules.filter((each) => matches(each, channel, name));
  if (hits.length === 0) return null;
  const depths = hits.map(({ depth = 0 }) => depth);
  const wanted = Math.min(...hits.map(({ intervalMs = 0 }) => intervalMs));
  return {
    depth: depths.includes(0) ? 0 : (Math.max(...depths) as Depth),
    intervalMs: INTERVALS_MS.find((each) => each >= wanted)!,
    raw: hits.some(({ depth = 0, intervalMs = 0, raw = true }) => raw && depth === 0 && intervalMs === 0),
  };
}

test('any rules, asked for any topics in any order, say what an oracle says that tries them all', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 8 }),
      fc.array(fc.tuple(fc.constantFrom(...CHANNELS), symbol), { minLength: 1, maxLength: 40 }),
      (rules, questions) => {
        const grant = grantOf({
          subscribe: rules,
          publish: rules.map(({ channels, symbols }) => ({ channels, symbols })),
        });
        for (const [channel, name] of questions) {
          const right = naive(rules, channel, name);
          expect(grant.subscribe(channel, name)).toEqual(right);
          expect(grant.publish(channel, name)).toBe(right !== null);
        }
      },
    ),
    { numRuns: 500 },
  );
});
