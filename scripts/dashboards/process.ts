// Owns the dashboard of the processes: time, memory, files, log. scripts/dashboards.ts writes it. Invariant: beside the gateway's own
// metrics it names only prom-client's default ones.

import type { Dashboard } from './model.ts';

export const PROCESS: Dashboard = {
  name: 'process',
  title: 'Tickwire: process',
  about: 'Processor, event loop, memory, files and log of each gateway.',
  sections: [
    {
      title: 'Time',
      panels: [
        {
          title: 'Processor',
          about: 'Cores in use. The data plane has one; a little more goes to collecting garbage and to the kernel.',
          unit: 'short',
          queries: { '{{instance}}': 'rate(process_cpu_seconds_total{$on}[$__rate_interval])' },
        },
        {
          title: 'Busy',
          about: 'Share of the time that the event loop works. Above 0.9 deliveries wait.',
          unit: 'percentunit',
          max: 1,
          queries: { '{{instance}}': 'avg_over_time(tickwire_busy_ratio{$on}[$__rate_interval])' },
        },
        {
          title: 'Event loop delay',
          about:
            'Between two turns, sampled every 10 ms, which is therefore the least. Peaks: something holds the process up.',
          unit: 's',
          queries: {
            '{{instance}} p50': 'nodejs_eventloop_lag_p50_seconds{$on}',
            '{{instance}} p99': 'nodejs_eventloop_lag_p99_seconds{$on}',
            '{{instance}} most': 'nodejs_eventloop_lag_max_seconds{$on}',
          },
        },
        {
          title: 'Garbage collection',
          about:
            'Share of the time, by kind. Minor collections are the rule; much of major means that the heap is short.',
          unit: 'percentunit',
          kind: 'stacked',
          queries: { '{{kind}}': 'sum by (kind) (rate(nodejs_gc_duration_seconds_sum{$on}[$__rate_interval]))' },
        },
        {
          title: 'Up for',
          about: 'Since the process began.',
          unit: 's',
          queries: { '{{instance}}': 'time() - process_start_time_seconds{$on}' },
        },
      ],
    },
    {
      title: 'Memory',
      panels: [
        {
          title: 'Resident',
          about: 'What the process takes of the machine, against tickwire:memory_limit_bytes of recording.yml.',
          unit: 'bytes',
          queries: {
            '{{instance}}': 'process_resident_memory_bytes{$on}',
            'at most': 'max(tickwire:memory_limit_bytes)',
          },
        },
        {
          title: 'Heap',
          about: 'What JavaScript uses of its heap, and what it has asked for.',
          unit: 'bytes',
          queries: {
            '{{instance}} used': 'nodejs_heap_size_used_bytes{$on}',
            '{{instance}} total': 'nodejs_heap_size_total_bytes{$on}',
          },
        },
        {
          title: 'Outside of the heap',
          about: 'Buffers. Sockets of the native library are in the resident memory alone.',
          unit: 'bytes',
          queries: { '{{instance}}': 'nodejs_external_memory_bytes{$on}' },
        },
      ],
    },
    {
      title: 'Files and log',
      panels: [
        {
          title: 'File descriptors',
          about: 'A connection takes one. At the limit nobody else gets in, and nothing can be opened.',
          unit: 'percentunit',
          max: 1,
          queries: { '{{instance}}': 'process_open_fds{$on} / process_max_fds{$on}' },
        },
        {
          title: 'Log lines',
          about: 'By level. Lines of error and fatal are mistakes of the gateway.',
          unit: 'cps',
          queries: { '{{level}}': 'sum by (level) (rate(tickwire_log_lines_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Log lines left out',
          about: 'Because an event came in floods.',
          unit: 'cps',
          queries: {
            '{{instance}}': 'sum by (instance) (rate(tickwire_log_lines_dropped_total{$on}[$__rate_interval]))',
          },
        },
      ],
    },
  ],
};
