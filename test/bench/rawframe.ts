// Owns the baseline's payload: laid out as a Tickwire book frame, so that both subjects send messages of the same size.
//   [18, topic, seq, span 1, depth 0, sentUs, nil, check, bids, asks]   numbers of fixed width up to `check`
// raw-server.ts stamps prepared bytes with it, the generator reads them back; `sentUs` counts from the schedule's start.
// Invariant: `check` follows from topic, seq and sentUs, so that bytes shared wrongly are noticed.

import type { BookDelta } from '../../src/market/update.ts';
import { LEVEL_STRIDE } from '../../src/market/update.ts';

const BOOK = 18;
const TOPIC_AT = 3;
const SEQ_AT = 6;
const SENT_AT = 13;
const CHECK_AT = 19;
const LEVELS_AT = 23;

/** The bytes of one update, with room for the stamp. */
export function prepareRawFrame(topic: number, delta: BookDelta): Buffer {
  const bytes = Buffer.from([
    ...[0x9a, BOOK, 0xcd, 0, 0, 0xce, 0, 0, 0, 0, 1, 0],
    ...[0xce, 0, 0, 0, 0, 0xc0, 0xce, 0, 0, 0, 0],
  ]);
  bytes.writeUInt16BE(topic, TOPIC_AT);
  return Buffer.concat([bytes, packSide(delta.bids), packSide(delta.asks)]);
}

/** Writes what differs from one sending to the next. */
export function stampRawFrame(bytes: Buffer, topic: number, seq: number, sentUs: number): void {
  bytes.writeUInt32BE(seq, SEQ_AT);
  bytes.writeUInt32BE(sentUs, SENT_AT);
  bytes.writeUInt32BE(checkOf(topic, seq, sentUs), CHECK_AT);
}

/** What a frame of the baseline says; one object is used again and again. */
export class RawFrame {
  topic = 0;
  seq = 0;
  sentUs = 0;
  /** Of the frame read by `readFirst`: where the next one begins. */
  end = 0;

  /** @returns whether the bytes are one whole, undamaged frame. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < LEVELS_AT || bytes[start] !== 0x9a || bytes[start + 1] !== BOOK) return false;
    this.topic = (bytes[start + TOPIC_AT]! << 8) | bytes[start + TOPIC_AT + 1]!;
    this.seq = uint32(bytes, start + SEQ_AT);
    this.sentUs = uint32(bytes, start + SENT_AT);
    return uint32(bytes, start + CHECK_AT) === checkOf(this.topic, this.seq, this.sentUs);
  }

  /** The same of the first of several frames. */
  readFirst(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.read(bytes, start, end)) return false;
    this.end = afterSide(bytes, afterSide(bytes, start + LEVELS_AT));
    return this.end <= end;
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function checkOf(topic: number, seq: number, sentUs: number): number {
  return (Math.imul(Math.imul(topic + 1, 0x9e3779b1) ^ seq, 0x85ebca6b) + Math.imul(sentUs, 0xc2b2ae35)) >>> 0;
}

/** Where the side ends that begins here. */
function afterSide(bytes: Uint8Array, start: number): number {
  const long = bytes[start] === 0xdc;
  const elements = long ? (bytes[start + 1]! << 8) | bytes[start + 2]! : bytes[start]! & 0x0f;
  let at = start + (long ? 3 : 1);
  for (let left = elements; left > 0; left--) at += bytes[at]! < 0x80 ? 1 : 5;
  return at;
}

/** Price and size of each level, in MessagePack's shortest form. */
function packSide(levels: readonly number[]): Buffer {
  const elements = (levels.length / LEVEL_STRIDE) * 2;
  const packed: number[] = elements < 16 ? [0x90 | elements] : [0xdc, elements >> 8, elements & 0xff];
  for (let at = 0; at < levels.length; at += LEVEL_STRIDE)
    packed.push(...packUint(levels[at]!), ...packUint(levels[at + 1]!));
  return Buffer.from(packed);
}

function packUint(value: number): number[] {
  if (value < 0x80) return [value];
  const bytes = Buffer.alloc(5, 0xce);
  bytes.writeUInt32BE(value, 1);
  return [...bytes];
}
