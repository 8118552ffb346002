// Owns what the send queue needs of a client's connection. It has the shape of uWebSockets.js's own socket, which is used as it
// stands: every object between a delivery and the socket costs a cache miss. The simulator implements it too.
// Invariant: `send` takes a message whole or drops it whole; its bytes may be reused afterwards. No call follows the close event.

/** What `send` answers. `backlogged`: taken, but the peer does not keep up; nothing more should be sent until the drain event. */
export const SENT = 1;
export const BACKLOGGED = 0;
export const DROPPED = 2;

export interface Socket {
  /** `compress` is always false: compressed bytes could not be shared. @returns one of the three above. */
  send(message: Uint8Array, binary: boolean, compress: boolean): number;
  /** A WebSocket ping; the payload is at most 125 bytes of ASCII. @returns as `send`. */
  ping(payload: string): number;
  /** Closes with a WebSocket close code and a reason of at most 123 bytes, behind what was sent. */
  end(code: number, reason: string): void;
  /** Bytes taken that have not left this process. */
  getBufferedAmount(): number;
}
