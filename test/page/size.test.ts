// Holds the page's script, the client SDK in it, to a size that loads at once on a poor link.

import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const GZIPPED_BYTES_MAX = 28 * 1024;

test('the script of the page is at most 28 KB, gzipped at level 9', async () => {
  const entry = new URL('../../src/page/page.ts', import.meta.url).pathname;
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  expect(gzipSync(outputFiles[0]!.contents, { level: 9 }).length).toBeLessThanOrEqual(GZIPPED_BYTES_MAX);
});
