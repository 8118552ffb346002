// Owns the load test of all users dropping at once and coming back with their tokens and cursors, round after round.
// `npm run k6 -- reconnect-storm` runs it. Invariant: red unless everyone is back each time, most topics go on where they were
// (replayed or diffed, not begun anew), and not one update is missing over the drops.

import type { Options } from 'k6/options';
import { at, listedSymbols, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 200, durationMs: 30_000, p99Ms: 1_000, rounds: 3 });
const { users, durationMs, rounds } = parameters;

const RAMP_MS = Math.min(10_000, users * 10);
const CONTINUED_SHARE_MIN = 0.9;
const CHANNELS = ['book', 'quote', 'trade'] as const;

export const options: Options = {
  scenarios: { users: usersScenario(users, RAMP_MS + durationMs + 30_000) },
  thresholds: {
    ...thresholds(users * (rounds + 1), parameters.p99Ms),
    tickwire_resumed: [`count>=${users * rounds}`],
    tickwire_continued: [`rate>=${CONTINUED_SHARE_MIN}`],
    tickwire_served: ['rate==1'],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters), startMs: Date.now() + RAMP_MS };
}

export default function reconnectStorm({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const symbol = [symbols[number % symbols.length]!];
  let returns = 0;
  let resumed = 0;
  const user = new User(
    parameters,
    { number },
    {
      welcome() {
        if (returns > 0 && user.token !== null) {
          user.request({ op: 'resume', token: user.token, cursors: user.cursors() });
          return;
        }
        for (const channel of CHANNELS) {
          user.request({
            op: 'subscribe',
            channel,
            symbols: symbol,
            ...(channel === 'trade' ? {} : { interval: 500 }),
            ...(channel === 'book' ? { depth: 10 } : {}),
          });
        }
      },
      ack(_, { op }) {
        if (op === 'resume') resumed += 1;
      },
      closed() {
        returns += 1;
        user.connect();
      },
    },
  );
  at(startMs - (1 - number / users) * RAMP_MS, () => user.connect());
  // All at the same moment, whoever is there.
  for (let round = 1; round <= rounds; round++) {
    at(startMs + (round / (rounds + 1)) * durationMs, () => user.leave());
  }
  at(startMs + durationMs, () => user.end(resumed === rounds));
}
