// Owns the golden vectors of the gateway's frames, by file: what they are, in integers. Called by the vectors' maker.
// Invariant: every frame type occurs, and every value at which a field's form on the wire changes.

import type {
  BookFrame,
  Channel,
  Frame,
  QuoteFrame,
  Stamp,
  StatusFrame,
  TopicFrame,
  TradeFrame,
  WelcomeFrame,
} from '../../src/protocol/frames.ts';
import { bigEndian, checksum, jsonText, type Level, positions, Raw, type Value } from './vectors-encoding.ts';
import { SESSION_FRAMES, SESSION_LATER, SESSION_TOPICS, sessionControl, sessionMessages } from './vectors-sessions.ts';

export interface FrameVector {
  readonly name: string;
  readonly says: string;
  /** Topics announced in messages before this one. */
  readonly topics?: readonly TopicFrame[];
  readonly frames: readonly Frame[];
  /** Where decoding is all there is to it: another message that reads as the same frames. */
  readonly tolerated?: { readonly msgpack?: readonly (Value | Raw)[]; readonly json?: string };
}

/** The gateway's time in most vectors: 30 July 2025, 18:26:40 UTC. */
export const NOW_US = 1_753_900_000_000_000;
const TWO_53 = Number.MAX_SAFE_INTEGER;
export const time = (timeUs = NOW_US): Frame => ({ type: 'time', timeUs });

function topic(id: number, channel: Channel, symbol: string, more: Partial<TopicFrame> = {}): TopicFrame {
  const scales = { priceScale: 2, sizeScale: 8, stride: 2, tickSize: 1, lotSize: 1 };
  return { type: 'topic', topic: id, channel, symbol, epoch: 187_723_572_702_975, ...scales, ...more };
}

export const BOOK = topic(7, 'book', 'BTC-USD');
export const COUNTED = topic(300, 'book', 'ETH-USD', { sizeScale: 5, stride: 3 });
export const SPREAD = topic(70_000, 'book', 'CL.SPREAD', { priceScale: 3, sizeScale: 0, tickSize: 5 });
export const QUOTE = topic(8, 'quote', 'BTC-USD');
const SPREAD_QUOTE = topic(70_001, 'quote', 'CL.SPREAD', { priceScale: 3, sizeScale: 0, tickSize: 5 });
export const TRADE = topic(9, 'trade', 'BTC-USD');
const WHOLE_TRADE = topic(11, 'trade', 'WHOLE', { priceScale: 0, sizeScale: 0 });
export const STATUS = topic(10, 'status', 'BTC-USD');

/** Range and times of a data frame: published 250 µs before the gateway took it in, at the exchange 4 ms before that. */
function stamp(of: TopicFrame, fromSeq: number, seq: number, more: Partial<Stamp> = {}): Stamp {
  const times = { exchangeUs: NOW_US - 4_250, publishUs: NOW_US - 250, gatewayUs: NOW_US };
  return { topic: of.topic, fromSeq, seq, ...times, ...more };
}

interface BookParts {
  depth?: number;
  bids?: readonly Level[];
  asks?: readonly Level[];
  /** What is held once the frame has been applied; without it, what the frame names. */
  held?: { bids: readonly Level[]; asks: readonly Level[] };
  checksum?: number;
  parts?: number;
  stamp?: Partial<Stamp>;
}

export function book(of: TopicFrame, fromSeq: number, seq: number, more: BookParts = {}): BookFrame {
  const bids = more.bids ?? [];
  const asks = more.asks ?? [];
  const held = more.held ?? { bids, asks };
  return {
    type: 'book',
    ...stamp(of, fromSeq, seq, more.stamp),
    depth: more.depth ?? 0,
    checksum: more.checksum ?? checksum(held.bids, held.asks),
    stride: of.stride,
    bids: flat(bids),
    asks: flat(asks),
    parts: more.parts ?? 0,
  };
}

export function flat(levels: readonly Level[]): number[] {
  return levels.flatMap((level) => level as readonly number[]);
}

function quote(
  of: TopicFrame,
  fromSeq: number,
  seq: number,
  bid: Level | null,
  ask: Level | null,
  more: Partial<Stamp> = {},
): QuoteFrame {
  return {
    type: 'quote',
    ...stamp(of, fromSeq, seq, more),
    bidPrice: bid?.[0] ?? null,
    bidSize: bid?.[1] ?? 0,
    askPrice: ask?.[0] ?? null,
    askSize: ask?.[1] ?? 0,
  };
}

function trade(seq: number, more: Partial<TradeFrame> = {}): TradeFrame {
  const what = { id: 88_001, kind: 'trade', side: 'buy', price: 11_834_250, size: 1_500_000 } as const;
  return { type: 'trade', ...stamp(TRADE, seq - 1, seq), ...what, ...more };
}

function status(seq: number, name: StatusFrame['status'], reason: string | null): StatusFrame {
  return { type: 'status', ...stamp(STATUS, seq - 1, seq), status: name, reason };
}

