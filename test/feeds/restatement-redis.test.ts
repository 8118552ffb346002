// Holds the synthetic market to bringing its books back by itself when a real Redis loses them or is gone: another node that reads
// what is stored there then has, book by book, what the market has.

import { afterEach, describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import { Book } from '../../src/market/book.ts';
import { defineInstrument, type Instrument } from '../../src/market/instrument.ts';
import { LEVEL_STRIDE } from '../../src/market/update.ts';
import { systemTimers } from '../../src/ports/clock.ts';
import { type StartedBus, startBus } from '../redis/bus.ts';
import { type RedisServer, startRedis } from '../redis/server.ts';

const SYMBOLS = 40;

/** A market that is published on one node, and another node that reads. */
class Scene {
  readonly market = new SyntheticMarket({ seed: 5, symbols: syntheticSymbols(SYMBOLS, 5) });
  private readonly ingest: Ingest;

  private constructor(
    readonly redis: RedisServer,
    private readonly writer: StartedBus,
    private readonly reader: StartedBus,
  ) {
    this.ingest = new Ingest({ instruments: writer.instruments, bus: writer.bus }, undefined, {
      restate: (symbol) => this.market.book(symbol),
      timers: systemTimers,
    });
  }

  static async open(persistent = false): Promise<Scene> {
    const redis = await startRedis({ persistent });
    const wishes = { url: redis.url, prefix: 'restatement' };
    const scene = new Scene(redis, await startBus(wishes), await startBus(wishes));
    scenes.push(scene);
    const { market, ingest, reader } = scene;
    const listed = market.instruments().map((definition): FeedEvent => ({ kind: 'instrument', definition }));
    for (const definition of market.instruments()) reader.instruments.put(defineInstrument(definition) as Instrument);
    await ingest.messages([listed, market.snapshots(1)]);
    await scene.step();
    expect(await scene.wrongBooks()).toEqual([]);
    return scene;
  }

  get restated(): number {
    return this.ingest.restated;
  }

  get refused(): Readonly<Record<string, number>> {
    return this.ingest.refused();
  }

  async step(): Promise<void> {
    await this.ingest.messages(Array.from({ length: 10 }, () => this.market.step(1)));
    // A bus that is gone answers within the turn; the connection is made in others.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** What happens goes on happening, until the other node has all of it. */
  async recovered(): Promise<void> {
    do await this.step();
    while ((await this.wrongBooks()).length > 0);
  }

  async wrongBooks(): Promise<string[]> {
    const wrong: string[] = [];
    for (const { symbol } of this.market.instruments()) {
      const levels = { stride: LEVEL_STRIDE, bids: [], asks: [] };
      const state = await this.reader.bus.load('book', symbol).catch(() => null);
      if (state?.book != null) Book.load(state.book).top(0, levels);
      const { bids, asks } = this.market.book(symbol)!;
      if (JSON.stringify([bids, asks]) !== JSON.stringify([levels.bids, levels.asks])) wrong.push(symbol);
    }
    return wrong;
  }

  async close(): Promise<void> {
    this.ingest.stop();
    await this.writer.close();
    await this.reader.close();
    await this.redis.close();
    expect([...this.writer.errors, ...this.reader.errors]).toEqual([]);
  }
}

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close();
});

describe('the books of a market are all back', () => {
  test('after FLUSHALL', async () => {
    const scene = await Scene.open();
    await scene.redis.command('FLUSHALL');
    expect(await scene.wrongBooks()).toHaveLength(SYMBOLS);
    await scene.recovered();
    expect(scene.restated).toBeGreaterThanOrEqual(SYMBOLS);
  });

  test.each([
    ['without its data', false],
    ['with its data', true],
  ])('after a Redis that was killed came back %s', async (_, persistent) => {
    const scene = await Scene.open(persistent);
    await scene.redis.kill();
    while (Object.keys(scene.refused).length === 0) await scene.step();
    await scene.redis.restart();
    await scene.recovered();
  });

  test('after a Redis that did not answer goes on', async () => {
    const scene = await Scene.open();
    scene.redis.pause();
    while (Object.keys(scene.refused).length === 0) await scene.step();
    scene.redis.resume();
    await scene.recovered();
    expect(scene.restated).toBeGreaterThan(0);
  });

  test('without a single one being stated anew where nothing was lost', async () => {
    const scene = await Scene.open();
    for (let round = 0; round < 20; round++) await scene.step();
    expect(await scene.wrongBooks()).toEqual([]);
    expect([scene.restated, scene.refused]).toEqual([0, {}]);
  });
});
