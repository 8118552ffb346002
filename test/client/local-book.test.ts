// Holds the client's book to the rules of proto/frames.md, frame by literal frame.
// Invariant: after every frame the levels are those that the frame's checksum was made of, or the book asks to start over.

import { beforeEach, describe, expect, test } from 'vitest';
import { LocalBook } from '../../src/client/local-book.ts';
import { bookFrame, type Levels, partFrame, sumOf } from './frames.ts';

const BIDS: Levels = [
  [100, 5],
  [99, 6],
  [98, 4],
];
const ASKS: Levels = [
  [101, 7],
  [102, 8],
];

let book: LocalBook;

function expectLevels(bids: Levels, asks: Levels): void {
  const shown = (levels: LocalBook['bids']): number[][] =>
    [...levels].reverse().map(({ price, size }) => [price, size]);
  expect({ bids: shown(book.bids), asks: shown(book.asks) }).toEqual({ bids, asks });
  expect(book.checksum).toBe(sumOf(bids, asks));
}

/** A snapshot of the book above, at update 10. */
function snapshot(depth = 0) {
  return bookFrame({
    fromSeq: 0,
    seq: 10,
    depth,
    checksum: sumOf(BIDS, ASKS),
    bids: BIDS.flat(),
    asks: ASKS.flat(),
  });
}

beforeEach(() => {
  book = new LocalBook();
});

describe('a frame', () => {
  beforeEach(() => {
    expect(book.apply(snapshot())).toBe('applied');
    expectLevels(BIDS, ASKS);
  });

  test('that begins where the book stands sets, adds and removes levels', () => {
    const bids: Levels = [
      [100, 9],
      [97, 1],
    ];
    const asks: Levels = [[102, 8]];
    const made = { bids: [100, 9, 99, 0, 98, 0, 97, 1], asks: [101, 0, 150, 0] };
    expect(book.apply(bookFrame({ fromSeq: 10, seq: 11, checksum: sumOf(bids, asks), ...made }))).toBe('applied');
    expectLevels(bids, asks);
    expect(book).toMatchObject({ seq: 11, valid: true });
    expect(book.counters).toEqual({ frames: 2, snapshots: 1, merged: 0, ignored: 0, holes: 0, badChecksums: 0 });
  });

  test('that begins before where the book stands counts what it merged from there on', () => {
    const bids: Levels = [[100, 5]];
    const frame = { fromSeq: 4, seq: 15, checksum: sumOf(bids, ASKS), bids: [99, 0, 98, 0, 42, 0] };
    expect(book.apply(bookFrame(frame))).toBe('applied');
    expectLevels(bids, ASKS);
    expect(book.counters.merged).toBe(4);
  });

  test.each([10, 9])('of an update that the book has seen (%i) is ignored', (seq) => {
    expect(book.apply(bookFrame({ fromSeq: 8, seq, checksum: 1, bids: [100, 1] }))).toBe('ignored');
    expectLevels(BIDS, ASKS);
    expect(book).toMatchObject({ seq: 10, valid: true });
    expect(book.counters.ignored).toBe(1);
  });

  test('that begins past where the book stands is a hole, and so is all that follows until a snapshot', () => {
    expect(book.apply(bookFrame({ fromSeq: 11, seq: 12, checksum: 0, bids: [100, 1] }))).toBe('resync');
    expect(book).toMatchObject({ valid: false, counters: { holes: 1 } });
    expect(book.apply(bookFrame({ fromSeq: 10, seq: 13, checksum: 0 }))).toBe('resync');
    expect(book.counters.holes).toBe(2);
    expect(book.apply(snapshot())).toBe('applied');
    expect(book).toMatchObject({ seq: 10, valid: true });
    expectLevels(BIDS, ASKS);
  });

  test('whose checksum is not that of the book asks to start over', () => {
    const frame = { fromSeq: 10, seq: 11, checksum: (sumOf(BIDS, ASKS) + 1) % 2 ** 32 };
    expect(book.apply(bookFrame(frame))).toBe('resync');
    expect(book).toMatchObject({ valid: false, counters: { badChecksums: 1, holes: 0 } });
  });

  test('that replaces everything counts from wherever the book stood, even backwards', () => {
    const bids: Levels = [[50, 1]];
    expect(book.apply(bookFrame({ fromSeq: 0, seq: 3, checksum: sumOf(bids, []), bids: bids.flat() }))).toBe('applied');
    expectLevels(bids, []);
    expect(book).toMatchObject({ seq: 3, valid: true, counters: { snapshots: 2 } });
  });

  test('may carry nothing but a later update', () => {
    expect(book.apply(bookFrame({ fromSeq: 10, seq: 20, checksum: sumOf(BIDS, ASKS) }))).toBe('applied');
    expect(book.seq).toBe(20);
    expectLevels(BIDS, ASKS);
  });

  test('with order counts keeps them', () => {
    const frame = { fromSeq: 10, seq: 11, stride: 3, checksum: sumOf([[100, 5]], ASKS) };
    expect(book.apply(bookFrame({ ...frame, bids: [100, 5, 12, 99, 0, 0, 98, 0, 0] }))).toBe('applied');
    expect(book.bids).toMatchObject([{ price: 100, size: 5, count: 12 }]);
  });
});

