// Owns the cutting of answers into pieces that fit a message: parts of long books, runs of short frames.
// Called by topics for everything that is kept or sent to one client alone. Invariant: a chunk is whole frames, and all of
// its times are relative to one `gatewayUs`.

import { encodeKept } from '../protocol/blocks.ts';
import type { Codec, TopicContext } from '../protocol/codec.ts';
import type { BookFrame, ChannelFrame, Frame, PartFrame } from '../protocol/frames.ts';
import { ByteWriter } from '../protocol/writer.ts';

/** Answers above this go out in parts, so that control frames and other topics pass between them. */
export const PART_BYTES_MAX = 16_384;

export interface Chunk {
  readonly bytes: Uint8Array;
  readonly frames: number;
  /** What a `time` frame before it must say. */
  readonly gatewayUs: number;
  /** What its receiver holds by it; that of a part is what the receiver held before. */
  readonly seq: number;
}

const scratch = new ByteWriter(2 * PART_BYTES_MAX);

/** One frame on its own, or a long book frame as its parts and the frame that closes them. */
export function encodeChunks(frame: ChannelFrame, codec: Codec, context: TopicContext): Chunk[] {
  const whole = chunk(frame, frame.gatewayUs, frame.seq, codec, context);
  if (whole.bytes.length <= PART_BYTES_MAX || frame.type !== 'book') return [whole];
  return splitBook(frame, Math.ceil((whole.bytes.length * 1.25) / PART_BYTES_MAX)).map((piece) =>
    chunk(piece, frame.gatewayUs, piece.type === 'part' ? frame.fromSeq : frame.seq, codec, context),
  );
}

/** Joins neighbours that share their time base, as far as a message goes. */
export function joinChunks(chunks: readonly Chunk[]): Chunk[] {
  const joined: Chunk[] = [];
  for (let i = 0; i < chunks.length; ) {
    const { gatewayUs } = chunks[i]!;
    let seq: number;
    let frames = 0;
    scratch.length = 0;
    do {
      scratch.append(chunks[i]!.bytes);
      frames += chunks[i]!.frames;
      seq = chunks[i]!.seq;
      i += 1;
    } while (
      i < chunks.length &&
      chunks[i]!.gatewayUs === gatewayUs &&
      scratch.length + chunks[i]!.bytes.length <= PART_BYTES_MAX
    );
    joined.push({ bytes: scratch.copy(), frames, gatewayUs, seq });
  }
  return joined;
}

function chunk(frame: Frame, gatewayUs: number, seq: number, codec: Codec, context: TopicContext): Chunk {
  return { bytes: encodeKept(codec, frame, context), frames: 1, gatewayUs, seq };
}

/** `pieces` frames of about the same number of levels: parts, and at the end the book frame. */
function splitBook(frame: BookFrame, pieces: number): (PartFrame | BookFrame)[] {
  const { stride } = frame;
  const bidCount = frame.bids.length / stride;
  const levelCount = bidCount + frame.asks.length / stride;
  const frames: (PartFrame | BookFrame)[] = [];
  for (let index = 0; index < pieces; index++) {
    const start = Math.floor((levelCount * index) / pieces);
    const end = Math.floor((levelCount * (index + 1)) / pieces);
    const bids = frame.bids.slice(Math.min(start, bidCount) * stride, Math.min(end, bidCount) * stride);
    const asks = frame.asks.slice(Math.max(start - bidCount, 0) * stride, Math.max(end - bidCount, 0) * stride);
    const { topic, fromSeq, seq, depth } = frame;
    if (index === pieces - 1) frames.push({ ...frame, bids, asks, parts: pieces - 1 });
    else frames.push({ type: 'part', topic, fromSeq, seq, depth, index, count: pieces - 1, stride, bids, asks });
  }
  return frames;
}