const LIMITS = {
  requestBytes: 16_384,
  symbolsPerRequest: 500,
  subscriptions: 1_000,
  heartbeatMs: 5_000,
  ageMsMax: 30_000,
};
const WELCOME: WelcomeFrame = {
  type: 'welcome',
  version: 'tickwire.v1',
  server: 'tickwire/0.1.0',
  session: 'k7Qm2xVt9aYb',
  timeUs: NOW_US,
  limits: LIMITS,
};
const ACK: Frame = {
  type: 'ack',
  id: 1,
  op: 'subscribe',
  accepted: [{ symbol: 'BTC-USD', topic: 7, depth: 10, intervalMs: 100, mode: 'live' }],
  refused: [
    {
      symbol: 'NOPE',
      code: 'unknown-symbol',
      message: 'There is no such instrument.',
      action: 'GET /v1/instruments lists them.',
    },
  ],
};

const control: FrameVector[] = [
  {
    name: 'welcome',
    says: 'The first frame of every connection states the version and the limits.',
    frames: [WELCOME],
  },
  {
    name: 'ack of a subscribe',
    says: 'An acknowledgement answers symbol by symbol: what was accepted with the parameters in force, what was refused with its code.',
    frames: [ACK],
  },
  {
    name: 'ack of a raw subscription',
    says: 'A raw subscription is full depth and has no interval.',
    frames: [
      {
        type: 'ack',
        id: 2,
        op: 'subscribe',
        accepted: [{ symbol: 'BTC-USD', topic: 7, depth: 0, intervalMs: 0, mode: 'raw' }],
        refused: [],
      },
    ],
  },
  {
    name: 'ack without symbols',
    says: 'The acknowledgement of a request that names no symbols has two empty lists.',
    frames: [{ type: 'ack', id: 3, op: 'instruments', accepted: [], refused: [] }],
  },
  {
    name: 'ack of twenty symbols',
    says: 'Lists of 16 and more have a header of three bytes.',
    frames: [
      {
        type: 'ack',
        id: 4,
        op: 'subscribe',
        accepted: Array.from({ length: 20 }, (_, i) => ({
          symbol: `S${i}`,
          topic: 120 + i,
          depth: 1,
          intervalMs: 0,
          mode: 'live',
        })),
        refused: [],
      },
    ],
  },
  {
    name: 'error with an id',
    says: 'An error answers the request that carries its id.',
    frames: [
      {
        type: 'error',
        id: 5,
        code: 'bad-depth',
        message: 'There is no such depth. (depth: 7)',
        action: 'Use 1, 5, 10, 20, 50, or 0.',
      },
    ],
  },
  {
    name: 'error without an id',
    says: 'The id is null where it could not be read.',
    frames: [
      {
        type: 'error',
        id: null,
        code: 'bad-frame',
        message: 'The message ends inside a value.',
        action: 'Send whole values.',
      },
    ],
  },
  {
    name: 'error of the largest id',
    says: 'Ids go up to 2^53 - 1.',
    frames: [{ type: 'error', id: TWO_53, code: 'bad-request', message: '', action: '' }],
  },
  {
    name: 'error with text that is not ASCII',
    says: 'Lengths of strings count bytes of UTF-8, not characters.',
    frames: [
      { type: 'error', id: 6, code: 'unknown-symbol', message: 'Kein Wertpapier „Ölpreis“ — 価格なし 🙈', action: 'é' },
    ],
  },
  ...[31, 32, 255, 256].map(
    (bytes): FrameVector => ({
      name: `string of ${bytes} bytes`,
      says: 'The header of a string is the shortest that holds its length.',
      frames: [{ type: 'error', id: 7, code: 'internal', message: 'm'.repeat(bytes), action: '' }],
    }),
  ),
  {
    name: 'string of 18 characters in 36 bytes',
    says: 'A string of fewer than 32 characters whose bytes are more has the longer header.',
    frames: [
      {
        type: 'error',
        id: 8,
        code: 'internal',
        message: 'ä'.repeat(18),
        action: '\ufeffbegins with U+FEFF, which is part of it',
      },
    ],
  },
  {
    name: 'pong',
    says: "The answer to a ping carries the ping's id and the gateway's time.",
    frames: [{ type: 'pong', id: 9, timeUs: NOW_US }],
  },
  {
    name: 'welcome of a demo market',
    says: 'A sixth limit says for how long a client may stall its own connection; left out where it may not.',
    frames: [{ ...WELCOME, limits: { ...LIMITS, stallMsMax: 20_000 } }],
  },
  {
    name: 'welcome with the limits at their ends',
    says: 'Limits are integers of any width.',
    frames: [
      {
        ...WELCOME,
        limits: {
          requestBytes: 1_048_576,
          symbolsPerRequest: 1,
          subscriptions: 4_294_967_296,
          heartbeatMs: 60_000,
          ageMsMax: 3_600_000,
        },
      },
    ],
  },
  {
    name: 'ack of a limit',
    says: 'A limit names no symbols: its acknowledgement has two empty lists.',
    frames: [{ type: 'ack', id: 17, op: 'limit', accepted: [], refused: [] }],
  },
  {
    name: 'heartbeat',
    says: "The gateway's time, its last measured round trip, and how far the client is behind.",
    frames: [{ type: 'heartbeat', timeUs: NOW_US, roundTripMs: 20, lagMs: 0 }],
  },
  {
    name: 'heartbeat before the first round trip',
    says: 'The round trip is null until one has been measured.',
    frames: [{ type: 'heartbeat', timeUs: NOW_US, roundTripMs: null, lagMs: 0 }],
  },
  {
    name: 'heartbeat on a fast link',
    says: 'A round trip of 0 is one of less than half a millisecond, not the absence of one.',
    frames: [{ type: 'heartbeat', timeUs: NOW_US, roundTripMs: 0, lagMs: 0 }],
  },
  {
    name: 'heartbeat on a slow link',
    says: 'Round trips and lags are integers of any width.',
    frames: [{ type: 'heartbeat', timeUs: NOW_US, roundTripMs: 128, lagMs: 65_536 }],
  },
  {
    name: 'pace real-time',
    says: 'Every subscription is served as it asks.',
    frames: [{ type: 'pace', pace: 'real-time', priority: 9, intervalMs: 0, reason: 'link' }],
  },
  {
    name: 'pace conflated',
    says: 'Answers come as fast as the link allows.',
    frames: [{ type: 'pace', pace: 'conflated', priority: 9, intervalMs: 0, reason: 'link' }],
  },
  {
    name: 'pace slower',
    says: 'Subscriptions of priority 5 and below come at most once a second.',
    frames: [{ type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'link' }],
  },
  {
    name: 'pace top',
    says: 'Books of priority 0 are cut to their best level as well: the bytes a second that are allowed do not do for more.',
    frames: [{ type: 'pace', pace: 'top', priority: 0, intervalMs: 1_000, reason: 'budget' }],
  },
  ...sessionControl(WELCOME),
];

