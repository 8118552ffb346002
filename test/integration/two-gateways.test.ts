// Runs a shortened version of the nodes proof; the whole one is `npm run nodes`, whose output docs/nodes.md keeps.

import { afterEach, expect, test } from 'vitest';
import { type RedisForTests, redisForTests } from '../redis/server.ts';
import { type NodesOutcome, prove } from './two-gateways.ts';

/** On a machine that may be busy. */
const SLOW_MS = 120_000;

let redis: RedisForTests | undefined;
afterEach(async () => {
  await redis?.close();
});

async function run(updates: number, planted: boolean): Promise<NodesOutcome> {
  redis = await redisForTests();
  const { url, prefix } = redis;
  return prove({ url, prefix, updates, planted, seed: 3, symbols: 24, lostOfThousand: 10, say: () => {} });
}

test(
  'gateways on one Redis tell the same of every view, though one joins midway and one loses messages',
  async () => {
    const { failures, states, frames, losses, repairs, joined, finals } = await run(4_000, false);
    expect(failures).toEqual([]);
    expect(losses.dropped).toBeGreaterThan(losses.heard / 200);
    expect(repairs.holes).toBeGreaterThan(0);
    expect(repairs.repaired).toBeGreaterThan(0);
    expect(repairs.losses).toBe(0);
    for (const pair of ['A and B', 'A and C', 'B and C']) expect(states[pair], pair).toBeGreaterThan(1_000);
    const kinds = ['raw book', 'live book', 'live grouped book', 'live quote', 'trade', 'live book snapshot'];
    for (const kind of kinds) expect(frames[kind], kind).toBeGreaterThan(100);
    // Those who came with cursors of the first gateway to the one that had only begun.
    expect(joined.difference! + joined.rounded!).toBeGreaterThan(50);
    expect(joined).toMatchObject({ horizon: 0, epoch: 0, future: 0, requested: 0, gap: 0 });
    expect(finals).toBeGreaterThan(600);
  },
  SLOW_MS,
);

test(
  'one size that is another on one gateway is found',
  async () => {
    const { differenceCount, failures } = await run(400, true);
    expect(differenceCount).toBeGreaterThan(0);
    expect(failures.join('\n')).toMatch(/book:\S+ at depth \d+, seq \d+: .* hold different states/);
    expect(failures.join('\n')).toMatch(
      /C: the book of \S+ at depth 0 raw is not the publisher's in the end|the live book frames/,
    );
  },
  SLOW_MS,
);
