// Owns the list of venues that Tickwire reads; the CLI looks names up here. The next venue is its file and one line.

import { binance } from './binance.ts';
import { coinbase } from './coinbase.ts';
import type { Venue } from './feed.ts';
import { kraken } from './kraken.ts';

const all: readonly Venue[] = [kraken, coinbase, binance];

/** By name, as `--venue` takes it. */
export const venues: ReadonlyMap<string, Venue> = new Map(all.map((venue) => [venue.name, venue]));
