// Owns the prepared list of updates that every subject publishes round and round, and the book each topic begins with.
// Invariant: the list is closed: applied to the books it leaves behind, it is as valid as the first time
// (every level that it removes it also adds again), and no book is ever crossed or empty. Every update changes its book, whichever time it
// comes: one that changes nothing is due to nobody, and would be counted as delivered late.

import { type BookDelta, type BookSnapshot, LEVEL_STRIDE } from '../../src/market/update.ts';
import { seededRandom, type Workload } from './workloads.ts';

export interface PreparedUpdate {
  readonly topic: number;
  readonly delta: BookDelta;
}

/** Levels per side of every book. */
const SIDE_LEVELS = 50;
const LEVELS = 2 * SIDE_LEVELS;
/** Levels that one update changes, unless the workload says otherwise. */
const UPDATE_LEVELS = 3;
/** Above 2^16, so that a price takes five bytes on the wire, as a real one does. */
const MID_PRICE = 1_000_000;
/** Sizes take five bytes too. */
const SIZE_MIN = 65_536;
/** In first books, and in no update: each changes what it names. */
const SIZE_FIRST = 4_000_000;
const SIZE_SPREAD = 2_000_000;
/** Of a level's numbers. */
const SIZE_AT = 1;
/** Long enough that a burst is not soon repeated; short enough to stay in the cache's reach. */
const LIST_UPDATES = 16_384;
const REMOVAL_SHARE = 0.2;
/** An exponent: the higher, the more the changes gather at the top of the book. */
const TOP_SKEW = 3;

/** The book that a topic has before the first update. */
export function firstBook(topic: number): BookSnapshot {
  const book = { kind: 'snapshot' as const, bids: [] as number[], asks: [] as number[] };
  for (let level = 0; level < LEVELS; level++) sideOf(book, level).push(priceOf(level), SIZE_FIRST + topic + level, 0);
  return book;
}

/** The prepared list. */
export function prepareUpdates(workload: Pick<Workload, 'topics' | 'updateLevels'>, seed: number): PreparedUpdate[] {
  const half = prepareHalf(workload, seed);
  // A level that is set once in a half would be set to what it is, the next time.
  return [...half, ...half.map(({ topic, delta }) => ({ topic, delta: withOtherSizes(delta) }))];
}

function withOtherSizes({ kind, bids, asks }: BookDelta): BookDelta {
  const other = (value: number, at: number): number => (at % LEVEL_STRIDE === SIZE_AT && value > 0 ? value + 1 : value);
  return { kind, bids: bids.map(other), asks: asks.map(other) };
}

function prepareHalf(workload: Pick<Workload, 'topics' | 'updateLevels'>, seed: number): PreparedUpdate[] {
  const random = seededRandom(seed);
  const topics = Array.from({ length: LIST_UPDATES / 2 }, () => Math.floor(random() * workload.topics));
  const lastOfTopic = new Map(topics.map((topic, index) => [topic, index]));
  const removed = new Map<number, number>();
  const { updateLevels = UPDATE_LEVELS } = workload;
  return topics.map((topic, index) => {
    const mayRemove = lastOfTopic.get(topic) !== index && random() < REMOVAL_SHARE;
    return { topic, delta: nextDelta(topic, removed, mayRemove, updateLevels, random) };
  });
}

/** Adds the level again that the topic's last update removed, changes others, and leaves at most one removed. */
function nextDelta(
  topic: number,
  removed: Map<number, number>,
  mayRemove: boolean,
  updateLevels: number,
  random: () => number,
): BookDelta {
  const levels = new Set<number>();
  const returning = removed.get(topic);
  removed.delete(topic);
  if (returning !== undefined) levels.add(returning);
  while (levels.size < updateLevels) levels.add(randomLevel(random));
  const leaving = mayRemove ? [...levels].at(-1) : undefined;
  if (leaving !== undefined) removed.set(topic, leaving);
  const delta = { kind: 'delta' as const, bids: [] as number[], asks: [] as number[] };
  for (const level of [...levels].sort((a, b) => a - b)) {
    const size = level === leaving ? 0 : SIZE_MIN + Math.floor(random() * SIZE_SPREAD);
    sideOf(delta, level).push(priceOf(level), size, 0);
  }
  return delta;
}

/** Even levels are bids, odd ones asks; low numbers are near the top. */
function randomLevel(random: () => number): number {
  return Math.floor(LEVELS * random() ** TOP_SKEW);
}

function sideOf(book: { bids: number[]; asks: number[] }, level: number): number[] {
  return level % 2 === 0 ? book.bids : book.asks;
}

function priceOf(level: number): number {
  const rank = Math.floor(level / 2) + 1;
  return level % 2 === 0 ? MID_PRICE - rank : MID_PRICE + rank;
}
