// Owns the settings of the process: its log, what it begins with, how it ends. settings.ts spreads them into its table.
// Invariant: none of them depends on another setting.

import type { Setting } from './setting.ts';

export const PROCESS_SETTINGS = {
  instrumentsFile: {
    env: 'TICKWIRE_INSTRUMENTS',
    default: '',
    flag: '--instruments',
    about: 'JSON file with a list of instruments to begin with.',
  },
  logLevel: {
    env: 'TICKWIRE_LOG_LEVEL',
    default: 'info',
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    live: true,
    about: 'How much is logged: fatal, error, warn, info, debug, trace or silent.',
  },
  logLinesPerSecMax: {
    env: 'TICKWIRE_LOG_LINES_PER_SEC_MAX',
    default: 20,
    min: 0,
    max: 1_000_000,
    live: true,
    about:
      'Lines of one event that are logged within a second; the rest is counted and told in one line, so that a crowd of bad clients fills no disk. 0: all.',
  },
  metricsTopTopics: {
    env: 'TICKWIRE_METRICS_TOP_TOPICS',
    default: 20,
    min: 0,
    max: 100,
    live: true,
    about:
      'Topics that /metrics names one by one: the busiest, and those with most subscriptions. Each is a series for as long as it is among them. 0: none.',
  },
  drainNoticeMs: {
    env: 'TICKWIRE_DRAIN_NOTICE_MS',
    default: 0,
    min: 0,
    max: 600_000,
    live: true,
    about:
      'When it is told to stop, the gateway says on /readyz that it drains for so long before it sends anybody elsewhere, and still lets clients in: a load balancer before it must learn of it first. 0: none stands there.',
  },
  drainMs: {
    env: 'TICKWIRE_DRAIN_MS',
    default: 10_000,
    min: 0,
    max: 3_600_000,
    live: true,
    about:
      'When it is told to stop, the gateway sends its clients elsewhere over this time, evenly. 0: at once, all together.',
  },
} as const satisfies Record<string, Setting>;
