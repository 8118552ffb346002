// Owns the checks that need nothing but the instrument: is this update possible at all? Called by the bus before it sequences.
// Invariant: an update that passes is whole: on tick, on lot, in range, each level named once.

import { type Fault, fault } from '../protocol/errors.ts';
import type { FlatLevels, Status } from '../protocol/frames.ts';
import type { Instrument } from './instrument.ts';
import { LEVEL_STRIDE, type Update } from './update.ts';

/** The others are a gateway's own view of a topic. */
const SEQUENCED: readonly Status[] = ['live', 'crossed', 'halted', 'source-down'];

/** Null where the update is possible for the instrument. */
export function checkUpdate(instrument: Instrument, update: Update): Fault | null {
  switch (update.kind) {
    case 'delta':
    case 'snapshot':
      return checkLevels(instrument, update.bids) ?? checkLevels(instrument, update.asks);
    case 'quote':
      if (instrument.quoteSource === 'book') return fault('derived-channel', instrument.symbol);
      return (
        checkNullablePrice(instrument, update.bidPrice) ??
        checkSize(instrument, update.bidSize) ??
        checkNullablePrice(instrument, update.askPrice) ??
        checkSize(instrument, update.askSize)
      );
    case 'trade':
      return checkId(update.id) ?? checkPrice(instrument, update.price) ?? checkSize(instrument, update.size);
    case 'status':
      return SEQUENCED.includes(update.status) ? null : fault('bad-request', `status ${update.status}`);
  }
}

function checkId(id: number | string | null): Fault | null {
  return typeof id !== 'number' || Number.isSafeInteger(id) ? null : fault('out-of-range', `trade id ${id}`);
}

function checkLevels(instrument: Instrument, flat: FlatLevels): Fault | null {
  const ordered = flat.length / LEVEL_STRIDE;
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) {
    const price = flat[i]!;
    const size = flat[i + 1]!;
    // A level that goes may be off a tick size that was changed since it came.
    const bad =
      (size === 0 ? checkRange(instrument, price) : checkPrice(instrument, price)) ??
      checkSize(instrument, size) ??
      checkCount(flat[i + 2]!);
    if (bad !== null) return bad;
    // A handful of levels is compared pairwise; more are put into a set below.
    if (ordered <= 8) for (let k = 0; k < i; k += LEVEL_STRIDE) if (flat[k] === price) return duplicate(price);
  }
  if (ordered <= 8) return null;
  const named = new Set<number>();
  for (let i = 0; i < flat.length; i += LEVEL_STRIDE) {
    if (named.has(flat[i]!)) return duplicate(flat[i]!);
    named.add(flat[i]!);
  }
  return null;
}

function duplicate(price: number): Fault {
  return fault('duplicate-level', `price mantissa ${price}`);
}

function checkNullablePrice(instrument: Instrument, price: number | null): Fault | null {
  return price === null ? null : checkPrice(instrument, price);
}

function checkRange(instrument: Instrument, price: number): Fault | null {
  if (!Number.isSafeInteger(price)) return fault('out-of-range', `price ${price}`);
  return price <= 0 && !instrument.negativePrices ? fault('bad-price', `price mantissa ${price}`) : null;
}

function checkPrice(instrument: Instrument, price: number): Fault | null {
  const bad = checkRange(instrument, price);
  if (bad !== null) return bad;
  if (instrument.tickSize !== 1 && price % instrument.tickSize !== 0) {
    return fault('off-tick', `price mantissa ${price}, tick ${instrument.tickSize}`);
  }
  return null;
}

function checkSize(instrument: Instrument, size: number): Fault | null {
  if (!Number.isSafeInteger(size)) return fault('out-of-range', `size ${size}`);
  if (size < 0) return fault('bad-size', `size mantissa ${size}`);
  if (instrument.lotSize !== 1 && size % instrument.lotSize !== 0) {
    return fault('off-lot', `size mantissa ${size}, lot ${instrument.lotSize}`);
  }
  return null;
}

function checkCount(count: number): Fault | null {
  return Number.isSafeInteger(count) && count >= 0 ? null : fault('bad-size', `order count ${count}`);
}
