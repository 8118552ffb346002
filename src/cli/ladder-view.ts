// Owns the picture of a market in a terminal: asks above bids, bars, spread, trades, health. A pure function of what is
// known, the size of the terminal and whether it has colours; the screen draws what it returns.
// Invariant: never more lines than rows, nor more characters in one than columns; without colours no escape sequence.

import { formatDecimal } from '../protocol/decimal.ts';
import type { Channel } from '../protocol/frames.ts';
import { formatDuration, formatTime } from './notation.ts';
import { type Cell, cutTo, type Line, lengthOf, paint, type Style, spread } from './painting.ts';

export interface LadderLevel {
  readonly price: number;
  readonly size: number;
  /** Number of orders; 0 where the source has none. */
  readonly count: number;
  /** Changed a moment ago. */
  readonly fresh: boolean;
}

export interface LadderTrade {
  readonly atUs: number;
  /** What happened, in a word of at most 4 letters: buy, sell, fix, bust. */
  readonly word: string;
  readonly rising: boolean | null;
  readonly price: number;
  readonly size: number;
}

/** Everything that the picture shows. */
export interface LadderState {
  readonly symbol: string;
  /** How the book is subscribed, in words. */
  readonly manner: string;
  /** What this client may not have of it. */
  readonly denied: readonly Channel[];
  readonly status: string;
  readonly priceScale: number;
  readonly sizeScale: number;
  /** Best first. */
  readonly bids: readonly LadderLevel[];
  readonly asks: readonly LadderLevel[];
  /** Newest first. */
  readonly trades: readonly LadderTrade[];
  /** 0 before the first state. */
  readonly seq: number;
  readonly checksumsOk: number;
  readonly checksumsBad: number;
  readonly merged: number;
  /** From the gateway's send to this client. */
  readonly latencyUs: number | null;
  /** Since the exchange's newest word. */
  readonly exchangeAgeUs: number | null;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export const CHANNEL_WORDS: Readonly<Record<Channel, string>> = {
  book: 'book',
  quote: 'quotes',
  trade: 'trades',
  status: 'status',
};

/** Header, spread and footer. */
const FIXED_ROWS = 3;
/** Rows of the trades where they stand below the book, heading included. */
const TRADES_BELOW_ROWS_MIN = 3;
const BAR_MIN = 8;
const GAP = 2;
/** Digits before the point that sizes have room for, whatever they are now. */
const WHOLE_DIGITS = 3;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** The whole picture, lines separated by line feeds. */
export function renderLadder(state: LadderState, size: ScreenSize, color: boolean): string {
  const lines = picture(state, size).slice(0, size.rows);
  return lines.map((line) => paint(cutTo(line, size.columns), color)).join('\n');
}

function picture(state: LadderState, { columns, rows }: ScreenSize): Line[] {
  const widths = widthsOf(state);
  const tradesWidth = widthOfTrades(widths);
  const traded = !state.denied.includes('trade');
  const beside = traded && columns - tradesWidth >= widthOfLevels(widths) + BAR_MIN;
  const ladderColumns = beside ? columns - tradesWidth : columns;
  const levelRows = Math.max(2, rows - FIXED_ROWS);
  const perSide = Math.min(Math.max(1, Math.floor(levelRows / 2)), Math.max(state.bids.length, state.asks.length, 1));
  const ladder = ladderLines(state, { widths, columns: ladderColumns, perSide });
  const spare = rows - FIXED_ROWS - 2 * perSide;
  const below = beside || !traded || spare < TRADES_BELOW_ROWS_MIN ? [] : tradeLines(state, spare - 1).map(indented);
  const body = beside ? withTrades(ladder, tradeLines(state, ladder.length), ladderColumns) : [...ladder, ...below];
  const airy = rows >= FIXED_ROWS + body.length - 1 + 2;
  const air: Line[] = airy ? [[]] : [];
  return [header(state, columns), ...air, ...body, ...air, footer(state, columns)];
}

interface Widths {
  readonly price: number;
  readonly size: number;
  /** 0 where there are no order counts. */
  readonly count: number;
}

function widthsOf({ bids, asks, trades, priceScale, sizeScale }: LadderState): Widths {
  const levels = [...bids, ...asks];
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
  // Columns that keep their width are easier on the eye.
  const steady = WHOLE_DIGITS + (sizeScale === 0 ? 0 : 1 + sizeScale);
  const counted = levels.some((level) => level.count > 0);
  return {
    price: longest([...levels, ...trades].map(({ price }) => formatDecimal(price, priceScale))),
    size: Math.max(steady, longest([...levels, ...trades].map(({ size }) => formatDecimal(size, sizeScale)))),
    count: counted ? longest(levels.map(({ count }) => String(count))) + 1 : 0,
  };
}

function widthOfLevels({ price, size, count }: Widths): number {
  return 1 + price + GAP + size + (count === 0 ? 0 : GAP + count) + GAP;
}

function widthOfTrades({ price, size }: Widths): number {
  return 3 + '00:00:00'.length + GAP + 'sell'.length + GAP + price + GAP + size + 1;
}

interface LadderShape {
  readonly widths: Widths;
  readonly columns: number;
  readonly perSide: number;
}

/** Asks from the worst shown down to the best, the spread, bids from the best on. */
function ladderLines(state: LadderState, shape: LadderShape): Line[] {
  const asks = state.asks.slice(0, shape.perSide);
  const bids = state.bids.slice(0, shape.perSide);
  const largest = Math.max(1, ...[...asks, ...bids].map((level) => level.size));
  const lineOf = (level: LadderLevel | undefined, index: number, hue: Style): Line =>
    level === undefined ? [] : levelLine(state, level, { ...shape, largest, hue, best: index === 0 });
  const slots = Array.from({ length: shape.perSide }, (_, index) => index);
  return [
    ...slots.map((index) => lineOf(asks[index], index, 'ask')).reverse(),
    spreadLine(state, shape.columns),
    ...slots.map((index) => lineOf(bids[index], index, 'bid')),
  ];
}

function levelLine(
  { priceScale, sizeScale }: LadderState,
  { price, size, count, fresh }: LadderLevel,
  { widths, columns, largest, hue, best }: LadderShape & { largest: number; hue: Style; best: boolean },
): Line {
  const strong = best || fresh;
  const room = columns - widthOfLevels(widths) - 1;
  const counted: Cell[] =
    widths.count === 0 ? [] : [{ text: `${' '.repeat(GAP)}${`×${count}`.padStart(widths.count)}`, style: 'dim' }];
  return [
    { text: ` ${formatDecimal(price, priceScale).padStart(widths.price)}`, style: hue, bold: strong },
    { text: `${' '.repeat(GAP)}${formatDecimal(size, sizeScale).padStart(widths.size)}`, style: 'plain', bold: fresh },
    ...counted,
    { text: `${' '.repeat(GAP)}${bar(size / largest, room)}`, style: hue, bold: fresh },
  ];
}

/** A bar of at most `room` characters, in eighths of one; what is there at all can be seen. */
function bar(share: number, room: number): string {
  if (room <= 0) return '';
  const eighths = Math.max(1, Math.round(share * room * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]!;
}

function spreadLine({ bids, asks, priceScale, denied }: LadderState, columns: number): Line {
  const [bid] = bids;
  const [ask] = asks;
  if (denied.includes('book')) return rule([{ text: 'the book is not allowed to this client', style: 'dim' }], columns);
  if (bid === undefined || ask === undefined) {
    const text = bid === undefined && ask === undefined ? 'the book is empty' : 'one side is empty';
    return rule([{ text, style: 'dim' }], columns);
  }
  const basisPoints = (20_000 * (ask.price - bid.price)) / (ask.price + bid.price);
  const share = bid.price > 0 ? ` (${basisPoints.toFixed(2)} bp)` : '';
  return rule(
    [
      { text: 'spread ', style: 'dim' },
      { text: formatDecimal(ask.price - bid.price, priceScale), style: 'plain', bold: true },
      { text: `${share}  mid `, style: 'dim' },
      { text: middle(bid.price, ask.price, priceScale), style: 'plain', bold: true },
    ],
    columns,
  );
}

/** Exact as well: the middle of two mantissas has at most one digit more. */
function middle(bid: number, ask: number, scale: number): string {
  const doubled = bid + ask;
  if (!Number.isSafeInteger(5 * doubled)) return '-';
  return doubled % 2 === 0 ? formatDecimal(doubled / 2, scale) : formatDecimal(5 * doubled, scale + 1);
}

/** The cells in a line drawn from edge to edge. */
function rule(cells: Line, columns: number): Line {
  const tail = Math.max(0, columns - lengthOf(cells) - 6);
  return [{ text: ' ── ', style: 'dim' }, ...cells, { text: ` ${'─'.repeat(tail)}`, style: 'dim' }];
}

function withTrades(ladder: readonly Line[], trades: readonly Line[], ladderColumns: number): Line[] {
  return ladder.map((line, row) => [
    ...cutTo(line, ladderColumns, 'padded'),
    { text: ' │ ', style: 'dim' } as const,
    ...(trades[row] ?? []),
  ]);
}

function indented(line: Line): Line {
  return [{ text: ' ', style: 'plain' }, ...line];
}

/** A heading and the newest trades, as many as `rows` hold. */
function tradeLines(state: LadderState, rows: number): Line[] {
  const { price, size } = widthsOf(state);
  const lines = state.trades.slice(0, Math.max(0, rows - 1)).map(({ atUs, word, rising, ...trade }): Line => {
    const hue = rising === null ? 'plain' : rising ? 'bid' : 'ask';
    return [
      { text: `${formatTime(atUs)}${' '.repeat(GAP)}`, style: 'dim' },
      { text: word.padEnd('sell'.length + GAP), style: hue },
      { text: formatDecimal(trade.price, state.priceScale).padStart(price), style: hue },
      { text: `${' '.repeat(GAP)}${formatDecimal(trade.size, state.sizeScale).padStart(size)}`, style: 'plain' },
    ];
  });
  const heading = state.trades.length === 0 ? 'no trades yet' : 'last trades, UTC';
  return [[{ text: heading, style: 'dim' }], ...lines];
}

function header({ symbol, status, manner, seq, denied }: LadderState, columns: number): Line {
  const left: Line = [
    { text: ` ${symbol}`, style: 'plain', bold: true },
    { text: `  ● ${status}`, style: status === 'live' ? 'bid' : 'alarm' },
  ];
  const waits = denied.includes('book') ? '' : 'waiting for the book ';
  const right: Line = [{ text: seq === 0 ? waits : `${manner}   seq ${seq} `, style: 'dim' }];
  return spread(left, right, columns);
}

/** The most telling first: what does not fit is left out from the end. */
function footer(state: LadderState, columns: number): Line {
  const { checksumsOk, checksumsBad, merged, latencyUs, exchangeAgeUs, denied } = state;
  const words = denied.map((channel) => CHANNEL_WORDS[channel]).join(', ');
  const facts: Cell[] = [
    checksumsBad === 0
      ? { text: `checksums ${checksumsOk} ok`, style: 'bid' }
      : { text: `checksums ${checksumsOk} ok, ${checksumsBad} BAD`, style: 'alarm' },
    ...(words === '' ? [] : [{ text: `not allowed: ${words}`, style: 'ask' } as const]),
    { text: `latency ${latencyUs === null ? '-' : formatDuration(latencyUs)}`, style: 'plain' },
    { text: `exchange ${exchangeAgeUs === null ? '-' : `${formatDuration(exchangeAgeUs)} ago`}`, style: 'plain' },
    { text: `merged ${merged}`, style: 'dim' },
  ];
  const right: Line = [{ text: 'q quits ', style: 'dim' }];
  const left: Cell[] = [];
  for (const fact of facts) {
    const longer: Cell[] = [...left, { text: left.length === 0 ? ' ' : '   ', style: 'dim' }, fact];
    if (left.length > 0 && lengthOf(longer) + lengthOf(right) + 1 > columns) break;
    left.splice(0, left.length, ...longer);
  }
  return spread(left, right, columns);
}
