// Holds the audit of the load tests to finding what it is there for: each fault is made in a stream that is right without it.

import { describe, expect, test } from 'vitest';
import { Audit } from '../../k6/lib/audit.ts';
import { LocalBook } from '../../src/client/local-book.ts';
import type { Codec } from '../../src/protocol/codec.ts';
import { jsonCodec, msgpackCodec } from '../../src/protocol/codecs.ts';
import type { AckFrame, BookFrame, Frame, GapFrame, TopicFrame, TradeFrame } from '../../src/protocol/frames.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';

const GATEWAY_US = 1_753_900_000_000_000;
const SCALES = { priceScale: 2, sizeScale: 0, stride: 2, tickSize: 1, lotSize: 1 };
const BOOK: TopicFrame = { type: 'topic', topic: 7, channel: 'book', symbol: 'A', epoch: 11, ...SCALES };
const TRADES: TopicFrame = { ...BOOK, topic: 9, channel: 'trade' };
const STAMP = { exchangeUs: null, publishUs: GATEWAY_US, gatewayUs: GATEWAY_US };

/** A book as a gateway would state it, frame by frame. */
class Source {
  private readonly book = new LocalBook();

  next(fromSeq: number, seq: number, bids: readonly number[]): BookFrame {
    const frame = {
      type: 'book',
      topic: 7,
      fromSeq,
      seq,
      ...STAMP,
      depth: 0,
      stride: 2,
      bids,
      asks: [],
      parts: 0,
    } as const;
    this.book.apply({ ...frame, checksum: 0 });
    this.book.valid = true;
    return { ...frame, checksum: this.book.checksum };
  }

  /** A snapshot, then so many deltas. */
  frames(count: number): BookFrame[] {
    const snapshot = this.next(0, 10, [900, 1, 901, 2]);
    return [snapshot, ...Array.from({ length: count }, (_, i) => this.next(10 + i, 11 + i, [1000 + i, 5 + i]))];
  }
}

const trade = (seq: number): TradeFrame => {
  return {
    type: 'trade',
    topic: 9,
    fromSeq: seq - 1,
    seq,
    ...STAMP,
    id: seq,
    kind: 'trade',
    side: 'buy',
    price: 5,
    size: 1,
  };
};
const ack = (op: string, topic: number): AckFrame => {
  const accepted = [{ symbol: 'A', topic, depth: 0, intervalMs: 0, mode: 'live' as const }];
  return { type: 'ack', id: 1, op, accepted, refused: [] };
};

/** Each frame in a message of its own, a second apart. */
function heard(frames: readonly Frame[], codec: Codec = msgpackCodec, audit = audited(codec)): Audit {
  frames.forEach((frame, i) => {
    const writer = new ByteWriter();
    const isTimed = 'gatewayUs' in frame && codec.relativeTimes;
    if (isTimed) codec.encode(writer, { type: 'time', timeUs: frame.gatewayUs });
    codec.encode(writer, frame, 'topic' in frame && frame.topic === 9 ? TRADES : BOOK);
    audit.take(writer.copy(), i * 1_000);
  });
  return audit;
}

function audited(codec: Codec = msgpackCodec, checksums = true): Audit {
  return new Audit(codec.decoder(), 0, { checksums });
}

/** Only the kinds of which there are any. */
function faultsOf(audit: Audit): Record<string, number> {
  return Object.fromEntries(Object.entries(audit.faults).filter(([, count]) => count > 0));
}

const without = (frames: readonly Frame[], place: number) => frames.filter((_, i) => i !== place);
const twice = (frames: readonly Frame[], place: number) =>
  frames.flatMap((frame, i) => (i === place ? [frame, frame] : [frame]));

describe.each([msgpackCodec, jsonCodec])('an audit in $name', (codec) => {
  test('finds nothing in a stream that is right, and counts its deliveries', () => {
    const audit = heard([BOOK, ...new Source().frames(5)], codec);
    expect(faultsOf(audit)).toEqual({});
    expect(audit.counts).toMatchObject({ deliveries: 6, merged: 0, gaps: 0 });
    expect(audit.cursors()).toEqual({ 'book:A': { epoch: 11, seq: 15, depth: 0 } });
  });

  test('finds an update that was dropped, once, and says which topic to ask for anew', () => {
    const audit = heard([BOOK, ...without(new Source().frames(5), 3)], codec);
    expect(faultsOf(audit)).toEqual({ hole: 1 });
    expect(audit.doubts()).toEqual([BOOK]);
    expect(audit.doubts()).toEqual([]);
    expect(audit.cursors()).toEqual({});
  });

  test('finds an update that came twice', () => {
    expect(faultsOf(heard([BOOK, ...twice(new Source().frames(5), 4)], codec))).toEqual({ repeat: 1 });
  });

  test('finds a level that is not what was published', () => {
    const frames: BookFrame[] = new Source().frames(5);
    frames[3] = { ...frames[3]!, bids: [1002, 999] };
    expect(faultsOf(heard([BOOK, ...frames], codec))).toEqual({ checksum: 1 });
  });

  test('finds a checksum that is not that of the levels', () => {
    const frames = new Source().frames(5);
    frames[3] = { ...frames[3]!, checksum: (frames[3]!.checksum + 1) >>> 0 };
    expect(faultsOf(heard([BOOK, ...frames], codec))).toEqual({ checksum: 1 });
  });

  test('finds another epoch that no reset announced', () => {
    const stream = [BOOK, ...new Source().frames(2), { ...BOOK, epoch: 12 }];
    const snapshot = new Source().next(0, 3, [500, 1]);
    expect(faultsOf(heard([...stream, snapshot], codec))).toEqual({ epoch: 1 });
    expect(faultsOf(heard([...stream, { type: 'reset', topic: 7, seq: 3, reason: 'epoch' }, snapshot], codec))).toEqual(
      {},
    );
  });

  test('finds a sequence that began anew without a word', () => {
    const stream = [BOOK, ...new Source().frames(2), new Source().next(0, 3, [500, 1])];
    expect(faultsOf(heard(stream, codec))).toEqual({ epoch: 1 });
  });

  test('finds a message that can not be read', () => {
    const audit = audited(codec);
    audit.take(Uint8Array.of(0x93, 0x12), 0);
    expect(faultsOf(audit)).toEqual({ unreadable: 1 });
  });
});

