// Owns how many requests one client may send: so many a second, and a while's worth at once. Sessions charge it.
// Invariant: over any time a client is granted no more than the rate times that time and one burst.

/** A client that was silent may send as much at once as in so many seconds. */
const BURST_SEC = 10;

export class Allowance {
  private left = 0;
  private countedMs = 0;

  constructor(
    /** As they are at the moment. */
    private readonly limits: { readonly requestsPerSecMax: number },
    nowMs: number,
  ) {
    this.reset(nowMs);
  }

  /** For another client. */
  reset(nowMs: number): void {
    this.left = this.limits.requestsPerSecMax * BURST_SEC;
    this.countedMs = nowMs;
  }

  /** @returns `refused`: it is over the rate; `flood`: and it goes on as if nobody had said so. */
  take(nowMs: number): 'granted' | 'refused' | 'flood' {
    const { requestsPerSecMax: perSec } = this.limits;
    const burst = perSec * BURST_SEC;
    this.left = Math.min(burst, this.left + ((nowMs - this.countedMs) / 1_000) * perSec);
    this.countedMs = nowMs;
    // What is refused counts too: who does not stop is not let in again before it has.
    this.left -= 1;
    if (this.left >= 0) return 'granted';
    return this.left < -burst ? 'flood' : 'refused';
  }
}
