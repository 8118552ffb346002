// Owns which requests of one client were not answered yet, and what they were about. Its witness asks it about every answer.
// Invariant: every request is answered once, in the order in which they were made.

import type { Channel } from '../../src/protocol/frames.ts';

/** What a request was about, as far as acknowledgements don't repeat it; null: about no topic. */
export type Asked = { readonly channel: Channel; readonly group: number } | 'resume' | 'auth' | null;

export class Requests {
  /** Those that the client made by itself, since what it held was wrong. */
  ownResyncs = 0;
  private readonly asked = new Map<number, Asked>();

  constructor(private readonly fail: (what: string) => never) {}

  add(id: number, asked: Asked): void {
    this.asked.set(id, asked);
  }

  find(id: number): Asked | undefined {
    return this.asked.get(id);
  }

  answered(id: number): Asked {
    if (this.ownResyncs > 0 && !this.asked.has(id)) {
      this.ownResyncs -= 1;
      return null;
    }
    const [next] = this.asked.keys();
    if (next !== id) this.fail(`request ${id} was answered, ${next} was next`);
    const asked = this.asked.get(id) ?? null;
    this.asked.delete(id);
    return asked;
  }

  /** The connection is gone. */
  clear(): void {
    this.asked.clear();
    this.ownResyncs = 0;
  }
}
