// Owns the part `resume`: a client with a hundred books goes to another gateway with what it holds, one that has them for other clients
// (warm) or never heard of them (cold), and, in the same rounds, to the same gateways with nothing. The books move all the while.
// Invariant: cases take turns in each round, and a round counts when every book was exact afterwards.

import { startRedis } from '../../redis/server.ts';
import { GENERATOR_CORE, SUBJECT_CORE } from '../children.ts';
import type { FromMover } from './messages.ts';
import { type Part, type PartOptions, percentile, tellFaults, verdict } from './part.ts';
import { type MoverChild, Processes, type Served } from './processes.ts';

/** Of fewer the p99 is the worst one. */
const ROUNDS = 200;
const BOOKS = 100;
const BOOK_UPDATES_PER_SEC = 10;
/** Long enough that every book has moved. */
const AWAY_MS = 500;
const FRESH_AFTER_MS = 100;
/** Before it counts: what is called for the first time is slow. */
const WARM_UP_ROUNDS = 20;
const TOLD_EVERY = 10;
const ANSWER_MS_MAX = 60_000;

const WARM_P99_MS_MAX = 20;
const WARM_TO_FRESH_MAX = 0.5;
/** No slower; both are the time that a hundred books take to load, and come out either way. */
const COLD_TO_FRESH_MAX = 1.03;
const HEALED_SHARE_MIN = 0.95;

const CASES = ['warm resume', 'warm fresh', 'cold resume', 'cold fresh'] as const;
type Case = (typeof CASES)[number];
type Moved = Extract<FromMover, { type: 'moved' }>;
export type ResumeRound = Readonly<Record<Case, Moved>>;

export const resume: Part = async (options) => {
  const { say } = options;
  say(
    '',
    `resume: ${BOOKS} books of 200 levels a side, ${BOOK_UPDATES_PER_SEC} updates a second each; away for ${AWAY_MS} ms; ` +
      'from sending the request until the last book is whole',
  );
  const redis = await startRedis();
  const processes = new Processes(options);
  try {
    const settings = { redisUrl: redis.url, redisPrefix: 'resume' };
    const server = options.pinned ? SUBJECT_CORE : null;
    const seller = await processes.gateway(null, settings);
    const warm = await processes.gateway(server, settings);
    // It forgets a book when its last client has left: the next time is the first time again.
    const cold = await processes.gateway(server, { ...settings, topicGraceMs: 0 });
    const market = { books: BOOKS, updatesPerSec: BOOKS * BOOK_UPDATES_PER_SEC, seed: options.seed };
    seller.child.tell({ type: 'market', ...market });
    await seller.child.next('selling', ANSWER_MS_MAX);
    const mover = processes.mover(options.pinned ? GENERATOR_CORE : null);
    mover.tell({ type: 'books', books: BOOKS });
    await mover.next('ready');
    mover.tell({ type: 'watch', ...warm.target });
    await mover.next('watching');
    return await new Resuming(mover, { warm, cold, seller }, options).run();
  } finally {
    await processes.stop();
    await redis.close();
  }
};

class Resuming {
  private valid = true;

  constructor(
    private readonly mover: MoverChild,
    private readonly nodes: { readonly warm: Served; readonly cold: Served; readonly seller: Served },
    private readonly options: PartOptions,
  ) {}

  async run(): Promise<boolean> {
    const { say, signal } = this.options;
    const rounds = this.options.rounds ?? ROUNDS;
    // Something to come back with.
    await this.move('warm fresh');
    for (let number = 0; number < WARM_UP_ROUNDS; number++) await this.round(number);
    const measured: ResumeRound[] = [];
    for (let number = 0; number < rounds; number++) {
      signal.throwIfAborted();
      measured.push(await this.round(number));
      if (measured.length % TOLD_EVERY === 0) say(`  ${measured.length}/${rounds}  ${caseTexts(measured).join('  ')}`);
    }
    say(...summaryLines(measured));
    return this.valid;
  }

  /** All cases, another one first each time. */
  private async round(number: number): Promise<ResumeRound> {
    // Without a market that moves nothing is shown.
    await openTopics(this.nodes.seller);
    const moved = new Map<Case, Moved>();
    for (const place of CASES.keys()) {
      const each = CASES[(number + place) % CASES.length]!;
      moved.set(each, await this.move(each));
    }
    return Object.fromEntries(moved) as ResumeRound;
  }

