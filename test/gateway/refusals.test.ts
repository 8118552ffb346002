// Holds what POST /v1/publish refuses: each with its code and its HTTP status, and with the book, the sequence and the
// subscribers exactly as they were.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { ERRORS, type ErrorCode } from '../../src/protocol/errors.ts';
import { publish, startGateway, stopAll, TestClient } from './harness.ts';
import { delta, everything, SYMBOLS, snapshot, trade } from './items.ts';

const TOO_BIG = '9007199254740993';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, SYMBOLS);
});
afterEach(stopAll);

/** What is refused, by code; each leaves no trace. */
const REFUSED: Readonly<Record<string, readonly (readonly [ErrorCode, string, unknown])[]>> = {
  'the shape': [
    ['bad-frame', 'no JSON', '{"type":'],
    ['bad-frame', 'no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['bad-frame', 'nothing', ''],
    ['bad-request', 'null', 'null'],
    ['bad-request', 'a string', '"trade"'],
    ['bad-request', 'no type', { symbol: 'A' }],
    ['bad-request', 'a type that there is not', { ...trade(), type: 'order' }],
    ['bad-request', 'a type from the prototype', { ...trade(), type: 'constructor' }],
    ['bad-request', 'no symbol', { type: 'trade', price: '1', size: '1' }],
    ['bad-request', 'a symbol that is no string', trade({ symbol: 7 })],
    ['bad-request', 'a field that there is not', trade({ venue: 'X' })],
    ['bad-request', 'a __proto__', '{"type":"trade","symbol":"A","price":"10","size":"1","__proto__":{"price":"1"}}'],
    ['bad-request', 'a field of another type', trade({ bids: [] })],
    ['bad-request', 'a snapshot without offers', { type: 'snapshot', symbol: 'A', bids: [] }],
    ['bad-request', 'a level of one number', delta({ bids: [['10']] })],
    ['bad-request', 'a level of four', delta({ bids: [['10', '1', 1, 1]] })],
    ['bad-request', 'a level that is a map', delta({ bids: [{ price: '10', size: '1' }] })],
    ['bad-request', 'a negative order count', delta({ bids: [['10', '1', -1]] })],
    ['bad-request', 'half an order', delta({ bids: [['10', '1', 0.5]] })],
    ['bad-request', 'a time that is no integer', trade({ exchangeUs: 1.5 })],
    ['bad-request', 'a time before 1970', trade({ exchangeUs: -1 })],
    ['bad-request', 'a time beyond 2^53', trade({ exchangeUs: 2 ** 53 })],
    ['bad-request', 'an id beyond 2^53', `{"type":"trade","symbol":"A","price":"10","size":"1","id":${TOO_BIG}}`],
    ['bad-request', 'an empty id', trade({ id: '' })],
    ['bad-request', 'an id without an end', trade({ id: 'x'.repeat(65) })],
    ['bad-request', 'a side that there is not', trade({ side: 'both' })],
    ['bad-request', 'a kind that there is not', trade({ kind: 'amend' })],
    ['bad-request', 'a status that only a gateway gives', { type: 'status', symbol: 'A', status: 'stale' }],
    ['bad-request', 'another such status', { type: 'status', symbol: 'A', status: 'resync' }],
    ['bad-request', 'a status that there is not', { type: 'status', symbol: 'A', status: 'other' }],
    [
      'bad-request',
      'a reason without an end',
      { type: 'status', symbol: 'A', status: 'live', reason: 'x'.repeat(201) },
    ],
    ['bad-request', 'a price of null', trade({ price: null })],
    ['unknown-symbol', 'an instrument that is not listed', trade({ symbol: 'B' })],
    ['unknown-symbol', 'no symbol at all', trade({ symbol: '../A' })],
    ['unknown-symbol', 'a name of the prototype', trade({ symbol: 'constructor' })],
  ],
  'the numbers': [
    ['bad-price', 'a price as a JSON number', trade({ price: 10 })],
    ['bad-price', 'a price as a JSON number with a fraction', trade({ price: 10.05 })],
    ['bad-size', 'a size as a JSON number', trade({ size: 1 })],
    ['bad-price', 'a level with a JSON number', delta({ bids: [[10, '1']] })],
    ['bad-size', 'a level with a size as a JSON number', delta({ bids: [['10', 1]] })],
    ['bad-price', 'a price with an exponent', trade({ price: '1e1' })],
    ['bad-price', 'a hexadecimal price', trade({ price: '0x10' })],
    ['bad-price', 'an empty price', trade({ price: '' })],
    ['bad-price', 'a price with a space', trade({ price: ' 10' })],
    ['bad-price', 'a price with a comma', trade({ price: '10,00' })],
    ['bad-price', 'NaN', trade({ price: 'NaN' })],
    ['bad-price', 'infinity', trade({ price: 'Infinity' })],
    ['bad-price', 'digits of another script', trade({ price: '\u0661\u0660' })],
    ['bad-price', 'a negative price', trade({ price: '-10' })],
    ['bad-price', 'a price of zero', trade({ price: '0' })],
    ['bad-size', 'a negative size', trade({ size: '-1' })],
    ['bad-size', 'a negative size of a level', delta({ bids: [['10', '-1']] })],
    ['off-tick', 'a price between two ticks', trade({ price: '10.01' })],
    ['off-tick', 'a price with more digits than the scale', trade({ price: '10.001' })],
    ['off-tick', 'a level between two ticks', delta({ asks: [['10.11', '1']] })],
    ['off-lot', 'a size between two lots', trade({ size: '1.005' })],
    ['off-lot', 'a size with more digits than the scale', trade({ size: '1.0001' })],
    ['off-lot', 'a level between two lots', delta({ asks: [['10.10', '0.001']] })],
    ['out-of-range', 'a price beyond 2^53', trade({ price: '90071992547409.95' })],
    ['out-of-range', 'a price of 60 digits', trade({ price: '9'.repeat(60) })],
    ['out-of-range', 'a size beyond 2^53', trade({ size: '9007199254741' })],
    ['out-of-range', 'a level beyond 2^53', delta({ bids: [[TOO_BIG, '1']] })],
    ['bad-request', 'a price of 65 characters', trade({ price: '9'.repeat(65) })],
  ],
  'the state': [
    ['crossed', 'a bid above it', delta({ bids: [['11', '1']] })],
    ['crossed', 'an offer below the best bid', delta({ asks: [['9.90', '1']] })],
    [
      'crossed',
      'a good level and a crossing one',
      delta({
        bids: [
          ['9.90', '5'],
          ['10.10', '1'],
        ],
      }),
    ],
    [
      'crossed',
      'both sides of an update',
      delta({
        bids: [['20', '1']],
        asks: [
          ['10.05', '0'],
          ['19', '1'],
        ],
      }),
    ],
    ['crossed', 'a snapshot in itself', { type: 'snapshot', symbol: 'A', bids: [['3', '1']], asks: [['2', '1']] }],
    [
      'duplicate-level',
      'a price named twice',
      delta({
        bids: [
          ['9', '1'],
          ['9.00', '2'],
        ],
      }),
    ],
    [
      'duplicate-level',
      'a price named twice among many',
      delta({ asks: [...Array.from({ length: 12 }, (_, i) => [`${20 + i}`, '1']), ['25', '2']] }),
    ],
    ['needs-snapshot', 'a delta before any snapshot', { type: 'delta', symbol: 'FINE', bids: [['1', '1']] }],
    [
      'derived-channel',
      'a quote that follows from the book',
      { type: 'quote', symbol: 'A', bidPrice: '1', askPrice: '2' },
    ],
    ['bad-price', 'a negative quote', { type: 'quote', symbol: 'FX', bidPrice: '-1', askPrice: null }],
    [
      'bad-size',
      'a quote of a negative size',
      { type: 'quote', symbol: 'FX', bidPrice: '1', bidSize: '-1', askPrice: null },
    ],
  ],
};

describe.each(Object.entries(REFUSED))('%s', (_, cases) => {
  test.each(cases)('%s: %s', async (code, _what, body) => {
    await publish(gateway, [snapshot, { ...snapshot, symbol: 'SPREAD' }]);
    const client = await TestClient.connect(gateway);
    client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A', 'FINE'] });
    client.send({ op: 'subscribe', id: 2, channel: 'trade', symbols: ['A'] });
    await client.settled();
    const before = await everything(gateway);

    const answer = await publish(gateway, body);
    expect(answer.code).toBe(code);
    expect(answer.status).toBe(ERRORS[code].http);
    const { message, action } = answer.body.error as { message: string; action: string };
    expect(message.startsWith(ERRORS[code].message)).toBe(true);
    expect(action).toBe(ERRORS[code].action);

    expect(await everything(gateway)).toEqual(before);
    expect(await client.settled()).toEqual([]);
  });
});
