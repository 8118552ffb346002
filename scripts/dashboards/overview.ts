// Owns the dashboard that answers one question: is it well. scripts/dashboards.ts writes it.
// Invariant: what pages somebody is to be seen here.

import type { Dashboard } from './model.ts';

export const OVERVIEW: Dashboard = {
  name: 'overview',
  title: 'Tickwire: is it well',
  about:
    'Ready gateways, connections, delivery, refusals and load. Begin here; docs/runbook.md has an entry for each alert.',
  sections: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Gateways ready',
          about: 'Gateways that take clients. None: nobody gets in.',
          unit: 'short',
          kind: 'figure',
          bad: 1,
          good: 'high',
          queries: { ready: 'sum(tickwire_ready{$on}) or vector(0)' },
        },
        {
          title: 'Gateways not scraped',
          about: 'Gateways whose admin port does not answer Prometheus.',
          unit: 'short',
          kind: 'figure',
          bad: 1,
          queries: { down: 'count(up{$on} == 0) or vector(0)' },
        },
        {
          title: 'Connections',
          about: 'Open connections of clients.',
          unit: 'short',
          kind: 'figure',
          queries: { connections: 'sum(tickwire_connections{$on,stream="subscribe"})' },
        },
        {
          title: 'Updates a second',
          about: 'What the open topics take from the bus. 0 with clients there: the market is silent.',
          unit: 'cps',
          kind: 'figure',
          bad: 0.001,
          good: 'high',
          queries: { updates: 'sum(rate(tickwire_updates_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Delivery, p99',
          about: 'From the bus to the socket, of the slowest gateway.',
          unit: 's',
          kind: 'figure',
          bad: 0.25,
          queries: { p99: 'max(instance:tickwire_publish_to_send_seconds:p99_5m{$on})' },
        },
        {
          title: 'Fullest gateway',
          about: 'Connections of those that it may have.',
          unit: 'percentunit',
          kind: 'figure',
          bad: 0.85,
          queries: { full: 'max(instance:tickwire_connections:ratio{$on})' },
        },
      ],
    },
    {
      title: 'Alerts and versions',
      panels: [
        {
          title: 'Alerts',
          about: 'What fires or is about to. The runbook has an entry for each.',
          unit: 'short',
          kind: 'table',
          queries: { alerts: 'sum by (alertname, alertstate, severity, instance) (ALERTS{alertname=~"Tickwire.*"})' },
        },
        {
          title: 'What runs',
          about: 'Versions of the gateways and of Node; they differ during an upgrade only.',
          unit: 'short',
          kind: 'table',
          queries: { versions: 'sum by (instance, version, node, protocol) (tickwire_build_info{$on})' },
        },
      ],
    },
    {
      title: 'Over time',
      panels: [
        {
          title: 'Ready, draining',
          about: 'A gateway that is not ready gets no new clients; one that drains sends them elsewhere.',
          unit: 'short',
          max: 1,
          queries: {
            '{{instance}} ready': 'tickwire_ready{$on}',
            '{{instance}} draining': 'tickwire_draining{$on} > 0',
          },
        },
        {
          title: 'Connections',
          about: 'By gateway and stream: clients and publishers.',
          unit: 'short',
          kind: 'stacked',
          queries: { '{{instance}} {{stream}}': 'tickwire_connections{$on}' },
        },
        {
          title: 'Delivery',
          about: 'From the bus to the socket: median and p99 of each gateway.',
          unit: 's',
          queries: {
            '{{instance}} p50':
              'histogram_quantile(0.5, sum by (instance, le) (rate(tickwire_publish_to_send_seconds_bucket{$on}[$__rate_interval])))',
            '{{instance}} p99':
              'histogram_quantile(0.99, sum by (instance, le) (rate(tickwire_publish_to_send_seconds_bucket{$on}[$__rate_interval])))',
          },
        },
        {
          title: 'Refusals',
          about: 'What is refused, by code. A code that was not there yesterday is worth a look.',
          unit: 'cps',
          queries: { '{{code}}': 'sum by (code) (rate(tickwire_refusals_total{$on}[$__rate_interval])) > 0' },
        },
        {
          title: 'Busy',
          about: 'Share of the time that the event loop works. Above 0.9 deliveries wait.',
          unit: 'percentunit',
          max: 1,
          queries: { '{{instance}}': 'avg_over_time(tickwire_busy_ratio{$on}[$__rate_interval])' },
        },
        {
          title: 'Sent',
          about: 'Bytes to subscribers.',
          unit: 'Bps',
          kind: 'stacked',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_sent_bytes_total{$on}[$__rate_interval]))' },
        },
      ],
    },
  ],
};
