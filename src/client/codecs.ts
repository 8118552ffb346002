// Owns the client's half of a codec: it decodes frames, and writes no frames but requests. The stream and the client use it.
// Invariant: nothing that only a gateway needs gets into a browser's bundle.

import type { Decoder } from '../protocol/codec.ts';
import { SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
import { MsgpackDecoder } from '../protocol/msgpack-decoder.ts';

/** What a stream needs of a codec. */
export interface ClientCodec {
  /** Whether messages go out as binary WebSocket messages. */
  readonly binary: boolean;
  /** A decoder for one connection: it remembers the topics that were announced. */
  decoder(): Decoder;
}

/** A codec, and what to offer so that the gateway speaks it. */
export interface NamedCodec extends ClientCodec {
  readonly subprotocol: string;
}

/** MessagePack, for subprotocol `tickwire.v1.msgpack`. */
export const msgpackCodec: NamedCodec = {
  subprotocol: SUBPROTOCOL_MSGPACK,
  binary: true,
  decoder: () => new MsgpackDecoder(),
};
