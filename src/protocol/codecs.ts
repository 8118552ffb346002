// Owns the table of codecs: one per subprotocol.

import type { Codec } from './codec.ts';
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from './frames.ts';
import { encodeJson, JsonDecoder } from './json.ts';
import { MsgpackDecoder } from './msgpack-decoder.ts';
import { encodeMsgpack } from './msgpack-encoder.ts';

export const msgpackCodec: Codec = {
  name: 'msgpack',
  binary: true,
  relativeTimes: true,
  encode: encodeMsgpack,
  decoder: () => new MsgpackDecoder(),
};

export const jsonCodec: Codec = {
  name: 'json',
  binary: false,
  relativeTimes: false,
  encode: encodeJson,
  decoder: () => new JsonDecoder(),
};

/** The codec of a subprotocol; undefined for one that is not known. */
export function codecOf(subprotocol: string): Codec | undefined {
  if (subprotocol === SUBPROTOCOL_MSGPACK) return msgpackCodec;
  return subprotocol === SUBPROTOCOL_JSON ? jsonCodec : undefined;
}
