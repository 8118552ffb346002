// Holds publishing on a real Redis to its order: what follows a book's lost update is refused until a snapshot that came after it.

import { afterEach, expect, test } from 'vitest';
import type { Publication, Published } from '../../src/bus/bus.ts';
import { startBus } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { define } from '../simulation/venue.ts';

const UNANSWERED_MAX = 10_000;
const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

function of(kind: 'snapshot' | 'delta'): Publication {
  return { symbol: 'A', update: { kind, bids: [99, 1, 0], asks: [101, 1, 0] }, exchangeUs: null };
}

function codes(answers: readonly Published[]): Set<string> {
  return new Set(answers.map((answer) => ('refused' in answer ? answer.refused.code : 'accepted')));
}

test('a snapshot that was under way does not make good what was refused after it', async () => {
  const redis = await redisForTests();
  const { bus, instruments, close } = await startBus({ url: redis.url, prefix: redis.prefix });
  closing.push(redis, { close });
  instruments.put(define({ symbol: 'A', priceScale: 0, sizeScale: 0 }));
  const snapshot = bus.publish([of('snapshot')]);
  const tooMany = bus.publish(Array.from({ length: UNANSWERED_MAX }, () => of('delta')));
  expect(codes(await snapshot)).toEqual(new Set(['accepted']));
  expect(codes(await tooMany)).toEqual(new Set(['bus-down']));
  expect(codes(await bus.publish([of('delta')]))).toEqual(new Set(['needs-snapshot']));
  expect(codes(await bus.publish([of('snapshot'), of('delta')]))).toEqual(new Set(['accepted']));
  expect(codes(await bus.publish([of('delta')]))).toEqual(new Set(['accepted']));
});

test('a snapshot that was there before, by its key, does not make good what was refused since', async () => {
  const redis = await redisForTests();
  const { bus, instruments, close } = await startBus({ url: redis.url, prefix: redis.prefix });
  closing.push(redis, { close });
  instruments.put(define({ symbol: 'A', priceScale: 0, sizeScale: 0 }));
  const keyed: Publication = { ...of('snapshot'), key: 'once' };
  expect(await bus.publish([keyed])).toMatchObject([{ seq: 1 }]);
  await bus.publish(Array.from({ length: UNANSWERED_MAX + 1 }, () => of('delta')));
  expect(await bus.publish([keyed])).toMatchObject([{ seq: 1 }]);
  expect(codes(await bus.publish([of('delta')]))).toEqual(new Set(['needs-snapshot']));
});
