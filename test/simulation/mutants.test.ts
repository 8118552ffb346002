// Holds the simulation to its purpose: each planted bug is found within a thousand seeds, and where none is
// planted the same seeds find nothing.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Bundle, bundle, MUTANTS, runSeeds } from './mutants.ts';

const SEEDS = 1_000;
const TIMEOUT_MS = 300_000;

describe('the simulation', () => {
  let whole: Bundle;
  /** By seed, whether it finds nothing where no bug is planted. */
  const clean = new Map<number, Promise<boolean>>();

  beforeAll(async () => {
    whole = await bundle(null);
  });
  afterAll(() => whole.remove());

  /** Many bugs are found by the same few seeds. */
  function isClean(seed: number): Promise<boolean> {
    const known = clean.get(seed) ?? runSeeds(whole, seed, 1).then(({ failure }) => failure === null);
    clean.set(seed, known);
    return known;
  }

  test.each(MUTANTS.map((mutant) => ({ mutant, name: mutant.name })))(
    'finds $name',
    async ({ mutant }) => {
      const bundled = await bundle(mutant);
      const { firstSeed = 1 } = mutant;
      const { failure } = await runSeeds(bundled, firstSeed, SEEDS + 1 - firstSeed).finally(() => bundled.remove());
      expect(failure, `not found in ${SEEDS} seeds`).not.toBeNull();
      const { seed, message } = failure!;
      console.log(`${mutant.name}: found by seed ${seed}: ${message.split('\n')[0]}`);
      expect(message).toContain(`again: npm run simulate -- --seed ${seed}\n`);
      // The fault is the mutant's: without it the same run passes.
      expect(await isClean(seed)).toBe(true);
    },
    TIMEOUT_MS,
  );

  test('refuses to plant a bug in text that is not there', async () => {
    const gone = { name: 'gone', file: 'src/market/book.ts', from: 'no such text', to: '' };
    await expect(bundle(gone)).rejects.toThrow('src/market/book.ts has 0 times: no such text');
  });
});
