// The public face of tickwire/client, for browser and Node: the stream, its local books, codecs and numbers.

export { DecodeError } from '../protocol/codec.ts';
export { jsonCodec, msgpackCodec } from '../protocol/codecs.ts';
export { formatDecimal, parseDecimal } from '../protocol/decimal.ts';
export type * from '../protocol/frames.ts';
export { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
export { type Applied, type BookCounters, LocalBook } from './local-book.ts';
export { ClientStream, type Held, type StreamHandlers, type SubscribeOptions } from './stream.ts';
