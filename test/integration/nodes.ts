// Owns the command `npm run nodes -- [--updates N] [--seed S]`, and with `--gateways N [--kills K]` the proof with killed processes.
// Run by hand; docs/nodes.md keeps its output. Invariant: exit code 1 at any difference and any failure; Ctrl-C ends what is
// published, compares what there is, and says so.

import { parseArgs } from 'node:util';
import { startRedis } from '../redis/server.ts';
import { type KillsOutcome, proveKills } from './ten-gateways.ts';
import { type NodesOutcome, prove, sum } from './two-gateways.ts';

const USAGE = `usage: npm run nodes -- [--updates N] [--seed S] [--symbols N] [--lost N]   three gateways on one Redis compared
                        N updates (default 200000) of so many symbols (24); one gateway loses N of 1000 messages (10)
       npm run nodes -- --gateways N [--kills K] [--seed S]   processes on one Redis; K of them are killed (default N - 2)`;
const PREFIX = 'nodes';
const FAILURES_SHOWN = 20;

interface Wishes {
  readonly updates: number;
  readonly seed: number;
  readonly symbols: number;
  readonly lostOfThousand: number;
  /** 0: the comparison. */
  readonly gateways: number;
  readonly kills: number;
}

function wishesOf(args: string[]): Wishes | string {
  const text = { type: 'string' } as const;
  const options = { updates: text, seed: text, symbols: text, lost: text, gateways: text, kills: text };
  try {
    const { values } = parseArgs({ args, options });
    const { updates = '200000', seed = '1', symbols = '24', lost = '10', gateways = '0' } = values;
    const wanted = wholeNumber('gateways', gateways, 0, 50);
    if (values.gateways !== undefined && wanted < 2) return '--gateways is at least 2';
    return {
      updates: wholeNumber('updates', updates, 1, 1e9),
      seed: wholeNumber('seed', seed, 0, 2 ** 31),
      symbols: wholeNumber('symbols', symbols, 1, 200),
      lostOfThousand: wholeNumber('lost', lost, 0, 500),
      gateways: wanted,
      kills: wholeNumber('kills', values.kills ?? String(Math.max(1, wanted - 2)), 0, Math.max(1, wanted - 1)),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new Error(`--${name} is ${text}, not a whole number from ${min} to ${max}`);
  }
  return value;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function comparison(outcome: NodesOutcome): string[] {
  const { updates, topics, states, frames, losses, repairs, joined, finals, differenceCount } = outcome;
  const answered = Object.fromEntries(Object.entries(joined).filter(([, count]) => count > 0));
  const share = ((100 * losses.dropped) / losses.heard).toFixed(2);
  return [
    `${updates} updates of ${topics} topics`,
    `equal states at a common depth and seq: ${sum(states)} (${listed(states)})`,
    `equal frames of a common fromSeq, seq and depth: ${sum(frames)} (${listed(frames)})`,
    `C heard ${losses.heard} messages and lost ${losses.dropped} of them (${share} %); holes ${repairs.holes}, entries fetched from the log ${repairs.repaired}, states loaded anew ${repairs.losses}`,
    `B answered ${listed(answered)}`,
    `views equal to the publisher's books in the end: ${finals}`,
    `differences: ${differenceCount}`,
  ];
}

function afterKills(outcome: KillsOutcome): string[] {
  const { updates, kills, clients, moves, states, trades, heals, worstMs } = outcome;
  return [
    `${kills} gateways killed, ${clients} clients, which lost theirs ${moves} times in all`,
    `${updates} updates published, ${states} book states compared, ${trades} trades followed`,
    `subscriptions whole again: ${listed(heals)}; the last after ${worstMs.toFixed(0)} ms`,
  ];
}

async function run(wishes: Wishes, signal: AbortSignal): Promise<boolean> {
  const beganMs = performance.now();
  const redis = await startRedis();
  try {
    const common = { url: redis.url, prefix: PREFIX, signal, say: (line: string) => console.log(line) };
    const outcome =
      wishes.gateways > 0 ? await proveKills({ ...common, ...wishes }) : await prove({ ...common, ...wishes });
    const { failures } = outcome;
    console.log(
      [`seed ${wishes.seed}`, ...('kills' in outcome ? afterKills(outcome) : comparison(outcome))].join('\n'),
    );
    for (const failure of failures.slice(0, FAILURES_SHOWN)) console.error(`FAILED ${failure}`);
    const tookSec = ((performance.now() - beganMs) / 1_000).toFixed(0);
    const end = failures.length === 0 ? 'no failure' : `${failures.length} failures`;
    console.log(`${end}, ${tookSec} s${signal.aborted ? '; interrupted' : ''}`);
    return failures.length === 0;
  } finally {
    await redis.close();
  }
}

const wishes = wishesOf(process.argv.slice(2));
if (typeof wishes === 'string') {
  console.error(`${wishes}\n${USAGE}`);
  process.exitCode = 2;
} else {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  process.exitCode = (await run(wishes, interrupt.signal)) ? 0 : 1;
}
