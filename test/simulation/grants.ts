// Owns what one client may have, as it changes, against what it is sent. Its witness asks it about every frame of data.
// Invariant: bytes that were sent after a grant was changed hold nothing of what it forbids, and no book deeper than it allows, once
// one that is not has come.

import type { Held } from '../../src/client/stream.ts';
import { FULL_GRANT, type Grant } from '../../src/sessions/grant.ts';
import { nameOf } from './comparison.ts';
import type { SessionEvents } from './session-branches.ts';

interface Change {
  readonly grant: Grant;
  /** What the node had sent before. */
  readonly afterBytes: number;
}

export class Grants {
  /** Whether it was changed on this connection. */
  changed = false;
  /** Whether there was anything that the client may not on this connection. */
  limited = false;
  private grant = FULL_GRANT;
  private coming: Change[] = [];
  /** Books that are still deeper than is allowed. */
  private readonly deeper = new Set<string>();

  constructor(
    private readonly events: SessionEvents,
    private readonly fail: (what: string) => never,
  ) {}

  /** A new connection. */
  begin(grant: Grant): void {
    this.grant = grant;
    this.coming = [];
    this.deeper.clear();
    this.changed = false;
    this.limited = grant !== FULL_GRANT;
  }

  change(grant: Grant, afterBytes: number): void {
    this.coming.push({ grant, afterBytes });
    this.changed = true;
    this.limited ||= grant !== FULL_GRANT;
  }

  /** So many bytes have arrived, with the message that is looked at next. */
  arrived(bytes: number, held: Iterable<Held>): void {
    let next = this.coming[0];
    if (next === undefined || bytes <= next.afterBytes) return;
    while (next !== undefined && bytes > next.afterBytes) {
      this.grant = next.grant;
      this.coming.shift();
      next = this.coming[0];
    }
    this.deeper.clear();
    for (const each of held) {
      if (each.book === null || !this.isTooDeep(each, each.book.depth)) continue;
      this.deeper.add(nameOf(each));
      this.events['books cut to a grant'] += 1;
    }
  }

  /** Data of a topic; `depth` of a book, 0: all. */
  data(held: Held, depth: number): void {
    if (!this.limited) return;
    const { channel, symbol } = held.topic;
    if (this.grant.subscribe(channel, symbol) === null)
      this.fail(`${nameOf(held)}: data of what was forbidden before it was sent`);
    const tooDeep = this.isTooDeep(held, depth);
    if (!tooDeep && this.deeper.size > 0) this.deeper.delete(nameOf(held));
    if (tooDeep && !this.deeper.has(nameOf(held))) this.fail(`${nameOf(held)}: ${depth} levels, more than is granted`);
  }

  forget(name: string): void {
    this.deeper.delete(name);
  }

  settled(): void {
    const [name] = this.deeper;
    if (name !== undefined) this.fail(`${name}: deeper than is granted at the end`);
  }

  private isTooDeep({ topic: { channel, symbol } }: Held, depth: number): boolean {
    if (channel !== 'book') return false;
    const most = this.grant.subscribe(channel, symbol)?.depth ?? 0;
    return most !== 0 && (depth === 0 || depth > most);
  }
}
