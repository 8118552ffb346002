// Owns the lookup of messages by the set of answers that they join, within one turn. Called by the flush.
// Invariant: what `find` returns was made from exactly the same answers in the same order; a hash that collides is no match.

import type { Message } from '../ports/socket.ts';
import type { Recipient } from './recipient.ts';

const SLOTS = 4_096;

export class JoinTable {
  private readonly generations = new Int32Array(SLOTS);
  private readonly hashes = new Int32Array(SLOTS);
  private readonly entries = new Int32Array(SLOTS);
  private generation = 0;
  private readonly messages: Message[] = [];
  /** The answers of all entries in one list; `offsets[i]` is where those of entry i begin. */
  private readonly answers: number[] = [];
  private readonly offsets: number[] = [];
  private used = 0;

  /** Begins a turn. */
  clear(): void {
    this.generation += 1;
    this.messages.length = 0;
    this.answers.length = 0;
    this.offsets.length = 0;
    this.used = 0;
  }

  /** The entry of an equal set; -1 where there is none. */
  find(recipient: Recipient): number {
    const slot = this.slotOf(recipient);
    return this.generations[slot] === this.generation ? (this.entries[slot] as number) : -1;
  }

  /** The entry's message for one more recipient; from the second on in a buffer of its own. */
  share(entry: number): Message {
    const made = this.messages[entry] as Message;
    if (made instanceof ArrayBuffer) return made;
    const own = made.slice().buffer;
    this.messages[entry] = own;
    return own;
  }

  add(recipient: Recipient, message: Uint8Array): void {
    // A full table only costs sharing.
    if (this.used > SLOTS / 2) return;
    const slot = this.slotOf(recipient);
    this.used += 1;
    this.generations[slot] = this.generation;
    this.hashes[slot] = recipient.dueHash;
    this.entries[slot] = this.messages.length;
    this.messages.push(message);
    this.offsets.push(this.answers.length);
    for (let i = 0; i < recipient.dueCount; i++) this.answers.push(recipient.due[i] as number);
  }

  /** The slot of an equal set, or the free one where it belongs. */
  private slotOf(recipient: Recipient): number {
    let slot = recipient.dueHash & (SLOTS - 1);
    while (this.generations[slot] === this.generation) {
      if (this.hashes[slot] === recipient.dueHash && this.equal(this.entries[slot] as number, recipient)) return slot;
      slot = (slot + 1) & (SLOTS - 1);
    }
    return slot;
  }

  private equal(entry: number, { due, dueCount }: Recipient): boolean {
    const offset = this.offsets[entry] as number;
    const end = this.offsets[entry + 1] ?? this.answers.length;
    if (end - offset !== dueCount) return false;
    for (let i = 0; i < dueCount; i++) if (this.answers[offset + i] !== due[i]) return false;
    return true;
  }
}
