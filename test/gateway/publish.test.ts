// Holds what POST /v1/publish takes: JSON and MessagePack, one item and many, numbers exactly, bodies up to the limit.

import { pack } from 'msgpackr';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { ERRORS, type ErrorCode } from '../../src/protocol/errors.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import { ask, publish, startGateway, stopAll } from './harness.ts';
import { delta, everything, SYMBOLS, snapshot, trade } from './items.ts';

const MSGPACK = { 'Content-Type': 'application/msgpack' };
const TOO_BIG = '9007199254740993';

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, SYMBOLS);
});
afterEach(stopAll);

/** The results of a batch: seqs and codes. */
async function results(items: unknown, headers = {}): Promise<(number | string)[]> {
  const { status, body } = await publish(gateway, items, headers);
  expect(status).toBe(200);
  return (body.results as { seq?: number; error?: { code: string } }[]).map(({ seq, error }) => seq ?? error!.code);
}

describe('what is taken', () => {
  test('one item is answered with its epoch and seq', async () => {
    const { status, body } = await publish(gateway, snapshot);
    expect(status).toBe(200);
    expect(body).toEqual({ epoch: expect.any(Number), seq: 1 });
    expect((await publish(gateway, delta({ bids: [['10', '0']] }))).body).toEqual({ epoch: body.epoch, seq: 2 });
  });
  test('a list is answered with a result per item, in order, each of its own', async () => {
    const items = [
      snapshot,
      trade(),
      { ...trade(), symbol: 'NOPE' },
      7,
      delta({ asks: [['9', '1']] }),
      delta(),
      trade(),
    ];
    expect(await results(items)).toEqual([1, 1, 'unknown-symbol', 'bad-request', 'crossed', 2, 2]);
  });
  test('a list of one is answered with a list, and an empty one with an empty one', async () => {
    expect(await results([trade()])).toEqual([1]);
    expect(await results([])).toEqual([]);
  });
  test('an item of a list that is refused does not stop those after it', async () => {
    const levels = { bids: [['9.95', '7']] };
    expect(await results([snapshot, delta({ bids: [['9.97', '7']] }), delta(levels)])).toEqual([1, 'off-tick', 2]);
    expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({
      bids: [
        ['10.00', '1.000'],
        ['9.95', '7.000'],
      ],
    });
  });
  test('the largest numbers that are exact are taken, and come back digit for digit', async () => {
    const largest = { bids: [['90071992547409.91', '9007199254740991']], asks: [] };
    expect(await results([{ type: 'snapshot', symbol: 'FINE', ...largest }])).toEqual([1]);
    expect((await ask(gateway, '/v1/book/FINE')).body.bids).toEqual(largest.bids);
  });
  test('zeros behind the last digit of the scale are no digits', async () => {
    expect(await results([trade({ price: '10.0500000', size: '+1.0' })])).toEqual([1]);
  });
  test('a negative price, and one of zero, where the instrument allows it', async () => {
    const levels = { bids: [['-0.03', '4', 2]], asks: [['0', '1', 1]] };
    expect(await results([{ type: 'snapshot', symbol: 'SPREAD', ...levels }])).toEqual([1]);
    expect((await ask(gateway, '/v1/book/SPREAD')).body).toMatchObject({
      bids: [['-0.03', '4', 2]],
      asks: [['0.00', '1', 1]],
    });
  });
  test('a removal of what is not there is an update that changes nothing', async () => {
    expect(await results([snapshot, delta({ bids: [['1', '0']] })])).toEqual([1, 2]);
  });
  test('a snapshot replaces the whole book', async () => {
    expect(await results([snapshot, { type: 'snapshot', symbol: 'A', bids: [], asks: [['9', '1']] }])).toEqual([1, 2]);
    expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({ bids: [], asks: [['9.00', '1.000']] });
  });
  test('a best bid moves through the old best offer where the same update removes that', async () => {
    expect(await results([snapshot, delta({ bids: [['10.05', '1']], asks: [['10.05', '0']] })])).toEqual([1, 2]);
  });
  test('a book whose best bid is at its best offer is locked, not crossed', async () => {
    expect(await results([snapshot, delta({ bids: [['10.05', '1']] })])).toEqual([1, 2]);
  });
  test.each(['live', 'crossed', 'halted', 'source-down'])('the status %s', async (status) => {
    expect(await results([{ type: 'status', symbol: 'A', status, reason: 'because' }])).toEqual([1]);
  });
});

