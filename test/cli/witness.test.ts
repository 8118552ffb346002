// Holds the comparison of a verification to noticing every way in which a client can be wrong. The venue here is made up:
// its checksum is the number of its characters of book.

import { describe, expect, test } from 'vitest';
import { Witness } from '../../src/cli/witness.ts';
import { LocalBook } from '../../src/client/local-book.ts';
import type { Held } from '../../src/client/stream.ts';
import type { VenueBook } from '../../src/feeds/feed.ts';
import { Ladder } from '../../src/market/ladder.ts';
import type { Trade, Update } from '../../src/market/update.ts';
import type { TradeFrame } from '../../src/protocol/frames.ts';

const EPOCH = 7;
const WRITTEN = { priceScale: 3, sizeScale: 0 };

function checksum({ bids, asks }: VenueBook): number {
  return [...bids, ...asks].flat().join('').length;
}

function createWitness(everyState = true): Witness {
  const witness = new Witness(checksum, everyState);
  witness.writes('A', WRITTEN);
  return witness;
}

function publish(witness: Witness, seq: number, update: Update, sum: number | null = null, epoch = EPOCH): void {
  const event = { kind: 'update', symbol: 'A', update, exchangeUs: null, checksum: sum } as const;
  witness.published({ event, published: { epoch, seq } });
}

function delta(...bids: readonly number[]): Update {
  return { kind: 'delta', bids, asks: [] };
}

function trade(id: number, price = 100): Trade {
  return { kind: 'trade', id, tradeKind: 'trade', side: 'buy', price, size: 1 };
}

/** A client that holds one bid of 12.50 x 5 at `seq`. */
function holding(seq: number, epoch = EPOCH): [held: Held, book: LocalBook] {
  const book = new LocalBook();
  const ladder = new Ladder(0);
  ladder.set(1_250, 5, 0);
  const frame = { type: 'book', topic: 1, fromSeq: 0, seq, exchangeUs: null, publishUs: 0, gatewayUs: 0 } as const;
  book.apply({ ...frame, depth: 0, checksum: ladder.sum >>> 0, stride: 2, bids: [1_250, 5], asks: [], parts: 0 });
  return [{ topic: { symbol: 'A', epoch, priceScale: 2, sizeScale: 0 } } as Held, book];
}

function tradeFrame(seq: number, { id, price, size, side }: Trade): TradeFrame {
  const stamp = { topic: 1, fromSeq: seq - 1, seq, exchangeUs: null, publishUs: 0, gatewayUs: 0 };
  return { type: 'trade', ...stamp, id: id ?? seq, kind: 'trade', side, price, size };
}

describe('the states that a client holds', () => {
  test('are checked where the exchange gave a checksum, over the digits that it writes', () => {
    const witness = createWitness();
    publish(witness, 1, { kind: 'snapshot', bids: [1_250, 5, 0], asks: [] });
    publish(witness, 2, delta(1_250, 5, 0), '12.5005'.length);
    witness.holds(...holding(1));
    witness.holds(...holding(2));
    expect(witness.tally).toMatchObject({ checked: 1, mismatches: 0 });
    expect(witness.trouble).toEqual({});
    const [held, book] = holding(2);
    expect(witness.written(held, book)).toEqual({ bids: [['12.500', '5']], asks: [] });
  });

  test('are told apart from those of the exchange, once each', () => {
    const witness = createWitness();
    publish(witness, 1, delta(1_250, 5, 0), 8);
    witness.holds(...holding(1));
    expect(witness.tally).toMatchObject({ checked: 1, mismatches: 1 });
    expect(witness.details).toEqual(["A seq 1: the exchange's checksum is 8, the client's book gives 7"]);
    witness.holds(...holding(1));
    expect(witness.tally.checked).toBe(1);
    expect(witness.trouble).toEqual({ 'states that were never published': 1 });
  });

  test('are trouble where nobody published them: from the future, from another epoch', () => {
    const witness = createWitness();
    publish(witness, 1, delta(1_250, 5, 0), 7);
    witness.holds(...holding(2));
    witness.holds(...holding(1, EPOCH + 1));
    expect(witness.trouble).toEqual({ 'states that were never published': 2 });
    expect(witness.tally.checked).toBe(0);
  });

  test('may pass over others when merged; what is passed over is not checked', () => {
    const witness = createWitness(false);
    for (const seq of [1, 2, 3]) publish(witness, seq, delta(1_250, 5, 0), seq === 2 ? 99 : 7);
    witness.holds(...holding(3));
    expect(witness.tally).toMatchObject({ checked: 1, mismatches: 0 });
  });

  test('begin anew with an epoch', () => {
    const witness = createWitness();
    publish(witness, 5, delta(1_250, 5, 0), 7);
    witness.holds(...holding(5));
    publish(witness, 1, delta(1_250, 5, 0), 7, EPOCH + 1);
    witness.holds(...holding(1, EPOCH + 1));
    expect(witness.tally).toMatchObject({ checked: 2, mismatches: 0 });
    expect(witness.trouble).toEqual({});
  });
});

describe('what a client lacks', () => {
  test('is every update in raw mode, and every change in live mode', () => {
    const raw = createWitness();
    const live = createWitness(false);
    for (const witness of [raw, live]) {
      publish(witness, 1, delta(1_250, 5, 0));
      publish(witness, 2, delta());
    }
    expect([raw.outstanding, live.outstanding]).toEqual([2, 0]);
    expect(live.lacking()).toEqual(['book A at 0 of 2']);
    for (const witness of [raw, live]) witness.holds(...holding(1));
    expect([raw.lacking(), live.lacking()]).toEqual([['book A at 1 of 2'], []]);
  });

  test('is not what the gateway refused', () => {
    const witness = createWitness();
    const event = { kind: 'update', symbol: 'A', update: trade(1), exchangeUs: null, checksum: 1 } as const;
    witness.published({ event, published: { refused: { code: 'crossed', message: '', action: '' } } });
    expect([witness.outstanding, witness.lacking(), witness.tally.tradesPublished]).toEqual([0, [], 0]);
  });
});

describe('trades', () => {
  test('are received once, in order, as they were published', () => {
    const witness = createWitness();
    publish(witness, 1, trade(11));
    publish(witness, 2, trade(12));
    expect([witness.outstanding, witness.lacking()]).toEqual([2, ['2 trades of A']]);
    const [held] = holding(0);
    witness.receives(held, tradeFrame(1, trade(11)));
    witness.receives(held, tradeFrame(2, trade(12)));
    expect(witness.tally).toMatchObject({ tradesPublished: 2, tradesReceived: 2 });
    expect([witness.trouble, witness.lacking()]).toEqual([{}, []]);
  });

  test.each([
    ['out of order', [tradeFrame(2, trade(12))]],
    ['twice', [tradeFrame(1, trade(11)), tradeFrame(1, trade(11))]],
    ['with another price', [tradeFrame(1, trade(11, 101))]],
    ['under another id', [tradeFrame(1, trade(99))]],
  ])('are trouble %s', (_, frames) => {
    const witness = createWitness();
    publish(witness, 1, trade(11));
    publish(witness, 2, trade(12));
    for (const frame of frames) witness.receives(holding(0)[0], frame);
    expect(witness.trouble).toEqual({ 'trades that were not the next one': 1 });
  });

  test('that nobody published are trouble', () => {
    const witness = createWitness();
    witness.receives(holding(0)[0], tradeFrame(1, trade(11)));
    expect(witness.details).toEqual(['trades that were not the next one: A seq 1, due was none']);
  });
});
