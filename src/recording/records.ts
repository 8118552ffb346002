// Owns what stands in a block: records, each a kind, a length and a body. Bodies are frames of the wire protocol, or notes
// as JSON. The recorder fills blocks here, the player takes them apart. Invariant: a block can be read without any other:
// it announces each topic that it has data of.

import { defineInstrument, type Instrument, type InstrumentDefinition } from '../market/instrument.ts';
import type { LadderLevel } from '../market/ladder.ts';
import { LEVEL_STRIDE } from '../market/update.ts';
import { DecodeError } from '../protocol/codec.ts';
import { msgpackCodec } from '../protocol/codecs.ts';
import type { ChannelFrame, EndFrame, Frame, GapFrame, ResetFrame, TopicFrame } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';
import { type BlockKind, PLAIN_BYTES_MAX, RecordingError } from './layout.ts';
import type { Block } from './writer.ts';

/** First byte of a record. `frames`: as they came. `states`: what was held, so that reading may begin here. */
const KINDS = { frames: 1, states: 2, note: 3 } as const;
type FramesKind = 'frames' | 'states';
const HEAD_BYTES = 5;

/** What is kept of a topic besides its announcement. */
export type TopicFrames = ChannelFrame | GapFrame | ResetFrame | EndFrame;

export interface Item {
  /** With the recording's own number of the topic. */
  readonly topic: TopicFrame;
  /** Null: only the announcement, as of a new epoch. */
  readonly frame: TopicFrames | null;
}

/** What is no frame: the definition of an instrument, whole, or what became of the connection. */
export type Note = { readonly instrument: Instrument } | { readonly connection: 'lost' | 'back' };

export type Entry =
  | { readonly kind: FramesKind; readonly frames: readonly Frame[] }
  | { readonly kind: 'note'; readonly note: Note };

/**
 * Where a frame stands on the recording's axis of time: an update when it was published, a fresh start when the gateway
 * told it. The axis never goes back: whoever keeps it takes the larger of this and what was. Null: it has no time.
 */
export function timeOf(frame: Frame): number | null {
  if (!isData(frame)) return null;
  return frame.fromSeq === 0 ? frame.gatewayUs : frame.publishUs;
}

export function isData(frame: Frame): frame is ChannelFrame {
  return frame.type === 'book' || frame.type === 'quote' || frame.type === 'trade' || frame.type === 'status';
}

/** The levels of a side that is held best last, best first as on the wire; with `stride` 3 each with its order count. */
export function flatLevels(levels: readonly LadderLevel[], stride: number): number[] {
  const numbers: number[] = [];
  for (let i = levels.length - 1; i >= 0; i--) {
    const { price, size, count } = levels[i]!;
    numbers.push(price, size);
    if (stride === LEVEL_STRIDE) numbers.push(count);
  }
  return numbers;
}

/** One block while it is filled. */
export class BlockBuilder {
  private readonly contents = new ByteWriter(65_536);
  private readonly message = new ByteWriter(4_096);
  private readonly announced = new Map<number, TopicFrame>();
  private records = 0;
  private firstUs: number | null = null;

  /** @param lastUs where the axis of time stands. */
  constructor(
    private lastUs: number,
    private readonly kind: BlockKind = 'data',
  ) {}

  get bytes(): number {
    return this.contents.length;
  }

  get empty(): boolean {
    return this.records === 0;
  }

  note(note: Note): void {
    this.record(KINDS.note, Buffer.from(JSON.stringify(note)));
  }

  /** Appends items as one record. Only `frames` move the time. */
  frames(kind: FramesKind, items: readonly Item[]): void {
    const { message } = this;
    message.length = 0;
    let baseUs = 0;
    for (const { topic, frame } of items) {
      if (this.announced.get(topic.topic) !== topic) {
        this.announced.set(topic.topic, topic);
        msgpackCodec.encode(message, topic);
      }
      if (frame === null) continue;
      // Times on the wire are lags behind a time frame.
      if (isData(frame) && frame.gatewayUs !== baseUs) {
        baseUs = frame.gatewayUs;
        msgpackCodec.encode(message, { type: 'time', timeUs: baseUs });
      }
      msgpackCodec.encode(message, { ...frame, topic: topic.topic });
      if (kind === 'frames') this.moveTo(timeOf(frame));
    }
    this.record(KINDS[kind], message.copy());
  }

  finish(): Block {
    const { kind, records, lastUs } = this;
    return { kind, records, firstUs: this.firstUs ?? lastUs, lastUs, plain: this.contents.copy() };
  }

  private moveTo(timeUs: number | null): void {
    if (timeUs === null) return;
    this.lastUs = Math.max(this.lastUs, timeUs);
    this.firstUs ??= this.lastUs;
  }

  private record(kind: number, body: Uint8Array): void {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(kind);
    head.writeUInt32LE(body.length, 1);
    this.contents.append(head);
    this.contents.append(body);
    this.records += 1;
  }
}

/**
 * The records of one block's contents, in order; kinds that a later version added are passed over.
 * @throws RecordingError for what no recorder writes.
 */
export function* readEntries(plain: Buffer): Generator<Entry, void, undefined> {
  const decoder = msgpackCodec.decoder();
  for (let at = 0; at < plain.length; ) {
    if (plain.length - at < HEAD_BYTES) throw new RecordingError('a record is cut off');
    const kind = plain.readUInt8(at);
    const bytes = plain.readUInt32LE(at + 1);
    const body = plain.subarray(at + HEAD_BYTES, at + HEAD_BYTES + bytes);
    if (bytes > PLAIN_BYTES_MAX || body.length < bytes) throw new RecordingError('a record is cut off');
    at += HEAD_BYTES + bytes;
    if (kind === KINDS.note) {
      const note = readNote(body);
      if (note !== null) yield { kind: 'note', note };
    } else if (kind === KINDS.frames || kind === KINDS.states) {
      yield { kind: kind === KINDS.frames ? 'frames' : 'states', frames: decoded(() => decoder.decode(body)) };
    }
  }
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new RecordingError(`a frame can't be read: ${error.message}`);
  }
}

/** Null for a kind of note that a later version added. @throws RecordingError for one that is wrong. */
function readNote(body: Buffer): Note | null {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new RecordingError('a note is no JSON');
  }
  if (typeof value !== 'object' || value === null) throw new RecordingError('a note is no JSON object');
  const { instrument, connection } = value as { instrument?: unknown; connection?: unknown };
  if (connection === 'lost' || connection === 'back') return { connection };
  if (typeof instrument !== 'object' || instrument === null) return null;
  const defined = defineInstrument(readDefinition(instrument as Record<string, unknown>));
  if (typeof defined === 'string') throw new RecordingError(`an instrument can't be listed: ${defined}`);
  return { instrument: defined };
}

/** Only what an instrument has, each of its kind; `defineInstrument` checks the values. */
function readDefinition(read: Readonly<Record<string, unknown>>): InstrumentDefinition {
  const { symbol, priceScale, sizeScale, tickSize, lotSize, negativePrices, orderCounts, quoteSource } = read;
  return {
    symbol: String(symbol),
    priceScale: Number(priceScale),
    sizeScale: Number(sizeScale),
    tickSize: Number(tickSize),
    lotSize: Number(lotSize),
    negativePrices: negativePrices === true,
    orderCounts: orderCounts === true,
    quoteSource: quoteSource === 'published' ? 'published' : 'book',
  };
}
