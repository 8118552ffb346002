// Owns the load test of many who connect at once: each is let in, or refused and told when to come back, which it obeys.
// `npm run k6 -- connect-storm` runs it. Invariant: red unless everyone is let in in the end, is served, and finds all exact.

import type { Options } from 'k6/options';
import { at, listedSymbols, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 500, durationMs: 20_000, p99Ms: 1_000 });
const { users, durationMs } = parameters;

/** Every virtual user of k6 exists by then. */
const LEAD_MS = 500;

export const options: Options = {
  scenarios: { users: usersScenario(users, durationMs + 30_000) },
  thresholds: {
    ...thresholds(users, parameters.p99Ms),
    tickwire_served: ['rate==1'],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters), startMs: Date.now() + LEAD_MS };
}

export default function connectStorm({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const symbol = symbols[number % symbols.length]!;
  let isIn = false;
  const user = new User(
    parameters,
    { number },
    {
      welcome() {
        isIn = true;
        user.request({ op: 'subscribe', channel: 'quote', symbols: [symbol], interval: 1_000 });
        user.request({ op: 'subscribe', channel: 'book', symbols: [symbol], depth: 1, interval: 1_000 });
      },
    },
  );
  at(startMs, () => user.connect());
  at(startMs + durationMs, () => user.end(isIn && user.deliveries > 0));
}
