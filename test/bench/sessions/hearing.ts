// Owns reading the messages of one gateway for many clients: what was read once is not read again for the next client that gets the same
// bytes. The storm's clients ask it. Invariant: book frames of the same number say the same.

import { msgpackCodec } from '../../../src/protocol/codecs.ts';
import type { FlatLevels, Frame } from '../../../src/protocol/frames.ts';

/** Messages that many clients get are read once; a power of two. */
const SLOTS = 4_096;
/** Longer ones are snapshots, which are few. */
const KEPT_BYTES_MAX = 65_536;
/** Of frames that are no books'. */
const NO_NUMBER = 0;

export interface HeardFrame {
  readonly number: number;
  readonly frame: Frame;
}

interface Slot {
  readonly bytes: Buffer;
  readonly heard: readonly HeardFrame[];
}

/** Topic ids are the gateway's own, so all of its clients share one. */
export class Hearing {
  private readonly decoder = msgpackCodec.decoder();
  private readonly slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined);
  private readonly numbers = new Map<string, number>();

  /** @throws DecodeError where the bytes are not what the protocol allows. */
  read(bytes: Uint8Array, start: number, end: number): readonly HeardFrame[] {
    const message = bytes.subarray(start, end);
    if (message.length > KEPT_BYTES_MAX) return this.decode(message);
    const place = slotOf(message);
    const slot = this.slots[place];
    if (slot?.bytes.equals(message) === true) return slot.heard;
    const heard = this.decode(message);
    this.slots[place] = { bytes: Buffer.from(message), heard };
    return heard;
  }

  private decode(message: Uint8Array): HeardFrame[] {
    return this.decoder.decode(message).map((frame) => ({ number: this.numberOf(frame), frame }));
  }

  /** The same book frame may come in several messages, beside others. */
  private numberOf(frame: Frame): number {
    if (frame.type !== 'book') return NO_NUMBER;
    const { topic, fromSeq, seq, depth, checksum, bids, asks, parts } = frame;
    const key = [topic, fromSeq, seq, depth, checksum, parts, hashOf(bids), hashOf(asks)].join(' ');
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    numbers += 1;
    this.numbers.set(key, numbers);
    return numbers;
  }
}

/** Of the last frame; no two gateways share one. */
let numbers = 0;

function hashOf(levels: FlatLevels): number {
  let hash = levels.length;
  for (const value of levels) hash = Math.imul(hash ^ (value | 0) ^ Math.floor(value / 2 ** 32), 0x01000193);
  return hash;
}

function slotOf(message: Uint8Array): number {
  let hash = message.length;
  const step = Math.max(1, Math.floor(message.length / 48));
  for (let at = 0; at < message.length; at += step) hash = Math.imul(hash ^ message[at]!, 0x01000193);
  return (hash ^ (hash >>> 13)) & (SLOTS - 1);
}
