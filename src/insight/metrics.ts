// Owns what Prometheus is told: every metric of the catalogue, read when it is asked, and prom-client's own of the process. The command
// line gives each gateway one. Invariant: the only file that imports prom-client; nothing is counted here, and between scrapes
// nothing runs but prom-client's watch over garbage collection and event loop, once a process.

import { readdir, stat } from 'node:fs/promises';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AdminRoute } from '../gateway/admin-port.ts';
import type { Figures } from '../gateway/figures.ts';
import { PACES } from '../protocol/frames.ts';
import type { Spread } from '../topics/spread.ts';
import { METRICS, type Metric, type MetricName } from './catalogue.ts';
import { nextTurn, takeCensus } from './census.ts';
import { READERS, type Sample, type Scene } from './readings.ts';
import { topTopics } from './top-topics.ts';

/** Gauges with the names of counters, which promtool does not let pass; each has a part that is well named. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
const OPEN_FILES = '/proc/self/fd';

export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  private readonly registry = new Registry();
  private scene: Scene | null = null;
  private underWay: Promise<string> | null = null;

  /** @param figures asked for at each scrape. */
  constructor(private readonly figures: () => Figures) {
    for (const name of Object.keys(METRICS) as MetricName[]) this.register(name, METRICS[name]);
    // From now on: what it tells of the CPU counts from here.
    processMetrics();
  }

  /** Everything, in Prometheus' text format. Those who ask while a scrape is under way share it. */
  text(): Promise<string> {
    this.underWay ??= this.scrape().finally(() => {
      this.underWay = null;
    });
    return this.underWay;
  }

  /** GET /metrics, for the admin port. */
  get route(): AdminRoute {
    return {
      ...{ method: 'GET', path: '/metrics' },
      about: 'metrics for Prometheus; docs/metrics.md tells of each',
      answer: async () => ({ status: 200, body: await this.text(), contentType: this.contentType }),
    };
  }

  private async scrape(): Promise<string> {
    const { connections, clock } = this.figures();
    const census = await takeCensus(connections, clock, PACES);
    await nextTurn();
    // All else is of one moment.
    const figures = this.figures();
    this.scene = { figures, census, top: topTopics(figures.topics.each(), figures.settings.metricsTopTopics) };
    try {
      const own = await this.registry.metrics();
      await nextTurn();
      return `${own}\n${await processMetrics().metrics()}`;
    } finally {
      // It holds connections and topics that may be gone by the next one.
      this.scene = null;
    }
  }

  private register(name: MetricName, { type, labels = [], about: help }: Metric): void {
    const base = { name, help, labelNames: labels, registers: [this.registry] };
    if (type === 'histogram') {
      new SpreadHistogram({ ...base, read: () => this.read(name) as Spread });
    } else if (type !== 'counter') {
      const Kind = type === 'gauge' ? Gauge : Snapshot;
      const gauge: Gauge = new Kind({ ...base, collect: () => fill(gauge, (each) => gauge.set(...each)) });
    } else {
      const counter: Counter = new Counter({ ...base, collect: () => fill(counter, (each) => counter.inc(...each)) });
    }
    const fill = (metric: { reset(): void; remove(): void }, take: (sample: Writable) => void): void => {
      metric.reset();
      const reading = this.read(name) as number | null | readonly Sample[];
      if (reading === null) metric.remove();
      else if (typeof reading === 'number') take([{}, reading]);
      else for (const [label, value] of reading) take([{ ...label }, value]);
    };
  }

  private read(name: MetricName): ReturnType<(typeof READERS)[MetricName]> {
    if (this.scene === null) throw new Error(`${name} was read outside of a scrape`);
    return READERS[name](this.scene);
  }
}

type Writable = [labels: Record<string, string>, value: number];

interface SpreadOptions {
  readonly name: string;
  readonly help: string;
  readonly registers: Registry[];
  readonly read: () => Spread;
}

/** A histogram whose counts are kept elsewhere. */
class SpreadHistogram extends Histogram {
  constructor(private readonly source: SpreadOptions) {
    const { name, help, registers } = source;
    super({ name, help, registers });
  }

  /** What the registry asks a histogram for. */
  async getForPromString(): Promise<object> {
    const { name, help, read } = this.source;
    const { bounds, counts, sum } = read();
    let count = 0;
    const values = [...counts].map((each, place) => {
      count += each;
      return { metricName: `${name}_bucket`, labels: { le: bounds[place] ?? '+Inf' }, value: count };
    });
    const totals = [
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ];
    return { name, help, type: 'histogram', values: [...values, ...totals] };
  }
}

/** Quantiles of the moment. */
class Snapshot extends Gauge {
  /** What the registry asks for. */
  async getForPromString(): Promise<object> {
    return { ...(await this.get()), type: 'summary' };
  }
}

let ofProcess: Registry | null = null;

/** The same for all gateways of a process, made with the first. */
function processMetrics(): Registry {
  if (ofProcess !== null) return ofProcess;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const openFiles = registry.getSingleMetric('process_open_fds');
  if (openFiles !== undefined) {
    // Prom-client's own reads a list of all of them at once, and there is one for each connection.
    registry.removeSingleMetric('process_open_fds');
    const gauge: Gauge = new Gauge({
      name: 'process_open_fds',
      help: 'Number of open file descriptors.',
      registers: [registry],
      collect: async () => gauge.set(await openFileCount()),
    });
  }
  ofProcess = registry;
  return registry;
}

/** Linux from 6.2 on says how many entries there are; before, they have to be counted. */
async function openFileCount(): Promise<number> {
  const { size } = await stat(OPEN_FILES);
  return size > 0 ? size : (await readdir(OPEN_FILES)).length;
}