const topics: FrameVector[] = [
  {
    name: 'topic of a book',
    says: 'A topic frame gives its id a meaning for the data frames that follow.',
    frames: [BOOK],
  },
  { name: 'topic with order counts', says: 'A stride of 3 says that levels carry order counts.', frames: [COUNTED] },
  { name: 'topic with an id over 65535', says: 'Topic ids are integers of any width.', frames: [SPREAD] },
  {
    name: 'topic of a grouped book',
    says: 'A last element says how many ticks of the instrument each level sums up; the tick size is that of the levels.',
    frames: [{ ...BOOK, tickSize: 10, group: 10 }],
  },
  { name: 'topic of a quote', says: 'A quote has a topic of its own.', frames: [QUOTE] },
  { name: 'topic of trades', says: 'Trades have a topic of their own.', frames: [TRADE] },
  { name: 'topic of a status', says: 'A status has a topic of its own.', frames: [STATUS] },
  {
    name: 'topic at the edges',
    says: 'The longest symbol, the largest epoch and the largest scales.',
    frames: [
      topic(65_535, 'book', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop._-012', {
        epoch: 281_474_976_710_655,
        priceScale: 15,
        sizeScale: 15,
        tickSize: TWO_53,
        lotSize: 1_000_000,
      }),
    ],
  },
  {
    name: 'topic announced again',
    says: 'A change of tick or lot size is a new topic frame with the same epoch; what is held stays valid.',
    frames: [BOOK, { ...BOOK, tickSize: 50, lotSize: 100_000 }],
  },
  {
    name: 'topic with a new epoch',
    says: 'A change of scale is a new epoch: a topic frame, then a reset, then a snapshot.',
    topics: [BOOK],
    frames: [
      { ...BOOK, epoch: 1, priceScale: 3 },
      { type: 'reset', topic: 7, seq: 0, reason: 'epoch' },
      time(),
      book(BOOK, 0, 1, { bids: [[118_342_500, 5]] }),
    ],
  },
  ...(['listed', 'changed', 'delisted'] as const).map(
    (action): FrameVector => ({
      name: `instrument ${action}`,
      says: `An instrument frame with the action ${action}.`,
      frames: [
        { type: 'instrument', action, symbol: 'BTC-USD', priceScale: 2, sizeScale: 8, tickSize: 10, lotSize: 1_000 },
      ],
    }),
  ),
  {
    name: 'health live',
    says: "This node's view of a topic, with the age of its last update; not sequenced.",
    frames: [{ type: 'health', topic: 7, status: 'live', ageMs: 0 }],
  },
  {
    name: 'health stale',
    says: 'Nothing has come for a while.',
    frames: [{ type: 'health', topic: 7, status: 'stale', ageMs: 15_000 }],
  },
  {
    name: 'health resync',
    says: 'The node is repairing its own copy.',
    frames: [{ type: 'health', topic: 7, status: 'resync', ageMs: 86_400_000 }],
  },
  ...(['ring', 'budget', 'bus'] as const).map(
    (reason): FrameVector => ({
      name: `gap ${reason}`,
      says: 'First and last of the sequence numbers that this client does not get.',
      frames: [{ type: 'gap', topic: 9, firstSeq: 4_294_967_295, lastSeq: 4_294_967_296, reason }],
    }),
  ),
  ...(['subscribed', 'requested', 'horizon', 'epoch', 'future', 'gap', 'mode'] as const).map(
    (reason): FrameVector => ({
      name: `reset ${reason}`,
      says: 'What the client holds is void; what follows continues from here.',
      frames: [{ type: 'reset', topic: 9, seq: 1_000, reason }],
    }),
  ),
  ...(['delisted', 'revoked'] as const).map(
    (reason): FrameVector => ({
      name: `end ${reason}`,
      says: 'The subscription is over without having been asked to.',
      frames: [{ type: 'end', topic: 9, reason }],
    }),
  ),
  ...SESSION_TOPICS,
];

