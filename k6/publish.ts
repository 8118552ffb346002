// Owns the load test of publishers: each has a symbol of its own and a subscriber that asks for every update of it.
// `npm run k6 -- publish` runs it. Invariant: red unless every item is acknowledged, and all that was acknowledged is delivered.

import http from 'k6/http';
import type { Options } from 'k6/options';
import { clearInterval, setInterval } from 'k6/timers';
import { at, authorized, OWN_PREFIX, userNumber, usersScenario } from './lib/market.ts';
import { beginMetrics, metrics, thresholds } from './lib/metrics.ts';
import { readParameters } from './lib/parameters.ts';
import { type Item, Publisher } from './lib/publisher.ts';
import { User } from './lib/user.ts';

const parameters = readParameters(__ENV, { users: 20, durationMs: 20_000, p99Ms: 500, ratePerSec: 50 });
const { users, durationMs, ratePerSec } = parameters;

const LEAD_MS = 2_000;
const BATCH_MS = 100;
/** What is under way when publishing stops arrives within this. */
const ARRIVAL_MS_MAX = 10_000;
const LOOK_MS = 50;
/** A machine that is short of time publishes less; nothing may be lost anyway. */
const RATE_SHARE_MIN = 0.5;

const wantedItems = Math.floor(users * (durationMs / 1_000) * ratePerSec * RATE_SHARE_MIN);

export const options: Options = {
  scenarios: { users: usersScenario(users, LEAD_MS + durationMs + ARRIVAL_MS_MAX + 30_000) },
  thresholds: {
    ...thresholds(wantedItems, parameters.p99Ms),
    tickwire_acked: [`count>=${Math.max(1, wantedItems)}`],
    tickwire_refused_items: ['count==0'],
    tickwire_lost_items: ['count==0'],
    // Every update was asked for: one that is named as missing is missing.
    tickwire_gaps: ['count==0'],
    tickwire_served: ['rate==1'],
  },
};

export function setup(): { readonly run: string; readonly startMs: number } {
  beginMetrics();
  return { run: Date.now().toString(36), startMs: Date.now() + LEAD_MS };
}

export default function publish({ run, startMs }: ReturnType<typeof setup>): void {
  const number = userNumber();
  const symbol = `${OWN_PREFIX}${run}-${number}`;
  const definition = JSON.stringify({ priceScale: 2, sizeScale: 0 });
  const url = `${parameters.httpUrl}/v1/instruments/${symbol}`;
  const { status, body } = http.put(url, definition, { headers: authorized(parameters) });
  if (status >= 400 || status === 0) throw new Error(`${symbol} can't be listed: ${status} ${body}`);
  const user = new User(
    parameters,
    { number },
    {
      welcome() {
        for (const channel of ['book', 'trade']) {
          user.request({ op: 'subscribe', channel, symbols: [symbol], mode: 'raw' });
        }
      },
    },
  );
  const publisher = new Publisher(parameters, () => publisher.publish([snapshotOf(symbol)]));
  user.connect();
  at(startMs, () => {
    let due = 0;
    let turn = 0;
    const timer = setInterval(() => {
      due = Math.min(due + (ratePerSec * BATCH_MS) / 1_000, ratePerSec);
      const items = Array.from({ length: Math.floor(due) }, () => itemOf(symbol, turn++));
      due -= publisher.publish(items);
      if (Date.now() < startMs + durationMs) return;
      clearInterval(timer);
      awaitArrival(publisher, user, symbol);
    }, BATCH_MS);
  });
}

/** Ends both once all that was acknowledged has arrived, or should have. */
function awaitArrival(publisher: Publisher, user: User, symbol: string): void {
  const latestMs = Date.now() + ARRIVAL_MS_MAX;
  const timer = setInterval(() => {
    const missing = (['book', 'trade'] as const).reduce(
      (sum, channel) => sum + Math.max(0, publisher.acked[channel] - Math.max(0, user.held(`${channel}:${symbol}`))),
      0,
    );
    const unanswered = publisher.unanswered;
    if (missing + unanswered > 0 && Date.now() < latestMs) return;
    clearInterval(timer);
    publisher.end();
    metrics.lostItems.add(missing + unanswered);
    if (missing + unanswered > 0) {
      console.warn(`${symbol}: ${missing} acknowledged and not delivered, ${unanswered} never answered`);
    }
    user.end(missing + unanswered === 0);
  }, LOOK_MS);
}

function snapshotOf(symbol: string): Item {
  return { symbol, type: 'snapshot', bids: [['99.00', '1']], asks: [['101.00', '1']] };
}

/** Levels that come and go on both sides, and a trade now and then. */
function itemOf(symbol: string, turn: number): Item {
  if (turn % 5 === 4) return { symbol, type: 'trade', id: turn, price: '100.00', size: '1' };
  const cents = String(turn % 90).padStart(2, '0');
  const size = String((turn * 7) % 11);
  return turn % 2 === 0
    ? { symbol, type: 'delta', bids: [[`98.${cents}`, size]] }
    : { symbol, type: 'delta', asks: [[`102.${cents}`, size]] };
}
