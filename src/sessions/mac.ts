// Owns HMAC-SHA256 (RFC 2104) with one key, out of hashes in one shot and as texts: an Hmac object is a native handle and every Buffer
// that is made has memory outside the heap, and thousands of them, some for each client that connects, are what a collection of garbage
// then waits for. Tokens are signed with it. Invariant: the same as createHmac of node:crypto, which a test holds.

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

  /** @param text of characters up to U+00FF. @returns the code in base64url. */
  of(text: string): string {
    const length = BLOCK_BYTES + text.length;
    if (length > this.inner.length) this.inner = Buffer.concat([this.inner], 2 * length);
    this.inner.write(text, BLOCK_BYTES, 'latin1');
    this.outer.write(hash('sha256', this.inner.subarray(0, length)), BLOCK_BYTES, 'hex');
    return hash('sha256', this.outer, 'base64url');
  }
}
