// Owns what somebody may: which topics, how deep, how fast, what may be published. Access makes grants of roles, and identities
// that hold them; sessions and publishing ask a grant for every topic. Invariant: an answer depends on the role, channel and
// symbol alone, and several rules that match give the best of each: the deepest, the fastest.

import { matchesWildcard } from '../market/sets.ts';
import { CHANNELS, type Channel, type Depth, roundIntervalMs } from '../protocol/frames.ts';
import type { WebTokenBearer } from './web-tokens.ts';

/** What is allowed of one topic. */
export interface Allowed {
  /** Levels a side at most; 0: the full book. */
  readonly depth: Depth;
  /** Shortest interval that may be asked for, on the grid of `INTERVALS_MS`; 0: as it happens. */
  readonly intervalMs: number;
  /** Whether every update in a frame of its own may be asked for; then depth and interval are not limited either. */
  readonly raw: boolean;
}

export interface Grant {
  /** What may be had of a topic; null: nothing of it. Costs a look-up; names not asked for of late cost a try of each wildcard. */
  subscribe(channel: Channel, symbol: string): Allowed | null;
  publish(channel: Channel, symbol: string): boolean;
  /** May define instruments and sets. */
  readonly defines: boolean;
  /** Whether any publishing at all. */
  readonly publishes: boolean;
  /** For one connection; 0: no limit. */
  readonly bytesPerSec: number;
  /** Of one principal on this gateway; 0: only the gateway's own limits. */
  readonly connectionsMax: number;
  /** Updates; 0: only the gateway's own limit. */
  readonly publishPerSec: number;
}

/** How somebody said who he is, as far as is needed to look again; never the credential. */
export type Basis =
  | { readonly kind: 'nobody'; readonly local: boolean }
  /** `generation`: which publish token it was, of those that there have been. */
  | { readonly kind: 'token'; readonly generation: number }
  | { readonly kind: 'key'; readonly id: string; readonly sha256: string }
  | { readonly kind: 'jwt'; readonly bearer: WebTokenBearer };

/** Who somebody is, and what that one may. Access makes them. */
export interface Identity {
  /** In logs, and for limits that count by principal. */
  readonly principal: string;
  readonly via: 'anonymous' | 'local' | 'key' | 'token' | 'jwt';
  readonly grant: Grant;
  /** Wall clock, milliseconds since 1970; null: for ever. */
  readonly untilMs: number | null;
  /** For Access alone; absent: it never changes. */
  readonly basis?: Basis;
}

/** Which topics a rule is about: channels or `*` for all, symbols or wildcards. */
export interface TopicRule {
  readonly channels: readonly (Channel | '*')[];
  readonly symbols: readonly string[];
}

export interface SubscribeRule extends TopicRule {
  readonly depth?: Depth;
  readonly intervalMs?: number;
  /** Where it is not said: yes, unless depth or interval is limited. */
  readonly raw?: boolean;
}

/** What a name of the access document, or a claim, stands for. */
export interface Role {
  readonly subscribe?: readonly SubscribeRule[];
  readonly publish?: readonly TopicRule[];
  readonly defines?: boolean;
  readonly bytesPerSec?: number;
  readonly connections?: number;
  readonly publishPerSec?: number;
}

const EVERYTHING: Allowed = { depth: 0, intervalMs: 0, raw: true };

/** Symbols of one channel whose answer is remembered: those of a large market. */
const REMEMBERED_MAX = 4_096;

/** Everything, at any pace. */
export const FULL_GRANT: Grant = {
  subscribe: () => EVERYTHING,
  publish: () => true,
  defines: true,
  publishes: true,
  bytesPerSec: 0,
  connectionsMax: 0,
  publishPerSec: 0,
};

/** All reading, no publishing. */
export const READ_GRANT: Grant = { ...FULL_GRANT, publish: () => false, defines: false, publishes: false };

/** @param role one that was checked, see `faultsOfRole`. */
export function grantOf(role: Role): Grant {
  const reading = new RuleTable(role.subscribe ?? []);
  const publishing = new RuleTable(role.publish ?? []);
  return {
    subscribe: (channel, symbol) => reading.find(channel, symbol),
    publish: (channel, symbol) => publishing.find(channel, symbol) !== null,
    defines: role.defines ?? false,
    publishes: (role.publish ?? []).length > 0,
    bytesPerSec: role.bytesPerSec ?? 0,
    connectionsMax: role.connections ?? 0,
    publishPerSec: role.publishPerSec ?? 0,
  };
}

function allowedBy({ depth = 0, intervalMs = 0, raw }: SubscribeRule): Allowed {
  return { depth, intervalMs: roundIntervalMs(intervalMs), raw: raw ?? (depth === 0 && intervalMs === 0) };
}

/** The deepest and the fastest of both. */
function best(one: Allowed, other: Allowed): Allowed {
  return {
    depth: levelsOf(one.depth) >= levelsOf(other.depth) ? one.depth : other.depth,
    intervalMs: Math.min(one.intervalMs, other.intervalMs),
    raw: one.raw || other.raw,
  };
}

function levelsOf(depth: Depth): number {
  return depth === 0 ? Number.POSITIVE_INFINITY : depth;
}

/** What rules say of one channel. */
interface Column {
  readonly exact: Map<string, Allowed>;
  readonly wildcards: { readonly pattern: string; readonly allowed: Allowed }[];
  /** Answers that were worked out. */
  readonly known: Map<string, Allowed | null>;
}

/** Rules, taken apart so that names are found at once and only wildcards are tried. */
class RuleTable {
  private readonly columns = new Map<Channel, Column>();

  constructor(rules: readonly SubscribeRule[]) {
    for (const rule of rules) {
      const allowed = allowedBy(rule);
      for (const channel of CHANNELS) {
        if (!rule.channels.includes('*') && !rule.channels.includes(channel)) continue;
        for (const symbol of rule.symbols) this.add(channel, symbol, allowed);
      }
    }
  }

  find(channel: Channel, symbol: string): Allowed | null {
    const column = this.columns.get(channel);
    if (column === undefined) return null;
    const { exact, wildcards, known } = column;
    if (wildcards.length === 0) return exact.get(symbol) ?? null;
    const remembered = known.get(symbol);
    if (remembered !== undefined) return remembered;
    const found = wildcards.reduce(
      (so: Allowed | null, { pattern, allowed }) =>
        !matchesWildcard(pattern, symbol) ? so : so === null ? allowed : best(so, allowed),
      exact.get(symbol) ?? null,
    );
    // Anybody may ask for any name: what is remembered is bounded, and working it out again is cheap.
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(symbol, found);
    return found;
  }

  private add(channel: Channel, symbol: string, allowed: Allowed): void {
    let column = this.columns.get(channel);
    if (column === undefined) {
      column = { exact: new Map(), wildcards: [], known: new Map() };
      this.columns.set(channel, column);
    }
    if (symbol.includes('*')) {
      column.wildcards.push({ pattern: symbol, allowed });
      return;
    }
    const before = column.exact.get(symbol);
    column.exact.set(symbol, before === undefined ? allowed : best(before, allowed));
  }
}
