// Holds plain publishing on Redis to its word: what is taken, what is refused and how the service learns of it, and what clients
// are told where something was lost.

import { pack } from 'msgpackr';
import { afterAll, describe, expect, test } from 'vitest';
import { ask, startGateway, stopAll } from './harness.ts';
import { bookAt, health, scene, seen, statsOf, subscribed } from './intake-scene.ts';

afterAll(stopAll);

const book = (bid: string, size = '1') => ({ type: 'snapshot', bids: [[bid, size]], asks: [['20.00', '1']] });
const delta = (bid: string, size: string) => ({ type: 'delta', bids: [[bid, size]] });
const from = (n: number, ...items: unknown[]) => ({ from: 'venue', n, items });

describe('what a service publishes plainly', () => {
  test('reaches a client: a quote, a trade, a whole book, and numbered deltas on it', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const quotes = await subscribed(node, 'quote', 'FX');
    await service.publish('FX', { type: 'quote', bidPrice: '1.0801', bidSize: '5', askPrice: '1.0802' });
    const [quote] = (await seen(quotes, (frame) => frame.type === 'quote' && frame.seq === 1)).slice(-1);
    expect(quote).toMatchObject({ bidPrice: 10_801, bidSize: 5, askPrice: 10_802 });
    const trades = await subscribed(node, 'trade', 'A');
    await service.publish('A', [{ type: 'trade', symbol: 'A', price: '10.05', size: '3', side: 'buy' }]);
    expect(await trades.next('trade')).toMatchObject({ seq: 1, price: 1_005, size: 3, side: 'buy' });
    const books = await subscribed(node, 'book', 'A');
    await service.publish('A', from(1, book('10.00')));
    await seen(books, bookAt(1));
    await service.publish('A', from(2, delta('10.05', '7'), delta('10.00', '0')));
    await seen(books, bookAt(3));
    await service.publish('A', book('11.00'));
    await seen(books, bookAt(4));
    expect(service.refused).toEqual([]);
    expect((await statsOf(node)).bus.intake).toMatchObject({ taking: true, items: 6, refused: 0, holes: 0 });
  });

  test('may be MessagePack, with integers at the scale of the instrument', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'trade', 'A');
    await service.publish('A', pack({ from: 'venue', n: 1, items: [{ type: 'trade', price: 1_005, size: 3 }] }));
    expect(await client.next('trade')).toMatchObject({ price: 1_005, size: 3 });
  });

  test('keeps its order and is taken once, however fast it comes', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'trade', 'A');
    const sizes = Array.from({ length: 500 }, (_, i) => i + 1);
    await Promise.all(sizes.map((size) => service.publish('A', { type: 'trade', price: '10.05', size: `${size}` })));
    const frames = await client.takeUntil((frame) => frame.type === 'trade' && frame.size === 500, 'the last trade');
    const trades = frames.flatMap((frame) => (frame.type === 'trade' ? [[frame.seq, frame.size]] : []));
    expect(trades).toEqual(sizes.map((size) => [size, size]));
  });

  test('goes nowhere where the gateway does not offer to take it, and PUBLISH says so', async () => {
    const { service, gateway } = await scene();
    const [willing, unwilling] = [gateway(), gateway({ plainPublish: 0 })];
    await service.heard();
    willing.stop();
    await service.redis.hdel(`${service.prefix}:{taker}`, 'heldUntilMs');
    await subscribed(unwilling, 'trade', 'A');
    expect(await service.publish('A', { type: 'trade', price: '10.05', size: '1' })).toBe(0);
    expect((await statsOf(unwilling)).bus.intake).toBeUndefined();
  });
});

