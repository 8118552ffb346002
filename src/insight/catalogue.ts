// Owns the names of all metrics: what each counts, in which unit, with which labels, and where to look when it moves. The metrics are
// made from it, docs/metrics.md is written from it, dashboards and alert rules are held against it. Invariant: names follow
// Prometheus (base units, `_total` for counters); the values of every label are few, and known or bounded.

/** A summary here is of the moment of the scrape, without sum and count: Prometheus keeps the label `quantile` for it. */
export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary';

export interface Metric {
  readonly type: MetricType;
  /** What tells its series apart. */
  readonly labels?: readonly string[];
  /** What it says, for people. */
  readonly about: string;
  /** Where to look when it moves. */
  readonly look: string;
}

type Table = Record<string, Metric>;

const PROCESS = {
  tickwire_build_info: {
    type: 'gauge',
    labels: ['version', 'node', 'protocol'],
    about: '1; its labels say what runs.',
    look: 'Which gateways were updated, and when.',
  },
  tickwire_ready: {
    type: 'gauge',
    about: '1 where /readyz says so.',
    look: '/readyz names the reason.',
  },
  tickwire_draining: {
    type: 'gauge',
    about: '1 while clients are sent elsewhere.',
    look: 'The log; GET /v1/admin/drain tells how many are left.',
  },
  tickwire_busy_ratio: {
    type: 'gauge',
    about: 'Share of the last tenth of a second that the event loop was not idle.',
    look: 'Above 0.6 clients are sent to in rounds, each within 10 ms; near 1, spread them over more gateways.',
  },
  tickwire_log_lines_total: {
    type: 'counter',
    labels: ['level'],
    about: 'Lines logged, by level.',
    look: 'The log itself.',
  },
  tickwire_log_lines_dropped_total: {
    type: 'counter',
    about: 'Lines left out because an event came in floods.',
    look: 'The log says of which event; refusals by code say why.',
  },
} as const satisfies Table;

const CONNECTIONS = {
  tickwire_connections: {
    type: 'gauge',
    labels: ['stream'],
    about: 'Open connections: subscribe, publish.',
    look: 'Against tickwire_connections_max; a sudden drop: closes by reason, and the network.',
  },
  tickwire_connections_max: {
    type: 'gauge',
    about: 'The setting connectionsMax.',
    look: 'The settings.',
  },
  tickwire_admissions_total: {
    type: 'counter',
    labels: ['stream'],
    about: 'Connections that were let in.',
    look: 'Many while connections stay level: clients come and go; look at closes and at the network.',
  },
  tickwire_refusals_total: {
    type: 'counter',
    labels: ['code'],
    about: 'What was refused, by error code: connections, requests, symbols of requests, updates, HTTP.',
    look: 'proto/frames.md says what each code means and what helps.',
  },
  tickwire_closes_total: {
    type: 'counter',
    labels: ['reason'],
    about: 'Connections that were closed from this side, of subscribers and publishers.',
    look: 'too-slow and silent: the clients and their links; slow-control and flood: the clients.',
  },
  tickwire_addresses: {
    type: 'gauge',
    about: 'Addresses that hold connections; those of this machine are not counted.',
    look: 'One where there should be many: a proxy that is not named in trustedProxies.',
  },
  tickwire_principals: {
    type: 'gauge',
    about: 'Principals that hold connections; who has not said who it is, is none.',
    look: 'GET /v1/admin/connections names them.',
  },
  tickwire_heartbeats_total: {
    type: 'counter',
    about: 'Heartbeat frames sent: links that had nothing else.',
    look: 'Many: the market is quiet, or its source is gone.',
  },
  tickwire_pings_total: {
    type: 'counter',
    about: 'Pings sent.',
    look: 'Against pongs.',
  },
  tickwire_pongs_total: {
    type: 'counter',
    about: 'Pongs received.',
    look: 'Fewer than pings for long: links that stand still.',
  },
  tickwire_healed_topics_total: {
    type: 'counter',
    labels: ['how'],
    about: 'Topics with which clients came back, by how they were brought up to date: replayed, diffed, snapshot.',
    look: 'Many snapshots: clients were away for longer than tombstonesMax and ringFramesMax reach.',
  },
  tickwire_resumptions_total: {
    type: 'counter',
    labels: ['outcome'],
    about: 'Tokens that clients came back with: resumed, or the code of the refusal.',
    look: 'bad-token on all: gateways with different resumeKeys; not-ready: Redis.',
  },
  tickwire_sessions_kept: {
    type: 'gauge',
    about: 'Sessions that are kept for those who come back, connected or over.',
    look: 'Against resumeSessionsMax.',
  },
} as const satisfies Table;

