// Owns the list of venues that Tickwire reads; the CLI looks names up here. The next venue is its file and one line.

import type { Venue } from './feed.ts';
import { kraken } from './kraken.ts';

const all: readonly Venue[] = [kraken];

/** By name, as `--venue` takes it. */
export const venues: ReadonlyMap<string, Venue> = new Map(all.map((venue) => [venue.name, venue]));
