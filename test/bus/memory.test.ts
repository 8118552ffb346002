// Holds the in-process bus to the contract of all buses, and to what only it promises.

import { describe, expect, test } from 'vitest';
import type { BusListener } from '../../src/bus/bus.ts';
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