const BIDS: readonly Level[] = [
  [11_834_250, 150_000_000],
  [11_834_200, 2_000_000],
  [11_834_000, 5],
];
const ASKS: readonly Level[] = [
  [11_834_300, 75_000_000],
  [11_834_350, 4_294_967_296],
  [11_835_000, 1],
];

const books: FrameVector[] = [
  {
    name: 'snapshot',
    says: 'The span equals the seq, so fromSeq is 0: the frame replaces whatever is held.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 0, 1_000, { bids: BIDS, asks: ASKS })],
  },
  {
    name: 'difference',
    says: 'Three levels that changed, at their new sizes; a size of 0 removes a level.',
    topics: [BOOK],
    frames: [
      time(),
      book(BOOK, 1_000, 1_003, {
        depth: 10,
        bids: [
          [11_834_250, 0],
          [11_834_100, 7],
        ],
        asks: [[11_834_300, 70_000_000]],
        held: {
          bids: [
            [11_834_200, 2_000_000],
            [11_834_100, 7],
            [11_834_000, 5],
          ],
          asks: [[11_834_300, 70_000_000], ...ASKS.slice(1)],
        },
      }),
    ],
  },
  {
    name: 'empty book',
    says: 'A topic without any update: seq 0, nothing in it, a checksum of 0.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 0, 0, { stamp: { exchangeUs: null, publishUs: NOW_US } })],
  },
  {
    name: 'book emptied',
    says: 'A snapshot without levels at a seq above 0 empties the book.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 0, 1_004)],
  },
  {
    name: 'move on',
    says: 'A frame without levels moves the client on: nothing in its view changed.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 1_003, 1_250, { depth: 1, held: { bids: BIDS.slice(0, 1), asks: ASKS.slice(0, 1) } })],
  },
  {
    name: 'order counts',
    says: 'With a stride of 3 each level is price, size, order count; the count is not part of the checksum.',
    topics: [COUNTED],
    frames: [
      time(),
      book(COUNTED, 0, 12, {
        bids: [
          [250_010, 300_000, 4],
          [250_000, 1, 0],
        ],
        asks: [[250_020, 99, 65_536]],
      }),
    ],
  },
  {
    name: 'negative prices',
    says: 'Prices of zero and below are legal where the instrument says so.',
    topics: [SPREAD],
    frames: [
      time(),
      book(SPREAD, 0, 3, {
        depth: 5,
        bids: [
          [-5, 10],
          [-130, 20],
        ],
        asks: [
          [0, 30],
          [5, 40],
        ],
      }),
    ],
  },
  {
    name: 'sixteen numbers on a side',
    says: 'Eight levels are sixteen numbers: the header of the list has three bytes. Seven levels fit into one.',
    topics: [BOOK],
    frames: [
      time(),
      book(BOOK, 0, 20, {
        depth: 10,
        bids: Array.from({ length: 8 }, (_, i): Level => [11_834_250 - i, 1_000 + i]),
        asks: Array.from({ length: 7 }, (_, i): Level => [11_834_300 + i, 2_000 + i]),
      }),
    ],
  },
  {
    name: 'largest numbers',
    says: 'Mantissas, sequence numbers and checksums at the ends of their ranges.',
    topics: [SPREAD],
    frames: [
      time(),
      book(SPREAD, TWO_53 - 1, TWO_53, {
        depth: 50,
        bids: [[-TWO_53, TWO_53]],
        asks: [[TWO_53, 0]],
        checksum: 4_294_967_295,
      }),
    ],
  },
  {
    name: 'times without an exchange',
    says: 'The time of the exchange is null where the source has none.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 1, 2, { bids: [[1, 1]], stamp: { exchangeUs: null } })],
  },
  {
    name: 'times of clocks that differ',
    says: 'Lags are negative where a later station has a slower clock.',
    topics: [BOOK],
    frames: [
      time(),
      book(BOOK, 1, 2, { bids: [[1, 1]], stamp: { publishUs: NOW_US + 40, exchangeUs: NOW_US + 70_000 } }),
    ],
  },
  {
    name: 'times far apart',
    says: 'A lag of more than 2^32 microseconds: an update older than 71 minutes.',
    topics: [BOOK],
    frames: [time(), book(BOOK, 1, 2, { bids: [[1, 1]], stamp: { publishUs: NOW_US - 4_294_967_296, exchangeUs: 1 } })],
  },
  {
    name: 'parts',
    says: 'An answer of more than 16 KB: parts 0 to n - 1, then the book frame that closes it and says how many there were.',
    topics: [BOOK],
    frames: [
      {
        type: 'part',
        topic: 7,
        fromSeq: 0,
        seq: 1_000,
        depth: 0,
        index: 0,
        count: 2,
        stride: 2,
        bids: flat(BIDS.slice(0, 2)),
        asks: [],
      },
      {
        type: 'part',
        topic: 7,
        fromSeq: 0,
        seq: 1_000,
        depth: 0,
        index: 1,
        count: 2,
        stride: 2,
        bids: flat(BIDS.slice(2)),
        asks: flat(ASKS.slice(0, 1)),
      },
      time(),
      book(BOOK, 0, 1_000, { asks: ASKS.slice(1), held: { bids: BIDS, asks: ASKS }, parts: 2 }),
    ],
  },
  {
    name: 'part with order counts',
    says: 'Levels in parts have the stride of their topic; a part carries no times.',
    topics: [COUNTED],
    frames: [
      {
        type: 'part',
        topic: 300,
        fromSeq: 90,
        seq: 95,
        depth: 20,
        index: 0,
        count: 1,
        stride: 3,
        bids: [250_010, 0, 0],
        asks: [250_020, 9, 1],
      },
    ],
  },
  {
    name: 'three levels in 60 bytes',
    says: 'A difference of three levels with order counts and all times, values below 2^32: 60 bytes after the time frame.',
    topics: [{ ...COUNTED, topic: 65_535 }],
    frames: [
      time(),
      book({ ...COUNTED, topic: 65_535 }, 4_294_967_168, 4_294_967_295, {
        depth: 50,
        bids: [
          [4_294_967_295, 4_294_967_295, 127],
          [4_294_967_294, 4_294_967_294, 127],
        ],
        asks: [[4_294_967_293, 4_294_967_293, 127]],
        checksum: 4_294_967_295,
        stamp: { publishUs: NOW_US - 65_000, exchangeUs: NOW_US - 65_000 - 3_600_000_000 },
      }),
    ],
  },
];

