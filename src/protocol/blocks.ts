// Owns the memory of encoded frames that are kept for a while: short ones stand side by side in blocks, since each array with memory of
// its own is one more thing that garbage collections wait for. Control lanes and topics keep theirs here.
// Invariant: what was handed out never changes; who holds on to a short frame holds on to its block.

import type { Codec, TopicContext } from './codec.ts';
import type { Frame } from './frames.ts';
import { ByteWriter } from './writer.ts';

const BLOCK_BYTES = 8_192;
/** Longer ones have memory of their own, and hold on to nothing else. */
const SHORT_BYTES_MAX = 1_024;

let block = new ByteWriter(BLOCK_BYTES);

/** @param context as the codec's `encode`. */
export function encodeKept(codec: Codec, frame: Frame, context?: TopicContext): Uint8Array {
  if (block.length > BLOCK_BYTES - SHORT_BYTES_MAX) block = new ByteWriter(BLOCK_BYTES);
  const start = block.length;
  codec.encode(block, frame, context);
  const { bytes, length } = block;
  if (length - start <= SHORT_BYTES_MAX) return bytes.subarray(start, length);
  block.length = start;
  // It had to grow, for this one alone.
  if (bytes.length > BLOCK_BYTES) block = new ByteWriter(BLOCK_BYTES);
  return bytes.slice(start, length);
}
