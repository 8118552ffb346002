// Owns a byte budget: so many bytes a second, a quarter of a second's worth at once. Connections call it with all that they ever
// sent. Invariant: over any span, at most its length times the rate, one burst and one piece that was longer than what was left.

const BURST_S = 0.25;

export class Budget {
  private leftBytes: number;

  constructor(
    readonly bytesPerSec: number,
    private sentBytes: number,
    private refilledMs: number,
  ) {
    this.leftBytes = this.burstBytes;
  }

  /** What may be sent now, when `sentBytes` were; below 0 after more was sent than there was. */
  left(sentBytes: number, nowMs: number): number {
    const refill = ((nowMs - this.refilledMs) / 1_000) * this.bytesPerSec;
    this.leftBytes = Math.min(this.burstBytes, this.leftBytes + refill) - (sentBytes - this.sentBytes);
    this.refilledMs = nowMs;
    this.sentBytes = sentBytes;
    return this.leftBytes;
  }

  /** How long until half of a burst may be sent. */
  waitMs(sentBytes: number, nowMs: number): number {
    return Math.max(0, ((this.burstBytes / 2 - this.left(sentBytes, nowMs)) / this.bytesPerSec) * 1_000);
  }

  private get burstBytes(): number {
    return this.bytesPerSec * BURST_S;
  }
}