const DELIVERY = {
  tickwire_topics: {
    type: 'gauge',
    about: 'Open topics.',
    look: 'More than clients ask for: they are kept for topicGraceMs.',
  },
  tickwire_instruments: {
    type: 'gauge',
    about: 'Listed instruments.',
    look: 'Publishers list and delist them.',
  },
  tickwire_subscriptions: {
    type: 'gauge',
    about: 'Subscriptions of all connections.',
    look: 'GET /v1/admin/connections tells whose.',
  },
  tickwire_updates_total: {
    type: 'counter',
    about: 'Updates that open topics took from the bus.',
    look: 'Zero: nobody publishes what is subscribed to; tickwire_published_total and the bus.',
  },
  tickwire_messages_sent_total: {
    type: 'counter',
    about: 'WebSocket messages to subscribers.',
    look: 'Messages per flush: how much is joined.',
  },
  tickwire_frames_sent_total: {
    type: 'counter',
    about: 'Frames in them.',
    look: 'Frames per message.',
  },
  tickwire_sent_bytes_total: {
    type: 'counter',
    about: 'Bytes of them, with their WebSocket headers; without TLS and TCP.',
    look: "The machine's network.",
  },
  tickwire_answers_encoded_total: {
    type: 'counter',
    about: 'Distinct answers that were encoded.',
    look: 'As many as messages: subscriptions differ so much that little is shared.',
  },
  tickwire_answers_shared_total: {
    type: 'counter',
    about: 'Times that an answer was sent without being encoded for it.',
    look: 'Its ratio to answers encoded is what sharing saves.',
  },
  tickwire_messages_joined_total: {
    type: 'counter',
    about: 'Messages put together from several answers; each may go to many.',
    look: 'High: clients with many subscriptions.',
  },
  tickwire_flushes_total: {
    type: 'counter',
    about: 'Flushes: turns in which something was due.',
    look: 'tickwire_flush_seconds.',
  },
  tickwire_flush_seconds: {
    type: 'histogram',
    about: 'How long a flush took.',
    look: 'Long ones delay everything: more gateways, or fewer connections on this one.',
  },
  tickwire_flush_holds_total: {
    type: 'counter',
    about: 'Flushes that left a part for later: the process was busy, and sent to its clients one after the other.',
    look: 'tickwire_busy_ratio.',
  },
  tickwire_publish_to_send_seconds: {
    type: 'histogram',
    about:
      'From the bus taking the newest update of an answer until it was handed to the last of its sockets, for each subscriber that it went to. What waits on purpose is not counted: subscriptions with an interval, clients that are behind.',
    look: 'tickwire_flush_seconds, nodejs_eventloop_lag_p99_seconds; with Redis also its canary, and the clocks of the machines.',
  },
  tickwire_merged_updates_total: {
    type: 'counter',
    about:
      'Updates that clients got only as part of a later one, for each client; those that show nothing in what it asked for are not counted.',
    look: 'High: slow clients (paces, blocks), intervals, or a busy process that goes round its clients.',
  },
  tickwire_snapshots_total: {
    type: 'counter',
    about: 'Snapshots encoded, each once for all who begin with it.',
    look: 'Resets by reason.',
  },
  tickwire_gaps_total: {
    type: 'counter',
    about: 'Gaps announced to clients that asked for every update.',
    look: 'Their links; ringFramesMax.',
  },
  tickwire_resets_total: {
    type: 'counter',
    labels: ['reason'],
    about: 'Topics that clients had to begin anew, by why; a first answer is none.',
    look: 'epoch: the bus or an instrument began anew; horizon: tombstonesMax; gap: ringFramesMax.',
  },
  tickwire_top_topic_updates_total: {
    type: 'counter',
    labels: ['channel', 'symbol'],
    about:
      "Updates of the open topics with most since they were opened; at most metricsTopTopics series. A grouped book's channel is book@N.",
    look: 'Who publishes them.',
  },
  tickwire_top_topic_subscribers: {
    type: 'gauge',
    labels: ['channel', 'symbol'],
    about: 'Subscriptions of the topics with most; at most metricsTopTopics series.',
    look: 'What clients look at.',
  },
} as const satisfies Table;

