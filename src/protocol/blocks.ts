// Owns the memory of short pieces of bytes that are kept for a while: they stand side by side in blocks, since each array with memory of
// its own is one more thing that garbage collections wait for. Control lanes and topics keep their frames here.
// Invariant: what was handed out never changes; who holds on to a piece holds on to its block.

import type { ByteWriter } from './writer.ts';

const BLOCK_BYTES = 8_192;
/** Longer ones have memory of their own, and hold on to nothing else. */
const SHORT_BYTES_MAX = 1_024;

let block = new Uint8Array(BLOCK_BYTES);
let used = 0;

/** A copy of all that was written. */
export function kept({ bytes, length }: ByteWriter): Uint8Array {
  if (length > SHORT_BYTES_MAX) return bytes.slice(0, length);
  if (used + length > BLOCK_BYTES) {
    block = new Uint8Array(BLOCK_BYTES);
    used = 0;
  }
  const piece = block.subarray(used, used + length);
  piece.set(bytes.subarray(0, length));
  used += length;
  return piece;
}
