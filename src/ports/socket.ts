// Owns what the send queue needs of a client's connection. uWebSockets.js and the simulator implement it.
// Invariant: a message handed to `send` is taken whole unless the answer is `closed`; its bytes may be reused afterwards.

/** `backlogged`: taken, but the peer does not keep up; nothing more should be sent until the drain event. */
export type SendResult = 'sent' | 'backlogged' | 'closed';

/** One WebSocket message. A whole buffer costs the socket library less than a view of one: no view has to be looked through. */
export type Message = Uint8Array | ArrayBuffer;

export interface Socket {
  send(message: Message, binary: boolean): SendResult;
  /** Closes with a WebSocket close code and a reason of at most 123 bytes; harmless when closed. */
  close(code: number, reason: string): void;
  /** Bytes taken that have not left this process. */
  bufferedBytes(): number;
}
