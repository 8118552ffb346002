// Owns what every bus must do: sequence, refuse without a trace, tell, remember. Each implementation runs the whole suite.
// Invariant: nothing here knows how a bus works; what listeners hear is looked at after `settle`.

import { afterEach, describe, expect, test } from 'vitest';
import {
  type Bus,
  type BusListener,
  type Entry,
  KEYS_MAX,
  type Leased,
  type Publication,
  type Published,
} from '../../src/bus/bus.ts';
import { Book } from '../../src/market/book.ts';
import type { Instruments } from '../../src/market/instrument.ts';
import type { Quote, StatusChange, Trade, Update } from '../../src/market/update.ts';
import { Random } from '../simulation/kernel.ts';
import { Oracle } from '../simulation/oracle.ts';
import { define, Venue } from '../simulation/venue.ts';

/** A bus of its own, with empty instruments, for one test. */
export interface BusUnderTest {
  readonly bus: Bus;
  readonly instruments: Instruments;
  /** Entries that the bus was told to keep per topic; at least 8. */
  readonly logEntriesMax: number;
  readonly nowUs: () => number;
  /** Resolves when everything published so far has reached its listeners. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const SYMBOL = 'AAA-BBB';
const SCALED = define({ symbol: SYMBOL, priceScale: 2, sizeScale: 3 });
const SNAPSHOT: Update = { kind: 'snapshot', bids: [100, 5, 0, 99, 6, 0], asks: [101, 7, 0] };
const TRADE: Trade = { kind: 'trade', id: 7, tradeKind: 'trade', side: 'buy', price: 100, size: 3 };
const QUOTE: Quote = { kind: 'quote', bidPrice: 99, bidSize: 1, askPrice: null, askSize: 0 };
const HALTED: StatusChange = { kind: 'status', status: 'halted', reason: 'volatility' };
const EPOCH_MAX = 2 ** 48 - 1;

function delta(bids: readonly number[], asks: readonly number[] = []): Update {
  return { kind: 'delta', bids, asks };
}

function of(update: Update, exchangeUs: number | null = null, symbol = SYMBOL): Publication {
  return { symbol, update, exchangeUs };
}

class Recorder implements BusListener {
  readonly heard: (Entry | { readonly newEpoch: number })[] = [];
  readonly doubts: boolean[] = [];
  losses = 0;

  entry(entry: Entry): void {
    this.heard.push(entry);
  }

  epoch(newEpoch: number): void {
    this.heard.push({ newEpoch });
  }

  lost(): void {
    this.losses += 1;
  }

  doubt(doubted: boolean): void {
    this.doubts.push(doubted);
  }

  /** What was heard, of epochs that follow each other at once the last: a bus may void what is known before it knows the next. */
  get story(): (Entry | { readonly newEpoch: number })[] {
    return this.heard.filter((each, i) => 'seq' in each || !('newEpoch' in (this.heard[i + 1] ?? {})));
  }

  get seqs(): number[] {
    return this.heard.flatMap((each) => ('seq' in each ? [each.seq] : []));
  }
}

function codeOf(published: Published | undefined): string | null {
  if (published === undefined) throw new Error('there is no answer');
  return 'refused' in published ? published.refused.code : null;
}

function accepted(published: Published | undefined): { epoch: number; seq: number } {
  if (published === undefined || 'refused' in published) throw new Error(`refused: ${codeOf(published)}`);
  return published;
}

function tokenOf(leased: Leased): number {
  if ('refused' in leased) throw new Error(`no lease: ${leased.refused.code}`);
  return leased.token;
}

