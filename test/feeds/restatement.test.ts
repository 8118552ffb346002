// Holds feeds to bringing their books back by themselves when the bus loses them or is gone, and to doing nothing else: no
// tick is sent twice, no book is touched that the bus has. The bus is the real one, behind one that fails.

import { describe, expect, test } from 'vitest';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest, type Ingested } from '../../src/feeds/ingest.ts';
import { Random } from '../../src/feeds/random.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { syntheticSymbols } from '../../src/feeds/synthetic-symbols.ts';
import type { BookSnapshot } from '../../src/market/update.ts';
import { FickleBus } from './fickle-bus.ts';
import { NaiveBook } from './naive.ts';

const listed = (market: SyntheticMarket): FeedEvent[] =>
  market.instruments().map((definition) => ({ kind: 'instrument', definition }));

/** A market of few symbols, its ingest, and the bus that fails; all books are there. */
class Scene {
  readonly target = new FickleBus();
  readonly told: string[] = [];
  readonly restated: string[] = [];
  readonly market: SyntheticMarket;
  readonly ingest: Ingest;

  private constructor(symbols: number, seed: number) {
    this.market = new SyntheticMarket({ seed, symbols: syntheticSymbols(symbols, seed) });
    const { target, market, told, restated } = this;
    this.ingest = new Ingest(target, (symbol, { code }) => told.push(`${symbol} ${code}`), {
      restate: (symbol) => market.book(symbol),
      timers: target.time,
      onRestated: (symbol) => restated.push(symbol),
    });
  }

  static async open(symbols = 4, seed = 3): Promise<Scene> {
    const scene = new Scene(symbols, seed);
    await scene.ingest.messages([listed(scene.market), scene.market.snapshots(1)]);
    return scene;
  }

  get symbols(): string[] {
    return this.market.instruments().map(({ symbol }) => symbol);
  }

  /** So many events of the market, in one batch. */
  step(count = 1): Promise<Ingested[]> {
    return this.ingest.messages(Array.from({ length: count }, () => this.market.step(2)));
  }

  /** Steps one by one until a symbol's book has changed. @returns what became of the last step. */
  async change(symbol: string): Promise<Ingested[]> {
    for (;;) {
      const done = await this.step();
      if (done.some(({ event }) => event.symbol === symbol && event.update.kind === 'delta')) return done;
    }
  }

  async wrongBooks(): Promise<string[]> {
    const wrong: string[] = [];
    for (const symbol of this.symbols) {
      if (JSON.stringify(await this.target.bookOf(symbol)) !== JSON.stringify(this.market.book(symbol)))
        wrong.push(symbol);
    }
    return wrong;
  }
}

const codes = (done: readonly Ingested[]) =>
  done.map(({ published }) => ('refused' in published ? published.refused.code : 'taken'));
const textOf = (book: NaiveBook) => JSON.stringify([book.sorted('bids'), book.sorted('asks')]);
const stateOf = (snapshot: BookSnapshot) => {
  const book = new NaiveBook();
  book.apply(snapshot);
  return textOf(book);
};
const A = { symbol: 'A', priceScale: 2, sizeScale: 0 };
const update = (what: Extract<FeedEvent, { kind: 'update' }>['update'], symbol = 'A'): FeedEvent => ({
  kind: 'update',
  symbol,
  update: what,
  exchangeUs: 7,
  checksum: null,
});
const BOOK: BookSnapshot = { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] };
const delta = (bids: readonly number[]): FeedEvent => update({ kind: 'delta', bids, asks: [] });

