// Owns taking a MessagePack message apart into the bytes of its frames, by the positions of proto/frames.md alone. The comparison of
// gateways calls it. Invariant: the bytes of two frames are equal where all that they say is equal, but for the topic's id and the
// gateway's time, which are each gateway's own.

import { FrameType } from '../../src/protocol/frames.ts';
import { ByteReader } from '../../src/protocol/reader.ts';

/** One data frame. */
export interface Piece {
  readonly type: 'book' | 'part' | 'quote' | 'trade' | 'status';
  readonly topic: number;
  readonly fromSeq: number;
  readonly seq: number;
  /** Of books and parts, else 0. */
  readonly depth: number;
  /** Of a part, else 0. */
  readonly index: number;
  /** All that is the same on every gateway, with `publishUs` in the place of the lag. A character for each byte: many are kept. */
  readonly bytes: string;
}

const TIME_BYTES = 8;

const DATA: Readonly<Record<number, Piece['type']>> = {
  [FrameType.book]: 'book',
  [FrameType.part]: 'part',
  [FrameType.quote]: 'quote',
  [FrameType.trade]: 'trade',
  [FrameType.status]: 'status',
};

/** The data frames of a message, in order. @throws DecodeError */
export function piecesOf(message: Uint8Array): Piece[] {
  const reader = new ByteReader(message);
  const pieces: Piece[] = [];
  let gatewayUs = 0;
  while (!reader.done) {
    const start = reader.at;
    const elements = reader.array();
    const number = reader.integer();
    const type = DATA[number];
    if (number === FrameType.time) gatewayUs = reader.integer();
    const taken = number === FrameType.time ? 2 : 1;
    if (type !== undefined) pieces.push(pieceOf(reader, message, { start, elements, type, gatewayUs }));
    else for (let i = taken; i < elements; i++) reader.skip();
  }
  return pieces;
}

interface Begun {
  readonly start: number;
  readonly elements: number;
  readonly type: Piece['type'];
  readonly gatewayUs: number;
}

function pieceOf(reader: ByteReader, message: Uint8Array, { start, elements, type, gatewayUs }: Begun): Piece {
  const head = message.subarray(start, reader.at);
  const topic = reader.integer();
  const rangeAt = reader.at;
  const seq = reader.integer();
  const fromSeq = seq - reader.integer();
  const range = message.subarray(rangeAt, reader.at);
  const published = Buffer.alloc(TIME_BYTES);
  let taken = 4;
  if (type !== 'part') {
    published.writeDoubleBE(gatewayUs - reader.integer());
    taken = 5;
  }
  const restAt = reader.at;
  if (type === 'book') {
    reader.skip();
    taken = 6;
  }
  const hasDepth = type === 'book' || type === 'part';
  const depth = hasDepth ? reader.integer() : 0;
  const index = type === 'part' ? reader.integer() : 0;
  taken += (hasDepth ? 1 : 0) + (type === 'part' ? 1 : 0);
  for (; taken < elements; taken++) reader.skip();
  const bytes = Buffer.concat([head, range, published, message.subarray(restAt, reader.at)]).toString('latin1');
  return { type, topic, fromSeq, seq, depth, index, bytes };
}
