// Exercises sessions with real gateways: who a client is, what it continues on the next connection, how it moves before a stop.

import { afterAll, expect, onTestFinished, test } from 'vitest';
import { portOf, publish, stopAll } from '../gateway/harness.ts';
import { startProxy } from '../redis/proxy.ts';
import { documentFile, EVERYTHING, keyFor } from '../sessions/access-scene.ts';
import { clientOf, delta, gatewayOf, next, published, snapshot } from './scene.ts';

afterAll(stopAll);

/** A gateway that only those with a key may enter, and a key that may read five levels and publish all. */
function guarded() {
  const { key, entry } = keyFor('desk', 'desk-7', 'reader');
  const reader = { subscribe: [{ channels: ['*'], symbols: ['*'], depth: 5 }], publish: EVERYTHING };
  const accessFile = documentFile({ roles: { reader }, keys: [entry] });
  return { gateway: gatewayOf({ accessFile, anonymous: 'off' }), key };
}

test('a client with a key is let in, told who it is, and given what it may', async () => {
  const { gateway, key } = guarded();
  const { status } = await publish(gateway, [snapshot('A')], { authorization: `Bearer ${key}` });
  expect(status).toBe(200);
  const client = clientOf(gateway.streamUrl, { credential: () => Promise.resolve(key) });
  const book = client.book('A');
  expect(await book.ready).toMatchObject({ seq: 1, depth: 5 });
  expect(book.inForce).toMatchObject({ depth: 5 });
  expect(client.identity).toEqual({ principal: 'desk-7', untilUs: null });
});

test.each([
  ['in a subprotocol', 'tw_desk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
  ['as a request', 'no key at all'],
])('a client whose credential is wrong, brought %s, ends with the gateway’s reason', async (_, credential) => {
  const { gateway } = guarded();
  const client = clientOf(gateway.streamUrl, { credential });
  await expect(client.book('A').ready).rejects.toMatchObject({ code: 'bad-credential' });
  expect(client.state).toBe('closed');
});

test('a client that comes back takes its session along: the connection that it left behind is closed', async () => {
  const gateway = gatewayOf();
  await published(gateway, snapshot('A'));
  const proxy = await startProxy(portOf(gateway));
  onTestFinished(() => proxy.close());
  const client = clientOf([`ws://127.0.0.1:${proxy.port}/v1/stream`, gateway.streamUrl]);
  await client.limit({ maxBytesPerSec: 1_000_000 });
  const book = client.book('A');
  await book.ready;
  // The gateway does not hear that the client has gone.
  proxy.swallow();
  const told = next(client, 'healed');
  const healed = next(client, 'heal');
  await published(gateway, delta('A', '9.99', '1'));
  client.cut();
  await healed;
  expect(await told).toEqual({ channel: 'book', symbol: 'A', how: 'diffed', why: 'cursor' });
  expect(book.current).toMatchObject({ seq: 2 });
  expect(book.counters).toMatchObject({ diffed: 1, resets: 0, resyncs: 0 });
  await client.request({ op: 'ping' });
  expect(gateway.connections.size).toBe(1);
});

test('a client moves to the next gateway while its own one stops, and is never without one', async () => {
  const [leaving, staying] = [gatewayOf({ drainMs: 20 }), gatewayOf()];
  for (const gateway of [leaving, staying]) await published(gateway, snapshot('A'));
  const client = clientOf([leaving.streamUrl, staying.streamUrl]);
  const book = client.book('A');
  await book.ready;
  const states: string[] = [];
  client.on('state', ({ state, endpoint }) => states.push(`${state} ${endpoint}`));
  const goodbye = next(client, 'goodbye');
  const healed = next(client, 'heal');
  const drained = leaving.drain();
  expect(await goodbye).toMatchObject({ reason: 'drain' });
  await healed;
  await drained;
  expect(states).toEqual([`open ${staying.streamUrl}`]);
  expect(book.current).toMatchObject({ seq: 1 });
});
