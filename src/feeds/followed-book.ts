// Owns one symbol of a venue that sends no checksums: its decimals and its book. The venue's adapter feeds it decimal texts
// and tells it when it is no longer to be trusted. Invariant: one message of the venue is one update, never a crossed one,
// and a book that was lost says nothing until it is stated anew.

import type { InstrumentDefinition } from '../market/instrument.ts';
import type { BookSnapshot, Trade } from '../market/update.ts';
import { formatDecimal, parseDecimal, SCALE_MAX, scaleOf } from '../protocol/decimal.ts';
import type { FeedEvent, Scales } from './feed.ts';
import { Ladder, type Level } from './ladder.ts';
import { mantissaOf, movedExactly, sameScales, significantScaleOf, step, type TextLevel, widest } from './scales.ts';

/** The steps of an instrument, as the venue declares them; null where it does not. */
export interface Increments {
  readonly price: string | null;
  readonly size: string | null;
}

/** What one message says of a book. */
export interface BookWord {
  readonly bids: readonly TextLevel[];
  readonly asks: readonly TextLevel[];
  readonly exchangeUs: number | null;
}

export interface TradeWord extends Pick<Trade, 'id' | 'side'> {
  readonly price: string;
  readonly size: string;
  readonly exchangeUs: number | null;
}

interface Sides {
  readonly bids: Ladder;
  readonly asks: Ladder;
}

/** A message's numbers, and the book that they belong to, at the same scales. */
interface Fitted {
  readonly definition: InstrumentDefinition;
  /** In the order of the message. */
  readonly levels: readonly Level[];
  readonly sides: Sides | null;
}

/** More than any venue's whole book; one that goes on growing is not a book. */
const LEVELS_MAX = 200_000;
/** A book that stays crossed for longer than this is not the venue's: something was missed. */
const CROSSED_MESSAGES_MAX = 100;

export class FollowedBook {
  private readonly symbol: string;
  private increments: Increments = { price: null, size: null };
  /** As announced. */
  private definition: InstrumentDefinition | null = null;
  private sides: Sides | null = null;
  private exchangeUs: number | null = null;
  /** The next update must state the whole book: nobody has heard of it at these scales. */
  private unstated = false;
  private crossedMessages = 0;
  private lost = false;

  constructor(symbol: string) {
    this.symbol = symbol;
  }

  /** Whether a book is followed. */
  get live(): boolean {
    return this.sides !== null;
  }

  /** The whole book, as far as it was told; null where none is, or where changes wait for it to be uncrossed. */
  snapshot(): BookSnapshot | null {
    if (this.sides === null || this.unstated || isCrossed(this.sides)) return null;
    const { bids, asks } = this.sides;
    return { kind: 'snapshot', bids: bids.flat(), asks: asks.flat() };
  }

  /** Takes the venue's word for the steps. An instrument that is announced already keeps its own, and grows as before. */
  declare(increments: Increments): void {
    if (this.definition === null) this.increments = increments;
  }

  /** The whole book, from which on it is followed. @returns false where it can't be held; it is lost then. */
  state(word: BookWord, events: FeedEvent[]): boolean {
    const fitted = this.fit([...word.bids, ...word.asks], { replacing: true });
    if (fitted === null) return this.lose('number out of range', events);
    this.adopt({ ...fitted, sides: { bids: new Ladder('bid'), asks: new Ladder('ask') } }, events);
    this.unstated = true;
    this.crossedMessages = 0;
    this.lost = false;
    return this.put(fitted.levels, word, events);
  }

  /** New sizes of some levels, 0 for those that are gone. @returns false where there is no book, or it was lost over this. */
  change(word: BookWord, events: FeedEvent[]): boolean {
    if (this.sides === null) return false;
    const fitted = this.fit([...word.bids, ...word.asks]);
    if (fitted === null) return this.lose('number out of range', events);
    this.adopt(fitted, events);
    return this.put(fitted.levels, word, events);
  }

  /** The whole book again; what it does not name is gone. Told as a difference where a book is followed. */
  restate(word: BookWord, events: FeedEvent[]): boolean {
    if (this.sides === null || this.definition === null) return this.state(word, events);
    const { priceScale } = this.definition;
    const absent = (side: Ladder, named: readonly TextLevel[]): TextLevel[] => {
      const prices = new Set(named.map(([price]) => mantissaOf(price, priceScale)));
      const gone = side.levels.filter(({ price }) => !prices.has(price));
      return gone.map(({ price }): TextLevel => [formatDecimal(price, priceScale), '0']);
    };
    const bids = [...absent(this.sides.bids, word.bids), ...word.bids];
    const asks = [...absent(this.sides.asks, word.asks), ...word.asks];
    return this.change({ ...word, bids, asks }, events);
  }