describe('a bus that has lost a book', () => {
  test('gets the whole of it at once, and the change has the place of that', async () => {
    const scene = await Scene.open();
    const [symbol = ''] = scene.symbols;
    scene.target.forget();
    const done = await scene.change(symbol);
    expect(new Set(codes(done))).toEqual(new Set(['taken']));
    const change = done.find(({ event }) => event.symbol === symbol && event.update.kind === 'delta')!;
    expect(change.published).toMatchObject({ seq: 1 });
    expect(scene.target.kinds(symbol).at(-1)).toBe('snapshot');
    expect(await scene.target.bookOf(symbol)).toEqual(scene.market.book(symbol));
    expect(scene.told).toEqual([]);
    expect(scene.ingest.refused()).toEqual({});
  });

  test('is asked after all others, so that those in which nothing happens come back too', async () => {
    const scene = await Scene.open();
    const [symbol = ''] = scene.symbols;
    scene.target.forget();
    await scene.change(symbol);
    expect(await scene.wrongBooks()).toEqual([]);
    expect([...new Set(scene.restated)].sort()).toEqual([...scene.symbols].sort());
    expect(scene.ingest.restated).toBe(scene.symbols.length);
  });

  test('gets none of the books that it has', async () => {
    const target = new FickleBus();
    const books = new Map([
      ['A', BOOK],
      ['B', BOOK],
    ]);
    const ingest = new Ingest(target, undefined, {
      restate: (symbol) => books.get(symbol) ?? null,
      timers: target.time,
    });
    const both = (what: BookSnapshot) => [update(what, 'A'), update(what, 'B')];
    await ingest.message([
      { kind: 'instrument', definition: A },
      { kind: 'instrument', definition: { ...A, symbol: 'B' } },
      ...both(BOOK),
    ]);
    const listing = target.instruments.get('A')!;
    target.instruments.delist('A');
    target.instruments.put(listing);
    await ingest.message([delta([99, 1, 0])]);
    expect(target.kinds('A')).toEqual(['snapshot', 'snapshot']);
    expect(target.kinds('B')).toEqual(['snapshot', 'delta']);
    expect(target.taken.at(-1)!.update).toEqual({ kind: 'delta', bids: [], asks: [] });
  });

  test('gets nothing of it that is in the book already, and everything that is newer', async () => {
    const scene = await Scene.open();
    scene.target.forget();
    const waiting = Array.from({ length: 40 }, () => scene.step(3));
    const done = (await Promise.all(waiting)).flat();
    for (const symbol of scene.symbols) {
      const places = done.filter(({ event }) => event.symbol === symbol && event.update.kind === 'delta');
      expect(places.length).toBeGreaterThan(1);
      expect(new Set(places.map(({ published }) => JSON.stringify(published))).size, symbol).toBe(1);
    }
    await scene.step(200);
    expect(await scene.wrongBooks()).toEqual([]);
  });

  test('gets the status with the book, and the time of its newest change', async () => {
    const scene = await Scene.open();
    const [symbol = ''] = scene.symbols;
    await scene.ingest.message([update({ kind: 'status', status: 'halted', reason: 'news' }, symbol)]);
    scene.target.forget();
    await scene.change(symbol);
    expect(await scene.target.statusOf(symbol)).toEqual({ kind: 'status', status: 'halted', reason: 'news' });
    const snapshots = scene.target.taken.filter((each) => each.symbol === symbol && each.update.kind === 'snapshot');
    expect(snapshots.map(({ exchangeUs }) => exchangeUs)).toEqual([1, 2]);
  });

  test('never gets one at scales that somebody else has given the instrument', async () => {
    const target = new FickleBus();
    const ingest = new Ingest(target, undefined, { restate: () => BOOK, timers: target.time });
    await ingest.message([{ kind: 'instrument', definition: A }, update(BOOK)]);
    const listing = target.instruments.get('A')!;
    target.instruments.put({ ...listing, priceScale: 3 });
    expect(codes(await ingest.message([delta([99, 1, 0])]))).toEqual(['needs-snapshot']);
    await target.time.advance(1_000);
    expect(target.kinds('A')).toEqual(['snapshot']);
    target.instruments.put(listing);
    await target.time.advance(1_000);
    expect(target.kinds('A')).toEqual(['snapshot', 'snapshot']);
  });

  test('waits where the source has no book either, until that states one', async () => {
    const target = new FickleBus();
    const ingest = new Ingest(target, undefined, { restate: () => null, timers: target.time });
    await ingest.message([{ kind: 'instrument', definition: A }, update(BOOK)]);
    target.forget();
    expect(codes(await ingest.message([delta([99, 1, 0]), delta([98, 1, 0])]))).toEqual([
      'needs-snapshot',
      'needs-snapshot',
    ]);
    const { calls } = target;
    expect(codes(await ingest.message([delta([97, 1, 0])]))).toEqual(['needs-snapshot']);
    await target.time.advance(1_000);
    expect(target.calls).toBe(calls);
    expect(codes(await ingest.message([update(BOOK), delta([96, 1, 0])]))).toEqual(['taken', 'taken']);
  });

  test('is told of a source that fails, which ends nothing', async () => {
    const target = new FickleBus();
    const told: string[] = [];
    const restate = (): never => {
      throw new Error('no such book');
    };
    const ingest = new Ingest(target, (_, { code, message }) => told.push(`${code}: ${message}`), {
      restate,
      timers: target.time,
    });
    await ingest.message([{ kind: 'instrument', definition: A }, update(BOOK)]);
    target.forget();
    expect(codes(await ingest.message([delta([99, 1, 0])]))).toEqual(['needs-snapshot']);
    expect(told[0]).toMatch(/^internal: .*\(no such book\)$/);
    expect(codes(await ingest.message([update(BOOK)]))).toEqual(['taken']);
  });
});

