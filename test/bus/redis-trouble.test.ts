// Holds the Redis bus to its word in troubles that need exact timing: on the simulated Redis, whose scripts are held against the real
// ones in redis-script.test.ts.

import { expect, test } from 'vitest';
import type { BusListener, Published } from '../../src/bus/bus.ts';
import { RedisBus } from '../../src/bus/redis.ts';
import { Instruments } from '../../src/market/instrument.ts';
import type { Update } from '../../src/market/update.ts';
import { Kernel, Random } from '../simulation/kernel.ts';
import { SimulatedRedis } from '../simulation/redis.ts';
import type { SimulatedPort } from '../simulation/redis-port.ts';
import { define } from '../simulation/venue.ts';

const INSTRUMENT = define({ symbol: 'X', priceScale: 2, sizeScale: 0, quoteSource: 'published' });
const RESCALED = { ...INSTRUMENT, priceScale: 3 };
const SNAPSHOT: Update = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] };
const TRADE: Update = { kind: 'trade', id: 1, tradeKind: 'trade', side: 'buy', price: 100, size: 1 };

class Trial {
  readonly kernel = new Kernel();
  /** Called when something was sequenced, before anybody is told. */
  onSequenced = (): void => {};
  sequenced = 0;
  readonly server = new SimulatedRedis(this.kernel, {
    sequenced: () => {
      this.sequenced += 1;
      this.onSequenced();
    },
    began: () => {},
    restored: () => {},
  });
  private epochs = 0;

  /** A process; `news` resolves when it knows of instruments what the others know. */
  async start(
    news: Promise<void> | null = null,
  ): Promise<{ bus: RedisBus; port: SimulatedPort; instruments: Instruments }> {
    const port = this.server.connect(new Random(++this.epochs), 0);
    const instruments = new Instruments();
    instruments.put(INSTRUMENT);
    const bus = new RedisBus({
      port,
      clock: this.kernel,
      timers: this.kernel,
      instruments,
      newEpoch: () => (this.epochs += 1_000),
      prefix: 'trial',
      logEntriesMax: 100,
      tombstonesMax: 100,
      publishRetryMs: 5_000,
      onError: () => {},
      ...(news === null ? {} : { instrumentNews: { isForeign: () => true, settle: () => news } }),
    });
    bus.open();
    await this.kernel.advance(1_000);
    return { bus, port, instruments };
  }

  /** What a call comes to while time passes. */
  async within<T>(ms: number, call: Promise<T>): Promise<T | 'nothing'> {
    let outcome: T | 'nothing' = 'nothing';
    const done = call.then(
      (value) => {
        outcome = value;
      },
      () => {},
    );
    this.kernel.promiseSettled();
    await this.kernel.advance(ms);
    if (outcome !== 'nothing') await done;
    return outcome;
  }
}

function listener(heard: string[]): BusListener {
  return {
    entry: ({ seq }) => heard.push(`entry ${seq}`),
    epoch: () => heard.push('epoch'),
    lost: () => heard.push('lost'),
    doubt: (doubted) => heard.push(`doubt ${doubted}`),
  };
}

test('what was refused when it was sent again may have been published the first time, and the answer says so', async () => {
  const trial = new Trial();
  const { bus, port } = await trial.start();
  // It is done, and the answer is lost with a server that is another one when it is back.
  trial.onSequenced = () => {
    trial.kernel.after(0, () => {
      port.cutCalls('cut');
      trial.server.restart('with data', 10);
    });
  };
  const publications = [{ symbol: 'X', update: TRADE, exchangeUs: null }];
  const answers = (await trial.within(2_000, bus.publish(publications))) as Published[];
  expect(trial.sequenced).toBe(1);
  expect(answers[0]).toMatchObject({ refused: { code: 'bus-down' } });
  expect((answers[0] as { refused: { message: string } }).refused.message).toContain('it may have been published');
});

test('a doubt that ended while Redis was away is taken back when it has returned', async () => {
  const trial = new Trial();
  const { bus } = await trial.start();
  const heard: string[] = [];
  bus.subscribe('quote', 'X', listener(heard));
  await trial.kernel.advance(100);
  bus.doubt('X', true);
  trial.kernel.promiseSettled();
  await trial.kernel.advance(100);
  expect(heard).toEqual(['doubt true']);
  trial.server.restart('with data', 500);
  bus.doubt('X', false);
  await trial.kernel.advance(3_000);
  expect(heard.at(-1)).toBe('doubt false');
});

test('with new scales what is known is void at once, not when the next epoch is heard of', async () => {
  const trial = new Trial();
  const { bus, instruments } = await trial.start();
  const heard: string[] = [];
  bus.subscribe('book', 'X', listener(heard));
  await trial.within(100, bus.publish([{ symbol: 'X', update: SNAPSHOT, exchangeUs: null }]));
  expect(heard).toEqual(['entry 1']);
  instruments.put(RESCALED);
  expect(heard).toEqual(['entry 1', 'epoch']);
});

test('new scales that come before the first look at a topic has been answered leave nobody in an epoch that is not followed', async () => {
  const trial = new Trial();
  const { bus, instruments } = await trial.start();
  const heard: string[] = [];
  bus.subscribe('book', 'X', listener(heard));
  instruments.put(RESCALED);
  await trial.within(100, bus.publish([{ symbol: 'X', update: SNAPSHOT, exchangeUs: null }]));
  expect(heard).toEqual(['epoch', 'epoch', 'entry 1']);
});

test('a book of other scales than this node knows is neither loaded nor heard, until the node knows them', async () => {
  const trial = new Trial();
  let tell = (): void => {};
  const news = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const [ahead, behind] = [await trial.start(), await trial.start(news)];
  const heard: string[] = [];
  behind.bus.subscribe('book', 'X', listener(heard));
  await trial.within(100, ahead.bus.publish([{ symbol: 'X', update: SNAPSHOT, exchangeUs: null }]));
  ahead.instruments.put(RESCALED);
  await trial.within(100, ahead.bus.publish([{ symbol: 'X', update: SNAPSHOT, exchangeUs: null }]));
  expect(trial.sequenced).toBe(2);
  expect(await trial.within(1_000, behind.bus.load('book', 'X'))).toBe('nothing');
  expect(heard).toEqual(['entry 1', 'doubt true']);
  behind.instruments.put(RESCALED);
  tell();
  expect(await trial.within(1_000, behind.bus.load('book', 'X'))).toMatchObject({ seq: 1 });
  expect(heard.slice(2)).toEqual(['epoch', 'epoch', 'entry 1', 'doubt false']);
});

test('a message that is held is a copy: what was lent may be something else by then', async () => {
  const trial = new Trial();
  const { bus } = await trial.start();
  const heard: string[] = [];
  bus.subscribe('trade', 'X', listener(heard));
  trial.server.carriage.swapped = 1;
  await trial.kernel.advance(100);
  const publications = Array.from({ length: 6 }, () => ({ symbol: 'X', update: TRADE, exchangeUs: null }));
  await trial.within(500, bus.publish(publications));
  expect(heard).toEqual([1, 2, 3, 4, 5, 6].map((seq) => `entry ${seq}`));
  expect(bus.counters.followers.holes).toBeGreaterThan(0);
});
