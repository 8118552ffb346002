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
  /** The address takes what the others leave. */
  readonly width: number;
  readonly side: 'left' | 'right';
  readonly text: (facts: ConnectionFacts) => string;
  readonly style?: (facts: ConnectionFacts) => Style;
}

/** Together with an address of 15 characters, 80 wide. What each of them means stands in the command's help. */
const COLUMNS: readonly Column[] = [
  { heading: 'ID', width: ID_SHOWN, side: 'left', text: ({ id }) => id.slice(0, ID_SHOWN) },
  { heading: 'ADDRESS', width: 0, side: 'left', text: ({ address }) => shortAddress(address) },
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
  { heading: 'WINDOW', width: 6, side: 'right', text: ({ windowBytes }) => shortCount(windowBytes) },
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
/** IPv6 in full. */
const ADDRESS_MAX = 39;

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
  const widths = COLUMNS.map(({ width }) => width || addressWidth(size.columns));
  const lines = [
    ...totals(state, size.columns, keys),
    [],
    COLUMNS.map((column, place) => cellOf(column.heading, column, widths[place]!, 'dim')),
    ...shown.map((facts) => rowOf(facts, widths)),
    ...(cut ? [cutLine(shown.length, state.list)] : []),
    ...(total === 0 ? [[{ text: 'nobody is connected', style: 'dim' } as const]] : []),
  ];
  return lines
    .slice(0, size.rows)
    .map((line) => paint(cutTo(line, size.columns), color))
    .join('\n');
}

function addressWidth(columns: number): number {
  const others = COLUMNS.reduce((sum, { width }) => sum + width + 1, -1);
  return Math.max(ADDRESS_MIN, Math.min(ADDRESS_MAX, columns - others));
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

function rowOf(facts: ConnectionFacts, widths: readonly number[]): Line {
  return COLUMNS.map((column, place) =>
    cellOf(column.text(facts), column, widths[place]!, column.style?.(facts) ?? 'plain'),
  );
}

/** One column of a line, with the blank that keeps it from the one before. */
function cellOf(text: string, column: Column, width: number, style: Style): Cell {
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
