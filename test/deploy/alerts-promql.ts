// Owns what can be wrong with a PromQL expression beside its syntax, which promtool knows: metrics, labels and label values that the
// gateway does not have, and functions of counters on gauges. The tests of alerts, dashboards and runbook call it.
// Invariant: names come from the code that makes them, never from a list of their own.

import { collectDefaultMetrics, Registry } from 'prom-client';
import { METRICS, type Metric } from '../../src/insight/catalogue.ts';
import { LABEL_VALUES, RESETS } from '../../src/insight/label-values.ts';

interface Series {
  readonly type: string;
  readonly labels: ReadonlySet<string>;
}

/** Labels that Prometheus adds when it scrapes. */
const SCRAPED = ['job', 'instance'];
/** Series that Prometheus makes itself. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  up: [],
  ALERTS: ['alertname', 'alertstate', 'severity'],
};
const FOR_COUNTERS = new Set(['rate', 'increase', 'irate']);
const FOR_GAUGES = new Set(['avg_over_time', 'max_over_time', 'changes', 'deriv', 'delta', 'predict_linear']);
const LISTING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const WORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

const VALUES: Readonly<Record<string, readonly string[]>> = { ...LABEL_VALUES, job: ['tickwire'] };
/** Where a label has other values on each metric. */
const VALUES_OF: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  tickwire_resets_total: { reason: RESETS },
};

const defaults = new Registry();
collectDefaultMetrics({ register: defaults });

/** All series that there can be, by name. `recorded`: names of recording rules. */
export async function seriesOf(recorded: Iterable<string>): Promise<ReadonlyMap<string, Series>> {
  const all = new Map<string, Series>();
  const add = (name: string, type: string, labels: readonly string[]): void => {
    const own = [...SCRAPED, ...labels];
    if (type !== 'histogram') return void all.set(name, { type, labels: new Set(own) });
    for (const part of ['_sum', '_count']) all.set(name + part, { type: 'counter', labels: new Set(own) });
    all.set(`${name}_bucket`, { type: 'counter', labels: new Set([...own, 'le']) });
  };
  for (const [name, labels] of Object.entries(OWN)) add(name, 'gauge', labels);
  for (const name of recorded) add(name, 'gauge', []);
  for (const [name, metric] of Object.entries<Metric>(METRICS)) add(name, metric.type, metric.labels ?? []);
  for (const { name, type } of await defaults.getMetricsAsJSON()) add(name, String(type), defaultLabels(name));
  return all;
}

/** Names of prom-client's default metrics. */
export async function defaultNames(): Promise<string[]> {
  return (await defaults.getMetricsAsJSON()).map(({ name }) => name);
}

function defaultLabels(name: string): readonly string[] {
  // Not in its types, but what every metric is made with.
  const { labelNames } = defaults.getSingleMetric(name) as unknown as { readonly labelNames?: readonly string[] };
  return labelNames ?? [];
}

/** What an expression names that is not there, in sentences; empty: nothing is wrong. */
export function faultsOf(expression: string, series: ReadonlyMap<string, Series>): string[] {
  return read(expression, series).faults;
}

/** The series that an expression names, known or not. */
export function namesIn(expression: string, series: ReadonlyMap<string, Series>): string[] {
  return read(expression, series).names;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\d[\w.]*|\$?[a-zA-Z_:][\w:]*|=~|!~|!=|[^\s]/g;
const NAME = /^[a-zA-Z_:]/;

function read(expression: string, series: ReadonlyMap<string, Series>): { faults: string[]; names: string[] } {
  const tokens: readonly string[] = expression.match(TOKEN) ?? [];
  const faults: string[] = [];
  const names: string[] = [];
  const listed: string[] = [];
  let called = '';
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (!NAME.test(token) || WORDS.has(token.toLowerCase())) continue;
    if (LISTING.has(token)) {
      if (tokens[i + 1] !== '(') continue;
      for (i += 2; tokens[i] !== ')' && i < tokens.length; i++) if (tokens[i] !== ',') listed.push(tokens[i]!);
    } else if (tokens[i + 1] === '(' || LISTING.has(tokens[i + 1] ?? '')) {
      called = token;
    } else {
      names.push(token);
      const known = series.get(token);
      if (known === undefined) faults.push(`there is no metric ${token}`);
      if (tokens[i + 1] === '{') {
        const end = tokens.indexOf('}', i);
        if (known !== undefined) faults.push(...matcherFaults(token, known, tokens.slice(i + 2, end)));
        i = end;
      }
      const ranged = tokens[i + 1]?.startsWith('[') === true;
      if (known === undefined || !ranged) continue;
      if (FOR_COUNTERS.has(called) && known.type !== 'counter') faults.push(`${called} of ${token}, which is a gauge`);
      if (FOR_GAUGES.has(called) && known.type === 'counter') faults.push(`${called} of ${token}, which is a counter`);
    }
  }
  const having = new Set(names.flatMap((name) => [...(series.get(name)?.labels ?? SCRAPED)]));
  for (const label of listed) if (!having.has(label)) faults.push(`no metric here has the label ${label}`);
  return { faults, names };
}

function matcherFaults(metric: string, { labels }: Series, tokens: readonly string[]): string[] {
  const faults: string[] = [];
  for (let i = 0; i < tokens.length; i += 4) {
    const [label = '', operator = '', quoted = '""'] = tokens.slice(i, i + 3);
    const value = quoted.slice(1, -1);
    if (!labels.has(label)) faults.push(`${metric} has no label ${label}`);
    const known = VALUES_OF[metric]?.[label] ?? VALUES[label];
    const alternatives = operator.endsWith('~') ? value.split('|') : [value];
    if (known === undefined) continue;
    for (const each of alternatives) if (!known.includes(each)) faults.push(`${metric} has no ${label} "${each}"`);
  }
  return faults;
}
