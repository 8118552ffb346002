// Owns the figures of the synthetic market: how many updates a second it makes by itself, how many go through ingest
// and bus, and how a gateway answers that runs it at full rate. Run by `npm run bench:market`.
// Invariant: rounds are interleaved, and every update counted was accepted.

import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { MemoryBus } from '../../src/bus/memory.ts';
import type { FeedEvent } from '../../src/feeds/feed.ts';
import { Ingest } from '../../src/feeds/ingest.ts';
import { SyntheticMarket } from '../../src/feeds/synthetic.ts';
import { runSynthetic, UPDATES_PER_SEC_MAX } from '../../src/feeds/synthetic-run.ts';
import { SYMBOLS_NAMED } from '../../src/feeds/synthetic-symbols.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { Instruments } from '../../src/market/instrument.ts';
import { systemClock, systemTimers } from '../../src/ports/clock.ts';
import { readSettings } from '../../src/settings/settings.ts';
import { positive } from './options.ts';

const USAGE = `What the synthetic market makes, alone, through ingest and bus, and in a gateway without clients.

  npm run bench:market -- [options]

  --symbols N   (${SYMBOLS_NAMED})
  --seed N      (1)
  --rounds N    of a second each, alone and through the bus by turns (5)
  --rate N      updates a second that the gateway is asked for (${UPDATES_PER_SEC_MAX})
  --seconds N   that the gateway runs (10)
`;

/** As many as a run publishes at once. */
const BATCH_UPDATES = 500;
/** Pause between two requests to the gateway, milliseconds. */
const ASK_EVERY_MS = 20;

interface Options {
  readonly symbols: number;
  readonly seed: number;
  readonly rounds: number;
  readonly rate: number;
  readonly seconds: number;
}

function readOptions(): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ symbols: text, seed: text, rounds: text, rate: text, seconds: text },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  return {
    symbols: positive('symbols', values.symbols ?? `${SYMBOLS_NAMED}`),
    seed: positive('seed', values.seed ?? '1'),
    rounds: positive('rounds', values.rounds ?? '5'),
    rate: positive('rate', values.rate ?? `${UPDATES_PER_SEC_MAX}`),
    seconds: positive('seconds', values.seconds ?? '10'),
  };
}

/** The market's next events, at least so many updates. */
function nextBatch(market: SyntheticMarket, exchangeUs: number): { batch: FeedEvent[][]; updates: number } {
  const batch: FeedEvent[][] = [];
  let updates = 0;
  while (updates < BATCH_UPDATES) {
    const events = market.step(exchangeUs);
    batch.push(events);
    updates += events.length;
  }
  return { batch, updates };
}

/** Updates a second, for a second. */
async function rateOf(take: () => number | Promise<number>): Promise<number> {
  const startMs = performance.now();
  let updates = 0;
  while (performance.now() - startMs < 1_000) updates += await take();
  return (updates * 1_000) / (performance.now() - startMs);
}

/** A market that goes into a bus of its own. */
async function busTaker({ seed, symbols }: Options): Promise<() => Promise<number>> {
  const market = new SyntheticMarket({ seed, symbols });
  const instruments = new Instruments();
  let epoch = 0;
  const bus = new MemoryBus({ clock: systemClock, instruments, newEpoch: () => ++epoch, logEntriesMax: 1_024 });
  const ingest = new Ingest({ bus, instruments });
  const listed = market.instruments().map((definition): FeedEvent => ({ kind: 'instrument', definition }));
  await ingest.messages([listed, market.snapshots()]);
  return async () => {
    const { batch, updates } = nextBatch(market, systemClock.nowUs());
    await ingest.messages(batch);
    const refused = Object.keys(ingest.refused());
    if (refused.length > 0) throw new Error(`the bus refused updates: ${refused.join(', ')}`);
    return updates;
  };
}

/** A gateway that runs the market, and how it answers meanwhile. */
async function inGateway({ seed, symbols, rate, seconds }: Options): Promise<string> {
  const gateway = new Gateway(readSettings({ port: 0, adminPort: 0 }, {}), pino({ level: 'silent' }));
  gateway.start();
  const ingest = new Ingest(gateway);
  const abort = new AbortController();
  let updates = 0;
  const running = runSynthetic(new SyntheticMarket({ seed, symbols }), {
    updatesPerSec: rate,
    clock: systemClock,
    timers: systemTimers,
    signal: abort.signal,
    publish: async (batch) => {
      for (const events of batch) updates += events.length;
      await ingest.messages(batch);
    },
  });
  const startMs = performance.now();
  const answersMs: number[] = [];
  while (performance.now() - startMs < seconds * 1_000) {
    const askedMs = performance.now();
    await (await fetch(`${gateway.url}/v1/book/BTC-USD?depth=5`)).text();
    answersMs.push(performance.now() - askedMs);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  const perSec = (updates * 1_000) / (performance.now() - startMs);
  abort.abort();
  await running;
  gateway.stop();
  const refused = Object.keys(ingest.refused());
  if (refused.length > 0) throw new Error(`the bus refused updates: ${refused.join(', ')}`);
  answersMs.sort((a, b) => a - b);
  const at = (share: number): string => `${answersMs[Math.floor(share * (answersMs.length - 1))]!.toFixed(1)} ms`;
  return (
    `${whole(perSec)} a second of ${whole(rate)} asked for; ` +
    `${answersMs.length} books by HTTP, asked from the same process, in ${at(0.5)} (median), ${at(0.99)} (p99)`
  );
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function summary(rates: readonly number[]): string {
  const sorted = [...rates].sort((a, b) => a - b);
  return `${whole(sorted[sorted.length >> 1]!)} a second (${whole(sorted[0]!)}..${whole(sorted.at(-1)!)})`;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) return console.log(USAGE);
  const { seed, symbols, rounds } = options;
  const market = new SyntheticMarket({ seed, symbols });
  const alone = () => nextBatch(market, systemClock.nowUs()).updates;
  const throughBus = await busTaker(options);
  const rates: { alone: number[]; throughBus: number[] } = { alone: [], throughBus: [] };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const [one, other] = [await rateOf(alone), await rateOf(throughBus)];
    if (round === 0) continue;
    rates.alone.push(one);
    rates.throughBus.push(other);
  }
  console.log(`updates of ${symbols} symbols, seed ${seed}; ${rounds} interleaved rounds of a second, median (range)`);
  console.log(`market alone:            ${summary(rates.alone)}`);
  console.log(`through ingest and bus:  ${summary(rates.throughBus)}`);
  console.log(`in a gateway:            ${await inGateway(options)}`);
}

await main();
