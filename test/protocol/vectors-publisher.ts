// Owns the golden vectors of /v1/publish/stream: what publishers send and what they are answered, in both codecs.
// Called by the vectors' maker. Invariant: every operation and every frame of proto/publish.md occurs.

import type { PublisherFrame } from '../../src/protocol/publishing.ts';
import type { Value } from './vectors-encoding.ts';

export interface PublisherFrameVector {
  readonly name: string;
  readonly says: string;
  readonly frames: readonly PublisherFrame[];
}
export interface PublisherRequestVector {
  readonly name: string;
  readonly says: string;
  readonly requests: readonly { readonly [key: string]: Value }[];
}
export interface BadPublisherRequestVector {
  readonly name: string;
  readonly says: string;
  readonly json: string;
  readonly answers: readonly { readonly id: number | null; readonly code: string }[];
}

const UNKNOWN = {
  code: 'unknown-symbol',
  message: 'There is no such instrument. (NOPE)',
  action: 'GET /v1/instruments lists them; publishers create one with PUT /v1/instruments/:symbol.',
} as const;

export const PUBLISHER_FRAME_VECTORS: readonly PublisherFrameVector[] = [
  {
    name: 'welcome',
    says: 'The first frame: 10,000 items may be sent before any is acknowledged.',
    frames: [
      {
        type: 'welcome',
        version: 'tickwire.v1',
        server: 'tickwire/0.1.0',
        session: '6b37516d32785674',
        timeUs: 1_753_900_000_000_000,
        credits: 10_000,
        limits: { messageBytes: 4_194_304, items: 1_000 },
      },
    ],
  },
  {
    name: 'ack',
    says: 'One item was taken, one refused; both credits are back.',
    frames: [
      { type: 'ack', id: 1, results: [{ epoch: 187_723_572_702_975, seq: 1_003 }, { error: UNKNOWN }], credits: 2 },
    ],
  },
  {
    name: 'ack without credits',
    says: 'The publisher does not read fast enough: its credits are held back.',
    frames: [{ type: 'ack', id: 2, results: [{ epoch: 1, seq: 4_294_967_296 }], credits: 0 }],
  },
  {
    name: 'credit',
    says: 'Credits that were held back.',
    frames: [{ type: 'credit', credits: 4_300 }],
  },
  {
    name: 'pong and error',
    says: 'Two frames in one message.',
    frames: [
      { type: 'pong', id: 3, timeUs: 1_753_900_000_000_000 },
      {
        type: 'error',
        id: null,
        code: 'bad-frame',
        message: 'The message is not valid MessagePack or JSON of the subprotocol. (not JSON)',
        action: 'Send maps with string keys, without extensions; JSON one object per line.',
      },
    ],
  },
];

export const PUBLISHER_REQUEST_VECTORS: readonly PublisherRequestVector[] = [
  {
    name: 'publish',
    says: 'Items of every type, their numbers as decimal strings.',
    requests: [
      {
        op: 'publish',
        id: 1,
        items: [
          { symbol: 'BTC-USD', type: 'snapshot', bids: [['118342.50', '1.5']], asks: [['118343.00', '0.75']] },
          { symbol: 'BTC-USD', type: 'delta', exchangeUs: 1_753_899_999_995_750, bids: [['118342.50', '0']] },
          { symbol: 'EUR-USD', type: 'quote', bidPrice: '1.17425', bidSize: '1000000', askPrice: null },
          { symbol: 'BTC-USD', type: 'trade', id: 88_001, side: 'buy', price: '118343.00', size: '0.015' },
          { symbol: 'BTC-USD', type: 'trade', id: 88_001, kind: 'bust', price: '118343.00', size: '0.015' },
          { symbol: 'BTC-USD', type: 'status', status: 'halted', reason: 'volatility' },
        ],
      },
    ],
  },
  {
    name: 'ping behind nothing to publish',
    says: 'Two requests in one message; a list of items may be empty.',
    requests: [
      { op: 'publish', id: 2, items: [] },
      { op: 'ping', id: 3 },
    ],
  },
];

export const BAD_PUBLISHER_REQUEST_VECTORS: readonly BadPublisherRequestVector[] = [
  { name: 'half a line', says: 'No JSON.', json: '{"op":"ping"', answers: [{ id: null, code: 'bad-frame' }] },
  { name: 'a list', says: 'A request is a map.', json: '[]', answers: [{ id: null, code: 'bad-request' }] },
  {
    name: 'an operation of subscribers',
    says: 'It is another stream.',
    json: '{"op":"subscribe","id":4,"channel":"book","symbols":["A"]}',
    answers: [{ id: 4, code: 'unknown-op' }],
  },
  {
    name: 'no items',
    says: 'They may be none, but the list is there.',
    json: '{"op":"publish","id":5}',
    answers: [{ id: 5, code: 'bad-request' }],
  },
  {
    name: 'one item without a list',
    says: 'Unlike over HTTP, items are always a list.',
    json: '{"op":"publish","id":6,"items":{"symbol":"A","type":"trade","price":"1","size":"1"}}',
    answers: [{ id: 6, code: 'bad-request' }],
  },
  {
    name: 'an unknown field, then a ping',
    says: 'Each request of a message is answered by itself.',
    json: '{"op":"publish","id":7,"items":[],"x-more":1}\n{"op":"ping"}\n',
    answers: [
      { id: 7, code: 'bad-request' },
      { id: null, code: 'bad-request' },
    ],
  },
];
