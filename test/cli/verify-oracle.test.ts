// Holds the oracle of verifications to telling every kind of difference, and to naming states by the updates that tell of them.

import { describe, expect, test } from 'vitest';
import { type NaiveReader, type NaiveStep, Oracle } from '../../src/cli/verify-oracle.ts';
import { LocalBook } from '../../src/client/local-book.ts';
import type { Ingested } from '../../src/feeds/ingest.ts';
import { Ladder } from '../../src/market/ladder.ts';

const SCALES = { priceScale: 2, sizeScale: 1 };
const EPOCH = 7;

/** Its messages are lists of steps. */
const reader: NaiveReader = { read: (text) => JSON.parse(text) as NaiveStep[], bests: { checked: 0, differences: [] } };

function step(bids: [string, string][], { whole = false, asks = [] as [string, string][] } = {}): NaiveStep {
  return { symbol: 'A', whole, bids, asks };
}

function told(oracle: Oracle, steps: readonly NaiveStep[], ...seqs: number[]): void {
  const event = { kind: 'update', symbol: 'A', exchangeUs: null, checksum: null } as const;
  const update = { kind: 'delta', bids: [], asks: [] } as const;
  const published = seqs.map((seq): Ingested => ({ event: { ...event, update }, published: { epoch: EPOCH, seq } }));
  oracle.message(JSON.stringify(steps), published);
}

function holding(...bids: number[]): LocalBook {
  const book = new LocalBook();
  const ladder = new Ladder(0);
  for (let i = 0; i < bids.length; i += 2) ladder.set(bids[i]!, bids[i + 1]!, 0);
  const frame = { type: 'book', topic: 1, fromSeq: 0, seq: 1, exchangeUs: null, publishUs: 0, gatewayUs: 0 } as const;
  book.apply({ ...frame, depth: 0, checksum: ladder.sum >>> 0, stride: 2, bids, asks: [], parts: 0 });
  return book;
}

function judge(oracle: Oracle, seq: number, book: LocalBook, epoch = EPOCH) {
  return oracle.judge('A', { epoch, seq }, book, SCALES);
}

describe('an oracle', () => {
  test('holds a book against all messages up to its update, whatever zeros these are written with', () => {
    const oracle = new Oracle(reader);
    told(oracle, [step([['10.50', '1.0']], { whole: true })], 1);
    told(oracle, [step([['10.4', '2']])], 2);
    told(oracle, [step([['10.5000', '0.00']])], 3);
    expect(judge(oracle, 1, holding(1_050, 10))).toBeNull();
    expect(judge(oracle, 3, holding(1_040, 20))).toBeNull();
  });

  test('says which level is another, is missing or is too many', () => {
    const wrong = (...bids: number[]) => {
      const oracle = new Oracle(reader);
      const levels: [string, string][] = [
        ['10.50', '1'],
        ['10.40', '2'],
      ];
      told(oracle, [step(levels, { whole: true })], 1);
      return judge(oracle, 1, holding(...bids));
    };
    expect(wrong(1_050, 11, 1_040, 20)).toBe('the client has bid 10.5 with 1.1, the exchange 1');
    expect(wrong(1_050, 10, 1_041, 20)).toBe('the client has bid 10.41 with 2, the exchange none');
    expect(wrong(1_050, 10)).toBe('the client has 1 levels of bids, the exchange 2');
    expect(wrong(1_050, 10, 1_040, 20)).toBeNull();
  });

  test('vouches for no state that no update led to, in no other epoch, and not twice', () => {
    const oracle = new Oracle(reader);
    told(oracle, [step([['10.50', '1']], { whole: true })], 1);
    expect(judge(oracle, 2, holding(1_050, 10))).toBeUndefined();
    expect(judge(oracle, 1, holding(1_050, 10), EPOCH + 1)).toBeUndefined();
    expect(judge(oracle, 1, holding(1_050, 10))).toBeNull();
    expect(judge(oracle, 1, holding(1_050, 10))).toBeUndefined();
  });

  test('gives each update of a message a step, and the last one what the message leaves', () => {
    const steps = [step([['10.50', '1']], { whole: true }), step([['10.40', '2']])];
    const pairwise = new Oracle(reader);
    told(pairwise, steps, 1, 2);
    expect(judge(pairwise, 1, holding(1_050, 10))).toBeNull();
    expect(judge(pairwise, 2, holding(1_050, 10, 1_040, 20))).toBeNull();
    const restated = new Oracle(reader);
    told(restated, steps, 1);
    told(restated, [step([['10.30', '3']])], 2, 3);
    expect(judge(restated, 1, holding(1_050, 10, 1_040, 20))).toBeNull();
    expect(judge(restated, 2, holding(1_050, 10, 1_040, 20))).toBeNull();
    expect(judge(restated, 3, holding(1_050, 10, 1_040, 20, 1_030, 30))).toBeNull();
  });

  test('adds what no update told of to the next one, and says where none comes', () => {
    const oracle = new Oracle(reader);
    told(oracle, [step([['10.50', '1']], { whole: true })], 1);
    told(oracle, [step([['10.40', '2']])]);
    expect(oracle.untold()).toEqual(['A']);
    told(oracle, [step([['10.30', '3']])], 2);
    expect(oracle.untold()).toEqual([]);
    expect(judge(oracle, 2, holding(1_050, 10, 1_040, 20, 1_030, 30))).toBeNull();
  });

  test('passes over what its reader can’t read', () => {
    const oracle = new Oracle(reader);
    oracle.message('{', []);
    expect(oracle.untold()).toEqual([]);
  });
});
