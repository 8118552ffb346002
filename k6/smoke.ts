// Owns the shortest load test: a few users who each do everything once: all channels, another depth, an unsubscription, a drop and a
// return with token and cursors. `npm run k6 -- smoke` and the suite run it. Invariant: red unless every user was answered in all of it.

import type { Options } from 'k6/options';
import { at, listedSymbols, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 10, durationMs: 10_000, p99Ms: 1_000, codec: 'both' });
const { users, durationMs } = parameters;

const CHANNELS = ['book', 'quote', 'trade', 'status'] as const;
const SYMBOLS = 2;
/** Of a lively symbol; a quiet machine sees ten times as many. */
const DELIVERIES_PER_SEC_MIN = 2;

export const options: Options = {
  scenarios: { users: usersScenario(users, durationMs + 30_000) },
  thresholds: {
    ...thresholds(users * (durationMs / 1_000) * DELIVERIES_PER_SEC_MIN, parameters.p99Ms),
    tickwire_resumed: [`count>=${users}`],
    tickwire_continued: ['rate>=0.5'],
    tickwire_served: ['rate==1'],
  },
};

export function setup(): { readonly symbols: readonly string[]; readonly startMs: number } {
  beginMetrics();
  return { symbols: listedSymbols(parameters, SYMBOLS), startMs: Date.now() };
}

export default function smoke({ symbols, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const mine = Array.from({ length: SYMBOLS }, (_, i) => symbols[(number + i) % symbols.length]!);
  const moment = (share: number) => startMs + share * durationMs;
  let returns = 0;
  const user = new User(
    parameters,
    { number },
    {
      welcome() {
        if (user.token !== null && returns > 0) {
          user.request({ op: 'resume', token: user.token, cursors: user.cursors() });
          return;
        }
        for (const channel of CHANNELS) {
          user.request({ op: 'subscribe', channel, symbols: mine, ...(channel === 'book' ? { depth: 20 } : {}) });
        }
      },
      closed() {
        returns += 1;
        user.connect();
      },
    },
  );
  user.connect();
  at(moment(0.3), () => user.request({ op: 'subscribe', channel: 'book', symbols: mine, depth: 5, interval: 100 }));
  at(moment(0.45), () => user.request({ op: 'unsubscribe', channel: 'quote', symbols: mine }));
  at(moment(0.5), () => user.request({ op: 'subscribe', channel: 'quote', symbols: mine }));
  at(moment(0.65), () => user.leave());
  at(moment(1), () => user.end(returns === 1 && mine.every((symbol) => user.held(`book:${symbol}`) > 0)));
}
