// Owns the dashboard of publishers and of the bus between them and the gateways. scripts/dashboards.ts writes it.
// Invariant: without Redis the panels on Redis are flat, not wrong.

import type { Dashboard } from './model.ts';

export const BUS: Dashboard = {
  name: 'bus',
  title: 'Tickwire: publishers and bus',
  about: 'What is published, what is refused, and how Redis brings it to the gateways.',
  sections: [
    {
      title: 'Publishers',
      panels: [
        {
          title: 'Published',
          about:
            'Updates that publishers sent to these gateways and that were taken. Feeds in the gateway are not among them.',
          unit: 'cps',
          kind: 'stacked',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_published_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Refused',
          about: 'Updates of publishers, by code. leased and fenced are what spare publishers get.',
          unit: 'cps',
          queries: { '{{code}}': 'sum by (code) (rate(tickwire_publish_refusals_total{$on}[$__rate_interval])) > 0' },
        },
        {
          title: 'Publishers connected',
          about: 'By WebSocket; those who use HTTP or Redis are not seen here.',
          unit: 'short',
          queries: { '{{instance}}': 'tickwire_connections{$on,stream="publish"}' },
        },
      ],
    },
    {
      title: 'Redis',
      panels: [
        {
          title: 'Bus works',
          about: '1: it does; 0: Redis is away. Without Redis it is always 1.',
          unit: 'short',
          max: 1,
          queries: { '{{instance}}': 'tickwire_bus_up{$on}' },
        },
        {
          title: 'Entries',
          about: 'That the bus delivered to each process. Gateways with the same topics have the same rate.',
          unit: 'cps',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_bus_entries_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Canary',
          about:
            'How long a message takes through Redis and back. Milliseconds are normal; from 100 ms on Redis or the way there is ill.',
          unit: 's',
          queries: { '{{instance}}': 'tickwire_bus_canary_seconds{$on}' },
        },
        {
          title: 'Gaps repaired',
          about: 'Gaps on the bus that were closed from its log: clients notice nothing, but messages are being lost.',
          unit: 'cps',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_bus_repairs_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Topics loaded anew',
          about: 'Because the log could not close a gap. All of them once after Redis was lost; otherwise none.',
          unit: 'cps',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_bus_reloads_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Connects',
          about: 'Times that Redis was connected to within ten minutes.',
          unit: 'short',
          queries: { '{{instance}}': 'increase(tickwire_bus_connects_total{$on}[10m])' },
        },
      ],
    },
  ],
};
