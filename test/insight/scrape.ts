// Owns reading what a scrape says: names, types, and the value of each series. The tests of metrics compare scrapes with it.
// Invariant: a line that is no comment, no sample and not empty is an error.

import type { Gateway } from '../../src/gateway/gateway.ts';
import { Metrics } from '../../src/insight/metrics.ts';

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Scrape {
  readonly types = new Map<string, string>();
  /** By name with its labels, as it is written. */
  readonly series = new Map<string, Series>();

  constructor(readonly text: string) {
    for (const line of text.split('\n')) this.read(line);
  }

  /** Names as they are declared: of a histogram one. */
  get names(): string[] {
    return [...this.types.keys()];
  }

  value(series: string): number | undefined {
    return this.series.get(series)?.value;
  }

  /** What has changed since the other one, series by series; only of names that begin so. */
  since(before: Scrape, prefixes: readonly string[] = ['tickwire_']): Record<string, number> {
    const changed: Record<string, number> = {};
    for (const [key, { name, value }] of this.series) {
      const difference = value - (before.value(key) ?? 0);
      if (difference !== 0 && prefixes.some((prefix) => name.startsWith(prefix))) changed[key] = difference;
    }
    return changed;
  }

  private read(line: string): void {
    if (line === '' || line.startsWith('# HELP ')) return;
    const [, declared, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (declared !== undefined) {
      if (this.types.has(declared)) throw new Error(`${declared} is declared twice`);
      this.types.set(declared, type!);
      return;
    }
    const [, name, , labels = '', value] = /^([a-z_0-9]+)(\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a sample: ${line}`);
    const key = labels === '' ? name : `${name}{${labels}}`;
    if (this.series.has(key)) throw new Error(`${key} stands there twice`);
    this.series.set(key, { name, labels: labelsOf(labels), value: Number(value === '+Inf' ? Infinity : value) });
  }
}

function labelsOf(text: string): Record<string, string> {
  const found = [...text.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(found.map(([, name, value]) => [name!, value!]));
}

/** Serves its metrics as `tickwire serve` does. */
export function measured(gateway: Gateway): Gateway {
  gateway.admin.add(new Metrics(() => gateway.figures).route);
  return gateway;
}

export async function scrape({ adminUrl }: Gateway): Promise<Scrape> {
  const answer = await fetch(`${adminUrl}/metrics`);
  if (answer.status !== 200) throw new Error(`GET /metrics: ${answer.status} ${await answer.text()}`);
  return new Scrape(await answer.text());
}
