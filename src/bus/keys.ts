// Owns the memory of idempotency keys of one topic: which place the update with this key was given. The in-process bus asks it.
// Invariant: never more than `KEYS_MAX`; the oldest goes first.

import { KEYS_MAX } from './bus.ts';

export class KeyMemory {
  private readonly seqs = new Map<string, number>();

  get(key: string): number | undefined {
    return this.seqs.get(key);
  }

  put(key: string, seq: number): void {
    this.seqs.set(key, seq);
    // A map keeps the order in which its keys came.
    if (this.seqs.size > KEYS_MAX) this.seqs.delete(this.seqs.keys().next().value as string);
  }
}
