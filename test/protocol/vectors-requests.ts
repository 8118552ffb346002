// Owns the golden vectors of what clients send: requests in both codecs, and faulty ones with the code they get.
// Called by the vectors' maker. Invariant: every op and every code that the shape of a request can cause occurs.

import { bigEndian, pack, type Value } from './vectors-encoding.ts';

export interface RequestVector {
  readonly name: string;
  readonly says: string;
  readonly requests: readonly { readonly [key: string]: Value }[];
}

export interface BadRequestVector {
  readonly name: string;
  readonly says: string;
  readonly msgpack?: readonly number[];
  /** Text, or bytes where it is no text. */
  readonly json?: string | readonly number[];
  /** One answer per value in the message; a single `bad-frame` where the message can't be read at all. */
  readonly answers: readonly { readonly id: number | null; readonly code: string }[];
}

const LARGEST = Number.MAX_SAFE_INTEGER;

export const REQUEST_VECTORS: readonly RequestVector[] = [
  {
    name: 'subscribe',
    says: 'The least that a subscription needs.',
    requests: [{ op: 'subscribe', id: 1, channel: 'book', symbols: ['BTC-USD'] }],
  },
  {
    name: 'subscribe with everything',
    says: 'All that a subscription can say.',
    requests: [
      {
        op: 'subscribe',
        id: 2,
        channel: 'book',
        symbols: ['BTC-USD', 'ETH-USD'],
        depth: 10,
        interval: 100,
        mode: 'live',
        priority: 9,
        cursor: {
          'BTC-USD': { epoch: 187_723_572_702_975, seq: 4_294_967_296, depth: 5 },
          'ETH-USD': { epoch: 1, seq: 0 },
        },
      },
    ],
  },
  {
    name: 'subscribe raw',
    says: 'Every update in a frame of its own.',
    requests: [{ op: 'subscribe', id: 3, channel: 'book', symbols: ['BTC-USD'], mode: 'raw' }],
  },
  {
    name: 'subscribe to the full book',
    says: 'A depth of 0 is the full book; the lowest priority is 0.',
    requests: [{ op: 'subscribe', id: 4, channel: 'book', symbols: ['BTC-USD'], depth: 0, interval: 0, priority: 0 }],
  },
  {
    name: 'subscribe to trades with history',
    says: 'The last 100 trades come first.',
    requests: [{ op: 'subscribe', id: 5, channel: 'trade', symbols: ['BTC-USD'], last: 100 }],
  },
  {
    name: 'subscribe to quotes',
    says: 'At most one a minute.',
    requests: [{ op: 'subscribe', id: 6, channel: 'quote', symbols: ['BTC-USD'], interval: 60_000 }],
  },
  {
    name: 'subscribe to a status',
    says: 'Whether a market is live, crossed, halted or without a source.',
    requests: [{ op: 'subscribe', id: 7, channel: 'status', symbols: ['BTC-USD'] }],
  },
  {
    name: 'subscribe to twenty symbols',
    says: 'Lists of 16 and more have a header of three bytes.',
    requests: [{ op: 'subscribe', id: 8, channel: 'quote', symbols: Array.from({ length: 20 }, (_, i) => `S${i}`) }],
  },
  {
    name: 'symbol that is not ASCII',
    says: 'It has the right shape; the answer refuses the symbol, not the request.',
    requests: [{ op: 'subscribe', id: 9, channel: 'quote', symbols: ['Ölpreis/€'] }],
  },
  {
    name: 'unsubscribe',
    says: 'Ends subscriptions.',
    requests: [{ op: 'unsubscribe', id: 10, channel: 'book', symbols: ['BTC-USD', 'ETH-USD'] }],
  },
  {
    name: 'resync',
    says: 'What is held is dropped; a fresh snapshot follows.',
    requests: [{ op: 'resync', id: 11, channel: 'book', symbols: ['BTC-USD'] }],
  },
  { name: 'instruments', says: 'All instruments, once.', requests: [{ op: 'instruments', id: 12 }] },
  {
    name: 'instruments from now on',
    says: 'All instruments, and changes as they happen.',
    requests: [{ op: 'instruments', id: 13, watch: true }],
  },
  {
    name: 'limit',
    says: 'At most 20,000 bytes a second; books may be cut to their best level.',
    requests: [{ op: 'limit', id: 17, maxBytesPerSec: 20_000, topOfBook: true }],
  },
  {
    name: 'limit of bytes alone',
    says: 'What is left out stays as it is: here, whether books may be cut.',
    requests: [{ op: 'limit', id: 18, maxBytesPerSec: 1_000_000_000 }],
  },
  {
    name: 'limit taken back',
    says: 'A limit of 0 is none.',
    requests: [{ op: 'limit', id: 19, maxBytesPerSec: 0, topOfBook: false }],
  },
  {
    name: 'limit of nothing',
    says: 'All stays as it is; the answer is an ack all the same.',
    requests: [{ op: 'limit', id: 20 }],
  },
  {
    name: 'subscribe to a grouped book',
    says: 'Each level sums up ten ticks.',
    requests: [{ op: 'subscribe', id: 21, channel: 'book', symbols: ['BTC-USD'], group: 10 }],
  },
  {
    name: 'subscribe to a wildcard and a set',
    says: 'A star is any number of characters; an at sign begins the name of a set.',
    requests: [{ op: 'subscribe', id: 22, channel: 'quote', symbols: ['*-USD', '@majors'] }],
  },
  {
    name: 'unsubscribe from a grouped book',
    says: 'A grouped book is told from the whole one by its group.',
    requests: [{ op: 'unsubscribe', id: 24, channel: 'book', symbols: ['BTC-USD'], group: 10 }],
  },
  {
    name: 'resync of a grouped book',
    says: 'The whole book beside it is left as it is.',
    requests: [{ op: 'resync', id: 25, channel: 'book', symbols: ['BTC-USD'], group: 10 }],
  },
  {
    name: 'demo',
    says: 'Nothing is sent to this connection for three seconds.',
    requests: [{ op: 'demo', id: 23, stallMs: 3_000 }],
  },
  { name: 'ping', says: 'The least request.', requests: [{ op: 'ping', id: 0 }] },
  { name: 'ping of the largest id', says: 'Ids go up to 2^53 - 1.', requests: [{ op: 'ping', id: LARGEST }] },
  {
    name: 'ping with what is held',
    says: 'How late the client is, and the seq that it holds of each topic, id and seq in turn.',
    requests: [{ op: 'ping', id: 26, lagMs: 14, held: [7, 1_000, 9, 700] }],
  },
  {
    name: 'ping of a client that holds nothing',
    says: 'The list may be empty, and the lag 0.',
    requests: [{ op: 'ping', id: 27, lagMs: 0, held: [] }],
  },
  {
    name: 'ping of a client that knows no lag',
    says: 'Each of the two may be left out.',
    requests: [{ op: 'ping', id: 28, held: [0, 0] }],
  },
  {
    name: 'ping with numbers of every width',
    says: 'Ids, seqs and lags are integers of any width.',
    requests: [
      { op: 'ping', id: 29, lagMs: LARGEST, held: [127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, LARGEST] },
    ],
  },
  {
    name: 'ping with 256 topics',
    says: 'One ping names 256 topics at most.',
    requests: [{ op: 'ping', id: 30, held: Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? i / 2 : 1_000)) }],
  },
  {
    name: 'auth with an API key',
    says: 'Who the client is; made up, as are all secrets here.',
    requests: [{ op: 'auth', id: 31, credential: 'tw_desk-a-1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8' }],
  },
  {
    name: 'auth with a JWT',
    says: 'Strings of 256 bytes and more have a header of three bytes.',
    requests: [{ op: 'auth', id: 32, credential: `eyJhbGciOiJFUzI1NiJ9.${'eyJzdWIiOiJkZXNrLWEifQ'.repeat(16)}.c2ln` }],
  },
  {
    name: 'resume',
    says: 'The least that brings subscriptions and settings back: all topics start afresh.',
    requests: [{ op: 'resume', id: 33, token: '1.k7.dG9rZW4.c2ln' }],
  },
  {
    name: 'resume with everything',
    says: 'Cursors are by the names of topics: a channel, a group where there is one, a symbol.',
    requests: [
      {
        op: 'resume',
        id: 34,
        token: '1.k7.dG9rZW4.c2ln',
        subscriptions: true,
        cursors: {
          'book:BTC-USD': { epoch: 187_723_572_702_975, seq: 4_294_967_296, depth: 10 },
          'book@10:BTC-USD': { epoch: 1, seq: 996, depth: 0 },
          'quote:BTC-USD': { epoch: 1, seq: 0 },
          'trade:BTC-USD': { epoch: 2, seq: 699 },
          'status:ETH-USD': { epoch: 3, seq: 4 },
        },
      },
    ],
  },
  {
    name: 'resume of settings alone',
    says: 'The subscriptions do not come back: the client asks for them itself.',
    requests: [{ op: 'resume', id: 35, token: 't', subscriptions: false, cursors: {} }],
  },
  {
    name: 'requests before the welcome',
    says: 'Who the client is comes first, then the token.',
    requests: [
      { op: 'auth', id: 36, credential: 'k' },
      { op: 'resume', id: 37, token: 't', subscriptions: false },
      {
        op: 'subscribe',
        id: 38,
        channel: 'trade',
        symbols: ['BTC-USD'],
        cursor: { 'BTC-USD': { epoch: 2, seq: 699 } },
      },
    ],
  },
  {
    name: 'several requests in one message',
    says: 'One message carries requests back to back; JSON: one per line.',
    requests: [
      { op: 'ping', id: 14 },
      { op: 'unsubscribe', id: 15, channel: 'trade', symbols: ['BTC-USD'] },
      { op: 'ping', id: 16 },
    ],
  },
];