const quotes: FrameVector[] = [
  {
    name: 'quote',
    says: 'Best bid and best offer with their sizes.',
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 1_000, 1_001, BIDS[0]!, ASKS[0]!)],
  },
  {
    name: 'quote without a bid',
    says: 'A side without orders has a null price and a size of 0.',
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 1_001, 1_002, null, ASKS[0]!)],
  },
  {
    name: 'quote without an offer',
    says: 'The same for the other side.',
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 1_002, 1_003, BIDS[0]!, null)],
  },
  {
    name: 'quote of an empty topic',
    says: 'Nothing was ever published: seq 0 and both prices null.',
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 0, 0, null, null, { exchangeUs: null, publishUs: NOW_US })],
  },
  {
    name: 'quote that skips',
    says: "A derived quote carries its book's seq, which may jump: span 5,000.",
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 1_003, 6_003, BIDS[0]!, ASKS[0]!)],
  },
  {
    name: 'quote as a snapshot',
    says: 'fromSeq 0: it replaces whatever is held.',
    topics: [QUOTE],
    frames: [time(), quote(QUOTE, 0, 6_003, BIDS[0]!, ASKS[0]!)],
  },
  {
    name: 'quote at negative prices',
    says: 'A price of 0 is a price, not the absence of one.',
    topics: [SPREAD_QUOTE],
    frames: [time(), quote(SPREAD_QUOTE, 4, 5, [-5, 10], [0, 30])],
  },
];

const trades: FrameVector[] = [
  {
    name: 'trade',
    says: 'A trade with a numeric id and a buyer as the aggressor.',
    topics: [TRADE],
    frames: [time(), trade(501)],
  },
  {
    name: 'trade with a string id',
    says: 'Ids are whatever the exchange uses.',
    topics: [TRADE],
    frames: [time(), trade(502, { id: 'TKV-7Q-000123', side: 'sell' })],
  },
  {
    name: 'trade with an id that is not ASCII',
    says: 'Ids are text of any kind, digits as text included.',
    topics: [TRADE],
    frames: [time(), trade(503, { id: '№ 12 取引' }), trade(504, { id: '12' }), trade(505, { id: '' })],
  },
  {
    name: 'trade with the largest id',
    says: 'Numeric ids go up to 2^53 - 1.',
    topics: [TRADE],
    frames: [time(), trade(506, { id: TWO_53, side: 'unknown' })],
  },
  {
    name: 'correction',
    says: "A correction carries the trade's id with its new price and size.",
    topics: [TRADE],
    frames: [time(), trade(507, { kind: 'correction', size: 1_400_000 })],
  },
  {
    name: 'bust',
    says: 'A bust voids the trade that has its id.',
    topics: [TRADE],
    frames: [time(), trade(508, { kind: 'bust', exchangeUs: null })],
  },
];

