// Holds the file of a recording to its promises: whole up to its last block wherever it was cut, damage named with its place,
// reading from any moment, and nothing but a RecordingError whatever the bytes are.

import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { ASK, BID } from '../../src/market/checksum.ts';
import type { Instrument } from '../../src/market/instrument.ts';
import { Ladder } from '../../src/market/ladder.ts';
import type { BookFrame, ResetFrame, TopicFrame, TradeFrame } from '../../src/protocol/frames.ts';
import { type Description, RecordingError } from '../../src/recording/layout.ts';
import { Player, type PlayerOptions } from '../../src/recording/player.ts';
import { type Damage, isRecording, RecordingFile } from '../../src/recording/reader.ts';
import { BlockBuilder } from '../../src/recording/records.ts';
import { RecordingWriter } from '../../src/recording/writer.ts';
import { freshPath } from './market.ts';

const START_US = 1_700_000_000_000_000;
const STEP_US = 1_000;
const PER_BLOCK = 5;
/** Every fourth block begins with all states. */
const KEY_EVERY = 4;

const INSTRUMENT: Instrument = {
  symbol: 'ACME',
  priceScale: 2,
  sizeScale: 0,
  tickSize: 1,
  lotSize: 1,
  negativePrices: false,
  orderCounts: false,
  quoteSource: 'book',
};
const DESCRIPTION: Description = { createdUs: START_US, software: 'test', channels: ['book', 'trade'], symbols: null };

function topicOf(channel: 'book' | 'trade', topic: number): TopicFrame {
  const { symbol, priceScale, sizeScale, tickSize, lotSize } = INSTRUMENT;
  const scales = { priceScale, sizeScale, tickSize, lotSize, stride: 2, group: 0 };
  return { type: 'topic', topic, channel, symbol, epoch: 7, ...scales };
}
const BOOK = topicOf('book', 1);
const TRADES = topicOf('trade', 2);

/** A market whose bid at 100 has as its size the number of the update; every update is followed by a trade. */
class Made {
  private readonly bids = new Ladder(BID);
  private readonly asks = new Ladder(ASK);
  private seq = 0;

  constructor() {
    this.asks.set(200, 1, 0);
  }

  get nowUs(): number {
    return START_US + this.seq * STEP_US;
  }

  update(): [book: BookFrame, trade: TradeFrame] {
    this.seq += 1;
    this.bids.set(100, this.seq, 0);
    const stamp = { fromSeq: this.seq - 1, seq: this.seq, exchangeUs: null };
    const times = { publishUs: this.nowUs, gatewayUs: this.nowUs + 50 };
    const asks = this.seq === 1 ? [200, 1] : [];
    const book = { topic: 1, depth: 0, checksum: this.sum, stride: 2, bids: [100, this.seq], asks, parts: 0 };
    const trade = { topic: 2, id: this.seq, kind: 'trade', side: 'buy', price: 100, size: this.seq } as const;
    return [
      { type: 'book', ...stamp, ...times, ...book },
      { type: 'trade', ...stamp, ...times, ...trade },
    ];
  }

  states(): [book: BookFrame, trades: ResetFrame] {
    const times = { exchangeUs: null, publishUs: this.nowUs, gatewayUs: this.nowUs };
    const book = { topic: 1, fromSeq: 0, seq: this.seq, depth: 0, checksum: this.sum, stride: 2, parts: 0 };
    return [
      { type: 'book', ...times, ...book, bids: [100, this.seq], asks: [200, 1] },
      { type: 'reset', topic: 2, seq: this.seq, reason: 'subscribed' },
    ];
  }

  private get sum(): number {
    return (this.bids.sum + this.asks.sum) >>> 0;
  }
}

/** Writes so many blocks. @returns the path. */
async function written(blocks: number, path = freshPath()): Promise<string> {
  const writer = await RecordingWriter.create(path, DESCRIPTION);
  const made = new Made();
  let lastUs = START_US;
  for (let i = 0; i < blocks; i++) {
    const isKey = i % KEY_EVERY === 0;
    const block = new BlockBuilder(lastUs, isKey ? 'key' : 'data');
    if (isKey) block.note({ instrument: INSTRUMENT });
    if (isKey && i > 0) {
      const [book, trades] = made.states();
      block.frames('states', [
        { topic: BOOK, frame: book },
        { topic: TRADES, frame: trades },
      ]);
    }
    for (let k = 0; k < PER_BLOCK; k++) {
      const [book, trade] = made.update();
      block.frames('frames', [
        { topic: BOOK, frame: book },
        { topic: TRADES, frame: trade },
      ]);
    }
    const finished = block.finish();
    lastUs = finished.lastUs;
    writer.append(finished);
  }
  await writer.close();
  return path;
}

