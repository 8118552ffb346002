// Owns the page: makes the client, the market, the panels and the story, and wires them. The browser loads it once.
// Invariant: everything that arrives is kept by the client and the market; panels only look at it, in animation frames.

import { connect, type Depth, type PaceEvent, type StateEvent, type Trade } from '../client/index.ts';
import { AccountPanel, keptCredential } from './account-panel.ts';
import { Drawing, element, Slot } from './drawing.ts';
import { EntitledPanel } from './entitled-panel.ts';
import { Keys } from './keys.ts';
import { LadderPanel } from './ladder-panel.ts';
import { LinkPanel } from './link-panel.ts';
import { LogPanel } from './log-panel.ts';
import { Market } from './market.ts';
import { Story } from './story.ts';
import { TapePanel } from './tape-panel.ts';
import { ThemeChoice } from './theme.ts';
import { WatchPanel } from './watch-panel.ts';
import { paceWord } from './words.ts';

const STATES = { connecting: 'Connecting', open: 'Open', waiting: 'Waiting to reconnect', closed: 'Closed' } as const;
const SAMPLE_MS = 1_000;
const NO_TRADES: readonly Trade[] = [];

/** Whether all that was listed when the page came is known: what comes later is news. */
let listed = false;

const credential = keptCredential();
const client = connect(
  `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/v1/stream`,
  credential === undefined ? {} : { credential },
);
const log = new LogPanel();
const ladder = new LadderPanel();
const tape = new TapePanel();
const health = Slot.of('health');
const account = new AccountPanel(client);
const entitled = new EntitledPanel();
/** Levels that a person wants to see, and rows that there are for them. */
let levels: Depth = 10;
let rows = 0;
const story = new Story(client, log, () => market.lines);
const market: Market = new Market(
  client,
  () => {
    watch.take(market.listings);
    if (market.listings.length > 0) showMarket(true);
  },
  (book) => story.follow(book),
);
const watch: WatchPanel = new WatchPanel({
  chosen: (listing) => market.choose(listing),
  shown: (listings) => market.show(listings),
});
const link = new LinkPanel({
  stall: (stallMs) => void story.askStall(stallMs),
  cut: () => story.askCut(),
  throttle: (bytesMax) => void story.askThrottle(bytesMax),
  pause: (paused) => {
    drawing.pause(paused);
    log.add(paused ? 'Drawing is paused; the data go on arriving.' : 'Drawing goes on, with the newest state.');
  },
});
const drawing = new Drawing((nowMs) => {
  const book = market.book?.current ?? null;
  lay(market.book?.inForce?.depth ?? 0);
  entitled.draw(market, levels);
  account.draw();
  ladder.draw(market.chosen?.symbol ?? '', book, nowMs);
  tape.draw(market.chosen?.trades ?? NO_TRADES, nowMs);
  watch.draw(nowMs);
  link.draw(client, nowMs);
  const status = book === null ? null : (book.health?.status ?? 'live');
  if (client.state === 'closed') health.set('not connected');
  else health.set(status === null ? 'no data yet' : `market ${status}`);
  health.mark('data-level', status === null || status === 'live' ? null : 'warn');
});

const theme = new ThemeChoice(element('theme', HTMLButtonElement));
const depth = element('depth', HTMLSelectElement);
deepen();
depth.addEventListener('change', deepen);
new Keys({
  j: () => watch.step(1),
  k: () => watch.step(-1),
  '/': () => watch.seek(),
  d: () => {
    depth.selectedIndex = (depth.selectedIndex + 1) % depth.options.length;
    deepen();
  },
  s: () => link.press('stall-short'),
  l: () => link.press('stall-long'),
  c: () => link.press('cut'),
  t: () => link.nextThrottle(),
  p: () => link.press('pause'),
  m: () => theme.next(),
});

client.on('instrument', (event) => {
  const news = market.instrument(event);
  if (news && listed) log.add(`${event.symbol} ${event.action === 'delisted' ? 'was delisted' : 'is listed now'}.`);
});
client.on('state', showState);
client.on('pace', showPace);
setInterval(() => market.sample(), SAMPLE_MS);
drawing.start();
void ask();

/** Asks what is listed, and to be told of changes. The pong comes after all that is listed now. */
async function ask(): Promise<void> {
  try {
    await client.request({ op: 'instruments', watch: true });
    await client.request({ op: 'ping' });
    listed = true;
    showMarket(market.listings.length > 0);
  } catch {
    // The connection was lost in between: what is asked for is asked again with the next one.
    if (client.state !== 'closed') void ask();
  }
}

function deepen(): void {
  levels = Number(depth.value) as Depth;
  market.deepen(levels);
}

/** As many rows as are wanted, and not more than this client gets; 0: all. */
function lay(granted: number): void {
  const wanted = granted === 0 ? levels : Math.min(levels, granted);
  if (wanted === rows) return;
  rows = wanted;
  ladder.resize(rows);
}

function showState({ state }: StateEvent): void {
  Slot.of('state-text').set(STATES[state]);
  element('state', HTMLElement).dataset.state = state;
  if (state === 'open') link.allow(client.welcome?.limits.stallMsMax ?? 0);
  // A connection begins in real time.
  if (state !== 'open') showPace({ pace: 'real-time', priority: 9, intervalMs: 0, reason: 'link' });
}

function showPace({ pace, reason }: PaceEvent): void {
  const chip = Slot.of('pace');
  chip.set(pace === 'real-time' ? paceWord(pace) : `${paceWord(pace)} (${reason})`);
  chip.mark('data-level', pace === 'real-time' ? null : 'warn');
}

/** Without a market the page says how to make one, with a line that works as it stands. */
function showMarket(there: boolean): void {
  element('empty', HTMLElement).hidden = there;
  element('main', HTMLElement).hidden = !there;
  if (there) return;
  const { origin } = location;
  element('empty-example', HTMLElement).textContent = [
    `curl -X PUT ${origin}/v1/instruments/ACME-USD -d '{"priceScale":2,"sizeScale":0}'`,
    `curl ${origin}/v1/publish -d '{"symbol":"ACME-USD","type":"snapshot","bids":[["10.01","300"]],"asks":[["10.02","500"]]}'`,
    `curl ${origin}/v1/publish -d '{"symbol":"ACME-USD","type":"trade","price":"10.01","size":"50","side":"sell"}'`,
  ].join('\n');
}
