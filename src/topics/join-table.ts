// Owns the lookup of messages by the set of answers that they join, within one turn. Called by the flush.
// Invariant: what `find` returns was made from exactly the same answers in the same order; a hash that collides is no match.

import type { Lanes } from './lanes.ts';

const SLOTS = 4_096;

export class JoinTable {
  private readonly generations = new Int32Array(SLOTS);
  private readonly hashes = new Int32Array(SLOTS);
  private readonly entries = new Int32Array(SLOTS);
  private generation = 0;
  private readonly messages: Uint8Array[] = [];
  /** The answers of all entries in one list; `offsets[i]` is where those of entry i begin. */
  private readonly answers: number[] = [];
  private readonly offsets: number[] = [];
  private used = 0;

  constructor(private readonly lanes: Lanes) {}

  /** Begins a turn. */
  clear(): void {
    this.generation += 1;
    this.messages.length = 0;
    this.answers.length = 0;
    this.offsets.length = 0;
    this.used = 0;
  }

  /** The message that was made for an equal set; undefined where there is none. */
  find(lane: number): Uint8Array | undefined {
    const slot = this.slotOf(lane);
    return this.generations[slot] === this.generation ? this.messages[this.entries[slot] as number] : undefined;
  }

  add(lane: number, message: Uint8Array): void {
    // A full table only costs sharing.
    if (this.used > SLOTS / 2) return;
    const { due, dueCounts, dueHashes, dueStride } = this.lanes;
    const slot = this.slotOf(lane);
    this.used += 1;
    this.generations[slot] = this.generation;
    this.hashes[slot] = dueHashes[lane] as number;
    this.entries[slot] = this.messages.length;
    this.messages.push(message);
    this.offsets.push(this.answers.length);
    const first = lane * dueStride;
    for (let i = first; i < first + dueCounts[lane]!; i++) this.answers.push(due[i] as number);
  }

  /** The slot of an equal set, or the free one where it belongs. */
  private slotOf(lane: number): number {
    const hash = this.lanes.dueHashes[lane] as number;
    let slot = hash & (SLOTS - 1);
    while (this.generations[slot] === this.generation) {
      if (this.hashes[slot] === hash && this.equal(this.entries[slot] as number, lane)) return slot;
      slot = (slot + 1) & (SLOTS - 1);
    }
    return slot;
  }

  private equal(entry: number, lane: number): boolean {
    const { due, dueCounts, dueStride } = this.lanes;
    const offset = this.offsets[entry] as number;
    const count = (this.offsets[entry + 1] ?? this.answers.length) - offset;
    if (count !== dueCounts[lane]) return false;
    for (let i = 0; i < count; i++) if (this.answers[offset + i] !== due[lane * dueStride + i]) return false;
    return true;
  }
}
