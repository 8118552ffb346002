// Holds the simulation to its purpose: each planted bug is found within a thousand seeds, and where none is
// planted the same seeds find nothing.

import { describe, expect, test } from 'vitest';
import { bundle, MUTANTS, type Outcome, runSeeds } from './mutants.ts';

const SEEDS = 1_000;
const TIMEOUT_MS = 300_000;

async function outcomeOf(mutant: Parameters<typeof bundle>[0], from: number, count: number): Promise<Outcome> {
  const bundled = await bundle(mutant);
  try {
    return await runSeeds(bundled, from, count);
  } finally {
    await bundled.remove();
  }
}

describe('the simulation', () => {
  test.each(MUTANTS.map((mutant) => ({ mutant, name: mutant.name })))(
    'finds $name',
    async ({ mutant }) => {
      const { failure } = await outcomeOf(mutant, 1, SEEDS);
      expect(failure, `not found in ${SEEDS} seeds`).not.toBeNull();
      const { seed, message } = failure!;
      console.log(`${mutant.name}: found by seed ${seed}: ${message.split('\n')[0]}`);
      expect(message).toContain(`again: npm run simulate -- --seed ${seed}\n`);
      // The fault is the mutant's: without it the same run passes.
      expect((await outcomeOf(null, seed, 1)).failure).toBeNull();
    },
    TIMEOUT_MS,
  );

  test('refuses to plant a bug in text that is not there', async () => {
    const gone = { name: 'gone', file: 'src/market/book.ts', from: 'no such text', to: '' };
    await expect(bundle(gone)).rejects.toThrow('src/market/book.ts has 0 times: no such text');
  });
});
