// The page in a real Chromium, where the gateway lets not everybody have everything: what it says in the place of what is
// missing, how a person says who they are, and what is told of the gateway's own comings and goings.

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildPage } from '../../scripts/page.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { findBrowser, launchBrowser, NO_BROWSER } from '../browser.ts';
import { stopAll } from '../gateway/harness.ts';
import { documentFile, EVERYTHING, keyFor, put } from '../sessions/access-scene.ts';
import { poorContrasts } from './contrast.ts';
import { LiveMarket } from './market.ts';

const DESKTOP = { width: 1360, height: 900 };
const STEPS_PER_SEC = 200;
const INSTALL_MS = 600_000;
const TEST_MS_MAX = 90_000;

const desk = keyFor('desk', 'desk-a', 'desk');
const wordy = keyFor('wordy', 'a-desk-with-a-name-of-'.padEnd(128, 'many-letters-'), 'desk');
const wrong = keyFor('wrong', 'desk-a', 'desk');
const EVERYWHERE = { symbols: ['*'] };
const ROLES = {
  guest: {
    subscribe: [
      { channels: ['book'], ...EVERYWHERE, depth: 5, intervalMs: 1_000 },
      { channels: ['status'], ...EVERYWHERE },
    ],
  },
  prints: { subscribe: [{ channels: ['trade', 'quote'], ...EVERYWHERE }] },
  desk: { subscribe: EVERYTHING },
};
const documentOf = (anonymous: keyof typeof ROLES, keys = [desk.entry, wordy.entry]) => ({
  roles: ROLES,
  anonymous,
  keys,
});
/** Whoever has to say who it is and doesn't is told so at once. */
const CLOSED = { anonymous: 'off', authMs: 100 } as const;

const found = await findBrowser();
if (found === null) console.log(NO_BROWSER);

let browser: Browser;
let page: Page;
let market: LiveMarket;
let complaints: string[] = [];

async function open(overrides: Partial<Settings>): Promise<void> {
  market = new LiveMarket(overrides);
  await market.open();
  market.run(STEPS_PER_SEC);
  const context = await browser.newContext({ viewport: DESKTOP });
  page = await context.newPage();
  complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${market.gateway.url}/#BTC-USD`);
}

async function signIn(credential: string): Promise<void> {
  await page.locator('#credential').fill(credential);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
}

const said = (pattern: RegExp) => page.locator('#log li', { hasText: pattern }).first().waitFor();
const shows = (id: string, hasText: string | RegExp) => page.locator(`#${id}`, { hasText }).waitFor();
const bookIsThere = () => page.locator('#book-checksum', { hasText: '✓' }).waitFor();
const hidden = (id: string) => page.locator(`#${id}`).waitFor({ state: 'hidden' });
/** In light and in dark. */
async function expectReadable(): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect([colorScheme, ...(await page.evaluate(poorContrasts))]).toEqual([colorScheme]);
  }
}

const kept = () => page.evaluate(() => [Object.values(sessionStorage), JSON.stringify(localStorage), location.href]);

