// Holds the way from a feed into a gateway: order, answers, counts, refusals; on the real bus and on one that takes its time.

import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import { MemoryBus } from '../../src/bus/memory.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest, type IngestTarget, type Sequenced } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { Instruments } from '../../src/market/instrument.ts';
import type { Update } from '../../src/market/update.ts';
import { VirtualTime } from './virtual.ts';

function createTarget(): { instruments: Instruments; bus: Bus } {
  const instruments = new Instruments();
  let epochs = 0;
  const newEpoch = (): number => ++epochs;
  return { instruments, bus: new MemoryBus({ clock: new VirtualTime(), instruments, newEpoch, logEntriesMax: 64 }) };
}

function instrument(symbol: string, priceScale = 2): FeedEvent {
  return { kind: 'instrument', definition: { symbol, priceScale, sizeScale: 0 } };
}

function update(symbol: string, what: Update, checksum: number | null = null): FeedEvent {
  return { kind: 'update', symbol, update: what, exchangeUs: 1, checksum };
}

function snapshot(symbol: string, checksum: number | null = null): FeedEvent {
  return update(symbol, { kind: 'snapshot', bids: [100, 5, 0], asks: [101, 7, 0] }, checksum);
}

function delta(symbol: string, bids: readonly number[], checksum: number | null = null): FeedEvent {
  return update(symbol, { kind: 'delta', bids, asks: [] }, checksum);
}

function trade(symbol: string, id: number): FeedEvent {
  return update(symbol, { kind: 'trade', id, tradeKind: 'trade', side: 'buy', price: 101, size: 1 });
}

function seqs(results: readonly { published: Sequenced }[]): (string | number)[] {
  return results.map(({ published }) => ('refused' in published ? published.refused.code : published.seq));
}

/** A target whose bus and list answer when they are told to, and that writes down what it is asked. */
class SlowTarget implements IngestTarget {
  readonly asked: string[] = [];
  private readonly waiting: (() => void)[] = [];

  readonly instruments = {
    put: ({ symbol }: { symbol: string }): Promise<void> => {
      this.asked.push(`put ${symbol}`);
      return this.turn();
    },
  };
  readonly bus = {
    publish: async (publications: readonly { symbol: string }[]): Promise<Sequenced[]> => {
      this.asked.push(`publish ${publications.map(({ symbol }) => symbol).join(' ')}`);
      await this.turn();
      return publications.map((_, index) => ({ epoch: 1, seq: index + 1 }));
    },
  };