describe('MessagePack', () => {
  const packed = (...values: unknown[]) => Buffer.concat(values.map((value) => pack(value)));

  test('has decimal strings, or integers as mantissas at the scale of the instrument', async () => {
    const item = { type: 'snapshot', symbol: 'A', bids: [[1_000, 1_500]], asks: [['10.05', 20]] };
    const { status, body } = await publish(gateway, packed(item), MSGPACK);
    expect([status, body.seq]).toEqual([200, 1]);
    expect((await ask(gateway, '/v1/book/A')).body).toMatchObject({
      bids: [['10.00', '1.500']],
      asks: [['10.05', '0.020']],
    });
  });
  test('takes a list, and items back to back, as a batch', async () => {
    expect(await results(packed([trade(), trade()]), MSGPACK)).toEqual([1, 2]);
    expect(await results(packed(trade(), 7, trade()), MSGPACK)).toEqual([3, 'bad-request', 4]);
  });
  test.each(['application/msgpack', 'application/x-msgpack', 'application/vnd.msgpack', 'application/msgpack; v=1'])(
    'is announced as %s',
    async (type) => {
      expect((await publish(gateway, packed(trade()), { 'Content-Type': type })).status).toBe(200);
    },
  );
  test('is read as JSON where it is not announced', async () => {
    const { status, code } = await publish(gateway, packed(trade()));
    expect([status, code]).toEqual([400, 'bad-frame']);
  });

  /** {type: 'trade', symbol: 'A', size: 10, price: ...} with the price as these bytes. */
  const withPrice = (...price: number[]) => {
    const writer = new ByteWriter();
    writer.value({ type: 'trade', symbol: 'A', size: 10 });
    writer.string('price');
    writer.append(Uint8Array.from(price));
    writer.bytes[0] = 0x84;
    return writer.copy();
  };
  test('integers of every width are exact', async () => {
    const prices = [
      [0x0a],
      [0xcc, 0x0a],
      [0xcd, 0, 0x0a],
      [0xce, 0, 0, 0, 0x0a],
      [0xcf, 0, 0, 0, 0, 0, 0, 0, 0x0a],
      [0xd0, 0x0a],
      [0xd3, 0, 0, 0, 0, 0, 0, 0, 0x0a],
      [0xcb, 0x40, 0x24, 0, 0, 0, 0, 0, 0],
    ];
    for (const price of prices) expect((await publish(gateway, withPrice(...price), MSGPACK)).status).toBe(200);
    const { trades } = (await ask(gateway, '/v1/trades/A')).body as { trades: { price: string }[] };
    expect(trades.map(({ price }) => price)).toEqual(prices.map(() => '0.10'));
  });
  test('2^53 - 6, the last on tick, is exact', async () => {
    expect((await publish(gateway, withPrice(0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), MSGPACK)).status).toBe(
      200,
    );
    const { trades } = (await ask(gateway, '/v1/trades/A')).body as { trades: { price: string }[] };
    expect(trades[0]!.price).toBe('90071992547409.90');
  });
  test.each([
    ['2^53 as uint64', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 'out-of-range'],
    ['2^53 + 3 as uint64', [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 3], 'out-of-range'],
    ['2^64 - 1', [0xcf, 255, 255, 255, 255, 255, 255, 255, 255], 'out-of-range'],
    ['-2^63', [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], 'out-of-range'],
    ['2^53 as a float', [0xcb, 0x43, 0x40, 0, 0, 0, 0, 0, 0], 'out-of-range'],
    ['1e300', [0xcb, 0x7e, 0x37, 0xe4, 0x3c, 0x88, 0, 0x75, 0x9c], 'out-of-range'],
    ['0.5', [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0], 'bad-price'],
    ['NaN', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], 'bad-request'],
    ['infinity', [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], 'bad-request'],
    ['a float32 NaN', [0xca, 0x7f, 0xc0, 0, 0], 'bad-request'],
    ['nil', [0xc0], 'bad-request'],
    ['true', [0xc3], 'bad-request'],
    ['a timestamp', [0xd6, 0xff, 0, 0, 0, 1], 'bad-frame'],
    ['a fixext of a type of its own', [0xd4, 1, 0], 'bad-frame'],
    ['a binary', [0xc4, 1, 0], 'bad-frame'],
    ['0xc1', [0xc1], 'bad-frame'],
    ['half a value', [0xcf, 0, 0], 'bad-frame'],
    ['an array of 2^32 - 1', [0xdd, 255, 255, 255, 255], 'bad-frame'],
    ['a string that is no UTF-8', [0xa2, 0xc3, 0x28], 'bad-frame'],
  ])('a price of %s is refused', async (_, bytes, code) => {
    const before = await everything(gateway);
    const answer = await publish(gateway, withPrice(...bytes), MSGPACK);
    expect(answer.code).toBe(code);
    expect(answer.status).toBe(ERRORS[code as ErrorCode].http);
    expect(await everything(gateway)).toEqual(before);
  });
  test('a number beyond 2^53 is refused in every other field too', async () => {
    const big = BigInt(TOO_BIG);
    const items = [
      trade({ size: big }),
      trade({ id: big }),
      trade({ exchangeUs: big }),
      delta({ bids: [[big, 1]] }),
      delta({ bids: [['10', big]] }),
      { type: 'quote', symbol: 'FX', bidPrice: big, askPrice: null },
    ];
    const refused = await results(packed(items), MSGPACK);
    expect(refused).toEqual([
      'out-of-range',
      'bad-request',
      'bad-request',
      'out-of-range',
      'out-of-range',
      'out-of-range',
    ]);
    expect(await results(packed([{ ...snapshot, symbol: 'SPREAD', bids: [['1', '1', big]] }]), MSGPACK)).toEqual([
      'bad-request',
    ]);
  });
  test('an empty body is no MessagePack', async () => {
    expect((await publish(gateway, Buffer.alloc(0), MSGPACK)).code).toBe('bad-frame');
  });
});