const statuses: FrameVector[] = [
  {
    name: 'status of an empty topic',
    says: 'A status topic starts live.',
    topics: [STATUS],
    frames: [time(), { ...status(1, 'live', null), fromSeq: 0, seq: 0, exchangeUs: null, publishUs: NOW_US }],
  },
  {
    name: 'status live',
    says: 'A status without a reason.',
    topics: [STATUS],
    frames: [time(), status(2, 'live', null)],
  },
  {
    name: 'status crossed',
    says: 'The best bid is above the best offer.',
    topics: [STATUS],
    frames: [time(), status(3, 'crossed', '')],
  },
  {
    name: 'status halted',
    says: 'A reason is text of any kind.',
    topics: [STATUS],
    frames: [time(), status(4, 'halted', 'Volatilitätsunterbrechung: 取引停止 ⏸')],
  },
  {
    name: 'status source-down',
    says: 'The source of the market is gone.',
    topics: [STATUS],
    frames: [time(), status(5, 'source-down', 'connection lost')],
  },
];

/** Values at which MessagePack's integers change their form. */
const EDGES = [
  0,
  1,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  4_294_967_295,
  4_294_967_296,
  TWO_53,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32_768,
  -32_769,
  -2_147_483_648,
  -2_147_483_649,
  -4_294_967_296,
  -4_294_967_297,
  -TWO_53,
];

const integers: FrameVector[] = EDGES.map((value) => ({
  name: `integer ${value}`,
  says: 'Integers are in their shortest form; there are no floats.',
  topics: [WHOLE_TRADE],
  frames: [time(), trade(2, { topic: WHOLE_TRADE.topic, id: Math.abs(value), price: value, size: Math.abs(value) })],
}));

const messages: FrameVector[] = [
  {
    name: 'first answer in one message',
    says: 'One message carries frames back to back: acknowledgement, topic, time base, snapshot.',
    frames: [ACK, BOOK, time(), book(BOOK, 0, 1_000, { depth: 10, bids: BIDS, asks: ASKS })],
  },
  {
    name: 'several topics under one time',
    says: 'A time frame holds for all data frames after it in the message.',
    topics: [BOOK, QUOTE, TRADE],
    frames: [
      time(),
      trade(510),
      trade(511, { side: 'sell' }),
      quote(QUOTE, 10, 12, BIDS[0]!, null),
      book(BOOK, 10, 12, { bids: [[5, 0]] }),
    ],
  },
  {
    name: 'time set again',
    says: 'A second time frame holds from there on: replayed trades keep the times at which the gateway took them in.',
    topics: [TRADE],
    frames: [
      { type: 'reset', topic: 9, seq: 599, reason: 'subscribed' },
      time(NOW_US - 5_000_000),
      trade(600, { exchangeUs: null, publishUs: NOW_US - 5_000_100, gatewayUs: NOW_US - 5_000_000 }),
      time(),
      trade(601),
    ],
  },
  {
    name: 'gap and the rest of the ring',
    says: 'A raw client that fell behind is told what it misses, then gets what the ring still has.',
    topics: [TRADE],
    frames: [{ type: 'gap', topic: 9, firstSeq: 602, lastSeq: 699, reason: 'ring' }, time(), trade(700)],
  },
  {
    name: 'pace before data',
    says: 'A pace frame comes before the data that it concerns: here a book that is cut to its best level.',
    topics: [BOOK],
    frames: [
      { type: 'pace', pace: 'top', priority: 5, intervalMs: 1_000, reason: 'link' },
      time(),
      book(BOOK, 1_003, 1_250, { depth: 1, held: { bids: BIDS.slice(0, 1), asks: ASKS.slice(0, 1) } }),
    ],
  },
  {
    name: 'heartbeat between answers',
    says: 'A heartbeat stands anywhere among the frames of a message; it is about none of them.',
    topics: [TRADE],
    frames: [
      { type: 'pong', id: 1, timeUs: NOW_US },
      { type: 'heartbeat', timeUs: NOW_US, roundTripMs: 1, lagMs: 0 },
      time(),
      trade(512),
    ],
  },
  ...sessionMessages(
    [BOOK],
    {
      difference: [
        time(),
        book(BOOK, 996, 1_000, { depth: 10, bids: BIDS.slice(0, 1), held: { bids: BIDS, asks: ASKS } }),
      ],
      snapshot: [time(), book(BOOK, 0, 1_000, { depth: 10, bids: BIDS, asks: ASKS })],
      trade: [time(), trade(700)],
    },
    TRADE,
  ),
];

