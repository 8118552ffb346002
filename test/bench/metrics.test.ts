// Holds the gateway without counters, which `npm run bench:metrics` compares with, to the sources: each line that it lacks is there.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COUNTING, withoutCounters } from './metrics-bundle.ts';

test.each(Object.keys(COUNTING))('%s has every line that the bench takes out, as often as it says', (file) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const taken = COUNTING[file]!.reduce((sum, [text, times]) => sum + text.length * times, 0);
  expect(withoutCounters(file, source)).toHaveLength(source.length - taken);
});
