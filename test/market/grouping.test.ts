// Holds grouped books to a naive sum over past states: whatever a client holds, the answer makes it what it should be.

import { describe, expect, test } from 'vitest';
import { LocalBook } from '../../src/client/local-book.ts';
import { Book } from '../../src/market/book.ts';
import { GroupedBook } from '../../src/market/grouping.ts';
import { Random } from '../simulation/kernel.ts';

type Levels = Map<number, [size: number, count: number]>;
type Row = [price: number, size: number, count: number];

/** Buckets of one side by brute force, best first. */
function summed(levels: Levels, span: number, bids: boolean, depth: number): Row[] {
  const sums = new Map<number, [number, number]>();
  for (const [price, [size, count]] of levels) {
    const quotient = BigInt(price) / BigInt(span);
    const exact = quotient * BigInt(span) === BigInt(price);
    const down = exact || price > 0 ? quotient : quotient - 1n;
    const up = exact || price < 0 ? quotient : quotient + 1n;
    const bucket = Number((bids ? down : up) * BigInt(span));
    const [sizes, counts] = sums.get(bucket) ?? [0, 0];
    sums.set(bucket, [sizes + size, counts + count]);
  }
  const rows = [...sums].map(([price, [size, count]]): Row => [price, size, count]);
  rows.sort((a, b) => (bids ? b[0] - a[0] : a[0] - b[0]));
  return depth === 0 ? rows : rows.slice(0, depth);
}

/** Local books hold the best last. */
function rowsOf(levels: readonly { price: number; size: number; count?: number }[]): Row[] {
  return levels.map(({ price, size, count }): Row => [price, size, count ?? 0]).reverse();
}

const DEPTHS = [0, 1, 2, 5, 10];

describe.each([1, 2, 7, 10, 1_000])('buckets of %d ticks', (span) => {
  test('bring every client that holds any past state at any depth to the exact present one', () => {
    const sink = { stride: 3, bids: [] as number[], asks: [] as number[] };
    for (let seed = 0; seed < 40; seed++) {
      const random = new Random(seed, span);
      const tombstonesMax = random.pick([4, 64, 4_096]);
      const book = new Book(tombstonesMax);
      const grouped = new GroupedBook(book, span);
      const sides: [Levels, Levels] = [new Map(), new Map()];
      const clients: { depth: number; seq: number; book: LocalBook }[] = [];
      const negative = random.chance(0.3) ? -2_000 : 0;
      for (let seq = 1; seq <= 60; seq++) {
        const flat: [number[], number[]] = [[], []];
        for (const [index, levels] of sides.entries()) {
          for (let count = random.below(4); count > 0; count--) {
            const price = negative + (index === 0 ? 1_000 - random.below(60) : 1_001 + random.below(60));
            const size = random.chance(0.45) ? 0 : 1 + random.below(9);
            if (flat[index as 0 | 1].includes(price)) continue;
            flat[index as 0 | 1].push(price, size, size === 0 ? 0 : 3);
            if (size === 0) levels.delete(price);
            else levels.set(price, [size, 3]);
          }
        }
        book.applyDelta(flat[0], flat[1], seq);
        for (const client of clients) {
          if (client.seq < book.horizonSeq || random.chance(0.6)) continue;
          const held = client.depth;
          if (random.chance(0.2)) client.depth = random.pick(DEPTHS);
          answer(client, client.seq, held, seq);
        }
        if (random.chance(0.2)) {
          const client = { depth: random.pick(DEPTHS), seq, book: new LocalBook() };
          clients.push(client);
          answer(client, 0, 0, seq);
        }
      }

      function answer(client: (typeof clients)[number], fromSeq: number, held: number, seq: number): void {
        const { depth } = client;
        if (fromSeq === 0) grouped.top(depth, sink);
        else grouped.since(Math.max(book.horizonSeq, fromSeq - random.below(3), 1), held, depth, sink);
        const checksum = grouped.checksum(depth);
        const times = { exchangeUs: null, publishUs: 0, gatewayUs: 0 };
        const frame = { type: 'book' as const, topic: 1, seq, depth, checksum, stride: 3, parts: 0, ...times };
        const outcome = client.book.apply({ ...frame, fromSeq, bids: [...sink.bids], asks: [...sink.asks] });
        expect(outcome, `seed ${seed}, seq ${seq}`).toBe('applied');
        client.seq = seq;
        expect(rowsOf(client.book.bids), `seed ${seed}, seq ${seq}`).toEqual(summed(sides[0], span, true, depth));
        expect(rowsOf(client.book.asks), `seed ${seed}, seq ${seq}`).toEqual(summed(sides[1], span, false, depth));
      }
    }
  });
});

test('a sum that could not be stated exactly stays at the largest number that can', () => {
  const book = new Book();
  book.applyDelta([10, Number.MAX_SAFE_INTEGER, 0, 11, 5, 0], [Number.MAX_SAFE_INTEGER, 7, 0], 1);
  const sink = { stride: 2, bids: [] as number[], asks: [] as number[] };
  new GroupedBook(book, 10).top(0, sink);
  expect(sink.bids).toEqual([10, Number.MAX_SAFE_INTEGER]);
  expect(sink.asks).toEqual([Number.MAX_SAFE_INTEGER, 7]);
});
