// Owns docs/metrics.md: `npx tsx scripts/metrics-page.ts` writes it from the catalogue in the code, and a test holds that it is up to
// date, and that a real scrape has these names and no others. Invariant: of a metric of its own the page says what the catalogue says.

import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Metric, SUBJECTS } from '../src/insight/catalogue.ts';
import { DELAY_BOUNDS_S, TURN_BOUNDS_S } from '../src/topics/spread.ts';

/** Those of prom-client that a scrape has; the platform may lack some. */
export const PROCESS_METRICS = {
  process_cpu_user_seconds_total: 'Time in which this process ran code of its own.',
  process_cpu_system_seconds_total: 'Time in which the kernel worked for it.',
  process_cpu_seconds_total: 'Both.',
  process_start_time_seconds: 'When it began, seconds since 1970.',
  process_resident_memory_bytes: 'Memory that it takes of the machine.',
  process_virtual_memory_bytes: 'Addresses that it has taken; says little. Linux.',
  process_heap_bytes: 'Its data segment; not the heap of JavaScript. Linux.',
  process_open_fds: 'Open files and sockets: about one for each connection. Linux.',
  process_max_fds: 'As many as it may have open (ulimit -n). Linux.',
  nodejs_eventloop_lag_seconds: 'How late one turn of the event loop was, at the scrape.',
  nodejs_eventloop_lag_min_seconds: 'The shortest delay since the last scrape.',
  nodejs_eventloop_lag_max_seconds: 'The longest delay since the last scrape.',
  nodejs_eventloop_lag_mean_seconds: 'The mean since the last scrape.',
  nodejs_eventloop_lag_stddev_seconds: 'How much delays varied since the last scrape.',
  nodejs_eventloop_lag_p50_seconds: 'The median since the last scrape.',
  nodejs_eventloop_lag_p90_seconds: 'Nine of ten were shorter, since the last scrape.',
  nodejs_eventloop_lag_p99_seconds: '99 of 100 were shorter, since the last scrape.',
  nodejs_active_resources: 'What keeps the process alive, by `type`.',
  nodejs_active_handles: 'The same, of the kinds that libuv calls handles; sockets of clients are none.',
  nodejs_active_requests: 'File operations and look-ups under way.',
  nodejs_heap_size_total_bytes: 'The heap of JavaScript: what it has.',
  nodejs_heap_size_used_bytes: 'What of it is used.',
  nodejs_external_memory_bytes: 'Buffers outside of it.',
  nodejs_heap_space_size_total_bytes: 'By `space` of the heap: what it has.',
  nodejs_heap_space_size_used_bytes: 'What is used.',
  nodejs_heap_space_size_available_bytes: 'What is left.',
  nodejs_version_info: '1; its labels say which Node.js runs.',
  nodejs_gc_duration_seconds: 'Histogram of garbage collections, by `kind`: minor, major, incremental, weakcb.',
} as const;

const BEFORE = `# Metrics

\`GET /metrics\` on the admin port, in Prometheus' text format: the gateway's own metrics, all named \`tickwire_\`, and those of the
process. A program of this machine needs nothing; where \`adminToken\` is set, \`Authorization: Bearer\` it:

    curl http://127.0.0.1:9002/metrics

    scrape_configs:
      - job_name: tickwire
        scrape_interval: 15s
        static_configs: [{ targets: ['127.0.0.1:9002'] }]
        # authorization: { credentials_file: /etc/prometheus/tickwire-token }

The data plane counts in plain numbers; everything else is worked out when it is asked for. A scrape walks over all connections in slices
of a millisecond, and those who ask meanwhile get the same one. Counters begin at 0 with the process. Values of labels are known beforehand or bounded
in number: nothing that a client sends makes a series. Those that are known are there from the start, with 0.

This page is made from \`src/insight/catalogue.ts\` by \`npx tsx scripts/metrics-page.ts\`.
`;

const AFTER = `
\`tickwire_flush_seconds\` has buckets up to ${seconds(TURN_BOUNDS_S)}; \`tickwire_publish_to_send_seconds\` up to ${seconds(DELAY_BOUNDS_S)}.
The times of the latter are those of the machines' clocks: with Redis, updates may come from another machine.

## Useful PromQL

| Question | Query |
|---|---|
| Who is not ready | \`tickwire_ready == 0\` |
| Updates a second, in and out | \`rate(tickwire_updates_total[1m])\`, \`rate(tickwire_frames_sent_total[1m])\` |
| 99 of 100 deliveries left this process within | \`histogram_quantile(0.99, sum by (le) (rate(tickwire_publish_to_send_seconds_bucket[5m])))\` |
| Share of deliveries within 10 ms | \`sum(rate(tickwire_publish_to_send_seconds_bucket{le="0.01"}[5m])) / sum(rate(tickwire_publish_to_send_seconds_count[5m]))\` |
| Deliveries per encoding | \`1 + rate(tickwire_answers_shared_total[5m]) / rate(tickwire_answers_encoded_total[5m])\` |
| Bytes a second for each connection | \`rate(tickwire_sent_bytes_total[1m]) / on (instance) tickwire_connections{stream="subscribe"}\` |
| Share of the clients that are slowed down | \`1 - sum(tickwire_pace_connections{pace="real-time"}) / sum(tickwire_pace_connections)\` |
| How full it is | \`tickwire_connections{stream="subscribe"} / on (instance) tickwire_connections_max\`, \`process_open_fds / process_max_fds\` |
| What is refused | \`topk(5, sum by (code) (rate(tickwire_refusals_total[5m])))\` |
| How clients came back | \`sum by (how) (increase(tickwire_healed_topics_total[1h]))\` |
| Share of the CPU | \`rate(process_cpu_seconds_total[1m])\`; 1 is one core, which is all that a gateway uses |
| Redis loses messages | \`increase(tickwire_bus_repairs_total[10m]) > 0\` |
`;

function seconds(bounds: readonly number[]): string {
  return bounds.map((bound) => (bound < 1 ? `${bound * 1_000} ms` : `${bound} s`)).join(', ');
}

/** The whole page. */
export function metricsPage(): string {
  const sections = Object.entries<Record<string, Metric>>(SUBJECTS).map(
    ([subject, metrics]) => `
## ${subject}

| Metric | Type | Labels | What it says | When it moves, look at |
|---|---|---|---|---|
${Object.entries(metrics).map(row).join('')}`,
  );
  const others = Object.entries(PROCESS_METRICS).map(([name, about]) => `| \`${name}\` | ${about} |\n`);
  const ofProcess = `
## Of the process

From prom-client, with their usual names.

| Metric | What it says |
|---|---|
${others.join('')}`;
  return BEFORE + sections.join('') + ofProcess + AFTER;
}

function row([name, { type, labels = [], about, look }]: [string, Metric]): string {
  return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${about} | ${look} |\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('../docs/metrics.md', import.meta.url), metricsPage());
}
