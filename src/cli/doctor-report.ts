// Owns what the doctor prints: for people a line a group, then what is not right, the worst last, and a sum; for programs JSON. The
// command prints it, and main where the gateway's binary does not load. Invariant: what matters most stands at the end, next to the prompt.

import { CHECKS, type GroupName, groupOf } from './doctor-catalogue.ts';
import { type Finding, GRADES, type Grade } from './doctor-verdict.ts';
import { type Line, paint, type Style } from './painting.ts';

export interface ReportOptions {
  readonly color: boolean;
  /** Also shows what is as it should be, in full. */
  readonly verbose: boolean;
}

const STYLES: Readonly<Record<Grade, Style>> = {
  ok: 'bid',
  skipped: 'dim',
  advice: 'plain',
  warning: 'alarm',
  failure: 'ask',
};
const NAMES: Readonly<Record<Grade, readonly [one: string, many: string]>> = {
  ok: ['ok', 'ok'],
  skipped: ['skipped', 'skipped'],
  advice: ['advice', 'advice'],
  warning: ['warning', 'warnings'],
  failure: ['failure', 'failures'],
};
const PROBLEMS: readonly Grade[] = ['advice', 'warning', 'failure'];
const NOTHING: readonly Grade[] = ['ok', 'skipped'];

export function reportText(findings: readonly Finding[], { color, verbose }: ReportOptions): string {
  const width = Math.max(...findings.map(({ id }) => id.length));
  const problems = PROBLEMS.flatMap((grade) => findings.filter(({ verdict }) => verdict === grade));
  const lines: Line[] = [
    ...groupLines(findings),
    ...(verbose
      ? [[], ...findings.filter(({ verdict }) => NOTHING.includes(verdict)).flatMap((each) => linesOf(each, width))]
      : []),
    ...problems.flatMap((each) => [[], ...linesOf(each, width)]),
    [],
    sumLine(findings),
  ];
  return lines.map((line) => `${paint(line, color)}\n`).join('');
}

/** `[{id, about, verdict, found, remedy}]`, in the order of the catalogue; remedy null where there is nothing to do. */
export function reportJson(findings: readonly Finding[]): string {
  const list = findings.map(({ id, verdict, found, remedy }) => ({ id, about: CHECKS[id], verdict, found, remedy }));
  return `${JSON.stringify(list, null, 2)}\n`;
}

/** How many there are of each grade. */
export function countsOf(findings: readonly Finding[]): Readonly<Record<Grade, number>> {
  const counts = Object.fromEntries(GRADES.map((grade) => [grade, 0])) as Record<Grade, number>;
  for (const { verdict } of findings) counts[verdict] += 1;
  return counts;
}

function groupLines(findings: readonly Finding[]): Line[] {
  const groups = [...new Set(findings.map(({ id }) => groupOf(id)))];
  const width = Math.max(...groups.map((group) => group.length));
  return groups.map((group) => [
    { text: `  ${group.padEnd(width)}  `, style: 'plain', bold: true },
    ...tally(findings.filter(({ id }) => (groupOf(id) as GroupName) === group)),
  ]);
}

function sumLine(findings: readonly Finding[]): Line {
  const { length } = findings;
  return [{ text: `${length} ${length === 1 ? 'finding' : 'findings'}: `, style: 'plain' }, ...tally(findings)];
}

function tally(findings: readonly Finding[]): Line {
  const counts = countsOf(findings);
  const there = GRADES.filter((grade) => counts[grade] > 0);
  return there.flatMap((grade, i) => [
    { text: i === 0 ? '' : ', ', style: 'plain' as const },
    { text: `${counts[grade]} ${NAMES[grade][counts[grade] === 1 ? 0 : 1]}`, style: STYLES[grade] },
  ]);
}

function linesOf({ id, verdict, found, remedy }: Finding, width: number): Line[] {
  const label = NAMES[verdict][0].padEnd(GRADES.reduce((most, each) => Math.max(most, each.length), 0));
  const margin = ' '.repeat(label.length + width + 6);
  return [
    [
      { text: '  ', style: 'plain' },
      { text: label, style: STYLES[verdict], bold: verdict === 'failure' },
      { text: `  ${id.padEnd(width)}  ${found}`, style: 'plain' },
    ],
    ...(remedy === null ? [] : [[{ text: `${margin}${remedy}`, style: 'plain' as const, bold: true }]]),
  ];
}