describe('an audit of trades', () => {
  const begin: Frame[] = [TRADES, { type: 'reset', topic: 9, seq: 4, reason: 'subscribed' }];

  test('finds a trade that was dropped, and one that came twice', () => {
    const trades = [5, 6, 7, 8, 9].map(trade);
    expect(faultsOf(heard([...begin, ...trades]))).toEqual({});
    expect(faultsOf(heard([...begin, ...without(trades, 3)]))).toEqual({ hole: 1 });
    expect(faultsOf(heard([...begin, ...twice(trades, 3)]))).toEqual({ repeat: 1 });
  });

  test('takes trades that a gap names for missing, not for lost', () => {
    const gap: GapFrame = { type: 'gap', topic: 9, firstSeq: 6, lastSeq: 8, reason: 'ring' };
    const audit = heard([...begin, trade(5), gap, trade(9)]);
    expect(faultsOf(audit)).toEqual({});
    expect(audit.counts).toMatchObject({ gaps: 1, gapped: 3 });
    expect(faultsOf(heard([...begin, trade(5), { ...gap, firstSeq: 7 }, trade(9)]))).toEqual({ hole: 1 });
  });

  test('lets a user who joins others be told once more what was in its own answer', () => {
    const audit = heard([...begin, trade(3), trade(4), trade(5)]);
    expect(faultsOf(audit)).toEqual({});
    expect(audit.counts.overlaps).toBe(2);
  });
});

describe('an audit of what does not come', () => {
  test('finds silence that is longer than the welcome promised, once', () => {
    const limits = {
      requestBytes: 1,
      symbolsPerRequest: 1,
      subscriptions: 1,
      heartbeatMs: 1,
      ageMsMax: 1,
      silentMs: 5_000,
    };
    const audit = heard([{ type: 'welcome', version: 'v', server: 's', session: 'x', timeUs: 1, limits }]);
    audit.look(5_000);
    expect(faultsOf(audit)).toEqual({});
    audit.look(5_001);
    audit.look(9_000);
    expect(faultsOf(audit)).toEqual({ silence: 1 });
  });

  test('finds a subscription that was never answered', () => {
    const answered = heard([ack('subscribe', 7), BOOK, ...new Source().frames(0)]);
    const unanswered = heard([ack('subscribe', 7), BOOK]);
    for (const audit of [answered, unanswered]) audit.look(15_000);
    expect(faultsOf(answered)).toEqual({});
    expect(faultsOf(unanswered)).toEqual({ unanswered: 1 });
  });

  test('finds data of a topic that was left', () => {
    const [snapshot, ...deltas] = new Source().frames(2);
    const audit = heard([BOOK, snapshot!, ack('unsubscribe', 7), ...deltas]);
    expect(faultsOf(audit)).toEqual({ stranger: 2 });
  });
});

describe('an audit over a return', () => {
  test('finds an update that was lost between two connections', () => {
    const frames = new Source().frames(5);
    for (const [lost, faults] of [
      [0, {}],
      [1, { hole: 1 }],
    ] as const) {
      const audit = audited();
      audit.carry(heard([BOOK, ...frames.slice(0, 3)]));
      expect(audit.cursors()).toEqual({ 'book:A': { epoch: 11, seq: 12, depth: 0 } });
      heard(
        [{ ...BOOK, topic: 1 }, ...frames.slice(3 + lost).map((frame) => ({ ...frame, topic: 1 }))],
        msgpackCodec,
        audit,
      );
      expect(faultsOf(audit)).toEqual(faults);
    }
  });

  test('keeps the sequences of a user that keeps no books', () => {
    const audit = audited(msgpackCodec, false);
    heard([BOOK, ...without(new Source().frames(5), 3)], msgpackCodec, audit);
    expect(faultsOf(audit)).toEqual({ hole: 1 });
  });
});