describe('hints', () => {
  const messageOf = async (item: object) => ((await publish(gateway, item)).body.error as { message: string }).message;

  test('a JSON number is answered with the string that should be sent', async () => {
    expect(await messageOf(trade({ price: 10.05 }))).toContain('in JSON a decimal is a string, "10.05"');
  });
  test('a field at fault is named', async () => {
    expect(await messageOf(trade({ side: 'both' }))).toContain('side');
    expect(await messageOf(delta({ bids: [['10', '1'], ['10']] }))).toContain('bids/1');
  });
});

describe('limits', () => {
  test('a body over the limit is refused with its code, announced or not, and the connection goes on', async () => {
    const small = startGateway({ publishBytesMax: 1_024 }, SYMBOLS);
    const body = JSON.stringify(trade({ id: 'x'.repeat(2_000) }));
    const announced = await publish(small, body);
    const streamed = await publish(small, body, { 'Transfer-Encoding': 'chunked' });
    for (const { status, code } of [announced, streamed]) expect([status, code]).toEqual([413, 'too-large']);
    expect((await ask(small, '/v1/trades/A')).body.seq).toBe(0);
  });
  test('a body of just the limit is taken', async () => {
    const small = startGateway({ publishBytesMax: 1_024 }, SYMBOLS);
    const body = JSON.stringify(trade()).padEnd(1_024, ' ');
    expect((await publish(small, body)).status).toBe(200);
    expect((await publish(small, body, { 'Transfer-Encoding': 'chunked' })).status).toBe(200);
    expect((await publish(small, `${body} `, { 'Transfer-Encoding': 'chunked' })).code).toBe('too-large');
  });
  test('a batch over the limit is refused as a whole', async () => {
    const small = startGateway({ publishItemsMax: 2 }, SYMBOLS);
    expect((await publish(small, [trade(), trade(), trade()])).code).toBe('too-large');
    expect((await ask(small, '/v1/trades/A')).body.seq).toBe(0);
    expect((await publish(small, [trade(), trade()])).status).toBe(200);
  });
  test('a book of 20,000 levels goes in and comes out', async () => {
    const bids = Array.from({ length: 10_000 }, (_, i) => [`${(20_000 - i) / 100}`, `${i + 1}`]);
    const asks = Array.from({ length: 10_000 }, (_, i) => [`${(20_001 + i) / 100}`, `${i + 1}`]);
    expect((await publish(gateway, { type: 'snapshot', symbol: 'FINE', bids, asks })).status).toBe(200);
    const { body } = await ask(gateway, '/v1/book/FINE');
    expect((body.bids as string[][]).length + (body.asks as string[][]).length).toBe(20_000);
    expect((body.bids as string[][])[0]).toEqual(['200.00', '1']);
  });
});
