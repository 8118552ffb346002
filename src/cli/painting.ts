// Owns lines of styled text: their length, their cut, and how they become characters for a terminal. The ladder is made
// of them. Invariant: lengths count what is seen, so that cutting never cuts an escape sequence.

export type Style = 'plain' | 'dim' | 'bid' | 'ask' | 'alarm';

/** A run of characters of one style. */
export interface Cell {
  readonly text: string;
  readonly style: Style;
  readonly bold?: boolean;
}
export type Line = readonly Cell[];

/** SGR parameters: the terminal's own colours, so that its theme decides. */
const CODES: Readonly<Record<Style, string>> = { plain: '', dim: '2', bid: '32', ask: '31', alarm: '7;33' };
const BOLD = '1';
const RESET = '\x1b[0m';

export function lengthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + text.length, 0);
}

/** Cuts the line to `columns`; `padded` also fills it up to them. */
export function cutTo(line: Line, columns: number, ends: 'ragged' | 'padded' = 'ragged'): Line {
  const cells: Cell[] = [];
  let left = columns;
  for (const cell of line) {
    const text = cell.text.slice(0, left);
    if (text !== '') cells.push({ ...cell, text });
    left -= text.length;
  }
  if (ends === 'padded' && left > 0) cells.push({ text: ' '.repeat(left), style: 'plain' });
  return cells;
}

/** One line from both ends; what is on the right goes where there is no room for both. */
export function spread(left: Line, right: Line, columns: number): Line {
  const between = columns - lengthOf(left) - lengthOf(right);
  return between < 2 ? left : [...left, { text: ' '.repeat(between), style: 'plain' }, ...right];
}

export function paint(line: Line, color: boolean): string {
  const text = line.map((cell) => (color ? colored(cell) : cell.text)).join('');
  return color ? text : text.trimEnd();
}

function colored({ text, style, bold = false }: Cell): string {
  // Where something is said to be dim, bold would only contradict.
  const codes = [CODES[style], bold ? BOLD : ''].filter((code) => code !== '').join(';');
  return codes === '' ? text : `\x1b[${codes}m${text}${RESET}`;
}
