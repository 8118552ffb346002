// Owns the newest frames of an event channel, each encoded once per codec, for cursors that are not far behind.
// Called by the topics. Invariant: slots are contiguous: each one's fromSeq is the seq of the one before.

import type { Codec, TopicContext } from '../protocol/codec.ts';
import type { ChannelFrame } from '../protocol/frames.ts';
import type { ByteWriter } from '../protocol/writer.ts';
import { type Chunk, encodeChunks } from './chunks.ts';

interface Slot {
  /** The update before; a frame that replaces everything says 0 there. */
  readonly fromSeq: number;
  readonly frame: ChannelFrame;
  msgpack: readonly Chunk[] | null;
  json: readonly Chunk[] | null;
}

/** So many of the newest are looked at one by one before the others are searched. */
const NEAR_FRAMES = 8;

export class Ring {
  /** Circular; the oldest stands at `head`. */
  private readonly slots: Slot[] = [];
  private head = 0;

  constructor(private readonly framesMax: number) {}

  get length(): number {
    return this.slots.length;
  }

  /** The oldest cursor that can be answered without a gap; null while the ring is empty. */
  get fromSeq(): number | null {
    return this.slots[this.head]?.fromSeq ?? null;
  }

  clear(): void {
    this.slots.length = 0;
    this.head = 0;
  }

  /** The frame that brings a cursor from `fromSeq` on. */
  push(fromSeq: number, frame: ChannelFrame): void {
    const slot = { fromSeq, frame, msgpack: null, json: null };
    if (this.slots.length < this.framesMax) {
      this.slots.push(slot);
      return;
    }
    this.slots[this.head] = slot;
    this.head = (this.head + 1) % this.framesMax;
  }

  /** Place, counted from the oldest, of the first frame after `seq`; null where the ring has moved on, or is empty. */
  indexAfter(seq: number): number | null {
    const { length } = this.slots;
    // Most cursors are just behind the newest: the others' memory is not waited for.
    for (let i = length - 1; i >= Math.max(0, length - NEAR_FRAMES); i--) {
      const { fromSeq, frame } = this.slot(i);
      if (fromSeq <= seq) return frame.seq <= seq ? i + 1 : i;
    }
    if (this.fromSeq === null || this.fromSeq > seq) return null;
    let low = 0;
    let high = length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.slot(middle).frame.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The encoded frame at a place counted from the oldest: mostly one chunk, several where it goes out in parts. */
  chunks(index: number, codec: Codec, context: TopicContext, gatewayUs: number): readonly Chunk[] {
    const slot = this.slot(index);
    // A frame carries the time at which it was first made, in both codecs.
    if (slot.frame.gatewayUs === 0) slot.frame.gatewayUs = gatewayUs;
    slot[codec.name] ??= encodeChunks(slot.frame, codec, context);
    return slot[codec.name] as readonly Chunk[];
  }

  /** Appends the frame at a place to the flush's buffer; nothing is kept, for members in step take it once. */
  write(writer: ByteWriter, index: number, codec: Codec, context: TopicContext, gatewayUs: number): void {
    const { frame } = this.slot(index);
    if (frame.gatewayUs === 0) frame.gatewayUs = gatewayUs;
    codec.encode(writer, frame, context);
  }

  /** When the frame at a place was first made; 0 when it was not yet. */
  gatewayUs(index: number): number {
    return this.slot(index).frame.gatewayUs;
  }

  private slot(index: number): Slot {
    return this.slots[(this.head + index) % this.slots.length] as Slot;
  }
}
