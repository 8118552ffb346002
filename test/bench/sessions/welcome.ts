// Owns how a connection that was let in is told from one that was not: by its first message. Pure.
// Invariant: a refusal, or anything else that is not a welcome, never counts as one.

/** The number of the frame `welcome`, and the first byte of a short MessagePack array. */
const WELCOME = 0;
const ARRAY = 0x9;

/** Whether a connection's first message welcomes it. The baseline sends the bytes of Tickwire's own. */
export function isWelcome(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > 2 && bytes[start]! >> 4 === ARRAY && bytes[start + 1] === WELCOME;
}
