// Owns the table of a gateway's connections: totals, then a row each. A pure function of what the admin port answered, the
// size of the terminal and whether it has colours; the command prints what it returns, the screen draws it.
// Invariant: never more lines than rows, nor more characters in one than columns; without colours no escape sequence.

import { type ConnectionFacts, type ConnectionList, ID_SHOWN } from '../gateway/admin.ts';
import type { ScreenSize } from './ladder-view.ts';
import { type Cell, cutTo, type Line, paint, type Style, spread } from './painting.ts';

export interface TopState {
  /** Where the gateway is asked. */
  readonly url: string;
  /** Share of the time that the gateway is not idle. */
  readonly busy: number;
  readonly list: ConnectionList;
}

/** Totals, an empty line, headings. */
const HEAD_ROWS = 4;
const BUSY_ALARM = 0.9;
/** An age from which a client notices. */
const AGED_MS = 1_000;

interface Column {
  readonly heading: string;
  /** 0: it shares what the others leave. */
  readonly width: number;
  readonly side: 'left' | 'right';
  readonly text: (facts: ConnectionFacts) => string;
  readonly style?: (facts: ConnectionFacts) => Style;
  /** Left out of terminals that have no room for all. */
  readonly spare?: true;
}

const ADDRESS: Column = { heading: 'ADDRESS', width: 0, side: 'left', text: ({ address }) => shortAddress(address) };
const WHO: Column = {
  heading: 'WHO',
  width: 0,
  side: 'left',
  text: ({ principal }) => principal,
  style: ({ principal }) => (NOBODY.includes(principal) ? 'dim' : 'plain'),
};
/** Those who have not said who they are. */
const NOBODY: readonly string[] = ['anonymous', 'local'];

/** Without those to spare, 80 wide with an address of 15 characters. What each means stands in the command's help. */
const COLUMNS: readonly Column[] = [
  { heading: 'ID', width: ID_SHOWN, side: 'left', text: ({ id }) => id.slice(0, ID_SHOWN) },
  ADDRESS,
  WHO,
  {
    heading: 'PACE',
    width: 9,
    side: 'left',
    text: ({ pace }) => (pace.priority < 9 ? `${pace.pace} ${pace.priority}` : pace.pace),
    style: ({ pace }) => (pace.pace === 'real-time' ? 'plain' : 'ask'),
  },
  { heading: 'RATE', width: 4, side: 'right', text: ({ bytesPerSec }) => shortCount(bytesPerSec) },
  {
    heading: 'AGE',
    width: 5,
    side: 'right',
    text: ({ ageMs }) => (ageMs === 0 ? '0' : shortDuration(ageMs)),
    style: ({ ageMs }) => (ageMs < AGED_MS ? 'plain' : 'ask'),
  },
  { heading: 'WINDOW', width: 6, side: 'right', text: ({ windowBytes }) => shortCount(windowBytes), spare: true },
  { heading: 'UNANS', width: 5, side: 'right', text: ({ unansweredBytes }) => shortCount(unansweredBytes) },
  {
    heading: 'RTT',
    width: 5,
    side: 'right',
    text: ({ roundTripMs }) => (roundTripMs === null ? '-' : shortDuration(roundTripMs)),
  },
  { heading: 'QUEUE', width: 5, side: 'right', text: ({ queuedBytes }) => shortCount(queuedBytes) },
  { heading: 'SUBS', width: 4, side: 'right', text: ({ subscriptions }) => shortCount(subscriptions) },
  {
    heading: 'BLOCK',
    width: 6,
    side: 'left',
    text: ({ block }) => block ?? '-',
    style: ({ block }) => (block === null ? 'dim' : 'ask'),
  },
];
const ADDRESS_MIN = 9;
/** IPv4 in full. */
const ADDRESS_USUAL = 15;
/** IPv6 in full. */
const ADDRESS_MAX = 39;
const WHO_MIN = 5;
/** Terminals from here on show all columns. */
export const COLUMNS_ALL = widthOf(COLUMNS) + ADDRESS_USUAL + WHO_MIN;

/** The whole table, lines separated by line feeds. `keys` tells how it is left, where there are keys. */
export function renderTop(
  state: TopState,
  size: ScreenSize,
  { color, keys }: { color: boolean; keys: boolean },
): string {
  const { total, connections } = state.list;
  const room = Math.max(0, size.rows - HEAD_ROWS);
  const cut = connections.length > room || connections.length < total;
  const shown = connections.slice(0, cut ? Math.max(0, room - 1) : room);
  const places = placesOf(shown, size.columns);
  const lines = [
    ...totals(state, size.columns, keys),
    [],
    places.map((place) => cellOf(place.column.heading, place, 'dim')),
    ...shown.map((facts) => places.map((place) => rowCell(facts, place))),
    ...(cut ? [cutLine(shown.length, state.list)] : []),
    ...(total === 0 ? [[{ text: 'nobody is connected', style: 'dim' } as const]] : []),
  ];
  return lines
    .slice(0, size.rows)
    .map((line) => paint(cutTo(line, size.columns), color))
    .join('\n');
}

