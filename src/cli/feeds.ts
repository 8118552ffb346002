// Owns the flags that name live feeds, and running those feeds in a gateway. `serve` calls it.
// Invariant: a wish that is returned names a venue with a live feed and symbols as that venue writes them.

import { InvalidArgumentError } from 'commander';
import type { Live, Venue } from '../feeds/feed.ts';
import { LiveFeed } from '../feeds/live.ts';
import { venues } from '../feeds/venues.ts';
import { whileInOffice } from '../gateway/office.ts';
import { isSymbol } from '../market/instrument.ts';
import { systemClock, systemTimers } from '../ports/clock.ts';
import { Complaint, ExitCode } from './complaint.ts';
import type { Hosted } from './hosting.ts';

/** Symbols of one feed: more in one subscription than this and some venue refuses it. */
const SYMBOLS_MAX = 100;

type LiveVenue = Venue & { readonly live: Live };

/** The symbols wished for, by venue, in the order of the flags. */
export type FeedWishes = ReadonlyMap<LiveVenue, readonly string[]>;

/** Reads one `--feed`, such as `kraken:BTC/USD,ETH/USD`, and adds it to those before. */
export function feedOf(text: string, before: FeedWishes = new Map()): FeedWishes {
  const [name = '', ...rest] = text.split(':');
  const venue = liveVenue(name);
  const named = rest.join(':').split(',').filter(Boolean);
  const { symbolForm } = venue.live;
  if (named.length === 0) {
    throw new InvalidArgumentError(`Say which symbols, such as ${name}:${symbolForm.example}.`);
  }
  const mistaken = named.find((symbol) => !symbolForm.pattern.test(symbol) || !isSymbol(venue.symbolOf(symbol)));
  if (mistaken !== undefined) {
    throw new InvalidArgumentError(`${name} writes a symbol like ${symbolForm.example}, not '${mistaken}'.`);
  }
  const symbols = [...new Set([...(before.get(venue) ?? []), ...named])];
  if (symbols.length > SYMBOLS_MAX) {
    throw new InvalidArgumentError(`Give at most ${SYMBOLS_MAX} symbols of a venue, not ${symbols.length}.`);
  }
  return new Map([...before, [venue, symbols]]);
}

/** Reads one `--feed-url`, such as `kraken=ws://127.0.0.1:9000/v2`, and adds it to those before. */
export function feedUrlOf(text: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const [name = '', ...rest] = text.split('=');
  const url = rest.join('=');
  liveVenue(name);
  if (!/^wss?:\/\/[^#]+$/.test(url) || !URL.canParse(url)) {
    throw new InvalidArgumentError(`Give a WebSocket address, such as ${name}=ws://127.0.0.1:9000.`);
  }
  return new Map([...before, [name, url]]);
}

function liveVenue(name: string): LiveVenue {
  const live = [...venues.values()].filter((venue): venue is LiveVenue => venue.live !== null);
  const found = live.find((venue) => venue.name === name);
  if (found !== undefined) return found;
  const known = live.map((venue) => `${venue.name}:${venue.live.symbolForm.example}`).join(', ');
  throw new InvalidArgumentError(`There is no venue '${name}' to connect to. Give one of: ${known}.`);
}

/** A feed that can be run. Of several gateways on one Redis with the same wish one follows the venue, the others stand by. */
export interface Feed {
  readonly symbols: readonly string[];
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The wished feeds, to be run. Where there are several sources of symbols each one's begin with the name of its venue.
 */
export function createFeeds(
  { gateway, log }: Hosted,
  wishes: FeedWishes,
  { urls, demo }: { readonly urls: ReadonlyMap<string, string>; readonly demo: boolean },
): Feed[] {
  const sources = wishes.size + (demo ? 1 : 0);
  return [...wishes].map(([venue, venueSymbols]) => {
    const make = (): LiveFeed =>
      new LiveFeed({
        venue,
        venueSymbols,
        prefix: sources > 1 ? `${venue.name}.` : '',
        url: urls.get(venue.name) ?? null,
        target: gateway,
        log,
        clock: systemClock,
        timers: systemTimers,
      });
    const office = gateway.office(`feed:${venue.name}:${[...venueSymbols].sort().join(',')}`);
    return {
      symbols: make().symbols,
      run: (signal) => whileInOffice(office, signal, (term) => make().run(term)),
    };
  });
}

/** @throws Complaint where an address belongs to no feed. */
export function checkFeedUrls(wishes: FeedWishes, urls: ReadonlyMap<string, string>): void {
  const wished = [...wishes.keys()].map(({ name }) => name);
  const stray = [...urls.keys()].find((name) => !wished.includes(name));
  if (stray === undefined) return;
  throw new Complaint(`--feed-url names ${stray}, but no --feed does: add --feed ${stray}:...`, ExitCode.misused);
}
