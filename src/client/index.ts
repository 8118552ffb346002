// The public face of tickwire/client for browsers: the client, and below it the stream, local books, codecs and numbers.
// Node loads src/client/node.ts, which adds a WebSocket. Invariant: what is exported here is documented and kept.

export type { LadderLevel } from '../market/ladder.ts';
export { DecodeError, type Decoder } from '../protocol/codec.ts';
export { type DecimalFault, formatDecimal, parseDecimal } from '../protocol/decimal.ts';
export type * from '../protocol/frames.ts';
export { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from '../protocol/frames.ts';
export { Client, connect } from './client.ts';
export { type ClientCodec, msgpackCodec, type NamedCodec } from './codecs.ts';
export type { Backoff } from './endpoints.ts';
export { type ClientErrorCode, TickwireError } from './error.ts';
export type {
  ClientEvents,
  ClientState,
  ErrorEvent,
  GapEvent,
  GoodbyeEvent,
  HealEvent,
  HealedEvent,
  InstrumentEvent,
  Lag,
  PaceEvent,
  ResetEvent,
  ResyncEvent,
  StateEvent,
  TopicName,
} from './events.ts';
export { type Applied, type BookCounters, LocalBook } from './local-book.ts';
export type { ClientCounters, ClientOptions, Request } from './options.ts';
export type { Credential, Identity } from './session.ts';
export type { BookState, Described, Health, Level, QuoteState, StatusState, Trade } from './state.ts';
export { ClientStream, type Held, type StreamHandlers, type SubscribeOptions } from './stream.ts';
export type * from './subscription.ts';
export type { WebSocketConstructor, WebSocketLike } from './transport.ts';
