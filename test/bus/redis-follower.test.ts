// Holds a follower whose first look at its topic fails to the promise of the bus: what was loaded meanwhile is not taken for its beginning.

import { expect, onTestFinished, test } from 'vitest';
import type { Entry } from '../../src/bus/bus.ts';
import { RedisLink } from '../../src/bus/redis-link.ts';
import { type RedisArgument, RedisFailure, type RedisReply, type RedisScript } from '../../src/ports/redis.ts';
import { startBus, until } from '../redis/bus.ts';
import { redisForTests } from '../redis/server.ts';
import { define } from '../simulation/venue.ts';

/** Refuses the first look at a topic's head, as a Redis without memory does, and answers the next ones once `letThrough` was called. */
class RefusingLink extends RedisLink {
  refused = 0;
  letThrough = (): void => {};
  private readonly opened = new Promise<void>((resolve) => {
    this.letThrough = resolve;
  });

  override async call(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<RedisReply> {
    if (script === 'load' && args.includes('head')) {
      if (this.refused === 0) {
        this.refused += 1;
        throw new RedisFailure('refused', 'OOM command not allowed');
      }
      await this.opened;
    }
    return super.call(script, keys, args);
  }
}

test('a state that was loaded before the follower could begin is loaded again', async () => {
  const redis = await redisForTests();
  const port = new RefusingLink({ url: redis.url, onTrouble: () => {} });
  const { bus, instruments, settle, close } = await startBus({ url: redis.url, prefix: redis.prefix, port });
  onTestFinished(async () => {
    await close();
    await redis.close();
  });
  instruments.put(define({ symbol: 'A', priceScale: 0, sizeScale: 0 }));
  const heard: Entry[] = [];
  let losses = 0;
  bus.subscribe('trade', 'A', {
    entry: (entry) => heard.push(entry),
    epoch: () => {},
    lost: () => {
      losses += 1;
    },
    doubt: () => {},
  });
  const trade = { kind: 'trade', id: null, tradeKind: 'trade', side: 'buy', price: 1, size: 1 } as const;
  const { seq } = await bus.load('trade', 'A');
  await bus.publish([{ symbol: 'A', update: trade, exchangeUs: null }]);
  port.letThrough();
  await until(() => bus.settled);
  await settle();
  expect({ seq, refused: port.refused }).toEqual({ seq: 0, refused: 1 });
  // It missed the first trade, and says so.
  expect({ losses, heard: heard.length }).toEqual({ losses: 1, heard: 0 });
});