const later = { 'x-later': [1, 'x', null], 'x-when': true };
const EXTRAS: readonly (Value | Raw)[] = [
  later,
  new Raw([0xd6, 0x05, 1, 2, 3, 4]),
  new Raw([0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]),
  new Raw([0xc4, 0x02, 0xff, 0xfe]),
];
/** What an array of elements is once later versions have added to it. */
const grown = (elements: readonly Value[]): Value => [...elements, ...EXTRAS] as unknown as Value;

const one = (frames: readonly Frame[]) => frames.map((frame) => positions(frame));
const TOPICS = [BOOK, QUOTE, TRADE, STATUS];
const jsonLater = (frames: readonly Frame[]): string =>
  jsonText(frames, TOPICS)
    .split('\n')
    .map((line) => (line === '' ? '' : JSON.stringify({ ...JSON.parse(line), ...later })))
    .join('\n');
const jsonGrown = (frame: Frame, fields: object): string =>
  `${JSON.stringify({ ...fields, type: frame.type, ...later })}\n`;

const PONG: Frame = { type: 'pong', id: 9, timeUs: NOW_US };

/** One frame of each type, whose MessagePack gets elements behind its last. */
const OF_EACH_TYPE: readonly Frame[] = [
  WELCOME,
  ACK,
  control[5]!.frames[0]!,
  PONG,
  { type: 'heartbeat', timeUs: NOW_US, roundTripMs: null, lagMs: 3 },
  { type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'budget' },
  time(),
  BOOK,
  book(BOOK, 10, 12, { bids: [[5, 1]], asks: [[9, 0]], parts: 1 }),
  quote(QUOTE, 10, 12, BIDS[0]!, null),
  trade(510),
  status(6, 'halted', 'news'),
  { type: 'health', topic: 7, status: 'stale', ageMs: 300 },
  { type: 'gap', topic: 9, firstSeq: 1, lastSeq: 2, reason: 'bus' },
  { type: 'reset', topic: 9, seq: 2, reason: 'future' },
  { type: 'part', topic: 7, fromSeq: 10, seq: 12, depth: 5, index: 0, count: 1, stride: 2, bids: [5, 1], asks: [] },
  { type: 'end', topic: 9, reason: 'revoked' },
  { type: 'instrument', action: 'listed', symbol: 'X', priceScale: 0, sizeScale: 0, tickSize: 1, lotSize: 1 },
  ...SESSION_FRAMES,
];
const WITH_TIME = new Set(['book', 'quote', 'trade', 'status']);

