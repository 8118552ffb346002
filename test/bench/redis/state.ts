// Owns what `bench:redis --state` measures: what both ways of keeping a book's state cost Redis and the process that calls it, for
// updates, folds and cold loads. redis.ts prints its lines. Invariant: a way whose loaded book is not the one that was published,
// by a naive replay, is not measured.

import { Book } from '../../../src/market/book.ts';
import type { BookDelta, BookSnapshot } from '../../../src/market/update.ts';
import { type RedisServer, startRedis } from '../../redis/server.ts';
import { spreadOf } from '../report.ts';
import { seededRandom } from '../workloads.ts';
import { GATEWAY_LIMITS, SIDE_LEVELS, someDeltas, UPDATE_LEVELS, wholeBook } from './books.ts';
import { type Keeping, KeptKeeping, LogKeeping } from './keeping.ts';
import { redisCpuUs } from './run.ts';

interface StateOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly seed: number;
}

/** Microseconds of CPU for one of what was done. */
interface Cost {
  readonly redisUs: number;
  readonly processUs: number;
}

type Figure = 'single' | 'batch-10' | 'snapshot' | 'fold' | 'load';
/** What one way showed in one round. */
interface Sheet {
  readonly costs: Readonly<Partial<Record<Figure, Cost>>>;
  readonly bytesPerTopic: number;
  /** Updates between two folds; 0 where nothing is folded. */
  readonly foldEvery: number;
}

const WAYS = ['log', 'kept'] as const;
const TOPICS = 50;
const CALLS_UNDER_WAY = 16;
const FILL_BATCH = 10;
/** Updates since the last fold, in cold loads: half of what there is before the next. */
const HALF_LOG = 150;
const CHECK_UPDATES = 700;

/** Lines, as they come about; they end early when it is interrupted. */
export async function* stateLines(options: StateOptions, signal: AbortSignal): AsyncGenerator<string> {
  const { rounds } = options;
  yield `${TOPICS} books of ${SIDE_LEVELS} levels a side, updates of ${UPDATE_LEVELS}; microseconds of CPU for each, ${CALLS_UNDER_WAY} calls under way`;
  const sheets = { log: [] as Sheet[], kept: [] as Sheet[] };
  const redis = await startRedis();
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const way of round % 2 === 1 ? WAYS : [...WAYS].reverse()) {
        if (signal.aborted) break;
        const sheet = await uninterrupted(measureWay(redis, way, options, signal), signal);
        if (sheet === null) break;
        sheets[way].push(sheet);
        yield `  round ${round}/${rounds}  ${way.padEnd(4)}  ${sheetText(sheet)}`;
      }
    }
  } finally {
    await redis.close();
  }
  for (const way of WAYS) if (sheets[way].length > 0) yield* summary(way, sheets[way]);
}

/** Null where it was interrupted: Redis may be gone by then. */
async function uninterrupted<T>(measuring: Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    const measured = await measuring;
    return signal.aborted ? null : measured;
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

async function measureWay(
  redis: RedisServer,
  way: Keeping['name'],
  options: StateOptions,
  signal: AbortSignal,
): Promise<Sheet> {
  await redis.command('FLUSHALL');
  const keeping = way === 'log' ? await LogKeeping.open(redis.url) : await KeptKeeping.open(redis.url);
  try {
    await check(keeping, options.seed);
    await redis.command('FLUSHALL');
    return await measure(redis, keeping, options, signal);
  } finally {
    keeping.close();
  }
}

/** @throws Error where the book that is loaded is another than the one that was published. */
async function check(keeping: Keeping, seed: number): Promise<void> {
  const oracle = new Book(GATEWAY_LIMITS.tombstonesMax);
  const random = seededRandom(seed);
  const deltas = someDeltas(seed);
  for (let seq = 1; seq <= CHECK_UPDATES; seq++) {
    const update = seq % 300 === 1 ? wholeBook(random) : deltas[seq]!;
    if (update.kind === 'snapshot') oracle.applySnapshot(update.bids, update.asks, seq);
    else oracle.applyDelta(update.bids, update.asks, seq);
    await keeping.publish(0, [update]);
  }
  if (comparable(await keeping.load(0)) !== comparable(oracle))
    throw new Error(`${keeping.name}: the book that is loaded is not the one that was published`);
}

/** Tombstones of one update are in any order. */
function comparable(book: Book): string {
  const { goneBids, goneAsks, ...rest } = book.state();
  const sorted = [goneBids, goneAsks].map((flat) => {
    const rows = Array.from({ length: flat.length / 2 }, (_, i) => `${flat[2 * i + 1]}:${flat[2 * i]}`);
    return rows.sort();
  });
  return JSON.stringify([rest, sorted]);
}

async function measure(
  redis: RedisServer,
  keeping: Keeping,
  options: StateOptions,
  signal: AbortSignal,
): Promise<Sheet> {
  const { seed, seconds } = options;
  const random = seededRandom(seed);
  const deltas = someDeltas(seed);
  let place = 0;
  const some = (count: number): BookDelta[] => Array.from({ length: count }, () => deltas[place++ % deltas.length]!);
  const whole: BookSnapshot[] = Array.from({ length: 16 }, () => wholeBook(random));
  const each = async (run: (topic: number) => Promise<void>): Promise<void> => {
    for (let topic = 0; topic < TOPICS; topic++) await run(topic);
  };
  /** Of one call, over so many seconds, topics in turn. */
  const timed = async (run: (topic: number) => Promise<unknown>, wantedSeconds = seconds): Promise<Cost> => {
    const [fromUs, from] = [await redisCpuUs(redis), process.cpuUsage()];
    const untilMs = performance.now() + wantedSeconds * 1_000;
    let [next, calls] = [0, 0];
    const loop = async (): Promise<void> => {
      while (performance.now() < untilMs && !signal.aborted) {
        await run(next++ % TOPICS);
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: CALLS_UNDER_WAY }, loop));
    const spent = process.cpuUsage(from);
    return { redisUs: ((await redisCpuUs(redis)) - fromUs) / calls, processUs: (spent.user + spent.system) / calls };
  };
  await each((topic) => keeping.publish(topic, [whole[topic % whole.length]!]));
  // Logs of all lengths, so that folds come as evenly as in the long run.
  await each(async (topic) => {
    for (let left = Math.floor(random() * 2 * HALF_LOG); left > 0; left -= FILL_BATCH)
      await keeping.publish(topic, some(Math.min(left, FILL_BATCH)));
  });
  const foldsBefore = keeping.folds;
  let updates = 0;
  const publish =
    (count: number) =>
    (topic: number): Promise<void> => {
      updates += count;
      return keeping.publish(topic, some(count));
    };
  const single = await timed(publish(1));
  const ten = perUpdate(await timed(publish(10)), 10);
  const foldEvery = keeping.folds > foldsBefore ? updates / (keeping.folds - foldsBefore) : 0;
  const refill = async (count: number): Promise<void> => {
    await each(async (topic) => {
      await keeping.fold?.(topic);
      for (let left = count; left > 0; left -= FILL_BATCH) await keeping.publish(topic, some(FILL_BATCH), false);
    });
  };
  await refill(HALF_LOG);
  const load = await timed((topic) => keeping.load(topic));
  const bytesPerTopic = await bytesOf(redis, keeping);
  const fold = keeping.fold === undefined ? undefined : await foldCost(redis, keeping, () => refill(2 * HALF_LOG));
  const snapshot = await timed((topic) => keeping.publish(topic, [whole[(topic + place++) % whole.length]!]), 1);
  const costs = { single, 'batch-10': ten, snapshot, load, ...(fold === undefined ? {} : { fold }) };
  return { costs, bytesPerTopic, foldEvery };
}

