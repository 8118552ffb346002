// Holds the comparison of gateways to its word: what is told alike is counted, and whatever is told otherwise is found, down to one
// level, one checksum, one time.

import { describe, expect, test } from 'vitest';
import { msgpackCodec } from '../../src/protocol/codecs.ts';
import type { BookFrame, Frame, TradeFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { type Piece, piecesOf } from './frame-pieces.ts';
import { Ledger } from './ledger.ts';

const PUBLISH_US = 1_753_899_999_999_750;
const PLACE = { topic: 'book:AAA', epoch: 7, depth: 5, stride: 2 };
const BOOK: BookFrame = {
  type: 'book',
  topic: 3,
  fromSeq: 4,
  seq: 6,
  exchangeUs: PUBLISH_US - 4_000,
  publishUs: PUBLISH_US,
  gatewayUs: PUBLISH_US + 300,
  depth: 5,
  checksum: 0xcafe_f00d,
  stride: 2,
  bids: [100, 5, 99, 0],
  asks: [101, 7],
  parts: 0,
};
const TRADE: TradeFrame = {
  type: 'trade',
  topic: 4,
  fromSeq: 5,
  seq: 6,
  exchangeUs: null,
  publishUs: PUBLISH_US,
  gatewayUs: PUBLISH_US + 100,
  id: 'x1',
  kind: 'trade',
  side: 'buy',
  price: 100,
  size: 2,
};
/** What is held at 4. */
const HELD = { checksum: 1, bids: [100, 4, 0, 98, 9, 0], asks: [101, 8, 0] };

function messageOf(...frames: readonly (BookFrame | TradeFrame)[]): Uint8Array {
  const writer = new ByteWriter();
  for (const frame of frames) {
    const time: Frame = { type: 'time', timeUs: frame.gatewayUs };
    msgpackCodec.encode(writer, time);
    msgpackCodec.encode(writer, frame);
  }
  return writer.copy();
}

function pieceOf(frame: BookFrame | TradeFrame): Piece {
  return piecesOf(messageOf(frame))[0]!;
}

/** What comes of two frames of two gateways whose clients hold `HELD` at 4. */
function compared(one: BookFrame, other: BookFrame): Ledger {
  const ledger = new Ledger();
  ledger.book('A', PLACE, 4, HELD);
  ledger.frame('A', PLACE, 'live', pieceOf(one));
  ledger.frame('B', PLACE, 'live', pieceOf(other));
  return ledger;
}

describe('frames', () => {
  test('are taken out of a message with their reach and depth', () => {
    const pieces = piecesOf(messageOf(BOOK, TRADE));
    expect(pieces).toMatchObject([
      { type: 'book', topic: 3, fromSeq: 4, seq: 6, depth: 5, index: 0 },
      { type: 'trade', topic: 4, fromSeq: 5, seq: 6, depth: 0, index: 0 },
    ]);
  });
  test('that differ in the topic id and the time of the gateway alone are equal', () => {
    const { frames, differences } = compared(BOOK, { ...BOOK, topic: 900, gatewayUs: BOOK.gatewayUs + 77_777 });
    expect({ frames, differences }).toEqual({ frames: { 'live book': 1 }, differences: [] });
  });
  test.each<[string, Partial<BookFrame>]>([
    ['a size', { bids: [100, 6, 99, 0] }],
    ['a level', { bids: [100, 5], asks: [101, 7, 102, 1] }],
    ['the checksum', { checksum: 0xcafe_f00c }],
    ['when it was published', { publishUs: PUBLISH_US + 1, exchangeUs: PUBLISH_US - 3_999 }],
    ['when it happened', { exchangeUs: null }],
  ])('that differ in %s are a difference', (_what, change) => {
    const { frames, differences } = compared(BOOK, { ...BOOK, ...change });
    expect(frames).toEqual({});
    expect(differences).toHaveLength(1);
    expect(differences[0]).toContain('book:AAA at depth 5: the live book frames from 4 to 6 of A and B differ');
  });
  test.each<[string, Partial<BookFrame>]>([
    ['the removal of a level that was not held', { bids: [100, 5] }],
    ['a level that was held as it is', { bids: [100, 5, 99, 0, 98, 9] }],
  ])('that differ in %s are a difference, though they mean the same', (_what, change) => {
    expect(compared(BOOK, { ...BOOK, ...change }).differenceCount).toBe(1);
  });
  test('of one gateway are compared, too, and not counted', () => {
    const ledger = new Ledger();
    for (const size of [2, 2, 3]) ledger.frame('A', PLACE, 'live', pieceOf({ ...TRADE, size }));
    expect(ledger).toMatchObject({ frames: {}, differenceCount: 1 });
  });
  test('of a view, a reach, a mode of their own are not compared', () => {
    const ledger = new Ledger();
    ledger.frame('A', PLACE, 'live', pieceOf(BOOK));
    ledger.frame('B', PLACE, 'raw', pieceOf({ ...BOOK, checksum: 1 }));
    ledger.frame('B', PLACE, 'live', pieceOf({ ...BOOK, fromSeq: 5, checksum: 2 }));
    ledger.frame('B', { ...PLACE, depth: 10 }, 'live', pieceOf({ ...BOOK, depth: 10, checksum: 3 }));
    ledger.frame('B', { ...PLACE, epoch: 8 }, 'live', pieceOf({ ...BOOK, checksum: 4 }));
    expect(ledger).toMatchObject({ frames: {}, differences: [] });
  });
});

describe('states', () => {
  test('are counted by the two gateways that told the same', () => {
    const ledger = new Ledger();
    for (const node of ['B', 'A', 'A', 'C']) ledger.book(node, PLACE, 6, HELD);
    ledger.book('A', PLACE, 7, HELD);
    expect(ledger).toMatchObject({ states: { 'A and B': 1, 'B and C': 1 }, differences: [] });
  });
  test.each<[string, Partial<typeof HELD>]>([
    ['size', { bids: [100, 4, 0, 98, 8, 0] }],
    ['level', { asks: [101, 8, 0, 102, 1, 0] }],
    ['side', { bids: [100, 4, 0], asks: [98, 9, 0, 101, 8, 0] }],
    ['order count', { bids: [100, 4, 1, 98, 9, 0] }],
    ['checksum', { checksum: 2 }],
  ])('with another %s are a difference', (_what, change) => {
    const ledger = new Ledger();
    ledger.book('A', PLACE, 6, HELD);
    ledger.book('C', PLACE, 6, { ...HELD, ...change });
    expect(ledger).toMatchObject({ states: {}, differenceCount: 1 });
    expect(ledger.differences[0]).toContain('book:AAA at depth 5, seq 6: A and C hold different states');
  });
});
