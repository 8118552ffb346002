// Owns the build of the page at `/`: its script with the client SDK in it, minified, beside its document and style.
// `npm run build` and the page's tests call it. Invariant: what it writes loads nothing but itself.

import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const FROM = fileURLToPath(new URL('../src/page/', import.meta.url));
const TO = fileURLToPath(new URL('../dist/page/', import.meta.url));

export async function buildPage(): Promise<void> {
  mkdirSync(TO, { recursive: true });
  const quiet = { bundle: true, minify: true, legalComments: 'none', logLevel: 'warning' } as const;
  await build({
    ...quiet,
    entryPoints: [`${FROM}page.ts`],
    outfile: `${TO}page.js`,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  await build({ ...quiet, entryPoints: [`${FROM}style.css`], outfile: `${TO}style.css` });
  for (const name of ['index.html', 'icon.svg']) copyFileSync(`${FROM}${name}`, `${TO}${name}`);
}

const [, script = ''] = process.argv;
if (import.meta.url === pathToFileURL(script).href) await buildPage();
