// The page in a real Chromium, against a real gateway with a live market: what a person sees, does with mouse and keyboard, and
// reads when the link is stalled, cut or throttled.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildPage } from '../../scripts/page.ts';
import { findBrowser, launchBrowser, NO_BROWSER } from '../browser.ts';
import { startGateway, stopAll } from '../gateway/harness.ts';
import { poorContrasts } from './contrast.ts';
import { LiveMarket } from './market.ts';

const DESKTOP = { width: 1360, height: 900 };
const STEPS_PER_SEC = 400;
const INSTALL_MS = 600_000;
/** A browser on a busy machine of two cores. */
const TEST_MS_MAX = 90_000;

const found = await findBrowser();
if (found === null) console.log(NO_BROWSER);

let browser: Browser;
let market: LiveMarket;
let page: Page;
/** Everything that a browser complains about. */
let complaints: string[] = [];

/** Opens the page of a gateway; with a market, when its book is there. */
async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  const opened = await context.newPage();
  opened.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  opened.on('pageerror', (error) => complaints.push(error.message));
  await opened.goto(url);
  return opened;
}

async function text(id: string): Promise<string> {
  return (await page.locator(`#${id}`).textContent()) ?? '';
}

/** Resolves when what the element says is not that any more. */
async function changes(id: string, from: string): Promise<void> {
  await page.waitForFunction(([name, before]) => document.getElementById(name!)?.textContent !== before, [id, from]);
}

async function logSays(pattern: RegExp): Promise<string> {
  const line = page.locator('#log li', { hasText: pattern }).first();
  await line.waitFor();
  return (await line.textContent()) ?? '';
}

/** The page's book is precisely what the gateway holds, once the market has halted. */
async function expectExactBook(symbol: string): Promise<void> {
  await market.halt();
  const { seq, checksum } = await market.book(symbol, 10);
  await page.locator('#book-seq', { hasText: new RegExp(`^update ${seq.toLocaleString('en')}$`) }).waitFor();
  expect(await text('book-checksum')).toBe(`✓ checksum ${checksum}`);
}

function columnOf(side: 'asks' | 'bids'): Promise<string[]> {
  return page.locator(`#${side} .price`).allInnerTexts();
}