const tolerated: FrameVector[] = [
  ...OF_EACH_TYPE.map((frame): FrameVector => {
    const lead = WITH_TIME.has(frame.type) ? [time()] : [];
    return {
      name: `${frame.type} with trailing elements`,
      says: 'Elements after those that a client knows are passed over, whatever they are.',
      topics: TOPICS,
      frames: [...lead, frame, PONG],
      tolerated: { msgpack: [...one(lead), grown(positions(frame)), positions(PONG)], json: jsonLater([frame, PONG]) },
    };
  }),
  {
    name: 'welcome with more limits',
    says: 'The list of limits may grow too.',
    frames: [WELCOME],
    tolerated: {
      msgpack: [
        [0, 'tickwire.v1', 'tickwire/0.1.0', 'k7Qm2xVt9aYb', NOW_US, grown([16_384, 500, 1_000, 5_000, 30_000])],
      ],
      json: jsonGrown(WELCOME, { ...WELCOME, limits: { ...LIMITS, ...later } }),
    },
  },
  {
    name: 'welcome with other things in place of its last limits',
    says: 'What is no integer in the place of a limit that may be missing is passed over, as nil is.',
    frames: [{ ...WELCOME, limits: { ...LIMITS, requestsPerSec: 50 } }],
    tolerated: {
      msgpack: [
        [
          0,
          'tickwire.v1',
          'tickwire/0.1.0',
          'k7Qm2xVt9aYb',
          NOW_US,
          [16_384, 500, 1_000, 5_000, 30_000, '20s', later, 50],
        ],
      ],
    },
  },
  {
    name: 'welcome with more than every limit',
    says: 'Behind the limits of today there may be others.',
    frames: [{ ...WELCOME, limits: { ...LIMITS, stallMsMax: 20_000, silentMs: 15_000, requestsPerSec: 50 } }],
    tolerated: {
      msgpack: [
        [
          0,
          'tickwire.v1',
          'tickwire/0.1.0',
          'k7Qm2xVt9aYb',
          NOW_US,
          grown([16_384, 500, 1_000, 5_000, 30_000, 20_000, 15_000, 50]),
        ],
      ],
      json: jsonGrown(WELCOME, {
        ...WELCOME,
        limits: { ...LIMITS, ...later, requestsPerSec: 50, silentMs: 15_000, stallMsMax: 20_000 },
      }),
    },
  },
  SESSION_LATER,
  {
    name: 'ack with more in its entries',
    says: 'So may the entries of an acknowledgement.',
    frames: [ACK],
    tolerated: {
      msgpack: [
        [
          1,
          1,
          'subscribe',
          [grown(['BTC-USD', 7, 10, 100, 'live'])],
          [grown(['NOPE', 'unknown-symbol', 'There is no such instrument.', 'GET /v1/instruments lists them.'])],
        ],
      ],
      json: jsonGrown(ACK, {
        ...ACK,
        accepted: ACK.accepted.map((a) => ({ ...a, ...later })),
        refused: ACK.refused.map((r) => ({ ...r, ...later })),
      }),
    },
  },
  {
    name: 'unknown frame types',
    says: 'Frames of a type that a client does not know are passed over.',
    frames: [PONG],
    tolerated: {
      msgpack: [[120], [121, 'x', later], grown([122, 7]), [127], [65_536, NOW_US], positions(PONG), [200, [[[[]]]]]],
      json: `${JSON.stringify({ type: 'x-bar', topic: 'x' })}\n${JSON.stringify({ type: 'toString' })}\n${JSON.stringify({ ...PONG, ...later })}\n{"type":""}`,
    },
  },
  {
    name: 'names of a later version',
    says: 'A status, a pace or a reason that a client does not know reads as `other`.',
    topics: [STATUS],
    frames: [
      time(),
      { ...status(7, 'other', null) },
      { type: 'health', topic: 10, status: 'other', ageMs: 1 },
      { type: 'gap', topic: 9, firstSeq: 1, lastSeq: 2, reason: 'other' },
      { type: 'reset', topic: 9, seq: 2, reason: 'other' },
      { type: 'end', topic: 9, reason: 'other' },
      { type: 'pace', pace: 'other', priority: 5, intervalMs: 250, reason: 'link' },
      { type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'other' },
    ],
    tolerated: {
      msgpack: [
        [16, NOW_US],
        [21, 10, 7, 1, 250, 4_000, 120, null],
        [22, 10, 200, 1],
        [23, 9, 1, 2, 127],
        [24, 9, 2, 120],
        [26, 9, 65_536],
        [5, 120, 5, 250, 0],
        [5, 2, 5, 1_000, 120],
      ],
      json: [
        { ...status(7, 'other', null), status: 'x-auction' },
        { type: 'health', topic: 10, status: 'x-auction', ageMs: 1 },
        { type: 'gap', topic: 9, firstSeq: 1, lastSeq: 2, reason: 'x-fire' },
        { type: 'reset', topic: 9, seq: 2, reason: 'x-fire' },
        { type: 'end', topic: 9, reason: 'x-fire' },
        { type: 'pace', pace: 'x-frugal', priority: 5, intervalMs: 250, reason: 'link' },
        { type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: 'x-fire' },
      ]
        .map((object) => `${JSON.stringify(object)}\n`)
        .join(''),
    },
  },
  {
    name: 'integers in longer forms',
    says: 'A reader takes an integer in any of the integer forms; only writers are held to the shortest.',
    frames: [PONG],
    tolerated: {
      msgpack: [new Raw([0xdc, 0, 3, 0xcc, 3, 0xd1, 0, 9, 0xd3, ...bigEndian(BigInt(NOW_US), 8)])],
    },
  },
  {
    name: 'JSON with spaces, another order and no last line break',
    says: 'JSON is read as JSON: the order of fields and spaces mean nothing.',
    frames: [PONG, { type: 'reset', topic: 9, seq: 2, reason: 'gap' }],
    tolerated: {
      json: `\n{ "timeUs" : ${NOW_US}, "id":9,\t"type":"pong"}\r\n\n{"seq":2,"topic":9,"reason":"\\u0067ap","type":"reset"}`,
    },
  },
];

/** Vectors by file. */
export const SERVER_VECTORS: Readonly<Record<string, { about: string; vectors: readonly FrameVector[] }>> = {
  control: {
    about: 'Control frames: welcome, ack, error, pong, heartbeat, pace, refused, goodbye, token, identity.',
    vectors: control,
  },
  topic: { about: 'Frames about topics: topic, instrument, health, gap, reset, end, healed.', vectors: topics },
  book: { about: 'Book frames and their parts.', vectors: books },
  quote: { about: 'Quote frames.', vectors: quotes },
  trade: { about: 'Trade frames.', vectors: trades },
  status: { about: 'Status frames.', vectors: statuses },
  integers: { about: 'Every width of an integer, in trades with scales of 0.', vectors: integers },
  messages: { about: 'Messages of several frames.', vectors: messages },
  tolerated: {
    about: 'What a client reads although no gateway of today writes it. Decode only.',
    vectors: tolerated,
  },
};