  /** Answers everything, one after the other, until nothing more is asked. */
  async answerAll(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.waiting.shift();
      if (next === undefined) return;
      next();
    }
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

describe('the events of a feed', () => {
  test('list an instrument, with the defaults of what is not said, before its first update', async () => {
    const target = createTarget();
    const results = await new Ingest(target).message([instrument('A'), snapshot('A')]);
    expect(target.instruments.get('A')).toMatchObject({ priceScale: 2, tickSize: 1, lotSize: 1, quoteSource: 'book' });
    expect(results).toEqual([{ event: snapshot('A'), published: { epoch: expect.any(Number), seq: 1 } }]);
  });

  test('are answered in order, each update with its epoch and sequence number', async () => {
    const ingest = new Ingest(createTarget());
    const results = await ingest.message([
      instrument('A'),
      snapshot('A'),
      trade('A', 1),
      delta('A', [99, 1, 0]),
      trade('A', 2),
    ]);
    expect(seqs(results)).toEqual([1, 1, 2, 2]);
    expect(seqs(await ingest.message([delta('A', [99, 2, 0])]))).toEqual([3]);
  });

  test('start an epoch where the scales change, and none where the same is said again', async () => {
    const target = createTarget();
    const ingest = new Ingest(target);
    const [first] = await ingest.message([instrument('A'), snapshot('A')]);
    const [second] = await ingest.message([instrument('A'), delta('A', [99, 1, 0])]);
    const [third] = await ingest.message([instrument('A', 3), snapshot('A')]);
    const epochs = [first, second, third].map((each) => ('epoch' in each!.published ? each!.published.epoch : null));
    expect(epochs[1]).toBe(epochs[0]);
    expect(epochs[2]).not.toBe(epochs[0]);
    expect(seqs([first!, second!, third!])).toEqual([1, 2, 1]);
  });

  test('are counted by symbol', async () => {
    const ingest = new Ingest(createTarget());
    await ingest.messages([
      [instrument('A'), snapshot('A'), instrument('B'), snapshot('B', 7)],
      [trade('A', 1), trade('A', 2)],
      [delta('A', [99, 1, 0], 8)],
      [{ kind: 'resync', symbol: 'A', reason: 'checksum mismatch' }],
      [update('A', { kind: 'status', status: 'halted', reason: null })],
    ]);
    const none = { quotes: 0, statuses: 0, resyncs: 0, refused: {} };
    expect(Object.fromEntries(ingest.counts)).toEqual({
      A: { ...none, messages: 5, snapshots: 1, updates: 1, trades: 2, statuses: 1, checksums: 1, resyncs: 1 },
      B: { ...none, messages: 1, snapshots: 1, updates: 0, trades: 0, checksums: 1 },
    });
  });

  test('that are refused are counted by code and told, and the others go on', async () => {
    const told: string[] = [];
    const ingest = new Ingest(createTarget(), (symbol, { code }) => told.push(`${symbol} ${code}`));
    const results = await ingest.message([
      instrument('A'),
      delta('A', [99, 1, 0]),
      snapshot('A'),
      delta('A', [102, 1, 0]),
      snapshot('NOPE'),
      delta('A', [100, 0, 0]),
    ]);
    expect(seqs(results)).toEqual(['needs-snapshot', 1, 'crossed', 'unknown-symbol', 2]);
    expect(ingest.counts.get('A')).toMatchObject({ updates: 3, refused: { 'needs-snapshot': 1, crossed: 1 } });
    expect(ingest.refused()).toEqual({ 'needs-snapshot': 1, crossed: 1, 'unknown-symbol': 1 });
    expect(told).toEqual(['A needs-snapshot', 'A crossed', 'NOPE unknown-symbol']);
  });

  test('with an instrument that can’t be are refused, the instrument and what it is for', async () => {
    const ingest = new Ingest(createTarget());
    expect(seqs(await ingest.message([instrument('A', 99), snapshot('A')]))).toEqual(['unknown-symbol']);
    expect(ingest.counts.get('A')?.refused).toEqual({ 'bad-instrument': 1, 'unknown-symbol': 1 });
  });

  test('of a whole synthetic market are all accepted', async () => {
    const target = createTarget();
    const ingest = new Ingest(target);
    const market = new SyntheticMarket({ seed: 7 });
    const listings = market.instruments().map((definition): FeedEvent => ({ kind: 'instrument', definition }));
    const opening = market.snapshots();
    const steps = Array.from({ length: 2_000 }, () => market.step());
    const results = await ingest.messages([listings, opening, ...steps]);
    expect(results.length).toBeGreaterThan(2_000);
    expect(ingest.refused()).toEqual({});
    const { book } = await target.bus.load('book', 'BTC-USD');
    expect(book).not.toBeNull();
  });
});

describe('a bus that takes its time', () => {
  test('gets everything in the order in which it was handed in', async () => {
    const target = new SlowTarget();
    const ingest = new Ingest(target);
    const first = ingest.message([instrument('A'), snapshot('A'), instrument('B'), snapshot('B')]);
    const second = ingest.message([trade('A', 1)]);
    await target.answerAll();
    await Promise.all([first, second]);
    expect(target.asked).toEqual(['put A', 'publish A', 'put B', 'publish B', 'publish A']);
  });

  test('is asked once for several messages between which no instrument comes', async () => {
    const target = new SlowTarget();
    const batch = new Ingest(target).messages([
      [snapshot('A')],
      [trade('B', 1), trade('B', 2)],
      [instrument('C')],
      [snapshot('C')],
    ]);
    await target.answerAll();
    expect(seqs(await batch)).toEqual([1, 2, 3, 1]);
    expect(target.asked).toEqual(['publish A B B', 'put C', 'publish C']);
  });

  test('that fails has taken nothing, and is asked again for what comes later', async () => {
    const target = createTarget();
    const publish = target.bus.publish.bind(target.bus);
    let failing = true;
    target.bus.publish = (publications) => (failing ? Promise.reject(new Error('bus is gone')) : publish(publications));
    const ingest = new Ingest(target);
    const [refused] = await ingest.message([instrument('A'), snapshot('A')]);
    expect(refused!.published).toMatchObject({
      refused: { code: 'bus-down', message: expect.stringContaining('bus is gone') },
    });
    expect(ingest.refused()).toEqual({ 'bus-down': 1 });
    failing = false;
    expect(seqs(await ingest.message([snapshot('A')]))).toEqual([1]);
  });
});
