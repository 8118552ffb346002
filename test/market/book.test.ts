// Holds the book to a naive one that keeps every past state: whatever a client holds, the answer makes it what it should be.
// Seeded by a small generator of its own. Invariant: every failure names the seed that reproduces it.

import { describe, expect, test } from 'vitest';
import { Book, type LevelSink } from '../../src/market/book.ts';
import type { BookDelta, BookSnapshot } from '../../src/market/update.ts';
import { EMPTY_BOOK, type NaiveBook } from '../simulation/oracle.ts';

const DEPTHS = [0, 1, 5, 10, 20, 50] as const;
/** Prices from the lowest bid to the highest offer. */
const PRICES = 120;

/** The generator of Numerical Recipes. @returns an integer from 0 to `count` - 1. */
function lcg(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

/** One side of an update: prices around the middle, mostly near it; removals half of the time. */
function randomSide(draw: (count: number) => number, sign: 1 | -1, count: number): number[] {
  const levels = new Map<number, readonly [number, number]>();
  for (let i = 0; i < count; i++) {
    const distance = Math.min(draw(PRICES / 2), draw(PRICES / 2));
    const size = draw(2) === 0 ? 0 : 1 + draw(3);
    levels.set(1_000 - sign * (distance - 3), [size, size === 0 ? 0 : draw(2)]);
  }
  return [...levels].flatMap(([price, [size, orders]]) => [price, size, orders]);
}

function randomUpdate(draw: (count: number) => number): BookDelta | BookSnapshot {
  const kind = draw(25) === 0 ? 'snapshot' : 'delta';
  const most = kind === 'snapshot' ? 60 : 6;
  return { kind, bids: randomSide(draw, 1, draw(most)), asks: randomSide(draw, -1, draw(most)) };
}

type Levels = NaiveBook['bids'];

const cut = (levels: Levels, depth: number): Levels => (depth === 0 ? levels : levels.slice(0, depth));

/** A client that follows the rule: set what the frame says, then cut. @returns price, size, count, best first. */
function applied(held: Levels, flat: readonly number[], depth: number, sign: 1 | -1): number[][] {
  const levels = new Map<number, number[]>();
  for (const { price, size, count } of held) levels.set(price, [price, size, count]);
  for (let i = 0; i < flat.length; i += 3) {
    if (flat[i + 1] === 0) levels.delete(flat[i]!);
    else levels.set(flat[i]!, flat.slice(i, i + 3));
  }
  const sorted = [...levels.values()].sort((a, b) => (b[0]! - a[0]!) * sign);
  return depth === 0 ? sorted : sorted.slice(0, depth);
}

function same(shown: readonly number[][], wanted: Levels): boolean {
  return (
    shown.length === wanted.length &&
    shown.every(([price, size, count], index) => {
      const level = wanted[index]!;
      return level.price === price && level.size === size && level.count === count;
    })
  );
}

/** A book under test, and all that it ever was. Index is the sequence number. */
class Run {
  readonly past: NaiveBook[] = [EMPTY_BOOK];
  readonly out: LevelSink = { stride: 3, bids: [], asks: [] };

  constructor(
    readonly seed: number,
    readonly draw: (count: number) => number,
    public book: Book,
  ) {}

  get seq(): number {
    return this.past.length - 1;
  }

  get now(): NaiveBook {
    return this.past[this.seq]!;
  }

  update(update: BookDelta | BookSnapshot): void {
    this.past.push(this.now.after(update));
    if (update.kind === 'delta') this.book.applyDelta(update.bids, update.asks, this.seq);
    else this.book.applySnapshot(update.bids, update.asks, this.seq);
  }

  /** Asks for one random difference. @throws Error where a client would not hold what it should. */
  ask(): void {
    const { draw, book, out, seq } = this;
    const fromSeq = book.horizonSeq + draw(seq - book.horizonSeq + 1);
    const heldSeq = fromSeq + draw(seq - fromSeq + 1);
    const [held, depth] = [DEPTHS[draw(DEPTHS.length)]!, DEPTHS[draw(DEPTHS.length)]!];
    book.since(fromSeq, held, depth, out);
    const client = this.past[heldSeq]!;
    const bids = applied(cut(client.bids, held), out.bids, depth, 1);
    const asks = applied(cut(client.asks, held), out.asks, depth, -1);
    if (same(bids, cut(this.now.bids, depth)) && same(asks, cut(this.now.asks, depth))) return;
    this.fail(`from ${fromSeq}, held ${held} at ${heldSeq}, wanted ${depth}`);
  }

  fail(what: string): never {
    throw new Error(`seed ${this.seed}, update ${this.seq}: ${what}`);
  }
}

/** Runs `count` seeds of `updates` updates each. */
function everySeed(count: number, updates: number, tombstonesMax: (seed: number) => number, after: (run: Run) => void) {
  for (let seed = 1; seed <= count; seed++) {
    const draw = lcg(seed);
    const run = new Run(seed, draw, new Book(tombstonesMax(seed)));
    for (let i = 0; i < updates; i++) {
      run.update(randomUpdate(draw));
      after(run);
    }
  }
}

describe('the answers of a book', () => {
  test('bring any state from their beginning on, held at any depth, to the best of now at any other', () => {
    let asked = 0;
    everySeed(
      70,
      250,
      () => 4_096,
      (run) => {
        for (let i = 0; i < 6; i++) run.ask();
        asked += 6;
      },
    );
    expect(asked).toBeGreaterThanOrEqual(100_000);
  });

  test('stay exact from the horizon on where removed levels are forgotten', () => {
    let moved = 0;
    everySeed(
      40,
      150,
      (seed) => seed % 8,
      (run) => {
        for (let i = 0; i < 3; i++) run.ask();
        if (run.book.tombstoneCount > run.seed % 8) run.fail('more tombstones than its bound');
        if (run.book.horizonSeq > run.seq) run.fail('the horizon is in the future');
        if (run.book.horizonSeq > 0) moved += 1;
      },
    );
    expect(moved).toBeGreaterThan(1_000);
  });

  test('are the same after a book was stored and loaded', () => {
    everySeed(
      20,
      100,
      (seed) => (seed % 3) * 10 + 2,
      (run) => {
        if (run.draw(5) === 0) {
          const state = run.book.state();
          const loaded = Book.load(JSON.parse(JSON.stringify(state)) as typeof state, (run.seed % 3) * 10 + 2);
          expect(loaded.state()).toEqual(state);
          run.book = loaded;
        }
        for (let i = 0; i < 3; i++) run.ask();
        if (run.book.checksum(0) !== run.now.checksum(0)) run.fail('checksum');
      },
    );
  });

  test('say nothing of levels that no viewer of that depth can see', () => {
    const book = new Book();
    book.applySnapshot([100, 1, 0, 99, 1, 0, 98, 1, 0], [101, 1, 0], 1);
    book.applyDelta([98, 2, 0, 97, 5, 0], [], 2);
    const out: LevelSink = { stride: 2, bids: [], asks: [] };
    book.since(1, 2, 2, out);
    expect(out).toEqual({ stride: 2, bids: [], asks: [] });
    book.since(1, 0, 0, out);
    expect(out).toEqual({ stride: 2, bids: [98, 2, 97, 5], asks: [] });
  });
});

describe('a book', () => {
  test('has the checksum of the independent hash at every depth, and those best levels', () => {
    everySeed(
      15,
      120,
      () => 4_096,
      (run) => {
        for (const depth of DEPTHS) {
          if (run.book.checksum(depth) !== run.now.checksum(depth)) run.fail(`checksum of ${depth}`);
          run.book.top(depth, run.out);
          const bids = applied([], run.out.bids, 0, 1);
          const asks = applied([], run.out.asks, 0, -1);
          if (!same(bids, cut(run.now.bids, depth)) || !same(asks, cut(run.now.asks, depth))) run.fail(`top ${depth}`);
        }
        if (run.book.levelCount !== run.now.bids.length + run.now.asks.length) run.fail('level count');
        if (run.book.bestBid?.price !== run.now.bids[0]?.price) run.fail('best bid');
        if (run.book.bestAsk?.price !== run.now.asks[0]?.price) run.fail('best ask');
      },
    );
  });

  test('foretells whether a delta would cross it', () => {
    let crossed = 0;
    let asked = 0;
    everySeed(
      40,
      100,
      () => 64,
      (run) => {
        for (let i = 0; i < 4; i++) {
          const delta: BookDelta = {
            kind: 'delta',
            bids: randomSide(run.draw, 1, run.draw(4)),
            asks: randomSide(run.draw, -1, run.draw(4)),
          };
          const would = run.now.after(delta).crossed;
          if (run.book.wouldCross(delta.bids, delta.asks) !== would) run.fail(`crossing of ${JSON.stringify(delta)}`);
          asked += 1;
          if (would) crossed += 1;
        }
      },
    );
    expect(crossed).toBeGreaterThan(asked / 20);
    expect(crossed).toBeLessThan(asked);
  });

  test('keeps the numbers of levels that a snapshot only confirms', () => {
    const book = new Book();
    book.applySnapshot([100, 5, 0, 99, 6, 1, 98, 4, 0], [101, 7, 0], 1);
    book.applyDelta([97, 3, 0], [], 2);
    book.applySnapshot([100, 5, 0, 99, 6, 2, 97, 8, 0], [101, 7, 0, 102, 1, 0], 3);
    expect(book.state()).toEqual({
      seq: 3,
      horizonSeq: 0,
      bids: [97, 8, 0, 3, 99, 6, 2, 3, 100, 5, 0, 1],
      asks: [102, 1, 0, 3, 101, 7, 0, 1],
      goneBids: [98, 3],
      goneAsks: [],
    });
  });

  test('forgets the oldest removed levels past its bound, and moves the horizon to the newest that it forgot', () => {
    const book = new Book(2);
    book.applySnapshot([100, 1, 0, 99, 1, 0, 98, 1, 0], [101, 1, 0, 102, 1, 0], 1);
    book.applyDelta([100, 0, 0], [], 2);
    book.applyDelta([], [101, 0, 0], 3);
    expect(book).toMatchObject({ horizonSeq: 0, tombstoneCount: 2 });
    book.applyDelta([99, 0, 0], [], 4);
    expect(book).toMatchObject({ horizonSeq: 2, tombstoneCount: 2 });
    // A level that comes back is no tombstone any more.
    book.applyDelta([], [101, 4, 0], 5);
    expect(book).toMatchObject({ horizonSeq: 2, tombstoneCount: 1 });
    book.applyDelta([98, 0, 0], [101, 0, 0, 102, 0, 0], 6);
    expect(book).toMatchObject({ horizonSeq: 6, tombstoneCount: 2, levelCount: 0 });
  });
});
