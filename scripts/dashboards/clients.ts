// Owns the dashboard of the connections: who comes in, who is slow, who comes back. scripts/dashboards.ts writes it.
// Invariant: it names no client; `tickwire top` does.

import type { Dashboard } from './model.ts';

export const CLIENTS: Dashboard = {
  name: 'clients',
  title: 'Tickwire: clients',
  about: 'The door, slow clients and those who come back. Which client it is, `tickwire top` tells.',
  sections: [
    {
      title: 'The door',
      panels: [
        {
          title: 'Open connections and the limit',
          about: 'Clients, against connectionsMax.',
          unit: 'short',
          queries: {
            '{{instance}}': 'tickwire_connections{$on,stream="subscribe"}',
            '{{instance}} at most': 'tickwire_connections_max{$on}',
          },
        },
        {
          title: 'Let in',
          about: 'Connections that were let in.',
          unit: 'cps',
          queries: { '{{stream}}': 'sum by (stream) (rate(tickwire_admissions_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Refused',
          about: 'By code. busy: more come than are let in at once; they were told when to come back.',
          unit: 'cps',
          queries: { '{{code}}': 'sum by (code) (rate(tickwire_refusals_total{$on}[$__rate_interval])) > 0' },
        },
        {
          title: 'Closed from this side',
          about: 'By reason. silent: the peer is gone; too-slow: it did not answer for longer than ageMsMax.',
          unit: 'cps',
          queries: { '{{reason}}': 'sum by (reason) (rate(tickwire_closes_total{$on}[$__rate_interval])) > 0' },
        },
        {
          title: 'Addresses and principals',
          about:
            'That hold connections. Many connections of few addresses: a proxy that is not named in trustedProxies.',
          unit: 'short',
          queries: {
            '{{instance}} addresses': 'tickwire_addresses{$on}',
            '{{instance}} principals': 'tickwire_principals{$on}',
          },
        },
        {
          title: 'Pings, pongs, heartbeats',
          about: 'Pongs that stay behind the pings: links that are slow or gone.',
          unit: 'cps',
          queries: {
            pings: 'sum(rate(tickwire_pings_total{$on}[$__rate_interval]))',
            pongs: 'sum(rate(tickwire_pongs_total{$on}[$__rate_interval]))',
            heartbeats: 'sum(rate(tickwire_heartbeats_total{$on}[$__rate_interval]))',
          },
        },
      ],
    },
    {
      title: 'Slow clients',
      panels: [
        {
          title: 'Connections by pace',
          about: 'Steps of the ladder: real time, conflated, slower, top of book. A few at the lower ones are normal.',
          unit: 'short',
          kind: 'stacked',
          queries: { '{{pace}}': 'sum by (pace) (tickwire_pace_connections{$on})' },
        },
        {
          title: 'Age, p99 by pace',
          about: 'How long clients have been without what is due to them. At real time it is to stay below a second.',
          unit: 's',
          queries: { '{{pace}}': 'max by (pace) (tickwire_pace_age_seconds{$on,quantile="0.99"})' },
        },
        {
          title: 'Window, median by pace',
          about: 'Bytes that may be unanswered: it follows bandwidth and round trip.',
          unit: 'bytes',
          queries: { '{{pace}}': 'avg by (pace) (tickwire_pace_window_bytes{$on,quantile="0.5"})' },
        },
        {
          title: 'Blocked now',
          about: 'Connections that may not send. window and socket: the peer does not take it; budget: its own limit.',
          unit: 'short',
          kind: 'stacked',
          queries: { '{{by}}': 'sum by (by) (tickwire_blocked_connections{$on})' },
        },
        {
          title: 'Blocks and changes of pace',
          about: 'Times that a connection had to stop sending, by what, and steps taken on the ladder.',
          unit: 'cps',
          queries: {
            '{{by}}': 'sum by (by) (rate(tickwire_blocks_total{$on}[$__rate_interval]))',
            'changes of pace': 'sum(rate(tickwire_pace_changes_total{$on}[$__rate_interval]))',
          },
        },
        {
          title: 'Queued',
          about:
            'Bytes that wait in the process to be sent. A connection has at most its control lane and its socket here.',
          unit: 'bytes',
          queries: { '{{instance}}': 'tickwire_queued_bytes{$on}' },
        },
      ],
    },
    {
      title: 'Those who come back',
      panels: [
        {
          title: 'How their topics were healed',
          about: 'replayed: every update missed; diffed: the difference; snapshot: begun afresh, the dear way.',
          unit: 'cps',
          queries: { '{{how}}': 'sum by (how) (rate(tickwire_healed_topics_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Tokens',
          about: 'That clients came back with, by outcome.',
          unit: 'cps',
          queries: { '{{outcome}}': 'sum by (outcome) (rate(tickwire_resumptions_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Sessions kept',
          about: 'For those who come back, connected or over; resumeSessionsMax bounds them.',
          unit: 'short',
          queries: { '{{instance}}': 'tickwire_sessions_kept{$on}' },
        },
      ],
    },
  ],
};