describe('a book of which something was lost', () => {
  test('is announced as resync after a hole in the numbers, takes no deltas, and heals with a snapshot', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'book', 'A');
    await service.publish('A', from(1, book('10.00')));
    await service.publish('A', from(2, delta('10.00', '2')));
    await seen(client, bookAt(2));
    await service.publish('A', from(4, delta('10.00', '4'), { type: 'trade', price: '10.00', size: '1' }));
    await seen(client, health('resync'));
    expect(await service.refusal()).toMatchObject({
      channel: ':refused:A',
      code: 'needs-snapshot',
      from: 'venue',
      n: 4,
      item: 0,
      refused: 1,
    });
    await service.publish('A', from(5, delta('10.00', '5')));
    expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 5 });
    await service.publish('A', from(6, book('10.10'), delta('10.10', '6')));
    await seen(client, health('live'), bookAt(4));
    expect(service.refused).toEqual([]);
    const { bus, refusals } = await statsOf(node);
    expect(bus.intake).toMatchObject({ holes: 1, refused: 2, items: 5 });
    expect(refusals).toEqual({ 'needs-snapshot': 2 });
  });

  test.each([1, 2, 3])('is announced as resync where numbers go back from 3 to %i', async (n) => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'book', 'A');
    for (const each of [1, 2, 3])
      await service.publish('A', from(each, each === 1 ? book('10.00') : delta('10.00', '9')));
    await service.publish('A', from(n, delta('10.00', '4')));
    await seen(client, health('resync'));
    expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n });
    await service.publish('A', from(n + 1, book('10.10')));
    await seen(client, health('live'));
  });

  test('is announced where an item of it was refused: the next deltas do not build on what is missing', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'book', 'A');
    await service.publish('A', from(1, book('10.00'), delta('10.01', '1'), delta('10.00', '3')));
    await seen(client, health('resync'));
    expect(await service.refusal()).toMatchObject({ code: 'off-tick', n: 1, item: 1, refused: 2 });
    await service.publish('A', from(2, book('10.05')));
    await seen(client, health('live'));
  });

  test('is not touched by what another source leaves out, nor by its deltas', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'book', 'A');
    await service.publish('A', from(1, book('10.00')));
    for (const n of [1, 5]) await service.publish('A', { from: 'other', n, items: [delta('10.00', '3')] });
    expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', from: 'other', n: 1 });
    expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', from: 'other', n: 5 });
    await service.publish('A', from(2, delta('10.00', '8')));
    const frames = await seen(client, bookAt(2));
    expect(frames.filter(({ type }) => type === 'health')).toEqual([]);
    expect((await statsOf(node)).bus.intake).toMatchObject({ holes: 0 });
  });
});

describe('what is said of a symbol', () => {
  test('holds for its quotes as well, and they heal with the snapshot', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const quotes = await subscribed(node, 'quote', 'FX');
    await service.publish('FX', from(1, book('10.00'), { type: 'quote', bidPrice: '10.00', askPrice: '20.00' }));
    await service.publish('FX', from(3, delta('10.00', '3')));
    await seen(quotes, health('resync'));
    await service.publish('FX', from(4, book('10.10')));
    await seen(quotes, health('live'));
  });

  test('is resync where the bus did not take what its source sent: another publisher has the lease', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const client = await subscribed(node, 'book', 'A');
    await service.publish('A', from(1, book('10.00')));
    await seen(client, bookAt(1));
    const lease = { method: 'POST', body: { holder: 'other', ttlMs: 60_000 } };
    const { token } = (await ask(node, '/v1/leases/book/A', lease)).body;
    await service.publish('A', from(2, delta('10.00', '2')));
    expect(await service.refusal()).toMatchObject({ code: 'leased', n: 2 });
    await seen(client, health('resync'));
    await ask(node, `/v1/leases/book/A?token=${token}`, { method: 'DELETE' });
    await service.publish('A', from(3, delta('10.00', '3')));
    expect(await service.refusal()).toMatchObject({ code: 'needs-snapshot', n: 3 });
    await service.publish('A', from(4, book('10.10')));
    await seen(client, health('live'), bookAt(2));
  });

  test('is forgotten with the instrument', async () => {
    const { service, gateway } = await scene();
    const node = gateway();
    await service.heard();
    const sources = (): Promise<Record<string, string>> => service.redis.hgetall(`${service.prefix}:{taker}:sources`);
    await service.publish('A', book('10.00'));
    await service.publish('B', from(1, book('10.00')));
    while (Object.keys(await sources()).length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await sources()).toEqual({ A: '', B: 'venue' });
    await ask(node, '/v1/instruments/B', { method: 'DELETE' });
    while (Object.keys(await sources()).length > 1) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await sources()).toEqual({ A: '' });
  });
});

