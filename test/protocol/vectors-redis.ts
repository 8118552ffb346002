// Owns the golden vectors of what stands in Redis: updates as publishers hand them to the script, entries as it logs and publishes
// them, and the messages that have no place in the sequence. Called by the vectors' maker. Invariant: every kind of update occurs, and
// nothing of src/bus makes the bytes.

import type { Update } from '../../src/market/update.ts';
import { pack, Raw, type Value } from './vectors-encoding.ts';

export interface RedisVector {
  readonly name: string;
  readonly says: string;
  /** What the script puts before an update: format, epoch, seq, publishUs, nonce. */
  readonly head?: readonly number[];
  /** What publishers pack: kind, exchangeUs, and the rest by kind. */
  readonly body?: readonly Value[];
  /** What the body means; null: it has no place in the sequence. */
  readonly update?: Update | null;
  /** Only that it is refused. */
  readonly refused?: true;
  readonly msgpack: readonly number[];
}

const EXCHANGE_US = 1_753_900_000_123_456;
const MAX = Number.MAX_SAFE_INTEGER;
const HEAD = [1, 187_723_572_702_975, 3, 1_753_900_000_200_000, 118_367_049_215_042];

const UPDATES: readonly (readonly [name: string, says: string, body: readonly Value[], update: Update])[] = [
  [
    'delta',
    'Levels are price, size and order count, one after the other; the size 0 removes a level.',
    [0, EXCHANGE_US, [1_001, 250, 0, 1_000, 0, 0], [1_002, 70_000, 0]],
    { kind: 'delta', bids: [1_001, 250, 0, 1_000, 0, 0], asks: [1_002, 70_000, 0] },
  ],
  [
    'delta of nothing',
    'Both sides may be empty; the time of the exchange may be unknown.',
    [0, null, [], []],
    { kind: 'delta', bids: [], asks: [] },
  ],
  [
    'snapshot',
    'The whole book, in any order.',
    [1, EXCHANGE_US, [999, 300, 4, 1_001, 500, 2], [1_002, 7, 1]],
    { kind: 'snapshot', bids: [999, 300, 4, 1_001, 500, 2], asks: [1_002, 7, 1] },
  ],
  [
    'snapshot of many levels',
    'Sixteen numbers and more have a header of their own.',
    [1, 0, Array.from({ length: 48 }, (_, i) => (i % 3 === 0 ? 10_000 - i : i)), []],
    { kind: 'snapshot', bids: Array.from({ length: 48 }, (_, i) => (i % 3 === 0 ? 10_000 - i : i)), asks: [] },
  ],
  [
    'snapshot with the largest numbers',
    'Prices may be negative, where the instrument says so; nothing is beyond 2^53 - 1.',
    [1, MAX, [-MAX, MAX, MAX], [-1, 1, 0]],
    { kind: 'snapshot', bids: [-MAX, MAX, MAX], asks: [-1, 1, 0] },
  ],
  [
    'quote',
    'Best bid and offer, each a price and a size.',
    [2, EXCHANGE_US, 10_801, 5_000_000, 10_802, 3_000_000],
    { kind: 'quote', bidPrice: 10_801, bidSize: 5_000_000, askPrice: 10_802, askSize: 3_000_000 },
  ],
  [
    'quote of one side',
    'A side without a price is nil, its size 0.',
    [2, null, null, 0, 10_802, 1],
    { kind: 'quote', bidPrice: null, bidSize: 0, askPrice: 10_802, askSize: 1 },
  ],
  [
    'trade',
    'Identifier, kind, side of the aggressor, price, size.',
    [3, EXCHANGE_US, 4_294_967_296, 0, 1, 1_001, 50],
    { kind: 'trade', id: 4_294_967_296, tradeKind: 'trade', side: 'buy', price: 1_001, size: 50 },
  ],
  [
    'trade with a text for its identifier',
    'A correction, sold.',
    [3, null, 'T-4711 é', 1, 2, -5, 1],
    { kind: 'trade', id: 'T-4711 é', tradeKind: 'correction', side: 'sell', price: -5, size: 1 },
  ],
  [
    'trade without an identifier',
    'Gateways give it the seq. A bust, of a side that is unknown.',
    [3, null, null, 2, 0, 1_001, 50],
    { kind: 'trade', id: null, tradeKind: 'bust', side: 'unknown', price: 1_001, size: 50 },
  ],
  [
    'status',
    'Its number, and why.',
    [4, EXCHANGE_US, 2, 'volatility auction until 10:05'],
    { kind: 'status', status: 'halted', reason: 'volatility auction until 10:05' },
  ],
  ['status without a reason', 'Live again.', [4, null, 0, null], { kind: 'status', status: 'live', reason: null }],
];