describe('a bus that is gone', () => {
  test('gets every book within a second of its return', async () => {
    const scene = await Scene.open(6);
    scene.target.down = true;
    await scene.step(40);
    expect(await scene.wrongBooks()).not.toEqual([]);
    await scene.target.time.advance(10_000);
    scene.target.down = false;
    await scene.target.time.advance(1_000);
    expect(await scene.wrongBooks()).toEqual([]);
    expect(scene.target.time.pending).toBe(0);
  });

  test('and returns without its data gets the books too in which nothing has happened', async () => {
    const scene = await Scene.open(6);
    const [symbol = ''] = scene.symbols;
    scene.target.down = true;
    expect(codes(await scene.ingest.message([update({ kind: 'delta', bids: [], asks: [] }, symbol)]))).toEqual([
      'bus-down',
    ]);
    scene.target.forget();
    scene.target.down = false;
    await scene.target.time.advance(1_000);
    expect(await scene.wrongBooks()).toEqual([]);
  });

  test('for some symbols for long keeps none of the others waiting', async () => {
    const scene = await Scene.open(600);
    scene.target.down = true;
    await scene.step(6_000);
    const lacking = [...new Set(scene.told)].map((each) => each.split(' ')[0]!);
    const stuck = new Set(lacking.slice(0, 270));
    expect(lacking.length - stuck.size).toBeGreaterThan(10);
    scene.target.down = stuck;
    await scene.target.time.advance(2_000);
    expect((await scene.wrongBooks()).filter((symbol) => !stuck.has(symbol))).toEqual([]);
  });

  test('is asked for some of the books four times a second, however many are lacking', async () => {
    const scene = await Scene.open(1_000);
    const isChange = ({ event }: Ingested): boolean => event.update.kind === 'delta';
    scene.target.down = true;
    const lacking = new Set((await scene.step(20_000)).filter(isChange).map(({ event }) => event.symbol));
    expect(lacking.size).toBeGreaterThan(500);
    const { calls, asked } = scene.target;
    await scene.target.time.advance(10_000);
    expect(scene.target.calls - calls).toBe(40);
    expect(scene.target.asked - asked).toBe(40 * 256);
    // Changes of what is lacking do not even ask.
    const before = scene.target.asked;
    const done = await scene.step(2_000);
    const sent = done.filter((each) => !isChange(each) || !lacking.has(each.event.symbol));
    expect(scene.target.asked - before).toBe(sent.length);
    scene.target.down = false;
    await scene.target.time.advance(1_000);
    expect(await scene.wrongBooks()).toEqual([]);
  });

  test('is not asked for more of large books at once than it can take', async () => {
    const target = new FickleBus();
    const symbols = Array.from({ length: 10 }, (_, place) => `S${place}`);
    const bids = Array.from({ length: 30_000 }, (_, place) => [30_000 - place, 1, 0]).flat();
    const restate = (): BookSnapshot => ({ kind: 'snapshot', bids, asks: [] });
    const ingest = new Ingest(target, undefined, { restate, timers: target.time });
    await ingest.message(symbols.map((symbol) => ({ kind: 'instrument', definition: { ...A, symbol } })));
    target.down = true;
    await ingest.message(symbols.map((symbol) => update(BOOK, symbol)));
    const { asked } = target;
    await target.time.advance(250);
    expect(target.asked - asked).toBe(3);
    target.down = false;
    await target.time.advance(250);
    for (const symbol of symbols) expect((await target.bookOf(symbol)).bids.length, symbol).toBe(bids.length);
  });

  test('gets no tick a second time: what it refused is counted, and that is all', async () => {
    const scene = await Scene.open();
    const trade = (id: number) =>
      update({ kind: 'trade', id, tradeKind: 'trade', side: 'buy', price: 100, size: 1 }, 'T');
    await scene.ingest.message([{ kind: 'instrument', definition: { ...A, symbol: 'T', quoteSource: 'published' } }]);
    scene.target.down = true;
    const quote = { kind: 'quote', bidPrice: 1, bidSize: 1, askPrice: 2, askSize: 1 } as const;
    expect(codes(await scene.ingest.message([trade(1), update(quote, 'T'), trade(2)]))).toEqual(
      Array(3).fill('bus-down'),
    );
    expect(scene.ingest.counts.get('T')?.refused).toEqual({ 'bus-down': 3 });
    scene.target.down = false;
    await scene.target.time.advance(5_000);
    await scene.ingest.message([trade(3)]);
    expect(scene.target.taken.filter(({ symbol }) => symbol === 'T').map(({ update: { kind } }) => kind)).toEqual([
      'trade',
    ]);
    expect(scene.target.taken.at(-1)!.update).toMatchObject({ id: 3 });
  });

  test('gets the status that it did not take, though the book has not changed', async () => {
    const scene = await Scene.open();
    const [symbol = ''] = scene.symbols;
    const say = (status: 'halted' | 'live') => update({ kind: 'status', status, reason: null }, symbol);
    await scene.ingest.message([say('live')]);
    scene.target.down = true;
    expect(codes(await scene.ingest.message([say('halted')]))).toEqual(['bus-down']);
    scene.target.down = false;
    await scene.target.time.advance(1_000);
    expect(await scene.target.statusOf(symbol)).toMatchObject({ status: 'halted' });
    // It is not doubted that the bus has the book; it is asked, not stated anew.
    expect(scene.ingest.restated).toBe(0);
  });

  test('for some symbols is not gone for the others', async () => {
    const scene = await Scene.open(6);
    const [lost = '', ...others] = scene.symbols;
    scene.target.down = new Set([lost]);
    await scene.step(400);
    await scene.target.time.advance(2_000);
    expect(await scene.wrongBooks()).toEqual([lost]);
    expect(others.flatMap((symbol) => scene.target.kinds(symbol)).filter((kind) => kind === 'snapshot')).toHaveLength(
      others.length,
    );
    scene.target.down = false;
    await scene.target.time.advance(1_000);
    expect(await scene.wrongBooks()).toEqual([]);
  });

  test('by a rejected promise is gone like any other, and nothing ends', async () => {
    const scene = await Scene.open();
    scene.target.broken = new Error('the connection was lost');
    const done = await scene.step(50);
    expect(new Set(codes(done))).toEqual(new Set(['bus-down']));
    const { published } = done[0]!;
    expect('refused' in published && published.refused.message).toContain('(the connection was lost)');
    scene.target.broken = null;
    await scene.target.time.advance(1_000);
    expect(await scene.wrongBooks()).toEqual([]);
  });

  test('is let alone when the feed has been stopped', async () => {
    const scene = await Scene.open();
    scene.target.down = true;
    await scene.step(20);
    scene.ingest.stop();
    expect(scene.target.time.pending).toBe(0);
    const { calls } = scene.target;
    await scene.target.time.advance(5_000);
    expect(scene.target.calls).toBe(calls);
  });
});

