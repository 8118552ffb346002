// Holds the Redis bus to its word in troubles that need exact timing: on the simulated Redis, whose scripts are held against the real
// ones in redis-script.test.ts.

import { expect, test } from 'vitest';
import type { BusListener, Published } from '../../src/bus/bus.ts';
import { RedisBus } from '../../src/bus/redis.ts';
import { encodeUpdate } from '../../src/bus/redis-entry.ts';
import { Instruments } from '../../src/market/instrument.ts';
import type { SideReader } from '../../src/market/side.ts';
import type { Trade, Update, UpdateChannel } from '../../src/market/update.ts';
import { ByteWriter } from '../../src/protocol/writer.ts';
import type { BookTopic } from '../../src/topics/book-topic.ts';
import { Flush } from '../../src/topics/flush.ts';
import { Topics } from '../../src/topics/topics.ts';
import { Kernel, Random } from '../simulation/kernel.ts';
import { SimulatedRedis } from '../simulation/redis.ts';
import type { SimulatedPort } from '../simulation/redis-port.ts';
import { define } from '../simulation/venue.ts';

const INSTRUMENT = define({ symbol: 'X', priceScale: 2, sizeScale: 0, quoteSource: 'published' });
const RESCALED = { ...INSTRUMENT, priceScale: 3 };
const SNAPSHOT: Update = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] };
const DELTA: Update = { kind: 'delta', bids: [99, 1, 0], asks: [] };
const TRADE: Trade = { kind: 'trade', id: 1, tradeKind: 'trade', side: 'buy', price: 100, size: 1 };

