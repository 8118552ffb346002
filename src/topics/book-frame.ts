// Owns the making of book frames from whatever levels a topic shows. Book topics, grouped or not, call it.
// Invariant: a frame's checksum is that of the best `depth` levels at its seq.

import type { LevelSource } from '../market/grouping.ts';
import type { BookFrame } from '../protocol/frames.ts';

/** Filled anew by each call: it is encoded before the next is asked for. */
const frame = {
  type: 'book' as const,
  topic: 0,
  fromSeq: 0,
  seq: 0,
  exchangeUs: null as number | null,
  publishUs: 0,
  gatewayUs: 0,
  depth: 0,
  checksum: 0,
  stride: 2,
  bids: [] as number[],
  asks: [] as number[],
  parts: 0,
};

/** What a topic says of itself. */
export interface BookFrameSource {
  readonly id: number;
  readonly seq: number;
  readonly exchangeUs: number | null;
  readonly publishUs: number;
  readonly stride: number;
}

/** The frame that brings a holder of `held` levels at `fromSeq` (0: nothing) to the present best `depth`. Valid until the next call. */
export function bookFrame(
  source: BookFrameSource,
  levels: LevelSource,
  fromSeq: number,
  held: number,
  depth: number,
  gatewayUs: number,
): BookFrame {
  frame.topic = source.id;
  frame.fromSeq = fromSeq;
  frame.seq = source.seq;
  frame.exchangeUs = source.exchangeUs;
  frame.publishUs = source.publishUs;
  frame.gatewayUs = gatewayUs;
  frame.depth = depth;
  frame.stride = source.stride;
  if (fromSeq === 0) levels.top(depth, frame);
  else levels.since(fromSeq, held, depth, frame);
  frame.checksum = levels.checksum(depth);
  return frame;
}

export function showsNothing({ bids, asks }: BookFrame): boolean {
  return bids.length === 0 && asks.length === 0;
}
