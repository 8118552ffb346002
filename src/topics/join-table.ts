// Owns the lookup of messages by the set of answers that they join, within one turn. Called by the joining, which fills in where each stands.
// Invariant: an entry stands for exactly the same answers in the same order; a hash that collides is no match.

import type { Lanes } from './lanes.ts';

const SLOTS = 4_096;
/** What `enter` answers where there is no room for another set. */
export const NO_ENTRY = -1;

export class JoinTable {
  /** By entry: where in the buffer its message begins and ends (0: it is not made yet), and the view of it, once it is shared. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly messages: (Uint8Array | null)[] = [];
  /** By entry: how many time frames its message does without. */
  readonly timesSpared: number[] = [];
  private readonly generations = new Int32Array(SLOTS);
  private readonly hashes = new Int32Array(SLOTS);
  private readonly entries = new Int32Array(SLOTS);
  private generation = 0;
  /** How many entries there are in this turn; lists that are refilled every turn are not emptied. */
  private used = 0;
  /** Of all entries in one list, each behind how many they are; `offsets[i]` is where those of entry i begin. */
  private readonly answers: number[] = [];
  private answersUsed = 0;
  private readonly offsets: number[] = [];

  constructor(private readonly lanes: Lanes) {}

  /** Begins a turn. */
  clear(): void {
    this.generation += 1;
    this.used = 0;
    this.answersUsed = 0;
  }

  /** @returns the entry of the lane's set, which lanes with an equal one share. */
  enter(lane: number): number {
    const hash = this.lanes.dueHashes[lane] as number;
    let slot = hash & (SLOTS - 1);
    while (this.generations[slot] === this.generation) {
      const entry = this.entries[slot] as number;
      if (this.hashes[slot] === hash && this.equal(entry, lane)) return entry;
      slot = (slot + 1) & (SLOTS - 1);
    }
    // A full table only costs sharing.
    return this.used > SLOTS / 2 ? NO_ENTRY : this.add(lane, hash, slot);
  }

  private add(lane: number, hash: number, slot: number): number {
    const { answers } = this;
    const { due, dueCounts, dueStride } = this.lanes;
    const entry = this.used++;
    this.generations[slot] = this.generation;
    this.hashes[slot] = hash;
    this.entries[slot] = entry;
    this.ends[entry] = 0;
    this.messages[entry] = null;
    this.offsets[entry] = this.answersUsed;
    const first = lane * dueStride;
    const count = dueCounts[lane] as number;
    answers[this.answersUsed++] = count;
    for (let i = first; i < first + count; i++) answers[this.answersUsed++] = due[i] as number;
    return entry;
  }

  private equal(entry: number, lane: number): boolean {
    const { answers } = this;
    const { due, dueCounts, dueStride } = this.lanes;
    const offset = this.offsets[entry] as number;
    const count = answers[offset] as number;
    if (count !== dueCounts[lane]) return false;
    const first = lane * dueStride;
    for (let i = 0; i < count; i++) if (answers[offset + 1 + i] !== due[first + i]) return false;
    return true;
  }
}
