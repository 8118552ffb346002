// Owns the last line of a test run: `N passed, N failed`, for readers that know no runner. Loaded by vitest.config.ts.
// Invariant: whatever makes the run fail (a test, a hook, a file that does not load, a stray error) counts as failed.

import type { Reporter, SerializedError, TestModule } from 'vitest/node';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export function summaryLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function countResults(modules: readonly TestModule[], strayErrors: number): Counts {
  const counts: Counts = { passed: 0, failed: strayErrors, skipped: 0 };
  for (const module of modules) {
    for (const group of [module, ...module.children.allSuites()]) {
      if (group.errors().length > 0) counts.failed += 1;
    }
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  return counts;
}

export class PlainSummary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], strayErrors: readonly SerializedError[]): void {
    process.stdout.write(`${summaryLine(countResults(modules, strayErrors.length))}\n`);
  }
}