/** A column, and how wide it is here. */
interface Place {
  readonly column: Column;
  readonly width: number;
}

/** Addresses come first; who it is gets what they leave, down to a few letters. */
function placesOf(shown: readonly ConnectionFacts[], columns: number): Place[] {
  const present = columns >= COLUMNS_ALL ? COLUMNS : COLUMNS.filter(({ spare }) => spare !== true);
  const room = columns - widthOf(present);
  const longest = (column: Column): number => Math.max(0, ...shown.map((facts) => column.text(facts).length));
  const address = Math.min(ADDRESS_MAX, Math.max(ADDRESS_MIN, longest(ADDRESS)));
  const who = Math.max(WHO_MIN, Math.min(longest(WHO), room - address));
  const shared = new Map([
    [WHO, who],
    [ADDRESS, Math.max(ADDRESS_MIN, Math.min(ADDRESS_MAX, room - who))],
  ]);
  return present.map((column) => ({ column, width: shared.get(column) ?? column.width }));
}

/** With the blanks between them. */
function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, { width }) => sum + width + 1, -1);
}

function totals({ url, busy, list }: TopState, columns: number, keys: boolean): Line[] {
  const where: Cell = { text: new URL(url).host, style: 'plain', bold: true };
  const facts: Cell[] = [
    { text: `${countOf(list.total)} ${list.total === 1 ? 'connection' : 'connections'}`, style: 'plain' },
    { text: `${shortCount(list.bytesPerSec)}B/s`, style: 'plain' },
    { text: `busy ${Math.round(100 * busy)} %`, style: busy > BUSY_ALARM ? 'alarm' : 'plain' },
  ];
  const paces = Object.entries(list.paces).map(
    ([pace, count]): Cell => ({ text: `${pace} ${countOf(count)}`, style: count === 0 ? 'dim' : 'plain' }),
  );
  const blocks = Object.entries(list.blocked);
  const blocked = blocks.reduce((sum, [, count]) => sum + count, 0);
  const causes = blocks.filter(([, count]) => count > 0).map(([block, count]) => `${block} ${countOf(count)}`);
  const stuck: Cell = {
    text: `blocked ${countOf(blocked)}${causes.length === 0 ? '' : ` (${causes.join(', ')})`}`,
    style: blocked === 0 ? 'dim' : 'ask',
  };
  const right: Line = keys ? [{ text: 'q quits', style: 'dim' }] : [];
  return [spread(joined([where, ...facts]), right, columns), joined([...paces, stuck])];
}

function joined(cells: readonly Cell[]): Line {
  return cells.flatMap((cell, place): Cell[] => (place === 0 ? [cell] : [{ text: '  ', style: 'plain' }, cell]));
}

function rowCell(facts: ConnectionFacts, place: Place): Cell {
  const { text, style } = place.column;
  return cellOf(text(facts), place, style?.(facts) ?? 'plain');
}

/** One column of a line, with the blank that keeps it from the one before. */
function cellOf(text: string, { column, width }: Place, style: Style): Cell {
  const cut = text.slice(0, width);
  const padded = column.side === 'left' ? cut.padEnd(width) : cut.padStart(width);
  return { text: column === COLUMNS[0] ? padded : ` ${padded}`, style };
}

function cutLine(shown: number, { total, connections }: ConnectionList): Line {
  const more = connections.length < total && shown === connections.length ? '; --limit shows more' : '';
  return [{ text: `the oldest ${countOf(shown)} of ${countOf(total)}${more}`, style: 'dim' }];
}

function countOf(count: number): string {
  return count.toLocaleString('en-US');
}

const UNITS = ['', 'K', 'M', 'G', 'T', 'P'];

/** In at most 4 characters, rounded down, K being a thousand: 999, 9.9K, 61K, 1.2M. */
function shortCount(count: number): string {
  let value = count;
  let unit = 0;
  for (; value >= 1_000 && unit < UNITS.length - 1; unit++) value /= 1_000;
  const digits = unit > 0 && value < 10 ? (Math.floor(value * 10) / 10).toFixed(1) : String(Math.floor(value));
  return `${digits}${UNITS[unit]}`;
}

/** In at most 5 characters, rounded down. */
function shortDuration(durationMs: number): string {
  if (durationMs < 1) return `${Math.floor(durationMs * 1_000)}µs`;
  if (durationMs < 10) return `${(Math.floor(durationMs * 10) / 10).toFixed(1)}ms`;
  if (durationMs < 1_000) return `${Math.floor(durationMs)}ms`;
  const seconds = durationMs / 1_000;
  if (seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)}s`;
  if (seconds < 100) return `${Math.floor(seconds)}s`;
  if (seconds < 6_000) return `${Math.floor(seconds / 60)}m`;
  return seconds < 360_000 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/** IPv6 as it is usually written; an IPv4 address within it as such. */
function shortAddress(address: string): string {
  if (!address.includes(':') || !URL.canParse(`http://[${address}]`)) return address;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.');
}