describe.skipIf(found === null)('the page of a gateway with an access document', { timeout: TEST_MS_MAX }, () => {
  beforeAll(async () => {
    await buildPage();
    browser = await launchBrowser();
  }, INSTALL_MS);

  afterEach(async () => {
    await market.halt();
    await page.context().close();
    stopAll();
    expect(complaints).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
  });

  test('goes on without what a guest may not have, and says so in its place', async () => {
    await open({ accessFile: documentFile(documentOf('guest')) });
    await bookIsThere();
    await shows('book-note', 'As much as this client may have: 5 levels, once a second.');
    await page.waitForFunction(() => document.querySelectorAll('#bids .price').length === 5);
    await shows('tape-note', 'Trades are not allowed to this client.');
    await shows('watch-note', '⊘ not allowed to this client');
    expect(await page.locator('#tape').isVisible()).toBe(false);
    await said(
      /^\S+Not allowed to this client: quotes of 5 symbols, trades of 5 symbols\. The page goes on without\.$/,
    );
    expect(await page.locator('#log li', { hasText: 'Not allowed' }).count()).toBe(1);
    expect(await page.locator('#log li[data-kind="bad"]').count()).toBe(0);
    expect(await page.locator('#who').isVisible()).toBe(false);
    await expectReadable();
  });

  test('a key that is typed opens the rest, stands in this tab alone, and is forgotten when that is asked for', async () => {
    await open({ accessFile: documentFile(documentOf('guest')) });
    await bookIsThere();
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await signIn(desk.key);
    await shows('who', 'desk-a');
    await page.locator('#tape-rows .price', { hasText: /\d/ }).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll('#bids .price').length === 10);
    for (const note of ['book-note', 'tape-note', 'watch-note', 'sign-in']) await hidden(note);
    const [session, local, address] = await kept();
    expect(session).toEqual([desk.key]);
    expect(`${local} ${address}`).not.toContain(desk.key);
    expect(await page.content()).not.toContain(desk.key);
    await page.getByRole('button', { name: 'Forget key', exact: true }).click();
    await shows('tape-note', 'Trades are not allowed');
    expect((await kept())[0]).toEqual([]);
    expect(await page.locator('#who').isVisible()).toBe(false);
  });

  test('asks who it is where nobody is let in unknown, says what was wrong, and takes no keys meanwhile', async () => {
    await open({ accessFile: documentFile(documentOf('guest')), ...CLOSED });
    await shows('sign-in-why', 'This gateway wants to know who connects.');
    expect(await page.locator('#main').isVisible()).toBe(false);
    await page.keyboard.type('two words?m');
    expect(await page.locator('#credential').inputValue()).toBe('two words?m');
    expect(await page.locator('#keys-dialog').isVisible()).toBe(false);
    await page.keyboard.press('Enter');
    await shows('sign-in-why', 'An API key or a JWT is one line without spaces.');
    await signIn(wrong.key);
    await shows('sign-in-why', 'The API key or JWT is not valid here.');
    await expectReadable();
    expect(await page.locator('#state-text').textContent()).toBe('Closed');
    await signIn(desk.key);
    await bookIsThere();
    await shows('who', 'desk-a');
    expect(await page.locator('#sign-in').isVisible()).toBe(false);
  });

  test('says when its key is taken away, and leaves what it has shown', async () => {
    const path = documentFile(documentOf('guest'));
    await open({ accessFile: path, ...CLOSED });
    await shows('sign-in-why', 'wants to know');
    await signIn(desk.key);
    await bookIsThere();
    put(path, documentOf('guest', []));
    await shows('sign-in-why', 'The access of this client was taken back.');
    await shows('health', 'not connected');
    await said(/The access of this client was taken back/);
    expect(await page.locator('#main').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Forget the one that is kept' }).click();
    await shows('sign-in-why', 'wants to know');
    expect((await kept())[0]).toEqual([]);
  });

  test('without a book it shows the trades, and says what became of the book', async () => {
    await open({ accessFile: documentFile(documentOf('prints')) });
    await page.locator('#tape-rows .price', { hasText: /\d/ }).first().waitFor();
    await shows('book-note', 'The book is not allowed to this client.');
    expect(await page.locator('#ladder').isVisible()).toBe(false);
  });

  test('says when trades are taken back while it shows them', async () => {
    const path = documentFile(documentOf('desk'));
    await open({ accessFile: path });
    await page.locator('#tape-rows .price', { hasText: /\d/ }).first().waitFor();
    put(path, documentOf('guest'));
    await shows('tape-note', 'Trades are not allowed to this client.');
    await bookIsThere();
  });

  test('tells in words how the gateway continued after a cut, and that it is about to stop', async () => {
    await open({});
    await bookIsThere();
    await page.locator('#cut').click();
    await said(/The gateway continues \d+ subscriptions: .*\d+ by the difference/);
    await said(/Back after/);
    await market.halt();
    const drained = market.gateway.drain();
    await said(
      /The gateway is about to stop\. The page moves to another connection in \d+\.\d s, and misses nothing\./,
    );
    await page.goto('about:blank');
    complaints = [];
    await drained;
  });

  test('fits narrow screens, with the form open and with a long name', async () => {
    await open({ accessFile: documentFile(documentOf('guest')), ...CLOSED });
    await shows('sign-in-why', 'wants to know');
    for (const width of [360, 768]) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
    expect(await page.getByLabel('API key or JWT').getAttribute('type')).toBe('password');
    await signIn(wordy.key);
    await shows('who', 'a-desk-with-a-name-of-many-letters');
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });
});