  /** @returns false where it can't be a trade. */
  trade({ id, side, price, size, exchangeUs }: TradeWord, events: FeedEvent[]): boolean {
    const fitted = this.fit([[price, size]]);
    const level = fitted?.levels[0];
    if (fitted === null || level === undefined || level.size === 0) return false;
    const { live } = this;
    this.adopt(fitted, events);
    // Other scales: the book that is followed is told anew, as it is.
    if (live && this.unstated) this.tell(this.exchangeUs, events);
    const update = { kind: 'trade', id, tradeKind: 'trade', side, price: level.price, size: level.size } as const;
    events.push({ kind: 'update', symbol: this.symbol, update, exchangeUs, checksum: null });
    return true;
  }

  /** Says that the book must be had anew, and follows it no further. */
  lose(reason: string, events: FeedEvent[]): false {
    this.sides = null;
    this.lost = true;
    events.push({ kind: 'resync', symbol: this.symbol, reason });
    return false;
  }

  /** The same, where that has not been said since the book was last stated. */
  loseOnce(reason: string, events: FeedEvent[]): false {
    return this.lost ? false : this.lose(reason, events);
  }

  /** Whether these are the best levels of the book that is followed. A side without levels is written as zeros. */
  isBest(bid: TextLevel, ask: TextLevel): boolean {
    const { sides, definition } = this;
    if (sides === null || definition === null) return false;
    return isFirst(sides.bids, bid, definition) && isFirst(sides.asks, ask, definition);
  }

  private put(levels: readonly Level[], { bids, exchangeUs }: BookWord, events: FeedEvent[]): boolean {
    const sides = this.sides!;
    levels.forEach((level, index) => {
      (index < bids.length ? sides.bids : sides.asks).put(level);
    });
    if (sides.bids.levels.length + sides.asks.levels.length > LEVELS_MAX) return this.lose('too many levels', events);
    if (isCrossed(sides) && ++this.crossedMessages > CROSSED_MESSAGES_MAX) return this.lose('crossed', events);
    this.tell(exchangeUs, events);
    return true;
  }

  /** Adds the update that brings listeners to the book. While it is crossed they wait: the messages of it become one. */
  private tell(exchangeUs: number | null, events: FeedEvent[]): void {
    const { bids, asks } = this.sides!;
    this.exchangeUs = exchangeUs;
    if (isCrossed({ bids, asks })) return;
    this.crossedMessages = 0;
    const delta = { kind: 'delta', bids: bids.drain(), asks: asks.drain() } as const;
    const update = this.unstated ? ({ kind: 'snapshot', bids: bids.flat(), asks: asks.flat() } as const) : delta;
    this.unstated = false;
    events.push({ kind: 'update', symbol: this.symbol, update, exchangeUs, checksum: null });
  }

  /** Goes on with other scales, steps or sides, and announces what listeners must know of it. */
  private adopt({ definition, sides }: Fitted, events: FeedEvent[]): void {
    this.sides = sides;
    const before = this.definition;
    if (before !== null && sameDefinition(before, definition)) return;
    if (before === null || !sameScales(before, definition)) this.unstated = true;
    this.definition = definition;
    events.push({ kind: 'instrument', definition });
  }

  /** Scales at which these numbers, and the followed book unless they replace it, are exact; null if there are none. */
  private fit(texts: readonly TextLevel[], { replacing = false } = {}): Fitted | null {
    const wanted = this.wantedFor(texts, replacing);
    const at = (scales: Scales) => this.fitAt(texts, scales, replacing);
    const fitted = at(wanted);
    if (fitted !== null) return fitted;
    const least = this.leastFor(texts, replacing);
    return (
      at({ ...wanted, priceScale: least.priceScale }) ?? at({ ...wanted, sizeScale: least.sizeScale }) ?? at(least)
    );
  }

