// Owns the dashboard of the data plane: what comes from the bus, how it is encoded and shared, how fast it leaves. scripts/dashboards.ts
// writes it. Invariant: rates are a second's, of the chosen gateways.

import type { Dashboard } from './model.ts';

export const DELIVERY: Dashboard = {
  name: 'delivery',
  title: 'Tickwire: delivery',
  about: 'The path of a tick in figures: updates, encoding and sharing, flushes, latency, what was merged or lost.',
  sections: [
    {
      title: 'Throughput',
      panels: [
        {
          title: 'Updates and frames',
          about: 'Updates that open topics took from the bus; frames and messages that went to subscribers.',
          unit: 'cps',
          queries: {
            updates: 'sum(rate(tickwire_updates_total{$on}[$__rate_interval]))',
            frames: 'sum(rate(tickwire_frames_sent_total{$on}[$__rate_interval]))',
            messages: 'sum(rate(tickwire_messages_sent_total{$on}[$__rate_interval]))',
          },
        },
        {
          title: 'Bytes',
          about: 'To subscribers, with WebSocket headers.',
          unit: 'Bps',
          kind: 'stacked',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_sent_bytes_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Frames in a message',
          about: 'More of them in one message means fewer system calls: it rises with load.',
          unit: 'short',
          queries: {
            '{{instance}}':
              'sum by (instance) (rate(tickwire_frames_sent_total{$on}[$__rate_interval])) / sum by (instance) (rate(tickwire_messages_sent_total{$on}[$__rate_interval]))',
          },
        },
        {
          title: 'Topics and subscriptions',
          about: 'Open topics, listed instruments, subscriptions of all connections.',
          unit: 'short',
          queries: {
            '{{instance}} topics': 'tickwire_topics{$on}',
            '{{instance}} instruments': 'tickwire_instruments{$on}',
            '{{instance}} subscriptions': 'tickwire_subscriptions{$on}',
          },
        },
        {
          title: 'Busiest topics',
          about: 'Updates of the busiest open topics.',
          unit: 'cps',
          queries: {
            '{{channel}}:{{symbol}}':
              'topk(10, sum by (channel, symbol) (rate(tickwire_top_topic_updates_total{$on}[$__rate_interval])))',
          },
        },
        {
          title: 'Most watched topics',
          about: 'Subscriptions of the topics that have most.',
          unit: 'short',
          queries: {
            '{{channel}}:{{symbol}}': 'topk(10, sum by (channel, symbol) (tickwire_top_topic_subscribers{$on}))',
          },
        },
      ],
    },
    {
      title: 'Encoding',
      panels: [
        {
          title: 'Answers shared',
          about:
            'Share of the answers that were sent without being encoded for it. It falls where clients are far apart.',
          unit: 'percentunit',
          max: 1,
          queries: {
            '{{instance}}':
              'sum by (instance) (rate(tickwire_answers_shared_total{$on}[$__rate_interval])) / (sum by (instance) (rate(tickwire_answers_shared_total{$on}[$__rate_interval])) + sum by (instance) (rate(tickwire_answers_encoded_total{$on}[$__rate_interval])))',
          },
        },
        {
          title: 'Answers encoded',
          about: 'Distinct answers that were encoded, snapshots among them, and messages put together from several.',
          unit: 'cps',
          queries: {
            encoded: 'sum(rate(tickwire_answers_encoded_total{$on}[$__rate_interval]))',
            snapshots: 'sum(rate(tickwire_snapshots_total{$on}[$__rate_interval]))',
            joined: 'sum(rate(tickwire_messages_joined_total{$on}[$__rate_interval]))',
          },
        },
        {
          title: 'Flushes',
          about: 'Turns in which something was due, and those put off because the process was busy.',
          unit: 'cps',
          queries: {
            '{{instance}} flushes': 'sum by (instance) (rate(tickwire_flushes_total{$on}[$__rate_interval]))',
            '{{instance}} put off': 'sum by (instance) (rate(tickwire_flush_holds_total{$on}[$__rate_interval]))',
          },
        },
      ],
    },
    {
      title: 'Latency',
      panels: [
        {
          title: 'Publish to send',
          about: 'From the bus to the socket, all chosen gateways together, each delivery counted.',
          unit: 's',
          queries: {
            p50: 'histogram_quantile(0.5, sum by (le) (rate(tickwire_publish_to_send_seconds_bucket{$on}[$__rate_interval])))',
            p99: 'histogram_quantile(0.99, sum by (le) (rate(tickwire_publish_to_send_seconds_bucket{$on}[$__rate_interval])))',
            'p99.9':
              'histogram_quantile(0.999, sum by (le) (rate(tickwire_publish_to_send_seconds_bucket{$on}[$__rate_interval])))',
          },
        },
        {
          title: 'Publish to send, p99 by gateway',
          about: 'One gateway above the others: its load or its machine.',
          unit: 's',
          queries: { '{{instance}}': 'instance:tickwire_publish_to_send_seconds:p99_5m{$on}' },
        },
        {
          title: 'A flush',
          about: 'How long it takes: p99 and mean. While it runs nothing else does.',
          unit: 's',
          queries: {
            '{{instance}} p99': 'instance:tickwire_flush_seconds:p99_5m{$on}',
            '{{instance}} mean':
              'sum by (instance) (rate(tickwire_flush_seconds_sum{$on}[$__rate_interval])) / sum by (instance) (rate(tickwire_flush_seconds_count{$on}[$__rate_interval]))',
          },
        },
      ],
    },
    {
      title: 'Merged, missed, begun anew',
      panels: [
        {
          title: 'Updates merged',
          about: 'Updates that reached clients only as part of a later one: the work of intervals and of slow links.',
          unit: 'cps',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_merged_updates_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Gaps announced',
          about: 'To clients that asked for every update: trades and raw books. Each is something a client has missed.',
          unit: 'cps',
          queries: { '{{instance}}': 'sum by (instance) (rate(tickwire_gaps_total{$on}[$__rate_interval]))' },
        },
        {
          title: 'Resets',
          about: 'Books that clients had to begin anew. requested and mode are their own wish; the others are not.',
          unit: 'cps',
          queries: { '{{reason}}': 'sum by (reason) (rate(tickwire_resets_total{$on}[$__rate_interval]))' },
        },
      ],
    },
  ],
};
