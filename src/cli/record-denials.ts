// Owns what a recording has to do without, since this client may not have it, and how that is said. Record calls it.
// Invariant: what is denied is named once, by channel, with how many symbols that concerns; nothing is left out in silence.

import type { Channel } from '../protocol/frames.ts';
import { Complaint } from './complaint.ts';
import { refusalSentence } from './credential.ts';

/** Alone they are no market. */
const BY_THE_WAY: Channel = 'status';

export class Denials {
  private granted = new Set<Channel>();
  private readonly denied = new Map<Channel, Set<string>>();
  private readonly said = new Set<string>();

  /** @param asked what is to be recorded. @param byName whether a person has named these channels, and so means each. */
  constructor(
    private readonly asked: readonly Channel[],
    private readonly byName: boolean,
  ) {}

  grant(channel: Channel): void {
    this.granted.add(channel);
  }

  deny(channel: Channel, symbol: string): void {
    const key = `${channel}:${symbol}`;
    if (this.said.has(key)) return;
    this.said.add(key);
    this.denied.set(channel, (this.denied.get(channel) ?? new Set()).add(symbol));
  }

  /** What was denied since the last time; null: nothing. @throws Complaint where what is left is not worth a recording. */
  take(): string | null {
    if (this.denied.size === 0) return null;
    const parts = [...this.denied].map(([channel, symbols]) => `${channel} of ${namesOf([...symbols])}`);
    this.denied.clear();
    const wants = this.asked.filter((channel) => channel !== BY_THE_WAY);
    const poor = this.byName || (wants.length > 0 && !wants.some((channel) => this.granted.has(channel)));
    const message = `This client may not have every single update of this: ${parts.join('; ')}.`;
    if (poor) throw new Complaint(refusalSentence({ code: 'not-entitled', message, action: '' }));
    return `not-entitled: ${message} The rest is recorded.`;
  }
}

function namesOf([first, ...others]: readonly string[]): string {
  if (others.length === 0) return first!;
  return others.length === 1 ? `${first} and ${others[0]}` : `${first} and ${others.length} more symbols`;
}
