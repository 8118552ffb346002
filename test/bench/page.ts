// Owns the measurement of what drawing costs the page, as a command: `npm run bench:page` is this file. A gateway of its own
// publishes at a fixed rate to a page in Chromium, which draws or is paused in turns; both times its frames are counted.
// Invariant: the page receives the same in both halves of a pair, and a pair's order turns with it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { buildPage } from '../../scripts/page.ts';
import { launchBrowser } from '../browser.ts';
import { positive } from './options.ts';

/** The frame rate while drawing, as a share of the paused page's, that the page promises. */
const SHARE_MIN = 0.8;
const WARM_UP_MS = 3_000;

const USAGE = `How many frames a second the page keeps while it draws, against the same page paused.

  npm run bench:page -- [options]

  --rate N      updates a second, all of them on the book that is shown (10000)
  --pairs N     each a window of drawing and one of pausing (5)
  --seconds S   of each window (4)
`;

interface Window {
  readonly framesPerSec: number;
  readonly updatesPerSec: number;
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { rate: text, pairs: text, seconds: text, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const rate = positive('rate', values.rate ?? '10000');
  const pairs = positive('pairs', values.pairs ?? '5');
  const windowMs = positive('seconds', values.seconds ?? '4') * 1_000;
  await buildPage();
  const gateway = serve(rate);
  try {
    const browser = await launchBrowser();
    const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
    await page.goto(await gateway.url);
    await page.locator('#book-checksum', { hasText: '✓' }).waitFor();
    await page.waitForTimeout(WARM_UP_MS);
    const drawing: Window[] = [];
    const paused: Window[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      for (const draws of pair % 2 === 0 ? [true, false] : [false, true]) {
        await pause(page, !draws);
        (draws ? drawing : paused).push(await measure(page, gateway.url, windowMs));
      }
    }
    await browser.close();
    return report(rate, drawing, paused);
  } finally {
    await gateway.stop();
  }
}

/** A gateway as `tickwire serve` starts it, in a process of its own. */
function serve(rate: number): { readonly url: Promise<string>; stop(): Promise<void> } {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const flags = [
    'serve',
    '--demo',
    '--symbols',
    '1',
    '--rate',
    String(rate),
    '--port',
    '0',
    '--admin-port',
    '0',
    '--json',
  ];
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
  const url = once(createInterface(child.stdout), 'line').then(
    ([line]) => (JSON.parse(line as string) as { url: string }).url,
  );
  return {
    url,
    stop: async () => {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function pause(page: Page, paused: boolean): Promise<void> {
  const pressed = await page.locator('#pause').getAttribute('aria-pressed');
  if ((pressed === 'true') !== paused) await page.locator('#pause').click();
}

async function measure(page: Page, url: Promise<string>, windowMs: number): Promise<Window> {
  const before = await seqOf(await url);
  const framesPerSec = await page.evaluate<number>(framesIn(windowMs));
  const after = await seqOf(await url);
  return { framesPerSec, updatesPerSec: ((after.seq - before.seq) * 1_000) / (after.atMs - before.atMs) };
}

/** Counts animation frames, in the page; as text, for what runs this file adds calls to functions that only it has. */
function framesIn(windowMs: number): string {
  return `new Promise((resolve) => {
    let frames = -1;
    let startMs = 0;
    const frame = (nowMs) => {
      if (frames < 0) startMs = nowMs;
      frames += 1;
      if (nowMs - startMs >= ${windowMs}) resolve((frames * 1000) / (nowMs - startMs));
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  })`;
}

/** Updates that the gateway has published: the books' and the trades'. */
async function seqOf(url: string): Promise<{ seq: number; atMs: number }> {
  const ask = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${url}/v1/${path}`)).json()) as Record<string, unknown>;
  const { instruments } = (await ask('instruments')) as { instruments: { symbol: string }[] };
  const answers = await Promise.all(
    instruments.flatMap(({ symbol }) => [ask(`book/${symbol}?depth=1`), ask(`trades/${symbol}?last=1`)]),
  );
  return { seq: answers.reduce((sum, { seq }) => sum + (seq as number), 0), atMs: performance.now() };
}

function report(rate: number, drawing: readonly Window[], paused: readonly Window[]): number {
  const median = (windows: readonly Window[], of: keyof Window): number => {
    const sorted = windows.map((each) => each[of]).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)]!;
  };
  const line = (name: string, windows: readonly Window[]): string => {
    const frames = median(windows, 'framesPerSec').toFixed(1);
    return `${name.padEnd(8)} ${frames} frames/s at ${Math.round(median(windows, 'updatesPerSec'))} updates/s`;
  };
  const share = median(drawing, 'framesPerSec') / median(paused, 'framesPerSec');
  const kept = share >= SHARE_MIN;
  process.stdout.write(`${line('drawing', drawing)}\n${line('paused', paused)}\n`);
  process.stdout.write(`ratio ${share.toFixed(2)}, at least ${SHARE_MIN} is promised: ${kept ? 'kept' : 'NOT KEPT'}\n`);
  if (median(drawing, 'updatesPerSec') < rate * 0.9) {
    process.stdout.write(`The gateway did not publish ${rate} a second here: ask for fewer with --rate.\n`);
    return 1;
  }
  return kept ? 0 : 1;
}

process.exitCode = await main();
