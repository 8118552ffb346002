// Owns the order in which test files begin: those that take longest first, so that none of them is alone at the end while a core idles.
// vitest.config.ts names it. Invariant: every file runs, whether it is named here or not.

import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Each takes more than ten seconds, the longest first. */
const LONGEST = [
  'simulation/mutants',
  'cli/bin',
  'simulation/simulation',
  'page/page',
  'integration/session-faults-time',
  'integration/reconnect',
  'test/package',
  'integration/redis-faults',
  'k6/smoke',
  'page/access',
  'integration/session-faults-load',
  'integration/session-faults',
  'deploy/alerts',
  'deploy/haproxy',
  'integration/redis-faults-network',
].map((name) => `${name}.test.ts`);

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((name) => moduleId.endsWith(name));
  return rank < 0 ? LONGEST.length : rank;
}