describe.skipIf(found === null)('the page', { timeout: TEST_MS_MAX }, () => {
  beforeAll(async () => {
    await buildPage();
    browser = await launchBrowser();
    market = new LiveMarket();
    await market.open();
  }, INSTALL_MS);

  beforeEach(async () => {
    complaints = [];
    market.run(STEPS_PER_SEC);
    page = await open(`${market.gateway.url}/#BTC-USD`);
    await page.locator('#book-checksum', { hasText: '✓' }).waitFor();
  });

  afterEach(async () => {
    await market.halt();
    await page.context().close();
    expect(complaints).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    stopAll();
  });

  test('shows a ladder that moves, in order, with the best prices beside the spread', async () => {
    const before = await text('book-seq');
    await changes('book-seq', before);
    const [asks, bids] = [await columnOf('asks'), await columnOf('bids')];
    expect([asks.length, bids.length]).toEqual([10, 10]);
    await expectExactBook('BTC-USD');
    const down = [...(await columnOf('asks')), ...(await columnOf('bids'))].map(Number);
    expect(down).toEqual([...down].sort((a, b) => b - a));
    expect([await text('bid-price'), await text('ask-price')]).toEqual([
      (await columnOf('bids'))[0],
      (await columnOf('asks')).at(-1),
    ]);
  });

  test('lists every symbol, and shows trades with their side in words', async () => {
    const listed = await page.locator('#watch-list li > span:first-child').allInnerTexts();
    expect(listed).toEqual(market.symbols);
    await page
      .locator('#tape-rows .side-word', { hasText: /(▲ buy|▼ sell)/ })
      .first()
      .waitFor();
  });

  test('another symbol is chosen with the arrow keys alone, and stays after a reload', async () => {
    const next = market.symbols[market.symbols.indexOf('BTC-USD') + 1]!;
    await page.locator('#watch-list').focus();
    await page.keyboard.press('ArrowDown');
    await page.locator('#book-title', { hasText: next }).waitFor();
    await page.locator('#book-checksum', { hasText: '✓' }).waitFor();
    expect(await page.locator('#watch-list li[aria-selected="true"] > span:first-child').textContent()).toBe(next);
    await expectExactBook(next);
    await page.reload();
    await page.locator('#book-title', { hasText: next }).waitFor();
  });

  test('comes to rest on the last symbol of many, chosen fast', async () => {
    for (const key of 'jkjjkkjkjkjk') await page.keyboard.press(key);
    await page.locator('#book-title', { hasText: 'BTC-USD' }).waitFor();
    await page.locator('#book-checksum', { hasText: '✓' }).waitFor();
    await expectExactBook('BTC-USD');
    expect(await page.locator('#log li[data-kind="bad"]').count()).toBe(0);
  });

  test('says so when a symbol comes or goes, and looks at another where it was the chosen one', async () => {
    const { url } = market.gateway;
    const body = '{"priceScale":2,"sizeScale":0}';
    await fetch(`${url}/v1/instruments/AAA-NEW`, { method: 'PUT', body });
    await logSays(/AAA-NEW is listed now/);
    await page.locator('#watch-list').focus();
    await page.keyboard.press('Home');
    await page.locator('#book-title', { hasText: 'AAA-NEW' }).waitFor();
    await fetch(`${url}/v1/instruments/AAA-NEW`, { method: 'DELETE' });
    await logSays(/AAA-NEW was delisted/);
    await page.locator('#book-title', { hasText: 'BTC-USD' }).waitFor();
    await page.locator('#book-checksum', { hasText: '✓' }).waitFor();
    expect(await page.locator('#log li[data-kind="bad"]').count()).toBe(0);
  });

  test('shows as many levels as are asked for', async () => {
    await page.locator('#depth').selectOption('20');
    await page.waitForFunction(() => document.querySelectorAll('#bids .price').length === 20);
    await page.locator('#bids .ladder-row:last-child .price', { hasText: /\d/ }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#watch-list').focus();
    await page.keyboard.press('d');
    await page.waitForFunction(() => document.querySelectorAll('#bids .price').length === 5);
  });

  test('a stall heals by one difference, whose checksum agrees', async () => {
    await page.keyboard.press('s');
    const line = await logSays(/Stalled for/);
    expect(line).toMatch(/Stalled for \d+\.\d s\. Healed by one difference of [\d,]+ updates; the checksum agrees\./);
    await expectExactBook('BTC-USD');
  });

  test('a cut connection comes back by itself, by differences', async () => {
    await page.locator('#cut').click();
    const line = await logSays(/Back after/);
    expect(line).toMatch(new RegExp(`${market.symbols.length * 2 + 1} subscriptions healed`));
    expect(line).not.toMatch(/fresh start/);
    expect(await text('state-text')).toBe('Open');
    await expectExactBook('BTC-USD');
  });

  test('a throttle shows the pace at which it is served, and goes again', async () => {
    await page.getByText('2 KB/s', { exact: true }).click();
    await page.locator('#pace', { hasText: /\(budget\)/ }).waitFor();
    await page.getByText('off', { exact: true }).click();
    await page.locator('#pace', { hasText: 'real time' }).waitFor();
    await expectExactBook('BTC-USD');
  });

  test('paused, it draws nothing and goes on receiving', async () => {
    await page.keyboard.press('p');
    await logSays(/Drawing is paused/);
    const [drawn, { seq }] = [await text('book-seq'), await market.book('BTC-USD', 10)];
    const shown = await text('ladder');
    while ((await market.book('BTC-USD', 10)).seq < seq + 50)
      await page.evaluate(() => new Promise(requestAnimationFrame));
    expect([await text('book-seq'), await text('ladder')]).toEqual([drawn, shown]);
    await page.keyboard.press('p');
    await changes('book-seq', drawn);
    await expectExactBook('BTC-USD');
  });

  test('fits screens from 360 pixels on without scrolling sideways', async () => {
    for (const width of [360, 768, 1360]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
  });

  test('follows the system between light and dark, until a person chooses', async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.keyboard.press('m');
    expect(await ground()).toBe(light);
    await page.reload();
    expect(await ground()).toBe(light);
    await page.keyboard.press('m');
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await ground()).toBe(dark);
  });

  test('has text of enough contrast, in light and in dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect([colorScheme, ...(await page.evaluate(poorContrasts))]).toEqual([colorScheme]);
    }
  });

  test('lists its keys, and takes none of them while a person writes', async () => {
    await page.keyboard.press('?');
    await page.locator('#keys-dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#keys-dialog').waitFor({ state: 'hidden' });
    await page.evaluate(() => document.getElementById('filter')!.removeAttribute('hidden'));
    await page.locator('#filter').focus();
    await page.keyboard.type('mp');
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBeUndefined();
    expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('false');
  });

  test('every control has a name, and the keyboard reaches it', async () => {
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLInputElement>('button, select, input')]
        .filter((each) => {
          const labels = [...(each.labels ?? [])].map((label) => label.textContent).join('');
          return `${each.getAttribute('aria-label') ?? ''}${labels}${each.textContent}`.trim() === '';
        })
        .map((each) => each.outerHTML),
    );
    expect(nameless).toEqual([]);
    const reached = new Set<string>();
    for (let press = 0; press < 25; press++) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement?.id ?? ''));
    }
    const controls = ['theme', 'keys', 'watch-list', 'depth', 'pause', 'stall-short', 'stall-long', 'cut', 'log'];
    expect(controls.filter((id) => !reached.has(id))).toEqual([]);
  });

  test('without a market it says how to make one, in lines that work as they stand', async () => {
    const gateway = startGateway();
    const market = page;
    page = await open(gateway.url);
    await page.locator('#empty').waitFor();
    expect(await page.locator('#stall-short').isVisible()).toBe(false);
    for (const line of (await text('empty-example')).split('\n')) await promisify(execFile)('bash', ['-c', line]);
    await page.locator('#book-title', { hasText: 'ACME-USD' }).waitFor();
    await page.locator('#bid-price', { hasText: '10.01' }).waitFor();
    await page.locator('#tape-rows .price', { hasText: '10.01' }).first().waitFor();
    expect(await page.locator('#empty').isVisible()).toBe(false);
    await page.locator('#cut').waitFor();
    expect(await page.locator('#stall-short').isVisible()).toBe(false);
    expect(await page.locator('#throttle').isVisible()).toBe(false);
    await page.context().close();
    page = market;
  });
});
