// Owns the long load test: users as in fanout who leave and come back now and then, and a look at the gateway's memory.
// `npm run k6 -- soak` runs it. Invariant: red unless all stays exact for as long as it runs, and the gateway's memory does not grow on.

import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { clearInterval, setInterval } from 'k6/timers';
import { at, gatewayMetric, listedSymbols, usersScenario } from './lib/market.ts';
import { beginMetrics, metrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 200, durationMs: 1_800_000, p99Ms: 250 });
const { users, durationMs } = parameters;

const RAMP_MS = Math.min(20_000, users * 50);
/** Memory is compared with what it was when a tenth of the time had passed: by then all are there and caches are filled. */
const WARM_SHARE = 0.1;
const GROWTH_MAX = 1.5;
/** Each user comes back so often; in a short run once. */
const STAY_MS = Math.min(300_000, durationMs / 2);
const LOOK_MS = Math.min(5_000, durationMs / 20);
const AGES_EVERY = 25;
const DELIVERIES_PER_SEC_MIN = 2;

export const options: Options = {
  scenarios: {
    users: { ...usersScenario(users, RAMP_MS + durationMs + 30_000), exec: 'stay' },
    memory: { ...usersScenario(1, RAMP_MS + durationMs + 30_000), exec: 'memory' },
  },
  thresholds: {
    ...thresholds(users * (durationMs / 1_000) * DELIVERIES_PER_SEC_MIN, parameters.p99Ms),
    tickwire_continued: ['rate>=0.9'],
    tickwire_served: ['rate==1'],
    tickwire_gateway_memory_growth: [`value<${GROWTH_MAX}`],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters), startMs: Date.now() };
}

export function stay({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = exec.scenario.iterationInTest;
  const symbol = [symbols[number % symbols.length]!];
  let returns = 0;
  const user = new User(
    parameters,
    { number, agesEvery: AGES_EVERY },
    {
      welcome() {
        if (returns > 0 && user.token !== null) {
          user.request({ op: 'resume', token: user.token, cursors: user.cursors() });
          return;
        }
        user.request({ op: 'subscribe', channel: 'quote', symbols: symbol, interval: 250 });
        user.request({ op: 'subscribe', channel: 'book', symbols: symbol, depth: 5, interval: 1_000 });
        user.request({ op: 'subscribe', channel: 'trade', symbols: symbol });
      },
      closed() {
        returns += 1;
        user.connect();
      },
    },
  );
  const beginMs = startMs + (number / users) * RAMP_MS;
  const endMs = startMs + RAMP_MS + durationMs;
  at(beginMs, () => user.connect());
  // Not all at once: each where its own stay is over.
  for (let leaveMs = beginMs + STAY_MS; leaveMs < endMs - LOOK_MS; leaveMs += STAY_MS) at(leaveMs, () => user.leave());
  at(endMs, () => user.end(user.deliveries > 0));
}

/** Where the admin port can't be asked, nothing is said of memory. */
export function memory({ startMs }: ReturnType<typeof setup>): void {
  const warmMs = startMs + RAMP_MS + durationMs * WARM_SHARE;
  const endMs = startMs + RAMP_MS + durationMs;
  let warmBytes = 0;
  const timer = setInterval(() => {
    const nowMs = Date.now();
    const bytes = gatewayMetric(parameters, 'process_resident_memory_bytes');
    if (bytes !== null) {
      metrics.gatewayMemory.add(bytes);
      if (nowMs >= warmMs && warmBytes === 0) warmBytes = bytes;
      if (warmBytes > 0) metrics.gatewayGrowth.add(bytes / warmBytes);
    }
    if (nowMs >= endMs) clearInterval(timer);
  }, LOOK_MS);
}