  /** Room for the declared steps, else for all that is written at first; from then on for the digits that matter. */
  private wantedFor(texts: readonly TextLevel[], replacing: boolean): Scales {
    const { price, size } = this.increments;
    if (this.definition !== null) return widest(texts, significantScaleOf, this.definition);
    const declared: TextLevel[] = [[price ?? '', size ?? '']];
    const scales = widest(declared, significantScaleOf, { priceScale: 0, sizeScale: 0 });
    const written = widest(texts, scaleOf, scales);
    const significant = widest(texts, significantScaleOf, scales);
    return {
      priceScale: price === null && replacing ? written.priceScale : significant.priceScale,
      sizeScale: size === null && replacing ? written.sizeScale : significant.sizeScale,
    };
  }

  private leastFor(texts: readonly TextLevel[], replacing: boolean): Scales {
    const least = widest(texts, significantScaleOf, { priceScale: 0, sizeScale: 0 });
    if (replacing || this.sides === null || this.definition === null) return least;
    const { priceScale, sizeScale } = this.definition;
    const held = [...this.sides.bids.levels, ...this.sides.asks.levels].map(
      ({ price, size }): TextLevel => [formatDecimal(price, priceScale), formatDecimal(size, sizeScale)],
    );
    return widest(held, significantScaleOf, least);
  }

  private fitAt(texts: readonly TextLevel[], scales: Scales, replacing: boolean): Fitted | null {
    if (scales.priceScale > SCALE_MAX || scales.sizeScale > SCALE_MAX) return null;
    const levels: Level[] = [];
    for (const text of texts) {
      const level = levelOf(text, scales);
      if (level === null) return null;
      levels.push(level);
    }
    const sides = replacing ? null : this.sidesAt(scales);
    if (sides === null && !replacing && this.sides !== null) return null;
    return { definition: this.definitionAt(scales, levels), levels, sides };
  }

  /** The followed book at other scales; null where there is none, or where it would not be exact. */
  private sidesAt(scales: Scales): Sides | null {
    const { sides, definition } = this;
    if (sides === null || definition === null || sameScales(definition, scales)) return sides;
    const move = (level: Level): Level | null => {
      const price = movedExactly(level.price, definition.priceScale, scales.priceScale);
      const size = movedExactly(level.size, definition.sizeScale, scales.sizeScale);
      return price === null || size === null ? null : { ...level, price, size };
    };
    const bids = sides.bids.moved(move);
    const asks = sides.asks.moved(move);
    return bids === null || asks === null ? null : { bids, asks };
  }

  /** Steps that the venue itself does not keep to (orders from before a change of them) are left out for good. */
  private definitionAt(scales: Scales, levels: readonly Level[]): InstrumentDefinition {
    const { price, size } = this.increments;
    const tickSize = mantissaOf(price, scales.priceScale);
    const lotSize = mantissaOf(size, scales.sizeScale);
    const onTick = levels.every((level) => level.size === 0 || tickSize === 0 || level.price % tickSize === 0);
    const onLot = levels.every((level) => lotSize === 0 || level.size % lotSize === 0);
    this.increments = { price: onTick ? price : null, size: onLot ? size : null };
    return {
      symbol: this.symbol,
      priceScale: scales.priceScale,
      sizeScale: scales.sizeScale,
      ...step('tickSize', onTick ? tickSize : 0),
      ...step('lotSize', onLot ? lotSize : 0),
    };
  }
}

function levelOf([priceText, sizeText]: TextLevel, scales: Scales): Level | null {
  const price = parseDecimal(priceText, scales.priceScale);
  const size = parseDecimal(sizeText, scales.sizeScale);
  if (typeof price !== 'number' || typeof size !== 'number' || price <= 0 || size < 0) return null;
  return { price, size, orders: 0, checksumText: null };
}

function isFirst(side: Ladder, [price, size]: TextLevel, { priceScale, sizeScale }: Scales): boolean {
  const [first] = side.levels;
  const sizeMantissa = parseDecimal(size, sizeScale);
  if (first === undefined) return sizeMantissa === 0;
  return first.price === parseDecimal(price, priceScale) && first.size === sizeMantissa;
}

/** As the bus sees it: a bid at the price of an ask is not crossed. */
function isCrossed({ bids, asks }: Sides): boolean {
  const [bid] = bids.levels;
  const [ask] = asks.levels;
  return bid !== undefined && ask !== undefined && bid.price > ask.price;
}

function sameDefinition(a: InstrumentDefinition, b: InstrumentDefinition): boolean {
  return sameScales(a, b) && a.tickSize === b.tickSize && a.lotSize === b.lotSize;
}
