// Owns the part `storm`: thousands of clients lose their gateway at once and come back to another that shares its Redis, which has none of
// their books yet. Next to it: as many connects to raw uWebSockets.js. Invariant: a round counts when no client lost an update or holds a wrong one.

import { startRedis } from '../../redis/server.ts';
import { GENERATOR_CORE, SUBJECT_CORE } from '../children.ts';
import { monotonicUs } from './monotonic.ts';
import { median, type Part, type PartOptions, tellFaults, verdict } from './part.ts';
import { type CrowdChild, Processes, welcomeBytes } from './processes.ts';

const ROUNDS = 3;
const CLIENTS = 5_000;
const BOOKS = 20;
const BOOKS_PER_CLIENT = 3;
const UPDATES_PER_SEC = 20;
/** What the gateways let in, as an operator sets it who expects this. */
const CONNECTS_PER_SEC = 5_000;
/** Below what a listening socket lets wait: above it the kernel drops, and a second passes until the next try. */
const IN_FLIGHT = 256;
/** Under load before the kill. */
const CALM_MS = 2_000;
const ANSWER_MS_MAX = 180_000;
const MORE_MS_MAX = 3_000;

/** One round, in milliseconds from the kill. */
export interface StormRound {
  readonly rawMs: number;
  readonly lostMs: number;
  readonly welcomedMs: number;
  readonly wholeMs: number;
}

export const storm: Part = async (options) => {
  const { say, signal } = options;
  const clients = options.clients ?? CLIENTS;
  const rounds = options.rounds ?? ROUNDS;
  say(
    '',
    `storm: ${clients} clients on ${BOOKS_PER_CLIENT} of ${BOOKS} books of 200 levels a side, ${UPDATES_PER_SEC} updates/s; ` +
      `their gateway is killed, they go to one that has none of the books, ${IN_FLIGHT} connects at a time, at most ${options.rate ?? CONNECTS_PER_SEC} a second let in`,
  );
  const redis = await startRedis();
  try {
    const measured: StormRound[] = [];
    let valid = true;
    for (let number = 1; number <= rounds; number++) {
      signal.throwIfAborted();
      await redis.command('FLUSHALL');
      const { round, exact } = await runRound(redis.url, clients, options);
      valid &&= exact;
      measured.push(round);
      say(roundLine(`${number}/${rounds}`, round));
    }
    say(...summaryLines(measured));
    return valid;
  } finally {
    await redis.close();
  }
};

async function runRound(redisUrl: string, clients: number, options: PartOptions) {
  const { pinned, say, seed } = options;
  const server = pinned ? SUBJECT_CORE : null;
  const processes = new Processes(options);
  const settings = { redisUrl, redisPrefix: 'storm', connectsPerSecMax: options.rate ?? CONNECTS_PER_SEC };
  try {
    const crowd = processes.crowd(pinned ? GENERATOR_CORE : null);
    const seller = await processes.gateway(null, settings);
    const [first, second] = [await processes.gateway(server, settings), await processes.gateway(server, settings)];
    const rawMs = await connectAll(processes, crowd, await welcomeBytes(crowd, first), clients, options);
    seller.child.tell({ type: 'market', books: BOOKS, updatesPerSec: UPDATES_PER_SEC, seed });
    await seller.child.next('selling');
    const size = { clients, inFlight: IN_FLIGHT, books: BOOKS, booksPerClient: BOOKS_PER_CLIENT };
    crowd.tell({ type: 'gather', ...first.target, ...size });
    let exact = tellFaults('gathering', await crowd.next('gathered', ANSWER_MS_MAX), options);
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
    crowd.tell({ type: 'shelter', ...second.target });
    await crowd.next('sheltered');
    second.child.tell({ type: 'usage' });
    const before = await second.child.next('usage');
    const killedUs = monotonicUs();
    await first.child.stop();
    crowd.tell({ type: 'storm' });
    const whole = await crowd.next('whole', ANSWER_MS_MAX);
    second.child.tell({ type: 'usage' });
    const cpuUs = (await second.child.next('usage')).cpuUs - before.cpuUs;
    seller.child.tell({ type: 'close' });
    const { finals } = await seller.child.next('closed');
    crowd.tell({ type: 'settle', finals });
    const settled = await crowd.next('settled', ANSWER_MS_MAX);
    exact = tellFaults('audit', settled, options) && exact;
    const healed = Object.entries(whole.healed).map(([how, count]) => `${how} ${count}`);
    say(
      `  the second gateway took ${(cpuUs / 1_000_000).toFixed(2)} s of CPU, ${(cpuUs / clients).toFixed(0)} us a client; ` +
        `${settled.frames} frames to ${settled.states} states of books, ${whole.retries} connects came again` +
        `${healed.length === 0 ? '' : `; healed: ${healed.join(', ')}`}`,
    );
    const sinceMs = (us: number): number => (us - killedUs) / 1_000;
    const round = {
      rawMs,
      lostMs: sinceMs(whole.lostFromUs),
      welcomedMs: sinceMs(whole.welcomedUs),
      wholeMs: sinceMs(whole.wholeUs),
    };
    return { round, exact };
  } finally {
    await processes.stop();
  }
}

/** How long as many connects to raw uWebSockets.js take, the same number at a time. */
async function connectAll(
  processes: Processes,
  crowd: CrowdChild,
  firstMessage: readonly number[],
  clients: number,
  options: PartOptions,
): Promise<number> {
  const raw = await processes.baseline(options.pinned ? SUBJECT_CORE : null, firstMessage);
  crowd.tell({ type: 'hold', ...raw.target, connections: clients, inFlight: IN_FLIGHT });
  const held = await crowd.next('held', ANSWER_MS_MAX);
  tellFaults('raw', held, options);
  crowd.tell({ type: 'release' });
  await crowd.next('released', ANSWER_MS_MAX);
  await raw.child.stop();
  return held.seconds * 1_000;
}

function roundLine(number: string, { rawMs, lostMs, welcomedMs, wholeMs }: StormRound): string {
  return (
    `  ${number.padEnd(5)} raw connects ${rawMs.toFixed(0)} ms  from the kill: first loss seen ${lostMs.toFixed(0)} ms, ` +
    `all welcomed ${welcomedMs.toFixed(0)} ms, all whole ${wholeMs.toFixed(0)} ms  (raw + ${(wholeMs - rawMs).toFixed(0)} ms)`
  );
}

export function summaryLines(rounds: readonly StormRound[]): string[] {
  const more = rounds.map(({ rawMs, wholeMs }) => wholeMs - rawMs);
  const spread = `${Math.min(...more).toFixed(0)}..${Math.max(...more).toFixed(0)}`;
  return [
    `  all whole again after ${median(rounds.map(({ wholeMs }) => wholeMs)).toFixed(0)} ms, ` +
      `raw uWebSockets.js' connects and ${median(more).toFixed(0)} (${spread}) ms, median of ${rounds.length} rounds`,
    `  to reach: raw and ${MORE_MS_MAX} ms, in every round: ${verdict(Math.max(...more) <= MORE_MS_MAX)}`,
  ];
}
