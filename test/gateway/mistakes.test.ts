// Holds what a mistake of our own costs: the one who met it is told, the log says where, and everybody else goes on.

import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Gateway } from '../../src/gateway/gateway.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { ask, list, publish, TestClient } from './harness.ts';

const mistake = () => {
  throw new Error('a planted mistake');
};

let gateway: Gateway;
let log: string[];
beforeEach(() => {
  log = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(chunk.toString());
      done();
    },
  });
  gateway = new Gateway(readSettings({ port: 0, adminPort: 0 }, {}), pino(stream));
  gateway.start();
  list(gateway, { symbol: 'A', priceScale: 0, sizeScale: 0 });
});
afterEach(() => {
  vi.restoreAllMocks();
  gateway.stop();
});

const mistakesLogged = () =>
  log.filter((line) => line.includes('"internal error"') && line.includes('a planted mistake'));

test('in a request of the stream: the client gets internal, and its connection goes on', async () => {
  const client = await TestClient.connect(gateway);
  vi.spyOn(gateway.topics, 'acquire').mockImplementationOnce(mistake);
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
  expect(await client.settled()).toMatchObject([{ type: 'error', id: null, code: 'internal' }]);
  expect(mistakesLogged()).toHaveLength(1);
  client.send({ op: 'subscribe', id: 2, channel: 'book', symbols: ['A'] });
  expect((await client.next('ack')).accepted).toHaveLength(1);
});

test('in an HTTP request: status 500 without a word of the inside, and the next one is answered', async () => {
  vi.spyOn(gateway.bus, 'load').mockImplementationOnce(mistake);
  const { status, code, text } = await ask(gateway, '/v1/book/A');
  expect([status, code]).toEqual([500, 'internal']);
  expect(text).not.toContain('planted');
  vi.spyOn(gateway.bus, 'publish').mockRejectedValueOnce(new Error('a planted mistake'));
  expect((await publish(gateway, { type: 'trade', symbol: 'A', price: '1', size: '1' })).status).toBe(500);
  expect(mistakesLogged()).toHaveLength(2);
  expect((await ask(gateway, '/v1/book/A')).status).toBe(200);
});

test('when a connection closes: it is forgotten all the same', async () => {
  const client = await TestClient.connect(gateway);
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
  await client.settled();
  vi.spyOn(gateway.topics, 'release').mockImplementationOnce(mistake);
  client.end();
  await expect.poll(mistakesLogged).toHaveLength(1);
  expect(gateway.connectionCount).toBe(0);
});

test('a topic that the bus fails to load is tried again, and meanwhile the client waits', async () => {
  const client = await TestClient.connect(gateway);
  vi.spyOn(gateway.bus, 'load').mockRejectedValueOnce(new Error('a planted mistake'));
  client.send({ op: 'subscribe', id: 1, channel: 'book', symbols: ['A'] });
  expect((await client.settled()).map(({ type }) => type)).toEqual(['ack']);
  await client.next('book');
  expect(mistakesLogged()).toHaveLength(1);
});