describe('a book of limited depth', () => {
  const BEST: Levels = [
    [100, 5],
    [99, 6],
  ];

  test('is cut to its depth after each frame', () => {
    book.apply(
      bookFrame({ fromSeq: 0, seq: 10, depth: 2, checksum: sumOf(BEST, ASKS), bids: BEST.flat(), asks: ASKS.flat() }),
    );
    const bids: Levels = [
      [100.5 * 2, 1],
      [100, 5],
    ];
    const frame = { fromSeq: 10, seq: 11, depth: 2, checksum: sumOf(bids, ASKS), bids: [201, 1] };
    expect(book.apply(bookFrame(frame))).toBe('applied');
    expectLevels(bids, ASKS);
  });

  test('takes a shallower frame at the same update as news', () => {
    book.apply(snapshot());
    const frame = bookFrame({ fromSeq: 10, seq: 10, depth: 2, checksum: sumOf(BEST, ASKS) });
    expect(book.apply(frame)).toBe('applied');
    expectLevels(BEST, ASKS);
    expect(book).toMatchObject({ seq: 10, depth: 2, valid: true });
    expect(book.counters.merged).toBe(0);
    expect(book.apply(frame)).toBe('ignored');
  });

  test('takes a deeper frame at the same update as news', () => {
    book.apply(
      bookFrame({ fromSeq: 0, seq: 10, depth: 2, checksum: sumOf(BEST, ASKS), bids: BEST.flat(), asks: ASKS.flat() }),
    );
    expect(book.apply(bookFrame({ fromSeq: 10, seq: 10, checksum: sumOf(BIDS, ASKS), bids: [98, 4] }))).toBe('applied');
    expectLevels(BIDS, ASKS);
    expect(book.depth).toBe(0);
  });
});

describe('an answer in parts', () => {
  const part = (index: number, seq = 10) =>
    partFrame({ fromSeq: 0, seq, index, bids: BIDS[index]!.slice(), asks: index === 0 ? ASKS.flat() : [] });
  const closing = (seq = 10, parts = 2) =>
    bookFrame({ fromSeq: 0, seq, checksum: sumOf(BIDS, ASKS), bids: BIDS[2]!.slice(), parts });

  test('is applied when the frame that closes it arrives', () => {
    expect([book.hold(part(0)), book.hold(part(1))]).toEqual(['held-back', 'held-back']);
    expect(book).toMatchObject({ seq: 0, valid: false });
    expect(book.apply(closing())).toBe('applied');
    expectLevels(BIDS, ASKS);
    expect(book.seq).toBe(10);
  });

  test('is a difference too, where it begins at an update', () => {
    book.apply(snapshot());
    const bids: Levels = [[100, 1], ...BIDS.slice(1)];
    book.hold(partFrame({ fromSeq: 10, seq: 12, index: 0, count: 1, bids: [100, 1] }));
    const asks: Levels = [[102, 8]];
    const frame = { fromSeq: 10, seq: 12, checksum: sumOf(bids, asks), asks: [101, 0], parts: 1 };
    expect(book.apply(bookFrame(frame))).toBe('applied');
    expectLevels(bids, asks);
  });

  test.each([
    { name: 'without its beginning', parts: [part(1)] },
    { name: 'with a part left out', parts: [part(0), partFrame({ fromSeq: 0, seq: 10, index: 2 })] },
    { name: 'with a part twice', parts: [part(0), part(1), part(1)] },
    { name: 'with a part of another update', parts: [part(0), part(1, 11)] },
  ])('$name is a hole', ({ parts }) => {
    expect(parts.map((each) => book.hold(each)).at(-1)).toBe('resync');
    expect(book).toMatchObject({ valid: false, counters: { holes: 1 } });
  });

  test.each([
    { name: 'of another update', frame: closing(11) },
    { name: 'of more parts', frame: closing(10, 3) },
    { name: 'of fewer parts', frame: closing(10, 1) },
    { name: 'from another beginning', frame: { ...closing(), fromSeq: 5 } },
  ])('closed by a frame $name is a hole', ({ frame }) => {
    book.hold(part(0));
    book.hold(part(1));
    expect(book.apply(frame)).toBe('resync');
    expect(book).toMatchObject({ valid: false, counters: { holes: 1, snapshots: 0 } });
  });

  test('that was abandoned means nothing to a plain frame', () => {
    book.hold(part(0));
    expect(book.apply(snapshot())).toBe('applied');
    expectLevels(BIDS, ASKS);
    expect(book.apply(closing(12, 1))).toBe('resync');
  });

  test('that was abandoned gives way to one that begins again', () => {
    book.hold(partFrame({ fromSeq: 0, seq: 9, index: 0, bids: [77, 7] }));
    expect([book.hold(part(0)), book.hold(part(1))]).toEqual(['held-back', 'held-back']);
    expect(book.apply(closing())).toBe('applied');
    expectLevels(BIDS, ASKS);
    expect(book.counters.holes).toBe(0);
  });
});

test('a reset forgets levels, parts and place, and keeps the counters', () => {
  book.apply(snapshot());
  book.hold(partFrame({ fromSeq: 10, seq: 12, index: 0 }));
  book.reset();
  expectLevels([], []);
  expect(book).toMatchObject({ seq: 0, valid: false, counters: { frames: 1, snapshots: 1 } });
  expect(book.apply(bookFrame({ fromSeq: 10, seq: 12, checksum: 0, parts: 1 }))).toBe('resync');
});