/** Ids of trades, or prices, that only the server before had, and from the second on those that the next one took. */
const [OLD, NEW] = [10, 20];
const SPLITS = 2_000;
const LOG_ENTRIES = 4;

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
  private epochs: number;

  constructor(seed = 0) {
    this.epochs = seed;
  }

  /** A call of a script by somebody who knows of no server's id. */
  callPast(script: 'load' | 'publish', channel: UpdateChannel, ...updates: Update[]): void {
    this.epochs += 1_000;
    const nonce = this.epochs;
    const topic = `trial:{${channel}:X}`;
    const encoded = updates.flatMap((update) => ['', encodeUpdate(new ByteWriter(), update, null)]);
    const args =
      script === 'load' ? [nonce, '', '', 'head', 0] : [nonce, nonce, '', '', '', '', LOG_ENTRIES, '', ...encoded];
    this.server.run(script, [topic, `${topic}:log`, `${topic}:base`, `${topic}:keys`], [1, ...args]);
  }

  /** A process; `news` resolves when it knows of instruments what the others know. */
  async start(
    news: Promise<void> | null = null,
    delayMsMax = 0,
  ): Promise<{ bus: RedisBus; port: SimulatedPort; instruments: Instruments }> {
    const port = this.server.connect(new Random(++this.epochs), delayMsMax);
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

function tradeOf(id: number): Trade {
  return { ...TRADE, id };
}

/** Adds a bid of this price. */
function levelOf(price: number): Update {
  return { kind: 'delta', bids: [price, 1, 0], asks: [] };
}

function pricesOf(side: SideReader): number[] {
  return Array.from({ length: side.count }, (_, index) => side.priceAt(index));
}

/** Whether there are some that only the server before had, and some that only the next one took. */
function isMixed(ids: readonly number[]): boolean {
  return ids.some((id) => id >= OLD && id < NEW) && ids.some((id) => id >= NEW);
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

test('a delta does not follow a snapshot that was refused since Redis was restarted, whoever else has published one since', async () => {
  const trial = new Trial();
  const [{ bus }, other] = [await trial.start(), await trial.start()];
  const publish = (by: RedisBus, update: Update): Promise<unknown> =>
    trial.within(20, by.publish([{ symbol: 'X', update, exchangeUs: null }]));
  await publish(bus, SNAPSHOT);
  trial.server.restart('with data', 10);
  await trial.kernel.advance(1_000);
  expect(await publish(bus, SNAPSHOT)).toMatchObject([{ refused: { code: 'bus-down' } }]);
  expect(await publish(other.bus, SNAPSHOT)).toMatchObject([{ seq: 1 }]);
  expect(await publish(bus, DELTA)).toMatchObject([{ refused: { code: 'needs-snapshot' } }]);
  expect(await publish(bus, SNAPSHOT)).toMatchObject([{ seq: 2 }]);
  expect(await publish(bus, DELTA)).toMatchObject([{ seq: 3 }]);
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

test('where a replica goes on with an epoch, its updates are never heard after those that only the server before had, nor these after its own', async () => {
  const mixed: string[] = [];
  let [conflicts, late] = [0, 0];
  for (let seed = 1; seed <= SPLITS; seed++) {
    const trial = new Trial(seed);
    const { kernel, server } = trial;
    const random = new Random(seed, 1);
    const { bus } = await trial.start(null, random.pick([0, 5, 30]));
    trial.callPast('load', 'trade');
    trial.callPast('publish', 'trade', tradeOf(1));
    server.replicate();
    /** Ids up to the next word of an epoch or a loss. */
    let heard: number[] = [];
    const restart = (): void => {
      heard = [];
    };
    bus.subscribe('trade', 'X', {
      entry: ({ update }) => {
        const id = Number((update as Trade).id);
        heard.push(id);
        if (isMixed(heard)) mixed.push(`seed ${seed}: ${heard}`);
      },
      epoch: restart,
      lost: restart,
      doubt: () => {},
    });
    await kernel.advance(random.between(0, 60));
    server.carriage.lost = 0.5;
    for (let i = random.between(1, 6); i > 0; i--) {
      trial.callPast('publish', 'trade', tradeOf(OLD + i));
      if (random.chance(0.5)) await kernel.advance(1);
    }
    server.restart('lagging replica', 1, random.pick([0, 20, 300]));
    await kernel.advance(1);
    for (let i = random.between(1, 9); i > 0; i--) {
      trial.callPast('publish', 'trade', tradeOf(NEW + i));
      await kernel.advance(random.between(0, 20));
    }
    server.carriage.lost = 0;
    await kernel.advance(3_000);
    // A look at the topic may be under way.
    for (let leftMs = 100; !bus.settled && leftMs > 0; leftMs--) await kernel.advance(1);
    expect(bus.settled).toBe(true);
    conflicts += bus.counters.followers.conflicts;
    late += server.counters.channelsLingered;
    bus.close();
  }
  expect(mixed).toEqual([]);
  expect(conflicts).toBeGreaterThan(0);
  expect(late).toBeGreaterThan(0);
});

test('a book that is loaded while a replica takes over is never of two ends', async () => {
  const mixed: string[] = [];
  const shown = { old: 0, next: 0 };
  for (let seed = 1; seed <= SPLITS; seed++) {
    const trial = new Trial(seed);
    const { kernel, server } = trial;
    const random = new Random(seed, 2);
    const { bus, instruments } = await trial.start(null, random.pick([0, 5, 30]));
    const base = { clock: kernel, timers: kernel };
    const flush = new Flush({ ...base, demand: () => 0 });
    const times = { graceMs: 1_000, staleAfterMs: 60_000, sourceDownAfterMs: 60_000 };
    const topics = new Topics({ ...base, ...times, bus, instruments, flush, onError: () => {} });
    trial.callPast('load', 'book');
    trial.callPast('publish', 'book', { ...SNAPSHOT, bids: [1, 1, 0] });
    server.replicate();
    let topic: BookTopic | null = null;
    const step = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left--) {
        await kernel.advance(1);
        const prices = topic === null ? [] : pricesOf(topic.book.sides[0]!);
        if (prices.some((price) => price > OLD && price < NEW)) shown.old += 1;
        if (prices.some((price) => price > NEW)) shown.next += 1;
        if (isMixed(prices)) mixed.push(`seed ${seed}: ${prices}`);
      }
    };
    const openAt = random.between(0, 6);
    server.carriage.lost = random.pick([0, 0.5]);
    for (let i = 0; i < 8; i++) {
      if (i === openAt) topic = topics.acquire('book', 'X') as BookTopic;
      else trial.callPast('publish', 'book', levelOf(OLD + 1 + i));
      await step(random.between(0, 10));
    }
    server.restart('lagging replica', 1, random.pick([0, 20, 300]));
    await step(1);
    for (let i = random.between(1, 9); i > 0; i--) {
      trial.callPast('publish', 'book', levelOf(NEW + i));
      await step(random.between(0, 20));
    }
    server.carriage.lost = 0;
    await step(1_500);
    topics.shutDown();
    bus.close();
  }
  expect(mixed).toEqual([]);
  expect(shown.old).toBeGreaterThan(SPLITS);
  expect(shown.next).toBeGreaterThan(SPLITS);
});
