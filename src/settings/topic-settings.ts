// Owns the settings of topics: what they keep, how long they stay, when their data counts as old. settings.ts spreads them into its
// table. Invariant: each bounds the memory or the time of one topic, whatever the others are.

import type { Setting } from './setting.ts';

export const TOPIC_SETTINGS = {
  tombstonesMax: {
    env: 'TICKWIRE_TOMBSTONES_MAX',
    default: 4_096,
    min: 16,
    max: 1_000_000,
    about: 'Removed levels that a book remembers: cursors older than the oldest get a snapshot.',
  },
  ringFramesMax: {
    env: 'TICKWIRE_RING_FRAMES_MAX',
    default: 1_024,
    min: 16,
    max: 1_000_000,
    about: 'Trades, or raw updates, that a topic keeps for cursors that are behind.',
  },
  logEntriesMax: {
    env: 'TICKWIRE_LOG_ENTRIES_MAX',
    default: 1_024,
    min: 16,
    max: 1_000_000,
    about: 'Trades per symbol that the embedded bus keeps for those who come late; on Redis updates of every topic.',
  },
  topicGraceMs: {
    env: 'TICKWIRE_TOPIC_GRACE_MS',
    default: 30_000,
    min: 0,
    max: 3_600_000,
    about: 'A topic without subscribers is kept this long: for those who come back.',
  },
  staleAfterMs: {
    env: 'TICKWIRE_STALE_AFTER_MS',
    default: 30_000,
    min: 1_000,
    max: 86_400_000,
    live: true,
    about: 'A topic without an update for this long is announced as stale.',
  },
  sourceDownAfterMs: {
    env: 'TICKWIRE_SOURCE_DOWN_AFTER_MS',
    default: 120_000,
    min: 1_000,
    max: 86_400_000,
    live: true,
    about: 'A topic without an update for this long is announced as source-down: its publisher is taken for gone.',
  },
} as const satisfies Record<string, Setting>;
