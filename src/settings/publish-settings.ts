// Owns the settings of publishing: who may, and how much. settings.ts spreads them into its table.
// Invariant: none of them depends on another one of them.

import type { Setting } from './setting.ts';

export const PUBLISH_SETTINGS = {
  publishToken: {
    env: 'TICKWIRE_PUBLISH_TOKEN',
    default: '',
    pattern: /^[!-~]*$/,
    unfit: 'has characters other than ASCII without spaces',
    secret: true,
    live: true,
    about: 'Who publishes must bring it. Empty: publishing is open to this machine only.',
  },
  publishBytesMax: {
    env: 'TICKWIRE_PUBLISH_BYTES_MAX',
    default: 4_194_304,
    min: 1_024,
    max: 67_108_864,
    about: 'Longest body of a publish request: a full book of 50,000 levels.',
  },
  publishItemsMax: {
    env: 'TICKWIRE_PUBLISH_ITEMS_MAX',
    default: 1_000,
    min: 1,
    max: 100_000,
    live: true,
    about: 'Updates in one publish request: keeps the work of one call short.',
  },
  publishCreditsMax: {
    env: 'TICKWIRE_PUBLISH_CREDITS_MAX',
    default: 10_000,
    min: 1,
    max: 100_000,
    about: 'Updates that a publisher on a WebSocket may have unacknowledged: bounds the answers that wait for it.',
  },
  publishPerSecMax: {
    env: 'TICKWIRE_PUBLISH_PER_SEC_MAX',
    default: 1_000_000,
    min: 0,
    max: 1_000_000_000,
    live: true,
    about:
      "Updates a second that one principal may publish over all its connections, a second's worth at once. More than one process takes today, so that a file can be published at full speed: batches and credits already bound what waits. 0: no limit.",
  },
  instrumentsMax: {
    env: 'TICKWIRE_INSTRUMENTS_MAX',
    default: 20_000,
    min: 1,
    max: 1_000_000,
    live: true,
    about: 'Listed instruments: bounds the memory that publishers can take.',
  },
} as const satisfies Record<string, Setting>;
