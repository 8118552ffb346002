// Owns what both codecs have in common. The gateway encodes frames, clients decode them, and the golden vectors hold both.
// Invariant: the same frame gives the same bytes, whoever encodes it.

import type { Frame, TopicFrame } from './frames.ts';
import type { ByteWriter } from './writer.ts';

/** Context of data frames: scales and names of the topic that a frame's id stands for. */
export type TopicContext = Pick<TopicFrame, 'channel' | 'symbol' | 'priceScale' | 'sizeScale' | 'stride'>;

export interface Codec {
  readonly name: 'msgpack' | 'json';
  /** Whether messages go out as binary WebSocket messages. */
  readonly binary: boolean;
  /**
   * Whether times in data frames are relative to a `time` frame before them in the message. Where they are not,
   * `time` frames are not sent.
   */
  readonly relativeTimes: boolean;
  /** Appends one frame. `topic` is needed for data frames whose numbers the codec writes as decimals. */
  encode(writer: ByteWriter, frame: Frame, topic?: TopicContext): void;
  /** A decoder for one connection: it remembers the topics that were announced. */
  decoder(): Decoder;
}

/** The way from messages to frames, for one connection. */
export interface Decoder {
  /**
   * Frames of one WebSocket message, in order; unknown types and trailing elements are skipped.
   * @throws DecodeError where the bytes are not what the protocol allows.
   */
  decode(message: Uint8Array): Frame[];
}

/** What came breaks the protocol. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}
