// Owns what one client was told of how its topics are healed, against what then comes. Its witness asks it about every frame.
// Invariant: each topic that was brought back is healed before its data, and the last that was said before the data is what happens:
// nothing that continues is replaced, and what is replaced begins anew for the reason that was given.

import type { HealedFrame, ResetReason } from '../../src/protocol/frames.ts';
import type { Heal, SessionEvents } from './session-branches.ts';
import type { Active } from './witness.ts';

interface Said {
  readonly how: HealedFrame['how'];
  readonly why: HealedFrame['why'];
  readonly message: number;
}

export class Healings {
  /** Counts the messages of this connection: an answer begins in the message that says how it heals. */
  message = 0;
  private readonly due = new Set<string>();
  private readonly said = new Map<string, Said>();

  constructor(
    private readonly events: SessionEvents,
    private readonly fail: (what: string) => never,
  ) {}

  /** Nothing was said that has not come, and nothing is to be said. */
  get idle(): boolean {
    return this.due.size === 0 && this.said.size === 0;
  }

  /** The topic comes back, with a cursor or of a token. */
  expect(name: string): void {
    this.due.add(name);
  }

  /** The topic does not come back, or has gone. */
  forget(name: string): void {
    this.due.delete(name);
    this.said.delete(name);
  }

  clear(): void {
    this.due.clear();
    this.said.clear();
    this.message = 0;
  }

  healed(name: string, channel: Active['channel'], { how, why }: HealedFrame): void {
    if (!this.due.delete(name) && !this.said.has(name)) this.fail(`${name}: healed, and nothing was brought`);
    if (channel === 'trade' && how === 'diffed') this.fail(`${name}: trades that were ${how}`);
    this.events[`${how} ${why}` as Heal] += 1;
    this.said.set(name, { how, why, message: this.message });
  }

  /** What is held of the topic is replaced. */
  reset(name: string, reason: ResetReason): void {
    const said = this.take(name);
    if (said === undefined || said.message !== this.message) return;
    const expected = said.why === 'none' ? 'subscribed' : said.why;
    if (said.how !== 'snapshot' || reason !== expected) {
      this.fail(`${name}: reset as ${reason}, and it was said to be healed: ${said.how} ${said.why}`);
    }
  }

  gap(name: string): void {
    if (this.due.has(name)) this.fail(`${name}: a gap, and nothing was said of how it is healed`);
    const said = this.said.get(name);
    if (said?.message === this.message && said.why !== 'gap')
      this.fail(`${name}: a gap, healed: ${said.how} ${said.why}`);
  }

  /** Data of the topic. `replaces`: of itself, whatever was held before. */
  data(name: string, replaces: boolean): void {
    const said = this.take(name);
    if (said === undefined) return;
    if (said.how === 'snapshot' && !replaces)
      this.fail(`${name}: a difference, and it was said to be healed by a snapshot`);
    if (said.how === 'diffed' && replaces && said.message === this.message) {
      this.fail(`${name}: a snapshot, and it was said to be healed: diffed`);
    }
  }

  private take(name: string): Said | undefined {
    if (this.due.has(name)) this.fail(`${name}: nothing was said of how it is healed`);
    const said = this.said.get(name);
    this.said.delete(name);
    return said;
  }
}
