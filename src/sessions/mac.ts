// Owns HMAC-SHA256 (RFC 2104) with one key, out of hashes in one shot: an Hmac object is a native handle, and thousands of them, one
// for each client that comes back, are what a collection of garbage then waits for. Tokens are signed with it.
// Invariant: the same as createHmac of node:crypto, which a test holds.

import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;

export class Mac {
  private inner = Buffer.alloc(BLOCK_BYTES + 256);
  private readonly outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES);

  constructor(secret: Buffer) {
    const key = secret.length > BLOCK_BYTES ? hash('sha256', secret, 'buffer') : secret;
    for (let i = 0; i < BLOCK_BYTES; i++) {
      this.inner[i] = (key[i] ?? 0) ^ 0x36;
      this.outer[i] = (key[i] ?? 0) ^ 0x5c;
    }
  }

  /** @param text of characters up to U+00FF. */
  of(text: string): Buffer {
    const length = BLOCK_BYTES + text.length;
    if (length > this.inner.length) this.inner = Buffer.concat([this.inner], 2 * length);
    this.inner.write(text, BLOCK_BYTES, 'latin1');
    hash('sha256', this.inner.subarray(0, length), 'buffer').copy(this.outer, BLOCK_BYTES);
    return hash('sha256', this.outer, 'buffer');
  }
}