export function busContract(name: string, makeBus: () => Promise<BusUnderTest>): void {
  describe(`${name} as a bus`, () => {
    let made: BusUnderTest;
    const start = async (...instruments: Parameters<typeof define>[0][]): Promise<BusUnderTest> => {
      made = await makeBus();
      for (const instrument of instruments) made.instruments.put(define(instrument));
      return made;
    };
    const publish = async (...updates: Update[]): Promise<Published[]> =>
      made.bus.publish(updates.map((update) => of(update)));
    /** As the only writer of the topic: a book is then refused that would be crossed. */
    const alone = async (...updates: Update[]): Promise<Published[]> => {
      const lease = tokenOf(await made.bus.lease('book', SYMBOL, { holder: 'the test', ttlMs: 60_000 }));
      const answers = await made.bus.publish(updates.map((update) => ({ ...of(update), lease })));
      await made.bus.release('book', SYMBOL, lease);
      return answers;
    };
    afterEach(async () => {
      await made.close();
    });

    describe('numbers updates', () => {
      test('from 1 on, by one, in one epoch', async () => {
        await start(SCALED);
        const answers = (await publish(SNAPSHOT, delta([98, 1, 0]), delta([98, 0, 0]))).map(accepted);
        expect(answers.map(({ seq }) => seq)).toEqual([1, 2, 3]);
        expect(new Set(answers.map(({ epoch }) => epoch)).size).toBe(1);
        expect(answers[0]!.epoch).toBeGreaterThan(0);
        expect(answers[0]!.epoch).toBeLessThanOrEqual(EPOCH_MAX);
      });

      test('of each channel and symbol by themselves', async () => {
        await start({ ...SCALED, quoteSource: 'published' }, { ...SCALED, symbol: 'OTHER' });
        const answers = await made.bus.publish([
          of(SNAPSHOT),
          of(TRADE),
          of(QUOTE),
          of(HALTED),
          of(TRADE, null, 'OTHER'),
          of(TRADE),
        ]);
        expect(answers.map((answer) => accepted(answer).seq)).toEqual([1, 1, 1, 1, 1, 2]);
        expect(new Set(answers.map((answer) => accepted(answer).epoch)).size).toBe(5);
      });

      test('in the order given, refused and accepted side by side', async () => {
        await start(SCALED);
        const answers = await publish(TRADE, delta([98, 1, 0]), SNAPSHOT, QUOTE, TRADE);
        expect(answers.map(codeOf)).toEqual([null, 'needs-snapshot', null, 'derived-channel', null]);
        expect(accepted(answers[4]).seq).toBe(2);
      });

      test('even those that change nothing', async () => {
        await start(SCALED);
        const answers = await publish(SNAPSHOT, SNAPSHOT, delta([]), delta([100, 5, 0]));
        expect(answers.map((answer) => accepted(answer).seq)).toEqual([1, 2, 3, 4]);
      });
    });

    describe('tells its listeners', () => {
      test('every update in order, each once, with its times', async () => {
        await start(SCALED);
        const [first, second] = [new Recorder(), new Recorder()];
        made.bus.subscribe('book', SYMBOL, first);
        made.bus.subscribe('book', SYMBOL, second);
        const before = made.nowUs();
        await made.bus.publish([of(SNAPSHOT, 123), of(delta([98, 1, 0]), null), of(TRADE, 5)]);
        await made.bus.publish([of(delta([], [101, 0, 0]), 456)]);
        await made.settle();
        for (const { heard } of [first, second]) {
          expect(heard).toMatchObject([
            { seq: 1, update: SNAPSHOT, exchangeUs: 123 },
            { seq: 2, update: delta([98, 1, 0]), exchangeUs: null },
            { seq: 3, update: delta([], [101, 0, 0]), exchangeUs: 456 },
          ]);
          for (const entry of heard as Entry[]) expect(entry.publishUs).toBeGreaterThanOrEqual(before);
        }
      });

      test('from the moment at which they come, and not after they have left', async () => {
        await start(SCALED);
        const late = new Recorder();
        await publish(SNAPSHOT, delta([98, 1, 0]));
        await made.settle();
        const leave = made.bus.subscribe('book', SYMBOL, late);
        await publish(delta([98, 2, 0]));
        await made.settle();
        leave();
        await publish(delta([98, 3, 0]));
        await made.settle();
        leave();
        expect(late.seqs).toEqual([3]);
      });

      test('nothing of a publication that it refuses', async () => {
        await start(SCALED);
        const recorder = new Recorder();
        made.bus.subscribe('book', SYMBOL, recorder);
        await alone(delta([98, 1, 0]), SNAPSHOT, delta([102, 1, 0]), delta([98, -1, 0]));
        await made.settle();
        expect(recorder.seqs).toEqual([1]);
      });

      test('so that a state loaded after subscribing and the updates after it miss nothing', async () => {
        await start(SCALED);
        await publish(SNAPSHOT);
        const recorder = new Recorder();
        made.bus.subscribe('book', SYMBOL, recorder);
        const loading = made.bus.load('book', SYMBOL);
        await publish(delta([98, 1, 0]));
        await publish(delta([97, 2, 0], [101, 8, 0]));
        const state = await loading;
        await made.settle();
        const book = Book.load(state.book!);
        for (const { seq, update } of recorder.heard as Entry[]) {
          if (seq > book.seq && update.kind === 'delta') book.applyDelta(update.bids, update.asks, seq);
        }
        expect(book.state()).toEqual((await made.bus.load('book', SYMBOL)).book);
        expect(book.seq).toBe(3);
      });
    });

    describe('remembers', () => {
      test('the entries after a seq, oldest first', async () => {
        await start(SCALED);
        for (let i = 1; i <= 5; i++) await made.bus.publish([of({ ...TRADE, id: i }, i)]);
        const entries = await made.bus.log('trade', SYMBOL, 2);
        expect(entries.map(({ seq, exchangeUs }) => [seq, exchangeUs])).toEqual([
          [3, 3],
          [4, 4],
          [5, 5],
        ]);
        expect(entries[0]!.update).toEqual({ ...TRADE, id: 3 });
        expect(await made.bus.log('trade', SYMBOL, 5)).toEqual([]);
        expect(await made.bus.log('trade', SYMBOL, 99)).toEqual([]);
      });

      test('as many entries as it was told to, the newest', async () => {
        const { bus, logEntriesMax } = await start(SCALED);
        const count = 2 * logEntriesMax + 3;
        for (let i = 1; i <= count; i++) await bus.publish([of({ ...TRADE, id: i })]);
        const seqs = (await bus.log('trade', SYMBOL, 0)).map(({ seq }) => seq);
        expect(seqs).toEqual(Array.from({ length: logEntriesMax }, (_, i) => count - logEntriesMax + 1 + i));
        expect((await bus.load('trade', SYMBOL)).recent.map(({ seq }) => seq)).toEqual(seqs);
      });

      test('nothing of a topic in which nothing was published', async () => {
        await start(SCALED);
        expect(await made.bus.log('book', SYMBOL, 0)).toEqual([]);
        expect(await made.bus.load('book', SYMBOL)).toMatchObject({ seq: 0, exchangeUs: null, last: null, recent: [] });
        expect((await made.bus.load('book', SYMBOL)).book).toEqual(new Book().state());
      });

      test('the last quote and the last status, with their times', async () => {
        await start({ ...SCALED, quoteSource: 'published' });
        await made.bus.publish([of({ ...QUOTE, bidSize: 9 }, 1), of(QUOTE, 2), of(HALTED, 3)]);
        expect(await made.bus.load('quote', SYMBOL)).toMatchObject({ seq: 2, last: QUOTE, exchangeUs: 2, book: null });
        expect(await made.bus.load('status', SYMBOL)).toMatchObject({
          seq: 1,
          last: HALTED,
          exchangeUs: 3,
          book: null,
        });
      });

      test('a book that equals the replay of its updates: levels, when each changed, and what was removed', async () => {
        const { bus, logEntriesMax, nowUs, instruments } = await start();
        const oracle = new Oracle();
        const style = { instrument: SCALED, midTicks: 5_000, levelsMax: 12, deepShare: 0.3, lots: [1, 2, 3, 4, 5] };
        for (let seed = 1; seed <= 10; seed++) {
          const instrument = { ...SCALED, symbol: `S${seed}` };
          instruments.put(instrument);
          const venue = new Venue({ ...style, instrument }, new Random(seed), oracle, nowUs);
          const updates: Update[] = [];
          for (let i = 0; i < logEntriesMax; i++) {
            const { publication } = i === 0 ? venue.snapshot() : venue.delta(3);
            const [answer] = await bus.publish([publication]);
            if (!('refused' in answer!)) updates.push(publication.update);
          }
          const { epoch, seq, book } = await bus.load('book', instrument.symbol);
          const logged = (await bus.log('book', instrument.symbol, 0)).map(({ update }) => update);
          // As far as it is still held.
          expect(logged).toEqual(updates.slice(updates.length - logged.length));
          const replayed = new Book();
          for (const [i, update] of updates.entries()) {
            if (update.kind === 'snapshot') replayed.applySnapshot(update.bids, update.asks, i + 1);
            else if (update.kind === 'delta') replayed.applyDelta(update.bids, update.asks, i + 1);
          }
          expect(book).toEqual(replayed.state());
          expect(book!.seq).toBe(seq);
          expect(epoch).toBeGreaterThan(0);
        }
      });
    });

    describe('refuses', () => {
      const strict = { ...SCALED, tickSize: 5, lotSize: 10 };
      const cases: readonly (readonly [string, string, Update])[] = [
        ['a price off the tick', 'off-tick', delta([96, 10, 0])],
        ['a size off the lot', 'off-lot', delta([95, 11, 0])],
        ['a negative size', 'bad-size', delta([95, -10, 0])],
        ['a negative count', 'bad-size', delta([95, 10, -1])],
        ['a price of zero', 'bad-price', delta([0, 10, 0])],
        ['a price beyond 2^53', 'out-of-range', delta([2 ** 53, 10, 0])],
        ['a level that is named twice', 'duplicate-level', delta([95, 10, 0, 90, 10, 0, 95, 0, 0])],
        ['a delta that would cross the book of its only writer', 'crossed', delta([], [95, 10, 0])],
        [
          'a crossed snapshot of its only writer',
          'crossed',
          { kind: 'snapshot', bids: [110, 10, 0], asks: [105, 10, 0] },
        ],
        ['a crossed delta, also where its first levels are right', 'crossed', delta([90, 0, 0], [95, 10, 0])],
      ];
      const others: readonly (readonly [string, string, Publication])[] = [
        ['a symbol that is not listed', 'unknown-symbol', of(TRADE, null, 'NOBODY')],
        ['a negative price', 'bad-price', of({ ...TRADE, price: -5, size: 10 })],
        ['a size that is no integer', 'out-of-range', of({ ...TRADE, size: 1.5 })],
        ['a quote where it is derived from the book', 'derived-channel', of({ ...QUOTE, bidPrice: 95, bidSize: 10 })],
      ];
      const stored = async (): Promise<unknown[]> => [
        await made.bus.load('book', SYMBOL),
        await made.bus.load('trade', SYMBOL),
        await made.bus.log('book', SYMBOL, 0),
      ];
      /** @returns what was answered; nothing else may have happened. */
      const leavesNoTrace = async (attempt: () => Promise<Published[]>): Promise<(string | null)[]> => {
        await publish({ kind: 'snapshot', bids: [100, 10, 0, 90, 20, 0], asks: [105, 10, 0] });
        const recorder = new Recorder();
        for (const channel of ['book', 'trade', 'quote'] as const) made.bus.subscribe(channel, SYMBOL, recorder);
        const before = await stored();
        const codes = (await attempt()).map(codeOf);
        await made.settle();
        expect(await stored()).toEqual(before);
        expect(recorder.heard).toEqual([]);
        expect(accepted((await publish(delta([90, 30, 0])))[0]).seq).toBe(2);
        return codes;
      };

      test.each(cases)('%s, and leaves no trace', async (_, code, update) => {
        await start(strict);
        expect(await leavesNoTrace(() => alone(update))).toEqual([code]);
      });

      test.each(others)('%s, and leaves no trace', async (_, code, publication) => {
        const { bus } = await start(strict);
        expect(await leavesNoTrace(async () => bus.publish([publication]))).toEqual([code]);
      });

      test('a delta before the first snapshot', async () => {
        await start(SCALED);
        expect((await publish(delta([98, 1, 0]), SNAPSHOT, delta([98, 1, 0]))).map(codeOf)).toEqual([
          'needs-snapshot',
          null,
          null,
        ]);
      });

      test('nothing that is only unusual', async () => {
        await start({ ...SCALED, negativePrices: true });
        const locked: Update = { kind: 'snapshot', bids: [0, 1, 0], asks: [0, 1, 0, 2 ** 53 - 1, 2 ** 53 - 1, 9] };
        const answers = await publish(locked, delta([-7, 1, 0]), delta([], [5, 0, 0]), {
          kind: 'snapshot',
          bids: [],
          asks: [],
        });
        expect(answers.map(codeOf)).toEqual([null, null, null, null]);
      });
    });

    describe('follows the instruments', () => {
      test('a change of scale begins an epoch in every channel, and says so', async () => {
        const { bus, instruments } = await start({ ...SCALED, quoteSource: 'published' });
        const recorders = new Map(
          (['book', 'quote', 'trade', 'status'] as const).map((channel) => [channel, new Recorder()]),
        );
        for (const [channel, recorder] of recorders) bus.subscribe(channel, SYMBOL, recorder);
        const before = (await publish(SNAPSHOT, QUOTE, TRADE, HALTED)).map(accepted);
        await made.settle();
        instruments.put(define({ ...SCALED, quoteSource: 'published', priceScale: 3 }));
        const refused = await publish(delta([98, 1, 0]));
        const after = (await publish(SNAPSHOT, QUOTE, TRADE, HALTED)).map(accepted);
        await made.settle();
        expect(refused.map(codeOf)).toEqual(['needs-snapshot']);
        expect(after.map(({ seq }) => seq)).toEqual([1, 1, 1, 1]);
        for (const [i, recorder] of [...recorders.values()].entries()) {
          expect(after[i]!.epoch).not.toBe(before[i]!.epoch);
          expect(recorder.story).toMatchObject([{ seq: 1 }, { newEpoch: after[i]!.epoch }, { seq: 1 }]);
        }
        expect(await bus.log('trade', SYMBOL, 0)).toHaveLength(1);
      });

      test('a listener that came before anything was published hears of the epoch, too', async () => {
        const { bus, instruments } = await start(SCALED);
        const recorder = new Recorder();
        bus.subscribe('book', SYMBOL, recorder);
        instruments.put(define({ ...SCALED, sizeScale: 4 }));
        const { epoch } = accepted((await publish(SNAPSHOT))[0]);
        await made.settle();
        expect(recorder.story).toMatchObject([{ newEpoch: epoch }, { seq: 1 }]);
      });

      test.each([
        ['size scale', { sizeScale: 4 }],
        ['order counts', { orderCounts: true }],
      ])('a change of %s begins an epoch', async (_, change) => {
        const { instruments } = await start(SCALED);
        const before = accepted((await publish(SNAPSHOT))[0]);
        instruments.put(define({ ...SCALED, ...change }));
        const after = accepted((await publish(SNAPSHOT))[0]);
        expect(after.seq).toBe(1);
        expect(after.epoch).not.toBe(before.epoch);
      });

      test('a change of tick or lot goes on in the epoch; what is off them now can still be removed', async () => {
        const { instruments } = await start(SCALED);
        const before = accepted((await publish(SNAPSHOT))[0]);
        instruments.put(define({ ...SCALED, tickSize: 10, lotSize: 2 }));
        const answers = await publish(delta([99, 8, 0]), delta([99, 0, 0]), delta([100, 3, 0]), delta([90, 2, 0]));
        expect(answers.map(codeOf)).toEqual(['off-tick', null, 'off-lot', null]);
        expect(accepted(answers[3])).toEqual({ epoch: before.epoch, seq: 3 });
      });

      test('a delisted symbol is refused, its listeners are told, and listed again it begins anew', async () => {
        const { bus, instruments } = await start(SCALED);
        const recorder = new Recorder();
        bus.subscribe('trade', SYMBOL, recorder);
        const before = accepted((await publish(TRADE, TRADE))[1]);
        await made.settle();
        instruments.delist(SYMBOL);
        expect((await publish(TRADE, SNAPSHOT)).map(codeOf)).toEqual(['unknown-symbol', 'unknown-symbol']);
        instruments.put(SCALED);
        const after = accepted((await publish(TRADE))[0]);
        await made.settle();
        expect(after.seq).toBe(1);
        expect(after.epoch).not.toBe(before.epoch);
        expect(recorder.heard).toMatchObject([{ seq: 1 }, { seq: 2 }, { newEpoch: after.epoch }, { seq: 1 }]);
        expect((await bus.log('trade', SYMBOL, 0)).map(({ seq }) => seq)).toEqual([1]);
      });
    });

    describe('answers the same key', () => {
      test('with the first place, and does not apply it again', async () => {
        await start(SCALED);
        const keyed = (update: Update, key: string): Publication => ({ ...of(update), key });
        const first = (await made.bus.publish([keyed(TRADE, 'a'), keyed(TRADE, 'b'), of(TRADE)])).map(accepted);
        const again = (
          await made.bus.publish([keyed({ ...TRADE, id: 9 }, 'b'), keyed(TRADE, 'a'), keyed(TRADE, 'c')])
        ).map(accepted);
        expect(first.map(({ seq }) => seq)).toEqual([1, 2, 3]);
        expect(again.map(({ seq }) => seq)).toEqual([2, 1, 4]);
        expect((await made.bus.load('trade', SYMBOL)).seq).toBe(4);
      });

      test('of another topic by itself, and as long as it is among the newest', async () => {
        await start(SCALED);
        const keyed = (key: string): Publication => ({ ...of(TRADE), key });
        await made.bus.publish([keyed('first')]);
        expect(accepted((await made.bus.publish([{ ...of(HALTED), key: 'first' }]))[0]).seq).toBe(1);
        await made.bus.publish(Array.from({ length: KEYS_MAX - 1 }, (_, i) => keyed(`k${i}`)));
        expect(accepted((await made.bus.publish([keyed('first')]))[0]).seq).toBe(1);
        await made.bus.publish([keyed('one more')]);
        expect(accepted((await made.bus.publish([keyed('first')]))[0]).seq).toBe(KEYS_MAX + 2);
      });
    });

    describe('leases a topic', () => {
      const request = { holder: 'a', ttlMs: 60_000 };

      test('to one writer: others are refused, whether they ask or publish', async () => {
        const { bus } = await start(SCALED);
        const token = tokenOf(await bus.lease('book', SYMBOL, request));
        const refused = await bus.lease('book', SYMBOL, { ...request, holder: 'b' });
        expect('refused' in refused && refused.refused.code).toBe('leased');
        expect((await publish(SNAPSHOT, TRADE)).map(codeOf)).toEqual(['leased', null]);
        expect(codeOf((await bus.publish([{ ...of(SNAPSHOT), lease: token }]))[0])).toBe(null);
        expect(codeOf((await bus.publish([{ ...of(SNAPSHOT), lease: token + 1 }]))[0])).toBe('fenced');
      });

      test('for longer to who holds it, and to another once it was given back, with a higher token', async () => {
        const { bus } = await start(SCALED);
        const token = tokenOf(await bus.lease('book', SYMBOL, request));
        expect(tokenOf(await bus.lease('book', SYMBOL, { ...request, token }))).toBe(token);
        expect(await bus.release('book', SYMBOL, token)).toBe(true);
        expect(await bus.release('book', SYMBOL, token)).toBe(false);
        const next = tokenOf(await bus.lease('book', SYMBOL, { ...request, holder: 'b' }));
        expect(next).toBeGreaterThan(token);
        const answers = await bus.publish([
          { ...of(SNAPSHOT), lease: token },
          { ...of(SNAPSHOT), lease: next },
        ]);
        expect(answers.map(codeOf)).toEqual(['fenced', null]);
      });

      test('not of a symbol that is not listed', async () => {
        const { bus } = await start(SCALED);
        const refused = await bus.lease('book', 'NOBODY', request);
        expect('refused' in refused && refused.refused.code).toBe('unknown-symbol');
      });
    });

    test('tells the listeners of book and quotes that a source is in doubt, also those who come later', async () => {
      const { bus } = await start({ ...SCALED, quoteSource: 'published' });
      await publish(SNAPSHOT, QUOTE, TRADE);
      const [book, trades, late] = [new Recorder(), new Recorder(), new Recorder()];
      bus.subscribe('book', SYMBOL, book);
      bus.subscribe('trade', SYMBOL, trades);
      bus.doubt(SYMBOL, true);
      await made.settle();
      bus.subscribe('quote', SYMBOL, late);
      await made.settle();
      bus.doubt(SYMBOL, false);
      await made.settle();
      expect([book.doubts, trades.doubts, late.doubts]).toEqual([[true, false], [], [true, false]]);
    });

    test('takes and refuses what a naive book says, and holds what it holds, over many seeds', async () => {
      const { bus, instruments, nowUs } = await start();
      for (let seed = 1; seed <= 20; seed++) {
        const instrument = define({ ...SCALED, symbol: `P${seed}`, tickSize: 5, lotSize: 2 });
        instruments.put(instrument);
        const oracle = new Oracle();
        const style = { instrument, midTicks: 400, levelsMax: 8, deepShare: 0.3, lots: [1, 2, 3] };
        const venue = new Venue(style, new Random(seed), oracle, nowUs);
        const lease = tokenOf(await bus.lease('book', instrument.symbol, { holder: 'the test', ttlMs: 60_000 }));
        for (let i = 0; i < 60; i++) {
          const { publication, refusal } = venue.next();
          const isBook = publication.update.kind === 'delta' || publication.update.kind === 'snapshot';
          const [answer] = await bus.publish([isBook ? { ...publication, lease } : publication]);
          expect({ seed, i, code: codeOf(answer) }).toEqual({ seed, i, code: refusal });
          if (refusal === null) {
            oracle.record(instrument.symbol, publication.update, answer!, { exchangeUs: null, publishUs: 0 });
          }
        }
        const { book } = await bus.load('book', instrument.symbol);
        const naive = oracle.now('book', instrument.symbol)?.newestBook;
        const sides = [book!.bids, book!.asks].map((flat) => flat.filter((_, i) => i % 4 === 0));
        expect(sides).toEqual([
          (naive?.bids ?? []).map(({ price }) => price).reverse(),
          (naive?.asks ?? []).map(({ price }) => price).reverse(),
        ]);
      }
    });
  });
}