const REFUSED: readonly (readonly [name: string, says: string, head: Value, ...rest: (Value | Raw)[]])[] = [
  ['a newer format', 'Another number than 1 is of another form.', [2, 1, 1, 1, 1], [0, null, [], []]],
  ['a head of four', 'A head has five elements.', [1, 1, 1, 1], [0, null, [], []]],
  ['a head without an update', 'An entry is both.', HEAD],
  ['an unknown kind', 'There are five kinds of update, 0 to 4, and 5 in messages without a place.', HEAD, [6, null]],
  ['a delta with one side', 'Both sides are there, empty or not.', HEAD, [0, null, []]],
  ['a status too long', 'Nothing follows the reason.', HEAD, [4, null, 0, null, null]],
  ['half a level', 'Levels have three numbers each.', HEAD, [0, null, [1_001, 250], []]],
  [
    'a price that is no integer',
    'Floats are refused, also where they are whole.',
    HEAD,
    new Raw([0x96, 2, 0xc0, 0xcb, 0x40, 0x24, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0]),
  ],
  ['an unknown side', 'Sides are 0 to 2.', HEAD, [3, null, null, 0, 3, 1_001, 50]],
  [
    'an unknown status',
    'Those that gateways make up are their own; from 6 on there are none.',
    HEAD,
    [4, null, 6, null],
  ],
  [
    'a number beyond 2^53',
    'Nothing is rounded.',
    HEAD,
    new Raw([0x96, 2, 0xc0, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0]),
  ],
  ['a body that ends early', 'What can not be read whole is refused whole.', HEAD, new Raw([0x94, 0, 0xc0, 0x93, 1])],
];

export const REDIS_VECTORS: readonly RedisVector[] = [
  ...UPDATES.map(([name, says, body, update]) => ({ name, says, body, update, msgpack: pack(body) })),
  ...UPDATES.map(([name, says, body, update], i) => {
    const head = HEAD.map((number, place) => (place === 2 || place === 4 ? number + i : number));
    return { name: `entry: ${name}`, says, head, body, update, msgpack: [...pack(head), ...pack(body)] };
  }),
  ...([1, 0] as const).map((doubted) => {
    const [head, body] = [
      [...HEAD.slice(0, 4), 0],
      [5, doubted],
    ];
    return {
      name: doubted === 1 ? 'message: in doubt' : 'message: no longer in doubt',
      says: 'The source has lost its book, or has it again. The nonce 0: it has no place in the sequence; seq is the newest.',
      head,
      body,
      update: null,
      msgpack: [...pack(head), ...pack(body)],
    };
  }),
  {
    name: 'message: a new epoch',
    says: 'A head alone: what was known of the topic is void.',
    head: [1, 22_901_337, 0, 1_753_900_000_300_000, 0],
    update: null,
    msgpack: pack([1, 22_901_337, 0, 1_753_900_000_300_000, 0]),
  },
  ...REFUSED.map(([name, says, ...values]) => ({
    name: `refused: ${name}`,
    says,
    refused: true as const,
    msgpack: values.flatMap(pack),
  })),
];
