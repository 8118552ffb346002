// Owns how far one connection's service is reduced: real time, conflated, a lower rate, top of book. The lower two apply to the
// lowest priorities first. Connections tick it once a second and carry out what it says.
// Invariant: it moves one rung at a time, up only after lasting pressure, down only after a calm that grows each time it was wrong.

import type { Pace } from '../protocol/frames.ts';

/** The share of a second in which nothing could be sent. */
const PRESSED_ABOVE = 0.5;
const CALM_BELOW = 0.2;
/** Seconds of pressure that lead to the next pace, and at one pace to the next priority. */
const PATIENCE_S = 3;
const PATIENCE_WITHIN_S = 1;
const CALM_FIRST_S = 5;
const CALM_MAX_S = 60;
/** A return within so many seconds of a relief shows that the relief came too soon. */
const RELAPSE_S = 20;

export interface Rung {
  readonly pace: Pace;
  /** Subscriptions of this priority and below are served at that pace, those above at the one before. */
  readonly priority: number;
}

export const REAL_TIME: Rung = { pace: 'real-time', priority: 9 };

export class Ladder {
  private place = 0;
  private pressedS = 0;
  private calmS = 0;
  private calmNeededS = CALM_FIRST_S;
  private sinceReliefS = Number.POSITIVE_INFINITY;

  /**
   * A second has passed. @param blockedShare of it, in which nothing could be sent. @param rungs of this connection now.
   * @returns the rung to change to; null: stay.
   */
  tick(blockedShare: number, rungs: readonly Rung[]): Rung | null {
    this.sinceReliefS += 1;
    this.pressedS = blockedShare > PRESSED_ABOVE ? this.pressedS + 1 : 0;
    this.calmS = blockedShare < CALM_BELOW ? this.calmS + 1 : 0;
    if (this.place >= rungs.length) return this.moveTo(rungs.length - 1, rungs);
    if (this.place + 1 < rungs.length && this.pressedS >= this.patienceS(rungs)) {
      if (this.sinceReliefS <= RELAPSE_S) this.calmNeededS = Math.min(2 * this.calmNeededS, CALM_MAX_S);
      return this.moveTo(this.place + 1, rungs);
    }
    if (this.place === 0 || this.calmS < this.calmNeededS) return null;
    this.sinceReliefS = 0;
    if (this.place === 1) this.calmNeededS = Math.max(CALM_FIRST_S, this.calmNeededS / 2);
    return this.moveTo(this.place - 1, rungs);
  }

  get atTop(): boolean {
    return this.place === 0;
  }

  private patienceS(rungs: readonly Rung[]): number {
    // The second rung only says what is already so.
    const within = this.place === 0 || rungs[this.place + 1]!.pace === rungs[this.place]!.pace;
    return within ? PATIENCE_WITHIN_S : PATIENCE_S;
  }

  private moveTo(place: number, rungs: readonly Rung[]): Rung {
    this.place = place;
    this.pressedS = 0;
    this.calmS = 0;
    return rungs[place]!;
  }
}

/** All rungs of a connection with subscriptions of these priorities, the best first. */
export function rungsOf(priorities: Iterable<number>, topAllowed: boolean): Rung[] {
  const ascending = [...new Set(priorities)].sort((a, b) => a - b);
  const rungs: Rung[] = [REAL_TIME, { pace: 'conflated', priority: 9 }];
  for (const priority of ascending) rungs.push({ pace: 'slower', priority });
  if (topAllowed) for (const priority of ascending) rungs.push({ pace: 'top', priority });
  return rungs;
}
