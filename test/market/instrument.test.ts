// Holds the table of instruments to what it tells its listeners, and definitions to their bounds.

import { describe, expect, test } from 'vitest';
import {
  defineInstrument,
  type Instrument,
  type InstrumentEvent,
  Instruments,
  isSymbol,
  sameScales,
} from '../../src/market/instrument.ts';

const define = (fields: Partial<Instrument> = {}): Instrument => {
  const instrument = defineInstrument({ symbol: 'X', priceScale: 2, sizeScale: 3, ...fields });
  if (typeof instrument === 'string') throw new Error(instrument);
  return instrument;
};

describe('a definition', () => {
  test('is completed with a tick and a lot of one, positive prices, no counts and quotes of the book', () => {
    expect(define()).toEqual({
      symbol: 'X',
      priceScale: 2,
      sizeScale: 3,
      tickSize: 1,
      lotSize: 1,
      negativePrices: false,
      orderCounts: false,
      quoteSource: 'book',
    });
  });

  test.each([
    { fields: { symbol: '' }, fault: /symbol/ },
    { fields: { symbol: 'A/B' }, fault: /symbol/ },
    { fields: { symbol: 'A'.repeat(49) }, fault: /symbol/ },
    { fields: { priceScale: -1 }, fault: /priceScale/ },
    { fields: { priceScale: 1.5 }, fault: /priceScale/ },
    { fields: { sizeScale: 16 }, fault: /sizeScale/ },
    { fields: { tickSize: 0 }, fault: /tickSize/ },
    { fields: { tickSize: 2 ** 53 }, fault: /tickSize/ },
    { fields: { lotSize: 0.5 }, fault: /lotSize/ },
  ])('with $fields is refused', ({ fields, fault }) => {
    expect(defineInstrument({ symbol: 'X', priceScale: 2, sizeScale: 3, ...fields })).toMatch(fault);
  });

  test('takes symbols of letters, digits, point, underscore and hyphen', () => {
    expect(['A', 'a.B_c-9', 'A'.repeat(48)].map(isSymbol)).toEqual([true, true, true]);
    expect(['', 'A B', 'A\n', 'É', 'A'.repeat(49)].map(isSymbol)).toEqual([false, false, false, false, false]);
  });
});

describe('the instruments', () => {
  const watched = (): { instruments: Instruments; events: InstrumentEvent[]; stop: () => void } => {
    const instruments = new Instruments();
    const events: InstrumentEvent[] = [];
    const stop = instruments.watch((event) => events.push(event));
    return { instruments, events, stop };
  };

  test('tell what is listed, changed and delisted, with what was before', () => {
    const { instruments, events } = watched();
    const [first, second] = [define(), define({ tickSize: 5 })];
    instruments.put(first);
    instruments.put(second);
    expect(instruments.get('X')).toBe(second);
    expect(instruments.delist('X')).toBe(true);
    expect(instruments.get('X')).toBeUndefined();
    instruments.put(first);
    expect(events).toEqual([
      { action: 'listed', instrument: first },
      { action: 'changed', instrument: second, before: first },
      { action: 'delisted', instrument: second },
      { action: 'listed', instrument: first },
    ]);
  });

  test('say nothing when nothing changed', () => {
    const { instruments, events } = watched();
    instruments.put(define());
    instruments.put(define());
    expect(instruments.delist('Y')).toBe(false);
    expect(events.length).toBe(1);
  });

  test.each<Partial<Instrument>>([
    { priceScale: 3 },
    { sizeScale: 2 },
    { tickSize: 2 },
    { lotSize: 2 },
    { negativePrices: true },
    { orderCounts: true },
    { quoteSource: 'published' },
  ])('tell of a change of %o', (fields) => {
    const { instruments, events } = watched();
    instruments.put(define());
    instruments.put(define(fields));
    expect(events.map(({ action }) => action)).toEqual(['listed', 'changed']);
    expect(sameScales(define(), define(fields))).toBe(
      !('priceScale' in fields || 'sizeScale' in fields || 'orderCounts' in fields),
    );
  });

  test('tell nobody who has ended it', () => {
    const { instruments, events, stop } = watched();
    stop();
    instruments.put(define());
    expect(events).toEqual([]);
  });

  test('are listed by symbol', () => {
    const { instruments } = watched();
    for (const symbol of ['b', 'B', 'A', 'a-1', 'a']) instruments.put(define({ symbol }));
    expect(instruments.list().map(({ symbol }) => symbol)).toEqual(['A', 'B', 'a', 'a-1', 'b']);
  });
});
