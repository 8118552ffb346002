// Owns the golden vectors that a client must refuse, with the reason. Called by the vectors' maker.
// Invariant: each breaks one rule only.

import type { TopicFrame } from '../../src/protocol/frames.ts';
import { bigEndian, pack, Raw, type Value } from './vectors-encoding.ts';
import { BOOK, COUNTED, NOW_US, QUOTE, STATUS, TRADE } from './vectors-server.ts';

export interface MalformedVector {
  readonly name: string;
  /** Why it is refused. */
  readonly says: string;
  readonly msgpack?: readonly number[];
  /** Text, or bytes where it is no text. */
  readonly json?: string | readonly number[];
}

/** Topics that were announced before each of them. */
export const MALFORMED_TOPICS: readonly TopicFrame[] = [BOOK, COUNTED, QUOTE, TRADE, STATUS];

const message = (...values: (Value | Raw)[]): number[] => values.flatMap((value) => pack(value));
const TIME = [16, NOW_US];
const WELCOME = [0, 'tickwire.v1', 'tickwire/0.1.0', 's', NOW_US];
/** An array whose elements are given as bytes. */
const mixed = (...elements: (Value | Raw)[]): Raw =>
  new Raw([0x90 | elements.length, ...elements.flatMap((each) => pack(each))]);
const FLOAT = new Raw([0xcb, 0x40, 0x08, 0, 0, 0, 0, 0, 0]);
const TIMESTAMP = new Raw([0xd6, 0xff, 0x65, 0, 0, 0]);
const TEXT_CUT = new Raw([0xa2, 0xc3, 0x28]);
const SURROGATE = new Raw([0xa3, 0xed, 0xa0, 0x80]);
const beyond = (value: bigint, head: number) => new Raw([head, ...bigEndian(BigInt.asUintN(64, value), 8)]);

const object = (fields: object): string => `${JSON.stringify(fields)}\n`;
const bookObject = {
  type: 'book',
  topic: 7,
  fromSeq: 0,
  seq: 1,
  exchangeUs: null,
  publishUs: NOW_US,
  gatewayUs: NOW_US,
  depth: 0,
  checksum: 0,
  bids: [],
  asks: [],
};
const tradeObject = {
  type: 'trade',
  topic: 9,
  fromSeq: 0,
  seq: 1,
  exchangeUs: null,
  publishUs: NOW_US,
  gatewayUs: NOW_US,
  id: 1,
  kind: 'trade',
  side: 'buy',
  price: '1.00',
  size: '1.00000000',
};
const topicObject = {
  type: 'topic',
  topic: 7,
  channel: 'book',
  symbol: 'X',
  epoch: 1,
  priceScale: 2,
  sizeScale: 2,
  stride: 2,
  tickSize: '0.01',
  lotSize: '0.01',
};
const welcomeObject = { type: 'welcome', version: 'tickwire.v1', server: 's', session: 's', timeUs: 1 };
const { seq: _, ...bookWithoutSeq } = bookObject;

