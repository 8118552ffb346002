// Owns how each metric is read: from the gateway's figures, the census and the choice of topics. The metrics call it at scrape, with all
// of them of one moment. Invariant: every name of the catalogue has its reader here, which the compiler holds; readers change nothing.

import type { Figures } from '../gateway/figures.ts';
import { logCounters } from '../ports/log-counters.ts';
import { HEALINGS, PACES, PROTOCOL_VERSION } from '../protocol/frames.ts';
import { packageVersion } from '../settings/settings.ts';
import type { Spread } from '../topics/spread.ts';
import type { METRICS, MetricName } from './catalogue.ts';
import type { Census, PaceCensus } from './census.ts';
import { BLOCKS, CLOSES, CODES, closeLabel, OUTCOMES, QUANTILES, RESETS } from './label-values.ts';
import type { Quantiles } from './quantiles.ts';
import type { Ranked, TopTopics } from './top-topics.ts';

const VERSION = packageVersion();

/** What a scrape reads. */
export interface Scene {
  readonly figures: Figures;
  readonly census: Census;
  readonly top: TopTopics;
}

/** One series: its labels, and its value. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];
/** Null: there is no series. */
type Reading = number | null | readonly Sample[];

type Reader<Name extends MetricName> = (
  scene: Scene,
) => (typeof METRICS)[Name]['type'] extends 'histogram' ? Spread : Reading;

/** One series for each of `known`, from the start, so that the first event shows as an increase; then what else there is. */
function byName(label: string, known: readonly string[], counts: Readonly<Record<string, number>>): Sample[] {
  const names = new Set([...known, ...Object.keys(counts)]);
  return [...names].map((name) => [{ [label]: name }, counts[name] ?? 0]);
}

function closes({ sockets, publishers }: Figures): Sample[] {
  const counts: Record<string, number> = {};
  for (const [reason, count] of [...Object.entries(sockets.closed), ...Object.entries(publishers.closed)]) {
    const label = closeLabel(reason);
    counts[label] = (counts[label] ?? 0) + count;
  }
  return byName('reason', CLOSES, counts);
}

function byPace({ paces }: Census, unit: number, valuesOf: (pace: PaceCensus) => Quantiles): Sample[] {
  return [...paces].flatMap(([pace, census]) => {
    const values = valuesOf(census);
    if (values.count === 0) return [];
    return QUANTILES.map((quantile): Sample => [{ pace, quantile: String(quantile) }, values.at(quantile) * unit]);
  });
}

function named(topics: readonly Ranked[], rankOf: (topic: Ranked) => number): Sample[] {
  return topics.map((topic) => {
    const { channel, symbol, group } = topic;
    return [{ channel: group > 0 ? `${channel}@${group}` : channel, symbol }, rankOf(topic)];
  });
}

