// Owns the tape of trades: the newest on top. The page hands it what one symbol's tape holds.
// Invariant: a fixed number of rows, which take new contents and never move.

import { formatDecimal, type Trade } from '../client/index.ts';
import { append, element, Marks, Slot } from './drawing.ts';

/** Rows of the tape, and trades that are kept per symbol. */
export const TRADES_MAX = 18;

/** Every row changes with every trade: more often than this nobody can read them. */
const DRAW_MS = 100;

const SIDE = { buy: '▲ buy', sell: '▼ sell', unknown: '· –' } as const;
const KIND = { trade: '', correction: ' ↻', bust: ' ✕' } as const;

interface Row {
  readonly owner: Marks;
  readonly time: Slot;
  readonly side: Slot;
  readonly price: Slot;
  readonly size: Slot;
}

export class TapePanel {
  private readonly rows: readonly Row[];
  private shown: readonly Trade[] | null = null;
  private newest: Trade | undefined;
  private drawnAtMs = 0;

  constructor() {
    const owner = element('tape-rows', HTMLElement);
    this.rows = Array.from({ length: TRADES_MAX }, () => makeRow(owner));
  }

  /** @param trades oldest first. */
  draw(trades: readonly Trade[], nowMs: number): void {
    const newest = trades.at(-1);
    if (trades === this.shown && (newest === this.newest || nowMs - this.drawnAtMs < DRAW_MS)) return;
    this.drawnAtMs = nowMs;
    this.shown = trades;
    this.newest = newest;
    this.rows.forEach((row, index) => {
      drawTrade(row, trades[trades.length - 1 - index]);
    });
  }
}

function makeRow(owner: HTMLElement): Row {
  const made = append(owner, 'div', 'tape-row');
  made.setAttribute('role', 'row');
  const cell = (name: string): Slot => {
    const slot = append(made, 'span', `cell ${name}`);
    slot.setAttribute('role', 'cell');
    return new Slot(slot);
  };
  return {
    time: cell('time'),
    side: cell('side-word'),
    price: cell('price'),
    size: cell('size'),
    owner: new Marks(made),
  };
}

function drawTrade({ owner, time, side, price, size }: Row, trade: Trade | undefined): void {
  owner.mark('data-side', trade?.side ?? null);
  owner.mark('data-kind', trade?.kind ?? null);
  time.set(trade === undefined ? '' : clockTime(trade.exchangeUs ?? trade.publishUs));
  side.set(trade === undefined ? '' : `${SIDE[trade.side]}${KIND[trade.kind]}`);
  price.set(trade === undefined ? '' : formatDecimal(trade.price, trade.priceScale));
  size.set(trade === undefined ? '' : formatDecimal(trade.size, trade.sizeScale));
}

/** `14:03:07.125`, by this machine's time zone. */
function clockTime(timeUs: number): string {
  const time = new Date(timeUs / 1_000);
  const two = (part: number): string => String(part).padStart(2, '0');
  const ms = String(time.getMilliseconds()).padStart(3, '0');
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}
