// Owns random text for names and nonces, drawn from the system in blocks: by itself a draw costs more than all else that a token
// needs. Whoever names a session or signs a token calls it. Invariant: no byte is given out twice.

import { randomFillSync } from 'node:crypto';

const block = Buffer.alloc(4_096);
let drawn = block.length;

/** @param bytes at most 64. */
export function randomText(bytes: number, encoding: 'hex' | 'base64url'): string {
  if (drawn + bytes > block.length) {
    randomFillSync(block);
    drawn = 0;
  }
  drawn += bytes;
  return block.toString(encoding, drawn - bytes, drawn);
}
