// Owns the load test of users who are slow beside users who are not: by a budget of bytes a second, and by stalling their connection
// where the gateway lets them. `npm run k6 -- slow-readers` runs it. Invariant: red unless the fast stay fast, the slow are told that
// they are slow, and both hold exactly what was published; what the slow miss of the trades is named in gaps.

import type { Options } from 'k6/options';
import { at, listedSymbols, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 100, durationMs: 30_000, p99Ms: 250 });
const { users, durationMs, slowShare } = parameters;
const slowUsers = Math.ceil(users * slowShare);

const RAMP_MS = Math.min(5_000, users * 10);
/** A tenth of what they are due. */
const SLOW_BYTES_PER_SEC = 1_500;
const STALL_MS = 3_000;

export const options: Options = {
  scenarios: { users: usersScenario(users, RAMP_MS + durationMs + 30_000) },
  thresholds: {
    ...thresholds(users * (durationMs / 1_000), 0),
    'tickwire_deliveries{reader:fast}': ['count>0'],
    'tickwire_deliveries{reader:slow}': ['count>0'],
    ...(parameters.p99Ms > 0 ? { 'tickwire_delivery_age_ms{reader:fast}': [`p(99)<${parameters.p99Ms}`] } : {}),
    tickwire_paced: ['count>0'],
    tickwire_served: ['rate==1'],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters, 2), startMs: Date.now() };
}

export default function slowReaders({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const isSlow = number < slowUsers;
  const mine = [symbols[number % symbols.length]!, symbols[(number + 1) % symbols.length]!];
  let stallMs = 0;
  const user = new User(
    parameters,
    { number, tags: { reader: isSlow ? 'slow' : 'fast' } },
    {
      welcome(_, { limits }) {
        stallMs = Math.min(STALL_MS, limits.stallMsMax ?? 0);
        if (isSlow) user.request({ op: 'limit', maxBytesPerSec: SLOW_BYTES_PER_SEC, topOfBook: true });
        const interval = isSlow ? 0 : 250;
        user.request({ op: 'subscribe', channel: 'book', symbols: mine, depth: isSlow ? 50 : 5, interval });
        user.request({ op: 'subscribe', channel: 'quote', symbols: mine, interval });
        user.request({ op: 'subscribe', channel: 'trade', symbols: mine.slice(0, 1) });
      },
    },
  );
  at(startMs + (number / users) * RAMP_MS, () => user.connect());
  at(startMs + RAMP_MS + durationMs / 3, () => {
    if (isSlow && stallMs > 0) user.request({ op: 'demo', stallMs });
  });
  at(startMs + RAMP_MS + durationMs, () => user.end(user.deliveries > 0));
}
