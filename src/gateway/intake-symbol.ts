// Owns what the taker of plain messages knows of one symbol: whose snapshot its book follows, whether that book is whole, and the
// last number of each source. The intake asks it for every item. Invariant: a delta is let through only onto a book that has every
// message of its source since its snapshot.

import type { Update } from '../market/update.ts';
import { type Fault, fault } from '../protocol/errors.ts';
import type { PlainMessage } from './intake-message.ts';

/** Sources of one symbol whose numbers are remembered. */
const SOURCES_MAX = 16;

export class SymbolIntake {
  readonly waiting: PlainMessage[] = [];
  /** What waits is being published, in order. */
  running = false;
  /** What the topics' listeners were last told; null: nothing yet. */
  saidDoubt: boolean | null = null;
  /** When a message came last. */
  heardMs: number;
  /** The book has everything that its source sent since its snapshot. */
  private whole = false;
  /** It was whole until just now, and nobody was told yet. */
  private unsaid: boolean;
  /** The number of the newest message, by source, the latest last. */
  private readonly numbers = new Map<string, number>();

  /** @param source whose snapshot the book follows, empty for one without a name; null for none that is known of. */
  constructor(
    public source: string | null,
    nowMs: number,
  ) {
    this.heardMs = nowMs;
    this.unsaid = source !== null;
  }

  /** Whether to say that the book is not whole: once, each time that it ceases to be. */
  takeDoubt(): boolean {
    const doubted = this.unsaid;
    this.unsaid = false;
    if (doubted) this.saidDoubt = true;
    return doubted;
  }

  /** Whether to say that the book is whole again. */
  takeHealing(): boolean {
    const healed = this.whole && this.saidDoubt === true;
    if (healed) this.saidDoubt = false;
    return healed;
  }

  /** Takes note of the message. @returns whether others of the book's source are missing before it, or that has begun anew. */
  follow({ source, number }: PlainMessage): boolean {
    if (number === null) return false;
    const last = this.numbers.get(source);
    const torn = last !== undefined && number !== last + 1 && source === this.source;
    if (torn) this.doubt();
    this.numbers.delete(source);
    this.numbers.set(source, number);
    if (this.numbers.size > SOURCES_MAX) {
      const oldest = [...this.numbers.keys()].find((each) => each !== this.source);
      this.numbers.delete(oldest!);
    }
    return torn;
  }

  /** Why the book can't take this update from that source; null where it can, and has then. */
  admit(update: Update, { source, number }: PlainMessage): Fault | null {
    if (update.kind === 'snapshot') {
      this.source = source;
      this.whole = true;
      this.unsaid = false;
    }
    if (update.kind !== 'delta') return null;
    if (number === null) return fault('bad-request', 'a delta needs from and n, since PUBLISH may lose messages');
    return this.whole && this.source === source ? null : fault('needs-snapshot');
  }

  /** An item of the book, of that source, did not go in. */
  lose(source: string): void {
    if (source === this.source) this.doubt();
  }

  /** Nobody knows what was missed. */
  doubt(): void {
    if (this.whole) this.unsaid = true;
    this.whole = false;
  }
}
