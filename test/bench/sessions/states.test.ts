// Holds the storm's audit: which states of a book follow from which, and what is a fault.

import { describe, expect, it } from 'vitest';
import { Book } from '../../../src/market/book.ts';
import { msgpackCodec } from '../../../src/protocol/codecs.ts';
import type { BookFrame, Frame } from '../../../src/protocol/frames.ts';
import { ByteWriter } from '../../../src/protocol/writer.ts';
import { Hearing } from './hearing.ts';
import { NOTHING, StateFault, States } from './states.ts';
import { isWelcome } from './welcome.ts';

const EPOCH = 5;
const book = new Book();
book.applySnapshot([100, 5, 0], [101, 6, 0], 1);
const first = book.checksum(0);
book.applyDelta([100, 7, 0], [], 2);
const second = book.checksum(0);

function frame(fields: Partial<BookFrame>): BookFrame {
  return {
    ...{ type: 'book', topic: 1, fromSeq: 0, seq: 1, depth: 0, checksum: first, stride: 2, parts: 0 },
    ...{ bids: [100, 5], asks: [101, 6], publishUs: 0, exchangeUs: null, gatewayUs: 1 },
    ...fields,
  };
}
const snapshot = { number: 1, frame: frame({}) };
const delta = { number: 2, frame: frame({ fromSeq: 1, seq: 2, checksum: second, bids: [100, 7], asks: [] }) };

describe('states of books', () => {
  it('leads every client that holds the same to the same state, and applies a frame once', () => {
    const states = new States();
    const held = states.advance(NOTHING, 0, EPOCH, snapshot);
    const clients = [1, 2, 3].map(() => states.advance(held, 0, EPOCH, delta));
    expect(new Set(clients).size).toBe(1);
    expect(states.at(clients[0]!)).toMatchObject({ seq: 2, checksum: second });
    expect(states.applied).toBe(2);
    expect(states.newestSeq(0, EPOCH)).toBe(2);
  });

  it('finds an update that is missing', () => {
    const states = new States();
    const held = states.advance(NOTHING, 0, EPOCH, snapshot);
    const late = { number: 3, frame: frame({ fromSeq: 3, seq: 4, bids: [], asks: [] }) };
    expect(() => states.advance(held, 0, EPOCH, late)).toThrow(StateFault);
    expect(() => states.advance(NOTHING, 0, EPOCH, delta)).toThrow(/a hole for who holds nothing/);
  });

  it('finds levels that do not agree with their checksum', () => {
    const states = new States();
    const held = states.advance(NOTHING, 0, EPOCH, snapshot);
    const wrong = { number: 4, frame: { ...delta.frame, bids: [100, 8] } };
    expect(() => states.advance(held, 0, EPOCH, wrong)).toThrow(/a wrong checksum/);
  });

  it('finds two books that differ at one seq, each right in itself', () => {
    const states = new States();
    states.advance(NOTHING, 0, EPOCH, snapshot);
    const other = new Book();
    other.applySnapshot([99, 5, 0], [101, 6, 0], 1);
    const rival = { number: 5, frame: frame({ checksum: other.checksum(0), bids: [99, 5] }) };
    expect(() => states.advance(NOTHING, 0, EPOCH, rival)).toThrow(/two checksums/);
  });

  it('keeps what it holds when it is told again', () => {
    const states = new States();
    const held = states.advance(NOTHING, 0, EPOCH, snapshot);
    const next = states.advance(held, 0, EPOCH, delta);
    expect(states.advance(next, 0, EPOCH, { ...delta, number: 6 })).toBe(next);
  });

  it('does not go on from another epoch', () => {
    const states = new States();
    const held = states.advance(NOTHING, 0, EPOCH, snapshot);
    expect(() => states.advance(held, 0, EPOCH + 1, delta)).toThrow(/another epoch/);
  });
});

function message(...frames: Frame[]): Uint8Array {
  const writer = new ByteWriter();
  for (const each of frames) msgpackCodec.encode(writer, each);
  return writer.copy();
}
const topic: Frame = {
  ...{ type: 'topic', topic: 1, channel: 'book', symbol: 'BENCH-0', epoch: EPOCH },
  ...{ priceScale: 0, sizeScale: 0, stride: 2, tickSize: 1, lotSize: 1 },
};
const time: Frame = { type: 'time', timeUs: 1 };

describe('hearing', () => {
  const heard = (hearing: Hearing, bytes: Uint8Array) => hearing.read(bytes, 0, bytes.length);

  it('gives the same frame the same number, beside whatever it comes', () => {
    const hearing = new Hearing();
    heard(hearing, message(topic));
    const alone = heard(hearing, message(time, delta.frame)).at(-1)!;
    const beside = heard(hearing, message(time, snapshot.frame, delta.frame)).at(-1)!;
    expect(beside.number).toBe(alone.number);
  });

  it('gives frames that differ in one level numbers of their own', () => {
    const hearing = new Hearing();
    heard(hearing, message(topic));
    const one = heard(hearing, message(time, delta.frame)).at(-1)!;
    const other = heard(hearing, message(time, { ...delta.frame, bids: [100, 8] })).at(-1)!;
    expect(other.number).not.toBe(one.number);
  });
});

describe('a first message', () => {
  const first = (bytes: Uint8Array) => isWelcome(bytes, 0, bytes.length);

  it('is a welcome, or it is none', () => {
    const limits = { requestBytes: 1, symbolsPerRequest: 1, subscriptions: 1, heartbeatMs: 1, ageMsMax: 1 };
    expect(first(message({ type: 'welcome', version: 'v', server: 's', session: 'x', timeUs: 1, limits }))).toBe(true);
    const refusal = { code: 'busy', message: 'm', action: 'a', retryAfterMs: 1 };
    expect(first(message({ type: 'refused', ...refusal }))).toBe(false);
    expect(first(new Uint8Array(0))).toBe(false);
  });
});
