// Owns the list of symbols: the filter, the rows, and choosing one with mouse or keyboard. The page hands it the market's list.
// Invariant: at most ROWS_MAX rows, and the chosen symbol is the one that assistive technology hears of.

import { formatDecimal } from '../client/index.ts';
import { append, element, Marks, Slot } from './drawing.ts';
import { isDenied, type Listing } from './market.ts';
import { counted, moved, NOT_ALLOWED } from './words.ts';

/** More are found with the filter. */
const ROWS_MAX = 60;
/** Prices in a list need not move faster than the eye reads. */
const DRAW_MS = 125;
const SPARK_WIDTH = 60;
const SPARK_HEIGHT = 20;

interface Row {
  readonly listing: Listing;
  readonly owner: HTMLElement;
  readonly line: Marks;
  readonly last: Slot;
  readonly change: Slot;
  readonly spread: Slot;
}

/** Of the demo market: a first look should see something move. */
const LIVELIEST = 'BTC-USD';

export interface WatchActions {
  chosen(listing: Listing): void;
  /** These rows are on the screen now. */
  shown(listings: readonly Listing[]): void;
}

export class WatchPanel {
  private readonly list = element('watch-list', HTMLElement);
  private readonly filter = element('filter', HTMLInputElement);
  private readonly more = element('watch-more', HTMLElement);
  private listings: readonly Listing[] = [];
  private rows: readonly Row[] = [];
  private chosen: Listing | null = null;
  /** The symbol in the page's address: a reload or a link leads back to it. */
  private readonly wanted = location.hash.slice(1);
  private drawnAtMs = 0;

  constructor(private readonly actions: WatchActions) {
    this.filter.addEventListener('input', () => this.lay());
    this.filter.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
      event.preventDefault();
      this.list.focus();
      const [first] = this.rows;
      if (first !== undefined && !this.rows.some(({ listing }) => listing === this.chosen)) this.choose(first.listing);
    });
    this.list.addEventListener('click', ({ target }) => {
      const row = this.rows.find(({ owner }) => target instanceof Node && owner.contains(target));
      if (row !== undefined) this.choose(row.listing);
    });
    this.list.addEventListener('keydown', (event) => {
      const steps: Record<string, number> = {
        ArrowDown: 1,
        ArrowUp: -1,
        PageDown: 8,
        PageUp: -8,
        Home: -ROWS_MAX,
        End: ROWS_MAX,
      };
      const step = steps[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.step(step);
    });
  }

  /** The market's list has changed. */
  take(listings: readonly Listing[]): void {
    this.listings = listings;
    this.filter.hidden = listings.length < 8 && this.filter.value === '';
    this.lay();
    if (this.chosen !== null && listings.includes(this.chosen)) return;
    const named = (name: string): Listing | undefined => listings.find(({ symbol }) => symbol === name);
    const first = named(this.wanted) ?? named(LIVELIEST) ?? listings[0];
    if (first === undefined) this.chosen = null;
    else this.choose(first);
  }

  seek(): void {
    if (this.filter.hidden) this.list.focus();
    else this.filter.focus();
  }

  /** Chooses the symbol so many rows further down. */
  step(rows: number): void {
    const at = this.rows.findIndex(({ listing }) => listing === this.chosen);
    const next = this.rows[Math.min(Math.max(at + rows, 0), this.rows.length - 1)];
    if (next !== undefined) this.choose(next.listing);
  }

  draw(nowMs: number): void {
    if (nowMs - this.drawnAtMs < DRAW_MS) return;
    this.drawnAtMs = nowMs;
    for (const row of this.rows) drawRow(row);
  }

  private choose(listing: Listing): void {
    this.chosen = listing;
    history.replaceState(null, '', `#${listing.symbol}`);
    this.point();
    this.actions.chosen(listing);
  }

  private lay(): void {
    const wanted = this.filter.value.trim().toUpperCase();
    const found = this.listings.filter(({ symbol }) => symbol.toUpperCase().includes(wanted));
    const shown = found.slice(0, ROWS_MAX);
    this.list.replaceChildren();
    this.rows = shown.map((listing, index) => makeRow(this.list, listing, index));
    const hidden = found.length - shown.length;
    this.more.hidden = hidden === 0 && found.length > 0;
    this.more.textContent =
      found.length === 0 ? 'No symbol has this in its name.' : `${counted(hidden, 'more symbol')}: filter to see them.`;
    this.point();
    this.actions.shown(shown);
    this.drawnAtMs = 0;
  }

  private point(): void {
    const chosen = this.rows.find(({ listing }) => listing === this.chosen);
    for (const { owner } of this.rows) owner.setAttribute('aria-selected', String(owner === chosen?.owner));
    if (chosen === undefined) return this.list.removeAttribute('aria-activedescendant');
    this.list.setAttribute('aria-activedescendant', chosen.owner.id);
    chosen.owner.scrollIntoView({ block: 'nearest' });
  }
}

function makeRow(list: HTMLElement, listing: Listing, index: number): Row {
  const owner = append(list, 'li');
  owner.id = `symbol-${index}`;
  owner.setAttribute('role', 'option');
  append(owner, 'span').textContent = listing.symbol;
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  svg.append(line);
  owner.append(svg);
  const slot = (): Slot => new Slot(append(owner, 'span'));
  return { listing, owner, line: new Marks(line), last: slot(), change: slot(), spread: slot() };
}

function drawRow({ listing, line, last, change, spread }: Row): void {
  const { priceScale, firstPrice, lastPrice, feed, samples } = listing;
  const none = (denied: boolean): string => (denied ? NOT_ALLOWED : '–');
  last.set(lastPrice === null ? none(isDenied(feed?.trades)) : formatDecimal(lastPrice, priceScale));
  drawChange(change, firstPrice, lastPrice, priceScale);
  const quote = feed?.quote.current ?? null;
  const both = quote !== null && quote.bidPrice !== null && quote.askPrice !== null;
  spread.set(both ? formatDecimal(quote.askPrice! - quote.bidPrice!, quote.priceScale) : none(isDenied(feed?.quote)));
  line.mark('points', pointsOf(samples));
}

function drawChange(slot: Slot, from: number | null, to: number | null, scale: number): void {
  const words = from === null || to === null ? '' : moved(from, to, scale);
  slot.set(words);
  slot.mark('class', words.startsWith('▼') ? 'down' : words.startsWith('▲') ? 'up' : null);
}

/** The newest sample stands at the right edge. */
function pointsOf(samples: readonly number[]): string {
  if (samples.length < 2) return '';
  const low = Math.min(...samples);
  const range = Math.max(...samples) - low;
  const left = SPARK_WIDTH - samples.length;
  return samples
    .map((each, index) => {
      const share = range === 0 ? 0.5 : (each - low) / range;
      return `${left + index},${(SPARK_HEIGHT - 2 - share * (SPARK_HEIGHT - 4)).toFixed(1)}`;
    })
    .join(' ');
}
