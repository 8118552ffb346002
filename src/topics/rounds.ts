// Owns the pace at which the flush goes round the lanes while the process is busy: which lanes it has come to by now, and what one
// send for many turns spares. The flush asks it and says what it sent. Invariant: every lane is passed once a round, in the same order.

/** From one pass of a lane to the next, so that sending takes at most half of the time; longer only where sending itself takes longer. */
const ROUND_MS_MAX = 10;
const ROUND_MS_MIN = 1;

export class Rounds {
  /** What sending to all who were due something took, in the last round, or in the last flush that did not go round. */
  sendMs = 0;
  /** What sends would have taken that going round made needless. */
  sparedMs = 0;
  /** Lanes passed since the process began. */
  passed = 0;
  /** The next one. */
  lane = 0;
  /** When it is due. */
  private dueMs = 0;
  /** Of the round under way: what sends took, how many there were, how many there would have been had each turn sent what was due. */
  private roundMs = 0;
  private sends = 0;
  private wanted = 0;

  begin(nowMs: number): void {
    this.dueMs = nowMs;
    this.roundMs = 0;
    this.sends = 0;
    this.wanted = 0;
  }

  /** So many lanes were due something of a turn. */
  want(lanes: number): void {
    this.wanted += lanes;
  }

  /** How many lanes are to be passed by now: a round at most. */
  due(nowMs: number, laneCount: number): number {
    const { roundMsPlanned } = this;
    this.dueMs = Math.max(this.dueMs, nowMs - roundMsPlanned);
    return Math.floor(((nowMs - this.dueMs) / roundMsPlanned) * laneCount);
  }

  /** @returns the lane that is passed now. */
  pass(laneCount: number): number {
    // Lanes are never fewer than before.
    const { lane } = this;
    this.lane = lane + 1 === laneCount ? 0 : lane + 1;
    this.passed += 1;
    return lane;
  }

  /** So many lanes were passed in one go, so many of them sent to. */
  went(lanes: number, sends: number, tookMs: number, laneCount: number): void {
    this.dueMs += (lanes / laneCount) * this.roundMsPlanned;
    this.roundMs += tookMs;
    this.sends += sends;
    if (lanes <= this.lane) return;
    if (this.sends > 0) {
      this.sparedMs += Math.max(0, this.wanted / this.sends - 1) * this.roundMs;
      this.sendMs = this.roundMs;
    }
    this.roundMs = 0;
    this.sends = 0;
    this.wanted = 0;
  }

  private get roundMsPlanned(): number {
    return Math.min(Math.max(2 * this.sendMs, ROUND_MS_MIN), ROUND_MS_MAX);
  }
}
