// Holds named sets, wildcards and grouped books to what they promise at the public port.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { ask, publish, startGateway, stopAll } from './harness.ts';
import { StreamClient } from './streamclient.ts';

const X = { symbol: 'X', priceScale: 1, sizeScale: 0 };
const SNAPSHOT = {
  type: 'snapshot',
  symbol: 'X',
  bids: [
    ['10.0', '5'],
    ['9.9', '3'],
  ],
  asks: [['10.1', '7']],
};

let gateway: Gateway;
beforeEach(() => {
  gateway = startGateway({}, [X]);
});
afterEach(() => stopAll());

function put(name: string, body: unknown, headers: Record<string, string> = {}) {
  return ask(gateway, `/v1/sets/${name}`, { method: 'PUT', body: JSON.stringify(body), headers });
}

describe('sets', () => {
  test('are put, listed by name, looked at and deleted', async () => {
    expect(await put('majors', { symbols: ['X', 'ETH-*'] })).toMatchObject({
      status: 200,
      body: { name: 'majors', symbols: ['X', 'ETH-*'] },
    });
    await put('all', { symbols: ['*'] });
    const { body } = await ask(gateway, '/v1/sets');
    expect(body).toEqual({
      sets: [
        { name: 'all', symbols: ['*'] },
        { name: 'majors', symbols: ['X', 'ETH-*'] },
      ],
    });
    expect((await ask(gateway, '/v1/sets/majors')).body).toEqual({ name: 'majors', symbols: ['X', 'ETH-*'] });
    expect(await ask(gateway, '/v1/sets/all', { method: 'DELETE' })).toMatchObject({ body: { deleted: true } });
    expect(await ask(gateway, '/v1/sets/all')).toMatchObject({ status: 404, body: { error: { code: 'unknown-set' } } });
  });

  test('that cannot be are refused with what is wrong', async () => {
    for (const body of [{}, { symbols: 'X' }, { symbols: ['a b'] }, { symbols: [], more: 1 }, []]) {
      expect(await put('s', body)).toMatchObject({ status: 400, body: { error: { code: 'bad-set' } } });
    }
    expect(await put('no%20name', { symbols: [] })).toMatchObject({ status: 400 });
    expect((await ask(gateway, '/v1/sets')).body).toEqual({ sets: [] });
  });

  test('can be written by no web page of another site', async () => {
    expect((await put('s', { symbols: ['X'] }, { origin: 'https://elsewhere.example' })).status).toBe(401);
    const headers = { origin: 'https://elsewhere.example' };
    expect((await ask(gateway, '/v1/sets/s', { method: 'DELETE', headers })).status).toBe(401);
  });

  test('bring their symbols to a client, and a listing that they describe', async () => {
    await put('all', { symbols: ['*'] });
    const client = await StreamClient.connect(gateway);
    client.stream.subscribe('book', ['@all']);
    await client.client.settled();
    gateway.instruments.put({ ...gateway.instruments.get('X')!, symbol: 'Y' });
    await client.until(() => client.stream.find('book', 'Y') !== undefined, 'the topic of Y');
    expect(client.stream.find('book', 'X')).toBeDefined();
  });
});

describe('a grouped book', () => {
  test('is at its HTTP address what it is on the stream, a cursor included', async () => {
    await publish(gateway, SNAPSHOT);
    const { body } = await ask(gateway, '/v1/book/X?group=10&depth=1');
    expect(body).toMatchObject({ group: 10, depth: 1, bids: [['10.0', '5']], asks: [['11.0', '7']] });
    const client = await StreamClient.connect(gateway);
    client.stream.subscribe('book', ['X'], { group: 10, depth: 1 });
    await client.until(() => client.stream.find('book', 'X', 10)?.valid === true, 'the grouped book');
    const held = client.stream.find('book', 'X', 10)!;
    expect([held.topic.epoch, held.seq, held.book!.checksum]).toEqual([body.epoch, body.seq, body.checksum]);
  });

  test.each(['-1', '1.5', 'x', '1000001', '99999999'])('of %s ticks is refused', async (group) => {
    const { status, body } = await ask(gateway, `/v1/book/X?group=${group}`);
    expect({ status, body }).toMatchObject({ status: 400, body: { error: { code: 'bad-group' } } });
  });
});
