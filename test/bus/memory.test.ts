// Holds the in-process bus to the contract of all buses, and to what only it promises.

import { describe, expect, test } from 'vitest';
import type { BusListener, Published } from '../../src/bus/bus.ts';
import { MemoryBus } from '../../src/bus/memory.ts';
import { Instruments } from '../../src/market/instrument.ts';
import { Kernel, Random } from '../simulation/kernel.ts';
import { define } from '../simulation/venue.ts';
import { type BusUnderTest, busContract } from './contract.ts';

const DEAF: BusListener = { entry: () => {}, epoch: () => {}, lost: () => {}, doubt: () => {} };

function makeMemoryBus(logEntriesMax = 16, tombstonesMax?: number): BusUnderTest {
  const clock = new Kernel();
  const random = new Random(1);
  const instruments = new Instruments();
  const newEpoch = (): number => 1 + random.bits();
  const limits = tombstonesMax === undefined ? {} : { tombstonesMax };
  const bus = new MemoryBus({ clock, instruments, newEpoch, logEntriesMax, ...limits });
  return {
    bus,
    instruments,
    logEntriesMax,
    nowUs: () => clock.nowUs(),
    settle: async () => {},
    close: async () => {},
  };
}

busContract('memory', async () => makeMemoryBus());

describe('the memory bus', () => {
  const instrument = define({ symbol: 'X', priceScale: 0, sizeScale: 0 });

  test('calls its listeners before the publisher has its answer, which is there at once', () => {
    const { bus, instruments } = makeMemoryBus();
    instruments.put(instrument);
    const order: string[] = [];
    bus.subscribe('status', 'X', { ...DEAF, entry: () => order.push('heard') });
    const answer = bus.publish([
      { symbol: 'X', update: { kind: 'status', status: 'halted', reason: null }, exchangeUs: null },
    ]);
    order.push('published');
    expect(answer).toEqual([{ epoch: expect.any(Number), seq: 1 }]);
    expect(order).toEqual(['heard', 'published']);
  });

  test('forgets removed levels past its bound, and says from where on', async () => {
    const { bus, instruments } = makeMemoryBus(16, 2);
    instruments.put(instrument);
    const levels = [10, 1, 0, 9, 1, 0, 8, 1, 0, 7, 1, 0];
    await bus.publish([{ symbol: 'X', update: { kind: 'snapshot', bids: levels, asks: [] }, exchangeUs: null }]);
    for (const price of [10, 9, 8]) {
      await bus.publish([{ symbol: 'X', update: { kind: 'delta', bids: [price, 0, 0], asks: [] }, exchangeUs: null }]);
    }
    const { book } = await bus.load('book', 'X');
    expect(book!.goneBids).toEqual([9, 3, 8, 4]);
    expect(book!.horizonSeq).toBe(2);
  });

  test('keeps trades for those who come late, and nothing of what its books went through', async () => {
    const clock = new Kernel();
    const instruments = new Instruments();
    const bus = new MemoryBus({ clock, instruments, newEpoch: () => 1, logEntriesMax: 16 });
    instruments.put(instrument);
    const trade = { kind: 'trade', tradeKind: 'trade', id: 1, price: 10, size: 1, side: 'buy' } as const;
    await bus.publish([{ symbol: 'X', update: { kind: 'snapshot', bids: [10, 1, 0], asks: [] }, exchangeUs: null }]);
    await bus.publish([{ symbol: 'X', update: trade, exchangeUs: null }]);
    expect(await bus.log('book', 'X', 0)).toEqual([]);
    expect((await bus.log('trade', 'X', 0)).map(({ update }) => update)).toEqual([trade]);
  });

  test('has another book once its listeners hear of another epoch', async () => {
    const { bus, instruments } = makeMemoryBus();
    instruments.put(instrument);
    const seqs: (number | undefined)[] = [];
    bus.subscribe('book', 'X', {
      ...DEAF,
      entry: ({ seq }) => seqs.push(seq, bus.ownBook!('X')?.seq),
      epoch: () => seqs.push(bus.ownBook!('X')?.seq),
    });
    await bus.publish([{ symbol: 'X', update: { kind: 'snapshot', bids: [10, 1, 0], asks: [] }, exchangeUs: null }]);
    instruments.put({ ...instrument, priceScale: 1 });
    expect(seqs).toEqual([1, 1, 0]);
    expect(bus.ownBook!('NOBODY')).toBeUndefined();
  });

  test('goes by what an instrument has become, and takes nothing for one that was delisted', async () => {
    const { bus, instruments } = makeMemoryBus();
    const codes = (): unknown[] =>
      [10, 15].map((price) => {
        const update = { kind: 'snapshot', bids: [price, 1, 0], asks: [] } as const;
        const [answer] = bus.publish([{ symbol: 'X', update, exchangeUs: null }]) as Published[];
        return 'refused' in answer! ? answer.refused.code : 'taken';
      });
    instruments.put(instrument);
    expect(codes()).toEqual(['taken', 'taken']);
    instruments.put({ ...instrument, tickSize: 10 });
    expect(codes()).toEqual(['taken', 'off-tick']);
    instruments.delist('X');
    expect(codes()).toEqual(['unknown-symbol', 'unknown-symbol']);
  });

  test('keeps nothing of topics that were only looked at', async () => {
    const { bus, instruments } = makeMemoryBus();
    instruments.put(instrument);
    const looked = await bus.load('book', 'X');
    const leave = bus.subscribe('book', 'X', DEAF);
    const watched = await bus.load('book', 'X');
    expect(await bus.load('book', 'X')).toEqual(watched);
    leave();
    const again = await bus.load('book', 'X');
    expect(new Set([looked.epoch, watched.epoch, again.epoch]).size).toBe(3);
  });
});
