// Owns the moving ladder, the quote above it and the proof below it. The page hands it the newest state of a book.
// Invariant: there are always `depth` rows a side, filled or empty, with the best prices next to the middle.

import { formatDecimal } from '../client/index.ts';
import { append, element, Slot } from './drawing.ts';

export interface Level {
  readonly price: number;
  readonly size: number;
}

/** What the ladder shows of a book; prices and sizes are mantissas, best first. */
export interface BookView {
  readonly symbol: string;
  readonly seq: number;
  readonly checksum: number;
  readonly priceScale: number;
  readonly sizeScale: number;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

interface Row {
  readonly bar: HTMLElement;
  readonly price: Slot;
  readonly size: Slot;
  readonly total: Slot;
  fraction: number;
}

interface Move {
  readonly size: number;
  readonly direction: 'up' | 'down' | null;
  readonly atMs: number;
}

/** How long a mark says what a size has just done. */
const MOVE_MS = 700;
/** Every second frame of a usual screen: smooth to the eye at half of the work. */
const DRAW_MS = 30;

class Side {
  private rows: Row[] = [];
  private moves = new Map<number, Move>();

  constructor(
    private readonly owner: HTMLElement,
    private readonly bestLast: boolean,
  ) {}

  resize(depth: number): void {
    this.owner.replaceChildren();
    this.rows = Array.from({ length: depth }, () => makeRow(this.owner));
    if (this.bestLast) this.rows.reverse();
    this.forget();
  }

  forget(): void {
    this.moves = new Map();
  }

  draw(levels: readonly Level[], most: number, { priceScale, sizeScale }: BookView, nowMs: number): void {
    const moves = new Map<number, Move>();
    const fresh = this.moves.size === 0;
    let total = 0;
    this.rows.forEach((row, rank) => {
      const level = levels[rank];
      if (level === undefined) {
        clearRow(row);
        return;
      }
      total += level.size;
      const move = moveOf(level, this.moves.get(level.price), fresh, nowMs);
      moves.set(level.price, move);
      row.price.set(formatDecimal(level.price, priceScale));
      row.size.set(formatDecimal(level.size, sizeScale));
      row.size.mark('data-move', move.direction);
      row.total.set(Number.isSafeInteger(total) ? formatDecimal(total, sizeScale) : '…');
      stretch(row, most === 0 ? 0 : total / most);
    });
    this.moves = moves;
  }
}

export class LadderPanel {
  private readonly asks = new Side(element('asks', HTMLElement), true);
  private readonly bids = new Side(element('bids', HTMLElement), false);
  private readonly title = Slot.of('book-title');
  private readonly bidPrice = Slot.of('bid-price');
  private readonly bidSize = Slot.of('bid-size');
  private readonly askPrice = Slot.of('ask-price');
  private readonly askSize = Slot.of('ask-size');
  private readonly spread = Slot.of('spread');
  private readonly mid = Slot.of('mid');
  private readonly seq = Slot.of('book-seq');
  private readonly checksum = Slot.of('book-checksum');
  private symbol = '';
  private drawnAtMs = 0;

  resize(depth: number): void {
    this.asks.resize(depth);
    this.bids.resize(depth);
    this.drawnAtMs = 0;
  }

  /** @param symbol the chosen one; its book may not be there yet. */
  draw(symbol: string, book: BookView | null, nowMs: number): void {
    if (symbol === this.symbol && book !== null && nowMs - this.drawnAtMs < DRAW_MS) return;
    this.drawnAtMs = nowMs;
    if (symbol !== this.symbol) {
      this.symbol = symbol;
      this.title.set(symbol === '' ? 'Book' : symbol);
      this.asks.forget();
      this.bids.forget();
    }
    if (book === null || book.symbol !== symbol) return this.drawNothing();
    const most = Math.max(sum(book.asks), sum(book.bids));
    this.asks.draw(book.asks, most, book, nowMs);
    this.bids.draw(book.bids, most, book, nowMs);
    this.drawQuote(book);
    this.seq.set(`update ${book.seq.toLocaleString('en')}`);
    this.checksum.set(`✓ checksum ${book.checksum.toString(16).padStart(8, '0')}`);
  }

  private drawQuote({ bids: [bid], asks: [ask], priceScale, sizeScale }: BookView): void {
    this.bidPrice.set(bid === undefined ? '–' : formatDecimal(bid.price, priceScale));
    this.bidSize.set(bid === undefined ? '' : formatDecimal(bid.size, sizeScale));
    this.askPrice.set(ask === undefined ? '–' : formatDecimal(ask.price, priceScale));
    this.askSize.set(ask === undefined ? '' : formatDecimal(ask.size, sizeScale));
    const both = bid !== undefined && ask !== undefined;
    this.spread.set(both ? `spread ${formatDecimal(ask.price - bid.price, priceScale)}` : 'spread –');
    // Half a unit in the last place needs one more digit.
    this.mid.set(both ? `mid ${formatDecimal((bid.price + ask.price) * 5, priceScale + 1)}` : 'mid –');
  }

  private drawNothing(): void {
    const nothing = { symbol: '', seq: 0, checksum: 0, priceScale: 0, sizeScale: 0, bids: [], asks: [] };
    this.asks.draw([], 0, nothing, 0);
    this.bids.draw([], 0, nothing, 0);
    this.drawQuote(nothing);
    this.seq.set('update –');
    this.checksum.set('checksum –');
  }
}

function makeRow(owner: HTMLElement): Row {
  const row = append(owner, 'div', 'ladder-row');
  row.setAttribute('role', 'row');
  const bar = append(row, 'span', 'bar');
  bar.setAttribute('aria-hidden', 'true');
  const cell = (name: string): Slot => {
    const made = append(row, 'span', `cell ${name}`);
    made.setAttribute('role', 'cell');
    return new Slot(made);
  };
  return { bar, price: cell('price'), size: cell('size'), total: cell('total'), fraction: 0 };
}

function clearRow(row: Row): void {
  for (const slot of [row.price, row.size, row.total]) slot.set('');
  row.size.mark('data-move', null);
  stretch(row, 0);
}

function stretch(row: Row, fraction: number): void {
  // A thousandth is less than a pixel.
  const rounded = Math.round(fraction * 1_000) / 1_000;
  if (row.fraction === rounded) return;
  row.fraction = rounded;
  row.bar.style.transform = `scaleX(${rounded})`;
}

function moveOf({ size }: Level, before: Move | undefined, fresh: boolean, nowMs: number): Move {
  if (before === undefined) return { size, direction: fresh ? null : 'up', atMs: nowMs };
  if (before.size !== size) return { size, direction: size > before.size ? 'up' : 'down', atMs: nowMs };
  if (before.direction !== null && nowMs - before.atMs > MOVE_MS) return { ...before, direction: null };
  return before;
}

function sum(levels: readonly Level[]): number {
  let total = 0;
  for (const { size } of levels) total += size;
  return total;
}
