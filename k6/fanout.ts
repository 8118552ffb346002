// Owns the load test of many users: each is delivered five updates a second, a quote every 250 ms and a book every second, and every
// delivery is audited, checksums included. `npm run k6 -- fanout` runs it. Invariant: red unless each user got what it was due, all of it exact.

import type { Options } from 'k6/options';
import { at, listedSymbols, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 1_000, durationMs: 30_000, p99Ms: 1_000 });
const { users, durationMs } = parameters;

// This way round, and no deeper: five levels of a busy book cost k6 as much as all that is left.
const QUOTE_MS = 250;
const BOOK_MS = 1_000;
/** Users of one interval are delivered at the same moment; other users have slightly shorter ones, so that k6 is not late by its own crowd. */
const GROUPS = 10;
const QUOTE_STEP_MS = 3;
const BOOK_STEP_MS = 11;
const DELIVERIES_PER_SEC = 5;
/** Of what is due to a user while its symbol is traded; the demo halts symbols now and then, which is told as their status. */
const DUE_SHARE = 0.9;
const TRADED_SHARE = 0.85;
/** All are there after so long, evenly. */
const RAMP_MS = Math.min(20_000, users * 10);
/** All are there for so long before ages count. */
const SETTLE_MS = 2_000;
/** The age of each fifth delivery is reported: one of each user a second. */
const AGES_EVERY = 5;

export const options: Options = {
  scenarios: { users: usersScenario(users, RAMP_MS + durationMs + 30_000) },
  thresholds: {
    ...thresholds(users * (durationMs / 1_000) * DELIVERIES_PER_SEC * DUE_SHARE * TRADED_SHARE, parameters.p99Ms),
    tickwire_served: ['rate>=0.99'],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters), startMs: Date.now() };
}

export default function fanout({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const endMs = startMs + RAMP_MS + durationMs;
  let sinceMs = 0;
  let haltedMs = 0;
  let haltedSinceMs = 0;
  const traded = () => {
    if (haltedSinceMs > 0) haltedMs += Date.now() - haltedSinceMs;
    haltedSinceMs = 0;
  };
  const user = new User(
    parameters,
    { number, agesEvery: AGES_EVERY, agesFromMs: startMs + RAMP_MS + SETTLE_MS },
    {
      welcome() {
        sinceMs = Date.now();
        const symbol = [symbols[number % symbols.length]!];
        const bookMs = BOOK_MS - (number % GROUPS) * BOOK_STEP_MS;
        const quoteMs = QUOTE_MS - (number % GROUPS) * QUOTE_STEP_MS;
        user.request({ op: 'subscribe', channel: 'book', symbols: symbol, depth: 1, interval: bookMs });
        user.request({ op: 'subscribe', channel: 'quote', symbols: symbol, interval: quoteMs });
        user.request({ op: 'subscribe', channel: 'status', symbols: symbol });
      },
      status(_, { status }) {
        traded();
        if (status === 'halted') haltedSinceMs = Date.now();
      },
    },
  );
  at(startMs + (number / users) * RAMP_MS, () => user.connect());
  at(endMs, () => {
    traded();
    const dueSec = sinceMs === 0 ? Number.POSITIVE_INFINITY : (Date.now() - sinceMs - haltedMs) / 1_000;
    user.end(user.deliveries >= dueSec * DELIVERIES_PER_SEC * DUE_SHARE);
  });
}