const good = { op: 'subscribe', id: 1, channel: 'book', symbols: ['BTC-USD'] };
const BAD_FRAME = [{ id: null, code: 'bad-frame' }];

/** A request that both codecs can carry, and its answer. */
function bad(name: string, says: string, code: string, request: Value, id: number | null = 1): BadRequestVector {
  return { name, says, msgpack: pack(request), json: JSON.stringify(request), answers: [{ id, code }] };
}

const NESTED = Array.from({ length: 200 });
const limit = { op: 'limit', id: 1 };
/** The float 1.5. */
const HALF = [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0];

export const BAD_REQUEST_VECTORS: readonly BadRequestVector[] = [
  { name: 'empty message', says: 'A message holds at least one request.', msgpack: [], json: '', answers: BAD_FRAME },
  { name: 'blank lines', says: 'A message holds at least one request.', json: '\n \n', answers: BAD_FRAME },
  { name: 'garbage', says: '0xc1 begins no value.', msgpack: [0xc1], json: 'subscribe BTC-USD', answers: BAD_FRAME },
  {
    name: 'cut request',
    says: 'The message ends inside a value.',
    msgpack: pack(good).slice(0, -1),
    json: JSON.stringify(good).slice(0, -1),
    answers: BAD_FRAME,
  },
  {
    name: 'good request, then a cut one',
    says: 'A message that cannot be read to its end is refused as a whole.',
    msgpack: [...pack(good), 0x82],
    json: `${JSON.stringify(good)}\n{`,
    answers: BAD_FRAME,
  },
  {
    name: 'text that is not UTF-8',
    says: 'Text is UTF-8.',
    msgpack: [0x81, 0xa2, 0x6f, 0x70, 0xa1, 0xff],
    json: [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
    answers: BAD_FRAME,
  },
  {
    name: 'string that ends in half a character',
    says: 'The bytes of the next value are not part of a string.',
    msgpack: [0x92, 0xa1, 0xf0, 0xa3, 0x80, 0x80, 0x80],
    answers: BAD_FRAME,
  },
  {
    name: 'extension',
    says: 'Extensions are never accepted: this is a timestamp.',
    msgpack: [0x82, ...pack('op'), ...pack('ping'), ...pack('id'), 0xd6, 0xff, 0, 0, 0, 1],
    answers: BAD_FRAME,
  },
  {
    name: 'record',
    says: "Extensions are never accepted: this is msgpackr's definition of a record.",
    msgpack: [0xd4, 0x72, 0x40, 0x92, ...pack('op'), ...pack('id'), ...pack('ping'), 1],
    answers: BAD_FRAME,
  },
  {
    name: 'binary',
    says: 'Binaries are never accepted.',
    msgpack: [0x82, ...pack('op'), 0xc4, 4, 0x70, 0x69, 0x6e, 0x67, ...pack('id'), 1],
    answers: BAD_FRAME,
  },
  {
    name: 'key that is no string',
    says: 'Maps have string keys.',
    msgpack: [0x82, 1, 2, ...pack('op'), ...pack('ping')],
    answers: BAD_FRAME,
  },
  {
    name: 'array header beyond the message',
    says: 'An array that claims 2^32 - 1 elements.',
    msgpack: [0xdd, 0xff, 0xff, 0xff, 0xff],
    answers: BAD_FRAME,
  },
  {
    name: 'map header beyond the message',
    says: 'A map that claims 2^32 - 1 entries.',
    msgpack: [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61],
    answers: BAD_FRAME,
  },
  {
    name: 'string header beyond the message',
    says: 'A string that claims 4 GB.',
    msgpack: [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61],
    answers: BAD_FRAME,
  },
  {
    name: 'nested 200 deep in MessagePack',
    says: 'Values nest 8 deep at most.',
    msgpack: [...NESTED.map(() => 0x91), 0],
    answers: BAD_FRAME,
  },
  {
    name: 'nested 200 deep in JSON',
    says: 'A request is a map.',
    json: `${NESTED.map(() => '[').join('')}${NESTED.map(() => ']').join('')}`,
    answers: [{ id: null, code: 'bad-request' }],
  },

  bad('an array', 'A request is a map.', 'bad-request', ['ping', 1], null),
  bad('an integer', 'A request is a map.', 'bad-request', 42, null),
  bad('null', 'A request is a map.', 'bad-request', null, null),
  {
    name: 'good and bad requests in one message',
    says: 'Each request has its own answer.',
    msgpack: [...pack({ op: 'x-op', id: 1 }), ...pack({ op: 'ping' }), ...pack([])],
    json: '{"op":"x-op","id":1}\n{"op":"ping"}\n[]',
    answers: [
      { id: 1, code: 'unknown-op' },
      { id: null, code: 'bad-request' },
      { id: null, code: 'bad-request' },
    ],
  },

  bad('unknown op', 'There is no such operation.', 'unknown-op', { op: 'x-op', id: 1 }),
  bad('missing op', 'Every request says its operation.', 'unknown-op', { id: 1 }),
  bad('op of the wrong type', 'The operation is a string.', 'unknown-op', { op: 1, id: 1 }),
  bad('op that is a property of every object', 'There is no such operation.', 'unknown-op', {
    op: 'constructor',
    id: 1,
  }),
  bad('unknown op without an id', 'The id is null where it could not be read.', 'unknown-op', { op: 'x-op' }, null),

  bad('missing id', 'Every request has an id.', 'bad-request', { op: 'ping' }, null),
  bad('id as text', 'The id is an integer.', 'bad-request', { op: 'ping', id: '1' }, null),
  bad('negative id', 'The id is 0 or more.', 'bad-request', { op: 'ping', id: -1 }, null),
  {
    name: 'fractional id',
    says: 'The id is an integer.',
    msgpack: [0x82, ...pack('op'), ...pack('ping'), ...pack('id'), ...HALF],
    json: '{"op":"ping","id":1.5}',
    answers: [{ id: null, code: 'bad-request' }],
  },
  {
    name: 'id beyond 2^53',
    says: 'Integers go up to 2^53 - 1: they are refused, never rounded.',
    msgpack: [0x82, ...pack('op'), ...pack('ping'), ...pack('id'), 0xcf, ...bigEndian((1n << 53n) + 1n, 8)],
    json: '{"op":"ping","id":9007199254740993}',
    answers: [{ id: null, code: 'bad-request' }],
  },
  bad('unknown field', 'Unknown fields are refused: a misspelt one would be ignored in silence.', 'bad-request', {
    ...good,
    dept: 5,
  }),
  bad('field of another op', 'Fields belong to their operation.', 'bad-request', { op: 'ping', id: 1, watch: true }),
  bad('missing channel', 'A subscription says its channel.', 'bad-request', {
    op: 'subscribe',
    id: 1,
    symbols: ['BTC-USD'],
  }),
  bad('unknown channel', 'There is no such channel.', 'unknown-channel', { ...good, channel: 'x-channel' }),
  bad('unknown channel to unsubscribe from', 'There is no such channel.', 'unknown-channel', {
    op: 'unsubscribe',
    id: 1,
    channel: 'x-channel',
    symbols: ['BTC-USD'],
  }),
  bad('channel of the wrong type', 'There is no such channel.', 'unknown-channel', { ...good, channel: 1 }),
  bad('missing symbols', 'A subscription names its symbols.', 'bad-request', {
    op: 'subscribe',
    id: 1,
    channel: 'book',
  }),
  bad('no symbols', 'A subscription names at least one symbol.', 'bad-request', { ...good, symbols: [] }),
  bad('symbols as text', 'Symbols are a list, even of one.', 'bad-request', { ...good, symbols: 'BTC-USD' }),
  bad('symbol of the wrong type', 'Symbols are strings.', 'bad-request', { ...good, symbols: ['BTC-USD', 7] }),
  bad('unknown depth', 'Depths are 1, 5, 10, 20, 50, and 0 for the full book.', 'bad-depth', { ...good, depth: 7 }),
  bad('depth as text', 'The depth is an integer.', 'bad-depth', { ...good, depth: '10' }),
  bad('depth of null', 'Leave a field out to have its default.', 'bad-depth', { ...good, depth: null }),
  bad('negative interval', 'Intervals are 0 to 60,000 ms.', 'bad-interval', { ...good, interval: -1 }),
  bad('interval over a minute', 'Intervals are 0 to 60,000 ms.', 'bad-interval', { ...good, interval: 60_001 }),
  bad('interval as text', 'Intervals are numbers of milliseconds.', 'bad-interval', { ...good, interval: '1s' }),
  {
    name: 'interval that is not a number',
    says: 'Intervals are numbers of milliseconds.',
    msgpack: [
      0x85,
      ...Object.entries(good).flatMap(([key, value]) => [...pack(key), ...pack(value)]),
      ...pack('interval'),
      0xcb,
      0x7f,
      0xf8,
      0,
      0,
      0,
      0,
      0,
      0,
    ],
    answers: [{ id: 1, code: 'bad-interval' }],
  },
  bad('unknown mode', 'Modes are live and raw.', 'bad-mode', { ...good, mode: 'x-mode' }),
  bad('priority out of range', 'Priorities are 0 to 9.', 'bad-request', { ...good, priority: 10 }),
  bad('history out of range', 'At most 10,000 trades of history.', 'bad-request', {
    ...good,
    channel: 'trade',
    last: 10_001,
  }),
  bad('cursor without an epoch', 'A cursor is an epoch and a seq.', 'bad-request', {
    ...good,
    cursor: { 'BTC-USD': { seq: 1 } },
  }),
  bad('cursor with a depth that does not exist', 'The depth of a cursor is one that can be asked for.', 'bad-request', {
    ...good,
    cursor: { 'BTC-USD': { epoch: 1, seq: 1, depth: 7 } },
  }),
  bad('cursor of the wrong type', 'Cursors are a map by symbol.', 'bad-request', { ...good, cursor: [1, 2] }),
  bad('cursor under a key with a line break', 'Every cursor is checked, whatever its key.', 'bad-request', {
    ...good,
    cursor: { 'a\nb': 5 },
  }),
  bad('watch as a number', 'watch is true or false.', 'bad-request', { op: 'instruments', id: 1, watch: 1 }),
  bad('negative group', 'A group is 0 to 1,000,000 ticks.', 'bad-group', { ...good, group: -1 }),
  bad('demo without a time', 'A stall says how long.', 'bad-request', { op: 'demo', id: 1 }),
  bad('demo of an hour', 'A stall is 60,000 ms at most.', 'bad-request', { op: 'demo', id: 1, stallMs: 3_600_000 }),
  bad('negative limit', 'A limit is 0 to 1,000,000,000 bytes a second.', 'bad-request', {
    ...limit,
    maxBytesPerSec: -1,
  }),
  bad('limit out of range', 'A limit is 0 to 1,000,000,000 bytes a second.', 'bad-request', {
    ...limit,
    maxBytesPerSec: 1_000_000_001,
  }),
  {
    name: 'fractional limit',
    says: 'A limit is an integer.',
    msgpack: [0x83, ...pack('op'), ...pack('limit'), ...pack('id'), 1, ...pack('maxBytesPerSec'), ...HALF],
    json: '{"op":"limit","id":1,"maxBytesPerSec":1.5}',
    answers: [{ id: 1, code: 'bad-request' }],
  },
  bad('limit as text', 'A limit is an integer.', 'bad-request', { ...limit, maxBytesPerSec: '20k' }),
  bad('limit of null', 'Leave a field out to let it stay as it is; 0 takes a limit back.', 'bad-request', {
    ...limit,
    maxBytesPerSec: null,
  }),
  bad('topOfBook as a number', 'topOfBook is true or false.', 'bad-request', { ...limit, topOfBook: 1 }),
  bad('limit of a symbol', 'A limit is for the connection: there is no such field.', 'bad-request', {
    ...limit,
    symbols: ['BTC-USD'],
  }),
  bad('negative lag', 'A lag is 0 ms or more.', 'bad-request', { op: 'ping', id: 1, lagMs: -1 }),
  {
    name: 'fractional lag',
    says: 'A lag is an integer.',
    msgpack: [0x83, ...pack('op'), ...pack('ping'), ...pack('id'), 1, ...pack('lagMs'), ...HALF],
    json: '{"op":"ping","id":1,"lagMs":1.5}',
    answers: [{ id: 1, code: 'bad-request' }],
  },
  bad('lag of null', 'Leave a field out where there is nothing to say.', 'bad-request', {
    op: 'ping',
    id: 1,
    lagMs: null,
  }),
  bad('held as a map', 'What is held is a list: a topic id, its seq, the next id.', 'bad-request', {
    op: 'ping',
    id: 1,
    held: { 7: 1_000 },
  }),
  bad('held by name', 'Topics are named by their ids.', 'bad-request', {
    op: 'ping',
    id: 1,
    held: ['book:BTC-USD', 1_000],
  }),
  bad('negative seq held', 'Ids and seqs are 0 or more.', 'bad-request', { op: 'ping', id: 1, held: [7, -1] }),
  bad('held of 257 topics', 'One ping names 256 topics at most.', 'bad-request', {
    op: 'ping',
    id: 1,
    held: Array.from({ length: 514 }, () => 0),
  }),
  bad('auth without a credential', 'An auth says who the client is.', 'bad-request', { op: 'auth', id: 1 }),
  bad('auth with nothing', 'A credential has 1 to 8,192 characters.', 'bad-request', {
    op: 'auth',
    id: 1,
    credential: '',
  }),
  bad('auth with a number', 'A credential is text.', 'bad-request', { op: 'auth', id: 1, credential: 7 }),
  bad('auth with a map', 'A credential is text.', 'bad-request', { op: 'auth', id: 1, credential: { jwt: 'x' } }),
  bad('auth with a misspelt field', 'Unknown fields are refused.', 'bad-request', {
    op: 'auth',
    id: 1,
    credentials: 'k',
  }),
  bad('auth without an id', 'Every request has an id.', 'bad-request', { op: 'auth', credential: 'k' }, null),
  bad('resume without a token', 'A resume brings the token.', 'bad-request', { op: 'resume', id: 1 }),
  bad('resume with an empty token', 'A token has 1 to 8,192 characters.', 'bad-request', {
    op: 'resume',
    id: 1,
    token: '',
  }),
  bad('resume with a number', 'A token is text.', 'bad-request', { op: 'resume', id: 1, token: 7 }),
  bad('resume with subscriptions', 'Whether subscriptions come back is true or false.', 'bad-request', {
    op: 'resume',
    id: 1,
    token: 't',
    subscriptions: ['book:BTC-USD'],
  }),
  bad('resume with a list of cursors', 'Cursors are a map by the names of topics.', 'bad-request', {
    op: 'resume',
    id: 1,
    token: 't',
    cursors: [{ epoch: 1, seq: 1 }],
  }),
  bad('resume with a cursor without an epoch', 'A cursor is an epoch and a seq.', 'bad-request', {
    op: 'resume',
    id: 1,
    token: 't',
    cursors: { 'book:BTC-USD': { seq: 1 } },
  }),
  bad(
    'resume with a cursor under a key with a line break',
    'Every cursor is checked, whatever its key.',
    'bad-request',
    {
      op: 'resume',
      id: 1,
      token: 't',
      cursors: { 'book:\n': 5 },
    },
  ),
  bad('resume with the cursors of a subscribe', 'The field of a resume is named cursors.', 'bad-request', {
    op: 'resume',
    id: 1,
    token: 't',
    cursor: { 'BTC-USD': { epoch: 1, seq: 1 } },
  }),
  bad('limit without an id', 'Every request has an id.', 'bad-request', { op: 'limit', topOfBook: true }, null),
];
