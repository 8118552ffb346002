// Owns reading what deploy/prometheus and docs/runbook.md hold: rules, the cases of their unit tests, the runbook's entries; and what
// does not fit between them. The tests of alerts and dashboards call it. Invariant: it reads the files as they are, and only reads.

import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const PROMETHEUS = new URL('../../deploy/prometheus/', import.meta.url);

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Recording {
  readonly record: string;
  readonly expr: string;
}

export interface Case {
  readonly alertname: string;
  readonly exp_alerts: readonly unknown[];
}

export interface Entry {
  readonly title: string;
  readonly text: string;
}

interface RuleFile<Rule> {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}

interface CaseFile {
  readonly tests: readonly {
    readonly input_series: readonly { readonly series: string }[];
    readonly alert_rule_test: readonly Case[];
  }[];
}

export function textOf(file: string): string {
  return readFileSync(new URL(file, PROMETHEUS), 'utf8');
}

export function alertsOf(text = textOf('alerts.yml')): Alert[] {
  return (parse(text) as RuleFile<Alert>).groups.flatMap(({ rules }) => rules);
}

export function recordings(): Recording[] {
  return (parse(textOf('recording.yml')) as RuleFile<Recording>).groups.flatMap(({ rules }) => rules);
}

export function caseFiles(): string[] {
  return readdirSync(new URL('tests/', PROMETHEUS)).map((file) => `tests/${file}`);
}

const tests = () => caseFiles().flatMap((file) => (parse(textOf(file)) as CaseFile).tests);

export function cases(): Case[] {
  return tests().flatMap(({ alert_rule_test }) => alert_rule_test);
}

/** The series that the cases begin with. */
export function caseSeries(): string[] {
  return tests().flatMap(({ input_series }) => input_series.map(({ series }) => series));
}

/** The runbook's entries: headings of the third level with what is under them. */
export function entriesOf(page: string): Entry[] {
  return page
    .split(/^(?=#{1,3} )/m)
    .filter((section) => section.startsWith('### '))
    .map((section) => ({ title: section.slice(4, section.indexOf('\n')), text: section.slice(section.indexOf('\n')) }));
}

/** What lacks a case in which it fires or one in which it does not, and cases of alerts that are not there. */
export function uncovered(alerts: readonly Alert[], all: readonly Case[]): string[] {
  const names = new Set(alerts.map(({ alert }) => alert));
  const has = (name: string, fires: boolean) =>
    all.some(({ alertname, exp_alerts }) => alertname === name && exp_alerts.length > 0 === fires);
  return [
    ...[...names].filter((name) => !has(name, true)).map((name) => `${name} fires in no case`),
    ...[...names].filter((name) => !has(name, false)).map((name) => `${name} is quiet in no case`),
    ...all.filter(({ alertname }) => !names.has(alertname)).map(({ alertname }) => `there is no alert ${alertname}`),
  ];
}

const PARTS = ['Means', 'Confirm', 'Causes', 'Do', 'Harmless', 'Threshold'];

/** Alerts without an entry, entries without an alert, and entries that leave out what each has to say. */
export function runbookFaults(alerts: readonly Alert[], entries: readonly Entry[]): string[] {
  const faults: string[] = [];
  for (const { alert, labels, annotations } of alerts) {
    const entry = entries.find(({ title }) => title === alert);
    if (entry === undefined) faults.push(`${alert} has no entry`);
    else if (!entry.text.trim().startsWith(`*${labels.severity}.*`)) faults.push(`${alert} is a ${labels.severity}`);
    const anchor = `docs/runbook.md#${alert.toLowerCase()}`;
    if (annotations.runbook_url !== `{{ $externalLabels.runbooks }}${anchor}`) faults.push(`${alert} links elsewhere`);
  }
  for (const { title, text } of entries) {
    if (!alerts.some(({ alert }) => alert === title)) faults.push(`${title} is no alert`);
    for (const part of PARTS) if (!text.includes(`**${part}:** `)) faults.push(`${title} lacks ${part}`);
    if (!/\*\*Confirm:\*\* [^*]*`/.test(text)) faults.push(`${title} has no command to confirm it`);
  }
  return faults;
}

/** The same alert a little too eager: lower thresholds, half the wait. */
export function loosened(alert: Alert): Alert {
  const expr = alert.expr.replace(
    /(?<![<=!]) > (\d[\d.]*)/g,
    (_, threshold: string) => ` > ${Number(threshold) * 0.7}`,
  );
  const [, amount, unit] = /^(\d+)([smh])$/.exec(alert.for ?? '') ?? [];
  if (amount === undefined) return { ...alert, expr };
  const seconds = Number(amount) * { s: 1, m: 60, h: 3_600 }[unit as 's' | 'm' | 'h'];
  return { ...alert, expr, for: `${seconds / 2}s` };
}