export const MALFORMED_VECTORS: readonly MalformedVector[] = [
  { name: 'cut after the header', says: 'The message ends inside a frame.', msgpack: [0x93], json: '{' },
  {
    name: 'cut inside an integer',
    says: 'The message ends inside an integer.',
    msgpack: [0x93, 3, 1, 0xcf, 0, 6, 0x3b],
  },
  {
    name: 'cut inside a string',
    says: 'The message ends inside a string.',
    msgpack: [0x95, 2, 1, 0xa9, 0x62, 0x61, 0x64],
    json: '{"type":"error","id":1,"code":"bad',
  },
  {
    name: 'cut inside a trailing element',
    says: 'Elements that are passed over must be whole too.',
    msgpack: [0x94, 3, 1, 2, 0xc7, 9, 1, 0],
  },
  {
    name: 'second frame cut',
    says: 'A message is refused as a whole: frames before the broken one are not to be used.',
    msgpack: [...message([3, 1, 2]), 0x93, 3],
    json: `${object({ type: 'pong', id: 1, timeUs: 2 })}{"type":"pong"`,
  },
  {
    name: 'no array',
    says: 'A frame is an array (MessagePack) or an object (JSON).',
    msgpack: message({ type: 3 }),
    json: '[3,1,2]\n',
  },
  { name: 'a lone integer', says: 'A frame is an array or an object.', msgpack: [0x03], json: '3\n' },
  { name: 'nil', says: 'A frame is an array or an object.', msgpack: [0xc0], json: 'null\n' },
  { name: 'no type', says: 'A frame says its type.', msgpack: [0x90], json: '{"id":1,"timeUs":2}\n' },
  {
    name: 'type of the wrong kind',
    says: 'The type is an integer (MessagePack) or a string (JSON).',
    msgpack: message(['pong', 1, 2]),
    json: object({ type: 3, id: 1, timeUs: 2 }),
  },
  { name: 'unused byte', says: '0xc1 begins no value.', msgpack: [0x94, 3, 1, 2, 0xc1] },
  { name: 'not JSON', says: 'A line is one JSON object.', json: 'hello\n' },
  {
    name: 'two objects on a line',
    says: 'A line is one JSON object.',
    json: '{"type":"pong","id":1,"timeUs":2}{"type":"pong","id":2,"timeUs":2}\n',
  },
  {
    name: 'JSON that is not UTF-8',
    says: 'Text is UTF-8.',
    json: [...Buffer.from('{"type":"end","topic":7,"reason":"'), 0xff, ...Buffer.from('"}\n')],
  },
  {
    name: 'too few elements',
    says: 'A pong has three elements.',
    msgpack: message([3, 1]),
    json: object({ type: 'pong', id: 1 }),
  },
  {
    name: 'book without a seq',
    says: 'A book frame has ten elements.',
    msgpack: message(TIME, [18, 7, 1, 1, 0, null, 0, 0, []]),
    json: object(bookWithoutSeq),
  },
  {
    name: 'incomplete limits',
    says: 'The welcome states five limits.',
    msgpack: message([...WELCOME, [1, 2]]),
    json: object({ ...welcomeObject, limits: { requestBytes: 1, subscriptions: 1 } }),
  },
  {
    name: 'four limits',
    says: 'The welcome states five limits.',
    msgpack: message([...WELCOME, [1, 2, 3, 4]]),
    json: object({
      ...welcomeObject,
      limits: { requestBytes: 1, symbolsPerRequest: 2, subscriptions: 3, heartbeatMs: 4 },
    }),
  },
  {
    name: 'limits that are no list',
    says: 'The limits are an array (MessagePack) or an object (JSON).',
    msgpack: message([...WELCOME, 5]),
    json: object({ ...welcomeObject, limits: [1, 2, 3, 4, 5] }),
  },
  {
    name: 'limit as text',
    says: 'The limits are integers.',
    msgpack: message([...WELCOME, [1, 2, 3, '5s', 5]]),
    json: object({
      ...welcomeObject,
      limits: { requestBytes: 1, symbolsPerRequest: 2, subscriptions: 3, heartbeatMs: '5s', ageMsMax: 5 },
    }),
  },
  {
    name: 'heartbeat with too few elements',
    says: 'A heartbeat has four elements.',
    msgpack: message([4, NOW_US, 20]),
    json: object({ type: 'heartbeat', timeUs: NOW_US, roundTripMs: 20 }),
  },
  {
    name: 'heartbeat without a round trip',
    says: 'Before the first round trip the field is null; it is never left out.',
    msgpack: message([4, NOW_US, 0]),
    json: object({ type: 'heartbeat', timeUs: NOW_US, lagMs: 0 }),
  },
  {
    name: 'heartbeat of nil',
    says: 'Of a heartbeat only the round trip may be null.',
    msgpack: message([4, null, null, 0]),
    json: object({ type: 'heartbeat', timeUs: null, roundTripMs: null, lagMs: 0 }),
  },
  {
    name: 'heartbeat with a fraction',
    says: 'Milliseconds are integers.',
    msgpack: message(mixed(4, NOW_US, FLOAT, 0)),
    json: '{"type":"heartbeat","timeUs":1,"roundTripMs":0.4,"lagMs":0}\n',
  },
  {
    name: 'pace with too few elements',
    says: 'A pace frame has five elements.',
    msgpack: message([5, 2, 5, 1_000]),
    json: object({ type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000 }),
  },
  {
    name: 'pace of the wrong kind',
    says: 'A pace is a number (MessagePack) or a name (JSON).',
    msgpack: message([5, 'slower', 5, 1_000, 0]),
    json: object({ type: 'pace', pace: 2, priority: 5, intervalMs: 1_000, reason: 'link' }),
  },
  {
    name: 'pace without a reason',
    says: 'A pace frame says its reason.',
    msgpack: message([5, 2, 5, 1_000, null]),
    json: object({ type: 'pace', pace: 'slower', priority: 5, intervalMs: 1_000, reason: null }),
  },
  {
    name: 'refused with too few elements',
    says: 'A refusal has five elements: null says that coming back does not help, and is never left out.',
    msgpack: message([6, 'busy', 'm', 'a']),
    json: object({ type: 'refused', code: 'busy', message: 'm', action: 'a' }),
  },
  {
    name: 'refused with a time as text',
    says: 'The time until a client may come back is an integer or null.',
    msgpack: message([6, 'busy', 'm', 'a', '2s']),
    json: object({ type: 'refused', code: 'busy', message: 'm', action: 'a', retryAfterMs: '2s' }),
  },
  {
    name: 'refused without a code',
    says: 'The code of a refusal is a string.',
    msgpack: message([6, null, 'm', 'a', 1]),
    json: object({ type: 'refused', code: null, message: 'm', action: 'a', retryAfterMs: 1 }),
  },
  {
    name: 'refused with a fraction',
    says: 'Milliseconds are integers.',
    msgpack: message(mixed(6, 'busy', 'm', 'a', FLOAT)),
    json: '{"type":"refused","code":"busy","message":"m","action":"a","retryAfterMs":0.5}\n',
  },
  {
    name: 'goodbye with too few elements',
    says: 'A goodbye has four elements.',
    msgpack: message([7, 0, 1_000]),
    json: object({ type: 'goodbye', reason: 'drain', reconnectMs: 1_000 }),
  },
  {
    name: 'goodbye of nil',
    says: 'The times of a goodbye are never null.',
    msgpack: message([7, 0, null, null]),
    json: object({ type: 'goodbye', reason: 'drain', reconnectMs: null, closeMs: null }),
  },
  {
    name: 'goodbye with a reason of the wrong kind',
    says: 'A reason is a number (MessagePack) or a name (JSON).',
    msgpack: message([7, 'drain', 1_000, 2_000]),
    json: object({ type: 'goodbye', reason: 0, reconnectMs: 1_000, closeMs: 2_000 }),
  },
  {
    name: 'token with too few elements',
    says: 'A token says how long it lives.',
    msgpack: message([8, 't']),
    json: object({ type: 'token', token: 't' }),
  },
  {
    name: 'token as a number',
    says: 'A token is text.',
    msgpack: message([8, 7, 300_000]),
    json: object({ type: 'token', token: 7, lifeMs: 300_000 }),
  },
  {
    name: 'token without an end',
    says: 'The life of a token is never null.',
    msgpack: message([8, 't', null]),
    json: object({ type: 'token', token: 't', lifeMs: null }),
  },
  {
    name: 'identity with too few elements',
    says: 'null says that it is for as long as the connection; it is never left out.',
    msgpack: message([9, 'desk-a']),
    json: object({ type: 'identity', principal: 'desk-a' }),
  },
  {
    name: 'identity of nobody',
    says: 'A principal is text.',
    msgpack: message([9, null, null]),
    json: object({ type: 'identity', principal: null, untilUs: null }),
  },
  {
    name: 'identity with a time as text',
    says: 'Times are integers.',
    msgpack: message([9, 'desk-a', '2027-01-01']),
    json: object({ type: 'identity', principal: 'desk-a', untilUs: '2027-01-01' }),
  },
  {
    name: 'healed with too few elements',
    says: 'A healed frame has four elements.',
    msgpack: message([28, 7, 1]),
    json: object({ type: 'healed', topic: 7, how: 'diffed' }),
  },
  {
    name: 'healed of nil',
    says: 'How and why are never null.',
    msgpack: message([28, 7, null, null]),
    json: object({ type: 'healed', topic: 7, how: null, why: null }),
  },
  {
    name: 'healed of the wrong kind',
    says: 'How and why are numbers (MessagePack) or names (JSON).',
    msgpack: message([28, 7, 'diffed', 'cursor']),
    json: object({ type: 'healed', topic: 7, how: 1, why: 0 }),
  },
  {
    name: 'healed without a topic',
    says: 'A topic id is an integer.',
    msgpack: message([28, '7', 1, 0]),
    json: object({ type: 'healed', topic: '7', how: 'diffed', why: 'cursor' }),
  },
  {
    name: 'later limit beyond 2^53',
    says: 'No integer goes beyond 2^53 - 1, in limits that may be missing neither.',
    msgpack: message(mixed(...WELCOME, mixed(1, 2, 3, 4, 5, 6, beyond(1n << 53n, 0xcf)))),
    json: `{"type":"welcome","version":"tickwire.v1","server":"s","session":"s","timeUs":${NOW_US},"limits":{"requestBytes":1,"symbolsPerRequest":2,"subscriptions":3,"heartbeatMs":4,"ageMsMax":5,"silentMs":9007199254740992}}\n`,
  },
  {
    name: 'incomplete entry of an ack',
    says: 'An accepted symbol has five elements.',
    msgpack: message([1, 1, 'subscribe', [['X', 1, 0, 0]], []]),
    json: object({
      type: 'ack',
      id: 1,
      op: 'subscribe',
      accepted: [{ symbol: 'X', topic: 1, depth: 0, mode: 'live' }],
      refused: [],
    }),
  },
  {
    name: 'refusals that are no list',
    says: 'The refused symbols are a list.',
    msgpack: message([1, 1, 'subscribe', [], 0]),
    json: object({ type: 'ack', id: 1, op: 'subscribe', accepted: [], refused: 0 }),
  },
  {
    name: 'string in place of an integer',
    says: 'Integers are integers.',
    msgpack: message([3, '1', NOW_US]),
    json: object({ type: 'pong', id: '1', timeUs: 2 }),
  },
  {
    name: 'integer in place of a string',
    says: 'Strings are strings.',
    msgpack: message([2, 1, 7, '', '']),
    json: object({ type: 'error', id: 1, code: 7, message: '', action: '' }),
  },
  {
    name: 'float in place of an integer',
    says: 'There are no floats, whole ones included.',
    msgpack: message(mixed(3, FLOAT, NOW_US)),
    json: '{"type":"pong","id":1.5,"timeUs":2}\n',
  },
  {
    name: 'boolean in place of an integer',
    says: 'Integers are integers.',
    msgpack: message([3, true, NOW_US]),
    json: object({ type: 'pong', id: true, timeUs: 2 }),
  },
  {
    name: 'nil in place of an integer',
    says: 'Only the documented fields may be null.',
    msgpack: message([3, null, NOW_US]),
    json: object({ type: 'pong', id: null, timeUs: 2 }),
  },
  {
    name: 'binary in place of a string',
    says: 'Strings are strings, not binaries.',
    msgpack: message(mixed(2, 1, new Raw([0xc4, 1, 0x61]), '', '')),
  },
  {
    name: 'map in place of an integer',
    says: 'Integers are integers.',
    msgpack: message([3, {}, NOW_US]),
    json: object({ type: 'pong', id: { toString: 1, valueOf: 1 }, timeUs: 2 }),
  },
  {
    name: 'extension in place of an integer',
    says: 'Extensions are never sent: a timestamp is an integer.',
    msgpack: message(mixed(3, 1, TIMESTAMP)),
  },
  {
    name: 'extension in place of a frame',
    says: 'Extensions are never sent, records included.',
    msgpack: [0xd4, 0x72, 0x40],
  },
  {
    name: 'integer of 2^53',
    says: 'Integers go up to 2^53 - 1: they are refused, never rounded.',
    msgpack: message(mixed(3, beyond(1n << 53n, 0xcf), 1)),
    json: '{"type":"pong","id":9007199254740992,"timeUs":1}\n',
  },
  {
    name: 'integer of 2^64 - 1',
    says: 'The largest that MessagePack has.',
    msgpack: message(mixed(3, beyond((1n << 64n) - 1n, 0xcf), 1)),
    json: '{"type":"pong","id":18446744073709551615,"timeUs":1}\n',
  },
  {
    name: 'integer of -2^53',
    says: 'Integers go down to -(2^53 - 1).',
    msgpack: message(mixed(3, beyond(-(1n << 53n), 0xd3), 1)),
    json: '{"type":"pong","id":-9007199254740992,"timeUs":1}\n',
  },
  {
    name: 'integer of -2^63',
    says: 'The smallest that MessagePack has.',
    msgpack: message(mixed(3, beyond(-(1n << 63n), 0xd3), 1)),
  },
  {
    name: 'time beyond 2^53',
    says: 'A lag that would take a time beyond 2^53.',
    msgpack: message([16, Number.MAX_SAFE_INTEGER], [18, 7, 1, 1, -1, null, 0, 0, [], []]),
  },
  { name: 'string that is not UTF-8', says: 'Text is UTF-8.', msgpack: message(mixed(2, 1, TEXT_CUT, '', '')) },
  {
    name: 'surrogate in UTF-8',
    says: 'Half a surrogate pair is not UTF-8.',
    msgpack: message(mixed(2, 1, SURROGATE, '', '')),
  },
  {
    name: 'array header beyond the message',
    says: 'An array that claims 2^32 - 1 elements in 5 bytes is refused before memory is taken.',
    msgpack: [0xdd, 0xff, 0xff, 0xff, 0xff],
  },
  {
    name: 'levels beyond the message',
    says: 'So are levels.',
    msgpack: [...message(TIME), 0x9a, 18, 7, 1, 1, 0, 0xc0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xfe, 0x90],
  },
  { name: 'string beyond the message', says: 'So are strings.', msgpack: [0x95, 2, 1, 0xdb, 0xff, 0xff, 0xff, 0xff] },
  {
    name: 'trailing map beyond the message',
    says: 'So is what is passed over.',
    msgpack: [0x94, 3, 1, 2, 0xdf, 0xff, 0xff, 0xff, 0xff],
  },
  {
    name: 'trailing value nested 100 deep',
    says: 'Nesting in what is passed over has an end at 16.',
    msgpack: [0x94, 3, 1, 2, ...Array<number>(100).fill(0x91), 0],
  },
  {
    name: 'data before a time',
    says: 'In MessagePack a data frame follows a time frame in the same message.',
    msgpack: message([18, 7, 1, 1, 0, null, 0, 0, [], []]),
  },
  {
    name: 'topic not announced',
    says: 'Without a topic frame before it, a data frame has no scales.',
    msgpack: message(TIME, [18, 99, 1, 1, 0, null, 0, 0, [], []]),
    json: object({ ...bookObject, topic: 99 }),
  },
  {
    name: 'topic of a quote not announced',
    says: 'That goes for every data frame.',
    msgpack: message(TIME, [19, 99, 1, 1, 0, null, null, 0, null, 0]),
    json: object({
      type: 'quote',
      topic: 99,
      fromSeq: 0,
      seq: 1,
      exchangeUs: null,
      publishUs: 1,
      gatewayUs: 1,
      bidPrice: null,
      bidSize: '0',
      askPrice: null,
      askSize: '0',
    }),
  },
  {
    name: 'topic of a status not announced',
    says: 'That goes for every data frame.',
    msgpack: message(TIME, [21, 99, 1, 1, 0, null, 0, null]),
    json: object({
      type: 'status',
      topic: 99,
      fromSeq: 0,
      seq: 1,
      exchangeUs: null,
      publishUs: 1,
      gatewayUs: 1,
      status: 'live',
      reason: null,
    }),
  },
  {
    name: 'topic of a part not announced',
    says: 'That goes for every data frame.',
    msgpack: message([25, 99, 1, 1, 0, 0, 1, [], []]),
    json: object({ type: 'part', topic: 99, fromSeq: 0, seq: 1, depth: 0, index: 0, count: 1, bids: [], asks: [] }),
  },
  {
    name: 'partial level',
    says: 'Three numbers are no whole levels of two.',
    msgpack: message(TIME, [18, 7, 1, 1, 0, null, 0, 0, [1, 2, 3], []]),
    json: object({ ...bookObject, bids: [['1.00']] }),
  },
  {
    name: 'level without its count',
    says: 'Four numbers are no whole levels of three.',
    msgpack: message(TIME, [18, 300, 1, 1, 0, null, 0, 0, [], [1, 2, 3, 4]]),
    json: object({ ...bookObject, topic: 300, asks: [['1.00', '1.00000']] }),
  },
  {
    name: 'level of nil',
    says: 'Levels are integers (MessagePack) or decimal strings (JSON).',
    msgpack: message(TIME, [18, 7, 1, 1, 0, null, 0, 0, [1, null], []]),
    json: object({ ...bookObject, bids: [['1.00', null]] }),
  },
  {
    name: 'levels as nested arrays',
    says: 'Levels are flat in MessagePack; each is a list in JSON.',
    msgpack: message(TIME, [
      18,
      7,
      1,
      1,
      0,
      null,
      0,
      0,
      [
        [1, 2],
        [3, 4],
      ],
      [],
    ]),
    json: object({ ...bookObject, bids: ['1.00', '2.00000000'] }),
  },
  {
    name: 'span above the seq',
    says: 'fromSeq is 0 or more.',
    msgpack: message(TIME, [18, 7, 5, 6, 0, null, 0, 0, [], []]),
    json: object({ ...bookObject, fromSeq: -1 }),
  },
  {
    name: 'negative span',
    says: 'fromSeq is not above seq.',
    msgpack: message(TIME, [18, 7, 5, -1, 0, null, 0, 0, [], []]),
    json: object({ ...bookObject, fromSeq: 2 }),
  },
  {
    name: 'stride of 4',
    says: 'The stride is 2 or 3.',
    msgpack: message([17, 7, 'book', 'X', 1, 2, 2, 4, 1, 1]),
    json: object({ ...topicObject, stride: 4 }),
  },
  {
    name: 'scale of 16',
    says: 'Scales are 0 to 15.',
    msgpack: message([17, 7, 'book', 'X', 1, 16, 2, 2, 1, 1]),
    json: object({ ...topicObject, priceScale: 16 }),
  },
  {
    name: 'scale of a billion',
    says: 'Scales are 0 to 15; no memory is taken for digits.',
    msgpack: message([27, 0, 'X', 0, 1_000_000_000, 1, 1]),
    json: object({ ...topicObject, sizeScale: 1_000_000_000 }),
  },
  {
    name: 'unknown channel',
    says: 'The list of channels does not grow under a client: it gets only what it asked for.',
    msgpack: message([17, 7, 'x-channel', 'X', 1, 2, 2, 2, 1, 1]),
    json: object({ ...topicObject, channel: 'x-channel' }),
  },
  {
    name: 'unknown mode',
    says: 'The list of modes does not grow under a client.',
    msgpack: message([1, 1, 'subscribe', [['X', 1, 0, 0, 'x-mode']], []]),
    json: object({
      type: 'ack',
      id: 1,
      op: 'subscribe',
      accepted: [{ symbol: 'X', topic: 1, depth: 0, intervalMs: 0, mode: 'x-mode' }],
      refused: [],
    }),
  },
  {
    name: 'unknown kind of trade',
    says: 'What a trade means must be known: the list of kinds does not grow.',
    msgpack: message(TIME, [20, 9, 1, 1, 0, null, 1, 3, 0, 1, 1]),
    json: object({ ...tradeObject, kind: 'cross' }),
  },
  {
    name: 'unknown side of a trade',
    says: 'The list of sides does not grow.',
    msgpack: message(TIME, [20, 9, 1, 1, 0, null, 1, 0, 3, 1, 1]),
    json: object({ ...tradeObject, side: 'both' }),
  },
  {
    name: 'unknown action of an instrument',
    says: 'The list of actions does not grow.',
    msgpack: message([27, 3, 'X', 0, 0, 1, 1]),
    json: object({
      type: 'instrument',
      action: 'merged',
      symbol: 'X',
      priceScale: 0,
      sizeScale: 0,
      tickSize: '1',
      lotSize: '1',
    }),
  },
  {
    name: 'trade id of nil',
    says: 'A trade has an id.',
    msgpack: message(TIME, [20, 9, 1, 1, 0, null, null, 0, 0, 1, 1]),
    json: object({ ...tradeObject, id: null }),
  },
  {
    name: 'price as a number',
    says: 'Prices in JSON are decimal strings.',
    json: object({ ...tradeObject, price: 1 }),
  },
  {
    name: 'price with too many digits',
    says: 'More digits after the point than the scale are refused, never rounded.',
    json: object({ ...tradeObject, price: '1.005' }),
  },
  {
    name: 'price with an exponent',
    says: 'Decimals are plain: digits, a point, digits.',
    json: object({ ...tradeObject, price: '1e2' }),
  },
  {
    name: 'price beyond 2^53',
    says: 'Mantissas go up to 2^53 - 1.',
    json: object({ ...tradeObject, price: '90071992547409.92' }),
  },
  { name: 'price that is empty', says: 'Decimals have digits.', json: object({ ...tradeObject, price: '' }) },
];