interface Outcome {
  readonly file: RecordingFile;
  readonly events: readonly FeedEvent[];
  readonly times: readonly number[];
  readonly player: Player;
  readonly damage: readonly Damage[];
}

async function played(path: string, options: Partial<PlayerOptions> = {}): Promise<Outcome> {
  const file = await RecordingFile.open(path);
  const damage: Damage[] = [];
  const onDamage = (each: Damage): void => {
    damage.push(each);
  };
  const player = new Player(file, { fromUs: null, toUs: null, skipDamaged: false, onDamage, ...options });
  const events: FeedEvent[] = [];
  const times: number[] = [];
  try {
    for await (const each of player.play()) {
      events.push(...each.events);
      times.push(each.timeUs);
    }
  } finally {
    await file.close();
  }
  return { file, events, times, player, damage };
}

/** Sizes that the trades of these events had, which are the numbers of their updates. */
function tradesIn(events: readonly FeedEvent[]): number[] {
  return events.flatMap((event) =>
    event.kind === 'update' && event.update.kind === 'trade' ? [event.update.size] : [],
  );
}

/** The size of the bid after each book update. */
function booksIn(events: readonly FeedEvent[]): (readonly [kind: string, size: number])[] {
  return events.flatMap((event) => {
    if (event.kind !== 'update' || event.update.kind === 'trade' || !('bids' in event.update)) return [];
    return [[event.update.kind, event.update.bids[1]!] as const];
  });
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

describe('a recording', () => {
  test('gives back every update in its order, at its time', async () => {
    const { events, times, file, player } = await played(await written(10));
    expect(tradesIn(events)).toEqual(range(1, 50));
    expect(booksIn(events)).toEqual(range(1, 50).map((seq) => [seq === 1 ? 'snapshot' : 'delta', seq]));
    expect([...new Set(times.slice(1))]).toEqual([
      START_US + 1_050,
      ...range(2, 50).map((seq) => START_US + seq * 1_000),
    ]);
    expect(file.cutAt).toBeNull();
    expect(file.contents).toMatchObject({ blocks: 10, firstUs: START_US + 1_050, lastUs: START_US + 50_000 });
    expect(file.contents.keys).toHaveLength(3);
    expect(player.counts).toMatchObject({ frames: 100, missing: 0, gaps: 0, damagedBlocks: 0 });
  });

  test.each([1, 19, 20, 33, 50])('begins at update %i with the book as it was then', async (seq) => {
    const { events } = await played(await written(10), { fromUs: START_US + seq * 1_000 });
    const [first] = booksIn(events);
    expect(first).toEqual(['snapshot', Math.max(1, seq - 1)]);
    expect(tradesIn(events)).toEqual(range(seq, 50));
    expect(events[0]).toMatchObject({ kind: 'instrument', definition: INSTRUMENT });
  });

  test('ends where it is told to', async () => {
    const { events } = await played(await written(10), { fromUs: START_US + 23_000, toUs: START_US + 31_000 });
    expect(tradesIn(events)).toEqual(range(23, 31));
  });

  test('is not written over', async () => {
    const path = await written(1);
    await expect(written(1, path)).rejects.toMatchObject({ code: 'EEXIST' });
  });
});

describe('a recording that was cut off', () => {
  test('is whole up to its last whole block, wherever that was', async () => {
    const whole = readFileSync(await written(6));
    const ends = blockEnds(whole);
    const path = freshPath();
    for (let bytes = ends[0]!; bytes < whole.length; bytes += 7) {
      writeFileSync(path, whole.subarray(0, bytes));
      const { file, events } = await played(path);
      const blocks = ends.filter((end) => end <= bytes).length - 1;
      expect(file.contents.blocks).toBe(Math.min(6, blocks));
      expect(file.cutAt).toBe(ends.findLast((end) => end <= bytes));
      expect(tradesIn(events)).toEqual(range(1, Math.min(6, blocks) * PER_BLOCK));
    }
  });

  test('can be sought in as well', async () => {
    const whole = readFileSync(await written(10));
    const path = freshPath();
    writeFileSync(path, whole.subarray(0, whole.length - 5));
    const { events, file } = await played(path, { fromUs: START_US + 45_000 });
    expect(file.contents.keys).toHaveLength(3);
    expect(tradesIn(events)).toEqual(range(45, 50));
  });
});

describe('a damaged recording', () => {
  test('says where, and that the rest can be played', async () => {
    const path = await damagedIn(2);
    await expect(played(path)).rejects.toThrow(
      new RegExp(`^${path} is damaged at byte \\d+: block 2: its checksum is wrong; --skip-damaged plays`),
    );
  });

  test('goes on behind it: trades at once, the book where its state is written next', async () => {
    const { events, player, damage } = await played(await damagedIn(2), { skipDamaged: true });
    expect(tradesIn(events)).toEqual([...range(1, 10), ...range(16, 50)]);
    expect(booksIn(events).map(([, seq]) => seq)).toEqual([...range(1, 10), ...range(20, 50)]);
    expect(events.filter(({ kind }) => kind === 'resync')).toEqual([
      { kind: 'resync', symbol: 'ACME', reason: 'update 16 follows on 15, and 10 is held' },
    ]);
    expect(player.counts).toMatchObject({ damagedBlocks: 1, missing: 5 + 9 });
    expect(damage).toHaveLength(1);
  });

  test('is found again behind a header that can not be read', async () => {
    const bytes = readFileSync(await written(10));
    const [, , second, third] = blockEnds(bytes);
    bytes[second! + 10]! ^= 1;
    const path = freshPath();
    writeFileSync(path, bytes);
    const { events, damage } = await played(path, { skipDamaged: true });
    expect(damage).toEqual([{ offset: second, bytes: third! - second!, why: "a block's header is wrong" }]);
    expect(tradesIn(events)).toEqual([...range(1, 10), ...range(16, 50)]);
  });

  test('of another version is refused by name', async () => {
    const bytes = readFileSync(await written(1));
    bytes.writeUInt16LE(2, 8);
    const path = freshPath();
    writeFileSync(path, bytes);
    expect(await isRecording(path)).toBe(true);
    await expect(RecordingFile.open(path)).rejects.toThrow(
      /it is a recording of version 2; this Tickwire reads version 1/,
    );
  });

  test('whatever its bytes are, ends with updates of it or with a RecordingError', async () => {
    const whole = readFileSync(await written(6));
    const path = freshPath();
    const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), fc.boolean(), async (changes, skipDamaged) => {
        const bytes = Buffer.from(whole);
        for (const { at, byte } of changes) bytes[at] = byte;
        writeFileSync(path, bytes);
        const outcome = await played(path, { skipDamaged }).catch((error: unknown) => {
          if (error instanceof RecordingError) return null;
          throw error;
        });
        const sizes = tradesIn(outcome?.events ?? []);
        expect(sizes).toEqual([...new Set(sizes)].sort((a, b) => a - b));
        expect(sizes.every((size) => size >= 1 && size <= 30)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('whatever stands in a block whose checksums are right, ends with events or with a RecordingError', async () => {
    const file = await RecordingFile.open(await written(1));
    let plain: Buffer | undefined;
    for await (const block of file.blocks(null, () => {})) plain = block.plain;
    await file.close();
    const change = fc.record({ at: fc.nat(plain!.length - 1), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(plain!);
        for (const { at, byte } of changes) bytes[at] = byte;
        const path = freshPath();
        const writer = await RecordingWriter.create(path, DESCRIPTION);
        writer.append({ kind: 'key', records: 11, firstUs: START_US, lastUs: START_US + 5_000, plain: bytes });
        await writer.close();
        const outcome = await played(path).catch((error: unknown) => {
          if (error instanceof RecordingError) return null;
          throw error;
        });
        for (const timeUs of outcome?.times ?? []) expect(Number.isSafeInteger(timeUs)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** Where the file's header ends, then each of its blocks, the index last. */
function blockEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf('TWBK'); at >= 0; ) {
    ends.push(at);
    const end = at + 48 + bytes.readUInt32LE(at + 32);
    if (bytes.toString('latin1', end, end + 4) !== 'TWBK') return [...ends, end];
    at = end;
  }
  return ends;
}

/** A recording of ten blocks with a wrong bit in the contents of one. */
async function damagedIn(block: number): Promise<string> {
  const path = await written(10);
  const bytes = readFileSync(path);
  const ends = blockEnds(bytes);
  bytes[ends[block]! + 60]! ^= 1;
  writeFileSync(path, bytes);
  return path;
}