describe('what is wrong', () => {
  test('is refused on the channel of refusals, counted by code, and the gateway lives', async () => {
    const { service, gateway } = await scene();
    const node = gateway({ publishBytesMax: 2_048, publishItemsMax: 3 });
    await service.heard();
    const trade = { type: 'trade', price: '10.05', size: '1' };
    const wrong: readonly (readonly [string, unknown, object])[] = [
      ['A', '{"type":', { code: 'bad-frame' }],
      ['A', Buffer.from([0xc1, 0xff]), { code: 'bad-frame' }],
      ['A', Buffer.from('{"type":"\xff"}', 'latin1'), { code: 'bad-frame' }],
      ['A', '', { code: 'bad-frame' }],
      ['A', pack(17), { code: 'bad-frame' }],
      ['A', `[${'1,'.repeat(1_024)}1]`, { code: 'too-large' }],
      ['A', [trade, trade, trade, trade], { code: 'too-large' }],
      ['A', null, { code: 'bad-request' }],
      ['A', [null], { code: 'bad-request', item: 0, refused: 1 }],
      ['A', [['deep']], { code: 'bad-request' }],
      ['A', { items: 'none' }, { code: 'bad-request' }],
      ['A', { items: [], extra: 1 }, { code: 'bad-request' }],
      ['A', { n: 1, items: [trade] }, { code: 'bad-request' }],
      ['A', { from: '', n: 1, items: [trade] }, { code: 'bad-request' }],
      ['A', { from: 'venue', n: -1, items: [trade] }, { code: 'bad-request' }],
      ['A', { from: 'venue', n: 0.5, items: [trade] }, { code: 'bad-request' }],
      ['A', { ...trade, symbol: 'B' }, { code: 'bad-request' }],
      ['A', { ...trade, lease: 3 }, { code: 'bad-request' }],
      ['A', { ...trade, __proto__x: 3 }, { code: 'bad-request' }],
      ['A', { ...trade, price: 10.05 }, { code: 'bad-price' }],
      ['A', { ...trade, price: '10.001' }, { code: 'off-tick' }],
      ['A', delta('10.00', '1'), { code: 'bad-request' }],
      ['A', from(1, delta('10.00', '1')), { code: 'needs-snapshot', from: 'venue', n: 1 }],
      ['A', { type: 'quote', bidPrice: '10.00', askPrice: null }, { code: 'derived-channel' }],
      ['A', { type: 'status', status: 'resync' }, { code: 'bad-request' }],
      ['NOPE', trade, { code: 'unknown-symbol', channel: ':refused:NOPE' }],
    ];
    const counted: Record<string, number> = {};
    for (const [symbol, message, expected] of wrong) {
      expect(await service.publish(symbol, message)).toBe(1);
      const { code, action, ...rest } = await service.refusal();
      expect({ code, ...rest }, JSON.stringify(message)).toMatchObject(expected);
      expect(action).toMatch(/\S/);
      counted[code] = (counted[code] ?? 0) + 1;
    }
    // What can't be the name of a channel is counted only.
    for (const symbol of ['', 'A B', '*', 'x'.repeat(1_000)]) await service.publish(symbol, trade);
    const client = await subscribed(node, 'trade', 'A');
    await service.publish('A', from(2, trade));
    await client.next('trade');
    const { bus, refusals } = await statsOf(node);
    expect(refusals).toEqual({ ...counted, 'unknown-symbol': 5 });
    expect(bus.intake).toMatchObject({ items: 1, refused: wrong.length + 4 });
    expect(service.refused).toEqual([]);
  });

  test('of a message is told once, with the number of items that were refused', async () => {
    const { service, gateway } = await scene();
    gateway();
    await service.heard();
    await service.publish('A', [{ type: 'none' }, { type: 'trade', price: '10.00', size: '1' }, { type: 'none' }]);
    expect(await service.refusal()).toMatchObject({ code: 'bad-request', item: 0, refused: 2 });
    await service.publish('A', [null]);
    expect(await service.refusal()).toMatchObject({ refused: 1 });
  });
});

test('a gateway without Redis has no intake', async () => {
  expect((await statsOf(startGateway())).bus.intake).toBeUndefined();
});