describe.each([1, 2, 3])('whatever a bus does, seed %i', (seed) => {
  test('each of its books is one that the market had, and in the end they are those that it has', async () => {
    const scene = await Scene.open(5, seed);
    const random = new Random(seed);
    const had = new Map(scene.symbols.map((symbol) => [symbol, new Set<string>()]));
    const look = (): void => {
      for (const [symbol, states] of had) states.add(stateOf(scene.market.book(symbol)!));
    };
    look();
    for (let round = 0; round < 300; round++) {
      const { target } = scene;
      if (random.chance(0.05)) target.forget();
      if (random.chance(0.1)) target.down = random.chance(0.5);
      if (random.chance(0.05)) target.down = new Set(scene.symbols.filter(() => random.chance(0.5)));
      target.broken = random.chance(0.03) ? new Error('broken') : null;
      const batches: FeedEvent[][] = [];
      for (let count = random.below(6); count > 0; count--) {
        batches.push(scene.market.step(round));
        look();
      }
      const done = scene.ingest.messages(batches);
      if (random.chance(0.7)) await done;
      if (random.chance(0.3)) await target.time.advance(random.below(600));
    }
    scene.target.down = false;
    scene.target.broken = null;
    for (const _ of ['finds out', 'after it was mended']) {
      const done = scene.step();
      look();
      await done;
      await scene.target.time.advance(2_000);
    }
    expect(await scene.wrongBooks()).toEqual([]);
    const books = new Map<string, { epoch: number; book: NaiveBook }>();
    for (const { symbol, epoch, update: taken } of scene.target.taken) {
      if (taken.kind !== 'snapshot' && taken.kind !== 'delta') continue;
      let held = books.get(symbol);
      if (held?.epoch !== epoch) held = { epoch, book: new NaiveBook() };
      books.set(symbol, held);
      held.book.apply(taken);
      expect(had.get(symbol)!.has(textOf(held.book)), `${symbol} in epoch ${epoch}`).toBe(true);
    }
  });
});