/** Each topic once, at the length of log at which scripts ask for it. */
async function foldCost(redis: RedisServer, keeping: Keeping, refill: () => Promise<void>): Promise<Cost> {
  await refill();
  const [fromUs, from] = [await redisCpuUs(redis), process.cpuUsage()];
  for (let topic = 0; topic < TOPICS; topic++) await keeping.fold?.(topic);
  const spent = process.cpuUsage(from);
  const redisUs = ((await redisCpuUs(redis)) - fromUs) / TOPICS;
  return { redisUs, processUs: (spent.user + spent.system) / TOPICS };
}

/** What the keys of a topic take in Redis, on average. */
async function bytesOf(redis: RedisServer, keeping: Keeping): Promise<number> {
  let bytes = 0;
  for (let topic = 0; topic < TOPICS; topic++) {
    for (const key of keeping.keysOf(topic))
      bytes += Number((await redis.command('MEMORY', 'USAGE', key, 'SAMPLES', 0)) ?? 0);
  }
  return bytes / TOPICS;
}

function perUpdate({ redisUs, processUs }: Cost, updates: number): Cost {
  return { redisUs: redisUs / updates, processUs: processUs / updates };
}

const NAMES: Readonly<Record<Figure, string>> = {
  single: 'update, single',
  'batch-10': 'update, in batches of 10',
  snapshot: `snapshot of ${2 * SIDE_LEVELS} levels`,
  fold: `fold of ${2 * HALF_LOG} updates`,
  load: 'cold load',
};
const FIGURES = Object.keys(NAMES) as Figure[];

function sheetText({ costs, bytesPerTopic, foldEvery }: Sheet): string {
  const texts = FIGURES.flatMap((figure) => {
    const cost = costs[figure];
    return cost === undefined ? [] : [`${figure} ${cost.redisUs.toFixed(0)} + ${cost.processUs.toFixed(0)}`];
  });
  return `${texts.join('  ')}  ${(bytesPerTopic / 1_000).toFixed(0)} KB  ${foldText(foldEvery)}`;
}

function foldText(foldEvery: number): string {
  return foldEvery === 0 ? 'no folds' : `a fold every ${foldEvery.toFixed(0)} updates`;
}

function* summary(way: Keeping['name'], sheets: readonly Sheet[]): Generator<string> {
  yield `  ${way}, medians (range) of ${sheets.length} rounds`;
  for (const figure of FIGURES) {
    const costs = sheets.flatMap((sheet) => sheet.costs[figure] ?? []);
    if (costs.length === 0) continue;
    const redisUs = costs.map((cost) => cost.redisUs);
    const processUs = costs.map((cost) => cost.processUs);
    yield `  ${NAMES[figure].padEnd(26)}  Redis ${rangeText(redisUs)} us  process ${rangeText(processUs)} us`;
  }
  const bytes = spreadOf(sheets.map((sheet) => sheet.bytesPerTopic)).median;
  const foldEvery = spreadOf(sheets.map((sheet) => sheet.foldEvery)).median;
  yield `  ${'in Redis'.padEnd(26)}  ${(bytes / 1_000).toFixed(0)} KB a topic, ${foldText(foldEvery)}`;
}

function rangeText(values: readonly number[]): string {
  const { median, min, max } = spreadOf(values);
  return `${median.toFixed(1)} (${min.toFixed(1)}..${max.toFixed(1)})`;
}