export const READERS: { readonly [Name in MetricName]: Reader<Name> } = {
  tickwire_build_info: () => [[{ version: VERSION, node: process.version, protocol: String(PROTOCOL_VERSION) }, 1]],
  tickwire_ready: ({ figures }) => Number(figures.ready),
  tickwire_draining: ({ figures }) => Number(figures.draining),
  tickwire_busy_ratio: ({ figures }) => figures.busy,
  tickwire_log_lines_total: () => byName('level', [], logCounters.lines),
  tickwire_log_lines_dropped_total: () => logCounters.dropped,

  tickwire_connections: ({ figures }) => [
    [{ stream: 'subscribe' }, figures.connections.size],
    [{ stream: 'publish' }, figures.publishers.open],
  ],
  tickwire_connections_max: ({ figures }) => figures.settings.connectionsMax,
  tickwire_admissions_total: ({ figures }) => [
    [{ stream: 'subscribe' }, figures.sockets.admitted],
    [{ stream: 'publish' }, figures.publishers.admitted],
  ],
  tickwire_refusals_total: ({ figures }) => byName('code', CODES, figures.refusals),
  tickwire_closes_total: ({ figures }) => closes(figures),
  tickwire_addresses: ({ figures }) => figures.admission.addresses,
  tickwire_principals: ({ figures }) => figures.admission.principals,
  tickwire_heartbeats_total: ({ figures }) => figures.sockets.heartbeats,
  tickwire_pings_total: ({ figures }) => figures.sockets.pings,
  tickwire_pongs_total: ({ figures }) => figures.sockets.pongs,
  tickwire_healed_topics_total: ({ figures }) => byName('how', HEALINGS, figures.sockets.healed),
  tickwire_resumptions_total: ({ figures }) => byName('outcome', OUTCOMES, figures.resumptions),
  tickwire_sessions_kept: ({ figures: { sessions } }) => sessions.connected + sessions.over,

  tickwire_topics: ({ figures }) => figures.topics.size,
  tickwire_instruments: ({ figures }) => figures.instruments.size,
  tickwire_subscriptions: ({ census }) => census.subscriptions,
  tickwire_updates_total: ({ figures }) => figures.topics.counters.updates,
  tickwire_messages_sent_total: ({ figures: { flush, sockets } }) => flush.counters.messages + sockets.messages,
  tickwire_frames_sent_total: ({ figures: { flush, sockets } }) => flush.counters.frames + sockets.frames,
  tickwire_sent_bytes_total: ({ figures: { flush, sockets } }) => flush.lanes.sentBytes - sockets.pingBytes,
  tickwire_answers_encoded_total: ({ figures: { flush, topics } }) =>
    flush.counters.answers + topics.counters.encodings,
  tickwire_answers_shared_total: ({ figures: { flush, topics } }) => flush.counters.shared + topics.counters.shared,
  tickwire_messages_joined_total: ({ figures }) => figures.flush.counters.joins,
  tickwire_flushes_total: ({ figures }) => figures.flush.counters.flushes,
  tickwire_flush_seconds: ({ figures }) => figures.flush.durations,
  tickwire_flush_holds_total: ({ figures }) => figures.flush.counters.holds,
  tickwire_publish_to_send_seconds: ({ figures }) => figures.flush.delays,
  tickwire_merged_updates_total: ({ figures: { flush, sockets } }) => flush.counters.merged + sockets.merged,
  tickwire_snapshots_total: ({ figures }) => figures.topics.counters.snapshots,
  tickwire_gaps_total: ({ figures }) => figures.sockets.gaps,
  tickwire_resets_total: ({ figures }) => byName('reason', RESETS, figures.sockets.resets),
  tickwire_top_topic_updates_total: ({ top }) => named(top.busiest, ({ updates }) => updates),
  tickwire_top_topic_subscribers: ({ top }) => named(top.mostUsed, ({ users }) => users),

  tickwire_pace_connections: ({ census }) => PACES.map((pace) => [{ pace }, census.paces.get(pace)?.agesMs.count ?? 0]),
  tickwire_pace_age_seconds: ({ census }) => byPace(census, 1 / 1_000, ({ agesMs }) => agesMs),
  tickwire_pace_window_bytes: ({ census }) => byPace(census, 1, ({ windowBytes }) => windowBytes),
  tickwire_pace_changes_total: ({ figures }) => figures.sockets.paces,
  tickwire_blocks_total: ({ figures }) => byName('by', BLOCKS, figures.sockets.blocked),
  tickwire_blocked_connections: ({ census }) => BLOCKS.map((by) => [{ by }, census.blocked.get(by) ?? 0]),
  tickwire_queued_bytes: ({ census }) => census.queuedBytes,

  tickwire_published_total: ({ figures: { published, bus } }) => published.taken + bus.plainItems,
  tickwire_publish_refusals_total: ({ figures }) => byName('code', CODES, figures.published.refused),
  tickwire_bus_up: ({ figures }) => Number(figures.bus.up),
  tickwire_bus_entries_total: ({ figures }) => figures.bus.entries,
  tickwire_bus_repairs_total: ({ figures }) => figures.bus.repairs,
  tickwire_bus_reloads_total: ({ figures }) => figures.bus.reloads,
  tickwire_bus_connects_total: ({ figures }) => figures.bus.connects,
  tickwire_bus_canary_seconds: ({ figures: { bus } }) => (bus.canaryMs === null ? null : bus.canaryMs / 1_000),
};