const SLOWNESS = {
  tickwire_pace_connections: {
    type: 'gauge',
    labels: ['pace'],
    about: 'Connections by step of the ladder.',
    look: 'GET /v1/admin/connections/ID says why one is slow.',
  },
  tickwire_pace_age_seconds: {
    type: 'summary',
    labels: ['pace', 'quantile'],
    about:
      'How long they have been without what is due to them, or their link without an answer: quantiles 0.5, 0.99 (within a tenth), 1.',
    look: 'Of real-time: something is slow before the ladder has noticed; tickwire top.',
  },
  tickwire_pace_window_bytes: {
    type: 'summary',
    labels: ['pace', 'quantile'],
    about: 'Bytes that may be on their way to each: quantiles 0.5, 0.99 (within a tenth), 1.',
    look: 'Small ones: links that are slow or that lose.',
  },
  tickwire_pace_changes_total: {
    type: 'counter',
    about: 'Steps taken on the ladder.',
    look: 'Many up and down: links at their limit.',
  },
  tickwire_blocks_total: {
    type: 'counter',
    labels: ['by'],
    about:
      'Times that a connection had to stop sending: socket (it buffers), window (too much is unanswered), budget (too much was sent of late), demo.',
    look: 'socket and window: links; budget: maxBytesPerSec and entitlements.',
  },
  tickwire_blocked_connections: {
    type: 'gauge',
    labels: ['by'],
    about: 'Connections that may not send now, by what.',
    look: 'GET /v1/admin/connections.',
  },
  tickwire_queued_bytes: {
    type: 'gauge',
    about: 'Bytes that wait in this process to be sent to subscribers.',
    look: 'Bounded by connection; a large sum is many slow clients.',
  },
} as const satisfies Table;

const PUBLISHING = {
  tickwire_published_total: {
    type: 'counter',
    about:
      'Updates that publishers sent here and that were taken: HTTP, WebSocket, plain PUBLISH; feeds in this process are none.',
    look: 'Zero: the publishers; tickwire_publish_refusals_total.',
  },
  tickwire_publish_refusals_total: {
    type: 'counter',
    labels: ['code'],
    about: 'Updates of publishers that were refused.',
    look: 'proto/publish.md; bus-down: Redis; needs-snapshot: a publisher that began in the middle.',
  },
  tickwire_bus_up: {
    type: 'gauge',
    about: '1 where the bus works; 0 while Redis is away.',
    look: 'Redis and the network to it; the log.',
  },
  tickwire_bus_entries_total: {
    type: 'counter',
    about: 'Entries that the bus delivered to this process: those of topics that somebody here listens to.',
    look: 'tickwire_updates_total should keep up.',
  },
  tickwire_bus_repairs_total: {
    type: 'counter',
    about: 'Gaps on the bus that were closed from its log.',
    look: 'Redis drops this subscriber (client-output-buffer-limit pubsub), or the network does.',
  },
  tickwire_bus_reloads_total: {
    type: 'counter',
    about: 'Topics that were loaded anew because the log could not close a gap.',
    look: 'The same for longer: logEntriesMax.',
  },
  tickwire_bus_connects_total: {
    type: 'counter',
    about: 'Times that Redis was connected to.',
    look: 'More than one: Redis restarted, failed over, or was silent.',
  },
  tickwire_bus_canary_seconds: {
    type: 'gauge',
    about: 'How long the last canary took through Redis and back; there is none without Redis.',
    look: "Redis' SLOWLOG, its CPU, the network; this process where tickwire_busy_ratio is high.",
  },
} as const satisfies Table;

/** All of them, by what they tell of. */
export const SUBJECTS = {
  'The process': PROCESS,
  'Connections and sessions': CONNECTIONS,
  'Topics and delivery': DELIVERY,
  'Slow clients': SLOWNESS,
  'Publishing and the bus': PUBLISHING,
} as const;

export const METRICS = { ...PROCESS, ...CONNECTIONS, ...DELIVERY, ...SLOWNESS, ...PUBLISHING };

export type MetricName = keyof typeof METRICS;
