// Owns the metrics that all scenarios report, and the thresholds that none of them goes without. Users and scenarios add to them.
// Invariant: every metric of a threshold has a sample, so that a run in which nothing happened is red.

import { Counter, Gauge, Rate, Trend } from 'k6/metrics';

export const metrics = {
  deliveries: new Counter('tickwire_deliveries'),
  merged: new Counter('tickwire_merged'),
  /** Frames that told what was held already, as the protocol allows. */
  overlaps: new Counter('tickwire_overlaps'),
  gaps: new Counter('tickwire_gaps'),
  gapped: new Counter('tickwire_gapped'),
  resets: new Counter('tickwire_resets'),
  sequenceFaults: new Counter('tickwire_sequence_faults'),
  checksumFaults: new Counter('tickwire_checksum_faults'),
  /** Of each user, at its end: whether it was delivered anything. */
  audited: new Rate('tickwire_audited'),
  connectMs: new Trend('tickwire_connect_ms', true),
  firstDataMs: new Trend('tickwire_first_data_ms', true),
  /** From the gateway's making of a frame to its receipt. */
  deliveryAgeMs: new Trend('tickwire_delivery_age_ms', true),
  /** From the publishing of the newest update in it. */
  publishAgeMs: new Trend('tickwire_publish_age_ms', true),
  /** From the receipt of a message to its turn in k6: what the load generator itself is late. */
  clientLagMs: new Trend('tickwire_client_lag_ms', true),
  refusals: new Counter('tickwire_refusals'),
  /** Connections that ended without being asked to. */
  lost: new Counter('tickwire_lost_connections'),
  /** Of each connection that opened: whether its first message never came; k6 drops what it reads before its script knows that it is open. */
  unwelcomed: new Rate('tickwire_unwelcomed'),
  resumed: new Counter('tickwire_resumed'),
  /** Of each topic that came back: whether it was replayed or diffed rather than begun anew. */
  continued: new Rate('tickwire_continued'),
  healed: new Counter('tickwire_healed'),
  paced: new Counter('tickwire_paced'),
  /** Of each user, at its end: whether it got what it was due. */
  served: new Rate('tickwire_served'),
  published: new Counter('tickwire_published'),
  acked: new Counter('tickwire_acked'),
  refusedItems: new Counter('tickwire_refused_items'),
  /** Updates that were acknowledged and never delivered, or never answered. */
  lostItems: new Counter('tickwire_lost_items'),
  ackMs: new Trend('tickwire_ack_ms', true),
  gatewayMemory: new Gauge('tickwire_gateway_memory_bytes'),
  gatewayGrowth: new Gauge('tickwire_gateway_memory_growth'),
};

const NEVER = [
  metrics.deliveries,
  metrics.sequenceFaults,
  metrics.checksumFaults,
  metrics.gaps,
  metrics.lost,
  metrics.refusals,
  metrics.resumed,
  metrics.acked,
  metrics.refusedItems,
  metrics.lostItems,
];

/** Gives each metric that is held against a count a sample of nothing: k6 passes over thresholds of metrics without any. */
export function beginMetrics(): void {
  for (const metric of NEVER) metric.add(0);
  metrics.audited.add(true);
  metrics.unwelcomed.add(false);
}

/**
 * What every scenario holds to.
 * @param deliveriesMin of all users together.
 * @param p99Ms bound of the age of 99 of 100 deliveries; 0: none.
 */
export function thresholds(deliveriesMin: number, p99Ms: number): Record<string, string[]> {
  return {
    tickwire_sequence_faults: ['count==0'],
    tickwire_checksum_faults: ['count==0'],
    tickwire_lost_connections: ['count==0'],
    tickwire_unwelcomed: ['rate<=0.05'],
    tickwire_audited: ['rate==1'],
    tickwire_deliveries: [`count>=${Math.max(1, Math.floor(deliveriesMin))}`],
    ...(p99Ms > 0 ? { tickwire_delivery_age_ms: [`p(99)<${p99Ms}`] } : {}),
  };
}
