// Owns who the simulated clients are and what they may: names, and grants drawn for them. Moves give them out and change them.
// Invariant: grants are the product's, made of roles as an operator writes them.

import { CHANNELS, type Depth } from '../../src/protocol/frames.ts';
import { FULL_GRANT, type Grant, grantOf, type Identity, type Role } from '../../src/sessions/grant.ts';
import type { Random } from './kernel.ts';

/** By the clients' numbers: some share a principal, some are nobody. */
const PRINCIPALS = ['anonymous', 'ann', 'ann', 'bob', 'anonymous', 'cid', 'bob', 'anonymous', 'dot', 'anonymous'];
const DEPTHS_GRANTED: readonly Depth[] = [1, 5, 10, 20, 0];
const INTERVALS_GRANTED = [0, 0, 100, 250];

export function principalOf(client: number): string {
  return PRINCIPALS[client % PRINCIPALS.length]!;
}

export function identityOf(principal: string, grant: Grant = FULL_GRANT): Identity {
  return { principal, via: principal === 'anonymous' ? 'anonymous' : 'key', grant, untilMs: null };
}

/** Everything, or all but a symbol or a channel, or books cut to a depth and a pace. */
export function drawGrant(random: Random, symbols: readonly string[]): Grant {
  if (random.chance(0.3)) return FULL_GRANT;
  const forbidden = random.chance(0.5) ? random.pick(symbols) : '';
  const allowed = symbols.filter((symbol) => symbol !== forbidden);
  const [depth, intervalMs] = [random.pick(DEPTHS_GRANTED), random.pick(INTERVALS_GRANTED)];
  const others = CHANNELS.filter((channel) => channel !== 'book');
  const role: Role = {
    subscribe: [
      { channels: ['book'], symbols: allowed, depth, intervalMs },
      { channels: random.chance(0.2) ? others.slice(1) : others, symbols: allowed },
    ],
  };
  return grantOf(role);
}