  private async move(each: Case): Promise<Moved> {
    const { mover, nodes, options } = this;
    const node = each.startsWith('warm') ? nodes.warm : nodes.cold;
    if (node === nodes.cold) await this.forgotten();
    const resumes = each.endsWith('resume');
    const awayMs = resumes ? AWAY_MS : FRESH_AFTER_MS;
    mover.tell({ type: 'move', ...node.target, resume: resumes, awayMs });
    const moved = await mover.next('moved', ANSWER_MS_MAX);
    this.valid = tellFaults(each, moved, options) && this.valid;
    return moved;
  }

  /** Resolves when the cold gateway has no book any more. */
  private async forgotten(): Promise<void> {
    while ((await openTopics(this.nodes.cold)) > 0);
  }
}

async function openTopics({ child }: Served): Promise<number> {
  child.tell({ type: 'usage' });
  return (await child.next('usage')).topics;
}

function caseTexts(rounds: readonly ResumeRound[]): string[] {
  return CASES.map((each) => {
    const times = timesMs(rounds, each);
    return `${each} p50 ${percentile(times, 0.5).toFixed(1)} p99 ${percentile(times, 0.99).toFixed(1)} ms`;
  });
}

export function summaryLines(rounds: readonly ResumeRound[]): string[] {
  const p50Ms = (each: Case): number => percentile(timesMs(rounds, each), 0.5);
  const p99Ms = (each: Case): number => percentile(timesMs(rounds, each), 0.99);
  const warmReached = p99Ms('warm resume') <= WARM_P99_MS_MAX;
  const halfReached = p99Ms('warm resume') <= WARM_TO_FRESH_MAX * p99Ms('warm fresh');
  const coldReached = p50Ms('cold resume') <= COLD_TO_FRESH_MAX * p50Ms('cold fresh');
  const shares = [healedShare(rounds, 'warm resume'), healedShare(rounds, 'cold resume')] as const;
  const healedReached = Math.min(...shares) >= HEALED_SHARE_MIN;
  const how = rounds.some((round) => round['warm resume'].token) ? 'token and cursors' : 'cursors, no token';
  return [
    `  ${rounds.length} rounds, with ${how}`,
    ...CASES.map((each) => {
      const bytes = rounds.reduce((sum, round) => sum + round[each].bytes, 0) / rounds.length;
      return `  ${each.padEnd(12)} p50 ${p50Ms(each).toFixed(1).padStart(6)} p99 ${p99Ms(each).toFixed(1).padStart(6)} ms  ${(bytes / 1_024).toFixed(0).padStart(4)} KB`;
    }),
    `  diffed or replayed: warm ${percent(shares[0])}, cold ${percent(shares[1])}; to reach: ${percent(HEALED_SHARE_MIN)}: ${verdict(healedReached)}`,
    `  to reach, warm: p99 at most ${WARM_P99_MS_MAX} ms: ${verdict(warmReached)}; and half of the fresh one's: ` +
      `${(p99Ms('warm resume') / p99Ms('warm fresh')).toFixed(2)} (p50 ${(p50Ms('warm resume') / p50Ms('warm fresh')).toFixed(2)}), ${verdict(halfReached)}`,
    `  to reach, cold: no slower than the fresh one (within 3 %), at p50: ${(p50Ms('cold resume') / p50Ms('cold fresh')).toFixed(2)} ` +
      `(p99 ${(p99Ms('cold resume') / p99Ms('cold fresh')).toFixed(2)}), ${verdict(coldReached)}`,
  ];
}

function timesMs(rounds: readonly ResumeRound[], each: Case): number[] {
  return rounds.map((round) => round[each].wholeUs / 1_000);
}

/** Of all books that were brought along, those that were brought up to date without a fresh start. */
export function healedShare(rounds: readonly ResumeRound[], each: Case): number {
  const sum = (of: (moved: Moved) => number): number => rounds.reduce((total, round) => total + of(round[each]), 0);
  const healed = sum(({ healed: { replayed, diffed } }) => replayed + diffed);
  return healed / (healed + sum(({ healed: { snapshot } }) => snapshot));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
